//! All that knows OpenClaw: discovery, config, locks, logs, channels, installation, commands.
//!
//! Invariant: texts, paths and version quirks of OpenClaw are named here and nowhere else; what leaves this module
//! is evidence in the core's types. Start at [`discovery`].

pub mod channels;
pub mod commands;
pub mod config;
pub mod discovery;
pub mod environ;
pub(crate) mod files;
pub mod install;
pub mod lock;
pub mod logs;
pub mod minimal;
pub mod owners;
pub mod ownership;
pub mod program;
pub mod redact;
pub mod sandbox;
pub mod session_lock;
pub mod touched;
pub mod unasked;
pub mod under_way;
pub mod workspace;
