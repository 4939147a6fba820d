//! Logs of OpenClaw that nobody writes any more.
//!
//! Invariant: only ordinary files of the gateway's own user, with OpenClaw's own names for the log of one of its days
//! (2026.9.6: `openclaw-YYYY-MM-DD.log`, rotated ones with a number behind), and never the file of today or yesterday,
//! which a gateway that lives over midnight may still hold. Nothing is deleted here. Start at [`find`].

use crate::openclaw::discovery::Home;
use jiff::civil::Date;
use std::path::{Path, PathBuf};

/// Entries of a folder that are looked at.
const MAX_ENTRIES: usize = 4_096;

/// The old logs of this home's gateway, the oldest first.
#[must_use]
pub fn find(home: &Home, uid: u32, tmp: &Path, today: Date) -> Vec<PathBuf> {
    let mut found: Vec<(Date, PathBuf)> = Vec::new();
    for today_s in home.log_candidates(uid, tmp, today) {
        let Some(folder) = today_s.parent() else { continue };
        let Some(stem) = today_s.file_name().and_then(|name| name.to_str()).and_then(|name| stem_of(name, today))
        else {
            continue;
        };
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        for entry in entries.flatten().take(MAX_ENTRIES) {
            let name = entry.file_name();
            if let Some(day) = name.to_str().and_then(|name| day_of(name, &stem))
                && is_old(day, today)
                && is_plain(&entry.path(), uid)
            {
                found.push((day, entry.path()));
            }
        }
    }
    found.sort();
    found.dedup();
    found.into_iter().map(|(_, path)| path).collect()
}

/// `openclaw-` of `openclaw-2026-09-06.log`.
fn stem_of(name: &str, day: Date) -> Option<String> {
    name.strip_suffix(&format!("{day}.log")).map(str::to_owned)
}

/// The day of a log's name: `openclaw-2026-09-06.log`, `openclaw-2026-09-06.log.3`, `openclaw-2026-09-06.2.log`.
fn day_of(name: &str, stem: &str) -> Option<Date> {
    let rest = name.strip_prefix(stem)?;
    let (day, end) = rest.split_at_checked(10)?;
    let number = |text: &str| !text.is_empty() && text.len() <= 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    let ours = match end.strip_prefix('.')?.split_once('.') {
        None => end == ".log",
        Some(("log", more)) => number(more),
        Some((more, "log")) => number(more),
        Some(_) => false,
    };
    day.parse().ok().filter(|_| ours)
}

fn is_old(day: Date, today: Date) -> bool {
    today.yesterday().is_ok_and(|yesterday| day < yesterday)
}

#[cfg(unix)]
fn is_plain(path: &Path, uid: u32) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::symlink_metadata(path).is_ok_and(|seen| seen.is_file() && seen.uid() == uid)
}

#[cfg(not(unix))]
fn is_plain(path: &Path, _uid: u32) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|seen| seen.is_file())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn day(text: &str) -> Option<Date> {
        day_of(text, "openclaw-")
    }

    #[test]
    fn only_names_of_a_days_log_are_taken() {
        for good in ["openclaw-2026-09-06.log", "openclaw-2026-09-06.log.1", "openclaw-2026-09-06.2.log"] {
            assert_eq!(day(good), Some("2026-09-06".parse().unwrap()), "{good}");
        }
        for other in [
            "openclaw-work-2026-09-06.log",
            "openclaw-2026-13-06.log",
            "openclaw-2026-09-06.log.gz",
            "openclaw-2026-09-06.log.1x",
            "openclaw-2026-09-06.txt",
            "openclaw-2026-09-06",
            "openclaw-",
            "notes-2026-09-06.log",
            "openclaw-2026-09-0\u{e9}.log",
        ] {
            assert_eq!(day(other), None, "{other}");
        }
    }

    #[test]
    fn today_and_yesterday_are_not_old() {
        let today: Date = "2026-03-01".parse().unwrap();
        assert!(!is_old(today, today));
        assert!(!is_old("2026-02-28".parse().unwrap(), today));
        assert!(is_old("2026-02-27".parse().unwrap(), today));
        assert!(!is_old("2027-01-01".parse().unwrap(), today), "a clock that went back deletes nothing");
    }
}
