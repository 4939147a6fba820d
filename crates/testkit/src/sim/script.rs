//! What happens to the gateway: real faults, legitimate disturbances, and people. Drawn from the seed.
//!
//! Invariant: at most a few things at once, so that the oracle knows for everything that follows whose fault it is.

mod disturbances;
mod faults;
mod people;

use super::oracle::Fault;
use super::process::Block;
use super::world::World;
use clawmend_core::gateway::Incarnation;
use clawmend_core::observation::{Evidence, Surroundings};
use clawmend_core::time::Wall;
use clawmend_core::wish::Wish;

/// The longest wait between two starts of a deaf channel is 600 s; a call that does not get through costs 30 s more.
const CHANNEL_WAIT_MS: u64 = 660_000;

/// A step that was announced by an earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Later {
    /// A killed process is gone.
    Dies(Option<Incarnation>),
    /// The config is good again.
    ConfigFixed,
    /// The disk has room again.
    DiskFreed,
    /// The port is free again.
    PortFreed,
    /// The channel's provider accepts it again.
    ChannelFixed(u32),
    /// The holder lets go.
    Released(u32),
    /// Whoever stopped it by a signal lets it go on, and stops it again so many times.
    Continued(u32, u32),
    /// A person says start.
    Start,
    /// A person types `systemctl start`.
    UnitStart,
    /// The pause ends.
    Resume,
    /// The flag file is removed.
    FlagGone,
    /// Another crash.
    CrashAgain,
    /// A person starts what was started by hand, or what no manager starts again and the guard may not.
    ByHand,
    /// A person ends a process that the guard may not end.
    EndedByHand(u32),
    /// The guard, which had no turn when the gateway was well again, has had one.
    LookedAgain,
}

/// A new guard has to learn anew how long a silence, a start or a drain lasts.
const NEW_GUARD_MS: u64 = 345_000;

/// Nothing else is going on that would make the truth unclear.
fn calm(world: &World) -> bool {
    world.oracle.open.is_empty()
        && !world.wishes.no_start()
        && world.config_ok
        && !world.disk_full
        && !world.port_taken
        && !world.own_restart
        && world.guard_up
        && world.guard_out_until <= world.now
}

impl World {
    /// Draws the next thing and does it.
    pub(super) fn inject(&mut self) {
        let gap = self.rng.waiting(480_000).clamp(5_000, 7_200_000);
        self.script_at = self.now + gap;
        let serving = self.process.as_ref().is_some_and(|process| process.serves() && process.flaw.is_none());
        if !calm(self) {
            // Troubles seldom come alone: some of those that stay clear may come on top.
            if self.rng.chance(300) {
                self.disturb_lightly();
            }
            return;
        }
        if !serving {
            if self.rng.chance(250) {
                self.crash(Fault::Crash, 9);
            }
            return;
        }
        let held = self.process.as_ref().is_some_and(|process| process.held().is_some());
        if held {
            return;
        }
        match self.rng.between(0, 99) {
            0..=7 => self.crash_burst(),
            8..=10 => self.crash(Fault::Abort, 6),
            11..=13 => self.exit_one(),
            14..=17 => self.break_config(),
            18..=20 => self.fill_disk(),
            21..=23 => self.steal_port(),
            24..=31 => self.freeze(),
            32..=36 => self.spin(),
            37..=40 => self.stick(),
            41..=44 => self.lose_listener(),
            45..=47 => self.boot_stuck(),
            48..=49 => self.drain_stuck(),
            50..=52 => self.deafen(),
            53..=62 => self.stall(),
            63..=68 => self.own_restart(false, false),
            69..=71 => self.own_restart(true, false),
            72..=74 => self.own_restart(false, true),
            75..=83 => self.hold(),
            84..=87 => self.person_stops(),
            88..=89 => self.person_pauses(),
            90..=91 => self.person_restarts(),
            92..=94 => self.systemctl(),
            _ => self.disturb_lightly(),
        }
    }

    fn disturb_lightly(&mut self) {
        match self.rng.between(0, 9) {
            0..=2 => {
                self.oracle.disturb("clock_jump", self.now);
                let year = 365 * 86_400_000_i64;
                let by = i64::try_from(self.rng.between(0, 2 * 31_536_000_000)).unwrap_or(0) - year;
                self.wall_offset = self.wall_offset.saturating_add(by).clamp(0, 4_000_000_000_000);
            }
            3..=5 => {
                let ms = self.rng.between(300, 20_000);
                self.guard_starves(ms);
            }
            6..=7 => self.guard_dies(),
            8 => self.sleeps(),
            _ if self.rng.chance(500) => self.short_stops(),
            _ => self.stall(),
        }
    }

    fn block(&mut self, block: Block, ms: u64) {
        let now = self.now;
        if let Some(process) = &mut self.process {
            process.block_for(now, block, ms);
        }
    }

    pub(super) fn carry_on(&mut self, later: Later) {
        let now = self.now;
        match later {
            Later::Dies(target) => self.dies(target.as_ref()),
            Later::ConfigFixed => self.config_fixed(),
            Later::DiskFreed => {
                self.disk_full = false;
                let seen = self.disk();
                self.tell(100, seen);
                self.tell(101, Evidence::Surroundings(Surroundings::DiskFreed));
                self.cause_gone(Fault::DiskFull, 2_200);
            }
            Later::PortFreed => {
                self.port_taken = false;
                self.cause_gone(Fault::PortStolen, 62_000);
            }
            Later::ChannelFixed(pid) => {
                let heard = self.rpc;
                if let Some(process) = self.process.as_mut().filter(|process| process.incarnation.pid == pid) {
                    if !heard {
                        // Without RPC the guard can start nothing: whoever renewed the token starts it, too.
                        (process.deaf_channel, process.channel_refused) = (false, false);
                        return self.maybe_recovered();
                    }
                    // OpenClaw leaves a channel alone that has given up: it stays deaf until somebody starts it.
                    process.channel_refused = false;
                    let start_by = self.now + CHANNEL_WAIT_MS + self.guard_out_until.saturating_sub(self.now);
                    self.oracle.expect_start(Fault::ChannelDeaf, start_by);
                }
            }
            Later::Released(pid) => self.released(pid),
            Later::Continued(pid, again) => self.continued(pid, again),
            Later::Start => {
                if self.guard_up && self.guard_out_until <= now {
                    self.say(Wish::Start);
                } else {
                    self.later.push((now + 30_000, Later::Start));
                }
            }
            Later::UnitStart => self.unit_start(),
            Later::Resume | Later::FlagGone => self.resume(later),
            Later::CrashAgain => self.crash_again(),
            Later::ByHand => self.starts_by_hand(),
            Later::EndedByHand(pid) => self.ended_by_hand(pid),
            Later::LookedAgain => self.maybe_recovered(),
        }
    }

    /// A pause that ends by itself.
    #[must_use]
    pub fn wall(&self) -> Wall {
        Wall(self.wall_offset.saturating_add(i64::try_from(self.now).unwrap_or(i64::MAX)))
    }
}
