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
use clawmend_core::gateway::{Control, Form};
use clawmend_core::guardian::Guardian;
use oracle::Tally;

/// Who owns the gateway's process, and what the guard may do to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its owner.
    pub form: Form,
    /// Our rights.
    pub control: Control,
}

impl Setting {
    /// Something that is wrong can be ended and started again by the guard's own hand.
    #[must_use]
    pub const fn mends(&self) -> bool {
        matches!((self.form, self.control), (Form::Child | Form::Systemd, Control::Full))
    }
}

/// How a seed lives. Of sixteen, one was started by hand and one is a unit that the guard may only look at; of the
/// others, even ones are children and odd ones units.
#[must_use]
pub const fn setting_of(seed: u64) -> Setting {
    let (form, control) = match seed % 16 {
        14 => (Form::Foreign, Control::Full),
        15 => (Form::Systemd, Control::Observe),
        even if even.is_multiple_of(2) => (Form::Child, Control::Full),
        _ => (Form::Systemd, Control::Full),
    };
    Setting { form, control }
}

/// One life with any brain. Returns its figures and the seconds in which the machine was awake.
#[must_use]
pub fn live<B: Brain>(seed: u64, hours: u64, aloud: bool) -> (Tally, u64) {
    let mut life = driver::Life::<B>::new(seed, setting_of(seed), aloud);
    let ms = hours * 3_600_000;
    life.run(ms);
    (std::mem::take(&mut life.world.oracle.tally), ms / 1_000)
}

/// Prints the whole life of one seed.
#[must_use]
pub fn replay(seed: u64, hours: u64) -> Tally {
    live::<Guardian>(seed, hours, true).0
}
