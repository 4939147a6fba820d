//! A simulator in virtual time: one guard, one modelled gateway with every fault, and an oracle that knows the truth.
//!
//! The same seed gives the same life, to the millisecond. [`campaign`] lives through many seeds, [`replay`] prints
//! one. The world is fitted to recorded traces: see [`fitted`]. Start at [`driver::Life::run`].

pub mod brain;
pub mod driver;
pub mod effects;
pub mod fitted;
pub mod oracle;
pub mod process;
pub mod report;
pub mod rng;
pub mod script;
pub mod unit;
pub mod world;

pub use report::{CampaignReport, campaign, campaign_on};

use brain::Brain;
use clawmend_core::gateway::Form;
use clawmend_core::guardian::Guardian;
use oracle::Tally;

/// Which form a seed lives in: even ones as a child, odd ones under systemd.
#[must_use]
pub const fn form_of(seed: u64) -> Form {
    if seed.is_multiple_of(2) { Form::Child } else { Form::Systemd }
}

/// One life with any brain. Returns its figures and the seconds in which the machine was awake.
#[must_use]
pub fn live<B: Brain>(seed: u64, hours: u64, aloud: bool) -> (Tally, u64) {
    let mut life = driver::Life::<B>::new(seed, form_of(seed), aloud);
    let ms = hours * 3_600_000;
    life.run(ms);
    (std::mem::take(&mut life.world.oracle.tally), ms / 1_000)
}

/// Prints the whole life of one seed.
#[must_use]
pub fn replay(seed: u64, hours: u64) -> Tally {
    live::<Guardian>(seed, hours, true).0
}
