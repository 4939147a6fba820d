//! What comes out of a node of a shared group.

use super::evidence::{ActId, RequestId};
use super::record::{NodeId, Request, Term};
use crate::time::Moment;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Why a gateway is ended or a lease given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The lease could not be renewed in time.
    RanOut,
    /// The store says that it is not ours.
    Taken,
    /// The guard or the machine slept.
    Woke,
    /// A new guard cannot prove that this process runs under a lease.
    Unproven,
    /// Nobody here asked for this process.
    NotOurs,
    /// Somebody else uses the same channel.
    SplitBrain,
    /// A person wants it.
    Person,
    /// The gateway does not start on this node.
    CannotStart,
    /// Another machine may be paused, and nobody has vouched for it.
    NotCleared,
    /// The fence around the gateway has failed.
    Unfenced,
    /// A gateway that was to be mute has a channel switched on.
    SwitchedOn,
    /// The channels of a mute gateway could not be switched on in time.
    CannotOpen,
    /// The deadman of the gateway that runs could not be armed for the renewed lease, and would end it in a turn's middle.
    NoDeadman,
    /// The guard ends, and nothing of the gateway runs.
    GuardEnds,
}

/// What a person hears.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Telling {
    /// This node owns the channels.
    Owns {
        /// Under this term.
        term: Term,
    },
    /// It does not any more.
    GaveUp(Why),
    /// The order to end the gateway was not carried out within its budget. The lease may run out under it.
    StillRunning,
    /// A machine that held the lease may only be paused; the hook is asked to turn it off.
    TurningOff {
        /// Which.
        node: NodeId,
    },
    /// The hook could not prove that it is off.
    NotTurnedOff {
        /// Which.
        node: NodeId,
    },
    /// A person must say that these machines are off.
    NeedsPerson {
        /// Which.
        nodes: BTreeSet<NodeId>,
    },
    /// It goes on although these machines may only be paused: the setting accepts that.
    Residual {
        /// Which.
        nodes: BTreeSet<NodeId>,
    },
    /// A person wants this node to own, but another does.
    HeldElsewhere {
        /// Which.
        node: NodeId,
    },
    /// The deadman cannot be armed, so nothing is started.
    NoDeadman,
    /// The store answered with a term that cannot be: it may have been put back to an older state.
    StoreConfused {
        /// What it said.
        said: Term,
        /// What is known.
        known: Term,
    },
    /// The store has given no answer that counts for long.
    StoreLost {
        /// This node owned when it fell silent.
        owned: bool,
    },
    /// After that it has answered again.
    StoreBack {
        /// As in [`Self::StoreLost`].
        owned: bool,
    },
    /// The channels could not be switched off in the config; the gate still refuses to start them.
    NotDisabled,
    /// A gateway that waited mute had a channel switched on, by whomever; it is ended.
    SwitchedOn,
}

/// What an adapter is to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Directive {
    /// Ask the store. The clock is read before the request leaves.
    Ask {
        /// Its name.
        request: RequestId,
        /// What to ask.
        what: Request,
    },
    /// Start the gateway with its channels on, unless it is `not_after` by then. Whoever spawns it checks that.
    Start {
        /// Its name.
        act: ActId,
        /// The term that it runs under.
        term: Term,
        /// From then on nothing may be started any more.
        not_after: Moment,
    },
    /// Switch the channels off in the config, read that back, and only then start the gateway, unless it is `not_after` by
    /// then. It needs no deadman, and one that is armed for an earlier life is taken away. From the start on it is looked
    /// at, whether it is mute.
    StartMute {
        /// Its name.
        act: ActId,
        /// From then on nothing may be started any more.
        not_after: Moment,
    },
    /// Have the gateway that runs mute switch its channels on, unless it is `not_after` by then. Whoever sends that checks
    /// it. What is under way ends with the process.
    Open {
        /// Its name.
        act: ActId,
        /// The term that it speaks under.
        term: Term,
        /// From then on nothing may be switched on any more.
        not_after: Moment,
    },
    /// End the whole gateway now, by SIGKILL: a drain would send, and an ordinary stop wakes a frozen one.
    End {
        /// Its name.
        act: ActId,
        /// What for.
        why: Why,
    },
    /// Finish the work that there is, and take no new one: [`super::Evidence::Quiesced`] tells when it is so.
    Quiesce {
        /// Then it is ended.
        until: Moment,
    },
    /// Switch the channels off in the gateway's config, and read it back.
    Disable,
    /// Have the deadman end the gateway at this moment, whatever happens to the guard.
    Arm {
        /// The term.
        term: Term,
        /// The moment, of the clock that counts sleep.
        until: Moment,
    },
    /// Have a machine turned off from outside, and prove it.
    TurnOff {
        /// Which.
        node: NodeId,
        /// The term under which it is asked for.
        term: Term,
    },
    /// [`super::Holder::memory`] has changed: make it durable before anything that follows.
    Persist,
    /// Tell a person.
    Tell(Telling),
}
