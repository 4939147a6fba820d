//! What people are told of incidents: what, when, how loudly, on which lane, and when it is over.
//!
//! Two machines, one after the other. The [`desk`] reads the events of incidents and decides on [`notice`]s: a first word,
//! a reminder, the end, a morning note. The [`router`] takes the letters that were made of them to their lanes, one
//! [`lane`] for each place that letters go to: paced, grouped, retried, and with somebody else to fall over to.
//!
//! Invariants: the same events give the same notices, whatever was seen before, so a guard that was killed simply reads
//! the record again; no step of an incident is told twice; nothing that was decided is forgotten until it was delivered,
//! or recorded as undeliverable. Start at [`desk::Desk::observe`].

pub mod desk;
pub mod lane;
pub mod ledger;
mod level;
pub mod notice;
pub mod policy;
pub mod router;

pub use level::Level;
