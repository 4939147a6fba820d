//! What happens to a group, drawn from the seed: faults for five minutes, then quiet.

use super::Setting;
use crate::sim::rng::Rng;

/// A second, in the world's unit.
pub const SECOND: u64 = 1_000_000;
/// Until then things happen, and what happens late begins by then.
pub const TROUBLE_US: u64 = 300 * SECOND;
/// From then on everybody may decide, and the network loses nothing: three answers in a row, lost by chance just before
/// the end, would look like a group that cannot decide.
pub const QUIET_US: u64 = TROUBLE_US + 90 * SECOND;
/// At this time somebody must own.
pub const END_US: u64 = 540 * SECOND;

/// What happens. Times are lengths, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing comes from the node to the store.
    CutTo(u64),
    /// Nothing comes from the store to the node.
    CutFrom(u64),
    /// Both.
    Cut(u64),
    /// The store answers nobody.
    StoreDown(u64),
    /// Messages take seconds.
    Slow(u64),
    /// The answer to the next renewal is as late as it may be, and then nothing comes through.
    LateAndCut(u64),
    /// The guard's process is frozen; its gateway goes on.
    GuardFrozen(u64),
    /// The guard's process is killed, and another begins.
    GuardKilled(u64),
    /// The machine loses power, and boots again.
    Crash {
        /// For so long it is off.
        us: u64,
        /// With an empty disk.
        disk_lost: bool,
    },
    /// The machine is paused as a whole.
    Paused {
        /// For so long.
        us: u64,
        /// Its clock counts that: a sleep, not a hypervisor's pause.
        counted: bool,
        /// Another source than the clock tells the guard when it goes on.
        told: bool,
    },
    /// The gateway crashes.
    GatewayCrash,
    /// The channel's service tells of another poller.
    Conflict,
    /// A person hands over to another node.
    HandOver,
    /// A person demotes, and says later that the node may decide again.
    Demote(u64),
    /// A person wants this node to own.
    Promote,
    /// The next answer to this node is garbage.
    WrongAnswer,
    /// A person switches a channel on in the config, whoever owns.
    SwitchedOnByHand,
}

/// When, to which node, what.
pub type Script = Vec<(u64, usize, Trouble)>;

/// Draws a life.
pub fn draw(rng: &mut Rng, setting: &Setting, nodes: usize) -> Script {
    let mut script = Vec::new();
    let mean = rng.between(4, 40) * SECOND;
    let mut at = rng.waiting(mean);
    while at < TROUBLE_US {
        let node = usize::try_from(rng.between(0, nodes as u64 - 1)).unwrap_or(0);
        let by_hand = setting.warm && rng.chance(30);
        script.push((at, node, if by_hand { Trouble::SwitchedOnByHand } else { trouble(rng, setting) }));
        at += rng.waiting(mean);
    }
    script
}

fn trouble(rng: &mut Rng, setting: &Setting) -> Trouble {
    let us = rng.waiting(12 * SECOND).min(90 * SECOND);
    match rng.between(0, if setting.machine_pauses { 20 } else { 16 }) {
        0 => Trouble::CutTo(us),
        1 => Trouble::CutFrom(us),
        2 | 3 => Trouble::Cut(us),
        4 => Trouble::StoreDown(us),
        5 => Trouble::Slow(us),
        6 | 7 => Trouble::GuardFrozen(us),
        8 => Trouble::GuardKilled(us / 4),
        9 => Trouble::Crash { us, disk_lost: rng.chance(300) },
        10 => Trouble::GatewayCrash,
        11 if rng.chance(300) => Trouble::Conflict,
        11 | 12 => Trouble::HandOver,
        13 => Trouble::Demote(us),
        14 => Trouble::Promote,
        15 => Trouble::WrongAnswer,
        16 => Trouble::LateAndCut(us + 20 * SECOND),
        _ => Trouble::Paused { us, counted: rng.chance(400), told: rng.chance(500) },
    }
}
