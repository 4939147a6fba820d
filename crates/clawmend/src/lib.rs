//! The effects of Clawmend. Decisions are in `clawmend-core`; here they meet the world.

pub mod api;
pub mod approval;
pub mod bot;
pub mod bundle;
pub mod cards;
pub mod cli;
pub mod daemon;
pub mod doctor;
pub mod failover;
pub mod generations;
pub mod host;
pub mod keeper;
pub mod notify;
pub mod openclaw;
pub mod probe;
pub mod service;
pub mod settings;
pub mod store;
pub mod version;
