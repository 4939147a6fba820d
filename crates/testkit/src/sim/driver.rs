//! The loop: virtual time, the probes of the guard, its inbox, and its directives.
//!
//! In the steady state it allocates nothing: the same few pieces of evidence are filled in anew for every look.
//! Start at [`Life::run`].

mod outages;
mod probes;

use super::Setting;
use super::brain::Brain;
use super::process::NEVER;
use super::world::{Out, World};
use clawmend_core::directive::{Cadence, Directive, DirectiveId, Output};
use clawmend_core::gateway::{Form, Incarnation};
use clawmend_core::incident::What;
use clawmend_core::observation::{
    Endpoint, Evidence, HttpOutcome, HttpSeen, JobKind, Listener, ProcessSample, Readiness, RunState,
};
use clawmend_core::time::{Moment, Now, Wall};

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
    pub fn new(seed: u64, setting: Setting, aloud: bool) -> Self {
        let world = World::new(seed, setting, aloud);
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
            brain: B::born(setting, B::Saved::default(), now),
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
        match setting.form {
            Form::Child => life.world.tell(1, Evidence::NotThere),
            Form::Systemd => {
                life.world.unit.ask(life.world.now, super::unit::Ask::Start { reset: false }, false, false);
                life.world.exec(None);
            }
            Form::Foreign | Form::Launchd | Form::ScheduledTask => life.world.exec(None),
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
                Output::Persist
                | Output::Changed
                | Output::Examine(_)
                | Output::Consult(_)
                | Output::Learned(_)
                | Output::CounselHelped(_) => {}
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
            | What::Examined { .. }
            | What::Advised { .. }
            | What::Learned { .. }
            | What::Proposed { .. }
            | What::Decided { .. }
            | What::Lapsed { .. }
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
            | Evidence::Examined(_)
            | Evidence::Counsel(_)
            | Evidence::Decision(_)
            | Evidence::ConfigDoubt(_)
            | Evidence::FlagFile(_) => {}
        }
        if self.world.oracle.aloud && evidence != Evidence::Log(clawmend_core::observation::LogSign::Grew) {
            self.world.oracle.log(now, || format!("evidence: {evidence:?}"));
        }
        self.observe(&evidence);
        true
    }
}
