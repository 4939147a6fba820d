//! What people are told of incidents: what, when, how loudly, and when it is over.
//!
//! Invariant: no clock and no text of a channel in here; the same events at the same times give the same notices.

mod level;

pub use level::Level;
