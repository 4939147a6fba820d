//! What outlives the guard and the boot of a node in a shared group.

use super::record::Term;
use crate::gateway::Incarnation;
use serde::{Deserialize, Serialize};

/// The gateway that was started last.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Active {
    /// Under this term.
    pub term: Term,
    /// Its process, once it was seen. It names its boot, so a gateway of an earlier boot is never taken for it.
    pub life: Option<Incarnation>,
}

/// Losing it is safe: a process that nobody remembers is ended, and a lease that nobody remembers runs out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Memory {
    /// A gateway was started and not seen to end.
    pub active: Option<Active>,
    /// The highest term that the store ever named.
    pub seen: Term,
    /// A person, or a split brain, keeps this node from taking over.
    pub held: bool,
}
