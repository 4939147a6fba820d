//! Cards on Feishu (Lark) and on DingTalk, so that a person decides with one tap there: an app of the guard's own.
//!
//! For both, [`app`] is what the chat needs to know of an app, [`binding`] says who is obeyed, [`event`] is what was proven to
//! have happened, [`rate`] bounds how much comes in, [`refusals`] tells what was refused.
//!
//! Feishu's callbacks come to a listener on this machine: [`access`] is the settings, and the refusal of an app that OpenClaw
//! has; [`callback`] says what a request proves and asks, [`crypt`] opens it, [`listener`] takes requests from the network,
//! [`answer`] is what Feishu gets back. DingTalk's come over a connection that the guard opens itself: [`dingtalk`].
//!
//! Buttons, codes, journal and words are those of [`crate::bot`]. Who puts them together is `daemon/chat`.
//!
//! Invariants: nothing happens by what its service has not said, that is older than five minutes, or that came before; only the
//! bound person is obeyed; what is refused is in the log, without what it holds.

pub mod access;
pub mod answer;
pub mod app;
pub mod binding;
pub mod callback;
pub mod crypt;
pub mod dingtalk;
pub mod event;
pub mod listener;
pub mod rate;
pub mod refusals;

pub use access::Access;
pub use app::App;
pub use binding::Bound;
