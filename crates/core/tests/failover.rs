//! A standby in split mode, in virtual time: what the failover-gateway document promises, and what must never happen.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use clawmend_core::failover::{
    Armed, Evidence, Figures, Memory, Obstacle, Order, Output, Own, Reason, Refusal, Role, Sight, Standby, Telling,
};
use clawmend_core::time::{Moment, Now, Wall};
use proptest::prelude::*;

#[path = "failover/alone.rs"]
mod alone;
#[path = "failover/course.rs"]
mod course;
#[path = "failover/drill.rs"]
mod drill;
#[path = "failover/half_done.rs"]
mod half_done;
#[path = "failover/reach.rs"]
mod reach;
#[path = "failover/several.rs"]
mod several;
#[path = "failover/words.rs"]
mod words;

const DOCUMENT: Figures = Figures::document();

/// A standby whose changes of role take no time, and what came out of it, with the second when.
struct Scene {
    standby: Standby,
    ms: u64,
    works: bool,
    /// A change of role comes to an end.
    ends: bool,
    out: Vec<(u64, Output)>,
}

impl Scene {
    fn armed() -> Self {
        let mut scene = Self::unarmed();
        scene.see(Evidence::Armed(Armed::Yes));
        scene
    }

    fn unarmed() -> Self {
        Self {
            standby: Standby::new(DOCUMENT, Memory::default(), &mut Vec::new()),
            ms: 0,
            works: true,
            ends: true,
            out: vec![],
        }
    }

    fn now(&self) -> Now {
        Now { mono: Moment(self.ms), wall: Wall(1_700_000_000_000 + i64::try_from(self.ms).unwrap()) }
    }

    fn see(&mut self, evidence: Evidence) {
        let mut out = Vec::new();
        self.standby.observe(self.now(), &evidence, &mut out);
        let asked = out.iter().any(|output| matches!(output, Output::Promote(_) | Output::Demote(_)));
        self.out.extend(out.into_iter().map(|output| (self.ms / 1000, output)));
        if asked && self.ends {
            let worked = self.works;
            self.see(Evidence::Done { worked });
        }
    }

    /// Looks for so many seconds.
    fn watch(&mut self, seconds: u64, sight: Sight) {
        for _ in 0..seconds * 1000 / DOCUMENT.every_ms {
            self.ms += DOCUMENT.every_ms;
            self.see(Evidence::Look(sight));
        }
    }

    fn changes(&self) -> Vec<(u64, Output)> {
        let change = |(_, output): &&(u64, Output)| matches!(output, Output::Promote(_) | Output::Demote(_));
        self.out.iter().filter(change).cloned().collect()
    }

    /// What was told of trouble; the change of role itself apart.
    fn warned(&self) -> Vec<Telling> {
        let change = |told: &Telling| matches!(told, Telling::TookOver { .. } | Telling::SteppedBack { .. });
        self.told().into_iter().filter(|told| !change(told)).collect()
    }

    fn told(&self) -> Vec<Telling> {
        let told = self.out.iter().filter_map(|(_, output)| match output {
            Output::Tell(telling) => Some(telling.clone()),
            Output::Promote(_) | Output::Demote(_) | Output::Refused(_) | Output::Persist => None,
        });
        told.collect()
    }

    fn role(&self) -> Role {
        self.standby.memory().role
    }
}

/// A host that is lost right after a look, the worst moment. Each look that is missed takes its whole time.
#[test]
fn the_loss_of_a_host_is_known_within_three_looks() {
    for figures in [DOCUMENT, Figures::fast()] {
        let mut scene = Scene { standby: Standby::new(figures, Memory::default(), &mut Vec::new()), ..Scene::armed() };
        scene.see(Evidence::Armed(Armed::Yes));
        scene.see(Evidence::Look(Sight::Serves));
        let mut begins = scene.standby.next_look_ms();
        while scene.changes().is_empty() {
            scene.ms = begins + figures.look_ms();
            scene.see(Evidence::Look(Sight::Silent));
            begins += scene.standby.next_look_ms();
        }
        assert_eq!(scene.ms, 3 * figures.every_ms);
    }
}

#[test]
fn the_third_miss_promotes_and_a_steady_primary_gets_its_place_back() {
    let mut scene = Scene::armed();
    scene.watch(600, Sight::Serves);
    scene.watch(300, Sight::Silent);
    scene.watch(300, Sight::Serves);
    let well = Output::Demote(Reason::PrimaryWell { for_ms: 60_000 });
    assert_eq!(scene.changes(), [(630, Output::Promote(Reason::Silent { misses: 3 })), (970, well)]);
    assert_eq!(scene.role(), Role::Watching);
}

#[test]
fn what_a_person_stopped_on_the_primary_is_carried_too() {
    let mut scene = Scene::armed();
    scene.watch(60, Sight::Serves);
    scene.watch(60, Sight::Stopped);
    assert_eq!(scene.changes(), [(90, Output::Promote(Reason::Stopped))]);
}

#[test]
fn a_primary_that_comes_and_goes_leads_to_one_takeover_and_a_hold() {
    let mut scene = Scene::armed();
    scene.watch(60, Sight::Serves);
    for _ in 0..7 {
        scene.watch(50, Sight::Silent);
        scene.watch(40, Sight::Serves);
    }
    assert_eq!(scene.changes().len(), 1, "{:?}", scene.changes());
    assert_eq!(scene.role(), Role::Active);
}

#[test]
fn each_takeover_within_the_hour_asks_for_twice_the_steadiness_and_says_so() {
    let mut scene = Scene::armed();
    scene.watch(60, Sight::Serves);
    for _ in 0..3 {
        scene.watch(40, Sight::Silent);
        scene.watch(300, Sight::Serves);
    }
    let well: Vec<u64> = scene
        .changes()
        .iter()
        .filter_map(|(_, output)| match output {
            Output::Demote(Reason::PrimaryWell { for_ms }) => Some(*for_ms),
            Output::Promote(_) | Output::Demote(_) | Output::Tell(_) | Output::Refused(_) | Output::Persist => None,
        })
        .collect();
    assert_eq!(well, [60_000, 120_000, 240_000]);
    assert_eq!(
        scene.warned(),
        [Telling::Unsteady { needs_ms: 120_000, takeovers: 2 }, Telling::Unsteady { needs_ms: 240_000, takeovers: 3 },]
    );
    assert_eq!(DOCUMENT.steadiness_ms(u32::MAX), DOCUMENT.steady_max_ms);
}

#[test]
fn it_is_known_for_how_long_the_primary_must_still_be_well() {
    let mut scene = Scene::armed();
    scene.watch(60, Sight::Serves);
    assert_eq!(scene.standby.steadying(scene.now()), None, "it stands by");
    for _ in 0..2 {
        scene.watch(40, Sight::Silent);
        assert_eq!(scene.standby.steadying(scene.now()), None, "the primary is lost");
        scene.watch(130, Sight::Serves);
    }
    scene.watch(40, Sight::Silent);
    scene.watch(31, Sight::Serves);
    let steadying = scene.standby.steadying(scene.now()).unwrap();
    assert_eq!((steadying.needs_ms, steadying.takeovers), (240_000, 3));
    assert!((20_000..=31_000).contains(&steadying.well_ms), "{steadying:?}");
    scene.see(Evidence::Person(Order::Hold));
    assert_eq!(scene.standby.steadying(scene.now()), None, "a person says when");
}

#[test]
fn what_a_person_tries_says_nothing_of_the_primary() {
    let mut scene = Scene::armed();
    scene.watch(60, Sight::Serves);
    for _ in 0..3 {
        scene.see(Evidence::Person(Order::Promote));
        scene.see(Evidence::Person(Order::Release));
        assert_eq!(scene.role(), Role::Active);
        scene.watch(80, Sight::Serves);
        assert_eq!(scene.role(), Role::Watching);
    }
    assert_eq!((scene.standby.memory().takeovers.len(), scene.warned()), (0, vec![]));
}

#[test]
fn what_a_person_asked_for_and_is_not_done_is_known() {
    let mut scene = Scene::armed();
    scene.watch(60, Sight::Serves);
    scene.ends = false;
    scene.see(Evidence::Person(Order::Promote));
    assert_eq!((scene.role(), scene.standby.memory().outstanding()), (Role::Promoting, None));
    scene.see(Evidence::Person(Order::Demote));
    assert_eq!(scene.standby.memory().outstanding(), Some(Role::Watching));
    scene.see(Evidence::Done { worked: true });
    assert_eq!((scene.role(), scene.standby.memory().outstanding()), (Role::Active, Some(Role::Watching)));

    let mut scene = Scene::armed();
    scene.watch(60, Sight::Serves);
    scene.ends = false;
    scene.see(Evidence::Person(Order::Promote));
    scene.see(Evidence::Done { worked: false });
    assert_eq!((scene.role(), scene.standby.memory().outstanding()), (Role::Watching, Some(Role::Active)));
    scene.watch(40, Sight::Serves);
    assert_eq!((scene.role(), scene.standby.memory().outstanding()), (Role::Promoting, None), "it is tried again");
}

#[test]
fn a_guard_that_repairs_gets_its_time_and_no_more() {
    let mut scene = Scene::armed();
    scene.watch(60, Sight::Serves);
    scene.watch(110, Sight::BeingRepaired);
    assert!(scene.changes().is_empty());
    scene.watch(100, Sight::BeingRepaired);
    assert_eq!(scene.changes(), [(190, Output::Promote(Reason::RepairTooLong))]);
}

#[test]
fn a_node_that_cannot_look_blames_itself() {
    let mut scene = Scene::armed();
    scene.watch(60, Sight::Serves);
    scene.watch(20, Sight::Silent);
    scene.watch(600, Sight::Blind);
    scene.watch(20, Sight::Silent);
    assert!(scene.changes().is_empty(), "two looks before and two after a blind spell are not three in a row");
    scene.watch(10, Sight::Silent);
    assert_eq!(scene.changes().len(), 1);
}

#[test]
fn a_node_that_has_slept_begins_anew() {
    let mut scene = Scene::armed();
    scene.watch(60, Sight::Serves);
    scene.watch(20, Sight::Silent);
    scene.ms += 3_600_000;
    scene.watch(20, Sight::Silent);
    assert!(scene.changes().is_empty());
}

#[test]
fn nothing_is_promoted_while_the_configs_may_share_a_channel_and_it_is_said_once() {
    let mut scene = Scene::unarmed();
    let why = "telegram 123 is on both sides".to_owned();
    scene.see(Evidence::Armed(Armed::No { why: why.clone() }));
    scene.watch(3600, Sight::Silent);
    scene.see(Evidence::Person(Order::Promote));
    assert!(scene.changes().is_empty());
    let obstacle = Obstacle::NotApart { why };
    assert_eq!(scene.told(), [Telling::NotPromoted { obstacle: obstacle.clone() }]);
    assert_eq!(scene.out.last().unwrap().1, Output::Refused(Refusal::Obstacle(obstacle)));
}

#[test]
fn a_channel_that_came_to_be_shared_while_it_carries_is_told() {
    let mut scene = Scene::armed();
    scene.watch(60, Sight::Silent);
    assert_eq!(scene.role(), Role::Active);
    for _ in 0..3 {
        scene.see(Evidence::Armed(Armed::No { why: "telegram 123 is on both sides".to_owned() }));
    }
    assert_eq!(scene.warned(), [Telling::NotApart { why: "telegram 123 is on both sides".to_owned() }]);
}

#[test]
fn what_a_person_says_holds_until_they_say_otherwise() {
    let mut scene = Scene::armed();
    scene.watch(60, Sight::Serves);
    scene.see(Evidence::Person(Order::Promote));
    scene.watch(3600, Sight::Serves);
    assert_eq!(scene.role(), Role::Active);
    scene.see(Evidence::Person(Order::Demote));
    scene.watch(3600, Sight::Silent);
    assert_eq!(scene.role(), Role::Watching);
    scene.see(Evidence::Person(Order::Release));
    scene.watch(30, Sight::Silent);
    assert_eq!(scene.role(), Role::Active);
}

#[test]
fn a_change_that_fails_is_tried_again_later_and_told_once() {
    let mut scene = Scene::armed();
    scene.works = false;
    scene.watch(60, Sight::Serves);
    scene.watch(300, Sight::Silent);
    let at: Vec<u64> = scene.changes().iter().map(|(at, _)| *at).collect();
    assert_eq!(at, [90, 120, 150, 180, 210, 240, 270, 300, 330, 360]);
    assert_eq!(scene.told(), [Telling::Failed { role: Role::Watching, lost: true, again: true, asked: false }]);
    assert!(scene.standby.memory().takeovers.is_empty(), "nothing was taken over");
}

fn sights() -> impl Strategy<Value = Sight> {
    prop_oneof![
        3 => Just(Sight::Serves),
        4 => Just(Sight::Silent),
        1 => Just(Sight::Stopped),
        2 => Just(Sight::BeingRepaired),
        1 => Just(Sight::Blind),
        1 => Just(Sight::Unclear),
    ]
}

fn facts() -> impl Strategy<Value = (u64, Evidence)> {
    let evidence = prop_oneof![
        24 => sights().prop_map(Evidence::Look),
        1 => Just(Evidence::Armed(Armed::Yes)),
        1 => Just(Evidence::Armed(Armed::No { why: "shared".into() })),
        1 => prop::sample::select(vec![Order::Promote, Order::Demote, Order::Hold, Order::Release, Order::Drill])
            .prop_map(Evidence::Person),
        3 => any::<bool>().prop_map(|worked| Evidence::Done { worked }),
        3 => prop_oneof![Just(Own::Serves), Just(Own::Silent), Just(Own::ByPerson), Just(Own::Unclear)]
            .prop_map(Evidence::Own),
    ];
    (prop_oneof![9 => Just(DOCUMENT.every_ms), 1 => 0..200_000u64], evidence)
}

/// Judges by its own account of what was seen and done; only the hold is read from the machine's memory.
#[derive(Default)]
struct Judge {
    armed: bool,
    held: bool,
    misses: u32,
    repairing: Option<u64>,
    well: Option<u64>,
    looked: Option<u64>,
    under_way: bool,
    carries: bool,
    /// A takeover failed, and nothing was done since.
    left: bool,
    /// The last change was by a person's word.
    by_person: bool,
    /// It is one that they try.
    drill: bool,
    /// It failed, and they have said nothing since.
    again: bool,
    /// What a person has said while a change is under way: that it carries, or not.
    wanted: Option<bool>,
    last: Option<bool>,
}

impl Judge {
    fn note(&mut self, at: u64, evidence: &Evidence) {
        match evidence {
            Evidence::Look(sight) => self.note_look(at, *sight),
            Evidence::Armed(armed) => self.armed = *armed == Armed::Yes,
            Evidence::Person(Order::Drill) => {}
            Evidence::Person(order) => {
                self.again = false;
                self.wanted = match order {
                    Order::Promote | Order::Demote if self.under_way => Some(*order == Order::Promote),
                    Order::Promote | Order::Demote | Order::Hold | Order::Release | Order::Drill => None,
                };
            }
            Evidence::Own(_) | Evidence::Seniors(_) => {}
            Evidence::Done { worked } => {
                if std::mem::take(&mut self.under_way) {
                    // What could not be ended goes on.
                    self.carries = (self.last == Some(true)) == *worked;
                    if std::mem::take(&mut self.drill) && *worked {
                        (self.misses, self.repairing, self.well) = (0, None, None);
                    }
                    self.left = self.last == Some(true) && !worked;
                    let failed = self.by_person && !worked;
                    let wanted = self.wanted.take();
                    self.again = wanted.map_or(failed, |wanted| wanted != self.carries || !worked);
                    self.wanted = wanted.filter(|wanted| *wanted == self.carries && !worked);
                }
            }
        }
        if *evidence == Evidence::Person(Order::Release) {
            (self.misses, self.repairing, self.well) = (0, None, None);
        }
    }

    fn note_look(&mut self, at: u64, sight: Sight) {
        if self.looked.is_some_and(|looked| at - looked > DOCUMENT.asleep_ms())
            || matches!(sight, Sight::Blind | Sight::Unclear)
        {
            (self.misses, self.repairing, self.well) = (0, None, None);
        }
        self.looked = Some(at);
        match sight {
            Sight::Serves => {
                (self.misses, self.repairing) = (0, None);
                self.well.get_or_insert(at);
            }
            Sight::BeingRepaired => {
                (self.misses, self.well) = (0, None);
                self.repairing.get_or_insert(at);
            }
            Sight::Silent | Sight::Stopped => {
                self.misses += 1;
                (self.repairing, self.well) = (None, None);
            }
            Sight::Blind | Sight::Unclear => {}
        }
    }

    fn judge(&mut self, at: u64, evidence: &Evidence, output: &Output) {
        let person = matches!(evidence, Evidence::Person(_)) || self.again;
        let promote = match output {
            Output::Promote(_) => true,
            Output::Demote(_) => false,
            Output::Tell(_) | Output::Refused(_) | Output::Persist => return,
        };
        assert!(!std::mem::replace(&mut self.under_way, true), "two changes at once");
        let half_done = self.wanted == Some(promote);
        assert!(self.carries != promote || (self.left && !promote) || half_done, "it is that already");
        assert!(person || !self.held, "a person holds it");
        if promote {
            assert!(self.armed, "the configs may share a channel");
            let lost = self.misses >= DOCUMENT.misses;
            let repaired_for = self.repairing.map_or(0, |since| at - since);
            assert!(person || lost || repaired_for >= DOCUMENT.repair_ms, "on too little");
        } else {
            assert!(person || self.well.is_some_and(|since| at - since >= DOCUMENT.steady_ms), "from a shaky primary");
        }
        self.drill = *evidence == Evidence::Person(Order::Drill);
        assert!(!self.drill || !self.held, "a person holds it");
        (self.last, self.by_person) = (Some(promote), person && !self.drill);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn it_never_acts_on_too_little(facts in prop::collection::vec(facts(), 1..120)) {
        let mut standby = Standby::new(DOCUMENT, Memory::default(), &mut Vec::new());
        let (mut judge, mut at) = (Judge::default(), 0);
        for (pause, evidence) in facts {
            at += pause;
            let mut out = Vec::new();
            standby.observe(Now { mono: Moment(at), wall: Wall(0) }, &evidence, &mut out);
            judge.note(at, &evidence);
            for output in &out {
                judge.judge(at, &evidence, output);
            }
            // A person's word about the role holds from then on.
            judge.held = standby.memory().held;
            prop_assert!(out.len() <= 3);
            prop_assert!(standby.memory().takeovers.len() <= Memory::TAKEOVERS);
        }
    }

    /// Whatever came before: a primary that is lost for good is replaced, unless a person or the configs forbid it.
    #[test]
    fn a_lost_primary_is_always_replaced(facts in prop::collection::vec(facts(), 0..60)) {
        let mut standby = Standby::new(DOCUMENT, Memory::default(), &mut Vec::new());
        let mut at = 0;
        let mut see = |standby: &mut Standby, pause: u64, evidence: &Evidence| {
            at += pause;
            standby.observe(Now { mono: Moment(at), wall: Wall(0) }, evidence, &mut Vec::new());
        };
        for (pause, evidence) in facts {
            see(&mut standby, pause, &evidence);
        }
        see(&mut standby, 0, &Evidence::Done { worked: true });
        see(&mut standby, 0, &Evidence::Person(Order::Release));
        see(&mut standby, 0, &Evidence::Armed(Armed::Yes));
        for _ in 0..8 {
            see(&mut standby, DOCUMENT.every_ms, &Evidence::Look(Sight::Silent));
            see(&mut standby, 0, &Evidence::Done { worked: true });
        }
        prop_assert_eq!(standby.memory().role, Role::Active);
    }
}
