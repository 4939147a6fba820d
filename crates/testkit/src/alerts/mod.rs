//! Stand-ins of the services that alerts go to, on loopback.
//!
//! Each implements the documented contract of its service strictly: what the service would refuse is refused, in the
//! service's own words. They keep what they accepted, in order. Start at [`StandIn`].

pub mod discord;
mod frame_west;
pub mod ntfy;
pub mod pagerduty;
pub mod slack;
pub mod smtp;
pub mod telegram;
pub mod webhook;

pub use frame_west::{Mode, Request, Says, StandIn, Verdict};
