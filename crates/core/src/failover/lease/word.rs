//! What people who do not watch are told of a shared group, and how loudly.
//!
//! Invariants: what only a person can end, and what may mean two owners, is as loud as it gets; what a person has just
//! asked for is not told to them; the same word under the same term of the same store has the same key, whenever it is told
//! again. Start at
//! [`notice`].

use super::output::{Telling, Why};
use super::record::Term;
use crate::alert::Level;
use crate::alert::desk::mark;
use crate::alert::notice::{Notice, Told};
use crate::gateway::GatewayId;
use crate::time::Wall;
use serde::{Deserialize, Serialize};

/// A word, with what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// What.
    pub telling: Telling,
    /// The machines that it is about, as people call them.
    pub machines: Vec<String>,
}

/// The word as a notice; none for what is no news to anybody who does not watch. `term` is the highest that is known, and
/// `epoch` since when terms have been counted ([`Memory::epoch`](super::Memory::epoch)).
#[must_use]
pub fn notice(gateway: &GatewayId, (epoch, term): (i64, Term), word: Word, at: Wall) -> Option<Notice> {
    let level = level(&word.telling)?;
    let (gateway, step) = (gateway.clone(), step(&word.telling));
    let subject = if of_the_store(&word.telling) {
        format!("{}/group-store", gateway.0)
    } else {
        format!("{}/group-{epoch}-{}", gateway.0, term.0)
    };
    let about = if again_and_again(&word.telling) {
        (at.0 / 1_000).to_string()
    } else {
        format!("{:08x}", mark(&word.machines.join(",")))
    };
    let key = format!("{subject}/{step}-{about}");
    let what = if let Telling::StoreBack { owned } = word.telling {
        let loudest = if owned { Level::Critical } else { Level::Warning };
        Told::GroupOver { gateway, word, loudest }
    } else {
        Told::Group { gateway, word }
    };
    Some(Notice { key, subject, level, at, what })
}

/// One term can see several of them.
const fn again_and_again(telling: &Telling) -> bool {
    of_the_store(telling) || matches!(telling, Telling::SwitchedOn)
}

/// Of a silence of the store; others may own when it is over.
const fn of_the_store(telling: &Telling) -> bool {
    matches!(telling, Telling::StoreLost { .. } | Telling::StoreBack { .. })
}

const fn level(telling: &Telling) -> Option<Level> {
    match telling {
        Telling::GaveUp(why) => gave_up(*why),
        // The first owner of a new group took over from nobody.
        Telling::Owns { term: Term(0 | 1) } | Telling::StoreBack { .. } => Some(Level::Info),
        Telling::Owns { .. } | Telling::NotDisabled | Telling::SwitchedOn | Telling::StoreLost { owned: false } => {
            Some(Level::Warning)
        }
        Telling::StillRunning
        | Telling::NotTurnedOff { .. }
        | Telling::NeedsPerson { .. }
        | Telling::Residual { .. }
        | Telling::NoDeadman
        | Telling::StoreConfused { .. }
        | Telling::StoreLost { owned: true } => Some(Level::Critical),
        Telling::TurningOff { .. } | Telling::HeldElsewhere { .. } => None,
    }
}

const fn gave_up(why: Why) -> Option<Level> {
    match why {
        Why::SplitBrain | Why::CannotStart | Why::Unfenced | Why::NoDeadman => Some(Level::Critical),
        Why::RanOut | Why::Taken | Why::Woke | Why::Unproven | Why::NotOurs | Why::SwitchedOn | Why::CannotOpen => {
            Some(Level::Warning)
        }
        // Who is asked hears of that; who has said it knows.
        Why::NotCleared | Why::Person | Why::GuardEnds => None,
    }
}

const fn step(telling: &Telling) -> &'static str {
    match telling {
        Telling::Owns { .. } => "owns",
        Telling::GaveUp(_) => "gave-up",
        Telling::StillRunning => "still-running",
        Telling::TurningOff { .. } => "turning-off",
        Telling::NotTurnedOff { .. } => "not-turned-off",
        Telling::NeedsPerson { .. } => "needs-person",
        Telling::Residual { .. } => "residual",
        Telling::HeldElsewhere { .. } => "held-elsewhere",
        Telling::NoDeadman => "no-deadman",
        Telling::StoreConfused { .. } => "store-confused",
        Telling::StoreLost { .. } => "store-lost",
        Telling::StoreBack { .. } => "store-back",
        Telling::NotDisabled => "not-disabled",
        Telling::SwitchedOn => "switched-on",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn told(telling: Telling) -> Option<Notice> {
        let word = Word { telling, machines: vec!["alpha".into()] };
        notice(&GatewayId("default".into()), (0, Term(7)), word, Wall(5))
    }

    #[test]
    fn what_only_a_person_can_end_is_loud_and_what_they_asked_for_is_not_told() {
        let level = |telling| told(telling).map(|notice| notice.level);
        assert_eq!(level(Telling::NoDeadman), Some(Level::Critical));
        assert_eq!(level(Telling::GaveUp(Why::SplitBrain)), Some(Level::Critical));
        assert_eq!(level(Telling::GaveUp(Why::RanOut)), Some(Level::Warning));
        assert_eq!(level(Telling::GaveUp(Why::Person)), None);
        assert_eq!(level(Telling::StoreLost { owned: true }), Some(Level::Critical));
        assert_eq!(level(Telling::StoreLost { owned: false }), Some(Level::Warning));
        assert_eq!(level(Telling::StoreBack { owned: true }), Some(Level::Info));
        assert_eq!(level(Telling::Owns { term: Term(1) }), Some(Level::Info));
        assert_eq!(level(Telling::Owns { term: Term(2) }), Some(Level::Warning));
    }

    #[test]
    fn a_key_is_the_same_for_the_same_word_and_another_for_other_machines() {
        let key = |machines: &[&str]| {
            let machines = machines.iter().map(|name| (*name).to_owned()).collect();
            let word = Word { telling: Telling::NoDeadman, machines };
            notice(&GatewayId("default".into()), (0, Term(7)), word, Wall(5)).unwrap().key
        };
        assert_eq!(key(&["alpha"]), key(&["alpha"]));
        assert_ne!(key(&["alpha"]), key(&["alpha", "beta"]));
    }

    #[test]
    fn each_silence_of_the_store_has_a_key_of_its_own() {
        let key = |at| {
            let word = Word { telling: Telling::StoreLost { owned: true }, machines: Vec::new() };
            notice(&GatewayId("default".into()), (0, Term(7)), word, Wall(at)).unwrap().key
        };
        assert_eq!(key(5_000), key(5_999));
        assert_ne!(key(5_000), key(65_000));
    }

    #[test]
    fn who_heard_that_the_store_was_lost_hears_that_it_is_back() {
        let of = |telling, term| {
            let word = Word { telling, machines: Vec::new() };
            notice(&GatewayId("default".into()), (0, Term(term)), word, Wall(5)).unwrap()
        };
        for (owned, heard) in [(true, Level::Critical), (false, Level::Warning)] {
            let (lost, back) = (of(Telling::StoreLost { owned }, 7), of(Telling::StoreBack { owned }, 9));
            assert_eq!(lost.subject, back.subject);
            assert!(back.what.is_end() && matches!(back.what, Told::GroupOver { loudest, .. } if loudest == heard));
        }
    }
}
