//! A lease store that says nothing for long.

use super::scene::{FIGURES, OTHER, Scene};
use clawmend_core::failover::lease::{Evidence, Order, PausePolicy, Request, Telling, Term, Why};

#[test]
fn a_store_that_stays_silent_is_told_of_once_and_when_it_is_back() {
    let mut scene = Scene::owning();
    scene.offline = true;
    scene.run(59_000);
    assert!(!scene.told().contains(&Telling::StoreLost { owned: true }), "{:?}", scene.told());
    scene.run(600_000);
    assert_eq!(scene.told(), [Telling::GaveUp(Why::RanOut), Telling::StoreLost { owned: true }]);
    scene.offline = false;
    scene.run(30_000);
    assert_eq!(scene.told()[2..], [Telling::StoreBack { owned: true }, Telling::Owns { term: Term(2) }]);
    // Told, it is told again the next time, and a short one never.
    scene.log.clear();
    for silent_ms in [50_000, 90_000] {
        scene.offline = true;
        scene.run(silent_ms);
        scene.offline = false;
        scene.run(30_000);
    }
    let of_the_store = |telling: &Telling| matches!(telling, Telling::StoreLost { .. } | Telling::StoreBack { .. });
    let told: Vec<_> = scene.told().into_iter().filter(of_the_store).collect();
    assert_eq!(told, [Telling::StoreLost { owned: true }, Telling::StoreBack { owned: true }]);
}

#[test]
fn who_never_reaches_the_store_cannot_take_over_and_says_so_unless_a_person_keeps_it_out() {
    for held in [false, true] {
        let mut scene = Scene::with(PausePolicy::ResidualWindow, 1);
        scene.offline = true;
        if held {
            scene.see(Evidence::Person(Order::Hold));
        }
        scene.run(299_000);
        assert_eq!(scene.told(), []);
        scene.run(600_000);
        let told = if held { Vec::new() } else { vec![Telling::StoreLost { owned: false }] };
        assert_eq!(scene.told(), told);
        scene.offline = false;
        scene.run(60_000);
        assert_eq!(scene.told().contains(&Telling::StoreBack { owned: false }), !held);
    }
}

#[test]
fn a_sleep_is_no_silence_of_the_store() {
    let mut scene = Scene::with(PausePolicy::ResidualWindow, 1);
    scene.offline = true;
    scene.run(10_000);
    scene.ms += 8 * 3_600_000;
    scene.see(Evidence::Woke);
    scene.run(280_000);
    assert_eq!(scene.told(), []);
    scene.run(60_000);
    assert_eq!(scene.told(), [Telling::StoreLost { owned: false }]);
}

/// A full disk of etcd, or credentials that only let read.
#[test]
fn a_store_that_is_read_and_takes_no_lease_is_as_good_as_silent() {
    let mut scene = Scene::owning();
    scene.takes_nothing = true;
    scene.run(120_000);
    assert_eq!(scene.told(), [Telling::GaveUp(Why::RanOut), Telling::StoreLost { owned: true }]);
    scene.takes_nothing = false;
    scene.run(30_000);
    assert_eq!(scene.told()[2..], [Telling::StoreBack { owned: true }, Telling::Owns { term: Term(2) }]);
}

#[test]
fn the_next_guard_knows_what_was_told() {
    let mut scene = Scene::owning();
    scene.offline = true;
    scene.run(120_000);
    assert!(scene.told().contains(&Telling::StoreLost { owned: true }));
    scene.log.clear();
    scene.begin_guard();
    scene.run(600_000);
    assert_eq!(scene.told(), []);
    scene.offline = false;
    scene.run(30_000);
    assert_eq!(scene.told()[0], Telling::StoreBack { owned: true });
}

/// A power cut that takes the store as well.
#[test]
fn a_host_that_comes_back_without_the_store_it_owned_by_is_as_loud() {
    let mut scene = Scene::owning();
    (scene.offline, scene.life) = (true, None);
    scene.log.clear();
    scene.begin_guard();
    scene.run(120_000);
    assert!(scene.told().contains(&Telling::StoreLost { owned: true }), "{:?}", scene.told());
}

#[test]
fn a_gateway_that_cannot_be_ended_is_another_trouble() {
    let mut scene = Scene::owning();
    (scene.offline, scene.unkillable) = (true, true);
    scene.run(300_000);
    let lost = |telling: &Telling| matches!(telling, Telling::StoreLost { .. });
    assert!(!scene.told().iter().any(lost), "{:?}", scene.told());
}

/// A busy machine.
#[test]
fn a_short_stall_of_the_guard_makes_it_no_less_loud() {
    let mut scene = Scene::owning();
    scene.offline = true;
    scene.run(30_000);
    scene.ms += FIGURES.asleep_ms + 1_000;
    scene.run(40_000);
    assert!(scene.told().contains(&Telling::StoreLost { owned: true }), "{:?}", scene.told());
}

#[test]
fn a_node_that_waits_for_a_person_has_a_store_that_answers() {
    let mut scene = Scene::with(PausePolicy::Manual, 0);
    scene.other(OTHER, &Request::Acquire);
    scene.run(2_000);
    scene.expires = scene.ms;
    scene.run(2_000);
    let vouch = scene.holder.to_vouch_for();
    scene.takes_nothing = true;
    scene.see(Evidence::Person(Order::Promote { vouch }));
    scene.run(10_000);
    // The lost answer was of a lease that was taken, and ran out.
    scene.takes_nothing = false;
    scene.other(OTHER, &Request::Acquire);
    scene.expires = scene.ms;
    scene.run(600_000);
    let lost = |telling: &Telling| matches!(telling, Telling::StoreLost { .. });
    assert!(!scene.told().iter().any(lost), "{:?}", scene.told());
}
