//! Scenarios through the whole state machine, in virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::wildcard_enum_match_arm, missing_docs)]

use clawmend_core::diagnosis::{Cause, RefusalReason};
use clawmend_core::directive::{Action, ActionResult, Directive, Output};
use clawmend_core::gateway::{Control, Form, GatewayId, Incarnation};
use clawmend_core::guardian::{Guardian, Memory, Profile};
use clawmend_core::health::Verdict;
use clawmend_core::incident::{IncidentEvent, Outcome, What};
use clawmend_core::observation::{
    ActiveState, Appeared, ChannelState, ConfigSeen, ConfigValidity, DiskSeen, Endpoint, Evidence, Exit, Gone,
    GuardSelf, Held, HttpOutcome, HttpSeen, JobKind, KillLeft, Limits, Listener, LockHolder, LogSign, ProcessSample,
    Readiness, RpcSeen, RunState, ServiceSeen, Surroundings,
};
use clawmend_core::policy::Policy;
use clawmend_core::time::{Moment, Now, Wall};
use clawmend_core::wish::{Desired, Wish};

/// How the process behaves while time passes.
#[derive(Clone)]
struct Ways {
    answer: HttpOutcome,
    state: RunState,
    held: Option<Held>,
    listener: Listener,
    /// CPU per half second.
    burn_ms: u64,
    yields: bool,
}

impl Ways {
    fn well() -> Self {
        Self {
            answer: HttpOutcome::Ok,
            state: RunState::Sleeping,
            held: None,
            listener: Listener::Own { port: 18789, backlog: 0 },
            burn_ms: 5,
            yields: true,
        }
    }

    fn spinning() -> Self {
        Self { answer: HttpOutcome::TimedOut, state: RunState::Running, burn_ms: 480, yields: false, ..Self::well() }
    }

    fn stopped() -> Self {
        Self { answer: HttpOutcome::TimedOut, state: RunState::Stopped, burn_ms: 0, yields: false, ..Self::well() }
    }

    fn unlistened(burn_ms: u64) -> Self {
        Self { answer: HttpOutcome::Refused, listener: Listener::Absent, burn_ms, ..Self::well() }
    }
}

/// A gateway, its guard, and a clock that only moves when told.
struct Scene {
    guardian: Guardian,
    now: Now,
    pid: u32,
    cpu_ms: u64,
    voluntary: u64,
    out: Vec<Output>,
    ways: Ways,
}

impl Scene {
    fn new(form: Form) -> Self {
        let now = Now { mono: Moment(1_000_000), wall: Wall(1_800_000_000_000) };
        let profile = Profile { id: GatewayId("default".into()), form, control: Control::Full };
        let guardian = Guardian::new(profile, Policy::adaptive(), Memory::default(), now);
        Self { guardian, now, pid: 100, cpu_ms: 0, voluntary: 0, out: Vec::new(), ways: Ways::well() }
    }

    fn incarnation(&self) -> Incarnation {
        Incarnation { pid: self.pid, start: u64::from(self.pid) * 7, boot: "boot".into() }
    }

    fn see(&mut self, evidence: &Evidence) {
        self.guardian.observe(self.now, evidence, &mut self.out);
    }

    fn pass(&mut self, ms: u64) {
        self.now.mono = self.now.mono.plus(ms);
        self.now.wall.0 += i64::try_from(ms).unwrap();
    }

    fn idle(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.pass(1_000);
            self.guardian.poll(self.now, &mut self.out);
        }
    }

    /// Takes what was asked for since the last call.
    fn asked(&mut self) -> Vec<Directive> {
        let outputs = std::mem::take(&mut self.out).into_iter();
        outputs.filter_map(|output| if let Output::Do(directive) = output { Some(directive) } else { None }).collect()
    }

    fn actions(&mut self) -> Vec<Action> {
        self.asked().into_iter().map(|directive| directive.action).collect()
    }

    fn one(&mut self) -> Directive {
        let mut asked = self.asked();
        assert_eq!(asked.len(), 1, "{asked:?}");
        asked.remove(0)
    }

    fn appear(&mut self, by: Option<&Directive>) {
        self.pid += 1;
        self.cpu_ms = 0;
        self.see(&Evidence::Appeared(Appeared {
            incarnation: self.incarnation(),
            age_ms: 0,
            by: by.map(|directive| directive.id),
            at_boot: false,
            restarts_by_exit: true,
        }));
    }

    fn end(&mut self, exit: Exit) {
        self.see(&Evidence::Gone(Gone { incarnation: self.incarnation(), exit, uncertainty_ms: 0 }));
    }

    fn done(&mut self, directive: &Directive) {
        self.see(&Evidence::Result { directive: directive.id, result: ActionResult::Done });
    }

    fn http(&mut self, endpoint: Endpoint, outcome: HttpOutcome) {
        self.see(&Evidence::Http(HttpSeen { endpoint, latency_ms: 2, outcome }));
    }

    /// One look at the process.
    fn look(&mut self) {
        let ways = self.ways.clone();
        self.see(&Evidence::Process(ProcessSample {
            incarnation: self.incarnation(),
            state: ways.state,
            cpu_ms: self.cpu_ms,
            voluntary: self.voluntary,
            involuntary: 0,
            rss_kib: 800_000,
            threads: 15,
            descriptors: None,
            throttled: None,
            held: ways.held,
        }));
    }

    /// Looks as often as the guard asks for, and nothing else, for so long or until something is asked for; how long
    /// that took.
    fn watch(&mut self, at_most_ms: u64) -> (u64, Option<Directive>) {
        let began = self.now.mono;
        loop {
            self.look();
            let asked = self.asked().into_iter().next();
            let passed = self.now.mono.since(began);
            if asked.is_some() || passed >= at_most_ms {
                return (passed, asked);
            }
            self.pass(u64::from(self.guardian.cadence().process_ms).min(at_most_ms - passed));
        }
    }

    /// Half a second of ordinary observation.
    fn tick(&mut self) {
        self.pass(500);
        let ways = self.ways.clone();
        self.cpu_ms += ways.burn_ms;
        self.voluntary += u64::from(ways.yields);
        self.look();
        self.see(&Evidence::Listener(ways.listener));
        self.http(Endpoint::Healthz, ways.answer.clone());
        if ways.answer == HttpOutcome::Ok {
            let readiness = Readiness { ready: true, ..Readiness::default() };
            self.http(Endpoint::Readyz, HttpOutcome::Readiness(readiness));
        }
    }

    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds * 2 {
            self.tick();
        }
    }

    /// Ticks until something is asked for; how long that took.
    fn until_asked(&mut self, at_most_s: u64) -> (u64, Directive) {
        let began = self.now.mono;
        for _ in 0..at_most_s * 2 {
            if let Some(directive) = self.asked().into_iter().next() {
                return (self.now.mono.since(began), directive);
            }
            self.tick();
        }
        panic!("nothing was asked for within {at_most_s} s; verdict {:?}", self.guardian.verdict());
    }

    fn healthy_child() -> Self {
        let mut scene = Self::new(Form::Child);
        scene.see(&Evidence::NotThere);
        let first = scene.one();
        assert_eq!(first.action, Action::Spawn);
        scene.done(&first);
        scene.appear(Some(&first));
        scene.run(30);
        assert_eq!(scene.guardian.verdict(), Verdict::Healthy);
        assert!(scene.actions().is_empty());
        scene
    }

    fn unit(&mut self, state: ActiveState, last_exit: Option<Exit>) {
        self.look_at_unit(state, last_exit, true);
    }

    fn unsettled_unit(&mut self, state: ActiveState, last_exit: Option<Exit>) {
        self.look_at_unit(state, last_exit, false);
    }

    fn look_at_unit(&mut self, state: ActiveState, last_exit: Option<Exit>, settled: bool) {
        let limits = Limits {
            start_burst: 10,
            start_interval_ms: 300_000,
            stop_timeout_ms: 330_000,
            restart_delay_ms: 5_000,
            restarts: true,
        };
        self.see(&Evidence::Service(ServiceSeen {
            state,
            settled,
            job: None,
            main_pid: (state == ActiveState::Active).then_some(self.pid),
            last_exit,
            invocation: u64::from(self.pid),
            enabled: true,
            limits,
        }));
    }

    fn healthy_unit() -> Self {
        let mut scene = Self::new(Form::Systemd);
        scene.appear(None);
        scene.unit(ActiveState::Active, None);
        scene.run(30);
        assert_eq!(scene.guardian.verdict(), Verdict::Healthy);
        assert!(scene.actions().is_empty());
        scene
    }

    fn last_outcome(&self) -> (Option<Cause>, Outcome) {
        let recovery = self.guardian.memory().last_recovery.clone().expect("a recovery");
        (recovery.cause, recovery.outcome)
    }
}

const KILLED: Exit = Exit::Signal { signal: 9, core: false };

#[test]
fn a_crash_is_answered_in_the_same_instant() {
    let mut scene = Scene::healthy_child();
    scene.end(KILLED);
    let spawn = scene.one();
    assert_eq!(spawn.action, Action::Spawn);
    assert!(spawn.incident.is_some(), "whatever is done is done within an incident");
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    scene.run(20);
    assert_eq!(scene.guardian.verdict(), Verdict::Healthy);
    let recovery = scene.guardian.memory().last_recovery.clone().unwrap();
    assert_eq!(recovery.outcome, Outcome::Recovered);
    assert_eq!(recovery.cause.unwrap().code(), "crashed");
    assert_eq!(recovery.start_issued_after_ms, Some(0));
}

#[test]
fn a_life_that_does_not_last_is_followed_by_longer_waits() {
    let mut scene = Scene::healthy_child();
    scene.end(KILLED);
    let mut waits = Vec::new();
    for _ in 0..6 {
        let began = scene.now.mono;
        let directive = loop {
            if let Some(directive) = scene.asked().into_iter().next() {
                break directive;
            }
            scene.idle(1);
        };
        waits.push(scene.now.mono.since(began));
        scene.done(&directive);
        scene.appear(Some(&directive));
        scene.pass(100);
        scene.end(Exit::Code { code: 1 });
    }
    assert_eq!(waits, [0, 1_000, 2_000, 5_000, 10_000, 20_000]);
}

#[test]
fn a_stopped_process_is_woken_and_ended_in_order_then_by_force() {
    let mut scene = Scene::healthy_child();
    scene.ways = Ways::stopped();
    let (waited, directive) = scene.watch(5_000);
    assert_eq!(waited, 150, "three looks that show the same stop");
    let directive = directive.unwrap();
    assert_eq!(directive.action, Action::Terminate { wake: true });
    scene.done(&directive);
    // Woken, and its event loop does not turn. What it answered before the stop says nothing of it now.
    scene.ways = Ways::spinning();
    scene.pass(10);
    let (waited, directive) = scene.watch(5_000);
    assert!((590..=690).contains(&waited), "{waited} ms: with a look every 500 ms before, all is over within 1.5 s");
    let directive = directive.unwrap();
    assert_eq!(directive.action, Action::Kill, "it did not react");
    scene.done(&directive);
    scene.end(KILLED);
    scene.ways = Ways::well();
    let spawn = scene.one();
    assert_eq!(spawn.action, Action::Spawn);
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    scene.run(20);
    assert_eq!(scene.last_outcome(), (Some(Cause::Frozen), Outcome::Recovered));
}

#[test]
fn a_stop_that_ends_in_time_is_left_alone_also_when_it_comes_again_and_again() {
    let mut scene = Scene::healthy_child();
    scene.ways = Ways::stopped();
    let (_, directive) = scene.watch(140);
    assert_eq!(directive, None, "continued before it was sure");
    scene.ways = Ways::well();
    scene.run(20);
    assert!(scene.actions().is_empty());
    // As `cpulimit` does it: stopped at each look, but it has run in between.
    scene.ways = Ways::stopped();
    for _ in 0..600 {
        scene.voluntary += 1;
        scene.look();
        scene.pass(50);
    }
    assert!(scene.actions().is_empty(), "it goes on between two looks");
    assert_eq!(scene.guardian.verdict(), Verdict::Suspect);
}

#[test]
fn a_woken_gateway_whose_event_loop_turns_has_its_drain() {
    for (form, ask) in [(Form::Child, Action::Terminate { wake: true }), (Form::Systemd, Action::RestartUnit)] {
        let mut scene = if form == Form::Child { Scene::healthy_child() } else { Scene::healthy_unit() };
        scene.ways = Ways::stopped();
        let directive = scene.watch(1_000).1.unwrap();
        assert_eq!(directive.action, ask);
        scene.done(&directive);
        // It ends its work: its loop turns, busy at first, then it says how long it will take.
        scene.ways = Ways { answer: HttpOutcome::TimedOut, ..Ways::well() };
        for _ in 0..20 {
            scene.pass(100);
            scene.voluntary += 1;
            scene.look();
        }
        assert!(scene.actions().is_empty(), "{form:?}: it turns");
        scene.see(&Evidence::Log(LogSign::Draining { timeout_ms: 60_000 }));
        scene.run(70);
        assert!(scene.actions().is_empty(), "{form:?}: it drains");
    }
}

#[test]
fn what_someone_holds_on_purpose_is_left_alone_and_said() {
    for held in [Held::Frozen, Held::Traced { tracer: 7 }, Held::Inspected] {
        let mut scene = Scene::healthy_child();
        scene.ways = Ways { held: Some(held), ..Ways::stopped() };
        scene.run(300);
        let said = scene
            .out
            .iter()
            .any(|output| matches!(output, Output::Record(event) if matches!(event.what, What::Escalated { .. })));
        assert!(said, "{held:?} is said");
        assert!(scene.actions().is_empty(), "{held:?} is left alone");
        scene.ways = Ways::well();
        scene.run(20);
        assert_eq!(scene.last_outcome().1, Outcome::HumanFixed);
    }
}

#[test]
fn a_stall_within_the_budget_is_left_alone_and_one_beyond_is_killed() {
    let mut scene = Scene::healthy_child();
    scene.ways = Ways::spinning();
    scene.run(24);
    scene.ways = Ways::well();
    scene.run(20);
    assert!(scene.actions().is_empty());
    assert_eq!(scene.last_outcome(), (Some(Cause::Stalled), Outcome::SelfRecovered));
    scene.ways = Ways::spinning();
    let (waited, directive) = scene.until_asked(60);
    assert_eq!(directive.action, Action::Kill);
    assert!((29_500..=31_000).contains(&waited), "{waited} ms");
    scene.done(&directive);
    scene.end(KILLED);
    assert_eq!(scene.actions(), [Action::Spawn]);
}

#[test]
fn our_kill_is_never_the_third_unclean_end_in_five_minutes() {
    let mut scene = Scene::healthy_child();
    for _ in 0..2 {
        scene.end(KILLED);
        let (_, directive) = scene.until_asked(60);
        scene.done(&directive);
        scene.appear(Some(&directive));
        scene.run(15);
    }
    scene.asked();
    scene.ways = Ways::spinning();
    let (waited, directive) = scene.until_asked(400);
    assert_eq!(directive.action, Action::Kill);
    assert!(waited > 200_000, "held back for {waited} ms");
}

#[test]
fn an_idle_process_without_a_listener_is_restarted_and_a_busy_one_is_not() {
    let mut scene = Scene::healthy_child();
    scene.ways = Ways::unlistened(400);
    scene.run(27);
    assert!(scene.actions().is_empty(), "a restart inside the process takes up to 27 s");
    scene.ways = Ways::unlistened(2);
    let (_, directive) = scene.until_asked(60);
    assert_eq!(directive.action, Action::Terminate { wake: false });
    let mut scene = Scene::healthy_child();
    scene.see(&Evidence::Log(LogSign::StartupFailedAlive));
    scene.ways = Ways::unlistened(2);
    let (waited, _) = scene.until_asked(5);
    assert!(waited <= 500, "its own word is proof");
}

#[test]
fn a_slow_boot_that_progresses_is_not_interrupted() {
    let mut scene = Scene::new(Form::Child);
    scene.see(&Evidence::NotThere);
    let first = scene.one();
    scene.done(&first);
    scene.appear(Some(&first));
    scene.ways = Ways::unlistened(30);
    scene.run(600);
    assert!(scene.actions().is_empty());
    assert_eq!(scene.guardian.verdict(), Verdict::Starting);
    scene.ways = Ways::unlistened(0);
    let (_, directive) = scene.until_asked(400);
    assert_eq!(directive.action, Action::Kill, "a start that neither progresses nor ends");
}

#[test]
fn a_silence_between_the_first_answer_and_readiness_belongs_to_the_start() {
    let mut scene = Scene::new(Form::Child);
    scene.see(&Evidence::NotThere);
    let first = scene.one();
    scene.done(&first);
    scene.appear(Some(&first));
    scene.ways = Ways { burn_ms: 450, ..Ways::unlistened(450) };
    scene.run(8);
    let starting = Readiness { failing: vec!["startup-sidecars".into()], ..Readiness::default() };
    scene.http(Endpoint::Healthz, HttpOutcome::Ok);
    scene.http(Endpoint::Readyz, HttpOutcome::Readiness(starting));
    scene.ways = Ways { answer: HttpOutcome::TimedOut, burn_ms: 450, ..Ways::well() };
    scene.run(20);
    assert_eq!(scene.guardian.verdict(), Verdict::Starting);
    let opened = |output: &Output| matches!(output, Output::Record(event) if matches!(event.what, What::Opened { .. }));
    assert!(!scene.out.iter().any(opened), "a start is no incident");
    scene.ways = Ways::well();
    scene.run(1);
    assert_eq!(scene.guardian.verdict(), Verdict::Healthy);
    scene.ways = Ways::spinning();
    scene.run(5);
    assert_eq!(scene.guardian.verdict(), Verdict::Suspect, "once it was ready, a silence is suspicious");
}

#[test]
fn a_start_that_was_held_gets_its_time_after_that() {
    let mut scene = Scene::new(Form::Child);
    scene.see(&Evidence::NotThere);
    let first = scene.one();
    scene.done(&first);
    scene.appear(Some(&first));
    scene.ways = Ways { held: Some(Held::Frozen), ..Ways::unlistened(0) };
    scene.run(300);
    scene.ways = Ways::unlistened(450);
    scene.run(30);
    assert_eq!(scene.actions(), [], "it could do nothing while it was held");
    assert_eq!(scene.guardian.verdict(), Verdict::Starting);
}

#[test]
fn a_drain_is_waited_for() {
    let mut scene = Scene::healthy_child();
    scene.see(&Evidence::Person(Wish::Restart));
    let asked = scene.one();
    assert_eq!(asked.action, Action::Terminate { wake: false });
    scene.done(&asked);
    let draining = Readiness { failing: vec!["gateway-draining".into()], ..Readiness::default() };
    for _ in 0..600 {
        scene.pass(500);
        scene.http(Endpoint::Healthz, HttpOutcome::Ok);
        scene.http(Endpoint::Readyz, HttpOutcome::Readiness(draining.clone()));
        assert_eq!(scene.guardian.verdict(), Verdict::Draining);
    }
    assert!(scene.actions().is_empty());
    scene.end(Exit::Code { code: 0 });
    assert_eq!(scene.actions(), [Action::Spawn]);
}

#[test]
fn a_refusal_waits_for_its_cause_to_change_and_no_longer() {
    let mut scene = Scene::healthy_child();
    let broken = ConfigValidity::Invalid { line: 3, column: 1, message: "unexpected end".into() };
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 1, validity: ConfigValidity::Valid }));
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 2, validity: broken }));
    assert_eq!(scene.guardian.verdict(), Verdict::Degraded, "the latent bomb is said at once");
    scene.end(KILLED);
    let spawn = scene.one();
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    scene.pass(2_000);
    scene.end(Exit::Code { code: 78 });
    let restore = scene.one();
    assert_eq!(restore.action, Action::RestoreConfig { rejected: 2 });
    scene.see(&Evidence::Result {
        directive: restore.id,
        result: ActionResult::Moot { reason: "nothing is proven".into() },
    });
    scene.idle(240);
    assert!(scene.actions().is_empty(), "no restart storm, and no second try for the same config");
    let report = scene.guardian.report();
    assert!(matches!(report.cause, Some(Cause::RefusedToStart { reason: RefusalReason::Config, .. })), "{report:?}");
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 3, validity: ConfigValidity::Valid }));
    assert_eq!(scene.actions(), [Action::Spawn]);
}

/// A gateway that was well, and now refuses to start with a truncated config.
fn refused_over_its_config() -> Scene {
    let mut scene = Scene::healthy_child();
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 1, validity: ConfigValidity::Valid }));
    refuse_over(&mut scene, 2);
    scene
}

/// The config is broken, the gateway is killed, and refuses.
fn refuse_over(scene: &mut Scene, fingerprint: u64) {
    let broken = ConfigValidity::Invalid { line: 3, column: 1, message: "unexpected end".into() };
    scene.see(&Evidence::Config(ConfigSeen { fingerprint, validity: broken }));
    scene.end(KILLED);
    let (_, spawn) = scene.until_asked(60);
    assert_eq!(spawn.action, Action::Spawn);
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    scene.pass(2_000);
    scene.end(Exit::Code { code: 78 });
}

fn escalated(scene: &Scene) -> Vec<String> {
    let outputs = scene.out.iter().filter_map(|output| match output {
        Output::Record(IncidentEvent { what: What::Escalated { reason }, .. }) => Some(reason.clone()),
        _ => None,
    });
    outputs.collect()
}

#[test]
fn a_refused_config_is_restored_and_the_start_is_verified() {
    let mut scene = refused_over_its_config();
    assert_eq!(escalated(&scene), [""; 0], "nobody is called for what is about to be mended");
    let restore = scene.one();
    assert_eq!(restore.action, Action::RestoreConfig { rejected: 2 });
    scene.done(&restore);
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 1, validity: ConfigValidity::Valid }));
    let spawn = scene.one();
    assert_eq!(spawn.action, Action::Spawn);
    assert_eq!(escalated(&scene), [""; 0]);
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    scene.run(30);
    assert_eq!(scene.guardian.verdict(), Verdict::Healthy);
    let recovery = scene.guardian.memory().last_recovery.clone();
    assert_eq!(recovery.map(|recovery| recovery.outcome), Some(Outcome::Recovered));
    scene.asked();
    // Weeks later the same thing may happen again.
    refuse_over(&mut scene, 2);
    assert_eq!(scene.one().action, Action::RestoreConfig { rejected: 2 });
}

#[test]
fn a_config_that_broke_right_before_the_refusal_is_restored_too() {
    let mut scene = Scene::healthy_child();
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 1, validity: ConfigValidity::Valid }));
    scene.end(KILLED);
    let spawn = scene.one();
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    let text = "missing gateway.mode".to_owned();
    scene.see(&Evidence::Log(LogSign::Refused { text, reason: RefusalReason::Config }));
    scene.end(Exit::Code { code: 78 });
    let early = scene.one();
    assert_eq!(early.action, Action::RestoreConfig { rejected: 1 });
    let reason = "the config has been changed meanwhile".to_owned();
    scene.see(&Evidence::Result { directive: early.id, result: ActionResult::Retry { reason } });
    let broken = ConfigValidity::Invalid { line: 3, column: 1, message: "unexpected end".into() };
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 2, validity: broken }));
    scene.idle(2);
    assert_eq!(scene.actions(), [Action::RestoreConfig { rejected: 2 }]);
    let report = scene.guardian.report();
    assert!(report.cause.is_some_and(|cause| cause.detail().contains("line 3")));
}

#[test]
fn a_config_that_was_seen_to_be_gone_during_the_start_is_restored() {
    let mut scene = Scene::healthy_child();
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 1, validity: ConfigValidity::Valid }));
    scene.end(KILLED);
    let spawn = scene.one();
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 0, validity: ConfigValidity::Missing }));
    scene.end(Exit::Code { code: 78 });
    assert_eq!(scene.one().action, Action::RestoreConfig { rejected: 0 });
}

#[test]
fn a_restored_config_that_is_refused_as_well_is_not_fought_over() {
    let mut scene = refused_over_its_config();
    let restore = scene.one();
    scene.done(&restore);
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 3, validity: ConfigValidity::Valid }));
    let spawn = scene.one();
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    scene.pass(2_000);
    let text = "Invalid config".to_owned();
    scene.see(&Evidence::Log(LogSign::Refused { text, reason: RefusalReason::Config }));
    scene.out.clear();
    scene.end(Exit::Code { code: 78 });
    scene.idle(60);
    assert_eq!(escalated(&scene).len(), 1, "a person hears of it");
    assert!(scene.actions().iter().all(|action| !matches!(action, Action::RestoreConfig { .. })));
    // Whatever a person writes now is tried, and is not overwritten either.
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 4, validity: ConfigValidity::Valid }));
    assert_eq!(scene.actions(), [Action::Spawn]);
}

#[test]
fn nothing_is_restored_against_a_person_or_for_another_reason() {
    let mut scene = Scene::healthy_child();
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 1, validity: ConfigValidity::Valid }));
    scene.end(KILLED);
    let spawn = scene.one();
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    scene.see(&Evidence::Person(Wish::Pause { until: None, reason: None }));
    let broken = ConfigValidity::Invalid { line: 3, column: 1, message: "unexpected end".into() };
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 2, validity: broken }));
    scene.end(Exit::Code { code: 78 });
    scene.idle(60);
    assert_eq!(scene.actions(), [], "paused");

    let mut scene = Scene::healthy_child();
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 1, validity: ConfigValidity::Valid }));
    scene.end(KILLED);
    let spawn = scene.one();
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    scene.see(&Evidence::Disk(DiskSeen { free_bytes: 0, writable: true }));
    scene.end(Exit::Code { code: 78 });
    scene.idle(60);
    assert_eq!(scene.actions(), [Action::FreeLogs], "the disk is full, its config is good");
}

#[test]
fn its_own_lock_is_no_other_gateway_and_its_end_is_no_invitation() {
    let mut scene = Scene::healthy_child();
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 1, validity: ConfigValidity::Valid }));
    scene.end(KILLED);
    let spawn = scene.one();
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    let holder = LockHolder { pid: scene.pid, same_home: true, healthy: true, name: "openclaw".into() };
    scene.see(&Evidence::LockHolder(holder));
    scene.pass(20_000);
    scene.see(&Evidence::Listener(Listener::Foreign { port: 18789, pid: Some(7), name: "nginx".into() }));
    let text = "another gateway instance is already listening".to_owned();
    scene.see(&Evidence::Log(LogSign::Refused { text, reason: RefusalReason::Port }));
    scene.end(Exit::Code { code: 1 });
    scene.see(&Evidence::Surroundings(Surroundings::LockFreed));
    scene.idle(20);
    assert_eq!(scene.actions(), [], "the port is still taken: the next try comes with the slow timer");
    let report = scene.guardian.report();
    let Some(Cause::RefusedToStart { reason: RefusalReason::Port, detail }) = &report.cause else {
        panic!("{report:?}");
    };
    assert_eq!(detail, "port 18789 is taken by nginx (pid 7)");
    scene.see(&Evidence::Surroundings(Surroundings::PortFreed));
    assert_eq!(scene.actions(), [Action::Spawn], "now it is free");
}

/// Another start that was refused, by these words and this exit code, before it served.
fn refused(scene: &mut Scene, reason: RefusalReason, code: i32) {
    scene.end(KILLED);
    let spawn = scene.one();
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    scene.pass(3_000);
    scene.see(&Evidence::Log(LogSign::Refused { text: "what it said".to_owned(), reason }));
    scene.end(Exit::Code { code });
    let cause = scene.guardian.report().cause;
    assert!(matches!(&cause, Some(Cause::RefusedToStart { reason: said, .. }) if *said == reason), "{cause:?}");
}

#[test]
fn a_lease_that_nobody_is_seen_to_hold_is_tried_again_soon() {
    for code in [1, 78] {
        let mut scene = Scene::healthy_child();
        refused(&mut scene, RefusalReason::Duplicate, code);
        scene.idle(29);
        assert_eq!(scene.actions(), [], "no storm");
        scene.idle(2);
        assert_eq!(scene.actions(), [Action::Spawn], "it runs out by itself");
    }
}

#[test]
fn while_the_other_gateway_is_seen_its_end_is_waited_for() {
    let mut scene = Scene::healthy_child();
    refused(&mut scene, RefusalReason::Duplicate, 78);
    scene.see(&Evidence::LockHolder(LockHolder {
        pid: 4_242,
        same_home: true,
        healthy: true,
        name: "openclaw".into(),
    }));
    scene.idle(300);
    assert_eq!(scene.actions(), []);
    scene.see(&Evidence::Surroundings(Surroundings::LockFreed));
    assert_eq!(scene.actions(), [Action::Spawn]);
}

#[test]
fn a_package_that_lacks_a_part_waits_for_its_change() {
    let mut scene = Scene::healthy_child();
    refused(&mut scene, RefusalReason::Runtime, 1);
    scene.idle(300);
    assert_eq!(scene.actions(), [], "no storm");
    scene.see(&Evidence::Surroundings(Surroundings::Package));
    assert_eq!(scene.actions(), [Action::Spawn]);
}

#[test]
fn a_part_that_goes_away_under_a_gateway_that_served_makes_a_crash() {
    let mut scene = Scene::healthy_child();
    let text = "Gateway failed to start: Cannot find module".to_owned();
    scene.see(&Evidence::Log(LogSign::Refused { text, reason: RefusalReason::Runtime }));
    scene.end(Exit::Code { code: 1 });
    let cause = scene.guardian.report().cause;
    assert!(matches!(&cause, Some(Cause::Crashed { how }) if how == "exit 1"), "{cause:?}");
    assert_eq!(scene.actions(), [Action::Spawn], "a start loads what is there now");
}

#[test]
fn a_start_after_a_stop_by_a_person_is_no_incident() {
    let mut scene = Scene::healthy_child();
    scene.see(&Evidence::Person(Wish::EmergencyStop));
    let stop = scene.one();
    assert_eq!(scene.guardian.verdict(), Verdict::Draining, "it still runs");
    scene.done(&stop);
    scene.end(Exit::Code { code: 0 });
    assert_eq!(scene.guardian.verdict(), Verdict::Stopped);
    scene.pass(10_000);
    scene.see(&Evidence::Person(Wish::Start));
    assert_eq!(scene.guardian.verdict(), Verdict::Starting);
    let opened = |output: &Output| matches!(output, Output::Record(event) if matches!(event.what, What::Opened { .. }));
    assert!(!scene.out.iter().any(opened));
    assert_eq!(scene.actions(), [Action::Spawn]);
}

#[test]
fn a_person_wins_in_every_state() {
    let mut scene = Scene::healthy_child();
    scene.see(&Evidence::Person(Wish::Stop));
    let asked = scene.one();
    assert_eq!(asked.action, Action::Terminate { wake: false });
    scene.done(&asked);
    scene.end(Exit::Code { code: 0 });
    assert_eq!(scene.guardian.verdict(), Verdict::Stopped);
    scene.idle(7_200);
    assert!(scene.actions().is_empty());
    scene.see(&Evidence::Person(Wish::Resume));
    assert!(scene.actions().is_empty(), "resume starts nothing");
    scene.see(&Evidence::Person(Wish::Start));
    assert_eq!(scene.actions(), [Action::Spawn]);
}

#[test]
fn what_ends_during_a_pause_stays_ended_unless_it_crashed_by_itself() {
    for (exit, comes_back) in [
        (Exit::Code { code: 0 }, false),
        (KILLED, false),
        (Exit::Signal { signal: 6, core: true }, true),
        (Exit::Code { code: 134 }, true),
    ] {
        let mut scene = Scene::healthy_child();
        scene.see(&Evidence::Person(Wish::Pause { until: None, reason: None }));
        assert_eq!(scene.guardian.verdict(), Verdict::Paused);
        scene.end(exit);
        assert!(scene.actions().is_empty());
        scene.see(&Evidence::Person(Wish::Resume));
        assert_eq!(!scene.actions().is_empty(), comes_back, "{exit:?}");
    }
}

#[test]
fn a_pause_with_an_end_ends() {
    let mut scene = Scene::healthy_child();
    let until = Some(Wall(scene.now.wall.0 + 60_000));
    scene.see(&Evidence::Person(Wish::Pause { until, reason: None }));
    scene.run(59);
    assert_eq!(scene.guardian.verdict(), Verdict::Paused);
    scene.run(2);
    assert_eq!(scene.guardian.verdict(), Verdict::Healthy);
}

#[test]
fn a_crashed_unit_is_hastened_but_its_own_restart_is_left_alone() {
    let mut scene = Scene::healthy_unit();
    scene.end(Exit::Unknown);
    assert!(scene.actions().is_empty(), "the manager has not spoken");
    scene.unit(ActiveState::AutoRestart, Some(KILLED));
    let asked = scene.one();
    assert_eq!(asked.action, Action::Hasten);
    scene.done(&asked);
    scene.appear(None);
    scene.unit(ActiveState::Active, None);
    scene.run(20);
    assert_eq!(scene.last_outcome().1, Outcome::Recovered);
    scene.end(Exit::Unknown);
    scene.unit(ActiveState::AutoRestart, Some(Exit::Code { code: 0 }));
    scene.idle(4);
    assert!(scene.actions().is_empty());
}

#[test]
fn a_late_look_does_not_hasten_what_has_been_started() {
    let mut scene = Scene::healthy_unit();
    scene.end(Exit::Unknown);
    scene.unit(ActiveState::AutoRestart, Some(KILLED));
    let asked = scene.one();
    assert_eq!(asked.action, Action::Hasten);
    scene.done(&asked);
    for _ in 0..30 {
        scene.pass(1_000);
        scene.unit(ActiveState::AutoRestart, Some(KILLED));
    }
    assert_eq!(scene.actions(), [], "once per invocation");
    scene.appear(None);
    scene.unit(ActiveState::Active, None);
    scene.run(20);
    scene.end(Exit::Unknown);
    scene.unit(ActiveState::AutoRestart, Some(KILLED));
    assert_eq!(scene.actions(), [Action::Hasten], "the next invocation is another matter");
}

#[test]
fn a_stop_and_a_start_in_a_row_by_another_hand_leave_it_guarded() {
    for start in [JobKind::Start, JobKind::Restart] {
        let mut scene = Scene::healthy_unit();
        scene.see(&Evidence::ForeignJob(JobKind::Stop));
        scene.unit(ActiveState::Deactivating, None);
        scene.end(Exit::Unknown);
        scene.unsettled_unit(ActiveState::Inactive, Some(Exit::Code { code: 0 }));
        scene.pass(20);
        scene.see(&Evidence::ForeignJob(start));
        scene.appear(None);
        scene.unit(ActiveState::Active, None);
        scene.run(20);
        assert_eq!(scene.guardian.verdict(), Verdict::Healthy);
        scene.end(Exit::Unknown);
        scene.unit(ActiveState::AutoRestart, Some(KILLED));
        assert_eq!(scene.actions(), [Action::Hasten], "{start:?}: it is wanted again");
    }
}

#[test]
fn an_end_is_no_incident_before_the_manager_has_spoken_but_counts_from_the_end() {
    let opened = |output: &Output| matches!(output, Output::Record(event) if matches!(event.what, What::Opened { .. }));
    let mut scene = Scene::healthy_unit();
    scene.end(Exit::Unknown);
    scene.pass(20);
    scene.see(&Evidence::ForeignJob(JobKind::Stop));
    scene.unit(ActiveState::Inactive, Some(Exit::Signal { signal: 15, core: false }));
    scene.idle(10);
    assert!(!scene.out.iter().any(opened), "a person stopped it");

    let mut scene = Scene::healthy_unit();
    scene.end(Exit::Unknown);
    assert_eq!(scene.guardian.verdict(), Verdict::Suspect);
    scene.pass(40);
    scene.unit(ActiveState::AutoRestart, Some(KILLED));
    let asked = scene.one();
    assert_eq!(asked.action, Action::Hasten);
    scene.done(&asked);
    scene.appear(None);
    scene.unit(ActiveState::Active, None);
    scene.run(20);
    let recovery = scene.guardian.memory().last_recovery.clone().unwrap();
    assert_eq!((recovery.detected_after_ms, recovery.start_issued_after_ms), (Some(0), Some(40)));
    assert_eq!(recovery.cause.unwrap().code(), "crashed");

    let mut scene = Scene::healthy_unit();
    scene.end(Exit::Unknown);
    scene.idle(2);
    assert!(scene.out.iter().any(opened), "a manager that says nothing does not hide an end");
}

#[test]
fn a_start_by_another_hand_is_no_incident() {
    let mut scene = Scene::healthy_unit();
    scene.see(&Evidence::ForeignJob(JobKind::Stop));
    scene.end(Exit::Unknown);
    scene.unit(ActiveState::Failed, Some(KILLED));
    scene.idle(60);
    scene.out.clear();
    scene.see(&Evidence::ForeignJob(JobKind::Start));
    scene.unsettled_unit(ActiveState::Failed, Some(KILLED));
    scene.pass(20);
    scene.appear(None);
    scene.unit(ActiveState::Active, None);
    scene.run(20);
    assert_eq!(scene.guardian.verdict(), Verdict::Healthy);
    let opened = |output: &Output| matches!(output, Output::Record(event) if matches!(event.what, What::Opened { .. }));
    assert!(!scene.out.iter().any(opened), "nothing has failed");
}

#[test]
fn a_unit_stopped_by_another_hand_stays_stopped() {
    let mut scene = Scene::healthy_unit();
    scene.see(&Evidence::ForeignJob(JobKind::Stop));
    scene.unit(ActiveState::Deactivating, None);
    scene.end(Exit::Unknown);
    scene.unit(ActiveState::Failed, Some(KILLED));
    assert_eq!(scene.guardian.verdict(), Verdict::Stopped);
    scene.idle(3_600);
    assert!(scene.actions().is_empty());
    scene.appear(None);
    scene.unit(ActiveState::Active, None);
    scene.run(20);
    assert_eq!(scene.guardian.verdict(), Verdict::Healthy, "a person started it again");
}

#[test]
fn an_emergency_stop_takes_the_unit_out_of_the_boot_and_start_puts_it_back() {
    let mut scene = Scene::healthy_unit();
    scene.see(&Evidence::Person(Wish::EmergencyStop));
    let asked = scene.one();
    assert_eq!(asked.action, Action::EnableUnit { on: false });
    scene.done(&asked);
    let asked = scene.one();
    assert_eq!(asked.action, Action::StopUnit);
    scene.done(&asked);
    scene.end(Exit::Unknown);
    scene.unit(ActiveState::Inactive, Some(Exit::Code { code: 0 }));
    assert_eq!(scene.guardian.verdict(), Verdict::Stopped);
    assert!(scene.actions().is_empty());
    scene.see(&Evidence::Person(Wish::Start));
    let asked = scene.one();
    assert_eq!(asked.action, Action::EnableUnit { on: true });
    scene.done(&asked);
    assert_eq!(scene.actions(), [Action::StartUnit { reset_limit: false }]);
    assert_eq!(scene.guardian.memory().standing.desired, Desired::Running);
}

#[test]
fn a_late_or_sleeping_guard_doubts_itself_first() {
    let mut scene = Scene::healthy_child();
    scene.ways = Ways::spinning();
    scene.run(20);
    scene.pass(3_600_000);
    scene.see(&Evidence::Guard(GuardSelf { slept_ms: 3_600_000, ..GuardSelf::default() }));
    assert_eq!(scene.guardian.verdict(), Verdict::Unknown);
    scene.run(5);
    assert!(scene.actions().is_empty(), "the sleep does not count as silence");
}

#[test]
fn a_guard_that_comes_back_answers_the_exit_that_was_kept_for_it() {
    let mut scene = Scene::healthy_child();
    let memory = serde_json::to_string(scene.guardian.memory()).unwrap();
    let memory: Memory = serde_json::from_str(&memory).unwrap();
    let profile = scene.guardian.profile().clone();
    scene.pass(3_000);
    scene.guardian = Guardian::new(profile, Policy::adaptive(), memory, scene.now);
    scene.out.clear();
    scene.end(Exit::Code { code: 0 });
    assert_eq!(scene.actions(), [Action::Spawn]);
}

#[test]
fn a_remedy_that_did_not_help_is_recorded_as_such_and_a_person_hears_after_half_an_hour() {
    let mut scene = Scene::healthy_child();
    scene.ways = Ways::unlistened(2);
    let (_, directive) = scene.until_asked(60);
    scene.done(&directive);
    scene.end(Exit::Code { code: 0 });
    let mut records = Vec::new();
    // Every new life dies at once, for forty minutes.
    for _ in 0..2_400 {
        let outputs = std::mem::take(&mut scene.out);
        for output in outputs {
            match output {
                Output::Do(directive) if directive.action.is_start() => {
                    scene.done(&directive);
                    scene.appear(Some(&directive));
                    scene.pass(50);
                    scene.end(Exit::Code { code: 1 });
                }
                Output::Do(directive) => scene.done(&directive),
                Output::Record(event) => records.push(event.what),
                Output::Remember(_) | Output::Persist | Output::Changed | Output::Examine(_) | Output::Learned(_) => {}
            }
        }
        scene.idle(1);
    }
    assert!(records.iter().any(|what| matches!(what, What::Ineffective { .. })), "{records:?}");
    let told = records.iter().filter(|what| matches!(what, What::Escalated { .. })).count();
    assert_eq!(told, 1, "a person hears of it, once");
}

#[test]
fn a_full_disk_that_is_understood_late_is_answered_when_it_is_freed() {
    use clawmend_core::observation::DiskSeen;
    let mut scene = Scene::healthy_child();
    scene.end(Exit::Code { code: 78 });
    let mut seen = DiskSeen { free_bytes: 0, writable: false };
    scene.see(&Evidence::Disk(seen));
    let cause = scene.guardian.report().cause;
    assert!(matches!(cause, Some(Cause::RefusedToStart { reason: RefusalReason::Disk, .. })), "{cause:?}");
    scene.idle(120);
    assert_eq!(scene.actions(), [Action::FreeLogs], "old logs are all that is ours to delete");
    seen = DiskSeen { free_bytes: 10 << 30, writable: true };
    scene.see(&Evidence::Disk(seen));
    assert_eq!(scene.actions(), [Action::Spawn]);
}

#[test]
fn an_end_that_the_keeper_tells_twice_is_counted_once() {
    let mut scene = Scene::healthy_child();
    scene.end(KILLED);
    let memory = scene.guardian.memory().clone();
    let profile = scene.guardian.profile().clone();
    scene.guardian = Guardian::new(profile, Policy::adaptive(), memory, scene.now);
    scene.end(KILLED);
    assert_eq!(scene.guardian.memory().unclean.count(scene.now.mono, 300_000), 1);
}

#[test]
fn a_start_that_a_person_asked_for_survives_the_death_of_the_guard() {
    let mut scene = Scene::healthy_unit();
    scene.see(&Evidence::Person(Wish::Stop));
    let stop = scene.one();
    scene.done(&stop);
    scene.end(Exit::Unknown);
    scene.unit(ActiveState::Deactivating, None);
    scene.see(&Evidence::Person(Wish::Start));
    assert!(scene.actions().is_empty(), "the stop is still under way");
    let memory = scene.guardian.memory().clone();
    let profile = scene.guardian.profile().clone();
    scene.guardian = Guardian::new(profile, Policy::adaptive(), memory, scene.now);
    scene.unit(ActiveState::Inactive, Some(Exit::Code { code: 0 }));
    assert_eq!(scene.actions(), [Action::StartUnit { reset_limit: false }]);
}

#[test]
fn a_boot_under_a_tight_quota_is_not_taken_for_stuck() {
    let mut scene = Scene::new(Form::Child);
    scene.see(&Evidence::NotThere);
    let first = scene.one();
    scene.done(&first);
    scene.appear(Some(&first));
    // A fiftieth of a core: below what counts as busy in any short window.
    scene.ways = Ways::unlistened(10);
    scene.run(900);
    assert!(scene.actions().is_empty());
    assert_eq!(scene.guardian.verdict(), Verdict::Starting);
}

impl Scene {
    /// The guard dies and another one goes on with what was remembered.
    fn another_guard(&mut self) {
        let memory = self.guardian.memory().clone();
        let profile = self.guardian.profile().clone();
        self.out.clear();
        self.guardian = Guardian::new(profile, Policy::adaptive(), memory, self.now);
    }

    fn left(&mut self, kill: &Directive, ended: bool, recorded: bool) {
        self.see(&Evidence::KillLeft(KillLeft { directive: kill.clone(), age_ms: 3_000, ended, recorded }));
    }

    fn unclean(&self) -> u32 {
        self.guardian.memory().unclean.count(self.now.mono, 300_000)
    }

    /// What was recorded since the last call, beliefs apart.
    fn recorded(&mut self) -> Vec<What> {
        let event = |output: &Output| if let Output::Record(event) = output { Some(event.what.clone()) } else { None };
        self.out.iter().filter_map(event).filter(|what| !matches!(what, What::Judged { .. })).collect()
    }

    fn killed_while_spinning(form: Form) -> (Self, Directive) {
        let mut scene = if form == Form::Child { Self::healthy_child() } else { Self::healthy_unit() };
        scene.ways = Ways::spinning();
        let (_, kill) = scene.until_asked(120);
        assert_eq!(kill.action, Action::Kill);
        (scene, kill)
    }
}

#[test]
fn a_kill_that_the_guard_died_over_counts_once_and_as_ours() {
    let (mut scene, kill) = Scene::killed_while_spinning(Form::Child);
    scene.another_guard();
    scene.left(&kill, true, true);
    assert_eq!(scene.unclean(), 1);
    let recorded = scene.recorded();
    assert!(
        matches!(recorded.as_slice(), [What::Result { directive, result: ActionResult::Unknown { .. } }] if *directive == kill.id),
        "{recorded:?}"
    );
    scene.pass(50);
    scene.end(KILLED);
    assert_eq!(scene.unclean(), 1, "the keeper's word on it is no second end");
    assert_eq!(scene.one().action, Action::Spawn);
    let crashed = |what: &What| matches!(what, What::Diagnosed { cause } if cause.code() == "crashed");
    assert!(!scene.recorded().iter().any(crashed), "our kill was taken for a crash");
    assert_eq!(scene.guardian.memory().incident.clone().unwrap().cause, Some(Cause::Spinning));
}

#[test]
fn a_unit_that_was_back_before_the_next_guard_has_our_kill_in_its_window() {
    let (mut scene, kill) = Scene::killed_while_spinning(Form::Systemd);
    scene.another_guard();
    scene.left(&kill, true, false);
    let recorded = scene.recorded();
    assert!(
        matches!(recorded.as_slice(), [What::Acted { action: Action::Kill, .. }, What::Result { .. }]),
        "{recorded:?}"
    );
    scene.appear(None);
    scene.unit(ActiveState::Active, None);
    assert_eq!(scene.unclean(), 1);
    // A later guard that reads the same record again books nothing.
    scene.another_guard();
    scene.left(&kill, true, true);
    assert_eq!(scene.unclean(), 1);
}

#[test]
fn a_unit_that_failed_while_no_guard_looked_has_that_end_in_its_window_once() {
    let failed = Some(Exit::Code { code: 1 });
    let mut scene = Scene::healthy_unit();
    scene.another_guard();
    scene.unit(ActiveState::AutoRestart, failed);
    assert_eq!(scene.unclean(), 1);
    scene.another_guard();
    scene.unit(ActiveState::AutoRestart, failed);
    assert_eq!(scene.unclean(), 1, "a later guard sees the same end");
    // A clean one is none of it.
    let mut scene = Scene::healthy_unit();
    scene.another_guard();
    scene.unit(ActiveState::AutoRestart, Some(Exit::Code { code: 0 }));
    assert_eq!(scene.unclean(), 0);
}

#[test]
fn a_kill_does_not_survive_the_guard_that_wanted_it() {
    let (mut scene, kill) = Scene::killed_while_spinning(Form::Child);
    scene.another_guard();
    scene.left(&kill, false, true);
    assert_eq!(scene.unclean(), 0);
    let recorded = scene.recorded();
    assert!(matches!(recorded.as_slice(), [What::Result { result: ActionResult::Moot { .. }, .. }]), "{recorded:?}");
    // It answers again: nobody touches it.
    scene.pid -= 1;
    scene.appear(None);
    scene.ways = Ways::well();
    scene.run(20);
    assert!(scene.actions().is_empty());
    assert_eq!(scene.guardian.verdict(), Verdict::Healthy);
}

#[test]
fn kills_of_dead_guards_keep_the_next_kill_from_being_the_third() {
    let mut scene = Scene::healthy_child();
    for _ in 0..2 {
        scene.ways = Ways::spinning();
        let (_, kill) = scene.until_asked(120);
        assert_eq!(kill.action, Action::Kill);
        scene.another_guard();
        scene.left(&kill, true, true);
        scene.see(&Evidence::NotThere);
        let spawn = scene.one();
        scene.done(&spawn);
        scene.ways = Ways::well();
        scene.appear(Some(&spawn));
        scene.run(30);
        scene.out.clear();
    }
    assert_eq!(scene.unclean(), 2);
    scene.ways = Ways::spinning();
    scene.run(60);
    assert!(scene.actions().is_empty(), "a third unclean end by our hand");
}

#[test]
fn our_kill_of_a_unit_counts_although_nobody_tells_how_it_ended() {
    let (mut scene, kill) = Scene::killed_while_spinning(Form::Systemd);
    scene.done(&kill);
    scene.end(Exit::Unknown);
    assert_eq!(scene.unclean(), 1);
    scene.unit(ActiveState::AutoRestart, Some(KILLED));
    assert_eq!(scene.unclean(), 1, "the manager's word on it is no second end");
    // The same when the new process comes to light first.
    let (mut scene, kill) = Scene::killed_while_spinning(Form::Systemd);
    scene.done(&kill);
    scene.appear(None);
    assert_eq!(scene.unclean(), 1);
}

#[test]
fn an_end_that_a_keeper_tells_after_the_next_birth_is_booked_once() {
    let mut scene = Scene::healthy_child();
    let earlier = Incarnation { pid: 7, start: 7, boot: "boot".into() };
    let gone = Gone { incarnation: earlier, exit: KILLED, uncertainty_ms: 60_000 };
    for _ in 0..2 {
        scene.see(&Evidence::EndedEarlier(gone.clone()));
        assert_eq!(scene.unclean(), 1);
    }
    scene.another_guard();
    scene.see(&Evidence::EndedEarlier(gone));
    assert_eq!(scene.unclean(), 1);
    assert!(scene.actions().is_empty());
}

/// The record of the incident as a person reads it.
fn story(out: Vec<Output>) -> Vec<String> {
    let line = |what: What| match what {
        What::Opened { .. } => "opened".to_owned(),
        What::Evidence { text } => format!("saw: {text}"),
        What::Judged { verdict } => format!("believed: {}", verdict.name()),
        What::Diagnosed { cause } => format!("cause: {}", cause.code()),
        What::Acted { action, .. } => format!("did: {}", action.name()),
        What::Closed { outcome } => format!("over: {outcome:?}"),
        What::Started { .. } => "started".to_owned(),
        What::Serving => "serving".to_owned(),
        other => format!("{other:?}"),
    };
    let recorded = |output| if let Output::Record(event) = output { Some(line(event.what)) } else { None };
    out.into_iter().filter_map(recorded).collect()
}

#[test]
fn an_incident_reads_as_what_was_seen_believed_done_and_how_it_ended() {
    let mut scene = Scene::healthy_child();
    scene.out.clear();
    scene.ways = Ways::spinning();
    scene.run(40);
    let kill =
        scene.out.iter().find_map(|output| if let Output::Do(kill) = output { Some(kill.clone()) } else { None });
    scene.done(kill.as_ref().unwrap());
    scene.end(KILLED);
    let spawn =
        scene.out.iter().rev().find_map(|output| if let Output::Do(it) = output { Some(it.clone()) } else { None });
    scene.ways = Ways::well();
    scene.appear(spawn.as_ref());
    scene.run(20);
    let story = story(std::mem::take(&mut scene.out)).join("\n");
    let (kill, spawn) = (kill.unwrap().id, spawn.unwrap().id);
    let expected = format!(
        "opened\nbelieved: suspect\nbelieved: down\n\
         saw: no good answer for 30.0 s; its main thread is running; 29 s of CPU used since its start\n\
         cause: spinning\ndid: kill\nResult {{ directive: {kill:?}, result: Done }}\n\
         did: spawn\nResult {{ directive: {spawn:?}, result: Done }}\n\
         started\nbelieved: starting\nserving\nbelieved: healthy\nover: Recovered"
    );
    assert_eq!(story, expected, "{story}");
}

#[test]
fn a_gateway_that_flaps_for_hours_does_not_fill_its_record() {
    let mut scene = Scene::healthy_child();
    scene.out.clear();
    for _ in 0..300 {
        scene.ways = Ways { answer: HttpOutcome::TimedOut, ..Ways::well() };
        scene.run(4);
        scene.ways = Ways::well();
        scene.run(2);
    }
    let lines = story(std::mem::take(&mut scene.out));
    let remarks = lines.iter().filter(|line| line.starts_with("saw: ") || line.starts_with("believed: ")).count();
    assert!((20..=40).contains(&remarks), "{remarks}");
}

#[test]
fn nothing_rests_on_a_manager_that_does_not_answer() {
    let mut scene = Scene::healthy_unit();
    scene.see(&Evidence::ServiceUnseen);
    scene.run(30);
    let report = scene.guardian.report();
    assert_eq!((report.verdict, report.reasons), (Verdict::Healthy, vec!["service_unseen".to_owned()]));

    scene.ways = Ways::stopped();
    scene.run(120);
    assert_eq!(scene.guardian.verdict(), Verdict::Down, "the gateway itself is looked at all the same");
    assert!(scene.actions().is_empty(), "nothing is done that the manager may be about to do, too");

    scene.unit(ActiveState::Active, None);
    let (_, directive) = scene.until_asked(5);
    assert_eq!(directive.action, Action::RestartUnit);
}

#[test]
fn without_the_managers_word_nothing_is_on_its_way() {
    let mut scene = Scene::healthy_unit();
    scene.see(&Evidence::Log(LogSign::RestartByExit));
    scene.end(Exit::Unknown);
    assert_eq!(scene.guardian.verdict(), Verdict::Starting);
    scene.see(&Evidence::ServiceUnseen);
    assert_eq!(scene.guardian.verdict(), Verdict::Unknown);
    scene.idle(120);
    assert!(scene.actions().is_empty());

    let mut scene = Scene::healthy_unit();
    scene.see(&Evidence::ServiceUnseen);
    scene.end(Exit::Unknown);
    scene.idle(60);
    assert_eq!(scene.guardian.verdict(), Verdict::Down, "that it ended is the kernel's word");
    assert!(scene.actions().is_empty());
    scene.unit(ActiveState::AutoRestart, Some(KILLED));
    assert_eq!(scene.actions(), [Action::Hasten]);
}

#[test]
fn who_may_only_look_names_the_fault_and_calls_a_person() {
    let mut scene = Scene::healthy_unit();
    scene.guardian.set_control(Control::Observe);
    scene.end(Exit::Unknown);
    scene.unit(ActiveState::AutoRestart, Some(KILLED));
    scene.idle(10);
    assert!(scene.actions().is_empty());
    let report = scene.guardian.report();
    assert_eq!(report.cause.map(|cause| cause.code()), Some("crashed"));
    assert!(report.told.is_some_and(|told| told.contains("only look")));

    scene.guardian.set_control(Control::Full);
    scene.idle(2);
    assert_eq!(scene.actions(), [Action::Hasten]);
}

impl Scene {
    /// Serves, with a channel that OpenClaw's breaker left out, for so long or until something is asked for.
    fn serve_without_channel(&mut self, at_most_s: u64) -> Option<Directive> {
        let account = ChannelState {
            channel: "telegram".into(),
            account: "default".into(),
            wanted: true,
            running: false,
            suppressed: true,
            stopped_by_person: false,
            terminal: false,
            error: None,
        };
        self.see(&Evidence::Rpc(RpcSeen::Channels { accounts: vec![account] }));
        for _ in 0..at_most_s * 2 {
            if let Some(directive) = self.asked().into_iter().next() {
                return Some(directive);
            }
            self.tick_without_channel();
        }
        None
    }

    fn tick_without_channel(&mut self) {
        self.pass(500);
        self.cpu_ms += 5;
        self.voluntary += 1;
        self.look();
        self.see(&Evidence::Listener(Listener::Own { port: 18789, backlog: 0 }));
        self.http(Endpoint::Healthz, HttpOutcome::Ok);
        let readiness = Readiness { ready: true, suppressed: vec!["telegram".into()], ..Readiness::default() };
        self.http(Endpoint::Readyz, HttpOutcome::Readiness(readiness));
    }

    fn answered(&mut self, directive: &Directive, result: ActionResult) {
        self.see(&Evidence::Result { directive: directive.id, result });
    }
}

#[test]
fn a_channel_start_that_does_not_get_through_is_no_try_and_keeps_no_other_step_waiting() {
    let mut scene = Scene::healthy_child();
    let starts = |action: &Action| matches!(action, Action::StartChannel { .. });
    for _ in 0..8 {
        let asked = scene.serve_without_channel(60).expect("it is tried again");
        assert!(starts(&asked.action), "{asked:?}");
        scene.answered(&asked, ActionResult::Retry { reason: "there is no connection to the gateway".into() });
        assert_eq!(scene.serve_without_channel(25), None, "not at once");
    }
    let asked = scene.serve_without_channel(60).expect("it is tried again");
    scene.answered(&asked, ActionResult::Retry { reason: "there is no connection to the gateway".into() });
    scene.ways = Ways::stopped();
    let (waited, asked) = scene.watch(5_000);
    assert_eq!(asked.map(|asked| asked.action), Some(Action::Terminate { wake: true }));
    assert!(waited <= 1_000, "{waited} ms");
}

#[test]
fn channel_starts_are_bounded_also_where_none_gets_through() {
    let retry = ActionResult::Retry { reason: "there is no connection to the gateway".into() };
    for (result, expected) in [(ActionResult::Done, 3), (retry, 23)] {
        let mut scene = Scene::healthy_child();
        let mut starts = 0;
        while let Some(asked) = scene.serve_without_channel(120) {
            starts += 1;
            assert!(starts < 100);
            scene.answered(&asked, result.clone());
        }
        assert_eq!(starts, expected, "{result:?}");
    }
}

#[test]
fn a_life_that_several_guards_see_is_one_start() {
    let mut scene = Scene::healthy_unit();
    let born = scene.now.wall.0 - 30_000;
    for _ in 0..6 {
        scene.another_guard();
        scene.unit(ActiveState::Active, None);
        scene.see(&Evidence::Appeared(Appeared {
            incarnation: scene.incarnation(),
            age_ms: u64::try_from(scene.now.wall.0 - born).unwrap(),
            by: None,
            at_boot: false,
            restarts_by_exit: true,
        }));
        scene.run(15);
    }
    assert!(scene.actions().is_empty());
    scene.end(Exit::Unknown);
    scene.unit(ActiveState::AutoRestart, Some(KILLED));
    assert_eq!(scene.actions(), [Action::Hasten], "it is far from the unit's own limit");
    scene.appear(None);
    let starts = scene.guardian.memory().pace.starts.count(scene.now.mono, 300_000);
    assert_eq!(starts, 2);
}
