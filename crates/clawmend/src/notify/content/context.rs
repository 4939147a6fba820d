//! What templates may use.
//!
//! Invariant: every text is one line, redacted and bounded; the names of the values are stable, see
//! `docs/notifications.md`.

use super::story::{Story, Tried};
use super::{Writer, group, pair, words};
use crate::openclaw::redact::redact;
use crate::settings::Language;
use clawmend_core::alert::notice::{Notice, Repaired, Told};
use clawmend_core::approval::Proposal;
use clawmend_core::diagnosis::case::Said;
use clawmend_core::diagnosis::{Cause, RefusalReason};
use clawmend_core::gateway::GatewayId;
use clawmend_core::time::Wall;
use jiff::Timestamp;
use minijinja::{Value, context};

/// Longest value, in characters.
const MAX_VALUE: usize = 400;
/// Evidence lines of the doctor.
const MAX_EVIDENCE: usize = 6;

/// What an incident's record does not hold.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Ends of the process in the last 600 s.
    pub crashes: u32,
    /// The last lines of its log, redacted.
    pub log: Vec<String>,
    /// There are other gateways here, so commands must name this one.
    pub several: bool,
    /// Proves that whoever approves has read this very letter; empty when nothing is to be approved.
    pub code: String,
}

/// For this notice.
pub fn of(writer: &Writer, notice: &Notice, story: &Story, around: &Surroundings) -> Value {
    match &notice.what {
        Told::MorningNote { repaired, more } => morning(writer, notice, repaired, *more),
        Told::Alert { gateway, reason, .. } | Told::Reminder { gateway, reason, .. } => {
            incident(writer, notice, gateway, reason.as_deref(), story, around)
        }
        Told::Approval { gateway, proposal } => approval(writer, notice, gateway, proposal, story, around),
        Told::Pair { gateway, word } | Told::PairOver { gateway, word, .. } => {
            pair::values(writer, notice, gateway, word)
        }
        Told::Group { gateway, word } | Told::GroupOver { gateway, word, .. } => {
            group::values(writer, notice, gateway, word)
        }
        Told::Resolved { gateway, .. } | Told::ManyCrashes { gateway, .. } => {
            incident(writer, notice, gateway, None, story, around)
        }
    }
}

/// Without an incident.
pub fn plain(writer: &Writer, at: Wall) -> Value {
    context! { host => writer.host.clone(), time => writer.local(at), version => crate::version::VERSION }
}

fn incident(
    writer: &Writer,
    notice: &Notice,
    gateway: &GatewayId,
    reason: Option<&str>,
    story: &Story,
    around: &Surroundings,
) -> Value {
    let language = writer.language;
    let since = story.onset.unwrap_or(notice.at);
    let until = story.closed.map_or(notice.at, |(at, _)| at);
    let tried: Vec<Value> = story.tried.iter().map(|tried| attempt(writer, tried)).collect();
    let crashes = match &notice.what {
        Told::ManyCrashes { crashes, .. } => *crashes,
        Told::Alert { .. }
        | Told::Reminder { .. }
        | Told::Resolved { .. }
        | Told::Approval { .. }
        | Told::Pair { .. }
        | Told::PairOver { .. }
        | Told::Group { .. }
        | Told::GroupOver { .. }
        | Told::MorningNote { .. } => around.crashes,
    };
    let doctor = doctor(writer, story);
    context! {
        icon => words::icon(notice.level),
        level => words::level(language, notice.level),
        host => writer.host.clone(),
        gateway => gateway.0.clone(),
        incident => story.incident.0,
        headline => headline(language, story),
        cause => story.cause.as_ref().map_or("unknown", Cause::code),
        detail => story.cause.as_ref().map_or_else(String::new, |cause| value(cause.detail())),
        reason => reason.map_or_else(String::new, value),
        since => writer.local(since),
        lasted => lasted(language, until.0.saturating_sub(since.0)),
        time => writer.local(notice.at),
        last_good => story.last_good.map_or_else(String::new, |at| writer.local(at)),
        crashes => crashes,
        named => doctor.is_some(),
        doctor => doctor,
        tried => tried,
        tried_more => story.tried_more,
        outcome => story.closed.map_or("", |(_, outcome)| words::outcome(language, outcome)),
        next => words::next(language, story.cause.as_ref()),
        commands => commands(gateway, story, around.several),
        log => around.log.iter().map(|line| value(line)).collect::<Vec<_>>(),
        version => crate::version::VERSION,
    }
}

/// What waits for a person, on top of what is known of its incident.
fn approval(
    writer: &Writer,
    notice: &Notice,
    gateway: &GatewayId,
    proposal: &Proposal,
    story: &Story,
    around: &Surroundings,
) -> Value {
    let which = which(gateway, around.several);
    let code = around.code.clone();
    context! {
        action => value(&words::action(writer.language, &proposal.action)),
        why => value(&proposal.reason),
        pid => proposal.target.as_ref().map(|life| life.pid),
        until => writer.local(proposal.until_wall),
        proposal => proposal.id.0,
        code => code,
        approve => format!("clawmend approve {}{which}", proposal.id.0),
        deny => format!("clawmend deny {}{which}", proposal.id.0),
        ..incident(writer, notice, gateway, None, story, around)
    }
}

/// Names the gateway in a command, where that is needed.
fn which(gateway: &GatewayId, several: bool) -> String {
    if several || gateway.0 != "default" { format!(" --gateway {}", gateway.0) } else { String::new() }
}

fn morning(writer: &Writer, notice: &Notice, repaired: &[Repaired], more: u32) -> Value {
    let language = writer.language;
    let mended: Vec<Value> = repaired
        .iter()
        .map(|one| {
            context! {
                gateway => value(&one.gateway.0),
                incident => one.incident.0,
                at => writer.local(one.opened),
                cause => words::cause_of_code(language, &one.cause),
                outcome => words::outcome(language, one.outcome),
                took => lasted(language, one.closed.0.saturating_sub(one.opened.0)),
            }
        })
        .collect();
    context! {
        host => writer.host.clone(),
        time => writer.local(notice.at),
        count => u32::try_from(mended.len()).unwrap_or(u32::MAX).saturating_add(more),
        repaired => mended,
        more => more,
        version => crate::version::VERSION,
    }
}

fn headline(language: Language, story: &Story) -> &'static str {
    story.cause.as_ref().map_or_else(|| words::cause_of_code(language, ""), |cause| words::cause(language, cause))
}

/// What the doctor takes it for, if it knows a case.
fn doctor(writer: &Writer, story: &Story) -> Option<Value> {
    let named = story.named.first()?;
    let case = writer.library.find(&named.case).and_then(|at| writer.library.cases.get(at))?;
    let said = |said: &Said| match writer.language {
        Language::English => value(&said.en),
        Language::Chinese => value(&said.zh),
    };
    Some(context! {
        title => said(&case.title),
        why => said(&case.why),
        advice => said(&case.advice),
        sure => named.sure_percent,
        case => named.case.clone(),
        evidence => named.evidence.iter().take(MAX_EVIDENCE).map(|line| value(line)).collect::<Vec<_>>(),
    })
}

fn attempt(writer: &Writer, tried: &Tried) -> Value {
    let language = writer.language;
    context! {
        at => writer.clock(tried.at),
        what => value(&words::action(language, &tried.action)),
        result => value(&words::result(language, tried.result.as_ref(), tried.ineffective)),
    }
}

/// Commands to paste, the most useful first.
fn commands(gateway: &GatewayId, story: &Story, several: bool) -> Vec<String> {
    let which = which(gateway, several);
    let first: &[&str] = match &story.cause {
        Some(Cause::ConfigInvalid { .. } | Cause::RefusedToStart { reason: RefusalReason::Config, .. }) => {
            &["config check", "config restore"]
        }
        _ => &["doctor"],
    };
    let show = format!("incidents show {}", story.incident.0);
    let all = first.iter().copied().chain([show.as_str(), "status"]);
    all.map(|command| format!("clawmend {command}{which}")).collect()
}

/// Fit for a line: redacted, without anything that could end or begin a part of a letter.
pub(super) fn value(text: &str) -> String {
    redact(text, MAX_VALUE)
}

impl Writer {
    fn zoned(&self, at: Wall) -> Option<jiff::Zoned> {
        Some(Timestamp::from_millisecond(at.0).ok()?.to_zoned(self.zone.clone()))
    }

    /// Local time to the second, with its zone.
    pub(super) fn local(&self, at: Wall) -> String {
        self.zoned(at).map_or_else(String::new, |at| at.strftime("%Y-%m-%d %H:%M:%S %Z").to_string())
    }

    fn clock(&self, at: Wall) -> String {
        self.zoned(at).map_or_else(String::new, |at| at.strftime("%H:%M:%S").to_string())
    }
}

/// `1 h 5 min`.
pub(super) fn lasted(language: Language, ms: i64) -> String {
    let seconds = ms.max(0) / 1_000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let unit = |en: &'static str, zh: &'static str| match language {
        Language::English => en,
        Language::Chinese => zh,
    };
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} {}", unit("s", "秒")),
        (0, 0, _) => format!("{minutes} {}", unit("min", "分钟")),
        (0, _, _) => format!("{hours} {} {minutes} {}", unit("h", "小时"), unit("min", "分钟")),
        _ => format!("{days} {} {hours} {}", unit("d", "天"), unit("h", "小时")),
    }
}
