//! `clawmend standby check` on a node of a shared group, line by line.
//!
//! Invariant: it only looks: at the lease store as every candidate does, at the keeper, and at this host.

use super::boot::Part;
use super::{
    AGAIN, Level, Line, Whole, accounts, boot, finish, guarded, pause, people, program, space, store, unasked_here,
};
use crate::api::types::{SharedReport, StatusReport};
use crate::cli::config::home;
use crate::cli::context::{BEGIN_NODE, Context};
use crate::cli::error::CliError;
use crate::daemon::setup::{form_here, keeper_dir};
use crate::failover::fence::egress::{Egress, EgressError};
use crate::failover::fence::no_deadman;
use crate::host::dirs;
use crate::keeper::client::Keeper;
use crate::keeper::protocol::State;
use crate::openclaw::discovery::Home;
use crate::openclaw::unasked::Unasked;
use crate::settings::{GatewaySettings, Settings, SharedSettings};
use clawmend_core::failover::lease::Term;
use clawmend_core::gateway::Form;
use std::process::ExitCode;
use std::time::Duration;

/// The keeper answers in no time.
const KEEPER_LIMIT: Duration = Duration::from_secs(2);

pub(super) fn check(context: &Context, all: &Settings, settings: &SharedSettings) -> Result<ExitCode, CliError> {
    let status = context.guard_status();
    let mut lines = vec![guard(status.as_ref().map(|status| status.shared.as_deref()), settings)];
    let home = home(context, settings.gateway.as_ref());
    lines.extend(space::lines(&context.state_dir()?, home.as_ref().ok()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let looked = runtime.block_on(store::look(settings));
    let report = status.as_ref().and_then(|status| status.shared.as_deref());
    let known = report.filter(|report| began_so(report, settings)).and_then(|report| report.known_term);
    lines.extend(store::lines(settings, &looked, known.map(Term)));
    let owns = looked.ok().and_then(|looked| looked.view().map(|view| view.holder == Some(settings.node)));
    match &home {
        Ok(home) => {
            let entry = all.gateways.iter().find(|entry| entry.id == home.id);
            let form = form(home, entry, status.as_ref());
            lines.push(gateway(form));
            lines.extend(guarded(status.as_ref(), home).and_then(|gateway| program::line(gateway.program.as_ref()?)));
            lines.push(boot::look(home, entry.and_then(|entry| entry.unit.as_deref()), Part::Node));
            if form.is_none_or(|form| no_deadman(form).is_none()) {
                lines.push(deadman(runtime.block_on(keeper(home)).as_ref()));
            }
        }
        Err(error) => lines.push(Line { check: "gateway", level: Level::Bad, text: error.message.clone() }),
    }
    lines.push(egress(settings.egress_fence, &runtime.block_on(Egress::available())));
    lines.push(pause::look(settings));
    if let Ok(home) = &home {
        lines.extend(accounts::lines(&accounts::read(home, &settings.group, &context.state_dir()?), owns));
        lines.extend(unasked_here(home).filter(|_| settings.warm).map(timed));
    }
    lines.extend(status.as_ref().and_then(|status| status.shared.as_deref()).and_then(warm));
    lines.extend(people::look(context));
    finish(context, Whole::Node, &lines, None)
}

fn guard(status: Option<Option<&SharedReport>>, settings: &SharedSettings) -> Line {
    let (level, text) = match status {
        None => (Level::Bad, format!("no guard is running here: {BEGIN_NODE}")),
        Some(None) => (
            Level::Bad,
            "the guard here began before this host was a node of a shared group: start it again".to_owned(),
        ),
        Some(Some(report)) if !began_so(report, settings) => {
            (Level::Bad, format!("the guard here began with other settings of [shared], or is an older version: {AGAIN}"))
        }
        Some(Some(report)) if report.hindered && report.role == "owner" => (
            Level::Warning,
            "this node owns, and a person has paused or stopped its gateway: without one that runs it gives the channels up"
                .to_owned(),
        ),
        Some(Some(SharedReport { hindered: true, .. })) => (
            Level::Bad,
            "a person has paused or stopped the gateway here, so this node takes nothing over; `clawmend start` ends that"
                .to_owned(),
        ),
        Some(Some(SharedReport { store_problem: Some(problem), .. })) => {
            (Level::Warning, format!("the guard here runs, and its lease store failed it last: {problem}"))
        }
        Some(Some(report)) if report.held => (
            Level::Warning,
            format!("the guard here runs as {}, and takes nothing over until `clawmend standby release`", report.node),
        ),
        Some(Some(report)) => {
            (Level::Good, format!("the guard here runs as {} of the group {}", report.node, report.group))
        }
    };
    Line { check: "guard", level, text }
}

/// The guard began with the settings as they are now.
fn began_so(report: &SharedReport, settings: &SharedSettings) -> bool {
    report.settings_mark.as_ref() == Some(&settings.mark())
}

/// Of a node whose gateway runs while another one owns.
fn timed(found: Unasked) -> Line {
    let (level, text) = match found {
        Unasked { cron: false, .. } => (Level::Good, "no timed work and no heartbeats here"),
        Unasked { cron: true, .. } => (
            Level::Warning,
            "timed work is on in this host's OpenClaw config, and this node is warm: it is done here also while another node \
             owns; set cron.enabled to false",
        ),
    };
    Line { check: "timed work", level, text: text.to_owned() }
}

/// Where it is set, while another one may own.
fn warm(report: &SharedReport) -> Option<Line> {
    let (level, text) = match (report.warm?, report.role.as_str()) {
        (true, _) => (Level::Good, "the gateway runs, with its channels off"),
        (false, "candidate") => (Level::Warning, "the gateway is not warm yet, so a takeover would start it first"),
        (false, _) => return None,
    };
    Some(Line { check: "warm", level, text: text.to_owned() })
}

/// As its guard says, else as one that began now would find it.
fn form(home: &Home, entry: Option<&GatewaySettings>, status: Option<&StatusReport>) -> Option<Form> {
    guarded(status, home)
        .and_then(|gateway| gateway.form)
        .or_else(|| form_here(home, entry, &dirs::runtime_dir().ok()?))
}

fn gateway(form: Option<Form>) -> Line {
    let (level, text) = match form.map(|form| (form, no_deadman(form))) {
        None => (
            Level::Unknown,
            "nobody holds the gateway here yet: `clawmend run -- openclaw gateway run` has Clawmend's keeper run it"
                .to_owned(),
        ),
        Some((_, None)) => {
            (Level::Good, "Clawmend's keeper runs the gateway, so it can be ended without the guard".to_owned())
        }
        Some((Form::Systemd, Some(why))) => {
            (Level::Bad, format!("{why}; `openclaw gateway uninstall`, then `clawmend run -- openclaw gateway run`"))
        }
        Some((Form::Child | Form::Launchd | Form::ScheduledTask | Form::Foreign, Some(why))) => {
            (Level::Bad, format!("{why}: end it, then `clawmend run -- openclaw gateway run`"))
        }
    };
    Line { check: "gateway", level, text }
}

/// What the keeper of this gateway says; `None`: there is none, or it does not answer.
async fn keeper(home: &Home) -> Option<State> {
    let dir = keeper_dir(&dirs::runtime_dir().ok()?, &home.id);
    let asked = async { Keeper::connect(&dir).await.ok()?.hello().await.ok() };
    tokio::time::timeout(KEEPER_LIMIT, asked).await.ok().flatten()
}

fn deadman(keeper: Option<&State>) -> Line {
    let (level, text) = match keeper {
        None => (Level::Unknown, "no keeper runs yet; it comes with the guard, and its deadman with it"),
        Some(State { deadman: Some(_), .. }) => {
            (Level::Good, "armed: the keeper ends the gateway when the lease is over, without the guard's help")
        }
        Some(keeper) if keeper.capabilities.iter().any(|one| one == "deadman") => {
            (Level::Good, "the keeper has one, and it is armed before the gateway is started")
        }
        Some(_) => (
            Level::Bad,
            "the keeper here is of an older version and has none, so nothing is started: end the gateway and the guard for a \
             minute, and it is renewed",
        ),
    };
    Line { check: "deadman", level, text: text.to_owned() }
}

fn egress(wanted: bool, available: &Result<(), EgressError>) -> Line {
    let (level, text) = match (wanted, available) {
        (true, Ok(())) => {
            (Level::Good, "the kernel shuts the gateway off where guard and keeper are both frozen".to_owned())
        }
        (true, Err(why)) => {
            (Level::Bad, format!("{why}; so nothing is started here: mend that, or set `egress_fence = false`"))
        }
        (false, Ok(())) => (
            Level::Warning,
            "off, so nothing covers a guard and a keeper that are both frozen while the machine runs: this host can \
             have it, set `egress_fence = true`"
                .to_owned(),
        ),
        (false, Err(why)) => (
            Level::Warning,
            format!("{why}; so nothing covers a guard and a keeper that are both frozen while the machine runs"),
        ),
    };
    Line { check: "egress", level, text }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::keeper::protocol::Deadman;
    use clawmend_core::failover::lease::Memory;

    pub fn every_line() -> Vec<Line> {
        let settings = super::super::pause::tests::settings("");
        let report = |held, problem: Option<&str>| SharedReport {
            held,
            store_problem: problem.map(str::to_owned),
            ..SharedReport::new(&settings, &Memory::default())
        };
        let state = |capabilities: &[&str], deadman| State {
            pid: 7,
            child: None,
            exits: Vec::new(),
            capabilities: capabilities.iter().map(|one| (*one).to_owned()).collect(),
            stopping: false,
            dropped_lines: 0,
            deadman,
        };
        let unavailable = EgressError::Unavailable("only root may make control groups".into());
        let forms = [None, Some(Form::Child), Some(Form::Systemd), Some(Form::Foreign)];
        let other = super::super::pause::tests::settings("timing = \"fast\"");
        let guards = [
            guard(None, &settings),
            guard(Some(None), &settings),
            guard(Some(Some(&report(false, Some("it did not answer within 2000 ms")))), &settings),
            guard(Some(Some(&report(true, None))), &settings),
            guard(Some(Some(&report(false, None))), &settings),
            guard(Some(Some(&SharedReport { hindered: true, ..report(false, None) })), &settings),
            guard(Some(Some(&SharedReport { hindered: true, role: "owner".into(), ..report(false, None) })), &settings),
            guard(Some(Some(&SharedReport::new(&other, &Memory::default()))), &settings),
        ];
        let deadmen = [
            deadman(None),
            deadman(Some(&state(&["deadman"], Some(Deadman { term: 7, until_ms: 9, struck: None })))),
            deadman(Some(&state(&["deadman"], None))),
            deadman(Some(&state(&[], None))),
        ];
        let warmth = |warm| warmth_of(&report(false, None), warm);
        let timed = [false, true].map(|cron| timed(Unasked { cron, heartbeats: cron }));
        let unavailable = Err(unavailable);
        let fences = [true, false].map(|wanted| [egress(wanted, &Ok(())), egress(wanted, &unavailable)]);
        let lines = guards.into_iter().chain(forms.map(gateway)).chain(deadmen).chain(fences.into_iter().flatten());
        lines.chain(timed).chain([true, false].into_iter().filter_map(warmth)).collect()
    }

    fn warmth_of(report: &SharedReport, is_warm: bool) -> Option<Line> {
        warm(&SharedReport { warm: Some(is_warm), ..report.clone() })
    }
}
