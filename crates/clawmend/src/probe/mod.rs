//! Looks at a gateway over HTTP and its WebSocket RPC, and turns what it sees into evidence.
//!
//! Invariant: a failed probe is evidence, never an error; an answer counts only when it is the documented JSON; proxy
//! settings have no influence, since connections are made to addresses. Start at [`http::HttpProbe`] and [`rpc`];
//! [`synthetic`] asks the model behind the gateway.

pub mod answer;
pub mod completion;
pub mod connect;
pub mod http;
pub mod rpc;
mod session;
pub mod synthetic;
mod wire;
