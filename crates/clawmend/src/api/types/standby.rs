//! `standby` of `status --json`: this host as one of a pair.

use super::Time;
use crate::failover::kept::{Change, Kept, Proven};
use crate::settings::{Side, StandbySettings};
use clawmend_core::failover::{Reason, Role, Sight, Step};
use serde::{Deserialize, Serialize};

/// How [`StandbyReport::workspace`] begins where the push failed.
pub const NOT_PUSHED: &str = "not pushed: ";
/// The same of a standby's fetch.
pub const NOT_FETCHED: &str = "not fetched: ";
/// The same of what was written on a standby while it carried.
pub const NOT_GIVEN_BACK: &str = "not given back: ";

/// This host's part in a pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandbyReport {
    /// `primary` or `standby`.
    pub side: String,
    /// What a standby does at present; null on a primary.
    pub role: Option<Role>,
    /// A person holds it as it is.
    pub held: bool,
    /// The other node.
    pub peer: Option<String>,
    /// When the other node was last heard.
    pub seen_at: Option<Time>,
    /// What was seen of it last, for people.
    pub sight: Option<String>,
    /// What that comes to; null on a primary, and before the first look.
    #[serde(default)]
    pub sees: Option<Sight>,
    /// Why the change of role that is under way was begun.
    #[serde(default)]
    pub why: Option<Reason>,
    /// What a person wants this node to be, and it is not yet: what is under way ends first, or has failed.
    #[serde(default)]
    pub wanted: Option<Role>,
    /// It carries, and nobody answers people since then.
    #[serde(default)]
    pub silent_since: Option<Time>,
    /// Of a primary: who has asked it since its guard began, by address. [`Self::peer`] is the last of them.
    #[serde(default)]
    pub asked_by: Vec<AskerReport>,
    /// The standbys that come before this one, in their order.
    #[serde(default)]
    pub after: Vec<SeniorReport>,
    /// What it waits for before it takes over although the primary is lost, or steps back although the primary is well, for
    /// people.
    #[serde(default)]
    pub waits: Option<String>,
    /// A standby may be promoted: no account is owned twice.
    pub armed: Option<bool>,
    /// Why not.
    pub not_armed_because: Option<String>,
    /// It is armed by what is known from before, for people: the primary cannot read its own config now.
    #[serde(default)]
    pub armed_by: Option<String>,
    /// The last change of role.
    pub last_change: Option<ChangeReport>,
    /// The last takeover after which this node could be reached.
    #[serde(default)]
    pub proven: Option<ProvenReport>,
    /// A standby's gateway runs while it stands by, with its channels off; null where that is not set.
    #[serde(default)]
    pub warm: Option<bool>,
    /// Why it does not, for people.
    #[serde(default)]
    pub not_warm_because: Option<String>,
    /// What became of the workspace last, for people. Begins with [`NOT_PUSHED`], [`NOT_FETCHED`] or [`NOT_GIVEN_BACK`]
    /// where that failed.
    #[serde(default)]
    pub workspace: Option<String>,
    /// What is wrong with this node, for people.
    pub problem: Option<String>,
    /// A mark of the settings that this guard began with. Not told by guards of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings_mark: Option<String>,
}

/// A standby that comes before this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeniorReport {
    /// Where its guard answers.
    pub address: String,
    /// What was seen of it last, for people.
    pub seen: String,
}

/// A standby that has asked this primary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskerReport {
    /// From where.
    pub address: String,
    /// What it said of itself, for people.
    pub says: String,
    /// A person holds it, so it takes nothing over.
    #[serde(default)]
    pub held: bool,
    /// When it asked last.
    pub seen_at: Time,
}

/// A takeover that worked, to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvenReport {
    /// When it was decided.
    pub at: Time,
    /// From then until it could be reached.
    pub took_ms: u64,
}

impl From<Proven> for ProvenReport {
    fn from(proven: Proven) -> Self {
        Self { at: Time(proven.at), took_ms: proven.took_ms }
    }
}

/// A change of role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeReport {
    /// What the node became, or was to become.
    pub to: Role,
    /// Why.
    pub reason: Reason,
    /// When it was decided.
    pub at: Time,
    /// How long it took.
    pub took_ms: u64,
    /// It worked.
    pub worked: bool,
    /// What was done, in order.
    pub steps: Vec<Step>,
}

impl From<&Change> for ChangeReport {
    fn from(change: &Change) -> Self {
        Self {
            to: change.to,
            reason: change.reason,
            at: Time(change.at),
            took_ms: change.took_ms,
            worked: change.worked,
            steps: change.steps.clone(),
        }
    }
}

impl StandbyReport {
    /// What could not be done with the workspace, for people.
    #[must_use]
    pub fn workspace_fails(&self) -> Option<&str> {
        let fails = |said: &&str| [NOT_PUSHED, NOT_FETCHED, NOT_GIVEN_BACK].iter().any(|begin| said.starts_with(begin));
        self.workspace.as_deref().filter(fails)
    }

    /// Standbys that are kept.
    const ASKERS: usize = 8;

    /// A standby has asked this primary.
    pub fn note_asker(&mut self, asker: AskerReport) {
        (self.peer, self.seen_at) = (Some(asker.address.clone()), Some(asker.seen_at));
        self.sight = Some(format!("the standby is {}", asker.says));
        if let Some(same) = self.asked_by.iter_mut().find(|one| one.address == asker.address) {
            *same = asker;
        } else {
            if self.asked_by.len() >= Self::ASKERS {
                let oldest = self.asked_by.iter().enumerate().min_by_key(|(_, one)| one.seen_at.0).map(|(at, _)| at);
                oldest.map(|at| self.asked_by.remove(at));
            }
            self.asked_by.push(asker);
        }
    }

    /// Before anything is seen.
    #[must_use]
    pub fn new(settings: &StandbySettings, kept: &Kept) -> Self {
        let standby = settings.side == Side::Standby;
        Self {
            side: if standby { "standby" } else { "primary" }.to_owned(),
            role: standby.then_some(kept.memory.role),
            held: kept.memory.held,
            peer: settings.peer.map(|peer| peer.to_string()),
            seen_at: None,
            sight: None,
            sees: None,
            why: None,
            wanted: None,
            silent_since: None,
            asked_by: Vec::new(),
            after: Vec::new(),
            waits: None,
            armed: None,
            not_armed_because: None,
            armed_by: None,
            last_change: kept.last_change.as_ref().map(ChangeReport::from),
            proven: kept.proven.map(ProvenReport::from),
            warm: settings.warm.then_some(kept.warm),
            not_warm_because: None,
            workspace: None,
            problem: None,
            settings_mark: Some(settings.mark()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clawmend_core::time::Wall;

    #[test]
    fn each_that_asks_is_kept_once_and_the_oldest_makes_room() {
        let text = "[standby]\nside = \"primary\"\nlisten = \"127.0.0.1:1\"\n";
        let settings = crate::settings::parse(std::path::Path::new("x"), text).unwrap().standby.unwrap();
        let mut report = StandbyReport::new(&settings, &Kept::default());
        let asker = |number: i64, at: i64| AskerReport {
            address: format!("10.0.0.{number}"),
            says: "standing by".into(),
            held: false,
            seen_at: Time(Wall(at)),
        };
        report.note_asker(asker(1, 1));
        report.note_asker(asker(2, 2));
        report.note_asker(asker(1, 3));
        let kept = |report: &StandbyReport| -> Vec<(String, i64)> {
            report.asked_by.iter().map(|one| (one.address.clone(), one.seen_at.0.0)).collect()
        };
        assert_eq!(kept(&report), [("10.0.0.1".to_owned(), 3), ("10.0.0.2".to_owned(), 2)]);
        assert_eq!(
            (report.peer.as_deref(), report.sight.as_deref()),
            (Some("10.0.0.1"), Some("the standby is standing by"))
        );
        (3..10).for_each(|number| report.note_asker(asker(number, 10 + number)));
        let kept = kept(&report);
        assert_eq!(kept.len(), StandbyReport::ASKERS);
        assert!(!kept.iter().any(|(address, _)| address == "10.0.0.2"), "{kept:?}");
    }
}
