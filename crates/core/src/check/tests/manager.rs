//! The table service manager × state: which call is safe where.

use super::*;

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
