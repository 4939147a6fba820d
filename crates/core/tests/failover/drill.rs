//! A person tries whether a takeover works. Whatever becomes of them meanwhile, the node is as before in the end.

use super::{DOCUMENT, Scene};
use clawmend_core::alert::Level;
use clawmend_core::failover::{Evidence, Obstacle, Order, Output, Reason, Refusal, Role, Sight, Standby, Telling};

fn drill() -> Scene {
    let mut scene = Scene::armed();
    scene.watch(600, Sight::Serves);
    scene.see(Evidence::Person(Order::Drill));
    scene
}

#[test]
fn it_carries_for_as_long_as_after_a_loss_and_steps_back_though_nobody_says_so() {
    let mut scene = drill();
    assert_eq!((scene.role(), scene.standby.memory().held), (Role::Active, false));
    assert_eq!(scene.last_notice().level, Level::Info);
    scene.watch(60, Sight::Serves);
    assert_eq!(scene.role(), Role::Active, "they want to see that it answers");
    scene.watch(10, Sight::Serves);
    let well = Reason::PrimaryWell { for_ms: 60_000 };
    assert_eq!(scene.changes(), [(600, Output::Promote(Reason::Drill)), (670, Output::Demote(well))]);
    assert_eq!(
        scene.told(),
        [Telling::TookOver { reason: Reason::Drill, held: false }, Telling::SteppedBack { reason: well }]
    );
    assert_eq!(scene.standby.memory().takeovers, [], "it says nothing of the primary");
}

#[test]
fn one_that_fails_is_not_tried_again_and_nobody_is_woken() {
    let mut scene = Scene::armed();
    scene.works = false;
    scene.watch(600, Sight::Serves);
    scene.see(Evidence::Person(Order::Drill));
    let failed = Telling::Failed { role: Role::Watching, lost: false, again: false, asked: true };
    assert_eq!((scene.told(), scene.last_notice().level), (vec![failed], Level::Warning));
    scene.works = true;
    scene.watch(600, Sight::Serves);
    // What it may have left behind is off again.
    let well = Output::Demote(Reason::PrimaryWell { for_ms: 620_000 });
    assert_eq!(scene.changes(), [(600, Output::Promote(Reason::Drill)), (630, well)]);
    assert_eq!(scene.role(), Role::Watching);
}

#[test]
fn it_is_refused_where_it_would_not_take_over_and_where_it_does_already() {
    let mut held = Scene::armed();
    held.see(Evidence::Person(Order::Hold));
    let mut carries = Scene::armed();
    carries.watch(60, Sight::Silent);
    for (scene, refusal) in [(&mut held, Refusal::Obstacle(Obstacle::Held)), (&mut carries, Refusal::NotStandingBy)] {
        let before = scene.standby.memory().clone();
        scene.see(Evidence::Person(Order::Drill));
        assert_eq!(scene.out.last().unwrap().1, Output::Refused(refusal));
        assert_eq!(*scene.standby.memory(), before);
    }
}

#[test]
fn a_guard_that_follows_in_the_middle_ends_it_while_the_primary_serves_and_goes_on_where_it_is_lost() {
    for (sight, role) in [(Sight::Serves, Role::Watching), (Sight::Silent, Role::Active)] {
        let mut scene = Scene::armed();
        scene.ends = false;
        scene.watch(60, Sight::Serves);
        scene.see(Evidence::Person(Order::Drill));
        let kept = serde_json::to_string(scene.standby.memory()).unwrap();
        scene.standby = Standby::new(DOCUMENT, serde_json::from_str(&kept).unwrap(), &mut Vec::new());
        scene.ends = true;
        scene.see(Evidence::Armed(clawmend_core::failover::Armed::Yes));
        scene.watch(30, sight);
        assert_eq!(scene.role(), role, "{sight:?}");
        let lost = Telling::TookOver { reason: Reason::Silent { misses: 1 }, held: false };
        assert_eq!(scene.told().contains(&lost), role == Role::Active, "{:?}", scene.told());
    }
}

#[test]
fn a_primary_that_is_lost_while_it_takes_over_is_told_of_too() {
    for order in [Order::Drill, Order::Promote] {
        let mut scene = Scene::armed();
        scene.watch(600, Sight::Serves);
        scene.ends = false;
        scene.see(Evidence::Person(order));
        scene.watch(10, Sight::Silent);
        scene.ends = true;
        scene.see(Evidence::Done { worked: true });
        scene.watch(300, Sight::Silent);
        let told = scene.told();
        let lost = |one: &Telling| matches!(one, Telling::TookOver { reason: Reason::Silent { .. }, .. });
        assert_eq!((told.len(), lost(&told[1])), (2, true), "{order:?}: {told:?}");
    }
}

/// They hear whether anybody answers, and whether it is tried again.
#[test]
fn what_is_told_of_a_takeover_that_failed_is_so() {
    let failed = |by: Option<Order>, meanwhile: &[Sight]| {
        let mut scene = Scene::armed();
        scene.ends = false;
        scene.watch(600, Sight::Serves);
        match by {
            Some(order) => scene.see(Evidence::Person(order)),
            None => scene.watch(30, Sight::Silent),
        }
        for sight in meanwhile {
            scene.watch(30, *sight);
        }
        scene.see(Evidence::Done { worked: false });
        scene.told().pop().unwrap()
    };
    let said = |lost, again, asked| Telling::Failed { role: Role::Watching, lost, again, asked };
    assert_eq!(failed(None, &[]), said(true, true, false));
    assert_eq!(failed(None, &[Sight::Serves]), said(false, false, false), "it is back by then");
    assert_eq!(failed(Some(Order::Drill), &[]), said(false, false, true));
    assert_eq!(failed(Some(Order::Drill), &[Sight::Blind]), said(false, false, true));
    assert_eq!(failed(Some(Order::Drill), &[Sight::Silent]), said(true, true, true));
    assert_eq!(failed(Some(Order::Promote), &[]), said(false, true, true));
}

/// They were told of a drill, or did it themselves, and hear that it is none any more.
#[test]
fn a_primary_that_is_lost_meanwhile_is_told_of_once() {
    for order in [Order::Drill, Order::Promote] {
        let mut scene = Scene::armed();
        scene.watch(600, Sight::Serves);
        scene.see(Evidence::Person(order));
        let as_asked = scene.last_notice();
        scene.watch(300, Sight::Silent);
        let held = order == Order::Promote;
        assert_eq!(scene.told()[1..], [Telling::TookOver { reason: Reason::Silent { misses: 3 }, held }], "{order:?}");
        let lost = scene.last_notice();
        assert_eq!((lost.level, &lost.subject), (Level::Critical, &as_asked.subject));
        assert_ne!(lost.key, as_asked.key);
        assert_eq!(scene.role(), Role::Active);
    }
    // Where it was lost before, they know.
    let mut scene = Scene::armed();
    scene.see(Evidence::Person(Order::Hold));
    scene.watch(60, Sight::Silent);
    scene.see(Evidence::Person(Order::Promote));
    scene.watch(300, Sight::Silent);
    assert_eq!(scene.told().last(), Some(&Telling::TookOver { reason: Reason::Person, held: true }));
}
