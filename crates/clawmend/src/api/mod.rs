//! The control socket: how commands speak with a running guard.
//!
//! One request line of JSON, one answer line of JSON; `Logs { follow: true }` answers with a line per log line until
//! either side closes. Invariants: a request is at most [`MAX_LINE`] bytes, connections are few and never wait for ever,
//! and whatever comes in, the guard goes on. State-changing requests carry nothing secret; who may make them is
//! decided by the daemon from the caller's process ([`host::peer`](crate::host::peer)).
//!
//! Start at [`request`] for what can be asked, [`types`] for what scripts see.

pub mod client;
pub mod request;
pub mod server;
pub mod types;

pub use request::{Answer, Question, Request};

/// Longest request line in bytes.
pub const MAX_LINE: usize = 64 * 1024;
/// Longest answer line in bytes: a page of incidents, or one incident with all its events.
pub const MAX_ANSWER: usize = 4 << 20;
/// Name of the socket in the runtime folder.
pub const SOCKET: &str = "control.sock";
