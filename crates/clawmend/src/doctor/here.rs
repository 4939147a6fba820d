//! Evidence about the gateway on this machine: what the guard says, and our own look at config, disk and log.
//!
//! Works without a guard, and with the gateway down. Invariant: nothing is changed, nothing is run, and each look is
//! bounded.

use super::exam::Exam;
use super::log::Log;
use crate::api::types::{CauseReport, GatewayStatus, StatusReport};
use crate::host;
use crate::openclaw::config;
use crate::openclaw::discovery::Home;
use clawmend_core::diagnosis::case::{ConfigState, Fact};
use clawmend_core::observation::ConfigValidity;
use std::path::{Path, PathBuf};

/// Most days whose logs are read for one incident.
const MAX_DAYS: usize = 3;
/// Less than this is a full disk: a start writes more.
const DISK_FULL_BYTES: u64 = 16 * 1024 * 1024;

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

/// What the guard says of a gateway, as facts.
#[must_use]
pub fn facts_of(status: &GatewayStatus) -> Vec<(Fact, String)> {
    let mut facts: Vec<(Fact, String)> = status.cause.iter().filter_map(of_cause).collect();
    for reason in &status.reasons {
        let channel = reason.starts_with("channel_deaf") || reason.starts_with("channel_suppressed");
        if channel {
            facts.push((Fact::ChannelDown, format!("the guard says: {reason}")));
        }
    }
    facts
}

fn of_cause(cause: &CauseReport) -> Option<(Fact, String)> {
    let said = match cause.detail.as_str() {
        "" => format!("the guard says: {}", cause.code),
        detail => format!("the guard says: {} ({detail})", cause.code),
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

/// Our own look at a home.
#[must_use]
pub fn look(home: &Home) -> Vec<(Fact, String)> {
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
        ConfigValidity::Missing | ConfigValidity::Unreadable { .. } | ConfigValidity::Valid => {}
    }
    if let Ok(space) = host::disk::space(&home.state_dir)
        && space.free_bytes < DISK_FULL_BYTES
    {
        let free = space.free_bytes / 1024;
        facts.push((Fact::DiskFull, format!("{free} KiB are free under {}", home.state_dir.display())));
    }
    facts
}

/// The logs that a gateway of this home may have written: those of today, and what a keeper kept.
#[must_use]
pub fn logs(home: &Home, uid: u32, keeper_log: Option<PathBuf>) -> Vec<PathBuf> {
    let now = jiff::Timestamp::now().as_millisecond();
    logs_between(home, uid, keeper_log, now, now)
}

/// The same of the days from `since_ms` to `until_ms`, at most [`MAX_DAYS`] of them, the last ones.
#[must_use]
pub fn logs_between(home: &Home, uid: u32, keeper_log: Option<PathBuf>, since_ms: i64, until_ms: i64) -> Vec<PathBuf> {
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
    paths.extend(keeper_log);
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
    let ours = names_home(home);
    exam.read_ours(log, |line| {
        let after = super::line::time_of(line).is_none_or(|at| at >= since_ms);
        after && (alone || ours(line))
    });
    Ok(())
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
}
