//! Evidence about the gateway on this machine: what the guard says, and our own look at config, disk and log.
//!
//! Works without a guard, and with the gateway down. Invariant: nothing is changed, nothing is run but systemd's own
//! reader of its journal, and each look is bounded.

use super::exam::Exam;
use super::figures::facts::Watched;
use super::log::Log;
use crate::api::types::{CauseReport, GatewayStatus, MemoryReport, StatusReport, Time};
use crate::host::{self, clock};
use crate::openclaw::config;
use crate::openclaw::config::check::{self, Around};
use crate::openclaw::discovery::Home;
use crate::openclaw::environ::Environ;
use crate::openclaw::redact::redact;
use crate::service::UnitWords;
use clawmend_core::diagnosis::case::{ConfigState, Fact};
use clawmend_core::health::Verdict;
use clawmend_core::observation::ConfigValidity;
use std::cell::Cell;
use std::path::{Path, PathBuf};

/// Most days whose logs are read for one incident.
const MAX_DAYS: usize = 3;
/// Less than this is a full disk: a start writes more.
const DISK_FULL_BYTES: u64 = 16 * 1024 * 1024;

/// Longest reason why something could not be read, in characters.
const MAX_WHY: usize = 300;

/// The gateways to look at: those of the guard, wherever they live; without a guard, those found here that exist.
#[must_use]
pub fn homes(found: Vec<Home>, status: Option<&StatusReport>) -> Vec<Home> {
    let guarded: Vec<&GatewayStatus> = status
        .map(|status| status.gateways.iter().filter(|gateway| !gateway.state_dir.is_empty()).collect())
        .unwrap_or_default();
    if guarded.is_empty() {
        return found.into_iter().filter(|home| home.state_dir.is_dir()).collect();
    }
    let home_of = |gateway: &GatewayStatus| {
        let state_dir = PathBuf::from(&gateway.state_dir);
        found.iter().find(|home| home.state_dir == state_dir).cloned().unwrap_or_else(|| Home {
            id: gateway.id.clone(),
            profile: None,
            user_home: state_dir.parent().unwrap_or(&state_dir).to_owned(),
            config_path: state_dir.join("openclaw.json"),
            state_dir,
            port: None,
        })
    };
    guarded.into_iter().map(home_of).collect()
}

/// Begins a fact that is the guard's own word.
pub const GUARD_SAYS: &str = "the guard says: ";

/// What the guard says of a gateway, as facts.
#[must_use]
pub fn facts_of(status: &GatewayStatus) -> Vec<(Fact, String)> {
    let mut facts: Vec<(Fact, String)> = status.cause.iter().filter_map(of_cause).collect();
    for reason in &status.reasons {
        let channel = reason.starts_with("channel_deaf") || reason.starts_with("channel_suppressed");
        if channel {
            facts.push((Fact::ChannelDown, format!("{GUARD_SAYS}{reason}")));
        }
    }
    facts
}

/// What the guard knows of a gateway that one look does not tell.
#[must_use]
pub fn watched(status: &GatewayStatus) -> Watched {
    let silent = matches!(status.verdict, Verdict::Suspect | Verdict::Down);
    let since = status.since.filter(|_| silent);
    let for_ms = |since: Time| u64::try_from(clock::now().wall.0.saturating_sub(since.0.0)).ok();
    Watched { silent_ms: since.and_then(for_ms), memory_growth: status.memory.map(MemoryReport::growth) }
}

fn of_cause(cause: &CauseReport) -> Option<(Fact, String)> {
    let said = match cause.detail.as_str() {
        "" => format!("{GUARD_SAYS}{}", cause.code),
        detail => format!("{GUARD_SAYS}{} ({detail})", cause.code),
    };
    let fact = match cause.code.as_str() {
        "crashed" => ending(&cause.detail)?,
        "refused_to_start" => Fact::ExitCode(78),
        "frozen" => Fact::Stopped,
        "spinning" => Fact::Spinning,
        "not_listening" => Fact::NotListening,
        "channels_suppressed" | "channel_deaf" => Fact::ChannelDown,
        _ => return None,
    };
    Some((fact, said))
}

/// `signal 9`, `exit 1`.
fn ending(how: &str) -> Option<Fact> {
    let (kind, number) = how.split_once(' ')?;
    let number = number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
    match kind {
        "signal" => Some(Fact::ExitSignal(number)),
        "exit" => Some(Fact::ExitCode(number)),
        _ => None,
    }
}

/// Our own look at a home. `uid`: the gateway's user.
#[must_use]
pub fn look(home: &Home, uid: u32) -> Vec<(Fact, String)> {
    let mut facts = Vec::new();
    let path = home.config_path.display();
    let config = config::read(home, |name| std::env::var(name).ok());
    match config.seen.validity {
        ConfigValidity::Missing if home.state_dir.is_dir() => {
            facts.push((Fact::Config(ConfigState::Missing), format!("there is no {path}")));
        }
        ConfigValidity::Invalid { message, line, .. } => {
            let state = match message.as_str() {
                "the config is empty" => ConfigState::Empty,
                text if text.contains("gateway.mode") => ConfigState::ModeMissing,
                _ => ConfigState::Unparseable,
            };
            let place = if line > 0 { format!(", line {line}") } else { String::new() };
            facts.push((Fact::Config(state), format!("{path}{place}: {message}")));
        }
        ConfigValidity::Valid => facts.extend(unset_variable(home, uid)),
        ConfigValidity::Missing | ConfigValidity::Unreadable { .. } => {}
    }
    if let Ok(space) = host::disk::space(&home.state_dir)
        && space.free_bytes < DISK_FULL_BYTES
    {
        let free = space.free_bytes / 1024;
        facts.push((Fact::DiskFull, format!("{free} KiB are free under {}", home.state_dir.display())));
    }
    facts
}

/// A variable that the config names and the running gateway does not have; of one that does not run nothing is known.
fn unset_variable(home: &Home, uid: u32) -> Option<(Fact, String)> {
    let environ = Environ::of(home, uid);
    environ.life()?;
    let env = |name: &str| environ.get(name);
    let around = Around { env: &env, env_known: true, schema: None, version: None };
    let findings = check::check(home, &around).findings;
    let unset = findings.iter().find(|finding| finding.code == "unresolved_variable")?;
    Some((Fact::Config(ConfigState::VariableUnset), unset.message.clone()))
}

/// The logs that a gateway of this home may have written today.
#[must_use]
pub fn logs(home: &Home, uid: u32) -> Vec<PathBuf> {
    let now = jiff::Timestamp::now().as_millisecond();
    logs_between(home, uid, now, now)
}

/// The same of the days from `since_ms` to `until_ms`, at most [`MAX_DAYS`] of them, the last ones.
#[must_use]
pub fn logs_between(home: &Home, uid: u32, since_ms: i64, until_ms: i64) -> Vec<PathBuf> {
    let zone = jiff::tz::TimeZone::system();
    let day = |ms: i64| {
        jiff::Timestamp::from_millisecond(ms).map_or_else(|_| jiff::Zoned::now(), |at| at.to_zoned(zone.clone())).date()
    };
    let (first, last) = (day(since_ms), day(until_ms));
    let mut days: Vec<jiff::civil::Date> = std::iter::successors(Some(last), |day| day.yesterday().ok())
        .take(MAX_DAYS)
        .take_while(|day| *day >= first)
        .collect();
    days.reverse();
    let mut paths: Vec<PathBuf> =
        days.into_iter().flat_map(|day| home.log_candidates(uid, &std::env::temp_dir(), day)).collect();
    paths.retain(|path| path.is_file());
    paths.dedup();
    paths
}

/// Reads what was written since. In a log that several gateways share, only lines that name this one count.
///
/// # Errors
/// The log cannot be read, for people.
pub fn read_since(exam: &mut Exam<'_>, path: &Path, since_ms: i64, alone: bool, home: &Home) -> Result<(), String> {
    let log = Log::open(path, Some(since_ms)).map_err(|error| error.to_string())?;
    let ours = Ours::of(home, since_ms, alone);
    exam.read_ours(log, |line| ours.holds(line));
    Ok(())
}

/// Which lines of a log count for one gateway.
#[derive(Debug)]
pub struct Ours {
    since_ms: i64,
    alone: bool,
    folder: String,
    port: Option<String>,
}

impl Ours {
    /// Lines written since, in milliseconds since 1970; unless the gateway is alone here, only those that name it.
    #[must_use]
    pub fn of(home: &Home, since_ms: i64, alone: bool) -> Self {
        let folder = format!("{}/", home.state_dir.display());
        Self { since_ms, alone, folder, port: home.port.map(|port| format!(":{port} ")) }
    }

    /// This line counts.
    #[must_use]
    pub fn holds(&self, line: &[u8]) -> bool {
        let after = super::line::time_of(line).is_none_or(|at| at >= self.since_ms);
        let names = |mark: &str| memchr::memmem::find(line, mark.as_bytes()).is_some();
        after && (self.alone || names(&self.folder) || self.port.as_deref().is_some_and(names))
    }
}

/// Reads what a keeper kept of the gateway's own output: whatever stands behind the last line from before `since_ms`.
/// The last words of Node and of V8 have no time of their own, and an idle gateway wrote nothing for hours before them.
///
/// # Errors
/// The log cannot be read, for people.
pub fn read_output(exam: &mut Exam<'_>, path: &Path, since_ms: i64) -> Result<(), String> {
    let open = || Log::open(path, None).map_err(|error| error.to_string());
    let mut before = 0;
    open()?.read(|number, line| {
        if super::line::time_of(line).is_some_and(|at| at < since_ms) {
            before = number;
        }
    });
    let read = Cell::new(0_u64);
    exam.read_ours(open()?, |_| {
        read.set(read.get() + 1);
        read.get() > before
    });
    Ok(())
}

/// Reads what a unit has printed since, in milliseconds since 1970. `uid`: whose unit it is. Waits for another program.
///
/// # Errors
/// Something could not be read, for people; what could counts.
pub fn read_unit(exam: &mut Exam<'_>, words: &UnitWords, uid: u32, since_ms: i64) -> Result<(), String> {
    let heard = words.since(uid, since_ms);
    exam.read(Log::of_bytes(&format!("the journal of {}", words.unit()), heard.text));
    heard.left_out.map_or(Ok(()), |why| Err(redact(&why, MAX_WHY)))
}

/// Whether a line names this home, by its folder or its port.
pub fn names_home(home: &Home) -> impl Fn(&[u8]) -> bool + use<> {
    let folder = format!("{}/", home.state_dir.display());
    let port = home.port.map(|port| format!(":{port} "));
    move |line| {
        let names = |mark: &str| memchr::memmem::find(line, mark.as_bytes()).is_some();
        names(&folder) || port.as_deref().is_some_and(names)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::openclaw::discovery::discover;

    fn status(state_dir: &Path) -> StatusReport {
        serde_json::from_value(serde_json::json!({
            "schema": 1,
            "guard": {"running": true, "pid": 1, "version": "0.1.0", "uptime_ms": 1},
            "gateways": [{
                "id": "sandbox", "state_dir": state_dir, "verdict": "healthy", "cause": null, "reasons": [],
                "desired": "running", "control": "full", "incarnation": null, "url": null, "since": null,
                "incident": null, "last_recovery": null
            }]
        }))
        .unwrap()
    }

    #[test]
    fn the_guards_gateways_are_looked_at_and_no_home_that_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let found = discover(|_| None, folder.path());
        assert_eq!(found.len(), 1);
        assert!(homes(found.clone(), None).is_empty(), "there is no gateway here, whatever other logs say");
        let sandbox = folder.path().join("sandbox/.openclaw");
        let looked_at = homes(found.clone(), Some(&status(&sandbox)));
        assert_eq!(looked_at.len(), 1);
        assert_eq!(looked_at[0].id.0, "sandbox");
        assert_eq!(looked_at[0].config_path, sandbox.join("openclaw.json"));
        std::fs::create_dir(&found[0].state_dir).unwrap();
        assert_eq!(homes(found.clone(), None), found);
        assert_eq!(homes(found.clone(), Some(&status(&found[0].state_dir))), found, "one of both is the same one");
    }

    #[test]
    fn the_last_words_of_a_gateway_count_until_it_says_something_later() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.log");
        let library = crate::doctor::Library::built_in();
        let words = "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n";
        let first = |text: String| {
            std::fs::write(&path, text).unwrap();
            let mut exam = Exam::new(&library.cases, true).unwrap();
            let since = "2026-11-25T12:00:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond();
            read_output(&mut exam, &path, since).unwrap();
            let found = crate::doctor::consult(&library, &exam, None, &std::collections::BTreeMap::new());
            found.causes.first().map(|cause| library.cases[cause.case].id.clone())
        };
        let line = |hour: u8| {
            format!("\u{1b}[90m2026-11-25T{hour:02}:30:00.000+00:00\u{1b}[39m \u{1b}[36m[gateway]\u{1b}[39m ready\n")
        };
        assert_eq!(first(format!("{}{words}", line(10))), Some("heap-exhausted".to_owned()), "idle for two hours");
        assert_eq!(first(format!("{words}{}", line(13))), Some("heap-exhausted".to_owned()));
        assert_eq!(first(format!("{}{words}{}", line(9), line(10))), None, "it came up again long ago");
    }
}
