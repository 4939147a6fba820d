//! Evidence in any order, true or not, late or twice: the guard stays within its rules.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use clawmend_core::directive::{Action, ActionResult, Directive, DirectiveId, Output};
use clawmend_core::gateway::{Control, Form, GatewayId, Incarnation};
use clawmend_core::guardian::{Guardian, Memory, Profile};
use clawmend_core::observation::{
    ActiveState, Appeared, ConfigSeen, ConfigValidity, Endpoint, Evidence, Exit, Gone, GuardSelf, Held, HttpOutcome,
    HttpSeen, Job, JobKind, Limits, Listener, LogSign, ProcessSample, Readiness, RpcSeen, RunState, ServiceSeen,
    SyntheticOutcome, SyntheticSeen,
};
use clawmend_core::policy::Policy;
use clawmend_core::time::{Moment, Now, Wall};
use clawmend_core::wish::{Standing, Wish};
use clawmend_testkit::sim::rng::Rng;
use proptest::prelude::*;

fn incarnation(rng: &mut Rng) -> Incarnation {
    let pid = u32::try_from(rng.between(1, 3)).unwrap();
    Incarnation { pid, start: rng.between(1, 2), boot: "b".into() }
}

fn exit(rng: &mut Rng) -> Exit {
    match rng.between(0, 4) {
        0 => Exit::Code { code: 0 },
        1 => Exit::Code { code: 78 },
        2 => Exit::Code { code: 1 },
        3 => Exit::Signal { signal: 9, core: false },
        _ => Exit::Unknown,
    }
}

fn http(rng: &mut Rng) -> Evidence {
    let endpoint =
        [Endpoint::Healthz, Endpoint::Startupz, Endpoint::Readyz][usize::try_from(rng.between(0, 2)).unwrap()];
    let outcome = match rng.between(0, 8) {
        0 | 1 => HttpOutcome::Ok,
        2 => HttpOutcome::Late,
        3 => HttpOutcome::TimedOut,
        4 => HttpOutcome::Refused,
        5 => HttpOutcome::Broken,
        6 => HttpOutcome::NotHealth { status: 200 },
        7 => HttpOutcome::Draining,
        _ => HttpOutcome::Readiness(Readiness {
            ready: rng.chance(500),
            failing: if rng.chance(300) { vec!["gateway-draining".into()] } else { vec![] },
            suppressed: if rng.chance(300) { vec!["telegram".into()] } else { vec![] },
            event_loop: None,
        }),
    };
    Evidence::Http(HttpSeen { endpoint, latency_ms: u32::try_from(rng.between(0, 10_000)).unwrap(), outcome })
}

fn service(rng: &mut Rng) -> Evidence {
    let states = [
        ActiveState::Active,
        ActiveState::Activating,
        ActiveState::AutoRestart,
        ActiveState::Deactivating,
        ActiveState::Inactive,
        ActiveState::Failed,
        ActiveState::NotFound,
    ];
    let kinds = [JobKind::Start, JobKind::Stop, JobKind::Restart];
    let kind = kinds[usize::try_from(rng.between(0, 2)).unwrap()];
    Evidence::Service(ServiceSeen {
        state: states[usize::try_from(rng.between(0, 6)).unwrap()],
        settled: rng.chance(600),
        job: if rng.chance(200) { Some(Job { kind, ours: rng.chance(500) }) } else { None },
        main_pid: if rng.chance(500) { Some(1) } else { None },
        last_exit: if rng.chance(500) { Some(exit(rng)) } else { None },
        invocation: rng.between(0, 3),
        enabled: rng.chance(800),
        limits: Limits {
            start_burst: u32::try_from(rng.between(0, 10)).unwrap(),
            start_interval_ms: rng.between(0, 300_000),
            stop_timeout_ms: rng.between(0, 330_000),
            restart_delay_ms: rng.between(0, 5_000),
            restarts: rng.chance(800),
        },
    })
}

fn sample(rng: &mut Rng) -> Evidence {
    let states = [RunState::Running, RunState::Sleeping, RunState::Blocked, RunState::Stopped, RunState::Traced];
    Evidence::Process(ProcessSample {
        incarnation: incarnation(rng),
        state: states[usize::try_from(rng.between(0, 4)).unwrap()],
        cpu_ms: rng.bits() >> rng.between(0, 63),
        voluntary: rng.bits() >> rng.between(0, 63),
        involuntary: 0,
        rss_kib: rng.bits(),
        threads: 1,
        descriptors: None,
        throttled: None,
        held: if rng.chance(100) { Some(Held::Inspected) } else { None },
    })
}

fn synthetic(rng: &mut Rng) -> Evidence {
    let detail = || "down".to_owned();
    let outcome = match rng.between(0, 6) {
        0 | 1 => SyntheticOutcome::Answered,
        2 => SyntheticOutcome::TimedOut,
        3 => SyntheticOutcome::ProviderFailing { detail: detail() },
        4 => SyntheticOutcome::DiskFull,
        5 => SyntheticOutcome::EndpointOff,
        _ => SyntheticOutcome::CannotTell { reason: detail() },
    };
    Evidence::Synthetic(SyntheticSeen { latency_ms: u32::try_from(rng.between(0, 200_000)).unwrap(), outcome })
}

fn wish(rng: &mut Rng) -> Wish {
    match rng.between(0, 7) {
        0 => Wish::Pause { until: None, reason: None },
        1 => Wish::Pause { until: Some(Wall(i64::try_from(rng.between(0, 4_000_000_000_000)).unwrap())), reason: None },
        2 => Wish::Resume,
        3 => Wish::Stop,
        4 => Wish::EmergencyStop,
        5 => Wish::Start,
        6 => Wish::StandBy,
        _ => Wish::Restart,
    }
}

fn evidence(rng: &mut Rng, ids: &[DirectiveId]) -> Evidence {
    match rng.between(0, 20) {
        0 | 1 => Evidence::Appeared(Appeared {
            incarnation: incarnation(rng),
            age_ms: rng.bits() >> rng.between(0, 63),
            by: None,
            at_boot: rng.chance(200),
            restarts_by_exit: rng.chance(500),
        }),
        2 => Evidence::Gone(Gone {
            incarnation: incarnation(rng),
            exit: exit(rng),
            uncertainty_ms: rng.between(0, 9_999),
        }),
        3 => Evidence::NotThere,
        4..=6 => sample(rng),
        7 => Evidence::Listener(if rng.chance(500) { Listener::Absent } else { Listener::Own { port: 1, backlog: 9 } }),
        8..=10 => http(rng),
        11 => Evidence::Rpc(RpcSeen::Shutdown { reason: String::new(), restart_expected_ms: Some(rng.bits()) }),
        12 => service(rng),
        13 => {
            if rng.chance(200) {
                Evidence::ServiceUnseen
            } else {
                service(rng)
            }
        }
        14 => Evidence::ForeignJob(if rng.chance(500) { JobKind::Stop } else { JobKind::Start }),
        15 => Evidence::Log(if rng.chance(500) {
            LogSign::Draining { timeout_ms: rng.bits() }
        } else {
            LogSign::StartupFailedAlive
        }),
        16 => Evidence::Config(ConfigSeen { fingerprint: rng.between(0, 3), validity: ConfigValidity::Valid }),
        17 => Evidence::Guard(GuardSelf { late_ms: rng.bits() >> rng.between(0, 63), ..GuardSelf::default() }),
        18 => Evidence::Person(wish(rng)),
        19 => synthetic(rng),
        _ => Evidence::Result {
            directive: ids.last().copied().filter(|_| rng.chance(800)).unwrap_or(DirectiveId(rng.bits())),
            result: if rng.chance(500) { ActionResult::Done } else { ActionResult::Retry { reason: String::new() } },
        },
    }
}

/// What anyone outside can hold against a directive.
fn judge(directive: &Directive, standing: &Standing, lives: &[Incarnation], form: Form) -> Result<(), TestCaseError> {
    let action = &directive.action;
    let ends = matches!(action, Action::Terminate { .. } | Action::Kill | Action::RestartUnit);
    if ends {
        let target = directive.target.as_ref();
        prop_assert!(target.is_some_and(|target| lives.contains(target)), "{action:?} of a life that is not there");
    }
    let down = standing.emergency || standing.desired == clawmend_core::wish::Desired::Stopped;
    prop_assert!(!(action.is_start() && down), "{action:?} although a person stopped it");
    if *action == Action::Spawn {
        prop_assert!(form == Form::Child && lives.is_empty(), "a second child");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_evidence_in_any_order(seed in any::<u64>(), form in 0..4_usize) {
        let form = [Form::Child, Form::Systemd, Form::Launchd, Form::Foreign][form];
        let mut rng = Rng::new(seed);
        let mut now = Now { mono: Moment(rng.between(0, 1_000_000)), wall: Wall(1_800_000_000_000) };
        let profile = Profile { id: GatewayId("default".into()), form, control: Control::Full };
        let policy = Policy { synthetic_ms: 600_000, ..Policy::default() };
        let mut guardian = Guardian::new(profile, policy, Memory::default(), now);
        let mut ids = Vec::new();
        let mut lives: Vec<Incarnation> = Vec::new();
        for _ in 0..400 {
            let step = rng.between(0, 63);
            now.mono = now.mono.plus(rng.bits() >> step.max(44));
            if rng.chance(20) {
                now.wall = Wall(i64::try_from(rng.between(0, 4_000_000_000_000)).unwrap());
            }
            let evidence = evidence(&mut rng, &ids);
            #[allow(clippy::wildcard_enum_match_arm)]
            match &evidence {
                // The keeper has one child, a unit one main process: the last one that appeared counts.
                Evidence::Appeared(appeared) => lives = vec![appeared.incarnation.clone()],
                Evidence::Gone(gone) => lives.retain(|life| *life != gone.incarnation),
                _ => {}
            }
            let mut out = Vec::new();
            guardian.observe(now, &evidence, &mut out);
            guardian.poll(now, &mut out);
            prop_assert!(out.len() <= 64, "{} outputs at once", out.len());
            for output in &out {
                if let Output::Do(directive) = output {
                    prop_assert!(!ids.contains(&directive.id), "a directive's name was used twice");
                    ids.push(directive.id);
                    judge(directive, &guardian.memory().standing, &lives, form)?;
                }
            }
        }
    }
}
