//! The shared group in `standby`: its page, and what a person says to one of its nodes.

use super::super::context::{Context, no_guard_of_node};
use super::super::error::{CliError, Kind};
use super::super::output::clean;
use super::super::{wish, words};
use crate::api::Request;
use crate::api::types::{GivingUpReport, SharedReport};
use crate::settings::SharedSettings;
use clawmend_core::failover::lease::{NodeId, Order, PausePolicy, Term, Vouch};
use clawmend_core::time::Wall;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::ExitCode;

/// This node's part, as a page.
pub(in crate::cli) fn page(report: &SharedReport, now: Wall, zone: &TimeZone) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<14}{value}");
    };
    row("node", &format!("{} of the group {}", clean(&report.node, 64), clean(&report.group, 64)));
    let held = match (report.held, report.role.as_str()) {
        (false, _) => "",
        (true, "owner") => "; once it is none any more, a person keeps it out until `clawmend standby release`",
        (true, _) => "; a person or a split brain keeps it out until `clawmend standby release`",
    };
    let role = match (report.role.as_str(), report.warm) {
        ("owner", _) => "owner: its gateway runs with the channels on",
        ("taking_over", _) => "holds the lease; its gateway does not run yet",
        (_, Some(true)) => "candidate: its gateway runs, with its channels off",
        (_, Some(false) | None) => "candidate: its gateway is off",
    };
    row("role", &format!("{role}{held}"));
    match (report.hindered, report.role.as_str()) {
        (false, _) => {}
        (true, "owner") => {
            row("", "a person has paused or stopped its gateway: without one that runs it gives the channels up")
        }
        (true, _) => {
            row("", "a person has paused or stopped its gateway, so it takes nothing over: `clawmend start` ends that");
        }
    }
    if let Some(leaving) = &report.giving_up {
        row("gives up", &given_up(leaving, zone));
    }
    if report.wanted && !report.hindered && report.vouch.is_none() {
        row("", "a person wants it to own: it takes the lease as soon as it is free");
    }
    if let (Some(term), Some(until)) = (report.term, report.lease_until) {
        row("lease", &format!("term {term}; without a renewal the gateway is ended at {}", words::time(until, zone)));
    }
    row(
        "owner",
        &report.owner.as_deref().map_or_else(|| "nobody, as far as is known".to_owned(), |name| clean(name, 64)),
    );
    let seen = report
        .store_seen_at
        .map_or_else(|| "not heard of yet".to_owned(), |at| format!("answered {}", words::ago(at, now)));
    row("lease store", &format!("{}; {seen}", clean(&report.store, 200)));
    if let Some(problem) = &report.store_problem {
        row("", &clean(problem, 300));
    }
    if !report.suspects.is_empty() {
        row("suspects", &format!("{} held the lease and never gave it back", clean(&report.suspects.join(", "), 400)));
    }
    if let Some(vouch) = &report.vouch {
        let off: Vec<String> = vouch.nodes.iter().map(|name| format!("--off {}", clean(name, 64))).collect();
        row(
            "waits for you",
            &format!("see that these machines are off, then `clawmend standby promote {}`", off.join(" ")),
        );
    }
    if report.warm == Some(false) && report.role == "candidate" {
        row("gateway", "not warm yet: a takeover now would start it");
    }
    row("egress fence", &fence(report, zone));
    if let Some(paused) = report.paused {
        row("paused host", words_on(paused));
    }
    if let Some(word) = &report.last_word {
        row("last word", &clean(word, 400));
    }
    text
}

fn given_up(leaving: &GivingUpReport, zone: &TimeZone) -> String {
    let to = leaving.to.as_ref().map_or_else(
        || "its channels go to whichever node comes first".to_owned(),
        |name| format!("its channels go to {}", clean(name, 64)),
    );
    let until = leaving
        .until
        .map(|at| format!("; it finishes what people wrote, until {} at most", words::time(at, zone)))
        .unwrap_or_default();
    format!("{to}{until} ({})", clean(&leaving.why, 200))
}

/// What shuts the gateway off while its guard and its keeper are frozen.
fn fence(report: &SharedReport, zone: &TimeZone) -> String {
    let Some(fence) = &report.egress_fence else {
        return "none (egress_fence = false): with guard and keeper both frozen nothing shuts the gateway off"
            .to_owned();
    };
    let state = match (fence.until, fence.state.as_str()) {
        (Some(until), _) => {
            format!("open; without a renewal the kernel shuts the gateway off at {}", words::time(until, zone))
        }
        (None, "as_left") => "as the guard before had left it, until it is renewed".to_owned(),
        (None, _) => "shut: nothing of the gateway reaches other machines".to_owned(),
    };
    let problem = fence.problem.as_ref().map(|why| format!("; it failed: {}", clean(why, 300))).unwrap_or_default();
    format!("{state} (nft table {}){problem}", clean(&fence.table, 64))
}

/// What covers a machine that is paused as a whole; nothing on the machine itself does.
const fn words_on(paused: PausePolicy) -> &'static str {
    match paused {
        PausePolicy::ExternalFence => {
            "no fence on the host itself covers one that is paused as a whole; the hook fence_command turns it off from outside"
        }
        PausePolicy::Manual => {
            "no fence covers one that is paused as a whole; nobody follows it until a person says that it is off"
        }
        PausePolicy::ResidualWindow => {
            "no fence covers one that is paused as a whole; when it wakes there may be two owners for a moment \
             (paused = \"residual_window\")"
        }
    }
}

/// What a person says.
pub(super) enum Said<'a> {
    /// Take over; these machines are off.
    Promote(&'a [String]),
    /// Hand over, to this node or to whoever comes first.
    HandOver(Option<&'a str>),
    /// Step down, and stay out.
    Demote,
    /// Stay out.
    Hold,
    /// Decide by yourself again.
    Release,
}

/// Brings it to the guard.
pub(super) fn say(context: &Context, settings: &SharedSettings, said: &Said<'_>) -> Result<ExitCode, CliError> {
    let order = match said {
        Said::Promote(off) => Order::Promote { vouch: vouch(context, settings, off)? },
        Said::HandOver(to) => Order::HandOver { to: to.map(|name| other(settings, name)).transpose()? },
        Said::Demote => Order::Demote,
        Said::Hold => Order::Hold,
        Said::Release => Order::Release,
    };
    match context.ask(Request::Shared { order })? {
        Some(answer) => wish::done(context, answer),
        None => Err(no_guard_of_node()),
    }
}

/// Another node than this one.
fn other(settings: &SharedSettings, name: &str) -> Result<NodeId, CliError> {
    let id = node(settings, name)?;
    if id == settings.node {
        let others = settings.nodes.iter().filter(|known| *known != name).cloned().collect::<Vec<String>>().join(", ");
        return Err(CliError::new(Kind::Usage, format!("{name} is this node itself; name another one, or none"))
            .hint(format!("the others are {others}")));
    }
    Ok(id)
}

fn node(settings: &SharedSettings, name: &str) -> Result<NodeId, CliError> {
    let at = settings.nodes.iter().position(|known| known == name).and_then(|at| u16::try_from(at + 1).ok());
    at.map(NodeId).ok_or_else(|| {
        CliError::new(Kind::NotFound, format!("{} is no node of this group", clean(name, 64)))
            .hint(format!("its nodes are {}", settings.nodes.join(", ")))
    })
}

/// A person's word counts for exactly the machines that they are shown.
fn vouch(context: &Context, settings: &SharedSettings, off: &[String]) -> Result<Option<Vouch>, CliError> {
    let status = context.guard_status().ok_or_else(no_guard_of_node)?;
    let report = status.shared.ok_or_else(|| super::began_before("a node of a group"))?;
    let shown: BTreeSet<&String> = report.vouch.iter().flat_map(|vouch| &vouch.nodes).collect();
    let named: BTreeSet<&String> = off.iter().collect();
    if shown != named {
        let asked = shown.iter().map(|name| format!("--off {name}")).collect::<Vec<_>>().join(" ");
        let error = if shown.is_empty() {
            CliError::new(Kind::NeedsPerson, "no machine is in the way, so none is to be named")
                .hint("`clawmend standby promote`")
        } else {
            let names = shown.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
            CliError::new(
                Kind::NeedsPerson,
                format!("these machines may only be paused, and go on at any time: {names}"),
            )
            .hint(format!("see that each of them is off, then `clawmend standby promote {asked}`"))
            .hint("a machine that is not off would answer every message a second time")
        };
        return Err(error);
    }
    let Some(vouch) = report.vouch.filter(|_| !off.is_empty()) else { return Ok(None) };
    let nodes = vouch.nodes.iter().map(|name| node(settings, name)).collect::<Result<BTreeSet<NodeId>, CliError>>()?;
    Ok(Some(Vouch { term: Term(vouch.term), nodes }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::types::{EgressReport, GivingUpReport, Time, VouchReport};

    #[test]
    fn the_page_of_an_owner_of_one_that_waits_for_a_person_and_of_one_without_a_fence() {
        let at = |ms: i64| Time(Wall(1_790_000_000_000 + ms));
        let owner = SharedReport {
            group: "home".into(),
            node: "alpha".into(),
            role: "owner".into(),
            term: Some(7),
            known_term: Some(7),
            lease_until: Some(at(12_000)),
            owner: Some("alpha".into()),
            held: false,
            wanted: false,
            giving_up: None,
            hindered: false,
            warm: None,
            suspects: Vec::new(),
            vouch: None,
            egress_fence: Some(EgressReport {
                state: "open".into(),
                until: Some(at(13_000)),
                table: "clawmend_default_0f".into(),
                problem: None,
            }),
            paused: Some(PausePolicy::ResidualWindow),
            store: "etcd at 10.0.0.3:2379".into(),
            store_seen_at: Some(at(0)),
            store_problem: None,
            last_word: Some("this node owns the channels now (term 7)\u{1b}[31m".into()),
            settings_mark: None,
        };
        let waits = SharedReport {
            node: "beta".into(),
            role: "candidate".into(),
            term: None,
            lease_until: None,
            owner: None,
            held: true,
            hindered: true,
            warm: Some(true),
            suspects: vec!["alpha".into()],
            vouch: Some(VouchReport { term: 8, nodes: vec!["alpha".into()] }),
            egress_fence: Some(EgressReport {
                state: "shut".into(),
                until: None,
                table: "clawmend_default_0f".into(),
                problem: Some("setting it took too long\u{1b}[31m".into()),
            }),
            paused: Some(PausePolicy::Manual),
            store_problem: Some("the lease store did not answer within 2000 ms".into()),
            ..owner.clone()
        };
        let now = Wall(1_790_000_002_000);
        let bare = SharedReport {
            egress_fence: None,
            paused: Some(PausePolicy::ExternalFence),
            last_word: None,
            ..owner.clone()
        };
        let giving_up = |to: Option<&str>, until| {
            Some(GivingUpReport { why: "a person wants it".into(), to: to.map(str::to_owned), until })
        };
        let hands_over = SharedReport { giving_up: giving_up(Some("beta\u{1b}[31m"), Some(at(9_000))), ..bare.clone() };
        let has_finished = SharedReport { giving_up: giving_up(None, None), ..bare.clone() };
        let wanted = SharedReport {
            wanted: true,
            role: "candidate".into(),
            owner: Some("beta".into()),
            term: None,
            lease_until: None,
            ..bare.clone()
        };
        let pages = [owner, waits, bare, hands_over, has_finished, wanted];
        insta::assert_snapshot!(pages.map(|report| page(&report, now, &TimeZone::UTC)).join("--\n"));
    }
}
