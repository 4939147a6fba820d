//! The frame of all scenarios: a gateway that behaves as it is told, its guard, and a clock that moves only when told.

use clawmend_core::diagnosis::Cause;
use clawmend_core::directive::{Action, ActionResult, Directive, Output};
use clawmend_core::gateway::{Control, Form, GatewayId, Incarnation};
use clawmend_core::guardian::{Guardian, Memory, Profile};
use clawmend_core::health::Verdict;
use clawmend_core::incident::{IncidentEvent, Outcome, What};
use clawmend_core::observation::{
    ActiveState, Appeared, Endpoint, Evidence, Exit, Gone, Held, HttpOutcome, HttpSeen, Limits, Listener,
    ProcessSample, Readiness, RunState, ServiceSeen,
};
use clawmend_core::policy::Policy;
use clawmend_core::time::{Moment, Now, Wall};

/// How the process behaves while time passes.
#[derive(Clone)]
pub struct Ways {
    pub answer: HttpOutcome,
    pub state: RunState,
    pub held: Option<Held>,
    pub listener: Listener,
    /// CPU per half second.
    pub burn_ms: u64,
    pub yields: bool,
    /// How long it takes for an answer, or until it is given up.
    pub latency_ms: u32,
    pub rss_kib: u64,
}

impl Ways {
    pub fn well() -> Self {
        Self {
            answer: HttpOutcome::Ok,
            state: RunState::Sleeping,
            held: None,
            listener: Listener::Own { port: 18789, backlog: 0 },
            burn_ms: 5,
            yields: true,
            latency_ms: 2,
            rss_kib: 800_000,
        }
    }

    pub fn spinning() -> Self {
        Self { answer: HttpOutcome::TimedOut, state: RunState::Running, burn_ms: 480, yields: false, ..Self::well() }
    }

    pub fn stopped() -> Self {
        Self { answer: HttpOutcome::TimedOut, state: RunState::Stopped, burn_ms: 0, yields: false, ..Self::well() }
    }

    pub fn unlistened(burn_ms: u64) -> Self {
        Self { answer: HttpOutcome::Refused, listener: Listener::Absent, burn_ms, ..Self::well() }
    }
}

/// A gateway, its guard, and a clock that only moves when told.
pub struct Scene {
    pub guardian: Guardian,
    pub now: Now,
    pub pid: u32,
    pub cpu_ms: u64,
    pub voluntary: u64,
    pub out: Vec<Output>,
    pub ways: Ways,
}

impl Scene {
    pub fn new(form: Form) -> Self {
        let now = Now { mono: Moment(1_000_000), wall: Wall(1_800_000_000_000) };
        let profile = Profile { id: GatewayId("default".into()), form, control: Control::Full };
        let guardian = Guardian::new(profile, Policy::adaptive(), Memory::default(), now);
        Self { guardian, now, pid: 100, cpu_ms: 0, voluntary: 0, out: Vec::new(), ways: Ways::well() }
    }

    pub fn incarnation(&self) -> Incarnation {
        Incarnation { pid: self.pid, start: u64::from(self.pid) * 7, boot: "boot".into() }
    }

    pub fn see(&mut self, evidence: &Evidence) {
        self.guardian.observe(self.now, evidence, &mut self.out);
    }

    pub fn pass(&mut self, ms: u64) {
        self.now.mono = self.now.mono.plus(ms);
        self.now.wall.0 += i64::try_from(ms).unwrap();
    }

    pub fn idle(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.pass(1_000);
            self.guardian.poll(self.now, &mut self.out);
        }
    }

    /// Takes what was asked for since the last call.
    pub fn asked(&mut self) -> Vec<Directive> {
        let outputs = std::mem::take(&mut self.out).into_iter();
        outputs.filter_map(|output| if let Output::Do(directive) = output { Some(directive) } else { None }).collect()
    }

    pub fn actions(&mut self) -> Vec<Action> {
        self.asked().into_iter().map(|directive| directive.action).collect()
    }

    pub fn one(&mut self) -> Directive {
        let mut asked = self.asked();
        assert_eq!(asked.len(), 1, "{asked:?}");
        asked.remove(0)
    }

    pub fn appear(&mut self, by: Option<&Directive>) {
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

    pub fn end(&mut self, exit: Exit) {
        self.see(&Evidence::Gone(Gone { incarnation: self.incarnation(), exit, uncertainty_ms: 0 }));
    }

    pub fn done(&mut self, directive: &Directive) {
        self.see(&Evidence::Result { directive: directive.id, result: ActionResult::Done });
    }

    pub fn http(&mut self, endpoint: Endpoint, outcome: HttpOutcome) {
        self.see(&Evidence::Http(HttpSeen { endpoint, latency_ms: self.ways.latency_ms, outcome }));
    }

    /// One look at the process.
    pub fn look(&mut self) {
        let ways = self.ways.clone();
        self.see(&Evidence::Process(ProcessSample {
            incarnation: self.incarnation(),
            state: ways.state,
            cpu_ms: self.cpu_ms,
            voluntary: self.voluntary,
            involuntary: 0,
            rss_kib: ways.rss_kib,
            threads: 15,
            descriptors: None,
            throttled: None,
            held: ways.held,
        }));
    }

    /// Looks as often as the guard asks for, and nothing else, for so long or until something is asked for; how long
    /// that took.
    pub fn watch(&mut self, at_most_ms: u64) -> (u64, Option<Directive>) {
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
    pub fn tick(&mut self) {
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

    pub fn run(&mut self, seconds: u64) {
        for _ in 0..seconds * 2 {
            self.tick();
        }
    }

    /// Ticks until something is asked for; how long that took.
    pub fn until_asked(&mut self, at_most_s: u64) -> (u64, Directive) {
        let began = self.now.mono;
        for _ in 0..at_most_s * 2 {
            if let Some(directive) = self.asked().into_iter().next() {
                return (self.now.mono.since(began), directive);
            }
            self.tick();
        }
        panic!("nothing was asked for within {at_most_s} s; verdict {:?}", self.guardian.verdict());
    }

    pub fn healthy_child() -> Self {
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

    pub fn unit(&mut self, state: ActiveState, last_exit: Option<Exit>) {
        self.look_at_unit(state, last_exit, true);
    }

    pub fn unsettled_unit(&mut self, state: ActiveState, last_exit: Option<Exit>) {
        self.look_at_unit(state, last_exit, false);
    }

    pub fn look_at_unit(&mut self, state: ActiveState, last_exit: Option<Exit>, settled: bool) {
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

    pub fn healthy_unit() -> Self {
        let mut scene = Self::new(Form::Systemd);
        scene.appear(None);
        scene.unit(ActiveState::Active, None);
        scene.run(30);
        assert_eq!(scene.guardian.verdict(), Verdict::Healthy);
        assert!(scene.actions().is_empty());
        scene
    }

    pub fn last_outcome(&self) -> (Option<Cause>, Outcome) {
        let recovery = self.guardian.memory().last_recovery.clone().expect("a recovery");
        (recovery.cause, recovery.outcome)
    }

    /// The guard dies and another one goes on with what was remembered.
    pub fn another_guard(&mut self) {
        let memory = self.guardian.memory().clone();
        self.another_guard_with(memory);
    }

    /// The same, where what was remembered last did not reach the disk.
    pub fn another_guard_with(&mut self, memory: Memory) {
        let profile = self.guardian.profile().clone();
        self.out.clear();
        self.guardian = Guardian::new(profile, Policy::adaptive(), memory, self.now);
    }

    /// The process that is there comes to light anew, for a guard that has just begun.
    pub fn found(&mut self, age_ms: u64) {
        self.see(&Evidence::Appeared(Appeared {
            incarnation: self.incarnation(),
            age_ms,
            by: None,
            at_boot: false,
            restarts_by_exit: true,
        }));
    }

    /// What a person was told since the outputs were last taken.
    pub fn escalated(&self) -> Vec<String> {
        let text = |output: &Output| match output {
            Output::Record(IncidentEvent { what: What::Escalated { reason }, .. }) => Some(reason.clone()),
            _ => None,
        };
        self.out.iter().filter_map(text).collect()
    }

    /// Causes that were named since the outputs were last taken.
    pub fn named(&self) -> Vec<&'static str> {
        let cause = |output: &Output| match output {
            Output::Record(IncidentEvent { what: What::Diagnosed { cause }, .. }) => Some(cause.code()),
            _ => None,
        };
        self.out.iter().filter_map(cause).collect()
    }
}

pub const KILLED: Exit = Exit::Signal { signal: 9, core: false };
