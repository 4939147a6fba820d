//! What a node of a shared group says, for people.

use clawmend_core::failover::lease::{NodeId, Telling, Why};
use std::collections::BTreeSet;

/// Why a gateway is ended or a lease given up.
#[must_use]
pub const fn why(why: Why) -> &'static str {
    match why {
        Why::RanOut => "its lease could not be renewed in time",
        Why::Taken => "the lease store says that the lease is not this node's",
        Why::Woke => "this machine or its guard was asleep",
        Why::Unproven => "the guard is new, and it is not proven that this gateway runs under a lease",
        Why::NotOurs => "a gateway runs that nobody here asked for",
        Why::SplitBrain => "somebody else uses the same channel",
        Why::Person => "a person wants it",
        Why::CannotStart => "the gateway does not start on this node",
        Why::NotCleared => "another machine may only be paused, and nobody has said that it is off",
        Why::Unfenced => "the egress fence around the gateway failed",
        Why::SwitchedOn => "it was to wait with its channels off, and one is on",
        Why::CannotOpen => "its channels could not be switched on while it ran; it is started anew",
        Why::NoDeadman => "its deadman cannot be armed anew: look whether the runtime folder is full or gone",
        Why::GuardEnds => "this guard ends, and no gateway runs here",
    }
}

/// The gateway is about to be ended.
#[must_use]
pub fn ending(reason: Why) -> String {
    format!("the gateway is ended now: {}", why(reason))
}

/// The machines that it is about.
#[must_use]
pub fn machines(telling: &Telling) -> BTreeSet<NodeId> {
    match telling {
        Telling::NeedsPerson { nodes } | Telling::Residual { nodes } => nodes.clone(),
        Telling::TurningOff { node } | Telling::NotTurnedOff { node } | Telling::HeldElsewhere { node } => {
            BTreeSet::from([*node])
        }
        Telling::Owns { .. }
        | Telling::GaveUp(_)
        | Telling::StillRunning
        | Telling::NoDeadman
        | Telling::StoreConfused { .. }
        | Telling::StoreLost { .. }
        | Telling::StoreBack { .. }
        | Telling::NotDisabled
        | Telling::SwitchedOn => BTreeSet::new(),
    }
}

/// What a person hears.
#[must_use]
pub fn telling(telling: &Telling, name: &dyn Fn(NodeId) -> String) -> String {
    let all = |nodes: &BTreeSet<NodeId>| nodes.iter().map(|node| name(*node)).collect::<Vec<_>>().join(", ");
    match telling {
        Telling::Owns { term } => format!("this node owns the channels now (term {})", term.0),
        Telling::GaveUp(reason) => format!("this node gives the channels up: {}", why(*reason)),
        Telling::StillRunning => {
            "the gateway was ended and still runs; if it cannot be ended, the lease runs out under it: look at this machine"
                .to_owned()
        }
        Telling::TurningOff { node } => format!("{} may only be paused; it is being turned off from outside", name(*node)),
        Telling::NotTurnedOff { node } => format!("it is not proven that {} is off, so nothing is started", name(*node)),
        Telling::NeedsPerson { nodes } => {
            let names = all(nodes);
            format!(
                "{names} held the channels and never gave them back, and may only be paused; see that it is off, then \
                 `clawmend standby promote --off NAME`"
            )
        }
        Telling::Residual { nodes } => {
            format!("{} may only be paused; as the settings say, this node goes on: for a moment there may be two owners", all(nodes))
        }
        Telling::HeldElsewhere { node } => format!("{} owns the channels; hand over from there", name(*node)),
        Telling::NoDeadman => "the deadman cannot be armed, so nothing is started".to_owned(),
        Telling::StoreConfused { said, known } => format!(
            "the lease store answered with term {}, although {} is known; it may have been put back to an older state, and is \
             not believed",
            said.0, known.0
        ),
        Telling::StoreLost { owned: true } => {
            "the lease store has given no answer that counts for a minute, so this node cannot own the channels; unless another node reaches \
             it, nobody answers people"
                .to_owned()
        }
        Telling::StoreLost { owned: false } => {
            "the lease store has given no answer that counts for five minutes, so this node cannot take over".to_owned()
        }
        Telling::StoreBack { .. } => "the lease store answers again".to_owned(),
        Telling::NotDisabled => {
            "the channels could not be switched off in the config; the guard still starts nothing without the lease".to_owned()
        }
        Telling::SwitchedOn => {
            "a channel of this node's gateway was switched on while another node may own it; the gateway is ended, and started \
             again with its channels off"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clawmend_core::failover::lease::Term;

    #[test]
    fn everything_that_is_told() {
        let nodes = BTreeSet::from([NodeId(1), NodeId(2)]);
        let node = NodeId(2);
        let all = [
            Telling::Owns { term: Term(7) },
            Telling::StillRunning,
            Telling::TurningOff { node },
            Telling::NotTurnedOff { node },
            Telling::NeedsPerson { nodes: nodes.clone() },
            Telling::Residual { nodes },
            Telling::HeldElsewhere { node },
            Telling::NoDeadman,
            Telling::StoreConfused { said: Term(3), known: Term(7) },
            Telling::StoreLost { owned: true },
            Telling::StoreLost { owned: false },
            Telling::StoreBack { owned: true },
            Telling::NotDisabled,
            Telling::SwitchedOn,
        ];
        let reasons = [
            Why::RanOut,
            Why::Taken,
            Why::Woke,
            Why::Unproven,
            Why::NotOurs,
            Why::SplitBrain,
            Why::Person,
            Why::CannotStart,
            Why::NotCleared,
            Why::Unfenced,
            Why::SwitchedOn,
            Why::CannotOpen,
            Why::NoDeadman,
            Why::GuardEnds,
        ];
        let gave_up = reasons.iter().map(|reason| Telling::GaveUp(*reason));
        let name = |node: NodeId| ["alpha", "beta"][usize::from(node.0) - 1].to_owned();
        let lines: Vec<String> = all.into_iter().chain(gave_up).map(|one| telling(&one, &name)).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
