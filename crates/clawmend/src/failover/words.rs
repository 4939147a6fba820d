//! What a pair's states are called for people.

use clawmend_core::failover::known::Dated;
use clawmend_core::failover::senior::Waits;
use clawmend_core::failover::{Obstacle, Reason, Refusal, Role, Steadying, Telling};

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

/// Why it has not stepped back yet.
#[must_use]
pub fn steadying(steadying: Steadying) -> String {
    let Steadying { well_ms, needs_ms, takeovers } = steadying;
    let because = if takeovers > 1 { format!(", because of {takeovers} takeovers of late") } else { String::new() };
    format!(
        "it steps back when the primary has been well for {} s{because}; so far it is {} s",
        needs_ms / 1_000,
        well_ms / 1_000
    )
}

/// Why a role changes.
#[must_use]
pub fn reason(reason: Reason) -> String {
    match reason {
        Reason::Silent { misses } => format!("the primary did not answer {misses} times in a row"),
        Reason::Stopped => "the primary's guard says that a person has stopped its gateway".to_owned(),
        Reason::RepairTooLong => "the primary's guard has been repairing for too long".to_owned(),
        Reason::PrimaryWell { for_ms } => format!("the primary has been well for {} s", for_ms / 1_000),
        Reason::SeniorWell { for_ms } => {
            format!("a standby that comes before this one has carried on for {} s", for_ms / 1_000)
        }
        Reason::Person => "a person wants it".to_owned(),
        Reason::Drill => "a person tries whether it works".to_owned(),
        Reason::Resumed => "an earlier guard had begun it".to_owned(),
    }
}

/// Why nothing is done.
#[must_use]
pub fn obstacle(obstacle: &Obstacle) -> String {
    match obstacle {
        Obstacle::Held => "a person holds this node as it is; `clawmend standby release` ends that".to_owned(),
        Obstacle::NotApart { why } => why.clone(),
    }
}

/// Why what a person asked for is not done.
#[must_use]
pub fn refusal(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Obstacle(why) => obstacle(why),
        Refusal::NotStandingBy => {
            "this node is not standing by; `clawmend standby status` shows what it does".to_owned()
        }
    }
}

/// Why a node waits for a standby that comes before it.
#[must_use]
pub const fn waits(waits: Waits) -> &'static str {
    match waits {
        Waits::Unheard => "one that comes before this node was not heard of yet",
        Waits::SeesPrimary => "one that comes before this node sees the primary at work",
        Waits::ItsTurn => "it is the turn of one that comes before this node",
        Waits::Carries => "one that comes before this node carries on",
    }
}

/// By what the pair is armed although the primary cannot read its config.
#[must_use]
pub fn dated(dated: Dated<'_>) -> String {
    let minutes = dated.age_ms / 60_000;
    format!("by what the primary owned {minutes} min ago; its config cannot be read now: {}", dated.why)
}

/// What whoever watches hears. A change of role that worked has its own line.
#[must_use]
pub fn telling(telling: &Telling) -> Option<String> {
    Some(match telling {
        Telling::TookOver { .. } | Telling::SteppedBack { .. } => return None,
        Telling::NotPromoted { obstacle: why } => {
            format!("the primary is lost, and this node does not take over: {}", obstacle(why))
        }
        Telling::Returned => "the primary is well again; this node did not take over".to_owned(),
        Telling::Unsteady { needs_ms, takeovers } => format!(
            "the primary is back; after {takeovers} takeovers of late it must be well for {} s before this node steps back",
            needs_ms / 1_000
        ),
        Telling::NotApart { why } => format!("this node carries on, and a channel may have two owners: {why}"),
        Telling::Failed { role: now, again, .. } => {
            let then = if *again { ", and tries again" } else { "" };
            format!("the change of role failed; this node is {}{then}", role(*now))
        }
        Telling::NobodyAnswers { .. } => {
            "nobody answers people now: the primary is lost, and this node's own gateway does not serve".to_owned()
        }
        Telling::AnswersAgain { .. } => "somebody answers people again".to_owned(),
        Telling::StandbyLost => {
            "the standby has not asked for 5 min; if this node is lost, too, nobody takes over".to_owned()
        }
        Telling::StandbyBack => "the standby asks again".to_owned(),
    })
}
