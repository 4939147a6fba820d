//! The standby's loop: look, decide, change.
//!
//! Invariant: what is decided is durable before it is done; one change is under way at a time; a look that takes long
//! delays the next one and is never made up for.

use super::super::own_uid;
use super::primary::status_of;
use super::{Pair, Said, change, senior, warm, workspace};
use crate::api::request::Answer;
use crate::api::server::Reply;
use crate::api::types::{DesiredState, GatewayStatus, Time};
use crate::failover::kept::{Change, Proven};
use crate::failover::key::PairKey;
use crate::failover::look::{self, Eyes};
use crate::failover::owned::{Reading, Seen};
use crate::failover::peer::wire::Question;
use crate::failover::words;
use crate::host::alarm::Alarm;
use crate::host::clock;
use clawmend_core::alert::notice::Notice;
use clawmend_core::failover::course::{Upkeep, Upkept};
use clawmend_core::failover::{Armed, Evidence, Order, Output, Own, Reason, Role, Standby, Telling, telling};
use clawmend_core::time::Moment;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Between two tries to give back what a step back could not, in milliseconds.
const GIVE_AGAIN_MS: u64 = 120_000;

/// Looks from now on.
pub fn start(pair: Rc<Pair>, key: PairKey, orders: mpsc::Receiver<Said>) {
    tokio::task::spawn_local(async move { run(pair, key, orders).await });
}

struct Node {
    pair: Rc<Pair>,
    eyes: Eyes,
    reading: Reading,
    machine: Standby,
    out: Vec<Output>,
    done: mpsc::Sender<Change>,
    doubt_ms: u64,
    upkeep: Upkeep,
    /// Between two tries to make the gateway warm, in milliseconds.
    retry_ms: u64,
    /// When it was last tried to give back what was written here.
    gave: Moment,
}

async fn run(pair: Rc<Pair>, key: PairKey, mut orders: mpsc::Receiver<Said>) {
    let figures = pair.settings.timing.figures();
    let Some(peer) = pair.settings.peer else { return };
    let limit = Duration::from_millis(figures.look_ms());
    let (peer_gateway, reference) = (pair.settings.peer_gateway, pair.settings.reference);
    let eyes = Eyes { peer, peer_gateway, reference, key: key.clone(), limit };
    let (done, mut changed) = mpsc::channel(1);
    let mut out = Vec::new();
    let machine = Standby::new(figures, pair.kept.borrow().memory.clone(), &mut out).behind(pair.settings.after.len());
    let reading = Reading::new(pair.home.clone(), own_uid(), key, &pair.state);
    let mut node = Node {
        pair,
        eyes,
        reading,
        machine,
        out,
        done,
        doubt_ms: figures.doubt_ms,
        upkeep: Upkeep::default(),
        retry_ms: figures.retry_ms,
        gave: Moment(0),
    };
    node.tell_again();
    node.compare();
    let mut alarm = Alarm::new();
    let mut next = clock::now().mono;
    loop {
        node.carry_out();
        tokio::select! {
            Some(change) = changed.recv() => node.changed(change),
            asked = orders.recv() => match asked {
                Some((order, reply)) => node.order(order, reply),
                None => return,
            },
            () = alarm.reached(next) => {
                node.look().await;
                node.give_again();
                next = next.plus(node.machine.next_look_ms()).max(clock::now().mono);
            }
        }
    }
}

impl Node {
    async fn look(&mut self) {
        let memory = self.machine.memory();
        let question = Question {
            version: crate::version::VERSION.to_owned(),
            role: memory.role,
            held: memory.held,
            wall: clock::now().wall,
        };
        let (after, Eyes { key, limit, .. }) = (&self.pair.settings.after, &self.eyes);
        let (seen, before) = tokio::join!(self.eyes.look(&question), senior::look(after, key, &question, *limit));
        self.note(&seen);
        let seniors = Evidence::Seniors(senior::evidence(&before));
        senior::note(&self.pair, before);
        // A full disk is freed some day.
        self.pair.save_again();
        if let Some(told) = seen.told {
            let keep = self.pair.kept.borrow_mut().theirs.hear(clock::now().wall, &told.accounts);
            if keep {
                self.pair.save();
            }
        }
        self.compare();
        self.machine.observe(clock::now(), &seniors, &mut self.out);
        self.machine.observe(clock::now(), &Evidence::Look(seen.sight), &mut self.out);
        let waits = self.machine.waits().map(|waits| words::waits(waits).to_owned());
        let steadying = self.machine.steadying(clock::now()).map(words::steadying);
        self.pair.report.borrow_mut().waits = waits.or(steadying);
        if matches!(self.machine.memory().role, Role::Active | Role::Promoting) {
            let status = status_of(&self.pair).await;
            let to_run = |status: &GatewayStatus| status.desired == DesiredState::Running;
            let own = status.map_or(Own::Unclear, |status| Own::of(status.verdict, to_run(&status)));
            self.machine.observe(clock::now(), &Evidence::Own(own), &mut self.out);
        }
    }

    fn note(&self, seen: &look::Seen) {
        self.pair.sight.set(Some(seen.sight));
        let mut report = self.pair.report.borrow_mut();
        report.sees = Some(seen.sight);
        report.sight = Some(seen.why.chars().filter(|c| !c.is_control()).take(300).collect());
        if seen.told.is_some() {
            report.seen_at = Some(Time(clock::now().wall));
        }
    }

    /// Both configs, as last known.
    fn compare(&mut self) {
        let (now, bound) = (clock::now().wall, self.doubt_ms);
        let Seen { owned: mine, switched_on, .. } = self.reading.now();
        self.keep_warm(switched_on);
        let kept = self.pair.kept.borrow();
        let armed = kept.theirs.armed("the primary", &mine, now, bound);
        let dated = kept.theirs.dated(now, bound).map(words::dated);
        drop(kept);
        let armed = if armed == Armed::Yes { senior::armed(&self.pair, &mine, now, bound) } else { armed };
        *self.pair.mine.borrow_mut() = Some(mine);
        let mut report = self.pair.report.borrow_mut();
        report.armed = Some(armed == Armed::Yes);
        report.armed_by = dated;
        report.not_armed_because = match &armed {
            Armed::Yes => None,
            Armed::No { why } => Some(why.clone()),
        };
        drop(report);
        self.machine.observe(clock::now(), &Evidence::Armed(armed), &mut self.out);
    }

    fn keep_warm(&mut self, switched_on: Option<bool>) {
        let watches = self.machine.memory().role == Role::Watching;
        let stands_by = self.pair.settings.warm && watches && self.pair.ward.borrow().is_some();
        let was_warm = self.pair.kept.borrow().warm;
        let upkept = Upkept { stands_by, was_warm, switched_on };
        if self.upkeep.is_due(clock::now().mono, self.retry_ms, upkept) {
            drop(warm::keep(Rc::clone(&self.pair)));
        }
    }

    fn give_again(&mut self) {
        let now = clock::now().mono;
        let owes = self.machine.memory().role == Role::Watching && self.pair.kept.borrow().owed;
        if owes && now.since(self.gave) >= GIVE_AGAIN_MS {
            self.gave = now;
            let pair = Rc::clone(&self.pair);
            tokio::task::spawn_local(async move { workspace::give_again(&pair).await });
        }
    }

    fn order(&mut self, order: Order, reply: oneshot::Sender<Reply>) {
        let before = self.out.len();
        self.machine.observe(clock::now(), &Evidence::Person(order), &mut self.out);
        let refused = self.out.iter().skip(before).find_map(|output| match output {
            Output::Refused(refusal) => Some(words::refusal(refusal)),
            Output::Tell(_) | Output::Promote(_) | Output::Demote(_) | Output::Persist => None,
        });
        let role = words::role(self.machine.memory().role);
        let turns = self.machine.memory().outstanding().is_some();
        let is_under_way = matches!(self.machine.memory().role, Role::Promoting | Role::Demoting);
        let answer = match (refused, order) {
            (Some(why), _) => Answer::NeedsPerson { why },
            (None, Order::Release) => {
                Answer::Done { message: format!("this node is {role}, and decides by itself again") }
            }
            (None, Order::Drill) => Answer::Done {
                message: "this node takes over, and steps back when the primary has been well for a while after that"
                    .to_owned(),
            },
            (None, Order::Promote | Order::Demote) if is_under_way && turns => Answer::Done {
                message: format!(
                    "this node is {role} first, which cannot be left half-done; then it turns at once, and stays so until \
                     `clawmend standby release`"
                ),
            },
            (None, Order::Promote | Order::Demote) if is_under_way => Answer::Done {
                message: format!(
                    "this node is {role}; `clawmend standby status` shows how it goes. What comes of it stays so until \
                     `clawmend standby release`"
                ),
            },
            (None, Order::Promote | Order::Demote | Order::Hold) => {
                Answer::Done { message: format!("this node is {role}, and stays so until `clawmend standby release`") }
            }
        };
        let _ = reply.send(answer.into());
    }

    fn changed(&mut self, change: Change) {
        let how = if change.worked { "done" } else { "failed" };
        let steps: Vec<String> =
            change.steps.iter().map(|step| format!("{}: {} ({} ms)", step.step, step.detail, step.took_ms)).collect();
        self.pair.say(&format!("{} {how} after {} ms; {}", words::change(change.to), change.took_ms, steps.join("; ")));
        let worked = change.worked;
        self.gave = clock::now().mono;
        self.pair.report.borrow_mut().last_change = Some((&change).into());
        if let Some(proven) = Proven::by(&change) {
            self.pair.report.borrow_mut().proven = Some(proven.into());
            self.pair.kept.borrow_mut().proven = Some(proven);
        }
        self.pair.kept.borrow_mut().last_change = Some(change);
        self.machine.observe(clock::now(), &Evidence::Done { worked }, &mut self.out);
    }

    /// What was decided, in its order. What people are told becomes durable together with what was decided.
    fn carry_out(&mut self) {
        let out = std::mem::take(&mut self.out);
        let told: Vec<Notice> = out.iter().filter_map(|output| self.word(output)).collect();
        for word in &told {
            self.pair.kept.borrow_mut().note_word(word.clone());
        }
        if !told.is_empty() {
            self.remember();
        }
        for output in out {
            match output {
                Output::Persist => self.remember(),
                Output::Promote(reason) => self.begin(Role::Active, reason),
                Output::Demote(reason) => self.begin(Role::Watching, reason),
                Output::Tell(telling) => {
                    if let Some(words) = words::telling(&telling) {
                        self.pair.say(&words);
                    }
                }
                // It was answered.
                Output::Refused(_) => {}
            }
        }
        told.iter().for_each(|word| self.pair.voice.word(word));
        let memory = self.machine.memory();
        let mut report = self.pair.report.borrow_mut();
        (report.role, report.held) = (Some(memory.role), memory.held);
        (report.why, report.silent_since) = (memory.why, memory.silent.map(Time));
        report.wanted = memory.outstanding();
    }

    fn remember(&self) {
        self.pair.kept.borrow_mut().memory = self.machine.memory().clone();
        self.pair.save();
    }

    /// What people who do not watch are told.
    fn word(&self, output: &Output) -> Option<Notice> {
        let Output::Tell(said) = output else { return None };
        let kept = self.pair.kept.borrow();
        let steps = match (said, &kept.last_change) {
            (Telling::TookOver { .. } | Telling::SteppedBack { .. } | Telling::Failed { .. }, Some(change)) => {
                change.steps.clone()
            }
            _ => Vec::new(),
        };
        Some(telling::notice(&self.pair.home.id, &self.machine.memory().episode, said, &steps, clock::now().wall))
    }

    /// An earlier guard may have ended before its words were heard.
    fn tell_again(&self) {
        self.pair.kept.borrow().words.iter().for_each(|word| self.pair.voice.word(word));
    }

    fn begin(&self, to: Role, reason: Reason) {
        self.pair.say(&format!("{} begins: {}", words::change(to), words::reason(reason)));
        let (pair, done) = (Rc::clone(&self.pair), self.done.clone());
        tokio::task::spawn_local(async move {
            let change = change::carry_out(&pair, to, reason).await;
            let _ = done.send(change).await;
        });
    }
}
