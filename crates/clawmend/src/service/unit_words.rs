//! What a unit has printed, wherever its service manager keeps that.
//!
//! Invariant: asking changes nothing, and a place that cannot be read is told, not failed on.

use super::{Manager, UnitName};

/// The words of one unit. Nothing is kept or followed: each question is a look of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitWords {
    manager: Manager,
    name: UnitName,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Lines as they were printed, the oldest first, not redacted.
    pub text: Vec<u8>,
    /// What could not be read, for people; it is text from outside.
    pub left_out: Option<String>,
}

impl Heard {
    /// Nothing, and why.
    pub(super) fn nothing(why: String) -> Self {
        Self { text: Vec::new(), left_out: Some(why) }
    }
}

impl UnitWords {
    /// Of this unit.
    #[must_use]
    pub const fn of(manager: Manager, name: UnitName) -> Self {
        Self { manager, name }
    }

    /// The unit's name.
    #[must_use]
    pub fn unit(&self) -> &str {
        self.name.as_str()
    }

    /// What it has printed since, in milliseconds since 1970. `uid`: whose unit it is, of a user's manager. Waits for
    /// another program, for seconds at most: not for a loop.
    #[must_use]
    pub fn since(&self, uid: u32, since_ms: i64) -> Heard {
        self.between(uid, since_ms, None)
    }

    /// The same up to a time, if there is one.
    #[must_use]
    pub fn between(&self, uid: u32, since_ms: i64, until_ms: Option<i64>) -> Heard {
        match &self.manager {
            #[cfg(target_os = "linux")]
            Manager::SystemdUser | Manager::SystemdSystem | Manager::SystemdAt(_) => {
                super::systemd::journal::last_words(&self.manager, &self.name, uid, since_ms, until_ms)
            }
            #[cfg(not(target_os = "linux"))]
            Manager::SystemdUser | Manager::SystemdSystem | Manager::SystemdAt(_) => {
                let _ = (uid, since_ms, until_ms);
                Heard::nothing("a unit's words are read on Linux only".to_owned())
            }
            Manager::Launchd | Manager::TaskScheduler => {
                Heard::nothing("what this manager keeps of a job's output is not read yet".to_owned())
            }
        }
    }
}
