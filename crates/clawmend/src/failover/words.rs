//! What a pair's states are called for people.

use clawmend_core::failover::{Reason, Role, Telling};

/// What a node does at present.
#[must_use]
pub const fn role(role: Role) -> &'static str {
    match role {
        Role::Watching => "standing by",
        Role::Promoting => "taking over",
        Role::Active => "carrying on",
        Role::Demoting => "stepping back",
    }
}

/// The way to a role.
#[must_use]
pub const fn change(to: Role) -> &'static str {
    match to {
        Role::Active | Role::Promoting => "taking over",
        Role::Watching | Role::Demoting => "stepping back",
    }
}

/// Why a role changes.
#[must_use]
pub fn reason(reason: Reason) -> String {
    match reason {
        Reason::Silent { misses } => format!("the primary did not answer {misses} times in a row"),
        Reason::RepairTooLong => "the primary's guard has been repairing for too long".to_owned(),
        Reason::PrimaryWell { for_ms } => format!("the primary has been well for {} s", for_ms / 1_000),
        Reason::Person => "a person wants it".to_owned(),
        Reason::Resumed => "an earlier guard had begun it".to_owned(),
    }
}

/// What a person hears.
#[must_use]
pub fn telling(telling: &Telling) -> String {
    match telling {
        Telling::NotPromoted { why } => format!("the primary is lost, and this node does not take over: {why}"),
        Telling::Unsteady { needs_ms, takeovers } => format!(
            "the primary is back; after {takeovers} takeovers of late it must be well for {} s before this node steps back",
            needs_ms / 1_000
        ),
        Telling::NotApart { why } => format!("this node carries on, and a channel may have two owners: {why}"),
        Telling::Failed { role: now } => {
            format!("the change of role failed; this node is {}, and tries again", role(*now))
        }
    }
}
