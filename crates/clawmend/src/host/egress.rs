//! A closed room for processes whose packets the kernel can tell from all others.
//!
//! Invariant: who is in it stays in it with all that it starts, and its packets are known by the room also when they are
//! of a connection that was made long ago. It must be entered before the first socket is opened.

use super::os;
use clawmend_core::gateway::Incarnation;

/// Why there is no room; one sentence for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoRoom(pub String);

/// A room (Linux: a control group of version 2).
#[derive(Debug)]
pub struct Room {
    inner: os::egress::Room,
}

impl Room {
    /// Whether rooms can be made here. Changes nothing.
    ///
    /// # Errors
    /// Why not.
    pub fn possible() -> Result<(), NoRoom> {
        os::egress::Room::possible()
    }

    /// Makes the room of this name, or finds it. The name holds letters, digits and underscores.
    ///
    /// # Errors
    /// Not possible here, or the system refused.
    pub fn make(name: &str) -> Result<Self, NoRoom> {
        os::egress::Room::make(name).map(|inner| Self { inner })
    }

    /// Whether there is a room of this name. Changes nothing.
    #[must_use]
    pub fn is_there(name: &str) -> bool {
        os::egress::Room::is_there(name)
    }

    /// Brings a process in. What it has started before stays outside.
    ///
    /// # Errors
    /// It is not there any more, or the system refused.
    pub fn take_in(&self, life: &Incarnation) -> Result<(), NoRoom> {
        self.inner.take_in(life)
    }

    /// Whether this life is inside.
    #[must_use]
    pub fn holds(&self, life: &Incarnation) -> bool {
        self.inner.holds(life)
    }

    /// How the packet filter calls it.
    #[must_use]
    pub fn in_filter(&self) -> String {
        self.inner.in_filter()
    }

    /// Takes it away, if nobody is inside.
    pub fn remove(&self) {
        self.inner.remove();
    }
}
