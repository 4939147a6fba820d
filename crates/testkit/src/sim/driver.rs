//! The loop: virtual time, the probes of the guard, its inbox, and its directives.
//!
//! In the steady state it allocates nothing: the same few pieces of evidence are filled in anew for every look.
//! Start at [`Life::run`].

use super::brain::Brain;
use super::fitted;
use super::process::{NEVER, Process, Stage};
use super::world::{Out, World};
use clawmend_core::directive::{Cadence, Directive, DirectiveId, Output};
use clawmend_core::gateway::{Form, Incarnation};
use clawmend_core::incident::What;
use clawmend_core::observation::{
    Appeared, Endpoint, EventLoop, Evidence, Exit, Gone, GuardSelf, HttpOutcome, HttpSeen, JobKind, Listener,
    ProcessSample, Readiness, RunState,
};
use clawmend_core::time::{Moment, Now, Wall};

/// When a probe is called late, and when it is given up.
const LATE_MS: u64 = 250;
const TIMEOUT_MS: u64 = 5_000;
/// Readiness is asked at least so often, also when nothing is suspected.
const READINESS_MS: u64 = 10_000;

/// One gateway and its guard.
pub struct Life<B: Brain> {
    /// Everything but the guard.
    pub world: World,
    brain: B,
    saved: B::Saved,
    out: Vec<Output>,
    sample: Evidence,
    http: Evidence,
    readiness: Evidence,
    listener: Evidence,
    cadence: Cadence,
    probe_at: u64,
    look_at: u64,
    readiness_at: u64,
    wake_at: u64,
    asked: Option<(u64, bool)>,
    under_way: Option<(DirectiveId, u64, Option<Incarnation>)>,
    outputs_in_a_row: u32,
    last_output_at: u64,
}

impl<B: Brain> Life<B> {
    /// A new host with a new guard.
    #[must_use]
    pub fn new(seed: u64, form: Form, aloud: bool) -> Self {
        let world = World::new(seed, form, aloud);
        let now = Now { mono: Moment(world.now), wall: world.wall() };
        let incarnation = Incarnation { pid: 0, start: 0, boot: "sim".to_owned() };
        let sample = ProcessSample {
            incarnation,
            state: RunState::Sleeping,
            cpu_ms: 0,
            voluntary: 0,
            involuntary: 0,
            rss_kib: 820 * 1_024,
            threads: 15,
            descriptors: None,
            throttled: None,
            held: None,
        };
        let http = |endpoint| HttpSeen { endpoint, latency_ms: 2, outcome: HttpOutcome::Ok };
        let mut life = Self {
            brain: B::born(form, B::Saved::default(), now),
            saved: B::Saved::default(),
            world,
            out: Vec::with_capacity(64),
            sample: Evidence::Process(sample),
            http: Evidence::Http(http(Endpoint::Healthz)),
            readiness: Evidence::Http(HttpSeen {
                outcome: HttpOutcome::Readiness(Readiness::default()),
                ..http(Endpoint::Readyz)
            }),
            listener: Evidence::Listener(Listener::Absent),
            cadence: Cadence { http_ms: 1_000, process_ms: 500, closely: false, readiness: true },
            probe_at: 0,
            look_at: 0,
            readiness_at: 0,
            wake_at: 0,
            asked: None,
            under_way: None,
            outputs_in_a_row: 0,
            last_output_at: 0,
        };
        if form == Form::Systemd {
            life.world.unit.ask(life.world.now, super::unit::Ask::Start { reset: false }, false, false);
            life.world.exec(None);
        } else {
            life.world.tell(1, Evidence::NotThere);
        }
        let (config, disk) = (life.world.config(), life.world.disk());
        life.world.tell(0, config);
        life.world.tell(0, disk);
        life
    }

    fn now(&self) -> Now {
        Now { mono: Moment(self.world.now), wall: Wall(self.world.wall().0) }
    }

    /// Lives until so many milliseconds awake have passed.
    pub fn run(&mut self, ms: u64) {
        let end = self.world.now + ms;
        let mut world_at = self.world.next_at();
        loop {
            let guard_at = self.guard_at();
            let next = world_at.min(guard_at).max(self.world.now);
            if next >= end + self.world.slept_ms {
                break;
            }
            self.world.now = next;
            if world_at <= next {
                self.world.step();
                if self.world.sleep_ms > 0 {
                    self.sleep();
                }
                self.released_answers();
                world_at = self.world.next_at();
            } else {
                let before = self.world.effects.len();
                let fires_world = self.guard_turn();
                if fires_world || self.world.effects.len() != before {
                    world_at = self.world.next_at();
                }
            }
        }
    }

    /// When the guard has something to do.
    #[inline]
    fn guard_at(&self) -> u64 {
        if self.world.out_kind != Out::No {
            return self.world.guard_out_until;
        }
        let mut at = self.probe_at.min(self.look_at).min(self.wake_at);
        if let Some((when, _)) = self.world.inbox.front() {
            at = at.min(*when);
        }
        at
    }

    /// One turn of the guard's loop. `true`: the world may have to act earlier than was thought.
    fn guard_turn(&mut self) -> bool {
        match self.world.out_kind {
            Out::No => {}
            Out::Starved => return self.late(),
            Out::Dead => return self.reborn(),
        }
        let now = self.world.now;
        if self.world.inbox.front().is_some_and(|(at, _)| *at <= now) {
            return self.take_inbox();
        }
        if self.look_at <= now {
            self.look();
        } else if self.probe_at <= now {
            self.probe();
        } else {
            let at = self.now();
            self.brain.poll(at, &mut self.out);
            self.after();
        }
        false
    }

    fn observe(&mut self, evidence: &Evidence) {
        let now = self.now();
        self.brain.observe(now, evidence, &mut self.out);
        self.after();
    }

    /// After every call: what came out, when to wake, how closely to look.
    #[inline]
    fn after(&mut self) {
        if !self.out.is_empty() {
            self.outputs();
        }
        let now = self.world.now;
        let wake = self.brain.next_wake().map_or(NEVER, |at| at.0);
        self.wake_at = wake.max(now + 1);
        let cadence = self.brain.cadence();
        if cadence != self.cadence {
            self.cadence = cadence;
            self.look_at = self.look_at.min(now + u64::from(cadence.process_ms));
            if self.asked.is_none() {
                self.probe_at = self.probe_at.min(now + u64::from(cadence.http_ms));
            }
        }
    }

    fn outputs(&mut self) {
        let now = self.world.now;
        if self.last_output_at == now {
            self.outputs_in_a_row += u32::try_from(self.out.len()).unwrap_or(u32::MAX);
            if self.outputs_in_a_row > 200 {
                self.world.oracle.broke(now, "bounded_outputs", "more than 200 outputs in a millisecond");
                self.outputs_in_a_row = 0;
            }
        } else {
            self.last_output_at = now;
            self.outputs_in_a_row = 0;
        }
        let mut out = std::mem::take(&mut self.out);
        for output in out.drain(..) {
            match output {
                Output::Do(directive) => self.issue(&directive),
                Output::Record(event) => self.record(&event.what),
                Output::Remember(_) => self.saved = self.brain.save(self.now()),
                // Written down soon, not at once: a guard that dies may have lost the last one.
                Output::Persist if self.world.rng.chance(900) => self.saved = self.brain.save(self.now()),
                Output::Persist | Output::Changed => {}
            }
        }
        self.out = out;
    }

    fn issue(&mut self, directive: &Directive) {
        let now = self.world.now;
        // A directive that nobody answered for so long was given up.
        let fresh = self.under_way.as_ref().filter(|(_, since, _)| now - since < 15_000).map(|(id, ..)| *id);
        self.world.issue(directive, fresh);
        self.under_way = Some((directive.id, now, directive.target.clone()));
    }

    fn record(&mut self, what: &What) {
        let now = self.world.now;
        match what {
            What::Diagnosed { cause } => {
                self.world.oracle.log(now, || format!("record: diagnosed {}", cause.code()));
                self.world.oracle.diagnosed(now, cause.code());
            }
            What::Withheld { action, reason } => {
                self.world.oracle.log(now, || format!("record: withheld {} ({reason})", action.name()));
            }
            What::Opened { .. }
            | What::Evidence { .. }
            | What::Judged { .. }
            | What::Acted { .. }
            | What::Result { .. }
            | What::Started { .. }
            | What::Serving
            | What::Ineffective { .. }
            | What::Escalated { .. }
            | What::Closed { .. } => {
                if matches!(what, What::Closed { .. }) {
                    self.world.oracle.closed();
                }
                if self.world.oracle.aloud {
                    self.world.oracle.log(now, || format!("record: {what:?}"));
                }
            }
        }
    }

    fn take_inbox(&mut self) -> bool {
        let Some((_, evidence)) = self.world.inbox.pop_front() else { return false };
        let now = self.world.now;
        match &evidence {
            Evidence::Result { directive, .. } => {
                self.under_way.take_if(|(id, ..)| id == directive);
            }
            Evidence::Person(wish) => self.world.heard(wish),
            Evidence::ForeignJob(JobKind::Stop) => self.world.told_stop = true,
            Evidence::Appeared(_) => {
                self.look_at = now + 100;
                self.probe_at = now + 200;
                self.readiness_at = now;
                self.asked = None;
            }
            Evidence::Gone(gone) => {
                // What was meant for a life that is over does nothing any more.
                self.under_way.take_if(|(_, _, target)| target.as_ref() == Some(&gone.incarnation));
                self.look_at = NEVER;
                self.probe_at = NEVER;
                self.asked = None;
            }
            Evidence::NotThere
            | Evidence::EndedEarlier(_)
            | Evidence::KillLeft(_)
            | Evidence::Process(_)
            | Evidence::Listener(_)
            | Evidence::Http(_)
            | Evidence::Synthetic(_)
            | Evidence::Rpc(_)
            | Evidence::Service(_)
            | Evidence::ServiceUnseen
            | Evidence::ForeignJob(JobKind::Start | JobKind::Restart)
            | Evidence::Log(_)
            | Evidence::Config(_)
            | Evidence::Disk(_)
            | Evidence::LockHolder(_)
            | Evidence::Surroundings(_)
            | Evidence::Guard(_)
            | Evidence::FlagFile(_) => {}
        }
        if self.world.oracle.aloud && evidence != Evidence::Log(clawmend_core::observation::LogSign::Grew) {
            self.world.oracle.log(now, || format!("evidence: {evidence:?}"));
        }
        self.observe(&evidence);
        true
    }

    fn look(&mut self) {
        let now = self.world.now;
        self.look_at = now + u64::from(self.cadence.process_ms);
        let closely = self.cadence.closely;
        let Some(process) = &self.world.process else {
            self.look_at = NEVER;
            return;
        };
        if let Evidence::Process(sample) = &mut self.sample {
            if sample.incarnation != process.incarnation {
                sample.incarnation.clone_from(&process.incarnation);
            }
            sample.state = process.run_state(&mut self.world.rng);
            sample.cpu_ms = process.cpu_ms(now) / 10 * 10;
            sample.voluntary = process.switches(now);
            sample.held = if closely || process.traced { process.held() } else { None };
        }
        if closely && let Evidence::Listener(listener) = &mut self.listener {
            *listener = if process.listens() {
                Listener::Own { port: 18_789, backlog: u32::from(!process.turns()) * 3 }
            } else if self.world.port_taken {
                Listener::Foreign { port: 18_789, pid: Some(7), name: "python3".to_owned() }
            } else {
                Listener::Absent
            };
        }
        let at = self.now();
        self.brain.observe(at, &self.sample, &mut self.out);
        if closely {
            self.brain.observe(at, &self.listener, &mut self.out);
        }
        self.after();
    }

    fn probe(&mut self) {
        let now = self.world.now;
        if let Some((sent, late)) = self.asked {
            let waited = now - sent;
            if late || waited >= TIMEOUT_MS {
                self.asked = None;
                self.probe_at = now + u64::from(self.cadence.http_ms) / 2;
                return self.answer(Endpoint::Healthz, waited, HttpOutcome::TimedOut);
            }
            self.asked = Some((sent, true));
            self.probe_at = sent + TIMEOUT_MS;
            return self.answer(Endpoint::Healthz, waited, HttpOutcome::Late);
        }
        let Some(process) = &self.world.process else {
            self.probe_at = NEVER;
            return;
        };
        if !process.listens() {
            self.probe_at = now + u64::from(self.cadence.http_ms);
            return self.answer(Endpoint::Healthz, 1, HttpOutcome::Refused);
        }
        if !process.turns() {
            self.asked = Some((now, false));
            self.probe_at = now + LATE_MS;
            return;
        }
        self.probe_at = now + u64::from(self.cadence.http_ms);
        let (starting, readiness) =
            (process.stage == Stage::Sidecars, self.cadence.readiness || self.readiness_at <= now);
        let at = self.now();
        if let Evidence::Http(seen) = &mut self.http {
            seen.endpoint = Endpoint::Healthz;
            seen.latency_ms = 2;
            seen.outcome = HttpOutcome::Ok;
        }
        self.brain.observe(at, &self.http, &mut self.out);
        if readiness {
            self.ask_readiness(starting);
        }
        self.after();
    }

    fn ask_readiness(&mut self, starting: bool) {
        let at = self.now();
        self.readiness_at = at.mono.0 + READINESS_MS;
        let Some(process) = &self.world.process else { return };
        if let Evidence::Http(HttpSeen { outcome: HttpOutcome::Readiness(readiness), .. }) = &mut self.readiness {
            describe_readiness(process, readiness);
        }
        let outcome = match process.stage {
            Stage::Sidecars => HttpOutcome::Starting,
            Stage::Draining(_) => HttpOutcome::Draining,
            Stage::Exec
            | Stage::Failing(_)
            | Stage::Booting
            | Stage::Serving
            | Stage::Closing(_)
            | Stage::Inner
            | Stage::Deaf => HttpOutcome::Ok,
        };
        self.brain.observe(at, &self.readiness, &mut self.out);
        if starting || self.cadence.closely {
            if let Evidence::Http(seen) = &mut self.http {
                seen.endpoint = Endpoint::Startupz;
                seen.outcome = outcome;
            }
            self.brain.observe(at, &self.http, &mut self.out);
        }
    }

    fn answer(&mut self, endpoint: Endpoint, latency: u64, outcome: HttpOutcome) {
        if let Evidence::Http(seen) = &mut self.http {
            seen.endpoint = endpoint;
            seen.latency_ms = u32::try_from(latency).unwrap_or(u32::MAX);
            seen.outcome = outcome;
        }
        let at = self.now();
        self.brain.observe(at, &self.http, &mut self.out);
        self.after();
    }

    /// A question that waited is answered as soon as the event loop turns, or broken when the process is gone.
    fn released_answers(&mut self) {
        let Some((sent, _)) = self.asked else { return };
        if self.world.out_kind != Out::No {
            return;
        }
        let outcome = match &self.world.process {
            None => HttpOutcome::Broken,
            Some(process) if !process.listens() => HttpOutcome::Broken,
            Some(process) if process.turns() => HttpOutcome::Ok,
            Some(_) => return,
        };
        self.asked = None;
        let now = self.world.now;
        self.probe_at = now + u64::from(self.cadence.http_ms) / 2;
        let latency = now - sent + fitted::ANSWER.mid;
        self.world.tell(
            fitted::ANSWER.mid,
            Evidence::Http(HttpSeen {
                endpoint: Endpoint::Healthz,
                latency_ms: u32::try_from(latency).unwrap_or(u32::MAX),
                outcome,
            }),
        );
    }

    /// The guard got the CPU again: everything that waited comes at once, and not always in order.
    fn late(&mut self) -> bool {
        let now = self.world.now;
        let late_ms = now - self.world.out_since;
        self.world.out_kind = Out::No;
        // Both clocks are read at the first turn: a sleep in the middle is told with the lateness.
        let slept_ms = std::mem::take(&mut self.world.slept_unseen_ms);
        self.observe(&Evidence::Guard(GuardSelf { late_ms, slept_ms, ..GuardSelf::default() }));
        if self.asked.is_some() && self.world.rng.chance(500) {
            self.probe_at = now;
        }
        self.released_answers();
        true
    }

    fn sleep(&mut self) {
        let by = std::mem::take(&mut self.world.sleep_ms);
        self.world.now += by;
        self.world.slept(by);
        for at in [&mut self.probe_at, &mut self.look_at] {
            if *at != NEVER {
                *at = self.world.now.max(*at);
            }
        }
        if self.world.out_kind == Out::No {
            self.observe(&Evidence::Guard(GuardSelf { slept_ms: by, ..GuardSelf::default() }));
        } else {
            self.world.guard_out_until += by;
            self.world.out_since += by;
            self.world.slept_unseen_ms += by;
        }
    }

    /// A new guard takes over from the one that died.
    fn reborn(&mut self) -> bool {
        let now = self.now();
        self.world.out_kind = Out::No;
        self.world.slept_unseen_ms = 0;
        self.world.guard_up = true;
        self.world.guard_since = now.mono.0;
        self.world.oracle.log(now.mono.0, || "guard: a new one takes over".to_owned());
        self.brain = B::born(self.world.form, self.saved.clone(), now);
        self.under_way = None;
        self.asked = None;
        self.look_at = NEVER;
        self.probe_at = NEVER;
        self.world.tell_kills();
        let (config, disk) = (self.world.config(), self.world.disk());
        self.world.tell(0, config);
        self.world.tell(0, disk);
        if self.world.form == Form::Systemd {
            let seen = self.world.unit.seen(true, self.world.main_pid());
            self.world.tell(1, Evidence::Service(seen));
        }
        self.introduce();
        self.after();
        true
    }

    fn introduce(&mut self) {
        let now = self.world.now;
        match (&self.world.process, &self.world.last_life) {
            (Some(process), _) => {
                let appeared = Appeared {
                    incarnation: process.incarnation.clone(),
                    age_ms: now - process.born,
                    by: None,
                    at_boot: false,
                    restarts_by_exit: self.world.by_exit,
                };
                let listens = process.listens();
                self.world.tell(2, Evidence::Appeared(appeared));
                if listens && self.world.rpc {
                    let version = "2026.9.6".to_owned();
                    let connected = clawmend_core::observation::RpcSeen::Connected { version, boot_id: None };
                    self.world.tell(30, Evidence::Rpc(connected));
                    self.world.tell_channels(40);
                }
            }
            // The keeper kept the exit status; a service manager tells it with the unit.
            (None, Some((incarnation, exit))) if self.world.form == Form::Child => {
                let gone = Gone { incarnation: incarnation.clone(), exit: *exit, uncertainty_ms: 0 };
                self.world.tell(2, Evidence::Gone(gone));
            }
            (None, Some((incarnation, _))) => {
                let gone = Gone { incarnation: incarnation.clone(), exit: Exit::Unknown, uncertainty_ms: 5_000 };
                self.world.tell(2, Evidence::Gone(gone));
            }
            (None, None) => self.world.tell(2, Evidence::NotThere),
        }
    }
}

/// What `/readyz` says.
fn describe_readiness(process: &Process, readiness: &mut Readiness) {
    readiness.failing.clear();
    readiness.suppressed.clear();
    match process.stage {
        Stage::Sidecars => readiness.failing.push("startup-sidecars".to_owned()),
        Stage::Draining(_) => readiness.failing.push("gateway-draining".to_owned()),
        Stage::Exec
        | Stage::Failing(_)
        | Stage::Booting
        | Stage::Serving
        | Stage::Closing(_)
        | Stage::Inner
        | Stage::Deaf => {
            if process.deaf_channel {
                readiness.failing.push("telegram".to_owned());
            }
        }
    }
    if process.suppressed {
        readiness.suppressed.push("telegram".to_owned());
    }
    readiness.ready = readiness.failing.is_empty();
    readiness.event_loop = Some(EventLoop::default());
}
