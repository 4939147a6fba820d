//! The looks at the standbys that come before this one.
//!
//! Invariant: all are asked at the same time as the primary, within the same limit; whoever answers in other words than a
//! standby's is worth as much as nobody. Start at [`look`].

use super::Pair;
use crate::api::types::SeniorReport;
use crate::failover::key::PairKey;
use crate::failover::peer::client::ask;
use crate::failover::peer::wire::{Question, Told};
use crate::failover::words;
use crate::host::clock;
use clawmend_core::failover::ownership::Owned;
use clawmend_core::failover::{Armed, Role, Senior};
use clawmend_core::health::Verdict;
use clawmend_core::time::Wall;
use std::net::SocketAddr;
use std::time::Duration;

/// What was seen of one.
pub struct Seen {
    one: SocketAddr,
    /// For the decision.
    senior: Senior,
    /// For people.
    why: String,
    accounts: Option<Owned>,
}

/// Looks at each once.
pub async fn look(all: &[SocketAddr], key: &PairKey, question: &Question, limit: Duration) -> Vec<Seen> {
    let looks = all.iter().map(|one| async move {
        match ask(*one, key, question, limit).await {
            Ok(told) => seen(*one, told),
            Err(why) => Seen { one: *one, senior: Senior::Silent, why: why.to_string(), accounts: None },
        }
    });
    futures_util::future::join_all(looks).await
}

fn seen(one: SocketAddr, told: Told) -> Seen {
    let Some(stands) = told.standby else {
        let why = "what answers there is no standby of this version: the primary, or an older Clawmend".to_owned();
        return Seen { one, senior: Senior::Silent, why, accounts: None };
    };
    let serves = matches!(told.verdict, Verdict::Healthy | Verdict::Degraded | Verdict::Suspect);
    let senior = match stands.role {
        Role::Active => Senior::Carries { serves },
        Role::Promoting => Senior::Carries { serves: false },
        Role::Watching | Role::Demoting if stands.would => Senior::Ready { sees_primary: stands.sees_primary },
        Role::Watching | Role::Demoting => Senior::Unwilling,
    };
    let but = if senior == Senior::Unwilling { ", and would not take over" } else { "" };
    Seen { one, senior, why: format!("{}{but}", words::role(stands.role)), accounts: Some(told.accounts) }
}

/// For the decision, in their order.
pub fn evidence(seen: &[Seen]) -> Vec<Senior> {
    seen.iter().map(|one| one.senior).collect()
}

/// For `status`, and what they own is remembered.
pub fn note(pair: &Pair, seen: Vec<Seen>) {
    let now = clock::now().wall;
    let mut keep = false;
    let mut report = Vec::new();
    for Seen { one, why, accounts, .. } in seen {
        if let Some(owned) = &accounts {
            keep |= pair.kept.borrow_mut().seniors.entry(one).or_default().hear(now, owned);
        }
        let seen: String = why.chars().filter(|c| !c.is_control()).take(300).collect();
        report.push(SeniorReport { address: one.to_string(), seen });
    }
    pair.report.borrow_mut().after = report;
    if keep {
        pair.save();
    }
}

/// Whether none of them owns what this node owns. What one owned last counts as long as it is silent.
pub fn armed(pair: &Pair, mine: &Owned, now: Wall, bound_ms: u64) -> Armed {
    let kept = pair.kept.borrow();
    for one in &pair.settings.after {
        let known = kept.seniors.get(one).cloned().unwrap_or_default();
        let armed = known.armed(&format!("the standby at {one}"), mine, now, bound_ms);
        if let Armed::No { why } = armed {
            return Armed::No { why: format!("the standby at {one} comes before this one, and {why}") };
        }
    }
    Armed::Yes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::failover::peer::wire::StandsBy;

    fn told(verdict: Verdict, standby: Option<StandsBy>) -> Told {
        Told {
            version: "1".into(),
            openclaw: None,
            wall: Wall(0),
            verdict,
            alive: true,
            stopped: false,
            accounts: Owned::Known(Vec::new()),
            standby,
        }
    }

    #[test]
    fn what_a_standby_says_is_taken_for_what_it_means() {
        let stands = |role, would, sees_primary| Some(StandsBy { role, would, sees_primary });
        for (verdict, standby, senior) in [
            (Verdict::Healthy, stands(Role::Active, true, false), Senior::Carries { serves: true }),
            (Verdict::Down, stands(Role::Active, true, false), Senior::Carries { serves: false }),
            (Verdict::Healthy, stands(Role::Promoting, true, false), Senior::Carries { serves: false }),
            (Verdict::Stopped, stands(Role::Watching, true, true), Senior::Ready { sees_primary: true }),
            (Verdict::Stopped, stands(Role::Watching, false, true), Senior::Unwilling),
            // One that a person holds while it carries goes on carrying.
            (Verdict::Healthy, stands(Role::Active, false, false), Senior::Carries { serves: true }),
            (Verdict::Stopped, stands(Role::Demoting, true, true), Senior::Ready { sees_primary: true }),
            (Verdict::Healthy, None, Senior::Silent),
        ] {
            let seen = seen("10.0.0.2:1".parse().unwrap(), told(verdict, standby.clone()));
            assert_eq!(seen.senior, senior, "{verdict:?} {standby:?}");
            assert_eq!(seen.accounts.is_some(), standby.is_some());
        }
    }
}
