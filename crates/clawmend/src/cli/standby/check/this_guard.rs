//! What `standby check` says of the guard on this host, as one of a pair.
//!
//! Invariant: the rest of the check looks with the settings and the key as they are now; whether the guard, which read them
//! when it began, sees the same is said here.

use super::super::super::duration::human;
use super::{AGAIN, BEGIN_NODE, Level, Line};
use crate::api::types::{AskerReport, StandbyReport, Time};
use crate::settings::StandbySettings;
use clawmend_core::failover::{Role, Sight};
use clawmend_core::time::Wall;

/// A standby that has not asked its primary for longer is lost, in milliseconds.
const ASKS_WITHIN_MS: u64 = 300_000;

/// `guard`: nothing where none answers, and nothing within where it knows of no pair.
pub(super) fn line(guard: Option<Option<&StandbyReport>>, settings: &StandbySettings, now: Wall) -> Line {
    let (level, text) = match guard {
        None => (Level::Bad, format!("no guard is running here: {BEGIN_NODE}")),
        Some(None) => {
            (Level::Bad, "the guard here began before this host was one of a pair: start it again".to_owned())
        }
        Some(Some(report)) => bad(report, settings).map_or_else(|| seen(report, now), |why| (Level::Bad, why)),
    };
    Line { check: "guard", level, text }
}

fn bad(report: &StandbyReport, settings: &StandbySettings) -> Option<String> {
    match report {
        StandbyReport { problem: Some(problem), .. } => Some(problem.clone()),
        _ if report.settings_mark.as_ref() != Some(&settings.mark()) => {
            Some(format!("the guard here began with other settings of [standby], or is an older version: {AGAIN}"))
        }
        StandbyReport { armed: Some(false), not_armed_because: Some(why), .. } => {
            Some(format!("the guard here would not take over: {why}"))
        }
        StandbyReport { held: true, role: Some(Role::Watching), .. } => Some(
            "a person holds this node, so the guard here takes nothing over until `clawmend standby release`"
                .to_owned(),
        ),
        report if report.workspace_fails().is_some() => {
            report.workspace_fails().map(|said| format!("the guard here has {said}"))
        }
        StandbyReport { sees: Some(Sight::Unclear | Sight::Blind), sight: Some(sight), role, .. } => {
            let so = if *role == Some(Role::Active) { "it does not step back" } else { "it would not take over" };
            Some(format!(
                "the guard here does not see the primary, so {so}: {sight}; if the lines below are well, start it again"
            ))
        }
        StandbyReport { .. } => None,
    }
}

fn seen(report: &StandbyReport, now: Wall) -> (Level, String) {
    let runs = format!("the guard here runs as {}", report.side);
    let sight = report.sight.as_deref().unwrap_or("nothing of the other node yet");
    let lost = |one: &&AskerReport| ago_ms(one.seen_at, now) >= ASKS_WITHIN_MS;
    if let Some(one) = report.asked_by.iter().find(lost) {
        let (address, ago) = (&one.address, human(ago_ms(one.seen_at, now)));
        let text = format!(
            "{runs}; the standby at {address} has not asked for {ago}: if it is gone for good, or has another address now, \
             start this guard again"
        );
        return (Level::Bad, text);
    }
    if let Some(one) = report.asked_by.iter().find(|one| one.held) {
        let text = format!(
            "{runs}; a person holds the standby at {}, so it takes nothing over until `clawmend standby release` there",
            one.address
        );
        return (Level::Warning, text);
    }
    let Some(at) = report.seen_at else { return (Level::Warning, format!("{runs}; seen last: {sight}")) };
    let is_well = report.role.is_none() || report.sees == Some(Sight::Serves);
    let level = if is_well { Level::Good } else { Level::Warning };
    (level, format!("{runs}; heard the other node {} ago: {sight}", human(ago_ms(at, now))))
}

fn ago_ms(at: Time, now: Wall) -> u64 {
    u64::try_from(now.0.saturating_sub(at.0.0)).unwrap_or(0)
}

/// Where a primary is to be found.
pub(super) fn address(guard: Option<Option<&StandbyReport>>, settings: &StandbySettings) -> Line {
    let listen = settings.listen.map(|address| address.to_string()).unwrap_or_default();
    let (level, text) = match guard.flatten() {
        Some(StandbyReport { problem: None, .. }) => (Level::Good, format!("answers its standby on {listen}")),
        Some(_) | None => (Level::Unknown, format!("whether a standby is answered on {listen}: see the guard")),
    };
    Line { check: "address", level, text }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::api::types::{NOT_GIVEN_BACK, NOT_PUSHED};
    use crate::failover::kept::Kept;
    use crate::settings::parse;

    fn settings(text: &str) -> StandbySettings {
        parse(std::path::Path::new("x"), &format!("[standby]\n{text}")).unwrap().standby.unwrap()
    }

    pub fn every_line() -> Vec<Line> {
        let standby = settings("side = \"standby\"\npeer = \"10.0.0.1:18790\"\n");
        let primary = settings("side = \"primary\"\nlisten = \"10.0.0.1:18790\"\n");
        let now = Wall(1_790_000_900_000);
        let fresh = |settings: &StandbySettings| StandbyReport::new(settings, &Kept::default());
        let sees = |sight, text: &str| StandbyReport {
            seen_at: Some(Time(Wall(now.0 - 4_000))),
            sees: Some(sight),
            sight: Some(text.into()),
            armed: Some(true),
            ..fresh(&standby)
        };
        let asked_by = |held, ago_ms: i64| {
            let mut report = fresh(&primary);
            let (seen_at, says) = (Time(Wall(now.0 - ago_ms)), "standing by".to_owned());
            report.note_asker(AskerReport { address: "10.0.0.2".into(), says, held, seen_at });
            report
        };
        let asked = |ago_ms| asked_by(false, ago_ms);
        let problem = StandbyReport { problem: Some("10.0.0.1:18790 cannot be listened on".into()), ..fresh(&primary) };
        let apart =
            StandbyReport { armed: Some(false), not_armed_because: Some("both own it".into()), ..fresh(&standby) };
        let pushes = StandbyReport { workspace: Some(format!("{NOT_PUSHED}no way")), ..asked(1_000) };
        let standbys = [
            fresh(&standby),
            apart,
            sees(Sight::Serves, "its guard says: healthy"),
            sees(Sight::Silent, "the guard there does not answer"),
            sees(Sight::Unclear, "the guard at 10.0.0.1:18790 refuses this node: it has another key"),
            sees(Sight::Blind, "this node reaches nobody else either"),
            fresh(&settings("side = \"standby\"\npeer = \"10.0.0.1:18790\"\nreference = \"1.1.1.1:53\"\n")),
            StandbyReport { settings_mark: None, ..fresh(&standby) },
            StandbyReport {
                workspace: Some(format!("{NOT_GIVEN_BACK}the remote lets this node read only")),
                ..sees(Sight::Serves, "its guard says: healthy")
            },
            StandbyReport { held: true, ..sees(Sight::Serves, "its guard says: healthy") },
        ];
        let primaries = [fresh(&primary), asked(9_000), asked_by(true, 9_000), asked(360_000), problem, pushes];
        let mut lines = vec![line(None, &standby, now), line(Some(None), &standby, now)];
        lines.extend(standbys.iter().map(|report| line(Some(Some(report)), &standby, now)));
        for report in &primaries {
            lines.push(line(Some(Some(report)), &primary, now));
            lines.push(address(Some(Some(report)), &primary));
        }
        lines.push(address(None, &primary));
        assert_eq!(standbys[0].role, Some(Role::Watching));
        lines
    }
}
