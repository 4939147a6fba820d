//! Cards on Feishu (Lark), so that a person decides with one tap there: an app of the guard's own, whose callbacks come to a
//! listener on this machine.
//!
//! [`access`] is the settings, and the refusal of an app that OpenClaw has; [`callback`] says what a request proves and asks,
//! [`crypt`] opens it, [`listener`] takes requests from the network, [`rate`] bounds them, [`binding`] says who is obeyed,
//! [`answer`] is what Feishu gets back. Buttons, codes, journal and words are those of [`crate::bot`]. Who puts them together
//! is `daemon/chat/feishu.rs`.
//!
//! Invariants: nothing happens by a request that Feishu has not signed, that is older than five minutes, or that came before;
//! only the bound person is obeyed; what is refused is in the log, without what it holds.

pub mod access;
pub mod answer;
pub mod binding;
pub mod callback;
pub mod crypt;
pub mod listener;
pub mod rate;

pub use access::Access;
pub use binding::Bound;

/// Begins every note of the guard on its app, in `status` and in `notify list`.
pub const NOTE: &str = "the guard's Feishu app";
/// The place of the app's letters.
pub const PLACE: &str = "own-feishu";
/// The folder of its files, in our own state folder.
pub const FOLDER: &str = "feishu";
