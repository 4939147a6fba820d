//! `clawmend config check`.

use super::super::error::CliError;
use super::super::output::{self, Style, Tone, clean};
use super::{Desk, Examined, reach};
use crate::api::types::SCHEMA;
use crate::host::socket::{PortOwner, owner_of};
use crate::openclaw::config::check::{self, Checked, Finding, Severity};
use crate::openclaw::discovery::{DEFAULT_PORT, Home};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Options of `config check`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// Check this file instead of the gateway's config
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Also try to reach the model providers (at most 3 s)
    #[arg(long)]
    reach: bool,
    /// Do not run OpenClaw, not even once to learn its schema
    #[arg(long)]
    no_openclaw: bool,
}

#[derive(Serialize)]
struct Report {
    schema: u32,
    gateway: String,
    file: String,
    /// `ok`, `warnings` or `broken`.
    result: &'static str,
    openclaw: Option<String>,
    /// OpenClaw's own schema was used.
    own_schema: bool,
    findings: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    code: &'static str,
    severity: &'static str,
    path: Option<String>,
    file: Option<String>,
    line: Option<u32>,
    column: Option<u32>,
    excerpt: Option<String>,
    message: String,
    hint: Option<String>,
}

pub(super) fn check(desk: &Desk<'_>, args: &Args) -> Result<ExitCode, CliError> {
    let mut home = desk.home.clone();
    if let Some(file) = &args.file {
        home.config_path = std::path::absolute(file)?;
    }
    let schema = desk.schema(!args.no_openclaw);
    let env = desk.env();
    let around = desk.around(&env, schema.as_ref());
    let mut checked = check::check(&home, &around);
    if args.file.is_none() {
        port(desk, &mut checked);
    }
    if args.reach
        && let Some(value) = &checked.value
    {
        checked.findings.extend(reach::unreachable(value, &env));
    }
    checked.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let result = result_of(&checked);
    if desk.context.global.json {
        output::print_json(&report(desk, &home, &checked, schema.is_some()))?;
    } else {
        output::print(&page(&checked, result, Style::of_stdout()))?;
        if !checked.passes() && args.file.is_none() && super::Room::existing(&desk.state, &home.id).is_some() {
            output::tell("`clawmend config restore --dry-run` shows what can be brought back");
        }
    }
    Ok(ExitCode::from(result.1))
}

/// The check without anything being run, for a bundle.
pub(super) fn examine(desk: &Desk<'_>) -> Result<Examined, CliError> {
    let schema = desk.schema(false);
    let env = desk.env();
    let mut checked = check::check(&desk.home, &desk.around(&env, schema.as_ref()));
    port(desk, &mut checked);
    checked.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let report = report(desk, &desk.home, &checked, schema.is_some());
    Ok(Examined {
        report: serde_json::to_value(report).map_err(std::io::Error::from)?,
        page: page(&checked, result_of(&checked), Style::PLAIN),
        value: checked.value,
        openclaw: desk.version.clone(),
    })
}

fn report(desk: &Desk<'_>, home: &Home, checked: &Checked, own_schema: bool) -> Report {
    Report {
        schema: SCHEMA,
        gateway: home.id.0.clone(),
        file: home.config_path.display().to_string(),
        result: result_of(checked).0,
        openclaw: desk.version.clone(),
        own_schema,
        findings: checked.findings.iter().map(entry).collect(),
    }
}

/// Its name and its exit code.
fn result_of(checked: &Checked) -> (&'static str, u8) {
    let worst = checked.findings.iter().map(|finding| finding.severity).max();
    match worst {
        Some(Severity::Error) => ("broken", 2),
        Some(Severity::Warning) => ("warnings", 1),
        Some(Severity::Note) | None => ("ok", 0),
    }
}

/// The port is free, or ours.
fn port(desk: &Desk<'_>, checked: &mut Checked) {
    let named =
        checked.value.as_ref().and_then(|value| value.pointer("/gateway/port")).and_then(serde_json::Value::as_u64);
    let port = desk.home.port.or(named.and_then(|port| u16::try_from(port).ok())).unwrap_or(DEFAULT_PORT);
    let ours = desk.environ.life().map(|life| life.pid);
    let owner = match owner_of(port) {
        PortOwner::Process { pid, .. } if Some(pid) == ours => return,
        PortOwner::Process { pid, name } => format!("{} (pid {pid})", clean(&name, 40)),
        PortOwner::Hidden if ours.is_none() => "another user's process".to_owned(),
        PortOwner::Nobody | PortOwner::Unknown | PortOwner::Hidden => return,
    };
    let severity = if ours.is_none() { Severity::Error } else { Severity::Warning };
    checked.findings.push(Finding::outside(severity, "port_taken", format!("port {port} is taken by {owner}")));
}

fn entry(finding: &Finding) -> Entry {
    let place = |n: u32| (n > 0).then_some(n);
    Entry {
        code: finding.code,
        severity: finding.severity.name(),
        path: finding.path.as_ref().map(ToString::to_string),
        file: finding.file.as_ref().map(|file| file.display().to_string()),
        line: place(finding.line),
        column: place(finding.column),
        excerpt: finding.excerpt.as_ref().map(|excerpt| clean(&excerpt.text, 200)),
        message: clean(&finding.message, 400),
        hint: finding.hint.clone(),
    }
}

fn page(checked: &Checked, result: (&str, u8), style: Style) -> String {
    let mut text = String::new();
    for finding in &checked.findings {
        let tone = match finding.severity {
            Severity::Error => Tone::Bad,
            Severity::Warning => Tone::Warning,
            Severity::Note => Tone::Quiet,
        };
        let file =
            finding.file.as_ref().and_then(|file| file.file_name()).map(|name| name.to_string_lossy().into_owned());
        let place = match (file, finding.line) {
            (Some(file), 0) => format!("{}: ", clean(&file, 80)),
            (Some(file), line) => format!("{}:{line}:{}: ", clean(&file, 80), finding.column),
            (None, _) => String::new(),
        };
        let name = style.paint(tone, finding.severity.name());
        let _ = writeln!(text, "{place}{name}: {}", clean(&finding.message, 400));
        if let Some(excerpt) = &finding.excerpt {
            let _ = writeln!(text, "    {}\n    {}^", excerpt.text, " ".repeat(excerpt.mark));
        }
        if let Some(hint) = &finding.hint {
            let _ = writeln!(text, "    {}", style.paint(Tone::Quiet, hint));
        }
    }
    let (name, tone) = match result.0 {
        "ok" => ("the config is good", Tone::Good),
        "warnings" => ("the gateway starts with this config", Tone::Warning),
        _ => ("the gateway would not start with this config", Tone::Bad),
    };
    let _ = writeln!(text, "{}", style.paint(tone, name));
    text
}
