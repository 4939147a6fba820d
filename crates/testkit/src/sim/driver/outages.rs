//! The times in which the guard does nothing: starved, asleep, dead, and what it finds after that.

use super::super::brain::Brain;
use super::super::process::NEVER;
use super::super::world::Out;
use super::Life;
use clawmend_core::observation::{Appeared, Evidence, Exit, Gone, GuardSelf};

impl<B: Brain> Life<B> {
    /// The guard got the CPU again: everything that waited comes at once, and not always in order.
    pub(super) fn late(&mut self) -> bool {
        let now = self.world.now;
        let late_ms = now - self.world.out_since;
        self.world.guard_returns();
        // Both clocks are read at the first turn: a sleep in the middle is told with the lateness.
        let slept_ms = std::mem::take(&mut self.world.slept_unseen_ms);
        self.observe(&Evidence::Guard(GuardSelf { late_ms, slept_ms, ..GuardSelf::default() }));
        if self.asked.is_some() && self.world.rng.chance(500) {
            self.probe_at = now;
        }
        self.released_answers();
        true
    }

    pub(super) fn sleep(&mut self) {
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
    pub(super) fn reborn(&mut self) -> bool {
        let now = self.now();
        self.world.guard_returns();
        self.world.slept_unseen_ms = 0;
        self.world.guard_up = true;
        self.world.guard_since = now.mono.0;
        self.world.oracle.log(now.mono.0, || "guard: a new one takes over".to_owned());
        self.brain = B::born(self.world.setting, self.saved.clone(), now);
        self.under_way = None;
        self.asked = None;
        self.look_at = NEVER;
        self.probe_at = NEVER;
        self.world.tell_kills();
        let (config, disk) = (self.world.config(), self.world.disk());
        self.world.tell(0, config);
        self.world.tell(0, disk);
        if self.world.serviced() {
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
            (None, Some((incarnation, exit))) if self.world.child() => {
                let gone = Gone { incarnation: incarnation.clone(), exit: *exit, uncertainty_ms: 0 };
                self.world.tell(2, Evidence::Gone(gone));
            }
            // Where nobody keeps anything of a life that is over, there is none.
            (None, Some(_)) if self.world.by_hand() => self.world.tell(2, Evidence::NotThere),
            (None, Some((incarnation, _))) => {
                let gone = Gone { incarnation: incarnation.clone(), exit: Exit::Unknown, uncertainty_ms: 5_000 };
                self.world.tell(2, Evidence::Gone(gone));
            }
            (None, None) => self.world.tell(2, Evidence::NotThere),
        }
    }
}
