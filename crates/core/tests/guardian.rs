//! Scenarios through the whole state machine, in virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::wildcard_enum_match_arm, missing_docs)]

#[path = "guardian/approvals.rs"]
mod approvals;
#[path = "guardian/boots.rs"]
mod boots;
#[path = "guardian/channels.rs"]
mod channels;
#[path = "guardian/control.rs"]
mod control;
#[path = "guardian/counsel.rs"]
mod counsel;
#[path = "guardian/crashes.rs"]
mod crashes;
#[path = "guardian/deaths.rs"]
mod deaths;
#[path = "guardian/doctor.rs"]
mod doctor;
#[path = "guardian/incidents.rs"]
mod incidents;
#[path = "guardian/manager.rs"]
mod manager;
#[path = "guardian/refusals.rs"]
mod refusals;
#[path = "guardian/scene.rs"]
mod scene;
#[path = "guardian/silences.rs"]
mod silences;
#[path = "guardian/thresholds.rs"]
mod thresholds;
#[path = "guardian/wishes.rs"]
mod wishes;
