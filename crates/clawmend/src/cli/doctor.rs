//! `clawmend doctor`: from a symptom, a log, or the gateway here to causes with their evidence.

mod ai;
mod fix;

use super::context::Context;
use super::error::{CliError, Kind};
use super::output::{self, Style, Tone, clean};
use crate::api::types::{GatewayStatus, StatusReport};
use crate::api::{Answer, Request};
use crate::daemon::setup::{log_dir, words_of};
use crate::doctor::exam::Exam;
use crate::doctor::figures::Figures;
use crate::doctor::log::{Log, LogError};
use crate::doctor::report::{DoctorReport, FoundCause, Tongue, report};
use crate::doctor::{Diagnosis, Library, consult, experience, figures, here, library};
use crate::openclaw::discovery::{self, Home};
use crate::service::UnitWords;
use crate::settings::Language;
use clawmend_core::diagnosis::record::Standing;
use clawmend_core::gateway::Form;
use clawmend_core::health::Verdict;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Most of standard input that is read.
const MAX_INPUT: u64 = 1 << 30;
/// How far before the trouble the log is read.
const BEFORE_MS: i64 = 2 * 60 * 1000;
/// How far back the log is read when nothing tells since when.
const RECENT_MS: i64 = 15 * 60 * 1000;

/// Options of `doctor`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// What is wrong, in your words (English or Chinese), or a line of the log
    #[arg(value_name = "TEXT")]
    text: Option<String>,
    /// Look into this log; `-` is standard input. Also on machines without OpenClaw. With --gateway it is taken as that
    /// gateway's log; without, it must show that a gateway wrote it
    #[arg(long, value_name = "FILE")]
    log: Vec<PathBuf>,
    /// Ask the AI of the settings when no known cause is found; with `=always` in any case. It only advises. What is
    /// sent is described in docs/ai.md
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "unknown")]
    ai: Option<ai::When>,
    /// Have the step done that the found case allows, after you have said yes to it, and wait until the gateway is well.
    /// Needs a guard
    #[arg(long, conflicts_with_all = ["text", "log", "ai"])]
    fix: bool,
    /// Say yes to the step of --fix beforehand
    #[arg(long, requires = "fix")]
    yes: bool,
}

/// Everything that was found without an AI.
struct Found<'a> {
    library: &'a Library,
    exam: &'a Exam<'a>,
    diagnosis: &'a Diagnosis,
    around: &'a Around,
}

pub(super) fn doctor(context: &Context, args: &Args) -> Result<ExitCode, CliError> {
    let library = load(context);
    let told = context.global.gateway.is_some();
    let mut exam = Exam::new(&library.cases, told).map_err(|why| CliError::new(Kind::Internal, why))?;
    read_logs(&mut exam, &args.log)?;
    let around = Around::look(context, args.log.is_empty() && (args.text.is_none() || args.ai.is_some()));
    if args.log.is_empty() && args.text.is_none() {
        look_here(context, &around, &mut exam);
    }
    tell_unusual(&exam);
    let diagnosis = consult(&library, &exam, args.text.as_deref(), &standings(context));
    let tongue = tongue(args.text.as_deref());
    let mut answer = report(&library, &diagnosis, tongue);
    let style = Style::of_stdout();
    if !context.global.json {
        // Before anybody is asked: that can take minutes.
        output::print(&render(&answer, exam.saw_gateway, diagnosis.more_unknown, tongue, style))?;
    }
    let found = Found { library: &library, exam: &exam, diagnosis: &diagnosis, around: &around };
    let asked = args.ai.map(|when| ai::ask(context, args, when, &found, tongue)).transpose()?;
    let (advice, mut failed) = asked.map_or((None, None), |asked| (Some(asked.report), asked.failed));
    if args.fix {
        match fix::fix(context, args.yes, &found) {
            Ok(done) => answer.fix = Some(done),
            Err(error) => failed = Some(error),
        }
    }
    if context.global.json {
        answer.ai = advice;
        output::print_json(&answer)?;
    } else if let Some(advice) = advice {
        output::print(&ai::render(&advice, tongue, style))?;
    }
    failed.map_or(Ok(ExitCode::SUCCESS), Err)
}

/// Reads what was named. One that cannot be read does not keep the others from being read.
fn read_logs(exam: &mut Exam<'_>, paths: &[PathBuf]) -> Result<(), CliError> {
    let mut failed = None;
    for path in paths {
        let log = if path.as_os_str() == "-" { Ok(Log::standard_input(MAX_INPUT)) } else { Log::open(path, None) };
        match log {
            Ok(log) => exam.read(log),
            Err(error) if paths.len() > 1 => {
                output::tell(&format!("left out: {}", clean(&error.to_string(), 500)));
                failed = Some(error);
            }
            Err(error) => failed = Some(error),
        }
    }
    match failed {
        Some(error) if exam.accounts.is_empty() => Err(of_log(&error)),
        Some(_) | None => Ok(()),
    }
}

fn of_log(error: &LogError) -> CliError {
    let kind = match error {
        LogError::Missing(_) => Kind::NotFound,
        LogError::Denied(_) => Kind::Refused,
        LogError::NotAFile { .. } | LogError::Compressed(_) | LogError::Binary(_) | LogError::Failed { .. } => {
            Kind::NeedsPerson
        }
    };
    CliError::new(kind, error.to_string()).hint("give the log of a gateway as a plain text file, or `-` and its text")
}

/// The library with the user's cases. A state folder that cannot be named only means that there are none.
pub(super) fn load(context: &Context) -> Library {
    let library = match context.state_dir() {
        Ok(state) => Library::with_user(&library::folder(&state)),
        Err(_) => Library::built_in(),
    };
    for problem in &library.problems {
        output::tell(&format!("left out: {}", clean(problem, 500)));
    }
    library
}

/// How the cases have done here so far. A state folder that cannot be named only means that nothing is known.
pub(super) fn standings(context: &Context) -> BTreeMap<String, Standing> {
    context.state_dir().map(|state| experience::standings(&state)).unwrap_or_default()
}

/// Chinese when the text is, or when the environment asks for it.
pub(super) fn tongue(text: Option<&str>) -> Tongue {
    let han = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    if let Some(text) = text {
        return if han(text) { Tongue::Chinese } else { Tongue::English };
    }
    match Language::of_system() {
        Language::Chinese => Tongue::Chinese,
        Language::English => Tongue::English,
    }
}

/// The gateways of this machine, and what the guard says of them.
struct Around {
    homes: Vec<discovery::Home>,
    status: Option<StatusReport>,
}

impl Around {
    fn look(context: &Context, ask_the_guard: bool) -> Self {
        let status = if ask_the_guard { status_of_guard(context) } else { None };
        let home = std::env::home_dir().unwrap_or_default();
        let found = discovery::discover(|name| std::env::var(name).ok(), &home);
        Self { homes: here::homes(found, status.as_ref()), status }
    }

    /// Those that were asked for, each with what the guard says.
    fn wanted<'a>(
        &'a self,
        context: &'a Context,
    ) -> impl Iterator<Item = (&'a discovery::Home, Option<&'a GatewayStatus>)> {
        let wanted = |home: &&discovery::Home| context.global.gateway.as_ref().is_none_or(|asked| *asked == home.id);
        let with_status = |home| (home, self.status.as_ref().and_then(|status| of(status, home)));
        self.homes.iter().filter(wanted).map(with_status)
    }

    fn alone(&self) -> bool {
        self.homes.len() == 1
    }
}

fn status_of_guard(context: &Context) -> Option<StatusReport> {
    match context.ask(Request::Status) {
        Ok(Some(Answer::Status(status))) => Some(status),
        Ok(_) => {
            output::tell("no guard is running: this is only what can be seen without one");
            None
        }
        // A guard of another version or user leaves our own look.
        Err(error) => {
            output::tell(&format!("the guard did not answer: {}", clean(&error.message, 300)));
            None
        }
    }
}

fn look_here(context: &Context, around: &Around, exam: &mut Exam<'_>) {
    if around.homes.is_empty() {
        output::tell("no OpenClaw gateway was found here; `--log FILE` looks into the log of another one");
    }
    for (home, seen) in around.wanted(context) {
        look_at(exam, home, seen, around.alone(), &figures::measure(home, user()));
        let kept = context.state_dir().map(|state| log_dir(&state, &home.id).join("gateway.log"));
        if let Some(path) = kept.ok().filter(|path| path.is_file()) {
            tell_left_out(here::read_output(exam, &path, since(seen)));
        } else if let Some(words) = unit_words(context, home, seen) {
            tell_left_out(here::read_unit(exam, &words, user(), since(seen)));
        }
    }
}

/// Where the words of this home's unit are: if the guard says that a unit runs it, or no guard says anything.
pub(super) fn unit_words(context: &Context, home: &Home, seen: Option<&GatewayStatus>) -> Option<UnitWords> {
    if seen.and_then(|gateway| gateway.form).is_some_and(|form| form != Form::Systemd) {
        return None;
    }
    // Settings that cannot be read are told by the commands that live by them.
    let settings = ai::settings_of(context).unwrap_or_default();
    words_of(home, &settings.gateways)
}

fn tell_left_out(read: Result<(), String>) {
    if let Err(why) = read {
        output::tell(&format!("left out: {}", clean(&why, 300)));
    }
}

/// One home as it is now: what the guard says, our own look, what was measured, and the log.
pub(super) fn look_at(exam: &mut Exam<'_>, home: &Home, seen: Option<&GatewayStatus>, alone: bool, measured: &Figures) {
    let mut facts = seen.map(here::facts_of).unwrap_or_default();
    facts.extend(here::look(home, user()));
    facts.extend(figures::facts::of(measured, seen.map(here::watched).unwrap_or_default()));
    exam.findings.facts.extend(facts);
    exam.told = true;
    if let Some(cause) = seen.and_then(|gateway| gateway.cause.as_ref()) {
        exam.read(Log::of_text("what the guard recorded", &cause.detail));
    }
    let since = since(seen);
    for path in here::logs(home, user()) {
        tell_left_out(here::read_since(exam, &path, since, alone, home));
    }
}

pub(super) fn of<'a>(status: &'a StatusReport, home: &Home) -> Option<&'a GatewayStatus> {
    status.gateways.iter().find(|gateway| gateway.id == home.id)
}

/// From when on the log counts: from a little before the trouble; since it is well; or the last quarter of an hour.
pub(super) fn since(seen: Option<&GatewayStatus>) -> i64 {
    let recent = jiff::Timestamp::now().as_millisecond().saturating_sub(RECENT_MS);
    let Some((gateway, since)) = seen.and_then(|gateway| Some((gateway, gateway.since?.0.0))) else { return recent };
    // What a gateway said before it was well is over, and in a shared log it may be another one's.
    if gateway.verdict == Verdict::Healthy { since.max(recent) } else { since.saturating_sub(BEFORE_MS) }
}

#[cfg(unix)]
pub(super) fn user() -> u32 {
    rustix::process::getuid().as_raw()
}

#[cfg(not(unix))]
pub(super) const fn user() -> u32 {
    0
}

/// What was unusual about the logs.
fn tell_unusual(exam: &Exam<'_>) {
    for (name, account) in &exam.accounts {
        let name = clean(name, 200);
        if account.cut > 0 {
            output::tell(&format!("{name}: of {} very long lines only the beginning was looked at", account.cut));
        }
        if account.ended_early {
            output::tell(&format!("{name}: it became shorter while it was read; what was read counts"));
        }
    }
}

/// Words of the page.
struct Words {
    none: &'static str,
    no_gateway: &'static str,
    evidence: &'static str,
    todo: &'static str,
    unknown: &'static str,
    also: &'static str,
    more: &'static str,
    sure: &'static str,
}

const fn words(tongue: Tongue) -> Words {
    match tongue {
        Tongue::English => Words {
            none: "No known cause was found.",
            no_gateway: "Nothing here was written by an OpenClaw gateway. If it was, say whose with --gateway ID.",
            evidence: "because",
            todo: "do",
            unknown: "Errors that no case knows:",
            also: "Also possible:",
            more: "more patterns",
            sure: "sure",
        },
        Tongue::Chinese => Words {
            none: "没有找到已知的原因。",
            no_gateway: "这里没有 OpenClaw 网关写的内容。如果是，请用 --gateway ID 说明。",
            evidence: "依据",
            todo: "处理",
            unknown: "没有案例认识的错误：",
            also: "也可能是：",
            more: "种其他模式",
            sure: "把握",
        },
    }
}

pub(super) fn render(report: &DoctorReport, saw_gateway: bool, more: usize, tongue: Tongue, style: Style) -> String {
    let words = words(tongue);
    let mut text = String::new();
    match report.causes.split_first() {
        None => {
            let _ = writeln!(text, "{}", words.none);
            if !saw_gateway && report.unknown.is_empty() {
                let _ = writeln!(text, "{}", words.no_gateway);
            }
        }
        Some((first, others)) => {
            one(&mut text, first, &words, style);
            if !others.is_empty() {
                let _ = writeln!(text, "\n{}", words.also);
            }
            for other in others {
                let _ = writeln!(text, "  {}", head(other, &words, style));
            }
        }
    }
    if !report.unknown.is_empty() {
        let _ = writeln!(text, "\n{}", words.unknown);
        for unknown in report.unknown.iter().take(3) {
            let _ = writeln!(text, "  {}× {}", unknown.count, clean(&unknown.pattern, 160));
        }
        let left = more + report.unknown.len().saturating_sub(3);
        if left > 0 {
            let _ = writeln!(text, "  + {left} {}", words.more);
        }
    }
    text
}

fn head(cause: &FoundCause, words: &Words, style: Style) -> String {
    let percent = cause.confidence * 100.0;
    format!(
        "{}  {}",
        style.paint(Tone::Strong, &clean(&cause.title, 200)),
        style.paint(Tone::Quiet, &format!("{} · {} {percent:.0} %", clean(&cause.case, 64), words.sure))
    )
}

fn one(text: &mut String, cause: &FoundCause, words: &Words, style: Style) {
    let _ = writeln!(text, "{}", head(cause, words, style));
    let _ = writeln!(text, "  {}", clean(&cause.why, 600));
    for evidence in &cause.evidence {
        let place = match (&evidence.file, evidence.line) {
            (Some(file), Some(line)) => format!("{}:{line}: ", clean(file, 200)),
            (None | Some(_), _) => String::new(),
        };
        let _ = writeln!(
            text,
            "  {} {place}{}",
            style.paint(Tone::Quiet, &format!("{}:", words.evidence)),
            clean(&evidence.text, 240)
        );
    }
    let _ = writeln!(text, "  {} {}", style.paint(Tone::Quiet, &format!("{}:", words.todo)), clean(&cause.advice, 600));
}
