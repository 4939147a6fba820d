//! One node of a shared group, in virtual time, against a store that answers at once unless a test says otherwise.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::wildcard_enum_match_arm, missing_docs)]

#[path = "lease/figures.rs"]
mod figures;
#[path = "lease/guards.rs"]
mod guards;
#[path = "lease/owning.rs"]
mod owning;
#[path = "lease/people.rs"]
mod people;
#[path = "lease/record.rs"]
mod record;
#[path = "lease/scene.rs"]
mod scene;
#[path = "lease/silence.rs"]
mod silence;
#[path = "lease/suspects.rs"]
mod suspects;
#[path = "lease/warm.rs"]
mod warm;
