//! What a person wants. A wish wins over everything else, in every state.

use crate::time::{Moment, Wall};
use serde::{Deserialize, Serialize};

/// Something a person said to the guard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "wish", rename_all = "snake_case")]
pub enum Wish {
    /// Hands off until `resume`, or until the time is over.
    Pause {
        /// When the pause ends by itself.
        until: Option<Wall>,
        /// Why, for people.
        reason: Option<String>,
    },
    /// End of a pause. Does not start what a person stopped.
    Resume,
    /// Stop the gateway in order and keep it stopped.
    Stop,
    /// Leave it off, by nobody's wish: its pair or group has it stand by, or whoever ends the machine ends it. A stop of a
    /// person stays theirs.
    StandBy,
    /// Guard paused, gateway stopped, port free; survives a reboot.
    EmergencyStop,
    /// Run again: ends a stop and an emergency stop.
    Start,
    /// Restart now, in order.
    Restart,
}

/// What the guard works towards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Desired {
    /// It should run.
    #[default]
    Running,
    /// It should not.
    Stopped,
}

/// Everything a person has said that is still in force. Durable: a guard that comes back obeys it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Should it run?
    pub desired: Desired,
    /// A person stopped it, ended only by `start`. Otherwise it only stands by.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped_by_person: bool,
    /// Set by `stop --emergency`, ended only by `start`.
    pub emergency: bool,
    /// When the stop in force was asked for. A gateway that a person starts later is not ended by it.
    pub stopped_at: Option<Wall>,
    /// A pause, if one is in force.
    pub pause: Option<Pause>,
    /// The flag file that pauses is there.
    pub flag_file: bool,
    /// While nobody was to touch it the gateway ended in a way that a person may have caused: it stays ended.
    pub ended_in_pause: bool,
    /// The emergency stop took the unit out of the boot sequence; `start` puts it back.
    pub disabled_by_us: bool,
}

/// A pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// When it began.
    pub since: Wall,
    /// When it ends by itself.
    pub until: Option<Wall>,
    /// Why.
    pub reason: Option<String>,
}

impl Standing {
    /// A pause is over.
    pub fn resume(&mut self) {
        self.pause = None;
        self.forget_the_end();
    }

    /// That the gateway ended in a pause says something only where it should run.
    pub fn forget_the_end(&mut self) {
        self.ended_in_pause &= self.desired == Desired::Running;
    }

    /// The guard keeps its hands off.
    #[must_use]
    pub fn hands_off(&self) -> bool {
        self.emergency || self.flag_file || self.pause.is_some()
    }

    /// Nothing but a person's word lifts it: a pair, whose standing by is a stop as well, starts nothing either.
    #[must_use]
    pub fn hinders(&self) -> bool {
        self.hands_off() || self.ended_in_pause
    }

    /// Nor does a group, where another node can carry the channels: there a person's stop holds as well.
    #[must_use]
    pub fn hinders_a_group(&self) -> bool {
        self.hinders() || self.stopped_by_person
    }

    /// A start by the guard would go against a person's wish.
    #[must_use]
    pub fn forbids_start(&self) -> bool {
        self.hinders() || self.desired == Desired::Stopped
    }

    /// When a pause must end by itself, in the moments of this boot.
    #[must_use]
    pub fn pause_ends(&self, now: crate::time::Now) -> Option<Moment> {
        let until = self.pause.as_ref()?.until?;
        let ahead = u64::try_from(until.0.saturating_sub(now.wall.0)).unwrap_or(0);
        Some(now.mono.plus(ahead))
    }
}
