//! What the scenes of two hosts have in common: how a machine stands still, where letters go, and how the record of a bot's
//! service is read.

pub mod frozen;
pub mod letters;
pub mod record;
