//! The table guard × life: what the end of a process needs.

use super::*;

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
