//! What a pair of hosts needs of the world: how their guards talk, and what a change of role does.
//!
//! Decisions are in `clawmend_core::failover`; the daemon wires both. Start at [`peer`] for what the two guards say to
//! each other, at [`look`] for how a standby sees its primary.

pub mod fence;
pub mod kept;
pub mod key;
pub mod lease;
pub mod look;
pub mod owned;
pub mod peer;
pub mod secrets;
pub mod switches;
pub mod words;
pub mod workspace;
