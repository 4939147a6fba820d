//! The loop of a node: facts in, directives out, carried out in their order.
//!
//! Invariants: the loop waits for nothing but its memory to be durable, and for that within a bound; a start that follows
//! a memory which is not durable is not carried out, an end is; a person hears of their word only when it is durable; the
//! clock is read before a question leaves.

use super::gate::{Grant, Limit, Outcome};
use super::hands::{ACTS, Act, Hands};
use super::heard::Heard;
use super::switching::Switching;
use super::{Said, Shared, fence, kept, mute, turn_off, watch, words};
use crate::api;
use crate::api::server::Reply;
use crate::api::types::{GivingUpReport, Time, VouchReport};
use crate::failover::lease::{LeaseStore, Trouble};
use crate::failover::switches::Switches;
use crate::host::alarm::Alarm;
use crate::host::{clock, process};
use clawmend_core::failover::lease::word::{self, Word};
use clawmend_core::failover::lease::{
    ActId, Answer, Directive, Evidence, Fenced, Gateway, Holder, Order, PausePolicy, Request, RequestId, Telling, View,
};
use clawmend_core::gateway::Incarnation;
use clawmend_core::time::Moment;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot, watch as latest};
use tokio::task::JoinHandle;

/// Facts that wait. Whoever tells waits when it is full, so nothing is lost.
const HEARD: usize = 64;
/// Between two orders to prove the same end, in milliseconds: one may take a few seconds.
const PROVE_AGAIN_MS: u64 = 10_000;
/// Between two questions how the channels of an owner are, in milliseconds: so it is heard that somebody else reads the same
/// bot. OpenClaw tells it by itself about once a minute (2026.9.6).
const LISTEN_EVERY_MS: u64 = 5_000;
/// The two clocks of this machine differ by more than this only after a sleep, in milliseconds.
const SLEPT_MS: u64 = 250;

struct Node {
    shared: Rc<Shared>,
    store: Rc<LeaseStore>,
    holder: Holder,
    out: Vec<Directive>,
    writer: kept::Writer,
    acts: mpsc::Sender<Act>,
    arming: latest::Sender<Option<Fenced>>,
    heard: mpsc::Sender<Heard>,
    /// The question that is on its way.
    asking: Option<JoinHandle<()>>,
    /// The process that runs, and what made it.
    running: Option<(ActId, Incarnation)>,
    /// What people are to hear once it is durable.
    words: Vec<(oneshot::Sender<Reply>, String)>,
    switches: Switches,
    /// Machines that are being turned off.
    hooks: Vec<turn_off::AtWork>,
    /// One look at the hook's disk at a time.
    disk: Arc<Semaphore>,
    /// A gateway that runs mute is looked at.
    muteness: Option<(Incarnation, mute::Watch)>,
    /// A process that nobody here has started, seen once. A start may be about to be told.
    stranger: Option<Incarnation>,
    /// No proof of an end is asked for again before.
    prove_at: Moment,
    /// When an owner's channels are asked for next.
    listen_at: Moment,
    /// How far the clock that counts sleep is ahead of the one that does not.
    ahead_ms: u64,
}

/// Runs until the guard ends.
pub(super) async fn run(
    shared: Rc<Shared>,
    store: LeaseStore,
    (mut outcomes, mut orders): (mpsc::Receiver<Outcome>, mpsc::Receiver<Said>),
) {
    let (heard, mut inbox) = mpsc::channel(HEARD);
    let mut node = begin(Rc::clone(&shared), store, heard);
    let state = watch::found(&shared.keeper).await;
    let orphan = shared.body.borrow().as_ref().and_then(|body| body.child()?.orphan()).map(|(life, _)| life);
    node.found(watch::evidence_of(&state, orphan));
    watch::children(shared.keeper.clone(), node.heard.clone());
    watch::hindrance(Rc::clone(&shared.ward), node.heard.clone());
    watch::store(Rc::clone(&node.store), shared.settings.figures, node.heard.clone());
    let mut alarm = Alarm::new();
    let mut ends = false;
    loop {
        node.carry_out().await;
        if ends && node.has_left() {
            return;
        }
        let now = clock::now().mono;
        let wake = node.holder.next_wake(now);
        let wake = shared.gate.expires_at().map_or(wake, |at| at.min(wake)).max(now);
        tokio::select! {
            biased;
            Some(outcome) = outcomes.recv() => node.outcome(outcome),
            Some(heard) = inbox.recv() => node.hear(heard),
            Some((order, reply)) = orders.recv() => node.order(order, reply),
            () = shared.ends.notified(), if !ends => {
                ends = true;
                node.observe(&Evidence::GuardEnds);
            }
            () = alarm.reached(wake) => {}
        }
        node.turn();
    }
}

fn begin(shared: Rc<Shared>, store: LeaseStore, heard: mpsc::Sender<Heard>) -> Node {
    let (acts, ordered) = mpsc::channel(ACTS);
    let (arming, wanted) = latest::channel(None);
    watch::deadman(shared.keeper.clone(), wanted, shared.fence.clone(), heard.clone());
    let switches = Switches::new(shared.home.clone(), super::super::own_uid(), &shared.state);
    let hands = Hands {
        gate: Rc::clone(&shared.gate),
        dir: shared.keeper.clone(),
        state_dir: shared.home.state_dir.clone(),
        switches: Switching::new(switches.clone()),
        ward: Rc::clone(&shared.ward),
        heard: heard.clone(),
        fence: shared.fence.clone(),
        keeper: None,
        last: ActId::default(),
        beside: None,
    };
    tokio::task::spawn_local(hands.run(ordered));
    shared.report.borrow_mut().store = store.describe();
    Node {
        holder: Holder::new(shared.settings.node(), shared.memory.clone()),
        writer: kept::Writer::new(&shared.state, &shared.settings.lease()),
        store: Rc::new(store),
        shared,
        out: Vec::new(),
        acts,
        arming,
        heard,
        asking: None,
        running: None,
        words: Vec::new(),
        hooks: Vec::new(),
        disk: Arc::new(Semaphore::new(1)),
        switches,
        muteness: None,
        stranger: None,
        prove_at: Moment(0),
        listen_at: Moment(0),
        ahead_ms: (0..3).map(|_| ahead_ms()).max().unwrap_or_default(),
    }
}

/// At most by so much. This thread may stand still between the two clocks, so the highest of several counts.
fn ahead_ms() -> u64 {
    clock::now().mono.0.saturating_sub(clock::monotonic_ms())
}

impl Node {
    /// What the keeper has, behind everything that the guard before us had ordered.
    fn found(&mut self, gateway: Gateway) {
        if let Gateway::Found { life: Some(life), .. } = &gateway {
            self.shared.ward.carries_already();
            self.runs(ActId::default(), life.clone());
        } else if self.holder.memory().active.is_none() {
            // Nobody may start it by hand with its channels on, either.
            self.act(Act::Disable);
        }
        self.observe(&Evidence::Gateway(gateway));
        if self.holder.lease().is_none() {
            // Whatever the guard before us had left open: this node does not go on as the owner.
            self.arming.send_replace(None);
        }
        self.see_that_it_is_fenced();
    }

    /// A gateway that runs outside of the egress fence is not left to run: one that an earlier guard had started without
    /// it, or a keeper that was not in it.
    fn see_that_it_is_fenced(&mut self) {
        let outside = self.shared.fence.as_ref().zip(self.running.as_ref());
        if outside.is_some_and(|(fence, (_, life))| !fence.holds(life)) {
            self.observe(&Evidence::Unfenced);
        }
    }

    /// Nothing may leave this machine any more, or nothing is to.
    fn shut_off(&self) {
        self.arming.send_if_modified(|wanted| wanted.take().is_some());
    }

    fn runs(&mut self, made_by: ActId, life: Incarnation) {
        watch::its_end(life.clone(), made_by, self.acts.clone());
        self.shared.ward.set_life(Some(life.clone()));
        self.running = Some((made_by, life));
    }

    /// Time passes.
    fn turn(&mut self) {
        let ahead_ms = ahead_ms();
        if ahead_ms > self.ahead_ms.saturating_add(SLEPT_MS) {
            self.observe(&Evidence::Woke);
        }
        self.ahead_ms = self.ahead_ms.max(ahead_ms);
        let now = clock::now().mono;
        if let Some(grant) = self.shared.gate.expired(now) {
            self.observe(&Evidence::Gateway(Gateway::NotStarted { act: grant.act }));
        }
        self.holder.poll(now, &mut self.out);
        if self.holder.owns() && now >= self.listen_at {
            self.listen_at = now.plus(LISTEN_EVERY_MS);
            self.shared.ward.wants_word();
        }
    }

    /// Nothing is being given back, and nothing has ended whose end is not proven yet.
    fn has_left(&self) -> bool {
        let unproven = self.running.as_ref().is_some_and(|(_, life)| !process::is_alive(life));
        !unproven && self.holder.giving_up().is_none() && self.asking.as_ref().is_none_or(JoinHandle::is_finished)
    }

    fn observe(&mut self, evidence: &Evidence) {
        self.holder.observe(clock::now().mono, evidence, &mut self.out);
    }

    fn outcome(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Started(act, life) => {
                self.runs(act, life.clone());
                self.observe(&Evidence::Gateway(Gateway::Started { act, life }));
                self.see_that_it_is_fenced();
            }
            Outcome::NotStarted(act) => self.observe(&Evidence::Gateway(Gateway::NotStarted { act })),
            Outcome::Unknown(grant) => {
                watch::resolve(grant, Rc::clone(&self.shared.gate), self.shared.keeper.clone());
            }
            Outcome::Rival => self.observe(&Evidence::Conflict),
        }
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Evidence(evidence) => {
                if let Evidence::Answered { answer, .. } = &evidence {
                    self.note_answer(answer);
                }
                if let Evidence::Hindered(hindered) = &evidence {
                    self.shared.report.borrow_mut().hindered = *hindered;
                }
                if let Evidence::Gateway(Gateway::Ended { after }) = &evidence
                    && self.running.as_ref().is_some_and(|(act, _)| after >= act)
                {
                    self.running = None;
                    self.shared.ward.set_life(None);
                }
                self.observe(&evidence);
            }
            Heard::Child(child) => self.child(child),
        }
    }

    /// A process that nobody here has started is ended, once it was seen twice: its start may be about to be told.
    fn child(&mut self, child: Option<Incarnation>) {
        // The proof that was ordered at its end may have failed.
        let lost = self.running.as_ref().filter(|(_, life)| child.is_none() && !process::is_alive(life));
        let now = clock::now().mono;
        if let Some(act) = lost.map(|(act, _)| *act).filter(|_| now >= self.prove_at) {
            self.prove_at = now.plus(PROVE_AGAIN_MS);
            self.act(Act::Prove(act));
        }
        let known = |life: &Incarnation| self.running.as_ref().is_some_and(|(_, ours)| ours == life);
        let strange = child.filter(|life| !known(life) && !self.shared.gate.is_taken());
        if let Some(life) = &strange
            && self.stranger.as_ref() == Some(life)
        {
            self.observe(&Evidence::Gateway(Gateway::Stranger(life.clone())));
        }
        self.stranger = strange;
    }

    /// Everything that was decided, in its order.
    async fn carry_out(&mut self) {
        // An order that cannot be carried out is a fact, and may lead to others: bounded by what the machine tries.
        let mut all_durable = true;
        for _ in 0..8 {
            let mut durable = true;
            for directive in std::mem::take(&mut self.out) {
                if directive == Directive::Persist {
                    durable = self.persist().await;
                    all_durable &= durable;
                } else if let (Directive::Start { act, .. } | Directive::StartMute { act, .. }, false) =
                    (&directive, durable)
                {
                    self.observe(&Evidence::Gateway(Gateway::NotStarted { act: *act }));
                } else if let (Directive::Open { act, .. }, false) = (&directive, durable) {
                    self.observe(&Evidence::Gateway(Gateway::NotOpened { act: *act }));
                } else {
                    self.carry(directive);
                }
            }
            if self.out.is_empty() {
                break;
            }
        }
        if self.holder.lease().is_none() && (self.running.is_none() || self.holder.is_mute()) {
            self.shut_off();
        }
        let term = self.holder.lease().map(|lease| lease.term);
        self.hooks.retain(|hook| !hook.is_over(term));
        self.confirm(all_durable);
        self.look_at_the_mute();
        // What is being given up is not started any more, whoever wants it.
        self.shared.gate.set_owns(self.holder.lease().is_some() && self.holder.giving_up().is_none());
        self.report();
    }

    fn carry(&mut self, directive: Directive) {
        match directive {
            Directive::Ask { request, what } => self.ask(request, what),
            Directive::Start { act, not_after, .. } => self.start(act, Limit { not_after, mute: false }),
            Directive::StartMute { act, not_after } => self.start(act, Limit { not_after, mute: true }),
            Directive::Open { act, not_after, .. } => {
                // From now on it is to speak.
                self.muteness = None;
                self.act(Act::Open { act, not_after });
            }
            Directive::End { act, why } => {
                // What is said may have to wait for whoever reads the log.
                if fence::at_once(why) {
                    self.shut_off();
                }
                self.act(Act::End(act));
                self.shared.say(&words::ending(why));
            }
            Directive::Quiesce { until } => self.act(Act::Quiesce { until }),
            Directive::Disable => self.act(Act::Disable),
            Directive::Arm { term, until } => {
                self.arming.send_replace(Some(Fenced { term, until }));
            }
            Directive::TurnOff { node, term } => {
                self.hooks.push(turn_off::turn_off(
                    &self.shared.settings,
                    (node, term),
                    &self.disk,
                    self.heard.clone(),
                ));
            }
            Directive::Tell(telling) => self.tell(&telling),
            // It was done where it stood.
            Directive::Persist => {}
        }
    }

    fn start(&mut self, act: ActId, limit: Limit) {
        self.act(Act::Start(Grant { act, limit }));
    }

    /// What does not fit is decided again: an end is insisted on, a start is over at its moment.
    fn act(&mut self, act: Act) {
        let Err(error) = self.acts.try_send(act) else { return };
        tracing::error!("too much waits to be done with the gateway");
        match error.into_inner() {
            Act::Start(grant) => self.observe(&Evidence::Gateway(Gateway::NotStarted { act: grant.act })),
            Act::Open { act, .. } => self.observe(&Evidence::Gateway(Gateway::NotOpened { act })),
            Act::End(_) | Act::Prove(_) | Act::Disable | Act::Quiesce { .. } => {}
        }
    }

    /// As long as it is to be mute.
    fn look_at_the_mute(&mut self) {
        let life = self.running.as_ref().map(|(_, life)| life).filter(|_| self.holder.is_mute());
        if life == self.muteness.as_ref().map(|(life, _)| life) {
            return;
        }
        let watched = life.map(|life| mute::Watched {
            life: life.clone(),
            config: self.shared.home.config_path.clone(),
            switches: Switching::new(self.switches.clone()),
            ward: Rc::clone(&self.shared.ward),
            gate: Rc::clone(&self.shared.gate),
            heard: self.heard.clone(),
        });
        self.muteness = watched.map(|watched| (watched.life.clone(), mute::watch(watched)));
    }

    fn ask(&mut self, request: RequestId, what: Request) {
        // The one before it has no answer that would count.
        if let Some(before) = self.asking.take().filter(|before| !before.is_finished()) {
            before.abort();
            let after = Duration::from_millis(self.shared.settings.figures.answer_ms);
            let late = Some(Trouble::Late { after }.to_string());
            self.shared.report.borrow_mut().store_says(late, clock::now().wall);
        }
        let (store, heard, shared) = (Rc::clone(&self.store), self.heard.clone(), Rc::clone(&self.shared));
        self.asking = Some(tokio::task::spawn_local(async move {
            let sent = clock::now().mono;
            let told = store.ask(&what).await;
            shared.report.borrow_mut().store_says(told.trouble.map(|trouble| trouble.to_string()), clock::now().wall);
            let _ = heard.send(Heard::Evidence(Evidence::Answered { request, sent, answer: told.answer })).await;
        }));
    }

    async fn persist(&mut self) -> bool {
        // Shorter than what counts as a sleep of the guard.
        let patience = Duration::from_millis(self.shared.settings.figures.asleep_ms / 2);
        self.writer.save(self.holder.memory(), patience).await
    }

    fn tell(&self, telling: &Telling) {
        self.shared.say(&words::telling(telling, &|node| self.shared.name_of(node)));
        let machines = words::machines(telling).iter().map(|node| self.shared.name_of(*node)).collect();
        let (epoch, term) = (self.holder.memory().epoch, self.holder.memory().seen);
        let word = Word { telling: telling.clone(), machines };
        if let Some(notice) = word::notice(&self.shared.home.id, (epoch, term), word, clock::now().wall) {
            self.shared.voice.word(&notice);
        }
    }

    /// For `status` only.
    fn note_answer(&self, answer: &Answer) {
        let (Answer::Seen(View { holder, suspects, .. }) | Answer::Refused(View { holder, suspects, .. })) = answer
        else {
            return;
        };
        let mut report = self.shared.report.borrow_mut();
        report.owner = holder.map(|node| self.shared.name_of(node));
        report.suspects = suspects.iter().map(|node| self.shared.name_of(*node)).collect();
    }

    fn report(&self) {
        let now = clock::now();
        let mut report = self.shared.report.borrow_mut();
        let lease = self.holder.lease();
        if lease.is_some() {
            report.owner = Some(self.shared.name_of(self.shared.settings.node));
        } else if report.term.is_some() {
            report.owner = None;
        }
        report.role = match (lease, self.holder.owns()) {
            (Some(_), true) => "owner",
            (Some(_), false) => "taking_over",
            (None, _) => "candidate",
        }
        .to_owned();
        report.term = lease.map(|lease| lease.term.0);
        report.known_term = Some(self.holder.memory().seen.0);
        report.lease_until = lease.map(|lease| Time(now.wall_of(lease.deadline)));
        report.egress_fence = self.shared.fence.as_ref().map(|fence| fence.report(&now));
        (report.held, report.wanted) = (self.holder.memory().held, self.holder.memory().wanted);
        report.giving_up = self.holder.giving_up().map(|of| GivingUpReport {
            why: words::why(of.why).to_owned(),
            to: of.to.map(|node| self.shared.name_of(node)),
            until: of.until.map(|at| Time(now.wall_of(at))),
        });
        report.warm = self.shared.settings.warm.then(|| self.holder.is_warm());
        // Who runs needs nobody's word any more. With a hook it is a way out only for who waits for it in vain.
        let speaks = self.running.is_some() && !self.holder.is_mute();
        let asks = !speaks
            && match self.shared.settings.paused {
                PausePolicy::Manual => true,
                PausePolicy::ExternalFence => lease.is_some(),
                PausePolicy::ResidualWindow => false,
            };
        report.vouch = self.holder.to_vouch_for().filter(|_| asks).map(|vouch| VouchReport {
            term: vouch.term.0,
            nodes: vouch.nodes.iter().map(|node| self.shared.name_of(*node)).collect(),
        });
        if lease.is_some() {
            report.suspects = report.vouch.iter().flat_map(|vouch| vouch.nodes.clone()).collect();
        }
    }

    fn order(&mut self, order: Order, reply: oneshot::Sender<Reply>) {
        let answer = super::orders::answer(&order, &self.shared.report.borrow());
        if let api::Answer::Done { message } = answer {
            self.observe(&Evidence::Person(order));
            self.words.push((reply, message));
        } else {
            let _ = reply.send(answer.into());
        }
    }

    /// What people have said is obeyed, also by the next guard; or it is said that the next one may not know of it.
    fn confirm(&mut self, durable: bool) {
        for (reply, message) in self.words.drain(..) {
            let answer = if durable {
                api::Answer::Done { message }
            } else {
                let why =
                    "it is obeyed, but could not be written down yet: a guard that ends now forgets it".to_owned();
                api::Answer::Failed { why }
            };
            let _ = reply.send(answer.into());
        }
    }
}
