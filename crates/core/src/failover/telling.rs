//! What people are told of a pair, and how loudly.
//!
//! Invariants: everything from the first word on a lost primary (on the primary: on a lost standby) to its end has one subject, and each step of it a
//! key of its own that is the same whenever it is told again; a refusal that only a person can end is as loud as it gets.
//! Start at [`notice`].

use super::role::{Reason, Role};
use crate::alert::Level;
use crate::alert::desk::mark;
use crate::alert::notice::{Notice, Told};
use crate::gateway::GatewayId;
use crate::time::Wall;
use serde::{Deserialize, Serialize};

/// A time of trouble: from the first word or the takeover to the step back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Episode {
    /// The first is 1.
    pub number: u64,
    /// Since when the primary does not serve; where a person began it, since then.
    pub since: Wall,
    /// It is not over.
    pub open: bool,
}

/// Why nothing is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Obstacle {
    /// A person holds this node as it is.
    Held,
    /// The two configs are not known to be apart.
    NotApart {
        /// For people, without secrets.
        why: String,
    },
}

/// What people hear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Telling {
    /// The primary is lost, and nothing is done about it.
    NotPromoted {
        /// Why.
        obstacle: Obstacle,
    },
    /// This node carries.
    TookOver {
        /// Why.
        reason: Reason,
        /// A person holds it so.
        #[serde(default)]
        held: bool,
    },
    /// It has stepped back.
    SteppedBack {
        /// Why.
        reason: Reason,
    },
    /// The primary is well again, and nobody took over meanwhile.
    Returned,
    /// The primary is back, and must be well for longer than usual, because it came and went.
    Unsteady {
        /// For how long it must be well, in milliseconds.
        needs_ms: u64,
        /// Takeovers of late.
        takeovers: u32,
    },
    /// This node carries, and the configs are not known to be apart any more: a channel may have two owners.
    NotApart {
        /// Why.
        why: String,
    },
    /// A change of role failed.
    Failed {
        /// What this node is now.
        role: Role,
        /// The primary is lost.
        #[serde(default = "yes")]
        lost: bool,
        /// It is tried again.
        #[serde(default = "yes")]
        again: bool,
        /// A person had asked for it.
        #[serde(default)]
        asked: bool,
    },
    /// This node carries, the primary is lost, and its own gateway does not serve.
    NobodyAnswers {
        /// Since when its gateway does not.
        since: Wall,
    },
    /// That is over: this node's gateway serves, or the primary's.
    AnswersAgain {
        /// The same as before.
        since: Wall,
    },
    /// Of a primary: its standby has not asked for long, so nobody would take over.
    StandbyLost,
    /// It asks again, without a break.
    StandbyBack,
}

/// Of words that were kept before this was told apart.
const fn yes() -> bool {
    true
}

/// One step of a change of role, as it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Which: `workspace`, `gateway`, `channel`.
    pub step: String,
    /// It worked.
    pub worked: bool,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// For people.
    pub detail: String,
}

/// A word, with what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// Since when: see [`Episode::since`], and for a silence its own.
    pub since: Wall,
    /// What.
    pub telling: Telling,
    /// The steps of the change that it is about, in order.
    pub steps: Vec<Step>,
}

impl Telling {
    /// The time of trouble is over with it.
    #[must_use]
    pub const fn is_end(&self) -> bool {
        match self {
            Self::SteppedBack { .. } | Self::Returned | Self::StandbyBack => true,
            Self::NotPromoted { .. }
            | Self::TookOver { .. }
            | Self::Unsteady { .. }
            | Self::NotApart { .. }
            | Self::Failed { .. }
            | Self::NobodyAnswers { .. }
            | Self::AnswersAgain { .. }
            | Self::StandbyLost => false,
        }
    }

    /// How loud. What a person has just asked for themselves is only worth knowing.
    #[must_use]
    pub const fn level(&self) -> Level {
        match self {
            Self::TookOver { reason: Reason::Person | Reason::Drill, .. }
            | Self::SteppedBack { .. }
            | Self::Returned
            | Self::StandbyBack => Level::Info,
            Self::Unsteady { .. }
            | Self::AnswersAgain { .. }
            | Self::StandbyLost
            | Self::Failed { role: Role::Active | Role::Demoting, .. }
            | Self::Failed { lost: false, .. } => Level::Warning,
            Self::TookOver { .. }
            | Self::NotPromoted { .. }
            | Self::NotApart { .. }
            | Self::NobodyAnswers { .. }
            | Self::Failed { role: Role::Watching | Role::Promoting, lost: true, .. } => Level::Critical,
        }
    }

    /// A silence has a time of its own.
    const fn since(&self, episode: &Episode) -> Wall {
        match self {
            Self::NobodyAnswers { since } | Self::AnswersAgain { since } => *since,
            Self::NotPromoted { .. }
            | Self::TookOver { .. }
            | Self::SteppedBack { .. }
            | Self::Returned
            | Self::Unsteady { .. }
            | Self::NotApart { .. }
            | Self::Failed { .. }
            | Self::StandbyLost
            | Self::StandbyBack => episode.since,
        }
    }

    fn step(&self) -> String {
        match self {
            Self::NotPromoted { obstacle: Obstacle::Held } => "held".to_owned(),
            Self::NotPromoted { obstacle: Obstacle::NotApart { why } } => format!("refused-{:08x}", mark(why)),
            // The primary may be lost while it carries so, which is another word.
            Self::TookOver { reason: Reason::Person | Reason::Drill, .. } => "took-over-as-asked".to_owned(),
            Self::TookOver { .. } => "took-over".to_owned(),
            Self::SteppedBack { .. } => "stepped-back".to_owned(),
            Self::Returned => "returned".to_owned(),
            Self::Unsteady { takeovers, .. } => format!("unsteady-{takeovers}"),
            Self::NotApart { why } => format!("not-apart-{:08x}", mark(why)),
            Self::Failed { role: Role::Active | Role::Demoting, .. } => "step-back-failed".to_owned(),
            Self::Failed { role: Role::Watching | Role::Promoting, lost: true, .. } => "takeover-failed".to_owned(),
            Self::Failed { role: Role::Watching | Role::Promoting, lost: false, .. } => "trial-failed".to_owned(),
            Self::NobodyAnswers { since } => format!("nobody-answers-{}", since.0 / 1_000),
            Self::AnswersAgain { since } => format!("answers-again-{}", since.0 / 1_000),
            Self::StandbyLost => "standby-lost".to_owned(),
            Self::StandbyBack => "standby-back".to_owned(),
        }
    }
}

/// The word as a notice. `since` is part of the subject, so that a node that has forgotten its number repeats no subject.
#[must_use]
pub fn notice(gateway: &GatewayId, episode: &Episode, telling: &Telling, steps: &[Step], at: Wall) -> Notice {
    let subject = format!("{}/pair-{}-{}", gateway.0, episode.number, episode.since.0 / 1_000);
    let key = format!("{subject}/{}", telling.step());
    let word = Word { since: telling.since(episode), telling: telling.clone(), steps: steps.to_vec() };
    let (level, gateway) = (telling.level(), gateway.clone());
    let what =
        if telling.is_end() { Told::PairOver { gateway, word, loudest: level } } else { Told::Pair { gateway, word } };
    Notice { key, subject, level, at, what }
}
