//! The guard's own app on DingTalk: a person decides with one tap on a card, or on a link of a message. Nothing of it needs an
//! address of this machine: the guard opens the connection ("Stream mode").
//!
//! [`access`] is the settings, and the refusal of an app that OpenClaw has; [`stream`] opens the connection and bounds what comes
//! over it, [`frame`] is its protocol, [`callback`] says what a callback tells, [`answer`] is what DingTalk gets back. How a
//! question is sent is `notify/channel/dingtalk/ask.rs`. Who puts them together is `daemon/chat/dingtalk.rs`.
//!
//! Invariant: what comes over a connection that was opened with the app's secret, over TLS, is DingTalk's; nothing else is
//! signed. So nothing is believed that did not come over it.

pub mod access;
pub mod answer;
pub mod callback;
pub mod frame;
pub mod stream;

pub use access::Access;
