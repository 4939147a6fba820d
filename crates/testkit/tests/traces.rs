//! Recorded traces of real gateways, replayed against the figures of the model and through the guard.
//!
//! A fixture holds what was measured, what could be seen over time (spans and events, neutralised), and what the guard
//! must make of it: exactly these actions, and at least these causes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use clawmend_core::diagnosis::RefusalReason;
use clawmend_core::directive::{ActionResult, Output};
use clawmend_core::gateway::{Control, Form, GatewayId, Incarnation};
use clawmend_core::guardian::{Guardian, Memory, Profile};
use clawmend_core::incident::What;
use clawmend_core::observation::{
    Appeared, ConfigSeen, ConfigValidity, Endpoint, Evidence, Exit, Gone, HttpOutcome, HttpSeen, Listener, LogSign,
    ProcessSample, Readiness, RunState,
};
use clawmend_core::policy::Policy;
use clawmend_core::time::{Moment, Now, Wall};
use clawmend_testkit::sim::fitted::{self, Fit};
use serde::Deserialize;
use std::collections::BTreeSet;

#[derive(Deserialize)]
struct Trace {
    source: String,
    measures: Vec<(String, u64)>,
    spans: Vec<Span>,
    events: Vec<Event>,
    actions: Vec<String>,
    causes: Vec<String>,
}

/// What could be seen from one time to another, in milliseconds since the birth of the process.
#[derive(Deserialize)]
struct Span {
    from: u64,
    to: u64,
    state: String,
    cpu: u64,
    switches: u64,
    http: String,
    #[serde(default)]
    failing: Vec<String>,
    #[serde(default)]
    suppressed: Vec<String>,
}

#[derive(Deserialize)]
struct Event {
    at: u64,
    log: Option<String>,
    code: Option<i32>,
    signal: Option<i32>,
    config: Option<String>,
}

fn fit_of(name: &str) -> Fit {
    match name {
        "boot_listen" => fitted::BOOT_LISTEN,
        "listen_ready" => fitted::LISTEN_READY,
        "inner_restart" => fitted::INNER_RESTART,
        "end_idle" => fitted::END_IDLE,
        "end_close" => fitted::END_CLOSE,
        "end_work" => fitted::END_WORK,
        "end_killed" => fitted::END_KILLED,
        "refused" => fitted::REFUSED,
        "port_taken" => fitted::PORT_TAKEN,
        "stall" => fitted::STALL,
        "answer" => fitted::ANSWER,
        "channel_start" => fitted::CHANNEL_START,
        other => panic!("no figure is called {other}"),
    }
}

/// Plays one trace to a guard.
struct Player {
    guardian: Guardian,
    now: Now,
    pid: u32,
    alive: bool,
    cpu_us: u64,
    switches_milli: u64,
    actions: Vec<String>,
    causes: BTreeSet<String>,
}

const BIRTH_MS: u64 = 1_000_000;

impl Player {
    fn new() -> Self {
        let now = Now { mono: Moment(BIRTH_MS), wall: Wall(1_800_000_000_000) };
        let profile = Profile { id: GatewayId("default".into()), form: Form::Child, control: Control::Full };
        let guardian = Guardian::new(profile, Policy::adaptive(), Memory::default(), now);
        let mut player = Self {
            guardian,
            now,
            pid: 1,
            alive: true,
            cpu_us: 0,
            switches_milli: 0,
            actions: Vec::new(),
            causes: BTreeSet::new(),
        };
        player.see(&config("valid", 0));
        player.appear();
        player
    }

    fn incarnation(&self) -> Incarnation {
        Incarnation { pid: self.pid, start: u64::from(self.pid), boot: "trace".into() }
    }

    fn appear(&mut self) {
        let incarnation = self.incarnation();
        self.see(&Evidence::Appeared(Appeared {
            incarnation,
            age_ms: 0,
            by: None,
            at_boot: false,
            restarts_by_exit: false,
        }));
    }

    fn see(&mut self, evidence: &Evidence) {
        let mut out = Vec::new();
        self.guardian.observe(self.now, evidence, &mut out);
        self.take(out);
    }

    fn take(&mut self, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Do(directive) => {
                    self.actions.push(directive.action.name().to_owned());
                    self.see(&Evidence::Result { directive: directive.id, result: ActionResult::Done });
                }
                Output::Record(event) => {
                    if let What::Diagnosed { cause } = event.what {
                        self.causes.insert(cause.code().to_owned());
                    }
                }
                Output::Remember(_)
                | Output::Persist
                | Output::Changed
                | Output::Examine(_)
                | Output::Consult(_)
                | Output::Learned(_)
                | Output::CounselHelped(_) => {}
            }
        }
    }

    fn pass(&mut self, at: u64) {
        let mono = Moment(BIRTH_MS + at);
        let by = mono.since(self.now.mono);
        self.now = Now { mono, wall: Wall(self.now.wall.0 + i64::try_from(by).unwrap()) };
        let mut out = Vec::new();
        self.guardian.poll(self.now, &mut out);
        self.take(out);
    }

    fn look(&mut self, span: &Span, by: u64) {
        self.cpu_us += span.cpu * by;
        self.switches_milli += span.switches * by;
        let state = match span.state.as_str() {
            "R" => RunState::Running,
            "S" => RunState::Sleeping,
            "T" => RunState::Stopped,
            other => panic!("state {other}"),
        };
        self.see(&Evidence::Process(ProcessSample {
            incarnation: self.incarnation(),
            state,
            cpu_ms: self.cpu_us / 1_000,
            voluntary: self.switches_milli / 1_000,
            involuntary: 0,
            rss_kib: 820_000,
            threads: 15,
            descriptors: None,
            throttled: None,
            held: None,
        }));
        let (outcome, listener) = match span.http.as_str() {
            "ok" => (HttpOutcome::Ok, Listener::Own { port: 1, backlog: 0 }),
            "late" => (HttpOutcome::Late, Listener::Own { port: 1, backlog: 1 }),
            "timed_out" => (HttpOutcome::TimedOut, Listener::Own { port: 1, backlog: 1 }),
            "refused" => (HttpOutcome::Refused, Listener::Absent),
            "not_health" => {
                (HttpOutcome::NotHealth { status: 200 }, Listener::Foreign { port: 1, pid: None, name: "x".into() })
            }
            other => panic!("http {other}"),
        };
        let well = outcome == HttpOutcome::Ok;
        self.see(&Evidence::Listener(listener));
        self.see(&Evidence::Http(HttpSeen { endpoint: Endpoint::Healthz, latency_ms: 2, outcome }));
        if well {
            let readiness = Readiness {
                ready: span.failing.is_empty(),
                failing: span.failing.clone(),
                suppressed: span.suppressed.clone(),
                event_loop: None,
            };
            let outcome = HttpOutcome::Readiness(readiness);
            self.see(&Evidence::Http(HttpSeen { endpoint: Endpoint::Readyz, latency_ms: 2, outcome }));
        }
    }

    fn event(&mut self, event: &Event) {
        if let Some(sign) = &event.log {
            let sign = match sign.as_str() {
                "breaker_tripped" => LogSign::BreakerTripped,
                "stop_signal" => LogSign::StopSignal,
                "draining" => LogSign::Draining { timeout_ms: 315_000 },
                "restart_in_process" => LogSign::RestartInProcess,
                "startup_failed" => LogSign::StartupFailedAlive,
                "refused_port" => LogSign::Refused { text: "in use".into(), reason: RefusalReason::Port },
                other => panic!("log {other}"),
            };
            self.see(&Evidence::Log(sign));
        }
        if let Some(validity) = &event.config {
            self.see(&config(validity, event.at));
        }
        let exit = match (event.code, event.signal) {
            (Some(code), _) => Exit::Code { code },
            (None, Some(signal)) => Exit::Signal { signal, core: false },
            (None, None) => return,
        };
        self.alive = false;
        let incarnation = self.incarnation();
        self.see(&Evidence::Gone(Gone { incarnation, exit, uncertainty_ms: 0 }));
    }

    fn play(&mut self, trace: &Trace) {
        let end =
            trace.spans.iter().map(|span| span.to).chain(trace.events.iter().map(|event| event.at)).max().unwrap();
        let mut last = 0;
        for at in (0..=end + 1_000).step_by(10) {
            for event in trace.events.iter().filter(|event| event.at == at) {
                self.pass(at);
                self.event(event);
            }
            let step = if self.guardian.cadence().closely { 100 } else { 500 };
            if at - last >= step && self.alive {
                if let Some(span) = trace.spans.iter().find(|span| span.from <= at && at < span.to) {
                    self.pass(at);
                    self.look(span, at - last);
                }
                last = at;
            }
        }
        self.pass(end + 1_500);
    }
}

fn config(validity: &str, at: u64) -> Evidence {
    let validity = match validity {
        "valid" => ConfigValidity::Valid,
        _ => ConfigValidity::Invalid { line: 1, column: 1, message: "cut short".into() },
    };
    Evidence::Config(ConfigSeen { fingerprint: at + 1, validity })
}

fn fixtures() -> Vec<(String, Trace)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ext| ext == "json") {
            let text = std::fs::read_to_string(&path).unwrap();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            found.push((name.clone(), serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

#[test]
fn every_measured_figure_lies_within_the_model() {
    for (name, trace) in fixtures() {
        for (figure, ms) in &trace.measures {
            let fit = fit_of(figure);
            assert!(fit.holds(*ms), "{name}: {figure} was {ms} ms, the model has {} to {}", fit.low, fit.high);
        }
    }
}

#[test]
fn the_guard_makes_of_every_trace_what_it_should() {
    let mut wrong = Vec::new();
    for (name, trace) in fixtures() {
        let mut player = Player::new();
        player.play(&trace);
        println!("{name} ({}): {:?}, {:?}", trace.source, player.actions, player.causes);
        let named = trace.causes.is_empty() || trace.causes.iter().any(|cause| player.causes.contains(cause));
        if player.actions.first() != trace.actions.first() || !named {
            wrong.push(format!(
                "{name}: expected {:?} and one of {:?}, got {:?} and {:?}",
                trace.actions, trace.causes, player.actions, player.causes
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
