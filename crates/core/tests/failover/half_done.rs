//! Changes of role that failed, or whose guard ended half-way.

use super::{DOCUMENT, Scene};
use clawmend_core::failover::{
    Armed, Evidence, Memory, Obstacle, Order, Output, Reason, Role, Sight, Standby, Telling,
};

/// The gateway that a failed takeover began may come later: nobody may find it beside a primary that is well.
#[test]
fn what_a_failed_takeover_left_behind_is_stepped_back_from_once_the_primary_is_well() {
    let mut scene = Scene::armed();
    scene.works = false;
    scene.watch(60, Sight::Serves);
    scene.watch(30, Sight::Silent);
    assert_eq!((scene.role(), scene.changes().len()), (Role::Watching, 1));
    scene.works = true;
    scene.watch(60, Sight::Serves);
    assert_eq!(scene.changes().len(), 1, "it may be gone again in a moment");
    scene.watch(10, Sight::Serves);
    let well = Output::Demote(Reason::PrimaryWell { for_ms: 60_000 });
    assert_eq!(scene.changes()[1..], [(160, well)]);
    scene.watch(600, Sight::Serves);
    assert_eq!(scene.changes().len(), 2);
    assert_eq!(scene.told().last(), Some(&Telling::SteppedBack { reason: Reason::PrimaryWell { for_ms: 60_000 } }));
    // By a person's word at once, and not while a person holds it.
    for (order, changes) in [(Order::Demote, 2), (Order::Hold, 1)] {
        let mut scene = Scene::armed();
        scene.works = false;
        scene.watch(30, Sight::Silent);
        scene.works = true;
        scene.see(Evidence::Person(order));
        assert_eq!(scene.changes().len(), changes, "{order:?}");
        scene.watch(600, Sight::Serves);
        assert_eq!(scene.changes().len(), changes, "{order:?}");
    }
}

/// They hold it as they wanted it, and that is not how it is.
#[test]
fn a_persons_word_whose_change_failed_is_tried_again_until_they_say_otherwise() {
    let mut scene = Scene::armed();
    scene.works = false;
    scene.see(Evidence::Person(Order::Promote));
    scene.watch(60, Sight::Serves);
    let promote = Output::Promote(Reason::Person);
    assert_eq!(scene.changes(), [(0, promote.clone()), (30, promote.clone()), (60, promote)]);
    scene.works = true;
    scene.watch(30, Sight::Serves);
    assert_eq!(scene.role(), Role::Active);
    scene.works = false;
    scene.see(Evidence::Person(Order::Demote));
    // The next guard knows.
    let kept = serde_json::to_string(scene.standby.memory()).unwrap();
    scene.standby = Standby::new(DOCUMENT, serde_json::from_str(&kept).unwrap(), &mut Vec::new());
    scene.works = true;
    scene.watch(30, Sight::Silent);
    assert_eq!(scene.role(), Role::Watching);
    scene.works = false;
    scene.see(Evidence::Armed(Armed::Yes));
    scene.see(Evidence::Person(Order::Promote));
    let before = scene.changes().len();
    scene.see(Evidence::Person(Order::Hold));
    scene.watch(600, Sight::Serves);
    assert_eq!(scene.changes().len(), before);
}

fn resumed(memory: Memory, armed: Armed, sight: Sight) -> Scene {
    let mut scene = Scene::unarmed();
    let mut out = Vec::new();
    scene.standby = Standby::new(DOCUMENT, memory, &mut out);
    scene.out.extend(out.into_iter().map(|output| (0, output)));
    scene.ends = false;
    scene.see(Evidence::Armed(armed));
    scene.watch(10, sight);
    scene
}

#[test]
fn what_a_guard_left_half_done_is_done_again_by_the_next() {
    let left = |role| Memory { role, ..Memory::default() };
    for sight in [Sight::Silent, Sight::Stopped, Sight::BeingRepaired, Sight::Blind, Sight::Unclear] {
        if let Sight::Silent | Sight::Stopped = sight {
            let scene = resumed(left(Role::Promoting), Armed::Yes, sight);
            assert_eq!(scene.changes(), [(10, Output::Promote(Reason::Resumed))], "{sight:?}");
        }
        let scene = resumed(left(Role::Demoting), Armed::Yes, sight);
        assert_eq!(scene.changes(), [(0, Output::Demote(Reason::Resumed))], "{sight:?}");
    }
    for role in [Role::Watching, Role::Active] {
        assert_eq!(resumed(left(role), Armed::Yes, Sight::Silent).changes(), []);
    }
}

/// The guard that had begun it may have ended an hour ago.
#[test]
fn a_takeover_is_not_resumed_where_its_reason_is_gone() {
    let promoting = Memory { role: Role::Promoting, why: Some(Reason::Silent { misses: 3 }), ..Memory::default() };
    let scene = resumed(promoting.clone(), Armed::Yes, Sight::Serves);
    assert_eq!(scene.changes(), [(10, Output::Demote(Reason::PrimaryWell { for_ms: 0 }))]);
    let by_person = Memory { why: Some(Reason::Person), ..promoting.clone() };
    let scene = resumed(by_person, Armed::Yes, Sight::Serves);
    assert_eq!(scene.changes(), [(10, Output::Promote(Reason::Resumed))]);
    let why = "telegram 123 is on both sides".to_owned();
    let scene = resumed(promoting, Armed::No { why: why.clone() }, Sight::Silent);
    assert_eq!(scene.changes(), [(10, Output::Demote(Reason::Resumed))]);
    assert_eq!(scene.told(), [Telling::NotPromoted { obstacle: Obstacle::NotApart { why } }]);
}

/// As after a boot, before the network is there, or while the primary boots as well.
#[test]
fn a_takeover_is_resumed_on_no_look_that_says_nothing_of_the_primary() {
    let left = |why| Memory { role: Role::Promoting, why: Some(why), ..Memory::default() };
    let silent = Reason::Silent { misses: 3 };
    for sight in [Sight::Blind, Sight::Unclear] {
        let mut scene = resumed(left(silent), Armed::Yes, sight);
        scene.watch(60, sight);
        assert_eq!(scene.changes(), [], "{sight:?}");
        scene.watch(10, Sight::Serves);
        assert_eq!(scene.changes(), [(80, Output::Demote(Reason::PrimaryWell { for_ms: 0 }))], "{sight:?}");
        let mut scene = resumed(left(silent), Armed::Yes, sight);
        scene.watch(10, Sight::Silent);
        assert_eq!(scene.changes(), [(20, Output::Promote(Reason::Resumed))], "{sight:?}");
        // A person's word needs no look.
        let scene = resumed(left(Reason::Person), Armed::Yes, sight);
        assert_eq!(scene.changes(), [(10, Output::Promote(Reason::Resumed))], "{sight:?}");
        let mut scene = resumed(left(silent), Armed::Yes, sight);
        scene.see(Evidence::Person(Order::Promote));
        scene.watch(10, sight);
        assert_eq!(scene.changes(), [(20, Output::Promote(Reason::Resumed))], "{sight:?}");
    }
    let scene = resumed(left(silent), Armed::Yes, Sight::BeingRepaired);
    assert_eq!(scene.changes(), [(10, Output::Demote(Reason::Resumed))]);
    let scene = resumed(left(Reason::RepairTooLong), Armed::Yes, Sight::BeingRepaired);
    assert_eq!(scene.changes(), [(10, Output::Promote(Reason::Resumed))]);
}

/// It is theirs from then on: it is not given up because they hold this node.
#[test]
fn what_a_person_says_while_it_is_under_way_is_tried_again_where_it_fails() {
    for (order, from, to) in
        [(Order::Promote, Sight::Silent, Role::Active), (Order::Demote, Sight::Serves, Role::Watching)]
    {
        let mut scene = Scene::armed();
        scene.ends = to == Role::Watching;
        scene.watch(30, Sight::Silent);
        scene.ends = false;
        scene.watch(70, from);
        let before = scene.changes().len();
        scene.see(Evidence::Person(order));
        assert_eq!(scene.standby.memory().outstanding(), None, "it is under way");
        (scene.ends, scene.works) = (true, false);
        scene.see(Evidence::Done { worked: false });
        scene.works = true;
        scene.watch(60, from);
        assert_eq!((scene.role(), scene.changes().len()), (to, before + 1), "{order:?}");
        assert!(scene.standby.memory().held && scene.standby.memory().outstanding().is_none());
    }
}

#[test]
fn a_primary_that_a_person_stopped_is_called_so() {
    let mut scene = Scene::armed();
    scene.watch(20, Sight::Silent);
    scene.watch(10, Sight::Stopped);
    assert_eq!(scene.changes(), [(30, Output::Promote(Reason::Stopped))]);
}

/// What is under way cannot be left half-done; what a person wants instead comes right after it.
#[test]
fn the_opposite_of_what_is_under_way_follows_it() {
    // The takeover that a person does not want works; and it fails, and may have left a gateway that comes later.
    for works in [true, false] {
        let mut scene = Scene::armed();
        scene.works = works;
        scene.ends = false;
        scene.watch(30, Sight::Silent);
        assert_eq!(scene.role(), Role::Promoting);
        scene.see(Evidence::Person(Order::Demote));
        // The next guard knows.
        assert_eq!(scene.standby.memory().wanted, Some(Role::Watching));
        (scene.ends, scene.works) = (true, true);
        scene.see(Evidence::Done { worked: works });
        scene.watch(60, Sight::Silent);
        assert_eq!((scene.role(), scene.changes().len()), (Role::Watching, 2), "{works}");
        assert_eq!(scene.changes()[1].1, Output::Demote(Reason::Person));
        assert!(scene.standby.memory().held && scene.standby.memory().wanted.is_none());
    }
    // And the other way round: a step back that failed may have ended the gateway all the same.
    for worked in [true, false] {
        let mut scene = Scene::armed();
        scene.watch(30, Sight::Silent);
        assert_eq!(scene.role(), Role::Active);
        scene.ends = false;
        scene.see(Evidence::Person(Order::Demote));
        scene.see(Evidence::Person(Order::Promote));
        scene.ends = true;
        scene.see(Evidence::Done { worked });
        scene.watch(60, Sight::Serves);
        assert_eq!(scene.role(), Role::Active);
        assert_eq!(scene.changes().last().map(|(_, change)| change.clone()), Some(Output::Promote(Reason::Person)));
        assert_eq!(scene.changes().len(), 3);
    }
}
