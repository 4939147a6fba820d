//! Directives of the guard, turned into effects with realistic delays, and judged when they are issued and when they
//! take effect.

use super::fitted;
use super::oracle::Fault;
use super::process::{Flaw, Process, Stage, Then};
use super::unit::{Ask, Deed, Reply};
use super::world::{UncleanEnd, World};
use clawmend_core::directive::{Action, ActionResult, Directive, DirectiveId};
use clawmend_core::gateway::{Control, Incarnation};
use clawmend_core::observation::{Evidence, Exit, KillLeft};

/// An action on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Which directive.
    pub id: DirectiveId,
    /// For which life.
    pub target: Option<Incarnation>,
    /// What.
    pub action: Action,
}

/// Starts by the guard's hand, per hour, that no policy may exceed.
const STARTS_PER_HOUR: usize = 150;
/// Kills that stay on record.
pub(super) const KILLS_KEPT: usize = 4;

impl World {
    /// A directive left the guard.
    pub fn issue(&mut self, directive: &Directive, under_way: Option<DirectiveId>) {
        let now = self.now;
        self.oracle
            .log(now, || format!("guard: {} ({}) #{}", directive.action.name(), directive.reason, directive.id.0));
        self.judge_issue(directive, under_way);
        let rng = &mut self.rng;
        let delay = match directive.action {
            Action::Spawn => fitted::SPAWN.sample(rng),
            Action::Hasten
            | Action::StartUnit { .. }
            | Action::RestartUnit
            | Action::StopUnit
            | Action::EnableUnit { .. } => fitted::BUS_CALL.sample(rng),
            Action::Terminate { .. } => 1,
            Action::Kill | Action::Sweep | Action::RestoreConfig { .. } | Action::FreeLogs | Action::SetLockAside => {
                fitted::FSYNC.sample(rng)
            }
            Action::StartChannel { .. } | Action::ReloadSecrets => fitted::CHANNEL_START.sample(rng),
        };
        if directive.action == Action::Kill {
            if self.kills.len() >= KILLS_KEPT {
                self.kills.pop_front();
            }
            self.kills.push_back((now, directive.clone()));
        }
        let effect = Effect { id: directive.id, target: directive.target.clone(), action: directive.action.clone() };
        self.effects.push((now + delay, effect));
    }

    fn judge_issue(&mut self, directive: &Directive, under_way: Option<DirectiveId>) {
        let now = self.now;
        let action = &directive.action;
        let stops = matches!(action, Action::StopUnit | Action::EnableUnit { on: false });
        let ends = stops || matches!(action, Action::Terminate { .. } | Action::Kill | Action::Sweep);
        if let Some(other) = under_way
            && !(ends && self.wishes.down())
        {
            self.oracle.broke(now, "one_remedy_at_a_time", format!("{} while #{} runs", action.name(), other.0));
        }
        let starts = action.is_start() || *action == Action::RestartUnit;
        if starts {
            self.judge_start(action);
        }
        self.judge_rights(action);
        let touches = !matches!(action, Action::EnableUnit { .. });
        let asked = self.wishes.down() || self.wishes.restart || self.wishes.start;
        if self.wishes.paused && touches && !asked {
            self.oracle.broke(now, "persons_wish", format!("{} during a pause", action.name()));
        }
    }

    /// What the guard may only look at it never touches; what was started by hand it neither starts nor ends, unless a
    /// person wants it stopped.
    fn judge_rights(&mut self, action: &Action) {
        let now = self.now;
        let ends = matches!(action, Action::Terminate { .. } | Action::Kill);
        if self.setting.control == Control::Observe {
            self.oracle.broke(now, "only_looks", format!("{} without the right to", action.name()));
        } else if self.by_hand() && !matches!(action, Action::StartChannel { .. }) && !(ends && self.wishes.stopped) {
            self.oracle.broke(now, "started_by_hand", format!("{} of a gateway that is not ours", action.name()));
        }
    }

    fn judge_start(&mut self, action: &Action) {
        let now = self.now;
        let wishes = self.wishes;
        let known = wishes.stopped || wishes.emergency || (wishes.unit_stopped && self.told_stop);
        if known || (wishes.ended_in_pause && !wishes.start) {
            self.oracle.broke(now, "persons_wish", format!("{} although a person stopped it", action.name()));
        }
        while self.our_starts.front().is_some_and(|at| now - at >= 3_600_000) {
            self.our_starts.pop_front();
        }
        self.our_starts.push_back(now);
        if self.our_starts.len() > STARTS_PER_HOUR {
            self.oracle.broke(now, "start_budget", format!("{} starts in an hour", self.our_starts.len()));
        }
    }

    /// An action takes effect.
    pub fn apply(&mut self, effect: Effect) {
        let Effect { id, target, action } = effect;
        let result = match &action {
            Action::Spawn => self.spawn(id),
            Action::Hasten | Action::RestartUnit => self.ask_unit(Ask::TryRestart, id, target.as_ref(), &action),
            Action::StartUnit { reset_limit } => self.ask_unit(Ask::Start { reset: *reset_limit }, id, None, &action),
            Action::StopUnit => self.ask_unit(Ask::Stop, id, None, &action),
            Action::EnableUnit { on } => {
                self.unit.enabled = *on;
                self.unit_changed();
                ActionResult::Done
            }
            Action::Terminate { wake } => self.signal(target.as_ref(), Some(*wake)),
            Action::Kill => self.signal(target.as_ref(), None),
            Action::Sweep if target.is_some() && self.lives(target.as_ref()) => self.signal(target.as_ref(), None),
            Action::Sweep => ActionResult::Done,
            // The modelled guard has kept nothing: configs are mended by the modelled person.
            Action::RestoreConfig { .. } => ActionResult::Moot { reason: "nothing is proven yet".to_owned() },
            // The modelled disk is filled by others, and the modelled doctor never speaks.
            Action::FreeLogs | Action::SetLockAside | Action::ReloadSecrets => {
                ActionResult::Moot { reason: "there is nothing of the kind".to_owned() }
            }
            Action::StartChannel { .. } => self.start_channel(target.as_ref()),
        };
        let now = self.now;
        self.oracle.log(now, || format!("effect of #{}: {} {result:?}", id.0, action.name()));
        self.tell(1, Evidence::Result { directive: id, result });
    }

    /// What a new guard finds on record. Kills that were booked long ago are among them, as if no settling had reached
    /// the disk: they must not count twice.
    pub fn tell_kills(&mut self) {
        for (at, directive) in self.kills.clone() {
            let ended = !self.lives(directive.target.as_ref());
            let left = KillLeft { directive, age_ms: self.now.saturating_sub(at), ended, recorded: true };
            self.tell(0, Evidence::KillLeft(left));
        }
    }

    fn lives(&self, target: Option<&Incarnation>) -> bool {
        self.process.as_ref().is_some_and(|process| Some(&process.incarnation) == target)
    }

    fn spawn(&mut self, id: DirectiveId) -> ActionResult {
        if self.process.is_some() {
            // The keeper knows its child: asked again it names the one that lives.
            return ActionResult::Moot { reason: "it runs".to_owned() };
        }
        self.exec(Some(id));
        ActionResult::Done
    }

    fn ask_unit(&mut self, ask: Ask, id: DirectiveId, target: Option<&Incarnation>, action: &Action) -> ActionResult {
        let now = self.now;
        let restarts_live = *action == Action::RestartUnit;
        if restarts_live && !self.lives(target) {
            return ActionResult::Moot { reason: "another life".to_owned() };
        }
        if *action == Action::Hasten && self.process.is_some() {
            return ActionResult::Moot { reason: "it runs".to_owned() };
        }
        let alive = self.process.is_some();
        let (reply, deed) = self.unit.ask(now, ask, true, alive);
        match (reply, deed) {
            (Reply::Done, Deed::Exec) => {
                if self.wishes.unit_stopped {
                    self.oracle.log(now, || "a start of ours overtook a stop".to_owned());
                }
                self.exec(Some(id));
                ActionResult::Done
            }
            (Reply::Done, Deed::Terminate) => {
                if restarts_live {
                    self.judge_end("restart");
                }
                self.unit_changed();
                self.manager_terminates();
                ActionResult::Done
            }
            (Reply::Done, Deed::None | Deed::Kill) => {
                self.unit_changed();
                ActionResult::Done
            }
            (Reply::Moot, _) => ActionResult::Moot { reason: "nothing to do".to_owned() },
            (Reply::Refused, _) => ActionResult::Moot { reason: "a job is in the way".to_owned() },
            (Reply::Limit, _) => {
                self.oracle.broke(now, "start_limit", "systemd's start limit was hit by our hand");
                self.unit_changed();
                ActionResult::Retry { reason: "start limit".to_owned() }
            }
        }
    }

    /// SIGTERM, then SIGCONT, as systemd sends them.
    pub fn manager_terminates(&mut self) {
        self.sigterm(Then::Exit);
        self.sigcont();
    }

    /// SIGCONT.
    pub fn sigcont(&mut self) {
        let now = self.now;
        let Some(process) = &mut self.process else { return };
        if !process.stopped {
            return;
        }
        process.halt(now, |process| process.stopped = false);
        if process.flaw == Some(Flaw::Frozen) {
            process.flaw = None;
        }
        if process.take_pending() {
            self.sigterm(Then::Exit);
        }
        self.maybe_recovered();
    }

    fn signal(&mut self, target: Option<&Incarnation>, terminate: Option<bool>) -> ActionResult {
        if !self.lives(target) {
            if self.process.is_some() {
                self.oracle.log(self.now, || "a stale directive did nothing".to_owned());
            }
            return ActionResult::Moot { reason: "that life is over".to_owned() };
        }
        match terminate {
            Some(wake) => {
                self.judge_end("terminate");
                self.sigterm(Then::Exit);
                if wake {
                    self.sigcont();
                }
            }
            None => {
                self.judge_end("kill");
                self.judge_kill();
                let delay = fitted::END_KILLED.sample(&mut self.rng);
                self.later.push((self.now + delay, super::script::Later::Dies(target.cloned())));
            }
        }
        ActionResult::Done
    }

    /// An end by the guard's hand: allowed by a wish, or by a real flaw of this very process.
    fn judge_end(&mut self, how: &str) {
        let now = self.now;
        let Some(process) = &self.process else { return };
        let overtook = self.wishes.unit_stopped;
        if self.wishes.stopped || self.wishes.emergency || overtook {
            if how == "kill" && process.drains_well() {
                let text = format!("{how} within its drain: {}", describe(process));
                self.oracle.broke(now, "drain_interrupted", text);
            }
            return;
        }
        if self.wishes.restart && how != "kill" {
            return;
        }
        if process.held().is_some() {
            self.oracle.tally.false_kills += 1;
            self.oracle.broke(now, "held", format!("{how} of a process that someone holds: {}", describe(process)));
        } else if process.flaw.is_none() {
            let rule = if process.drains_well() {
                "drain_interrupted"
            } else if process.boots_well() {
                "boot_interrupted"
            } else {
                "false_kill"
            };
            self.oracle.tally.false_kills += 1;
            self.oracle.broke(now, rule, format!("{how} of a process without a fault: {}", describe(process)));
        }
    }

    fn judge_kill(&mut self) {
        let now = self.now;
        let counts = |end: &&UncleanEnd| end.truly && now - end.at < fitted::BREAKER_WINDOW_MS;
        let recent = self.unclean_ends.iter().filter(counts).count();
        if recent + 1 >= fitted::BREAKER_LIMIT {
            self.oracle.broke(now, "third_unclean_end", format!("{recent} within 300 s before this kill"));
        }
    }

    fn start_channel(&mut self, target: Option<&Incarnation>) -> ActionResult {
        if !self.lives(target) {
            return ActionResult::Moot { reason: "that life is over".to_owned() };
        }
        let rpc = self.rpc;
        let Some(process) = &mut self.process else { return ActionResult::Moot { reason: "gone".to_owned() } };
        if !rpc || !process.listens() || !process.turns() {
            return ActionResult::Retry { reason: "no RPC".to_owned() };
        }
        process.suppressed = false;
        // While its provider refuses it, a start only ends in the same way again.
        let heard = !process.channel_refused;
        process.deaf_channel = process.deaf_channel && !heard;
        let now = self.now;
        // Who starts the channel has found it, under whatever name the open incident has.
        self.oracle.found_by_remedy(now, Fault::Suppressed);
        self.oracle.started(now, |fault| fault == Fault::Suppressed || (heard && fault == Fault::ChannelDeaf));
        self.tell_channels(10);
        self.maybe_recovered();
        ActionResult::Done
    }

    /// The process that a SIGKILL was meant for is gone.
    pub fn dies(&mut self, target: Option<&Incarnation>) {
        if self.lives(target) {
            self.ends(Exit::Signal { signal: 9, core: false });
        }
    }
}

/// The truth of a process, in a few words.
fn describe(process: &Process) -> String {
    let stage = process.stage;
    let working = if process.working && matches!(stage, Stage::Draining(_)) { " with work" } else { "" };
    format!("{stage:?}{working}, block {:?}, flaw {:?}, held {:?}", process.block, process.flaw, process.held())
}
