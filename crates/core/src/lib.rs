//! The decisions of Clawmend, without a clock, a file, a socket or a task.
//!
//! Data goes one way: [`observation`] → [`health`] → [`diagnosis`] → [`plan`] → [`check`] → [`directive`], and what
//! came of it is written into the [`incident`]. [`guardian`] composes them; start there.
#![forbid(unsafe_code)]

pub mod alert;
pub mod approval;
pub mod budget;
pub mod check;
pub mod diagnosis;
pub mod directive;
pub mod failover;
pub mod gateway;
pub mod generation;
pub mod guardian;
pub mod health;
pub mod incident;
pub mod observation;
pub mod plan;
pub mod policy;
pub mod time;
pub mod wish;
