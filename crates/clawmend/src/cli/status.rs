//! `clawmend status`: a calm page on how things are.

use super::context::{Context, unexpected};
use super::draft;
use super::duration::human;
use super::error::CliError;
use super::output::{self, Style, Tone, clean};
use super::words;
use crate::api::types::{
    DesiredState, GatewayStatus, GuardStatus, LastRecovery, PauseReport, SCHEMA, StatusReport, Time,
};
use crate::api::{Answer, Request};
use crate::host::clock;
use crate::store::{self, Introduction, ReadError, Reader};
use clawmend_core::gateway::{Control, GatewayId};
use clawmend_core::health::Verdict;
use clawmend_core::time::Wall;
use clawmend_core::wish::{Desired, Standing};
use jiff::tz::TimeZone;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

pub(super) fn status(context: &Context) -> Result<ExitCode, CliError> {
    let report = look(context)?;
    if context.global.json {
        output::print_json(&report)?;
    } else {
        let now = clock::now().wall;
        output::print(&render(&report, now, &TimeZone::system(), Style::of_stdout()))?;
        let state = context.state_dir()?;
        for hint in report.gateways.iter().filter_map(|gateway| draft::hint_of(&state, &gateway.id, now.0)) {
            output::tell(&hint);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What the guard says, or without one, what is known.
pub(super) fn look(context: &Context) -> Result<StatusReport, CliError> {
    match context.ask(Request::Status)? {
        Some(Answer::Status(report)) => Ok(report),
        Some(_) => Err(unexpected()),
        None => without_guard(context),
    }
}

/// What files and records tell. Nobody looks at the gateways, so their verdict is unknown, unless a person's wish
/// is in force.
pub(super) fn without_guard(context: &Context) -> Result<StatusReport, CliError> {
    let state = context.state_dir()?;
    let (reader, notes) = match Reader::open(&state) {
        Ok(reader) => (Some(reader), Vec::new()),
        Err(ReadError::Nothing { .. }) => (None, Vec::new()),
        Err(error) => (None, vec![error.to_string()]),
    };
    let introductions = reader.as_ref().and_then(|reader| reader.gateways().ok()).unwrap_or_default();
    let wanted = |id: &GatewayId| context.global.gateway.as_ref().is_none_or(|only| only == id);
    let gateways = store::known_gateways(&state, reader.as_ref())
        .into_iter()
        .filter(wanted)
        .map(|id| {
            let known = introductions.iter().find(|known| known.gateway == id);
            remembered(&state, reader.as_ref(), id, known)
        })
        .collect();
    Ok(StatusReport {
        schema: SCHEMA,
        guard: GuardStatus { notes, ..GuardStatus::default() },
        gateways,
        standby: None,
        shared: None,
    })
}

fn remembered(state: &Path, reader: Option<&Reader>, id: GatewayId, known: Option<&Introduction>) -> GatewayStatus {
    let (standing, _) = store::standing(state, reader, &id);
    let last = reader.and_then(|reader| reader.last_recovery(&id).ok().flatten());
    GatewayStatus {
        state_dir: known.map(|known| known.state_dir.clone()).unwrap_or_default(),
        verdict: Verdict::Unknown,
        cause: None,
        reasons: Vec::new(),
        desired: desired(&standing),
        control: known.map_or(Control::Observe, |known| known.control),
        control_reason: None,
        approvals: Vec::new(),
        polkit_rule: None,
        incarnation: None,
        url: known.and_then(|known| known.url.clone()),
        since: None,
        incident: None,
        last_recovery: last.as_ref().map(LastRecovery::from),
        form: None,
        emergency: standing.emergency,
        pause: standing.pause.map(|pause| PauseReport {
            since: Some(Time(pause.since)),
            until: pause.until.map(Time),
            reason: pause.reason,
            flag_file: None,
        }),
        next: Some("nothing, as no guard is running".to_owned()),
        memory: None,
        program: None,
        id,
    }
}

fn desired(standing: &Standing) -> DesiredState {
    match standing.desired {
        Desired::Stopped => DesiredState::Stopped,
        Desired::Running if standing.emergency => DesiredState::Stopped,
        Desired::Running if standing.hands_off() => DesiredState::Paused,
        Desired::Running => DesiredState::Running,
    }
}

fn render(report: &StatusReport, now: Wall, zone: &TimeZone, style: Style) -> String {
    let mut page = Page { text: String::new(), now, zone, style };
    for gateway in &report.gateways {
        page.gateway(gateway);
    }
    if report.gateways.is_empty() {
        page.text.push_str("No gateway is known yet.\n\n");
    }
    if let Some(standby) = &report.standby {
        page.text.push_str("Pair\n");
        page.text.push_str(&super::standby::page(standby, now, zone));
        page.text.push('\n');
    }
    if let Some(shared) = &report.shared {
        page.text.push_str("Shared group\n");
        page.text.push_str(&super::standby::shared_page(shared, now, zone));
        page.text.push('\n');
    }
    page.guard(&report.guard);
    page.text
}

struct Page<'a> {
    text: String,
    now: Wall,
    zone: &'a TimeZone,
    style: Style,
}

impl Page<'_> {
    fn row(&mut self, name: &str, value: &str) {
        let name = self.style.paint(Tone::Quiet, &format!("{name:<14}"));
        let _ = writeln!(self.text, "  {name}{value}");
    }

    fn when(&self, time: Time) -> String {
        format!("{} ({})", words::time(time, self.zone), words::ago(time, self.now))
    }

    fn gateway(&mut self, gateway: &GatewayStatus) {
        let id = self.style.paint(Tone::Strong, &clean(&gateway.id.0, 64));
        let verdict = self.style.paint(words::tone(gateway.verdict), gateway.verdict.name());
        let _ = writeln!(self.text, "{id}  {verdict}");
        if let Some(cause) = &gateway.cause {
            self.row("cause", &words::cause(cause));
        }
        for reason in &gateway.reasons {
            self.row("reason", &clean(reason, 200));
        }
        if let Some(since) = gateway.since {
            self.row("since", &self.when(since));
        }
        self.wish(gateway);
        if let Some(life) = &gateway.incarnation {
            let started = life.started_at.map(|at| format!(", started {}", self.when(at))).unwrap_or_default();
            self.row("process", &format!("pid {}{started}", life.pid));
        }
        if let Some(url) = &gateway.url {
            self.row("address", &clean(url, 200));
        }
        if !gateway.state_dir.is_empty() {
            self.row("home", &clean(&gateway.state_dir, 300));
        }
        if gateway.control == Control::Observe
            && (gateway.verdict != Verdict::Unknown || gateway.control_reason.is_some())
        {
            self.restriction(gateway);
        }
        if let Some(incident) = gateway.incident {
            self.row("incident", &format!("{} is open: clawmend incidents show {}", incident.0, incident.0));
        }
        if let Some(next) = &gateway.next {
            self.row("next", &clean(next, 300));
        }
        if let Some(last) = &gateway.last_recovery {
            self.recovery(last);
        }
        self.text.push('\n');
    }

    fn restriction(&mut self, gateway: &GatewayStatus) {
        let why = gateway.control_reason.as_deref().map(|why| format!(": {}", clean(why, 300))).unwrap_or_default();
        self.row("control", &format!("the guard may only look here, not act{why}"));
        if let Some(rule) = &gateway.polkit_rule {
            self.row("", "to let it act, put this into /etc/polkit-1/rules.d/50-clawmend.rules:");
            for line in rule.lines().take(20) {
                let _ = writeln!(self.text, "    {}", clean(line, 400));
            }
        }
    }

    fn wish(&mut self, gateway: &GatewayStatus) {
        if gateway.emergency {
            self.row("wish", "emergency stop, until `clawmend start`");
        } else if gateway.desired == DesiredState::Stopped {
            self.row("wish", "stopped by a person, until `clawmend start`");
        }
        if let Some(pause) = &gateway.pause {
            let mut text = match (&pause.flag_file, pause.until) {
                (Some(file), _) => format!("paused by the file {}", clean(file, 200)),
                (None, Some(until)) => format!("paused until {}", words::time(until, self.zone)),
                (None, None) => "paused until `clawmend resume`".to_owned(),
            };
            if let Some(reason) = &pause.reason {
                let _ = write!(text, ": {}", clean(reason, 200));
            }
            self.row("wish", &text);
        }
    }

    fn recovery(&mut self, last: &LastRecovery) {
        let cause = last.cause.as_ref().map_or_else(|| "unknown".to_owned(), words::cause);
        self.row("last recovery", &format!("{cause}, {} (incident {})", self.when(last.onset_at), last.incident.0));
        let steps = [
            ("noticed after", last.detected_after_ms),
            ("start after", last.start_issued_after_ms),
            ("serving after", last.serving_after_ms),
        ];
        let steps: Vec<String> =
            steps.iter().filter_map(|(name, ms)| ms.map(|ms| format!("{name} {}", human(ms)))).collect();
        if !steps.is_empty() {
            self.row("", &steps.join(", "));
        }
    }

    fn guard(&mut self, guard: &GuardStatus) {
        if guard.running {
            let pid = guard.pid.map(|pid| format!(" as pid {pid}")).unwrap_or_default();
            let version = guard.version.as_deref().map(|v| format!(" {}", clean(v, 40))).unwrap_or_default();
            let uptime = guard.uptime_ms.map(|ms| format!(" for {}", human(ms))).unwrap_or_default();
            let _ = writeln!(self.text, "Guard{version} runs{pid}{uptime}.");
        } else {
            let text = self.style.paint(Tone::Warning, "No guard is running.");
            let _ = writeln!(self.text, "{text} Start one with `clawmend up`.");
        }
        for note in &guard.notes {
            let note = self.style.paint(Tone::Warning, &clean(note, 400));
            let _ = writeln!(self.text, "  note: {note}");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn report() -> StatusReport {
        serde_json::from_str(include_str!("../../tests/data/status.json")).unwrap()
    }

    #[test]
    fn the_page() {
        let now = Wall(1_790_000_100_000);
        insta::assert_snapshot!(render(&report(), now, &TimeZone::UTC, Style::PLAIN));
    }

    #[test]
    fn the_page_without_a_guard() {
        let mut report = report();
        report.guard = GuardStatus::default();
        report.gateways.clear();
        insta::assert_snapshot!(render(&report, Wall(0), &TimeZone::UTC, Style::PLAIN));
    }
}
