//! What a node of a shared group learns.

use super::pause::Vouch;
use super::record::{NodeId, Term, View};
use crate::gateway::Incarnation;
use crate::time::Moment;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Names one request to the store, for ever, within one life of the guard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub u64);

/// Names one order to start, to open or to end the gateway, within one life of the guard. They are carried out in this
/// order, one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ActId(pub u64);

/// What the store answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To a look.
    Seen(View),
    /// The lease is yours.
    Acquired {
        /// Under this term.
        term: Term,
        /// Others that held it and never gave it back.
        suspects: BTreeSet<NodeId>,
    },
    /// It still is.
    Renewed {
        /// Under this term.
        term: Term,
    },
    /// It is given back.
    Released {
        /// The term that is over.
        term: Term,
    },
    /// It is not done, and never will be.
    Refused(View),
    /// No answer, or none that can be read: it may have been done, or may be done yet.
    Unknown,
}

/// The deadman of the gateway that runs: it ends it without the guard's help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fenced {
    /// The term that it was armed under.
    pub term: Term,
    /// When it ends the gateway.
    pub until: Moment,
}

/// What is known of this node's gateway process. Each fact names the act that it follows from, so that it does not
/// matter when it arrives: an end that was proven before the last start says nothing about that start.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gateway {
    /// What the guard found when it began, behind everything that the guard before it had ordered: proven, not guessed.
    Found {
        /// The process that runs.
        life: Option<Incarnation>,
        /// Its deadman.
        fenced: Option<Fenced>,
    },
    /// A process runs.
    Started {
        /// This start made it.
        act: ActId,
        /// The process.
        life: Incarnation,
    },
    /// The start failed, or came too late; nothing will come of it.
    NotStarted {
        /// Which.
        act: ActId,
    },
    /// No gateway of this node runs: reaped, or otherwise proven, also without an order to end it.
    Ended {
        /// The last act that had been carried out by then.
        after: ActId,
    },
    /// A process runs that no act made.
    Stranger(Incarnation),
    /// This process is mute: its config has no channel switched on, and by its own word none is at work.
    Mute {
        /// The process.
        life: Incarnation,
    },
    /// This process was started mute, and its config has a channel switched on, or one is at work.
    Speaks {
        /// The process.
        life: Incarnation,
    },
    /// Its channels are switched on, read back.
    Opened {
        /// By this order.
        act: ActId,
    },
    /// They are not, or not all, or it came too late. The order is not carried out any more, but by a process that lives.
    NotOpened {
        /// Which.
        act: ActId,
    },
}

/// What a person says.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Take over as soon as the lease is free.
    Promote {
        /// These machines are off: the person has seen to it after they were shown.
        vouch: Option<Vouch>,
    },
    /// Hand over, to this node or to whoever comes first: a planned switch.
    HandOver {
        /// Who is to have it next.
        to: Option<NodeId>,
    },
    /// Step down, and do not take over until I say otherwise.
    Demote,
    /// Do not take over until I say otherwise. An owner stays one.
    Hold,
    /// Decide by yourself again.
    Release,
}

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// What came of a request.
    Answered {
        /// Which.
        request: RequestId,
        /// Read from the clock *before* the request left.
        sent: Moment,
        /// The answer.
        answer: Answer,
    },
    /// The store has said, unasked, that the lease was let go, or ran out. It may come late, or never, so it is worth no
    /// more than a reason to ask now.
    Freed,
    /// The gateway process.
    Gateway(Gateway),
    /// The deadman is armed.
    Armed(Fenced),
    /// It could not be armed; what was armed before stands.
    NotArmed,
    /// What shuts the gateway off while its guard and its deadman are both frozen has failed, or does not hold the
    /// process that runs; it is shut, or shuts by itself.
    Unfenced,
    /// What the hook that turns machines off said.
    TurnedOff {
        /// Which machine.
        node: NodeId,
        /// The term under which it was asked to.
        term: Term,
        /// It is off, proven; or that is not known.
        worked: bool,
    },
    /// The owner takes no new work, and has none left.
    Quiesced,
    /// The channels are switched off in the gateway's config, read back; or could not be.
    Disabled {
        /// They are off.
        worked: bool,
    },
    /// The channel's service says that somebody else polls with the same credentials.
    Conflict,
    /// Another source than the clock says that the machine was asleep or paused.
    Woke,
    /// A person has paused or stopped this node's gateway, so it could start nothing; or that is over.
    Hindered(bool),
    /// The guard ends in order. A gateway that runs goes on for the next one, as long as its lease lasts.
    GuardEnds,
    /// A person's word.
    Person(Order),
}
