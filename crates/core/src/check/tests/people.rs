//! The people's table: what they said comes first.

use super::*;

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
