//! The loop of one gateway: evidence in, directives out.
//!
//! Invariant: the loop itself never waits for the gateway, the disk or the network; whatever takes time runs beside
//! it and comes back as news. Start at [`Ward::run`].

mod begin;
mod child;
mod life;
mod orders;
mod schedule;
mod synthetic;

pub(in crate::daemon) use schedule::{Schedule, multiple_after};
pub(in crate::daemon) use synthetic::Asking;

pub use begin::{Parts, contained, follow_policy, listen_to_keeper, listen_to_service, own_uid, program_of, rpc_into};

use super::approvals;
use super::around::Around;
use super::body::{Body, Child};
use super::desk;
use super::keepsake::Keepsake;
use super::news::{News, Sender};
use super::physician::Physician;
use super::program::Program;
use super::pulse::{Pulse, ServiceWatchdog};
use super::senses::Senses;
use super::voice::Voice;
use crate::host::alarm::Alarm;
use crate::host::clock;
use crate::host::process::Depth;
use crate::keeper::protocol::Ended;
use crate::openclaw::discovery::Home;
use crate::probe::http::Limits;
use crate::probe::rpc::{Credential, Rpc};
use crate::settings::Settings;
use crate::store::Store;
use clawmend_core::directive::{DirectiveId, Output};
use clawmend_core::gateway::Incarnation;
use clawmend_core::guardian::Guardian;
use clawmend_core::health::Verdict;
use clawmend_core::observation::{Endpoint, Evidence, RpcSeen};
use clawmend_core::time::{Moment, Now};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Looks at the surroundings while all is well.
const AROUND_EVERY_MS: u64 = 1_000;
/// The same while the gateway is down: a cure is to be answered within 2 s, and a config counts once it stood still
/// for one look.
const AROUND_DOWN_MS: u64 = 400;
/// `/readyz` while all is well.
const READINESS_EVERY_MS: u64 = 5_000;
/// The listener and its owner while all is well.
const LISTENER_EVERY_MS: u64 = 10_000;
/// The same while confirming.
const LISTENER_CLOSE_MS: u64 = 500;
/// All channels over RPC, while one of them is not well.
const CHANNELS_EVERY_MS: u64 = 10_000;

/// Everything that guards one gateway.
pub struct Ward {
    pub(super) home: Home,
    pub(super) guardian: Guardian,
    pub(super) body: Rc<Body>,
    pub(super) around: Around,
    pub(super) program: Option<Program>,
    pub(super) keepsake: Keepsake,
    pub(super) physician: Physician,
    pub(super) settings: Rc<RefCell<Settings>>,
    pub(super) senses: Option<Senses>,
    pub(super) rpc: Rpc,
    pub(super) asking: Asking,
    pub(super) rpc_up: bool,
    /// What the gateway was shown last. Each refusal counts as an attack there, so nothing is shown twice.
    pub(super) shown: Option<Credential>,
    pub(super) store: Store,
    /// Ours alone in the runtime folder.
    pub(super) runtime: PathBuf,
    pub(super) voice: Rc<Voice>,
    pub(super) watchdog: Rc<ServiceWatchdog>,
    pub(super) news: Sender,
    pub(super) out: Vec<Output>,
    /// What is told and kept after the directives are on their way.
    pub(super) later: Vec<Output>,
    /// Ends that the keeper may forget once they are on record.
    pub(super) unacknowledged: Vec<Incarnation>,
    pub(super) pulse: Pulse,
    pub(super) next: Schedule,
    /// Wishes that are not obeyed yet. Bounded by the connections of the control socket.
    pub(super) pending: Vec<desk::Pending>,
    /// Lives whose end was told lately: a late word that one of them began is not believed.
    pub(super) ended: VecDeque<Incarnation>,
    /// A refusal that is booked as soon as its last words are here.
    pub(super) unheard: Option<Ended>,
    /// Kills whose end is not booked yet.
    pub(super) kills: Vec<(DirectiveId, Incarnation)>,
    /// The unit's file was looked at, to keep a copy of it.
    pub(super) unit_copied: bool,
    /// A new keeper is being asked to take over a process that outlived the old one.
    pub(super) adopting: bool,
    /// What its keeper has is known. Before that nobody can say that nothing runs.
    pub(super) child_known: bool,
}

impl Ward {
    /// Guards until the queue is closed.
    pub async fn run(mut self, mut inbox: mpsc::Receiver<News>) {
        let mut alarm = Alarm::new();
        if let Some(program) = &self.program {
            program.look_if_due(clock::now().mono);
        }
        loop {
            let now = clock::now();
            let wake = self.wake_at(now);
            self.pulse.plan(wake);
            let news = tokio::select! {
                biased;
                news = inbox.recv() => match news {
                    Some(news) => Some(news),
                    None => return,
                },
                () = alarm.reached(wake) => None,
            };
            let now = clock::now();
            if let Some(seen) = self.pulse.wake(now, news.is_some()) {
                self.observe(now, &Evidence::Guard(seen));
            }
            self.watchdog.turn(now);
            if let Some(news) = news {
                self.take(now, news);
                // What has arrived meanwhile belongs to the same instant; bounded, so that time is never starved.
                for _ in 0..64 {
                    let Ok(news) = inbox.try_recv() else { break };
                    self.take(now, news);
                }
            }
            self.on_time(clock::now());
            self.carry_out();
            if !self.later.is_empty() || !self.unacknowledged.is_empty() {
                // The directives go first: their tasks run while this one stands back.
                tokio::task::yield_now().await;
                self.keep_up();
            }
            desk::settle(&mut self);
        }
    }

    /// The next moment at which something is due.
    fn wake_at(&self, now: Now) -> Moment {
        let mut wake = self.next.around.at();
        if self.senses.is_some() {
            wake = wake.min(self.next.look.at()).min(self.next.probe.at());
        }
        if let Some(due) = self.guardian.next_wake() {
            wake = wake.min(due);
        }
        if let Some(due) = self.watchdog.due() {
            wake = wake.min(due);
        }
        wake.max(now.mono)
    }

    pub(super) fn observe(&mut self, now: Now, evidence: &Evidence) {
        self.keepsake.seen(now, evidence);
        self.guardian.observe(now, evidence, &mut self.out);
    }

    /// Plain, so that nothing in here can wait: a question to anybody runs beside the loop.
    fn take(&mut self, now: Now, news: News) {
        match news {
            News::Evidence(evidence) => {
                if let (Some(gate), Evidence::Rpc(RpcSeen::Channels { accounts })) =
                    (self.body.child().and_then(Child::gate), &evidence)
                {
                    gate.channels_say(self.senses.as_ref().map(Senses::life), accounts);
                }
                self.observe(now, &evidence);
                self.follow_up(now, &evidence);
            }
            News::Call(call) => desk::answer(self, now, call),
            News::Decision(decision, reply) => approvals::apply(self, now, decision, reply),
            News::IsHindered(reply) => {
                let _ = reply.send(desk::is_hindered(self));
            }
            News::Role { carry, reply } => desk::take_role(self, now, carry, reply),
            News::Gateway(what, reply) => desk::ask_gateway(self, what, reply),
            News::Proposals(reply) => {
                let _ = reply.send(self.guardian.memory().proposals.clone());
            }
            News::Wish(wish, reply) => desk::obey(self, now, wish, reply),
            News::Report(reply) => {
                let _ = reply.send(desk::status(self, now));
            }
            News::Channels(reply) => {
                let _ = reply.send(self.guardian.channels().to_vec());
                let rpc = self.rpc.clone();
                tokio::task::spawn_local(async move { rpc.refresh().await });
            }
            News::Policy(policy) => self.guardian.set_policy(*policy),
            News::Dismiss(done) => self.dismiss(done),
            News::Service(event) => self.service_event(now, event),
            News::Keeper(event) => self.keeper_event(now, event),
            News::KeeperState(state) => self.keeper_state(now, state),
            News::NotAdopted(state) => self.not_adopted(now, state),
            News::LastWords { life, text } => self.last_words(now, &life, &text),
            News::KeeperLost => tracing::warn!(gateway = %self.home.id.0, "the keeper is gone; another one is started"),
            News::Ended(life) => self.ended_unseen(now, &life),
        }
    }

    /// Whatever time has made due.
    fn on_time(&mut self, now: Now) {
        let down = self.guardian.verdict() == Verdict::Down;
        if self.next.around.due(now.mono, if down { AROUND_DOWN_MS } else { AROUND_EVERY_MS }) {
            let mut found = Vec::new();
            self.around.look(now, down, &mut found);
            for evidence in &found {
                self.observe(now, evidence);
            }
            if found.iter().any(|evidence| matches!(evidence, Evidence::Config(_))) {
                self.offer_the_new_token();
            }
            if !matches!(*self.body, Body::Child(_)) && self.senses.is_none() {
                self.look_for_life(now);
            }
        }
        if self.senses.is_some() {
            self.look_and_probe(now);
            self.ask_the_model_if_due(now);
        }
        self.keepsake.turn(now, self.guardian.verdict(), self.guardian.policy().config_proven_after_ms);
        self.guardian.poll(now, &mut self.out);
    }

    fn look_and_probe(&mut self, now: Now) {
        let cadence = self.guardian.cadence();
        let Some(senses) = &mut self.senses else { return };
        let mut found = [None, None];
        if self.next.listener.due(now.mono, if cadence.closely { LISTENER_CLOSE_MS } else { LISTENER_EVERY_MS }) {
            if self.around.expected().lock_port.is_none() {
                let life = senses.life().clone();
                self.around.learn_port(&life);
            }
            // A moment of health within an incident is not its end: what led to it still counts.
            if self.guardian.verdict() == Verdict::Healthy && self.guardian.memory().incident.is_none() {
                self.physician.all_is_well();
            }
            found[0] = Some(Evidence::Listener(senses.listen(self.around.expected(), cadence.closely)));
        }
        let probing = self.next.probe.due(now.mono, u64::from(cadence.http_ms));
        if self.next.look.due(now.mono, u64::from(cadence.process_ms)) || probing {
            // What the main thread did before a silence must be known from the moment of the question.
            found[1] = senses.look(match (cadence.closely, probing) {
                (true, _) => Depth::Closely,
                (false, true) => Depth::Whole,
                (false, false) => Depth::Glance,
            });
        }
        if probing {
            let with_readiness = self.next.readiness.due(now.mono, READINESS_EVERY_MS) || cadence.readiness;
            let starting = self.guardian.verdict() == Verdict::Starting;
            let endpoints: &'static [Endpoint] = match (with_readiness, starting) {
                (false, _) => &[Endpoint::Healthz],
                (true, false) => &[Endpoint::Healthz, Endpoint::Readyz],
                (true, true) => &[Endpoint::Healthz, Endpoint::Startupz, Endpoint::Readyz],
            };
            let policy = self.guardian.policy();
            let limits = Limits {
                late_after: Duration::from_millis(u64::from(policy.late_ms)),
                timeout: Duration::from_millis(u64::from(policy.timeout_ms)),
            };
            senses.probe(endpoints, limits, &self.news);
        }
        for evidence in found.into_iter().flatten() {
            self.observe(now, &evidence);
        }
        self.ask_for_channels(now);
        self.come_forward(now);
    }

    /// The subscription asks once a minute; while a channel is not well that is too rarely.
    fn ask_for_channels(&mut self, now: Now) {
        if self.guardian.verdict() != Verdict::Degraded || !self.next.channels.due(now.mono, CHANNELS_EVERY_MS) {
            return;
        }
        if self.guardian.report().reasons.iter().any(|reason| reason.starts_with("channel_")) {
            let rpc = self.rpc.clone();
            tokio::task::spawn_local(async move { rpc.refresh().await });
        }
    }

    /// What was planned for calmer times comes forward when a look has raised the cadence.
    fn come_forward(&mut self, now: Now) {
        let cadence = self.guardian.cadence();
        self.next.look.come_forward(now.mono, u64::from(cadence.process_ms));
        self.next.probe.come_forward(now.mono, u64::from(cadence.http_ms));
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
