//! Groups of three nodes that share their channels by a lease, in virtual time.
//!
//! The same seed gives the same life. The nodes are the real [`clawmend_core::failover::lease::Holder`] over the real
//! [`clawmend_core::failover::lease::Record`]; network, store, clocks, guards, machines and people around them do what
//! the seed says. Start at [`live`]; [`world`] is the group, [`script`] what happens to it, [`oracle`] the only one who
//! knows which gateways are alive at the same time.

pub mod clock;
pub mod node;
pub mod oracle;
pub mod script;
pub mod world;

pub use oracle::{Tally, Violation};

use clawmend_core::failover::lease::{Figures, PausePolicy};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// A rule that is broken on purpose, to see whether the oracle would notice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mutation {
    /// None.
    #[default]
    None,
    /// The lease is counted from when the answer came.
    CountedFromTheAnswer,
    /// Clocks are taken to be equal.
    NoDriftMargin,
    /// The end may begin when the lease is over.
    NoKillBudget,
    /// Nothing ends the gateway but its guard.
    NoDeadman,
    /// A start that comes too late is carried out.
    LateStarts,
    /// An end is reported as proven when it was asked for.
    UnprovenEnds,
    /// A guard does not notice that it slept, and is not told.
    SleepUnnoticed,
    /// The hook says that a machine is off, and it is not.
    HookLies,
    /// A person says that machines are off without having looked.
    PersonLies,
    /// What is switched on under a mute gateway is not noticed.
    SwitchesUnnoticed,
}

/// What a campaign lives through.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// What nodes do about machines that may be paused.
    pub pause: PausePolicy,
    /// Machines are paused as a whole, too.
    pub machine_pauses: bool,
    /// Most nodes are warm.
    pub warm: bool,
    /// What is broken.
    pub mutation: Mutation,
}

impl Setting {
    /// Guards freeze and machines crash, but no machine is paused as a whole.
    #[must_use]
    pub const fn no_pauses() -> Self {
        Self { pause: PausePolicy::ResidualWindow, machine_pauses: false, warm: false, mutation: Mutation::None }
    }

    /// Machines are paused, too.
    #[must_use]
    pub const fn pauses(pause: PausePolicy) -> Self {
        Self { pause, machine_pauses: true, warm: false, mutation: Mutation::None }
    }

    /// The same with gateways that run while their nodes do not own.
    #[must_use]
    pub const fn warm(self) -> Self {
        Self { warm: true, ..self }
    }

    /// The same with a rule broken.
    #[must_use]
    pub const fn without(self, mutation: Mutation) -> Self {
        Self { mutation, ..self }
    }

    /// The figures that the nodes believe in: those of the world, but for what is broken.
    fn believed(&self, real: Figures) -> Figures {
        match self.mutation {
            Mutation::NoDriftMargin => Figures { drift_ppm: 0, ..real },
            Mutation::NoKillBudget => Figures { kill_ms: 0, ..real },
            Mutation::SleepUnnoticed => Figures { asleep_ms: 1 << 40, ..real },
            Mutation::None
            | Mutation::CountedFromTheAnswer
            | Mutation::NoDeadman
            | Mutation::LateStarts
            | Mutation::UnprovenEnds
            | Mutation::HookLies
            | Mutation::SwitchesUnnoticed
            | Mutation::PersonLies => real,
        }
    }
}

/// Lives through one seed.
#[must_use]
pub fn live(seed: u64, setting: Setting, trace: bool) -> Tally {
    world::World::new(seed, setting, trace).live()
}

/// Lives through these seeds on so many threads.
#[must_use]
pub fn campaign(seeds: Range<u64>, setting: Setting, threads: usize) -> Tally {
    let next = AtomicU64::new(seeds.start);
    let mut tally = Tally::default();
    std::thread::scope(|scope| {
        let work = || {
            let mut mine = Tally::default();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end {
                    return mine;
                }
                mine.merge(live(seed, setting, false));
            }
        };
        let handles: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        for handle in handles {
            match handle.join() {
                Ok(one) => tally.merge(one),
                Err(_) => tally.broken_total += 1,
            }
        }
    });
    tally
}
