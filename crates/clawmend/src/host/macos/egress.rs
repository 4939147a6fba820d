//! Not built here.

use crate::host::Unsupported;
use crate::host::egress::NoRoom;
use clawmend_core::gateway::Incarnation;

/// Never comes to be here.
#[derive(Debug)]
pub enum Room {}

fn unsupported() -> NoRoom {
    NoRoom(Unsupported { what: "telling a gateway's packets from others" }.to_string())
}

impl Room {
    /// See the facade.
    pub fn possible() -> Result<(), NoRoom> {
        Err(unsupported())
    }

    /// See the facade.
    pub fn make(_name: &str) -> Result<Self, NoRoom> {
        Err(unsupported())
    }

    /// See the facade.
    pub const fn is_there(_name: &str) -> bool {
        false
    }

    /// Never called.
    pub fn take_in(&self, _life: &Incarnation) -> Result<(), NoRoom> {
        match *self {}
    }

    /// Never called.
    pub fn holds(&self, _life: &Incarnation) -> bool {
        match *self {}
    }

    /// Never called.
    pub fn in_filter(&self) -> String {
        match *self {}
    }

    /// Never called.
    pub fn remove(&self) {
        match *self {}
    }
}
