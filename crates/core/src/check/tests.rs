//! One test per row of the module's table.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bounds;
mod ending;
mod manager;
mod people;
mod rights;

use super::*;
use crate::directive::DirectiveId;
use crate::gateway::Incarnation;
use crate::health::Verdict;
use crate::observation::{ActiveState, Held, Job, JobKind, Limits, ServiceSeen};
use crate::time::Wall;
use crate::wish::Pause;

const ORIGINS: [Origin; 5] = [Origin::Ladder, Origin::Person, Origin::Case, Origin::Ai, Origin::Failover];

const OURS: [Origin; 3] = [Origin::Ladder, Origin::Case, Origin::Ai];

const STATES: [ActiveState; 7] = [
    ActiveState::Active,
    ActiveState::Activating,
    ActiveState::AutoRestart,
    ActiveState::Deactivating,
    ActiveState::Inactive,
    ActiveState::Failed,
    ActiveState::NotFound,
];

const HELD: [Held; 3] = [Held::Frozen, Held::Traced { tracer: 7 }, Held::Inspected];

fn actions() -> Vec<Action> {
    vec![
        Action::Spawn,
        Action::Hasten,
        Action::StartUnit { reset_limit: false },
        Action::StartUnit { reset_limit: true },
        Action::RestartUnit,
        Action::StopUnit,
        Action::EnableUnit { on: true },
        Action::EnableUnit { on: false },
        Action::Terminate { wake: false },
        Action::Terminate { wake: true },
        Action::Kill,
        Action::Sweep,
        Action::RestoreConfig { rejected: 7 },
        Action::StartChannel { channel: "telegram".into(), account: "default".into() },
        Action::FreeLogs,
        Action::ReloadSecrets,
        Action::SetLockAside,
    ]
}

fn life(pid: u32) -> Incarnation {
    Incarnation { pid, start: u64::from(pid) * 10, boot: "b".into() }
}

fn seen(state: ActiveState) -> ServiceSeen {
    ServiceSeen {
        state,
        settled: true,
        job: None,
        main_pid: None,
        last_exit: None,
        invocation: 1,
        enabled: true,
        limits: Limits {
            start_burst: 10,
            start_interval_ms: 300_000,
            stop_timeout_ms: 330_000,
            restart_delay_ms: 5_000,
            restarts: true,
        },
    }
}

/// Everything that a situation borrows.
struct World {
    standing: Standing,
    incarnation: Incarnation,
    service: ServiceSeen,
}

impl World {
    fn new(state: ActiveState) -> Self {
        Self { standing: Standing::default(), incarnation: life(1), service: seen(state) }
    }

    /// A silent process of a unit, no one's wish in the way.
    fn unit(&self) -> Situation<'_> {
        Situation {
            form: Form::Systemd,
            control: Control::Full,
            standing: &self.standing,
            life: Life::Alive(&self.incarnation),
            target: Some(&self.incarnation),
            service: Some(&self.service),
            foreign_stop: ForeignStop::None,
            phase: Phase::Silent,
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

    fn ended_unit(&self) -> Situation<'_> {
        Situation { life: Life::Absent, phase: Phase::Gone, ..self.unit() }
    }

    fn child(&self) -> Situation<'_> {
        Situation { form: Form::Child, service: None, ..self.unit() }
    }

    fn ended_child(&self) -> Situation<'_> {
        Situation { form: Form::Child, service: None, ..self.ended_unit() }
    }
}

fn emergency() -> Standing {
    Standing { desired: Desired::Stopped, emergency: true, disabled_by_us: true, ..Standing::default() }
}

fn paused() -> Standing {
    Standing { pause: Some(Pause { since: Wall(0), until: None, reason: None }), ..Standing::default() }
}

fn stopped() -> Standing {
    Standing { desired: Desired::Stopped, ..Standing::default() }
}
