//! What both models share: names of lives, what people said, and the situation that the check is asked about.

use clawmend_core::check::{ForeignStop, Life, Phase, Situation};
use clawmend_core::gateway::{Control, Form, Incarnation};
use clawmend_core::health::Verdict;
use clawmend_core::wish::{Desired, Pause, Standing};

pub fn incarnation(pid: u8) -> Incarnation {
    Incarnation { pid: u32::from(pid), start: u64::from(pid), boot: String::new() }
}

pub fn standing(stopped: bool, paused: bool) -> Standing {
    let pause = paused.then(|| Pause { since: Default::default(), until: None, reason: None });
    let desired = if stopped { Desired::Stopped } else { Desired::Running };
    Standing { desired, pause, ..Standing::default() }
}

/// A gateway that is down, no budget used up. Each model adds what its guard has seen.
pub fn situation<'a>(form: Form, standing: &'a Standing, alive: Option<&'a Incarnation>) -> Situation<'a> {
    Situation {
        form,
        control: Control::Full,
        standing,
        life: alive.map_or(Life::Absent, Life::Alive),
        target: alive,
        service: None,
        foreign_stop: ForeignStop::None,
        phase: Phase::Gone,
        held: None,
        verdict: Verdict::Down,
        unclean_ends: 0,
        starts_in_hour: 0,
        starts_limit: 100,
        starts_in_interval: 0,
        outstanding: None,
        refused_config: None,
        channel_stopped: false,
        disk_low: false,
    }
}
