//! How much, and how much at once: starts, remedies, channels, restores.

use super::*;

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
