//! One test per row of the module's table.
#![allow(clippy::unwrap_used, clippy::expect_used)]

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

#[test]
fn who_may_only_look_touches_nothing() {
    let world = World::new(ActiveState::Active);
    for action in actions() {
        for origin in ORIGINS {
            let s = Situation { control: Control::Observe, ..world.unit() };
            assert_eq!(permit(&action, origin, &s), Err(Refusal::ObserveOnly), "{action:?} {origin:?}");
        }
    }
}

#[test]
fn every_action_belongs_to_its_form() {
    let world = World::new(ActiveState::Active);
    for (form, wrong) in [
        (Form::Child, vec![1, 2, 3, 4, 5, 6, 7]),
        (Form::Systemd, vec![0]),
        (Form::Launchd, vec![0, 1]),
        (Form::ScheduledTask, vec![0, 1]),
        (Form::Foreign, vec![0, 1, 2, 3, 4, 5, 6, 7, 11, 12]),
    ] {
        for (index, action) in actions().iter().enumerate() {
            let refused =
                permit(action, Origin::Person, &Situation { form, ..world.unit() }) == Err(Refusal::WrongForm);
            assert_eq!(refused, wrong.contains(&index), "{form:?} {action:?}");
        }
    }
    for action in [Action::Terminate { wake: false }, Action::Kill] {
        let s = Situation { form: Form::Foreign, ..world.child() };
        assert_eq!(permit(&action, Origin::Ladder, &s), Err(Refusal::NobodyStartsIt));
    }
}

#[test]
fn a_person_who_stopped_or_paused_it_is_obeyed_by_everyone_else() {
    let pauses = Standing { flag_file: true, ..Standing::default() };
    for (standing, refusal) in [
        (emergency(), Refusal::EmergencyStop),
        (stopped(), Refusal::StoppedByPerson),
        (paused(), Refusal::Paused),
        (pauses, Refusal::Paused),
    ] {
        for state in STATES {
            let world = World { standing: standing.clone(), ..World::new(state) };
            for origin in [Origin::Ladder, Origin::Case, Origin::Ai, Origin::Failover] {
                for action in actions() {
                    for s in [world.unit(), world.ended_unit(), world.child(), world.ended_child()] {
                        let expected = match action {
                            Action::StopUnit | Action::EnableUnit { on: false } => Refusal::NoStopWish,
                            Action::Spawn
                            | Action::Hasten
                            | Action::StartUnit { .. }
                            | Action::RestartUnit
                            | Action::EnableUnit { on: true }
                            | Action::Terminate { .. }
                            | Action::Kill
                            | Action::Sweep
                            | Action::RestoreConfig { .. }
                            | Action::FreeLogs
                            | Action::ReloadSecrets
                            | Action::SetLockAside
                            | Action::StartChannel { .. } => refusal,
                        };
                        let got = permit(&action, origin, &s);
                        assert!(
                            got == Err(expected) || got == Err(Refusal::WrongForm),
                            "{standing:?} {state:?} {origin:?} {action:?}: {got:?}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_pause_binds_the_guard_and_not_the_person() {
    let world = World { standing: paused(), ..World::new(ActiveState::Failed) };
    assert_eq!(permit(&Action::Spawn, Origin::Person, &world.ended_child()), Ok(()));
    assert_eq!(permit(&Action::StartUnit { reset_limit: false }, Origin::Person, &world.ended_unit()), Ok(()));
    let world = World { standing: paused(), ..World::new(ActiveState::Active) };
    let serving = Situation { phase: Phase::Serving, ..world.unit() };
    assert_eq!(permit(&Action::RestartUnit, Origin::Person, &serving), Ok(()));
}

#[test]
fn what_ended_in_a_pause_stays_ended() {
    let standing = Standing { ended_in_pause: true, ..Standing::default() };
    let world = World { standing, ..World::new(ActiveState::AutoRestart) };
    assert_eq!(permit(&Action::Hasten, Origin::Ladder, &world.ended_unit()), Err(Refusal::StoppedByPerson));
    assert_eq!(permit(&Action::Spawn, Origin::Ladder, &world.ended_child()), Err(Refusal::StoppedByPerson));
    assert_eq!(permit(&Action::Spawn, Origin::Person, &world.ended_child()), Ok(()));
}

#[test]
fn a_person_may_not_start_what_a_later_wish_stopped() {
    for (standing, refusal) in [(emergency(), Refusal::EmergencyStop), (stopped(), Refusal::StoppedByPerson)] {
        let world = World { standing, ..World::new(ActiveState::Failed) };
        assert_eq!(permit(&Action::Spawn, Origin::Person, &world.ended_child()), Err(refusal));
        let start = Action::StartUnit { reset_limit: false };
        assert_eq!(permit(&start, Origin::Person, &world.ended_unit()), Err(refusal));
    }
}

#[test]
fn a_stop_by_another_hand_is_honoured() {
    for state in STATES {
        let world = World::new(state);
        for foreign_stop in [ForeignStop::Job, ForeignStop::Since] {
            for action in actions() {
                for s in [world.unit(), world.ended_unit()] {
                    let s = Situation { foreign_stop, ..s };
                    for origin in OURS {
                        assert!(permit(&action, origin, &s).is_err(), "{state:?} {foreign_stop:?} {action:?}");
                    }
                }
            }
        }
    }
    let world = World::new(ActiveState::Inactive);
    let since = Situation { foreign_stop: ForeignStop::Since, ..world.ended_unit() };
    let start = Action::StartUnit { reset_limit: false };
    assert_eq!(permit(&start, Origin::Person, &since), Ok(()), "a person who says start after a stop is obeyed");
    let under_way = Situation { foreign_stop: ForeignStop::Job, ..since };
    assert_eq!(permit(&start, Origin::Person, &under_way), Err(Refusal::ForeignStop));
}

#[test]
fn a_start_of_ours_that_overtook_a_stop_is_taken_back() {
    let world = World::new(ActiveState::Active);
    let s = Situation { foreign_stop: ForeignStop::Overtaken, ..world.unit() };
    for action in actions() {
        let expected = action == Action::StopUnit;
        assert_eq!(permit(&action, Origin::Ladder, &s).is_ok(), expected, "{action:?}");
        assert!(permit(&action, Origin::Ai, &s).is_err(), "{action:?}");
    }
}

#[test]
fn hasten_is_allowed_in_auto_restart_only() {
    for state in STATES {
        let world = World::new(state);
        for origin in ORIGINS {
            let allowed = permit(&Action::Hasten, origin, &world.ended_unit()).is_ok();
            assert_eq!(allowed, state == ActiveState::AutoRestart, "{state:?} {origin:?}");
        }
    }
    for kind in [JobKind::Start, JobKind::Stop, JobKind::Restart] {
        for ours in [true, false] {
            let mut world = World::new(ActiveState::AutoRestart);
            world.service.job = Some(Job { kind, ours });
            assert_eq!(permit(&Action::Hasten, Origin::Ladder, &world.ended_unit()), Err(Refusal::JobUnderWay));
        }
    }
    let mut world = World::new(ActiveState::AutoRestart);
    assert_eq!(permit(&Action::Hasten, Origin::Ladder, &world.unit()), Err(Refusal::AlreadyAlive));
    world.service.limits.restarts = false;
    assert_eq!(permit(&Action::Hasten, Origin::Ladder, &world.ended_unit()), Err(Refusal::NobodyStartsIt));
}

#[test]
fn start_unit_is_allowed_from_settled_failed_only() {
    let start = Action::StartUnit { reset_limit: false };
    for state in STATES {
        let world = World::new(state);
        for origin in ORIGINS {
            let allowed = permit(&start, origin, &world.ended_unit()).is_ok();
            let expected = state == ActiveState::Failed || (state == ActiveState::Inactive && origin == Origin::Person);
            assert_eq!(allowed, expected, "{state:?} {origin:?}");
        }
    }
    let mut world = World::new(ActiveState::Failed);
    world.service.settled = false;
    assert_eq!(permit(&start, Origin::Ladder, &world.ended_unit()), Err(Refusal::NotSettled));
    world.service.settled = true;
    world.service.job = Some(Job { kind: JobKind::Start, ours: false });
    assert_eq!(permit(&start, Origin::Ladder, &world.ended_unit()), Err(Refusal::JobUnderWay));
    world.service.job = None;
    assert_eq!(permit(&start, Origin::Ladder, &world.unit()), Err(Refusal::AlreadyAlive));
    let unknown = Situation { life: Life::Unknown, ..world.ended_unit() };
    assert_eq!(permit(&start, Origin::Ladder, &unknown), Err(Refusal::LifeUnknown));
}

#[test]
fn restart_unit_is_allowed_when_active_without_a_job() {
    for state in STATES {
        let world = World::new(state);
        let allowed = permit(&Action::RestartUnit, Origin::Ladder, &world.unit()).is_ok();
        assert_eq!(allowed, state == ActiveState::Active, "{state:?}");
    }
    let mut world = World::new(ActiveState::Active);
    world.service.job = Some(Job { kind: JobKind::Restart, ours: false });
    assert_eq!(permit(&Action::RestartUnit, Origin::Ladder, &world.unit()), Err(Refusal::JobUnderWay));
}

#[test]
fn stop_unit_needs_a_persons_wish_and_something_to_stop() {
    for state in STATES {
        let world = World::new(state);
        for origin in ORIGINS {
            assert_eq!(permit(&Action::StopUnit, origin, &world.unit()), Err(Refusal::NoStopWish));
        }
        for standing in [stopped(), emergency()] {
            let world = World { standing, ..World::new(state) };
            let expected = match state {
                ActiveState::Active
                | ActiveState::Activating
                | ActiveState::AutoRestart
                | ActiveState::Deactivating => Ok(()),
                ActiveState::Inactive | ActiveState::Failed => Err(Refusal::NothingToDo),
                ActiveState::NotFound => Err(Refusal::UnitState { state }),
            };
            assert_eq!(permit(&Action::StopUnit, Origin::Person, &world.unit()), expected, "{state:?}");
        }
    }
    let mut world = World { standing: stopped(), ..World::new(ActiveState::Failed) };
    world.service.settled = false;
    assert_eq!(permit(&Action::StopUnit, Origin::Person, &world.ended_unit()), Ok(()), "on its way to auto-restart");
}

#[test]
fn the_boot_sequence_is_left_by_an_emergency_stop_and_only_then_entered_again() {
    let (on, off) = (Action::EnableUnit { on: true }, Action::EnableUnit { on: false });
    let world = World { standing: emergency(), ..World::new(ActiveState::Inactive) };
    assert_eq!(permit(&off, Origin::Person, &world.ended_unit()), Ok(()));
    assert_eq!(permit(&on, Origin::Person, &world.ended_unit()), Err(Refusal::EmergencyStop));
    let world = World { standing: stopped(), ..World::new(ActiveState::Inactive) };
    assert_eq!(permit(&off, Origin::Person, &world.ended_unit()), Err(Refusal::NoStopWish));
    let ended = Standing { disabled_by_us: true, ..Standing::default() };
    let world = World { standing: ended, ..World::new(ActiveState::Inactive) };
    assert_eq!(permit(&on, Origin::Person, &world.ended_unit()), Ok(()));
    let world = World::new(ActiveState::Inactive);
    assert_eq!(permit(&on, Origin::Person, &world.ended_unit()), Err(Refusal::NothingToDo), "a person disabled it");
}

#[test]
fn signals_go_only_to_the_life_that_was_meant() {
    let world = World::new(ActiveState::Active);
    let other = life(2);
    let reused = Incarnation { start: 99, ..life(1) };
    for action in [Action::Terminate { wake: false }, Action::Terminate { wake: true }, Action::Kill, Action::Sweep] {
        for origin in ORIGINS {
            for target in [None, Some(&other), Some(&reused)] {
                let s = Situation { target, ..world.child() };
                let got = permit(&action, origin, &s);
                assert!(
                    matches!(got, Err(Refusal::StaleTarget | Refusal::NoStopWish)),
                    "{action:?} {origin:?} {got:?}"
                );
            }
            let s = Situation { life: Life::Unknown, ..world.child() };
            assert!(permit(&action, origin, &s).is_err(), "{action:?} {origin:?}");
        }
    }
    let s = Situation { target: Some(&other), ..world.unit() };
    assert_eq!(permit(&Action::RestartUnit, Origin::Ladder, &s), Err(Refusal::StaleTarget));
}

#[test]
fn a_sweep_cleans_up_after_the_dead_and_is_a_kill_of_the_living() {
    let world = World::new(ActiveState::AutoRestart);
    assert_eq!(permit(&Action::Sweep, Origin::Ladder, &world.ended_child()), Ok(()));
    let nameless = Situation { target: None, ..world.ended_child() };
    assert_eq!(permit(&Action::Sweep, Origin::Ladder, &nameless), Err(Refusal::StaleTarget));
    let serving = Situation { phase: Phase::Serving, ..world.child() };
    assert_eq!(permit(&Action::Sweep, Origin::Ladder, &serving), Err(Refusal::Serving));
    let third = Situation { unclean_ends: 2, ..world.child() };
    assert_eq!(permit(&Action::Sweep, Origin::Ladder, &third), Err(Refusal::ThirdUncleanEnd));
}

#[test]
fn phases_decide_who_may_end_it() {
    use Refusal as R;
    let boot = |progressing, within_budget| Phase::Booting { progressing, within_budget };
    let drain = |deadline_passed| Phase::Draining { deadline_passed };
    // phase, ladder orderly, case orderly, ladder kill, person restart, person stop, person kill
    let rows = [
        (
            boot(true, true),
            Err(R::BootInProgress),
            Err(R::BootInProgress),
            Err(R::BootInProgress),
            Ok(()),
            Err(R::StopDeadline),
        ),
        (boot(false, true), Ok(()), Ok(()), Ok(()), Ok(()), Err(R::StopDeadline)),
        (boot(true, false), Ok(()), Ok(()), Ok(()), Ok(()), Err(R::StopDeadline)),
        (boot(false, false), Ok(()), Ok(()), Ok(()), Ok(()), Err(R::StopDeadline)),
        (Phase::Serving, Err(R::Serving), Ok(()), Err(R::Serving), Ok(()), Err(R::StopDeadline)),
        (
            drain(false),
            Err(R::DrainInProgress),
            Err(R::DrainInProgress),
            Err(R::DrainInProgress),
            Err(R::DrainInProgress),
            Err(R::StopDeadline),
        ),
        (drain(true), Ok(()), Ok(()), Ok(()), Err(R::DrainInProgress), Ok(())),
        (Phase::Silent, Ok(()), Ok(()), Ok(()), Ok(()), Ok(())),
    ];
    let running = World::new(ActiveState::Active);
    let stop = World { standing: stopped(), ..World::new(ActiveState::Active) };
    let term = Action::Terminate { wake: false };
    for (phase, orderly, by_case, kill, restart, person_kill) in rows {
        for s in [Situation { phase, ..running.unit() }, Situation { phase, ..running.child() }] {
            assert_eq!(permit(&term, Origin::Ladder, &s), orderly, "{phase:?}");
            assert_eq!(permit(&term, Origin::Ai, &s), orderly, "{phase:?}");
            assert_eq!(permit(&term, Origin::Case, &s), by_case, "{phase:?}");
            assert_eq!(permit(&Action::Kill, Origin::Ladder, &s), kill, "{phase:?}");
            assert_eq!(permit(&Action::Kill, Origin::Ai, &s), kill, "{phase:?}");
            assert_eq!(permit(&term, Origin::Person, &s), restart, "{phase:?}");
            assert_eq!(permit(&Action::Kill, Origin::Person, &s), Err(R::NoStopWish), "{phase:?}");
            assert_eq!(permit(&Action::Kill, Origin::Failover, &s), Ok(()), "{phase:?}");
        }
        let s = Situation { phase, ..running.unit() };
        assert_eq!(permit(&Action::RestartUnit, Origin::Ladder, &s), orderly, "{phase:?}");
        assert_eq!(permit(&Action::RestartUnit, Origin::Person, &s), restart, "{phase:?}");
        for s in [Situation { phase, ..stop.unit() }, Situation { phase, ..stop.child() }] {
            assert_eq!(permit(&term, Origin::Person, &s), Ok(()), "a person's stop goes ahead: {phase:?}");
            assert_eq!(permit(&Action::Kill, Origin::Person, &s), person_kill, "{phase:?}");
        }
    }
}

#[test]
fn what_someone_holds_is_not_ours_to_end() {
    let world = World::new(ActiveState::Active);
    let stop = World { standing: emergency(), ..World::new(ActiveState::Active) };
    for held in HELD {
        for action in [Action::Terminate { wake: true }, Action::Kill, Action::RestartUnit, Action::Sweep] {
            let s = Situation { held: Some(held), ..world.unit() };
            for origin in OURS {
                assert_eq!(permit(&action, origin, &s), Err(Refusal::Held { held }), "{action:?}");
            }
        }
        let restart = Situation { held: Some(held), ..world.child() };
        assert_eq!(permit(&Action::Terminate { wake: false }, Origin::Person, &restart), Err(Refusal::Held { held }));
        let late = Situation { held: Some(held), phase: Phase::Draining { deadline_passed: true }, ..stop.child() };
        assert_eq!(permit(&Action::Kill, Origin::Person, &late), Err(Refusal::Held { held }));
        assert_eq!(
            permit(&Action::Terminate { wake: false }, Origin::Person, &late),
            Ok(()),
            "a stop may be asked for"
        );
    }
}

#[test]
fn our_kill_is_never_the_third_unclean_end_and_starts_do_not_wait_for_it() {
    let world = World::new(ActiveState::Active);
    let stop = World { standing: stopped(), ..World::new(ActiveState::Active) };
    for (unclean_ends, allowed) in [(0, true), (1, true), (2, false), (3, false), (u32::MAX, false)] {
        let s = Situation { unclean_ends, ..world.child() };
        for origin in OURS {
            assert_eq!(permit(&Action::Kill, origin, &s).is_ok(), allowed, "{unclean_ends}");
        }
        let person = Situation { unclean_ends, ..stop.child() };
        assert_eq!(permit(&Action::Kill, Origin::Person, &person).is_ok(), allowed, "{unclean_ends}");
        assert_eq!(permit(&Action::Kill, Origin::Failover, &s), Ok(()), "the fence rests on the lease");
        assert_eq!(permit(&Action::Terminate { wake: true }, Origin::Ladder, &s), Ok(()), "an orderly end is clean");
        let start = Situation { unclean_ends, ..world.ended_child() };
        assert_eq!(permit(&Action::Spawn, Origin::Ladder, &start), Ok(()), "no start is delayed for the breaker");
    }
}

#[test]
fn starts_per_hour_are_bounded_and_a_persons_are_not_ours() {
    let world = World::new(ActiveState::AutoRestart);
    for (starts_in_hour, allowed) in [(0, true), (99, true), (100, false)] {
        let s = Situation { starts_in_hour, ..world.ended_child() };
        assert_eq!(permit(&Action::Spawn, Origin::Ladder, &s).is_ok(), allowed);
        assert_eq!(permit(&Action::Spawn, Origin::Person, &s), Ok(()));
        let s = Situation { starts_in_hour, ..world.ended_unit() };
        assert_eq!(permit(&Action::Hasten, Origin::Ladder, &s).is_ok(), allowed);
    }
}

#[test]
fn the_managers_own_start_limit_is_not_hit_by_our_hand() {
    let waiting = World::new(ActiveState::AutoRestart);
    let active = World::new(ActiveState::Active);
    for (starts_in_interval, allowed) in [(0, true), (8, true), (9, false), (10, false)] {
        let s = Situation { starts_in_interval, ..waiting.ended_unit() };
        assert_eq!(permit(&Action::Hasten, Origin::Ladder, &s).is_ok(), allowed, "{starts_in_interval}");
        let s = Situation { starts_in_interval, ..active.unit() };
        assert_eq!(permit(&Action::RestartUnit, Origin::Ladder, &s).is_ok(), allowed, "{starts_in_interval}");
    }
    let failed = World::new(ActiveState::Failed);
    let s = Situation { starts_in_interval: 10, ..failed.ended_unit() };
    let plain = Action::StartUnit { reset_limit: false };
    assert_eq!(permit(&plain, Origin::Ladder, &s), Err(Refusal::ManagerStartLimit));
    assert_eq!(permit(&Action::StartUnit { reset_limit: true }, Origin::Ladder, &s), Ok(()));
    let mut unlimited = World::new(ActiveState::AutoRestart);
    unlimited.service.limits.start_burst = 0;
    let s = Situation { starts_in_interval: 1_000, ..unlimited.ended_unit() };
    assert_eq!(permit(&Action::Hasten, Origin::Ladder, &s), Ok(()));
}

#[test]
fn one_remedy_at_a_time_and_a_persons_stop_does_not_queue() {
    let outstanding = Some(DirectiveId(4));
    let world = World::new(ActiveState::Active);
    let refused = Err(Refusal::OneAtATime { outstanding: DirectiveId(4) });
    let s = Situation { outstanding, ..world.child() };
    for origin in OURS {
        assert_eq!(permit(&Action::Kill, origin, &s), refused);
    }
    assert_eq!(permit(&Action::Terminate { wake: false }, Origin::Person, &s), refused, "a restart waits");
    let spawn = Situation { outstanding, ..world.ended_child() };
    assert_eq!(permit(&Action::Spawn, Origin::Person, &spawn), refused);
    let stop = World { standing: emergency(), ..World::new(ActiveState::Active) };
    let s = Situation { outstanding, ..stop.unit() };
    assert_eq!(permit(&Action::StopUnit, Origin::Person, &s), Ok(()));
    assert_eq!(permit(&Action::EnableUnit { on: false }, Origin::Person, &s), Ok(()));
    assert_eq!(permit(&Action::Terminate { wake: false }, Origin::Person, &s), Ok(()));
}

#[test]
fn a_guard_that_cannot_see_uses_no_force() {
    let world = World::new(ActiveState::Active);
    for action in [Action::Kill, Action::Terminate { wake: true }, Action::RestartUnit, Action::Sweep] {
        let s = Situation { verdict: Verdict::Unknown, ..world.unit() };
        for origin in OURS {
            assert_eq!(permit(&action, origin, &s), Err(Refusal::ObserverImpaired), "{action:?}");
        }
    }
    let blind = Situation { service: None, ..world.unit() };
    assert_eq!(permit(&Action::Kill, Origin::Ladder, &blind), Err(Refusal::ServiceUnseen));
    let ended = Situation { verdict: Verdict::Unknown, ..world.ended_child() };
    assert_eq!(permit(&Action::Spawn, Origin::Ladder, &ended), Ok(()), "an end that was seen is proof");
}

#[test]
fn a_unit_that_nobody_restarts_is_not_asked_to_end() {
    let mut world = World::new(ActiveState::Active);
    world.service.limits.restarts = false;
    let term = Action::Terminate { wake: true };
    assert_eq!(permit(&term, Origin::Ladder, &world.unit()), Err(Refusal::NobodyStartsIt));
    assert_eq!(
        permit(&Action::Kill, Origin::Ladder, &world.unit()),
        Ok(()),
        "a signal leaves it failed: we may start it"
    );
}

#[test]
fn channels_are_started_where_they_are_heard_and_wanted() {
    let world = World::new(ActiveState::Active);
    let start = Action::StartChannel { channel: "telegram".into(), account: "default".into() };
    let serving = Situation { phase: Phase::Serving, verdict: Verdict::Degraded, ..world.unit() };
    assert_eq!(permit(&start, Origin::Ladder, &serving), Ok(()));
    let stopped = Situation { channel_stopped: true, ..serving };
    for origin in ORIGINS {
        assert_eq!(permit(&start, origin, &stopped), Err(Refusal::ChannelStopped));
    }
    assert_eq!(permit(&start, Origin::Ladder, &world.unit()), Err(Refusal::NotServing));
    let stale = Situation { target: None, ..serving };
    assert_eq!(permit(&start, Origin::Ladder, &stale), Err(Refusal::StaleTarget));
}

#[test]
fn small_remedies_touch_only_what_asks_for_them() {
    let world = World::new(ActiveState::Active);
    let serving = Situation { phase: Phase::Serving, verdict: Verdict::Degraded, ..world.unit() };
    assert_eq!(permit(&Action::FreeLogs, Origin::Ladder, &serving), Err(Refusal::NothingToDo), "the disk has room");
    for s in [serving, world.ended_unit(), world.ended_child()] {
        assert_eq!(permit(&Action::FreeLogs, Origin::Ladder, &Situation { disk_low: true, ..s }), Ok(()));
        assert_eq!(permit(&Action::SetLockAside, Origin::Case, &s), Ok(()));
    }
    assert_eq!(permit(&Action::ReloadSecrets, Origin::Case, &serving), Ok(()));
    assert_eq!(permit(&Action::ReloadSecrets, Origin::Case, &world.unit()), Err(Refusal::NotServing));
    let stale = Situation { target: None, ..serving };
    assert_eq!(permit(&Action::ReloadSecrets, Origin::Case, &stale), Err(Refusal::StaleTarget));
    for action in [Action::FreeLogs, Action::ReloadSecrets, Action::SetLockAside] {
        let busy = Situation { outstanding: Some(DirectiveId(3)), disk_low: true, ..serving };
        let refused = Err(Refusal::OneAtATime { outstanding: DirectiveId(3) });
        assert_eq!(permit(&action, Origin::Case, &busy), refused);
    }
}

#[test]
fn refusals_have_distinct_codes_and_one_sentence_each() {
    let held = HELD.map(|held| Refusal::Held { held });
    let states = STATES.map(|state| Refusal::UnitState { state });
    for refusal in held.into_iter().chain(states).chain([Refusal::OneAtATime { outstanding: DirectiveId(1) }]) {
        let text = refusal.to_string();
        assert!(!text.is_empty() && !text.contains('\n') && !text.ends_with('.'), "{text}");
    }
    assert_eq!(Refusal::OneAtATime { outstanding: DirectiveId(7) }.to_string(), "directive 7 is still under way");
}

#[test]
fn a_config_is_restored_only_in_place_of_the_one_that_was_refused() {
    let world = World::new(ActiveState::Failed);
    let restore = Action::RestoreConfig { rejected: 7 };
    for s in [world.ended_unit(), world.ended_child()] {
        let it = Situation { refused_config: Some(7), ..s };
        for origin in [Origin::Ladder, Origin::Case, Origin::Person] {
            assert_eq!(permit(&restore, origin, &it), Ok(()), "{origin:?}");
        }
        let other = Situation { refused_config: Some(8), ..s };
        assert_eq!(permit(&restore, Origin::Ladder, &other), Err(Refusal::NothingToDo));
        assert_eq!(permit(&restore, Origin::Ladder, &s), Err(Refusal::NothingToDo), "nothing was refused");
        let unknown = Situation { life: Life::Unknown, ..it };
        assert_eq!(permit(&restore, Origin::Ladder, &unknown), Err(Refusal::LifeUnknown));
        let foreign = Situation { form: Form::Foreign, ..it };
        assert_eq!(permit(&restore, Origin::Ladder, &foreign), Err(Refusal::WrongForm));
        let observed = Situation { control: Control::Observe, ..it };
        assert_eq!(permit(&restore, Origin::Ladder, &observed), Err(Refusal::ObserveOnly));
    }
    for s in [world.unit(), world.child()] {
        let alive = Situation { refused_config: Some(7), ..s };
        assert_eq!(permit(&restore, Origin::Ladder, &alive), Err(Refusal::AlreadyAlive));
    }
}
