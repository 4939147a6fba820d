//! One machine of a group: its clock, its guard, its gateway and its deadman.

use super::clock::Clock;
use clawmend_core::failover::lease::{ActId, Evidence, Fenced, Holder, Memory, Node, RequestId};
use clawmend_core::gateway::Incarnation;

/// A gateway that is alive.
#[derive(Clone, Debug)]
pub struct Alive {
    /// Its process.
    pub life: Incarnation,
    /// Names it within this world.
    pub number: u64,
    /// Its channels are on, so that it may poll and send.
    pub speaks: bool,
    /// Nobody asked for that, and its guard could not end it in time: a person switched it on by hand, or the guard was
    /// stuck meanwhile.
    pub astray: bool,
}

/// The deadman of the gateway.
#[derive(Clone, Copy, Debug)]
pub struct Deadman {
    /// What it was armed for.
    pub fenced: Fenced,
    /// When its timer is due, in true microseconds. A timer does not count the time in which its machine is paused.
    pub fires_us: u64,
}

/// A machine that is paused.
#[derive(Clone, Copy, Debug)]
pub struct Paused {
    /// Since when, in true microseconds.
    pub since_us: u64,
    /// Its clock counts it.
    pub counted: bool,
    /// Another source tells the guard.
    pub told: bool,
}

/// One machine.
#[derive(Debug)]
pub struct Machine {
    /// What the guard knows of itself.
    pub node: Node,
    /// The clock that counts sleep.
    pub clock: Clock,
    /// On the disk.
    pub disk: Memory,
    /// The config of its gateway has the channels switched on.
    pub switched_on: bool,
    /// Since when its guard decides without having been stuck or killed.
    pub awake_since: u64,
    /// The guard's decisions.
    pub holder: Holder,
    /// The machine has power and has booted.
    pub up: bool,
    /// Counts boots.
    pub boot: u64,
    /// The guard's process is there.
    pub guard: bool,
    /// Counts guards.
    pub guards: u64,
    /// The guard's process is frozen until then.
    pub frozen_until: Option<u64>,
    /// The whole machine is.
    pub paused: Option<Paused>,
    /// It was paused since the request left that its lease is counted from, and whether the guard can notice.
    pub behind: Option<bool>,
    /// The last request of this guard.
    pub asked: RequestId,
    /// The last one that it had sent when the machine last went on: what follows was sent by a machine that is awake. Its clock
    /// cannot tell, for it may have stood still.
    pub asked_before: RequestId,
    /// What waits for a frozen guard.
    pub inbox: Vec<Evidence>,
    /// The gateway.
    pub gateway: Option<Alive>,
    /// Its deadman.
    pub deadman: Option<Deadman>,
    /// Names the timer that counts.
    pub timers: u64,
    /// Names the wake-up that counts.
    pub polls: u64,
    /// Orders to whoever spawns and kills are carried out one after the other: the last one ends then.
    pub busy_until: u64,
    /// The last act that was carried out.
    pub acted: ActId,
    /// No message to the store arrives before.
    pub cut_to: u64,
    /// None from it.
    pub cut_from: u64,
    /// Messages are slow until then.
    pub slow_until: u64,
    /// The answer to the next renewal is late, and then it is cut off for so long.
    pub late_and_cut: Option<u64>,
    /// The next answer is garbage.
    pub garbage: bool,
}

impl Machine {
    /// A machine that has just booted, without a guard.
    #[must_use]
    pub fn new(node: Node, clock: Clock) -> Self {
        Self {
            node,
            clock,
            disk: Memory::default(),
            switched_on: true,
            awake_since: 0,
            holder: Holder::new(node, Memory::default()),
            up: true,
            boot: 0,
            guard: false,
            guards: 0,
            frozen_until: None,
            paused: None,
            behind: None,
            asked: RequestId(0),
            asked_before: RequestId(0),
            inbox: Vec::new(),
            gateway: None,
            deadman: None,
            timers: 0,
            polls: 0,
            busy_until: 0,
            acted: ActId(0),
            cut_to: 0,
            cut_from: 0,
            slow_until: 0,
            late_and_cut: None,
            garbage: false,
        }
    }

    /// The guard's process ends.
    pub fn guard_ends(&mut self) {
        (self.guard, self.frozen_until) = (false, None);
        self.guards += 1;
        self.inbox.clear();
        (self.asked, self.asked_before) = (RequestId(0), RequestId(0));
    }

    /// It loses power: everything ends at once.
    pub fn loses_power(&mut self, us: u64) {
        self.guard_ends();
        self.gateway = None;
        self.behind = None;
        self.deadman = None;
        self.timers += 1;
        self.up = false;
        self.boot += 1;
        self.busy_until = us;
        if let Some(paused) = self.paused.take().filter(|paused| !paused.counted) {
            self.clock.stood_still(us - paused.since_us);
        }
    }

    /// Its guard can decide now.
    #[must_use]
    pub const fn decides(&self) -> bool {
        self.up && self.guard && self.frozen_until.is_none() && self.paused.is_none()
    }
}
