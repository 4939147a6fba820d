//! What people are told of a pair: each thing once, the end only of what was heard, over a guard's death too.

use super::{DOCUMENT, Scene};
use clawmend_core::alert::Level;
use clawmend_core::alert::desk::{Clock, Desk};
use clawmend_core::alert::notice::{Notice, Told};
use clawmend_core::alert::policy::{AlertPolicy, Minute, Quiet};
use clawmend_core::failover::telling::notice;
use clawmend_core::failover::{Armed, Evidence, Obstacle, Order, Output, Reason, Role, Sight, Standby, Telling, lease};
use clawmend_core::gateway::GatewayId;
use clawmend_core::time::Wall;

fn desk_clock(hour: u16) -> Clock {
    Clock { wall: Wall(0), minute: Minute::new(hour, 0).unwrap(), day: 0 }
}

fn quiet_at_night() -> AlertPolicy {
    let at = |hour| Minute::new(hour, 0).unwrap();
    AlertPolicy { quiet: Some(Quiet { from: at(22), to: at(7), broken_by: Level::Critical }), ..AlertPolicy::default() }
}

impl Scene {
    fn notice(&self, telling: &Telling) -> Notice {
        notice(&GatewayId("default".into()), &self.standby.memory().episode, telling, &[], self.now().wall)
    }

    /// The last thing that was told, as a notice.
    pub(super) fn last_notice(&self) -> Notice {
        self.notice(self.told().last().unwrap())
    }
}

#[test]
fn a_takeover_and_its_step_back_have_one_subject_and_the_next_another() {
    let mut scene = Scene::armed();
    scene.watch(60, Sight::Serves);
    let begun = scene.now().wall;
    scene.watch(30, Sight::Silent);
    let first = scene.last_notice();
    assert_eq!(scene.standby.memory().episode.since, Wall(begun.0 + 10_000), "since the first look that was missed");
    assert_eq!(first.key, format!("default/pair-1-{}/took-over", begun.0 / 1_000 + 10));
    assert_eq!(first.level, Level::Critical);
    scene.watch(60 + 10, Sight::Serves);
    let over = scene.last_notice();
    assert!(matches!(over.what, Told::PairOver { .. }) && over.level == Level::Info, "{over:?}");
    assert_eq!(over.subject, first.subject);
    scene.watch(30, Sight::Silent);
    assert_ne!(scene.last_notice().subject, first.subject);
}

#[test]
fn the_next_guard_says_it_with_the_same_key_and_the_reason_of_the_first() {
    let mut scene = Scene::armed();
    scene.watch(60, Sight::Serves);
    scene.watch(20, Sight::Silent);
    // The guard ends while it takes over.
    let mut out = Vec::new();
    scene.ms += DOCUMENT.every_ms;
    scene.standby.observe(scene.now(), &Evidence::Look(Sight::Silent), &mut out);
    assert_eq!(out.last(), Some(&Output::Promote(Reason::Silent { misses: 3 })));
    let kept = scene.standby.memory().clone();
    scene.standby = Standby::new(DOCUMENT, kept.clone(), &mut out);
    scene.see(Evidence::Done { worked: true });
    assert_eq!(scene.told(), [Telling::TookOver { reason: Reason::Silent { misses: 3 }, held: false }]);
    let said = scene.last_notice();
    scene.standby = Standby::new(DOCUMENT, kept, &mut out);
    scene.see(Evidence::Done { worked: true });
    assert_eq!(scene.last_notice().key, said.key);
}

#[test]
fn a_refusal_is_told_once_and_so_is_its_end_when_the_primary_is_steady() {
    let mut scene = Scene::unarmed();
    scene.see(Evidence::Armed(Armed::No { why: "telegram is on both sides".into() }));
    scene.watch(60, Sight::Serves);
    for _ in 0..5 {
        scene.watch(40, Sight::Silent);
        scene.watch(40, Sight::Serves);
    }
    let obstacle = Obstacle::NotApart { why: "telegram is on both sides".into() };
    assert_eq!(scene.told(), [Telling::NotPromoted { obstacle }]);
    assert_eq!(scene.last_notice().level, Level::Critical);
    scene.watch(120, Sight::Serves);
    assert_eq!(scene.told().last(), Some(&Telling::Returned));
    scene.watch(600, Sight::Serves);
    assert_eq!(scene.told().len(), 2);
}

#[test]
fn a_held_standby_says_that_it_does_nothing_and_a_persons_own_word_is_no_alarm() {
    let mut scene = Scene::armed();
    scene.see(Evidence::Person(Order::Promote));
    assert_eq!(scene.last_notice().level, Level::Info);
    scene.see(Evidence::Person(Order::Demote));
    scene.watch(60, Sight::Silent);
    assert_eq!(scene.told().last(), Some(&Telling::NotPromoted { obstacle: Obstacle::Held }));
}

#[test]
fn the_desk_tells_each_step_once_also_to_the_guard_that_reads_it_again() {
    let mut scene = Scene::armed();
    scene.watch(30, Sight::Silent);
    let took_over = scene.last_notice();
    let (mut desk, mut out) = (Desk::default(), Vec::new());
    desk.word(desk_clock(12), &AlertPolicy::default(), took_over.clone(), &mut out);
    let mut desk: Desk = serde_json::from_str(&serde_json::to_string(&desk).unwrap()).unwrap();
    desk.word(desk_clock(12), &AlertPolicy::default(), took_over, &mut out);
    assert_eq!(out.len(), 1);
    scene.watch(120, Sight::Serves);
    desk.word(desk_clock(12), &AlertPolicy::default(), scene.last_notice(), &mut out);
    assert!(matches!(&out[1].what, Told::PairOver { loudest: Level::Critical, .. }), "{out:?}");
}

#[test]
fn the_end_of_what_nobody_heard_is_not_told() {
    let mut scene = Scene::armed();
    scene.see(Evidence::Person(Order::Promote));
    let (mut desk, mut out) = (Desk::default(), Vec::new());
    desk.word(desk_clock(23), &quiet_at_night(), scene.last_notice(), &mut out);
    scene.see(Evidence::Person(Order::Demote));
    desk.word(desk_clock(23), &quiet_at_night(), scene.last_notice(), &mut out);
    desk.poll(desk_clock(8), &quiet_at_night(), &mut out);
    assert_eq!(out, []);
}

#[test]
fn the_end_of_what_broke_the_quiet_is_told_though_something_quieter_waited() {
    let mut scene = Scene::armed();
    scene.watch(30, Sight::Silent);
    let (mut desk, mut out) = (Desk::default(), Vec::new());
    desk.word(desk_clock(23), &quiet_at_night(), scene.last_notice(), &mut out);
    let unsteady = scene.notice(&Telling::Unsteady { needs_ms: 1, takeovers: 2 });
    desk.word(desk_clock(23), &quiet_at_night(), unsteady, &mut out);
    assert_eq!(out.len(), 1);
    scene.watch(120, Sight::Serves);
    desk.word(desk_clock(23), &quiet_at_night(), scene.last_notice(), &mut out);
    assert_eq!(out.len(), 2);
    desk.poll(desk_clock(8), &quiet_at_night(), &mut out);
    assert_eq!(out.len(), 2, "what waited is over");
}

#[test]
fn a_failed_takeover_is_loud_and_a_failed_step_back_is_not() {
    let said = [
        (Role::Watching, true, Level::Critical),
        (Role::Watching, false, Level::Warning),
        (Role::Active, true, Level::Warning),
    ];
    for (role, lost, level) in said {
        assert_eq!(Telling::Failed { role, lost, again: true, asked: false }.level(), level);
    }
    // As a guard kept it that did not tell these apart.
    let kept: Telling = serde_json::from_str(r#"{"failed":{"role":"watching"}}"#).unwrap();
    assert_eq!(kept, Telling::Failed { role: Role::Watching, lost: true, again: true, asked: false });
}

#[test]
fn a_store_that_is_back_is_told_to_who_heard_that_it_was_lost() {
    let of = |telling| {
        let word = lease::word::Word { telling, machines: Vec::new() };
        lease::word::notice(&GatewayId("default".into()), (0, lease::Term(7)), word, Wall(5)).unwrap()
    };
    for (owned, heard) in [(true, 2), (false, 0)] {
        let (mut desk, mut out) = (Desk::default(), Vec::new());
        // Quiet hours hold the lower voice back, and by then it is over.
        desk.word(desk_clock(23), &quiet_at_night(), of(lease::Telling::StoreLost { owned }), &mut out);
        desk.word(desk_clock(23), &quiet_at_night(), of(lease::Telling::StoreBack { owned }), &mut out);
        desk.poll(desk_clock(8), &quiet_at_night(), &mut out);
        assert_eq!(out.len(), heard, "{out:?}");
        let loud_only = AlertPolicy { at_least: Level::Error, ..AlertPolicy::default() };
        let (mut desk, mut out) = (Desk::default(), Vec::new());
        desk.word(desk_clock(12), &loud_only, of(lease::Telling::StoreLost { owned }), &mut out);
        desk.word(desk_clock(12), &loud_only, of(lease::Telling::StoreBack { owned }), &mut out);
        assert_eq!(out.len(), heard, "{out:?}");
    }
}
