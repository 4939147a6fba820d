//! What outlives the guard and the boot of a node in a shared group.

use super::record::{NodeId, Term};
use crate::gateway::Incarnation;
use serde::{Deserialize, Serialize};

/// The gateway that may speak: it was started with its channels on, or they were switched on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Active {
    /// Under this term.
    pub term: Term,
    /// Its process, once it was seen. It names its boot, so a gateway of an earlier boot is never taken for it.
    pub life: Option<Incarnation>,
    /// It is known that its channels are on. Before, it may be either, and nobody goes on with it.
    #[serde(default = "yes")]
    pub opened: bool,
    /// The node that a person has named for the channels, while they are handed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<NodeId>,
}

/// A gateway that is started cold has its channels on from its start.
const fn yes() -> bool {
    true
}

/// Losing it is safe: a process that nobody remembers is ended, and a lease that nobody remembers runs out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Memory {
    /// A gateway was started and not seen to end.
    pub active: Option<Active>,
    /// A gateway that was started with its channels off, and nobody has switched them on since.
    #[serde(default)]
    pub mute: Option<Incarnation>,
    /// The highest term that the store ever named.
    pub seen: Term,
    /// Since when terms have been counted like this, in seconds since 1970: in a new store they begin anew, and a word of
    /// term 3 is another one.
    #[serde(default)]
    pub epoch: i64,
    /// A person, or a split brain, keeps this node from taking over.
    pub held: bool,
    /// A person wants it to take over, out of turn: as soon as the lease is free.
    #[serde(default)]
    pub wanted: bool,
    /// People were told that the store is silent; whether this node owned when it fell silent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_lost: Option<bool>,
}
