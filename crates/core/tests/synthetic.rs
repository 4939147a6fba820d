//! Messages through the gateway to its model, in virtual time: what is named, when, and that nothing is ever done.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use clawmend_core::diagnosis::Cause;
use clawmend_core::directive::{Action, Output};
use clawmend_core::gateway::{Control, Form, GatewayId, Incarnation};
use clawmend_core::guardian::{Guardian, Memory, Profile};
use clawmend_core::health::Verdict;
use clawmend_core::incident::{Outcome, What};
use clawmend_core::observation::{
    Appeared, ConfigSeen, ConfigValidity, DiskSeen, Endpoint, Evidence, HttpOutcome, HttpSeen, Listener, Readiness,
    RpcSeen, SyntheticOutcome, SyntheticSeen,
};
use clawmend_core::policy::Policy;
use clawmend_core::time::{Moment, Now, Wall};
use clawmend_core::wish::Wish;
use proptest::prelude::*;

const INTERVAL_MS: u64 = 600_000;

fn policy() -> Policy {
    Policy { synthetic_ms: INTERVAL_MS, ..Policy::adaptive() }
}

fn failing() -> SyntheticOutcome {
    SyntheticOutcome::ProviderFailing { detail: "upstream provider timeout (HTTP 408)".into() }
}

fn hidden() -> SyntheticOutcome {
    SyntheticOutcome::InternalError { detail: "internal error (HTTP 500)".into() }
}

/// A healthy gateway of a form, its guard, and a clock that only moves when told.
struct Scene {
    guardian: Guardian,
    now: Now,
    out: Vec<Output>,
}

impl Scene {
    fn of(form: Form, memory: Memory, policy: Policy) -> Self {
        let now = Now { mono: Moment(10_000_000), wall: Wall(1_800_000_000_000) };
        let profile = Profile { id: GatewayId("default".into()), form, control: Control::Full };
        let mut scene = Self { guardian: Guardian::new(profile, policy, memory, now), now, out: Vec::new() };
        scene.appear();
        scene.serve(40);
        assert!(matches!(scene.guardian.verdict(), Verdict::Healthy | Verdict::Degraded));
        scene
    }

    fn healthy() -> Self {
        Self::of(Form::Child, Memory::default(), policy())
    }

    fn appear(&mut self) {
        let incarnation = Incarnation { pid: 7, start: 70, boot: "boot".into() };
        self.see(&Evidence::Appeared(Appeared {
            incarnation,
            age_ms: 60_000,
            by: None,
            at_boot: false,
            restarts_by_exit: true,
        }));
        self.see(&Evidence::Listener(Listener::Own { port: 18789, backlog: 0 }));
        self.see(&Evidence::Config(ConfigSeen { fingerprint: 1, validity: ConfigValidity::Valid }));
        self.see(&Evidence::Disk(DiskSeen { free_bytes: 1 << 40, writable: true }));
    }

    fn see(&mut self, evidence: &Evidence) {
        self.guardian.observe(self.now, evidence, &mut self.out);
    }

    fn http(&mut self, endpoint: Endpoint, outcome: HttpOutcome) {
        self.see(&Evidence::Http(HttpSeen { endpoint, latency_ms: 2, outcome }));
    }

    /// Answers its health endpoints for so many seconds.
    fn serve(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now.mono = self.now.mono.plus(1_000);
            self.now.wall.0 += 1_000;
            self.http(Endpoint::Healthz, HttpOutcome::Ok);
            let ready = Readiness { ready: true, ..Readiness::default() };
            self.http(Endpoint::Readyz, HttpOutcome::Readiness(ready));
            self.guardian.poll(self.now, &mut self.out);
        }
    }

    /// A question was answered after so long.
    fn answer_after(&mut self, latency_ms: u32, outcome: SyntheticOutcome) {
        self.see(&Evidence::Synthetic(SyntheticSeen { latency_ms, outcome }));
        self.serve(15);
    }

    fn answer(&mut self, outcome: SyntheticOutcome) {
        self.answer_after(900, outcome);
    }

    fn cause(&self) -> Option<Cause> {
        self.guardian.report().cause
    }

    fn code(&self) -> Option<&'static str> {
        self.cause().map(|cause| cause.code())
    }

    fn reasons(&self) -> Vec<String> {
        self.guardian.report().reasons
    }

    fn incidents(&self) -> Vec<What> {
        let what =
            |output: &'_ Output| if let Output::Record(event) = output { Some(event.what.clone()) } else { None };
        self.out.iter().filter_map(what).collect()
    }

    fn outcomes(&self) -> Vec<Outcome> {
        let closed = |what: &What| if let What::Closed { outcome } = what { Some(*outcome) } else { None };
        self.incidents().iter().filter_map(closed).collect()
    }

    /// Something was done, or would have been if the check had let it.
    /// Something was done or tried. Old logs may go where the disk itself is seen to be full: that is no answer of a
    /// model.
    fn acted(&self) -> bool {
        let held_back = self.incidents().iter().any(|what| matches!(what, What::Withheld { .. }));
        let acts = |output: &Output| matches!(output, Output::Do(directive) if directive.action != Action::FreeLogs);
        held_back || self.out.iter().any(acts)
    }
}

#[test]
fn a_provider_that_is_down_is_named_after_two_answers_told_once_and_left_alone() {
    let mut scene = Scene::healthy();
    scene.answer(failing());
    assert_eq!(scene.guardian.verdict(), Verdict::Healthy, "one bad answer proves nothing");
    scene.answer(failing());
    assert_eq!(scene.guardian.verdict(), Verdict::Degraded);
    assert_eq!(scene.reasons(), ["provider_failing:upstream provider timeout (HTTP 408)"]);
    assert_eq!(scene.code(), Some("provider_failing"));
    for _ in 0..5 {
        scene.answer(failing());
    }
    let escalated = scene.incidents().iter().filter(|what| matches!(what, What::Escalated { .. })).count();
    let opened = scene.incidents().iter().filter(|what| matches!(what, What::Opened { .. })).count();
    assert_eq!((opened, escalated), (1, 1), "{:?}", scene.incidents());
    assert!(scene.guardian.report().told.unwrap().contains("the provider of its model fails"));
    scene.answer(SyntheticOutcome::Answered);
    assert_eq!(scene.guardian.verdict(), Verdict::Healthy);
    assert_eq!(scene.outcomes(), [Outcome::SelfRecovered]);
    assert!(scene.reasons().is_empty() && !scene.acted());
}

#[test]
fn every_kind_has_its_own_cause() {
    let detail = || "d".to_owned();
    let kinds = [
        (900, failing(), "provider_failing"),
        (900, hidden(), "provider_failing"),
        (31_000, SyntheticOutcome::Answered, "provider_slow"),
        (120_000, SyntheticOutcome::TimedOut, "provider_slow"),
        (900, SyntheticOutcome::Quota { detail: detail() }, "provider_quota"),
        (900, SyntheticOutcome::CredentialsRejected { detail: detail() }, "credentials_rejected"),
        (900, SyntheticOutcome::DiskFull, "disk_full"),
    ];
    for (latency_ms, outcome, code) in kinds {
        let mut scene = Scene::healthy();
        scene.answer_after(latency_ms, outcome.clone());
        assert_eq!(scene.code(), None);
        scene.answer_after(latency_ms, outcome);
        assert_eq!(scene.code(), Some(code));
        assert!(scene.guardian.report().told.is_some(), "{code}");
        scene.answer(SyntheticOutcome::Answered);
        assert_eq!((scene.code(), scene.acted()), (None, false));
    }
}

#[test]
fn a_reason_that_the_gateway_hides_is_a_full_disk_where_the_disk_is_full() {
    let mut scene = Scene::healthy();
    scene.see(&Evidence::Disk(DiskSeen { free_bytes: 4_096, writable: true }));
    scene.answer(hidden());
    scene.answer(hidden());
    assert_eq!(scene.code(), Some("disk_full"));
    assert_eq!(scene.reasons(), ["disk_full", "disk_nearly_full"]);
    scene.see(&Evidence::Disk(DiskSeen { free_bytes: 1 << 40, writable: true }));
    scene.answer(SyntheticOutcome::Answered);
    assert_eq!(scene.guardian.verdict(), Verdict::Healthy);
    assert!(!scene.acted());
}

/// Seen on OpenClaw 2026.9.6: the first answer names the refused key, the following ones hide it.
#[test]
fn a_gateway_that_does_not_ask_its_provider_again_hides_the_same_trouble() {
    for (first, code) in [
        (SyntheticOutcome::CredentialsRejected { detail: "401".into() }, "credentials_rejected"),
        (SyntheticOutcome::Quota { detail: "402".into() }, "provider_quota"),
    ] {
        let mut scene = Scene::healthy();
        scene.answer(first);
        scene.answer(hidden());
        assert_eq!(scene.code(), Some(code));
        scene.answer(hidden());
        let memory = scene.guardian.memory().clone();
        let mut next = Scene::of(Form::Child, memory, policy());
        next.answer(hidden());
        next.answer(hidden());
        assert_eq!((next.code(), next.acted()), (Some(code), false), "the next guard knows it, too");
    }
}

#[test]
fn a_trouble_keeps_its_words_and_kinds_that_take_turns_are_one() {
    let mut scene = Scene::healthy();
    let quota = |number: u32| SyntheticOutcome::Quota { detail: format!("request {number}") };
    scene.answer(quota(1));
    scene.answer(quota(2));
    let cause = scene.cause();
    for number in 3..9 {
        scene.answer(if number % 2 == 0 { quota(number) } else { failing() });
        assert_eq!(scene.cause(), cause, "no new incident with every answer");
    }
    scene.answer(failing());
    scene.answer(failing());
    assert_eq!(scene.code(), Some("provider_failing"), "what lasts is named anew");
    assert!(!scene.acted());
}

#[test]
fn an_endpoint_that_is_off_is_said_and_not_asked_before_something_changes() {
    let mut scene = Scene::healthy();
    assert!(scene.guardian.synthetic_wanted());
    scene.answer(failing());
    scene.answer(failing());
    scene.answer(SyntheticOutcome::EndpointOff);
    assert_eq!(scene.reasons(), ["synthetic_endpoint_off"]);
    assert_eq!(scene.guardian.verdict(), Verdict::Healthy, "it limits only what is seen");
    assert!(!scene.guardian.synthetic_wanted());
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 2, validity: ConfigValidity::Valid }));
    assert!(scene.guardian.synthetic_wanted());
    scene.answer(SyntheticOutcome::Unauthorized);
    assert!(!scene.guardian.synthetic_wanted(), "a token that was refused is not shown again");
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 3, validity: ConfigValidity::Valid }));
    scene.answer(SyntheticOutcome::Answered);
    assert!(scene.reasons().is_empty());
}

#[test]
fn what_nobody_can_see_any_more_is_not_claimed() {
    let mut scene = Scene::healthy();
    let blind = || SyntheticOutcome::CannotTell { reason: "it speaks TLS".into() };
    scene.answer(failing());
    scene.answer(failing());
    scene.answer(blind());
    assert_eq!(scene.code(), Some("provider_failing"));
    scene.answer(blind());
    assert_eq!((scene.code(), scene.reasons()), (None, vec!["synthetic_unseen:it speaks TLS".to_owned()]));
}

#[test]
fn nobody_is_asked_while_it_is_off_paused_stopped_silent_or_draining() {
    let off = Scene::of(Form::Child, Memory::default(), Policy::adaptive());
    assert_eq!(off.guardian.synthetic_every(), None);
    let mut scene = Scene::healthy();
    assert_eq!(scene.guardian.synthetic_every(), Some(INTERVAL_MS));
    scene.see(&Evidence::Rpc(RpcSeen::Unauthorized));
    assert!(!scene.guardian.synthetic_wanted());
    scene.see(&Evidence::Rpc(RpcSeen::Connected { version: "2026.9.6".into(), boot_id: None }));
    assert!(scene.guardian.synthetic_wanted());
    scene.see(&Evidence::Person(Wish::Pause { until: None, reason: None }));
    assert!(!scene.guardian.synthetic_wanted());
    scene.see(&Evidence::Person(Wish::Resume));
    scene.serve(2);
    assert!(scene.guardian.synthetic_wanted());
    let draining = Readiness { ready: false, failing: vec!["gateway-draining".into()], ..Readiness::default() };
    scene.http(Endpoint::Readyz, HttpOutcome::Readiness(draining));
    scene.guardian.poll(scene.now, &mut scene.out);
    assert!(!scene.guardian.synthetic_wanted());
    for _ in 0..3 {
        scene.see(&Evidence::Synthetic(SyntheticSeen { latency_ms: 9, outcome: failing() }));
    }
    assert!(scene.reasons().is_empty(), "what a draining gateway answers says nothing of its provider");
    let mut silent = Scene::healthy();
    silent.http(Endpoint::Healthz, HttpOutcome::TimedOut);
    assert!(!silent.guardian.synthetic_wanted());
}

#[test]
fn the_next_guard_goes_on_with_the_open_incident() {
    let mut scene = Scene::healthy();
    scene.answer(failing());
    scene.answer(failing());
    let memory = scene.guardian.memory().clone();
    let text = serde_json::to_string(&memory).unwrap();
    let memory: Memory = serde_json::from_str(&text).unwrap();
    let mut next = Scene::of(Form::Child, memory.clone(), policy());
    assert_eq!(next.code(), Some("provider_failing"));
    assert!(next.outcomes().is_empty(), "a restart of the guard proves no recovery");
    next.answer(SyntheticOutcome::Answered);
    assert_eq!(next.outcomes(), [Outcome::SelfRecovered]);
    let off = Scene::of(Form::Child, memory, Policy::adaptive());
    assert_eq!(off.code(), None, "where the probe is off, nobody looks any more");
}

#[test]
fn switching_it_off_takes_the_claim_back() {
    let mut scene = Scene::healthy();
    scene.answer(failing());
    scene.answer(failing());
    scene.guardian.set_policy(Policy::adaptive());
    scene.serve(15);
    assert_eq!((scene.guardian.verdict(), scene.code()), (Verdict::Healthy, None));
    scene.answer(failing());
    scene.answer(failing());
    assert_eq!(scene.code(), None, "a late answer changes nothing");
}

fn outcome() -> impl Strategy<Value = SyntheticOutcome> {
    let text = "[a-c]{0,3}";
    prop_oneof![
        Just(SyntheticOutcome::Answered),
        Just(SyntheticOutcome::TimedOut),
        Just(SyntheticOutcome::DiskFull),
        Just(SyntheticOutcome::EndpointOff),
        Just(SyntheticOutcome::Unauthorized),
        text.prop_map(|detail| SyntheticOutcome::ProviderFailing { detail }),
        text.prop_map(|detail| SyntheticOutcome::InternalError { detail }),
        text.prop_map(|detail| SyntheticOutcome::Quota { detail }),
        text.prop_map(|detail| SyntheticOutcome::CredentialsRejected { detail }),
        text.prop_map(|reason| SyntheticOutcome::CannotTell { reason }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the model answers, in whatever order and on whatever disk: a gateway that serves is left alone.
    #[test]
    fn no_answer_of_a_model_leads_to_an_action(
        answers in proptest::collection::vec((outcome(), any::<u32>(), any::<bool>(), 0..700_u64), 1..40),
        form in 0..4_usize,
    ) {
        let form = [Form::Child, Form::Systemd, Form::Launchd, Form::Foreign][form];
        let mut scene = Scene::of(form, Memory::default(), policy());
        for (outcome, latency_ms, full, seconds) in answers {
            scene.see(&Evidence::Disk(DiskSeen { free_bytes: if full { 0 } else { 1 << 40 }, writable: !full }));
            scene.see(&Evidence::Synthetic(SyntheticSeen { latency_ms, outcome }));
            scene.serve(seconds % 30);
            let verdict = scene.guardian.verdict();
            prop_assert!(matches!(verdict, Verdict::Healthy | Verdict::Degraded), "{verdict:?}");
            prop_assert!(!scene.acted(), "{:?}", scene.incidents());
        }
    }
}
