//! The gateway's log: which lines matter, and how new ones are found.
//!
//! Invariant: a line is only a sign when the gateway itself wrote that text at that place; text that a chat user can
//! bring into the log is none. Start at [`signs::of_line`] for one line, at [`Follower`] for the file, and at
//! [`turns::why_failed`] for what a failed turn hides.

mod follower;
pub mod old;
pub mod signs;
pub mod turns;

pub use follower::{Follower, Gateways, Position};
