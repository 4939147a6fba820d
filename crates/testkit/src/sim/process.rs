//! The modelled gateway process: what it does, what it answers, what the kernel says of it.
//!
//! Invariant: while it is halted (stopped, frozen, traced) or its event loop is blocked, nothing in it moves: its own
//! times shift by as long as that lasts. Start at [`Process::step`].

mod stage;

pub use stage::{Block, BootPlan, Flaw, Happened, Stage, Then};

use super::fitted;
use super::rng::Rng;
use clawmend_core::gateway::Incarnation;
use clawmend_core::observation::{Exit, Held, RunState};

/// Never.
pub const NEVER: u64 = u64::MAX;

/// One life.
#[derive(Clone, Debug)]
pub struct Process {
    /// Who.
    pub incarnation: Incarnation,
    /// When.
    pub born: u64,
    /// Where it is.
    pub stage: Stage,
    /// What is really wrong with it.
    pub flaw: Option<Flaw>,
    /// Stopped by a signal.
    pub stopped: bool,
    /// Frozen by its cgroup.
    pub frozen: bool,
    /// Held by a debugger.
    pub traced: bool,
    /// A client is at its inspector.
    pub inspected: bool,
    /// The event loop does not turn.
    pub block: Option<Block>,
    /// Channels that OpenClaw's breaker left out.
    pub suppressed: bool,
    /// A channel that is deaf.
    pub deaf_channel: bool,
    /// Its provider refuses it: a start does not help yet.
    pub channel_refused: bool,
    /// It has a row in the boot ledger.
    pub in_ledger: bool,
    /// It drains real work.
    pub working: bool,
    /// First time it was ready.
    pub ready_at: Option<u64>,
    plan: BootPlan,
    next_at: u64,
    block_until: u64,
    blocked_at: u64,
    halted_at: u64,
    term_pending: bool,
    cpu_base: u64,
    switches_base: u64,
    rates_at: u64,
    cpu_rate: u64,
    switch_rate: u64,
}

impl Process {
    /// Exec.
    #[must_use]
    pub fn new(incarnation: Incarnation, now: u64, plan: BootPlan, rng: &mut Rng) -> Self {
        let (stage, next_at) = match plan.fails {
            Some(code) if code == Exit::REFUSED => (Stage::Failing(code), now + fitted::REFUSED.sample(rng)),
            Some(code) => (Stage::Failing(code), now + fitted::PORT_TAKEN.sample(rng)),
            None => (Stage::Exec, now + fitted::BOOT_HANDLERS.sample(rng).min(plan.listen_ms)),
        };
        Self {
            incarnation,
            born: now,
            stage,
            flaw: None,
            stopped: false,
            frozen: false,
            traced: false,
            inspected: false,
            block: None,
            suppressed: false,
            deaf_channel: false,
            channel_refused: false,
            in_ledger: false,
            working: false,
            ready_at: None,
            plan,
            next_at,
            block_until: NEVER,
            blocked_at: 0,
            halted_at: 0,
            term_pending: false,
            cpu_base: 0,
            switches_base: 0,
            rates_at: now,
            cpu_rate: plan.cpu,
            switch_rate: 200,
        }
    }

    /// When something will happen in it by itself.
    #[must_use]
    pub fn next_at(&self) -> u64 {
        if self.halted() {
            NEVER
        } else if self.block.is_some() {
            self.block_until
        } else {
            self.next_at
        }
    }

    /// Nothing in it runs.
    #[must_use]
    pub const fn halted(&self) -> bool {
        self.stopped || self.frozen || self.traced
    }

    /// Its event loop turns.
    #[must_use]
    pub const fn turns(&self) -> bool {
        !self.halted() && self.block.is_none()
    }

    /// Its port is open.
    #[must_use]
    pub const fn listens(&self) -> bool {
        matches!(self.stage, Stage::Sidecars | Stage::Serving | Stage::Draining(_))
    }

    /// It serves and answers.
    #[must_use]
    pub const fn serves(&self) -> bool {
        matches!(self.stage, Stage::Serving) && self.turns()
    }

    /// It ends in order and nothing is wrong with that.
    #[must_use]
    pub fn drains_well(&self) -> bool {
        matches!(self.stage, Stage::Draining(_) | Stage::Closing(_)) && self.flaw.is_none()
    }

    /// Its start goes on.
    #[must_use]
    pub fn boots_well(&self) -> bool {
        matches!(self.stage, Stage::Exec | Stage::Failing(_) | Stage::Booting | Stage::Sidecars | Stage::Inner)
            && self.flaw.is_none()
    }

    /// Who holds it.
    #[must_use]
    pub const fn held(&self) -> Option<Held> {
        if self.frozen {
            Some(Held::Frozen)
        } else if self.traced {
            Some(Held::Traced { tracer: 4242 })
        } else if self.inspected {
            Some(Held::Inspected)
        } else {
            None
        }
    }

    /// CPU so far.
    #[must_use]
    pub fn cpu_ms(&self, now: u64) -> u64 {
        self.cpu_base + (now.saturating_sub(self.rates_at)) * self.cpu_rate / 1_000
    }

    /// Voluntary switches so far.
    #[must_use]
    pub fn switches(&self, now: u64) -> u64 {
        self.switches_base + (now.saturating_sub(self.rates_at)) * self.switch_rate / 1_000
    }

    /// What the kernel says of its main thread.
    pub fn run_state(&self, rng: &mut Rng) -> RunState {
        if self.frozen {
            return RunState::Sleeping;
        }
        if self.stopped {
            return RunState::Stopped;
        }
        if self.traced {
            return RunState::Traced;
        }
        match self.block {
            Some(Block::Spin) => RunState::Running,
            Some(Block::Wait) => RunState::Sleeping,
            Some(Block::Disk) => RunState::Blocked,
            None if self.cpu_rate > 200 && rng.chance(700) => RunState::Running,
            None => RunState::Sleeping,
        }
    }

    /// Sets the rates that fit what it does now.
    fn refit(&mut self, now: u64) {
        self.cpu_base = self.cpu_ms(now);
        self.switches_base = self.switches(now);
        self.rates_at = now;
        let (cpu, switches) = if self.halted() {
            (0, 0)
        } else {
            match (self.block, self.stage) {
                (Some(Block::Spin), _) => (620, 0),
                (Some(Block::Wait | Block::Disk), _) => (0, 0),
                (None, Stage::Exec | Stage::Failing(_) | Stage::Booting | Stage::Inner) if self.plan.stuck => (1, 1),
                (None, Stage::Exec | Stage::Failing(_) | Stage::Booting | Stage::Inner) => (self.plan.cpu, 200),
                (None, Stage::Sidecars) => (400, 200),
                (None, Stage::Serving | Stage::Draining(_) | Stage::Closing(_) | Stage::Deaf) => {
                    (fitted::IDLE_CPU, fitted::IDLE_SWITCHES)
                }
            }
        };
        self.cpu_rate = cpu;
        self.switch_rate = switches;
    }

    /// Changes what halts it.
    pub fn halt(&mut self, now: u64, change: impl FnOnce(&mut Self)) {
        let (before, stopped) = (self.halted(), self.stopped);
        change(self);
        let after = self.halted();
        if !before && after {
            self.halted_at = now;
        } else if before && !after {
            self.shift(now - self.halted_at);
        }
        self.refit(now);
        // Each stop by a signal is a voluntary switch of its own, whatever it did before (Linux 6.18, measured).
        self.switches_base += u64::from(!stopped && self.stopped);
    }

    /// Its own times move by so much (it was halted, or the machine slept).
    pub fn shift(&mut self, by: u64) {
        for at in [&mut self.next_at, &mut self.block_until] {
            *at = at.saturating_add(by);
        }
        self.blocked_at = self.blocked_at.saturating_add(by);
    }

    /// The machine slept: nothing ran, and nothing was used.
    pub fn slept(&mut self, woke: u64, by: u64) {
        self.cpu_base = self.cpu_ms(woke - by);
        self.switches_base = self.switches(woke - by);
        self.rates_at = woke;
        if self.halted() {
            self.halted_at = self.halted_at.saturating_add(by);
        } else {
            self.shift(by);
        }
    }

    /// The event loop stops turning.
    pub fn block_for(&mut self, now: u64, block: Block, ms: u64) {
        if self.block.is_some() || self.halted() {
            return;
        }
        self.block = Some(block);
        self.blocked_at = now;
        self.block_until = now.saturating_add(ms);
        self.refit(now);
    }

    /// Its listener is gone, and nothing in it will bring it back.
    pub fn lose_listener(&mut self, now: u64) {
        self.stage = Stage::Deaf;
        self.next_at = NEVER;
        self.refit(now);
    }

    /// SIGTERM. `None`: it waits until it can be taken.
    pub fn terminate(&mut self, now: u64, drain_ms: u64, then: Then) -> Option<Happened> {
        if self.halted() || self.block.is_some() {
            self.term_pending = true;
            return None;
        }
        match self.stage {
            Stage::Exec | Stage::Failing(_) => Some(Happened::Ended(Exit::Signal { signal: 15, core: false })),
            Stage::Draining(_) | Stage::Closing(_) => {
                if let (Stage::Draining(before), Then::Exit) = (self.stage, then)
                    && before == Then::Inside
                {
                    self.stage = Stage::Draining(Then::Exit);
                }
                None
            }
            Stage::Booting | Stage::Sidecars | Stage::Serving | Stage::Inner | Stage::Deaf => {
                let stuck = self.flaw == Some(Flaw::DrainStuck);
                if self.stage == Stage::Booting || self.stage == Stage::Inner || self.stage == Stage::Deaf {
                    self.stage = Stage::Closing(then);
                    self.next_at = now + drain_ms.min(1_500);
                } else {
                    self.stage = Stage::Draining(then);
                    self.next_at = if stuck { NEVER } else { now + drain_ms };
                }
                self.refit(now);
                Some(Happened::Drains)
            }
        }
    }

    /// A SIGTERM waits to be taken.
    #[must_use]
    pub const fn term_waits(&self) -> bool {
        self.term_pending
    }

    /// Whether that SIGTERM can be taken now; it is then no longer waiting.
    pub fn take_pending(&mut self) -> bool {
        self.term_pending && self.turns() && std::mem::take(&mut self.term_pending)
    }

    /// Goes on to its next stage.
    pub fn step(&mut self, now: u64, rng: &mut Rng) -> Happened {
        if self.block.is_some() {
            self.block = None;
            let by = now - self.blocked_at;
            self.next_at = self.next_at.saturating_add(by);
            self.refit(now);
            return Happened::Unblocked;
        }
        let happened = match self.stage {
            Stage::Exec => {
                self.stage = Stage::Booting;
                self.in_ledger = true;
                self.next_at = if self.plan.stuck { NEVER } else { (self.born + self.plan.listen_ms).max(now + 1) };
                if self.plan.stuck {
                    self.flaw = Some(Flaw::BootStuck);
                }
                Happened::Handlers
            }
            Stage::Booting | Stage::Inner => {
                self.stage = Stage::Sidecars;
                self.next_at = now + self.plan.ready_ms;
                Happened::Listening
            }
            Stage::Sidecars => {
                self.stage = Stage::Serving;
                self.next_at = NEVER;
                self.ready_at.get_or_insert(now);
                Happened::Ready
            }
            Stage::Draining(then) => {
                self.stage = Stage::Closing(then);
                self.next_at = now + fitted::END_CLOSE.sample(rng);
                self.working = false;
                Happened::Closed(then)
            }
            Stage::Closing(Then::Inside) => {
                self.stage = Stage::Inner;
                self.next_at = now + fitted::INNER_RESTART.sample(rng);
                Happened::Inner
            }
            Stage::Closing(Then::Exit) => Happened::Ended(Exit::Code { code: 0 }),
            Stage::Failing(code) => Happened::Ended(Exit::Code { code }),
            Stage::Serving | Stage::Deaf => {
                self.next_at = NEVER;
                Happened::Nothing
            }
        };
        self.refit(now);
        happened
    }
}
