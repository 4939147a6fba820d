//! `clawmend standby status`.

use super::super::context::{Context, no_guard_of_node};
use super::super::duration::human;
use super::super::error::CliError;
use super::super::output::{self, clean};
use super::super::words;
use crate::api::types::StandbyReport;
use crate::failover::words as called;
use crate::host::clock;
use clawmend_core::failover::Role;
use clawmend_core::time::Wall;
use jiff::tz::TimeZone;
use std::fmt::Write as _;
use std::process::ExitCode;

pub(super) fn show(context: &Context) -> Result<ExitCode, CliError> {
    let Some(status) = context.guard_status() else {
        if super::settings(context)?.shared.is_none() {
            super::Pair::of(context)?;
        }
        return Err(no_guard_of_node());
    };
    if let Some(report) = status.shared {
        if context.global.json {
            output::print_json(&report)?;
        } else {
            output::print(&super::shared::page(&report, clock::now().wall, &TimeZone::system()))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let Some(report) = status.standby else {
        if super::settings(context)?.shared.is_some() {
            return Err(super::began_before("a node of a shared group"));
        }
        // It has a section, or this says how it gets one.
        super::Pair::of(context)?;
        return Err(super::began_before("one of a pair"));
    };
    if context.global.json {
        output::print_json(&report)?;
    } else {
        output::print(&render(&report, clock::now().wall, &TimeZone::system()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The part of a pair, as a page.
pub(in crate::cli) fn render(report: &StandbyReport, now: Wall, zone: &TimeZone) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<14}{value}");
    };
    match report.role {
        Some(role) => {
            let why = report.why.map_or_else(String::new, |why| format!(" ({})", called::reason(why)));
            let held = if report.held { ", held by a person until `clawmend standby release`" } else { "" };
            row("role", &format!("standby, {}{why}{held}", called::role(role)));
        }
        None => row("role", "primary"),
    }
    if let Some(wanted) = report.wanted {
        row("then", &format!("{}, as a person wants", called::change(wanted)));
    }
    if let Some(since) = report.silent_since {
        let at = words::time(since, zone);
        row("answers", &format!("nobody, since {at}: the primary is lost, and this node's own gateway does not serve"));
    }
    let several = report.asked_by.len() > 1;
    for one in report.asked_by.iter().filter(|_| several) {
        let (address, says) = (clean(&one.address, 60), clean(&one.says, 100));
        row("standby", &format!("{address}: {says}, heard {}", words::ago(one.seen_at, now)));
    }
    let peer = report.peer.as_deref().map_or_else(|| "not heard of yet".to_owned(), |peer| clean(peer, 100));
    let heard = report.seen_at.map_or_else(String::new, |at| format!(", heard {}", words::ago(at, now)));
    if !several {
        row(if report.role.is_some() { "primary" } else { "standby" }, &format!("{peer}{heard}"));
    }
    if let Some(sight) = report.sight.as_ref().filter(|_| !several) {
        row("seen", &clean(sight, 300));
    }
    for senior in &report.after {
        row("comes after", &format!("{}: {}", clean(&senior.address, 60), clean(&senior.seen, 300)));
    }
    if let Some(waits) = &report.waits {
        row("waits", &clean(waits, 200));
    }
    match (report.armed, &report.not_armed_because) {
        (Some(true), _) => {
            let by = report.armed_by.as_ref().map_or_else(String::new, |by| format!(", {}", clean(by, 400)));
            row("channels", &format!("apart: no account has two owners{by}"));
        }
        (Some(false), Some(why)) => row("channels", &format!("it would not take over: {}", clean(why, 400))),
        (Some(false) | None, _) => {}
    }
    match (report.warm, report.role, &report.not_warm_because) {
        (Some(true), _, None) => row("gateway", "warm: it runs, with its channels off"),
        (Some(_), Some(Role::Watching), Some(why)) => row("gateway", &format!("not warm: {}", clean(why, 300))),
        (Some(false), Some(Role::Watching), None) => row("gateway", "not warm yet"),
        (Some(_) | None, ..) => {}
    }
    if let Some(change) = &report.last_change {
        let how = if change.worked { "done" } else { "failed" };
        let at = words::time(change.at, zone);
        row(
            "last change",
            &format!(
                "{} at {at}, {how} after {}: {}",
                called::change(change.to),
                human(change.took_ms),
                called::reason(change.reason)
            ),
        );
        for step in &change.steps {
            let failed = if step.worked { "" } else { "NOT done: " };
            let (name, detail) = (clean(&step.step, 40), clean(&step.detail, 200));
            row("", &format!("{name}: {failed}{detail} ({})", human(step.took_ms)));
        }
    }
    if let Some(proven) = &report.proven {
        let after = human(proven.took_ms);
        row("last proven", &format!("{}: reachable {after} after it was decided", words::ago(proven.at, now)));
    } else if report.role.is_some() {
        row("last proven", "never: `clawmend drill failover` tries it");
    }
    if let Some(workspace) = &report.workspace {
        row("workspace", &clean(workspace, 400));
    }
    if let Some(problem) = &report.problem {
        row("problem", &clean(problem, 400));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::types::{AskerReport, ChangeReport, ProvenReport, SeniorReport, Time};
    use clawmend_core::failover::senior::Waits;
    use clawmend_core::failover::{Reason, Sight, Steadying, Step};

    fn report() -> StandbyReport {
        StandbyReport {
            side: "standby".into(),
            role: Some(Role::Active),
            held: false,
            peer: Some("100.64.0.1:18790".into()),
            seen_at: Some(Time(Wall(1_790_000_000_000))),
            sight: Some("nothing came within 2000 ms\u{1b}[31m".into()),
            sees: Some(Sight::Silent),
            why: None,
            wanted: None,
            silent_since: None,
            asked_by: Vec::new(),
            after: Vec::new(),
            waits: None,
            armed: Some(true),
            not_armed_because: None,
            armed_by: None,
            last_change: Some(ChangeReport {
                to: Role::Active,
                reason: Reason::Silent { misses: 3 },
                at: Time(Wall(1_790_000_030_000)),
                took_ms: 16_400,
                worked: true,
                steps: vec![Step { step: "gateway".into(), worked: true, took_ms: 16_400, detail: "healthy".into() }],
            }),
            proven: None,
            warm: Some(false),
            not_warm_because: None,
            workspace: None,
            problem: None,
            settings_mark: None,
        }
    }

    #[test]
    fn the_page_of_a_standby_and_of_a_primary() {
        let now = Wall(1_790_000_100_000);
        let carrying = render(&report(), now, &TimeZone::UTC);
        let proven = ProvenReport { at: Time(Wall(1_789_900_000_000)), took_ms: 17_900 };
        let refused = StandbyReport {
            proven: Some(proven),
            role: Some(Role::Watching),
            held: true,
            armed: Some(false),
            not_warm_because: Some("gateway: a person has paused or stopped it".into()),
            not_armed_because: Some("both nodes own telegram".into()),
            last_change: None,
            ..report()
        };
        let dated = StandbyReport {
            role: Some(Role::Watching),
            warm: Some(true),
            armed_by: Some("by what the primary owned 5 min ago; its config cannot be read now: line 3".into()),
            after: vec![SeniorReport { address: "100.64.0.2:18790".into(), seen: "carrying on".into() }],
            waits: Some(called::waits(Waits::Carries).into()),
            last_change: None,
            ..report()
        };
        let busy = StandbyReport {
            role: Some(Role::Promoting),
            why: Some(Reason::Silent { misses: 3 }),
            wanted: Some(Role::Watching),
            silent_since: Some(Time(Wall(1_790_000_010_000))),
            held: true,
            last_change: None,
            ..report()
        };
        let steadying = Steadying { well_ms: 47_000, needs_ms: 240_000, takeovers: 3 };
        let unsteady = StandbyReport {
            waits: Some(called::steadying(steadying)),
            sight: Some("its guard says: healthy".into()),
            last_change: None,
            ..report()
        };
        let primary = StandbyReport {
            side: "primary".into(),
            role: None,
            sees: None,
            armed: None,
            warm: None,
            last_change: None,
            peer: None,
            seen_at: None,
            sight: None,
            workspace: Some("pushed; left out: .env (named like a secret)".into()),
            problem: Some("there is no key".into()),
            ..report()
        };
        let asker = |address: &str, says: &str, at| AskerReport {
            address: address.into(),
            says: says.into(),
            held: false,
            seen_at: Time(Wall(at)),
        };
        let of_two = StandbyReport {
            asked_by: vec![
                asker("100.64.0.2", "standing by", 1_790_000_098_000),
                asker("100.64.0.3", "standing by, held by a person", 1_789_990_000_000),
            ],
            problem: None,
            ..primary.clone()
        };
        let pages = [
            carrying,
            render(&dated, now, &TimeZone::UTC),
            render(&refused, now, &TimeZone::UTC),
            render(&busy, now, &TimeZone::UTC),
            render(&unsteady, now, &TimeZone::UTC),
            render(&primary, now, &TimeZone::UTC),
            render(&of_two, now, &TimeZone::UTC),
        ];
        insta::assert_snapshot!(pages.join("--\n"));
    }
}
