//! One of the two is left, or none: who says so, when, and how loudly.

use super::{DOCUMENT, Scene};
use clawmend_core::alert::Level;
use clawmend_core::failover::primary::{self, MISSED_MS, Primary};
use clawmend_core::failover::{Armed, Episode, Evidence, Order, Own, Sight, Standby, Telling};
use clawmend_core::health::Verdict;
use clawmend_core::time::{Moment, Now, Wall};

impl Scene {
    /// Looks for so many seconds, and sees its own gateway with each look.
    fn carry(&mut self, seconds: u64, sight: Sight, own: Own) {
        for _ in 0..seconds * 1000 / DOCUMENT.every_ms {
            self.watch(DOCUMENT.every_ms / 1000, sight);
            self.see(Evidence::Own(own));
        }
    }

    fn carrying() -> Self {
        let mut scene = Self::armed();
        scene.watch(60, Sight::Serves);
        scene.watch(30, Sight::Silent);
        scene
    }
}

const fn silence(told: &Telling) -> bool {
    matches!(told, Telling::NobodyAnswers { .. } | Telling::AnswersAgain { .. })
}

#[test]
fn a_standby_that_carries_and_does_not_serve_says_that_nobody_answers_once_and_when_that_is_over() {
    let mut scene = Scene::carrying();
    scene.carry(600, Sight::Silent, Own::Serves);
    let begun = scene.now().wall.0 + 10_000;
    scene.carry(120, Sight::Silent, Own::Silent);
    assert!(!scene.told().iter().any(silence), "a repair may take so long");
    scene.carry(600, Sight::Silent, Own::Silent);
    let since = Wall(begun);
    assert_eq!(scene.told().last(), Some(&Telling::NobodyAnswers { since }));
    assert_eq!(scene.last_notice().level, Level::Critical);
    scene.carry(20, Sight::Silent, Own::Unclear);
    scene.carry(20, Sight::Silent, Own::Serves);
    let told: Vec<Telling> = scene.told().into_iter().filter(silence).collect();
    assert_eq!(told, [Telling::NobodyAnswers { since }, Telling::AnswersAgain { since }]);
    scene.carry(300, Sight::Silent, Own::Silent);
    assert_eq!(scene.told().iter().filter(|told| silence(told)).count(), 3, "another one is told, too");
}

/// A start that hangs has ten minutes: people hear long before that nobody answers them, and once.
#[test]
fn a_takeover_that_does_not_come_to_an_end_is_a_silence_like_any_other() {
    let mut scene = Scene::armed();
    scene.watch(60, Sight::Serves);
    scene.ends = false;
    scene.watch(30, Sight::Silent);
    scene.carry(130, Sight::Silent, Own::Silent);
    let told = scene.told();
    assert!(matches!(told[..], [Telling::NobodyAnswers { .. }]), "{told:?}");
    // It fails, is tried again, and works at last.
    scene.see(Evidence::Done { worked: false });
    scene.carry(600, Sight::Silent, Own::Silent);
    assert_eq!(scene.told().iter().filter(|told| silence(told)).count(), 1, "{:?}", scene.told());
    scene.see(Evidence::Done { worked: true });
    scene.carry(10, Sight::Silent, Own::Serves);
    let told: Vec<Telling> = scene.told().into_iter().filter(silence).collect();
    assert!(matches!(told[..], [Telling::NobodyAnswers { .. }, Telling::AnswersAgain { .. }]), "{told:?}");
    // The primary comes back meanwhile: then somebody answers.
    let mut scene = Scene::armed();
    scene.ends = false;
    scene.watch(30, Sight::Silent);
    scene.carry(130, Sight::Silent, Own::Silent);
    scene.carry(10, Sight::Serves, Own::Silent);
    assert!(matches!(scene.told()[..], [Telling::NobodyAnswers { .. }, Telling::AnswersAgain { .. }]));
}

#[test]
fn a_crash_that_is_mended_a_persons_stop_and_a_primary_that_serves_are_no_silence() {
    let mut scene = Scene::carrying();
    for _ in 0..5 {
        scene.carry(110, Sight::Silent, Own::Silent);
        scene.carry(10, Sight::Silent, Own::Serves);
    }
    scene.carry(600, Sight::Silent, Own::ByPerson);
    scene.carry(600, Sight::Silent, Own::Unclear);
    scene.carry(600, Sight::Blind, Own::Silent);
    assert!(!scene.told().iter().any(silence), "{:?}", scene.told());
    let mut scene = Scene::carrying();
    scene.see(Evidence::Person(Order::Hold));
    scene.carry(600, Sight::Serves, Own::Silent);
    assert!(!scene.told().iter().any(silence), "{:?}", scene.told());
    let mut scene = Scene::armed();
    scene.carry(600, Sight::Serves, Own::Silent);
    assert!(scene.told().is_empty(), "a standby's gateway is off");
}

#[test]
fn the_next_guard_does_not_say_it_again_and_says_its_end() {
    let mut scene = Scene::carrying();
    scene.carry(300, Sight::Silent, Own::Silent);
    let told = scene.told().len();
    let kept = serde_json::to_string(scene.standby.memory()).unwrap();
    scene.standby = Standby::new(DOCUMENT, serde_json::from_str(&kept).unwrap(), &mut Vec::new());
    scene.see(Evidence::Armed(Armed::Yes));
    scene.carry(600, Sight::Silent, Own::Silent);
    assert_eq!(scene.told().len(), told);
    scene.carry(10, Sight::Silent, Own::Serves);
    assert!(matches!(scene.told().last(), Some(Telling::AnswersAgain { .. })));
}

#[test]
fn what_a_guard_believes_is_taken_as_people_would() {
    let of = |verdict| Own::of(verdict, false);
    assert_eq!([Verdict::Healthy, Verdict::Degraded].map(of), [Own::Serves; 2]);
    assert_eq!([Verdict::Starting, Verdict::Draining, Verdict::Down].map(of), [Own::Silent; 3]);
    assert_eq!([Verdict::Stopped, Verdict::Paused].map(of), [Own::ByPerson; 2]);
    assert_eq!([Verdict::Suspect, Verdict::Unknown].map(of), [Own::Unclear; 2]);
    assert_eq!(Own::of(Verdict::Stopped, true), Own::Silent, "nobody stopped it, and nobody answers");
}

/// A primary whose guard polls every 10 s, and whose standby asks when it does.
struct Left {
    primary: Primary,
    ms: u64,
    reaches: bool,
    told: Vec<(u64, Telling)>,
}

impl Left {
    fn new(memory: primary::Memory) -> Self {
        Self { primary: Primary::new(memory, Self::at(0)), ms: 0, reaches: true, told: Vec::new() }
    }

    fn at(ms: u64) -> Now {
        Now { mono: Moment(ms), wall: Wall(1_700_000_000_000 + i64::try_from(ms).unwrap()) }
    }

    fn live(&mut self, seconds: u64, asked: bool) {
        for _ in 0..seconds / 10 {
            self.ms += 10_000;
            let (now, mut out) = (Self::at(self.ms), Vec::new());
            if asked {
                self.primary.observe(now, primary::Evidence::Asked, &mut out);
            }
            self.primary.poll(now, &mut out);
            if out.contains(&primary::Output::Doubt) {
                self.primary.observe(now, primary::Evidence::Reaches(self.reaches), &mut out);
            }
            for output in out {
                if let primary::Output::Tell(told) = output {
                    self.told.push((self.ms / 1000, told));
                }
            }
        }
    }
}

#[test]
fn a_primary_without_its_standby_says_so_once_after_five_minutes_and_that_it_is_back() {
    let mut left = Left::new(primary::Memory::default());
    left.live(600, true);
    left.live(3_600, false);
    assert_eq!(left.told, [(600 + MISSED_MS / 1000, Telling::StandbyLost)]);
    assert_eq!(left.primary.memory().episode, Episode { number: 1, since: Left::at(600_000).wall, open: true });
    assert_eq!(Telling::StandbyLost.level(), Level::Warning);
    left.live(30, true);
    left.live(60, false);
    assert_eq!(left.told.len(), 1, "not for a moment");
    left.live(120, true);
    assert_eq!(left.told.last().unwrap().1, Telling::StandbyBack);
    left.live(600, true);
    assert_eq!(left.told.len(), 2);
}

#[test]
fn what_was_never_there_is_not_missed_and_the_next_guard_knows_what_was() {
    let mut left = Left::new(primary::Memory::default());
    left.live(3_600, false);
    assert_eq!(left.told, []);
    left.live(10, true);
    let mut next = Left::new(*left.primary.memory());
    next.live(600, false);
    assert_eq!(next.told, [(300, Telling::StandbyLost)]);
    let mut third = Left::new(*next.primary.memory());
    third.live(600, false);
    assert_eq!(third.told, [], "it was told");
}

#[test]
fn a_primary_that_slept_or_is_cut_off_itself_blames_itself() {
    let mut left = Left::new(primary::Memory::default());
    left.live(60, true);
    left.ms += 8 * 3_600_000;
    left.live(200, false);
    left.live(10, true);
    assert_eq!(left.told, [], "it slept");
    left.reaches = false;
    left.live(3_600, false);
    assert_eq!(left.told, [], "it is cut off");
    left.reaches = true;
    left.live(290, false);
    left.live(60, true);
    assert_eq!(left.told, [], "its network came back, and so did the standby");
    left.live(310, false);
    assert_eq!(left.told.len(), 1);
}
