//! A gateway that serves and is slow, or takes too much memory: a person is told, once and quietly, and nothing is done.

use super::scene::{Scene, Ways};
use clawmend_core::alert::Level;
use clawmend_core::alert::desk::{Clock, Desk};
use clawmend_core::alert::notice::{Notice, Told};
use clawmend_core::alert::policy::{AlertPolicy, Minute};
use clawmend_core::directive::Output;
use clawmend_core::gateway::Form;
use clawmend_core::guardian::{Guardian, Memory};
use clawmend_core::health::Verdict;
use clawmend_core::incident::{IncidentEvent, Outcome, What};
use clawmend_core::observation::{Endpoint, Evidence, GuardSelf, Held, HttpOutcome};
use clawmend_core::policy::Policy;

const USUAL_KIB: u64 = 800_000;
/// Twice what is usual.
const LIMIT_KIB: u64 = 1_600_000;

impl Scene {
    /// A probe that was given up after 5 s, and then quick answers for so long.
    fn stall(&mut self, then_s: u64) {
        self.pass(5_000);
        self.ways.latency_ms = 5_000;
        self.http(Endpoint::Healthz, HttpOutcome::TimedOut);
        self.ways.latency_ms = 2;
        self.run(then_s);
    }

    fn weighing(&mut self, kib: u64, seconds: u64) {
        self.ways.rss_kib = kib;
        self.run(seconds);
    }

    /// A life whose settled weight was learned.
    fn known() -> Self {
        let mut scene = Self::healthy_child();
        scene.weighing(USUAL_KIB, 16 * 60);
        assert_eq!(scene.guardian.memory().weights.usual_kib(), Some(USUAL_KIB));
        scene.out.clear();
        scene
    }

    fn code(&self) -> Option<&'static str> {
        self.guardian.report().cause.map(|cause| cause.code())
    }

    fn events(&self) -> Vec<IncidentEvent> {
        let event = |output: &Output| if let Output::Record(event) = output { Some(event.clone()) } else { None };
        self.out.iter().filter_map(event).collect()
    }

    /// What people hear of it, by the default policy.
    fn notices(&self) -> Vec<Notice> {
        let (mut desk, mut said) = (Desk::default(), Vec::new());
        for event in self.events() {
            let at = Clock { wall: event.wall, minute: Minute::default(), day: 0 };
            desk.observe(at, &AlertPolicy::default(), &self.guardian.profile().id, &event, &mut said);
        }
        said
    }

    fn is_told_once_and_nothing_is_done(&mut self, words: &str) {
        let notices = self.notices();
        let [Notice { level: Level::Warning, what: Told::Alert { reason: Some(reason), .. }, .. }] = &notices[..]
        else {
            panic!("{notices:?}")
        };
        assert!(reason.contains(words), "{reason}");
        let diagnosed = |event: &&IncidentEvent| matches!(event.what, What::Diagnosed { .. });
        assert_eq!(self.events().iter().filter(diagnosed).count(), 1, "{:?}", self.events());
        let acts = |output: &Output| matches!(output, Output::Do(_));
        assert!(!self.out.iter().any(acts), "{:?}", self.out);
    }

    fn ended(&self) -> Vec<Outcome> {
        let outcome =
            |event: &IncidentEvent| if let What::Closed { outcome } = event.what { Some(outcome) } else { None };
        self.events().iter().filter_map(outcome).collect()
    }
}

#[test]
fn three_long_answers_are_a_warning_and_two_are_none() {
    let mut scene = Scene::healthy_child();
    scene.out.clear();
    scene.stall(60);
    scene.stall(60);
    assert_eq!((scene.guardian.verdict(), scene.code()), (Verdict::Healthy, None));
    scene.stall(60);
    assert_eq!((scene.guardian.verdict(), scene.code()), (Verdict::Degraded, Some("slow_answers")));
    assert_eq!(scene.guardian.report().reasons, ["slow_answers:over 5 s"]);
    scene.stall(60);
    scene.is_told_once_and_nothing_is_done("its answers take too long (over 5 s)");
    // A quick answer is not the end of it; a window without a long one is.
    scene.run(230);
    assert_eq!(scene.code(), Some("slow_answers"));
    scene.run(30);
    assert_eq!(scene.guardian.verdict(), Verdict::Healthy);
    // The first two were silences that were noted and passed by.
    assert_eq!(scene.ended(), [Outcome::SelfRecovered; 3]);
    let over = scene.notices().pop().map(|notice| notice.what);
    assert!(matches!(over, Some(Told::Resolved { loudest: Level::Warning, .. })), "{over:?}");
}

#[test]
fn one_silence_is_one_long_answer_however_many_probes_it_swallows() {
    let mut scene = Scene::healthy_child();
    scene.ways.answer = HttpOutcome::TimedOut;
    scene.ways.latency_ms = 5_000;
    scene.run(20);
    scene.ways.answer = HttpOutcome::Ok;
    // The answer that ends it was as long, and belongs to it.
    scene.tick();
    scene.ways.latency_ms = 2;
    scene.run(60);
    assert_eq!((scene.guardian.verdict(), scene.code()), (Verdict::Healthy, None));
}

#[test]
fn long_answers_that_are_far_apart_are_none_and_so_are_those_of_a_guard_that_was_late() {
    let mut scene = Scene::healthy_child();
    (0..6).for_each(|_| scene.stall(170));
    assert_eq!(scene.code(), None);
    for _ in 0..6 {
        scene.stall(0);
        scene.see(&Evidence::Guard(GuardSelf { late_ms: 6_000, ..GuardSelf::default() }));
        scene.run(20);
    }
    assert_eq!((scene.guardian.verdict(), scene.code()), (Verdict::Healthy, None));
}

#[test]
fn the_silence_of_a_process_that_somebody_holds_is_no_long_answer() {
    let mut scene = Scene::healthy_child();
    for _ in 0..4 {
        scene.ways =
            Ways { held: Some(Held::Frozen), answer: HttpOutcome::TimedOut, latency_ms: 5_000, ..Ways::well() };
        scene.run(10);
        scene.ways = Ways::well();
        scene.run(20);
    }
    assert_eq!((scene.guardian.verdict(), scene.code()), (Verdict::Healthy, None));
}

#[test]
fn long_answers_of_a_start_belong_to_the_start() {
    let mut scene = Scene::new(Form::Child);
    scene.see(&Evidence::NotThere);
    let first = scene.one();
    scene.done(&first);
    scene.appear(Some(&first));
    for _ in 0..6 {
        scene.pass(5_000);
        scene.ways.latency_ms = 5_000;
        scene.look();
        scene.http(Endpoint::Healthz, HttpOutcome::TimedOut);
        scene.ways.latency_ms = 6_000;
        scene.http(Endpoint::Healthz, HttpOutcome::Ok);
        assert_eq!(scene.guardian.verdict(), Verdict::Starting);
    }
    scene.ways = Ways::well();
    scene.run(1);
    assert_eq!((scene.guardian.verdict(), scene.code()), (Verdict::Healthy, None));
    // From now on they count.
    (0..3).for_each(|_| scene.stall(20));
    assert_eq!(scene.code(), Some("slow_answers"));
}

#[test]
fn good_answers_that_are_long_count_and_the_figure_can_be_changed() {
    let slow = |policy: Policy| {
        let mut scene = Scene::healthy_child();
        scene.guardian.set_policy(policy);
        scene.ways.latency_ms = 6_000;
        scene.run(5);
        scene.code()
    };
    let patient = Policy { timeout_ms: 10_000, late_ms: 5_000, ..Policy::adaptive() };
    assert_eq!(slow(patient.clone()), Some("slow_answers"));
    assert_eq!(slow(Policy { slow_answer_ms: 7_000, ..patient.clone() }), None);
    assert_eq!(slow(Policy { slow_answer_ms: 0, ..patient }), None);
}

#[test]
fn memory_far_above_what_is_usual_is_a_warning_once_it_lasts() {
    let mut scene = Scene::known();
    scene.weighing(LIMIT_KIB - 1, 30 * 60);
    assert_eq!(scene.code(), None, "above the fixed figure, and not above twice what is usual");
    scene.weighing(LIMIT_KIB + 1, 9 * 60);
    scene.weighing(LIMIT_KIB - 1, 60);
    scene.weighing(LIMIT_KIB + 1, 9 * 60);
    assert_eq!((scene.guardian.verdict(), scene.code()), (Verdict::Healthy, None), "peaks");
    scene.weighing(LIMIT_KIB + 1, 2 * 60);
    assert_eq!((scene.guardian.verdict(), scene.code()), (Verdict::Degraded, Some("memory_high")));
    assert_eq!(scene.guardian.report().reasons, ["memory_high:over 1562 MiB, where 781 MiB is usual"]);
    // It goes up and down around the figure, and up.
    for kib in [LIMIT_KIB - 1, LIMIT_KIB + 90_000, LIMIT_KIB * 95 / 100, LIMIT_KIB * 2] {
        scene.weighing(kib, 5 * 60);
        assert_eq!(scene.code(), Some("memory_high"));
    }
    scene.is_told_once_and_nothing_is_done("it takes too much memory (over 1562 MiB, where 781 MiB is usual)");
    scene.weighing(LIMIT_KIB * 8 / 10, 30);
    assert_eq!((scene.guardian.verdict(), scene.ended()), (Verdict::Healthy, vec![Outcome::SelfRecovered]));
}

#[test]
fn nothing_is_said_of_memory_before_something_was_learned_or_below_the_fixed_figure() {
    let mut scene = Scene::healthy_child();
    scene.weighing(3_000_000, 14 * 60);
    assert_eq!(scene.code(), None);
    let mut scene = Scene::healthy_child();
    scene.weighing(200_000, 16 * 60);
    scene.weighing(1_000_000, 60 * 60);
    assert_eq!((scene.guardian.memory().weights.usual_kib(), scene.code()), (Some(200_000), None), "below 1 GiB");
    scene.weighing(1_100_000, 11 * 60);
    assert_eq!(scene.code(), Some("memory_high"));
    scene.guardian.set_policy(Policy { memory_high_bytes: 0, ..Policy::adaptive() });
    scene.run(60);
    assert_eq!((scene.guardian.verdict(), scene.code()), (Verdict::Healthy, None), "switched off");
}

#[test]
fn what_is_usual_survives_the_guard_and_the_sleep_of_the_machine_is_no_time_above() {
    let scene = Scene::known();
    let kept: Memory = serde_json::from_str(&serde_json::to_string(scene.guardian.memory()).unwrap()).unwrap();
    let mut next = Scene::new(Form::Child);
    next.guardian = Guardian::new(next.guardian.profile().clone(), Policy::adaptive(), kept, next.now);
    next.appear(None);
    next.weighing(LIMIT_KIB + 1, 5 * 60);
    next.pass(3_600_000);
    next.see(&Evidence::Guard(GuardSelf { slept_ms: 3_600_000, ..GuardSelf::default() }));
    next.weighing(LIMIT_KIB + 1, 4 * 60);
    assert_eq!(next.code(), None);
    next.weighing(LIMIT_KIB + 1, 2 * 60);
    assert_eq!(next.code(), Some("memory_high"));
}

#[test]
fn a_new_life_is_judged_anew() {
    let mut scene = Scene::known();
    scene.weighing(LIMIT_KIB + 1, 11 * 60);
    assert_eq!(scene.code(), Some("memory_high"));
    scene.end(clawmend_core::observation::Exit::Signal { signal: 9, core: false });
    let (_, start) = scene.until_asked(10);
    scene.appear(Some(&start));
    scene.done(&start);
    scene.weighing(USUAL_KIB, 60);
    assert_eq!((scene.guardian.verdict(), scene.code()), (Verdict::Healthy, None));
}
