//! Finds the OpenClaw homes of a user and everything that follows from one: names, paths, places.
//!
//! Invariant: paths are resolved as OpenClaw 2026.9.6 resolves them, from the environment that it would get; nothing
//! is created and nothing is run. Start at [`discover`].

use clawmend_core::gateway::GatewayId;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

/// Port when neither command line, environment nor config names one.
pub const DEFAULT_PORT: u16 = 18_789;
/// At most this many homes are taken from one user's folder.
const MAX_HOMES: usize = 32;

/// One OpenClaw home: the state and config that one gateway uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// `default`, or the profile.
    pub id: GatewayId,
    /// `OPENCLAW_PROFILE`, when it is not the default one.
    pub profile: Option<String>,
    /// The home folder that `~` stands for.
    pub user_home: PathBuf,
    /// `OPENCLAW_STATE_DIR`.
    pub state_dir: PathBuf,
    /// `OPENCLAW_CONFIG_PATH`.
    pub config_path: PathBuf,
    /// `OPENCLAW_GATEWAY_PORT`, which wins over the config.
    pub port: Option<u16>,
}

impl Home {
    /// Unit of `openclaw gateway install` under systemd.
    #[must_use]
    pub fn systemd_unit(&self) -> String {
        format!("openclaw-gateway{}.service", self.suffix())
    }

    /// Label of the LaunchAgent.
    #[must_use]
    pub fn launchd_label(&self) -> String {
        format!("ai.openclaw.{}", self.profile.as_deref().unwrap_or("gateway"))
    }

    /// Name of the Windows Scheduled Task.
    #[must_use]
    pub fn task_name(&self) -> String {
        self.profile
            .as_ref()
            .map_or_else(|| "OpenClaw Gateway".into(), |profile| format!("OpenClaw Gateway ({profile})"))
    }

    /// Where the gateway of user `uid` may write its log of the day, the preferred folder first. The second is used
    /// when the first belongs to someone else; which one holds is decided by who owns the file.
    #[must_use]
    pub fn log_candidates(&self, uid: u32, tmp: &Path, day: jiff::civil::Date) -> Vec<PathBuf> {
        let name = format!("openclaw{}-{}.log", self.suffix(), day.strftime("%Y-%m-%d"));
        let own = tmp.join(format!("openclaw-{uid}"));
        if cfg!(windows) {
            return vec![tmp.join("openclaw").join(&name), own.join(&name)];
        }
        vec![Path::new("/tmp/openclaw").join(&name), own.join(&name)]
    }

    /// Folders that may hold the gateway's lock files, the one of 2026.8.2 and later first.
    #[must_use]
    pub fn lock_folders(&self, uid: u32, tmp: &Path) -> [PathBuf; 2] {
        let name = format!("openclaw-{uid}");
        [self.state_dir.join("tmp").join(&name), tmp.join(name)]
    }

    fn suffix(&self) -> String {
        self.profile.as_ref().map_or_else(String::new, |profile| format!("-{profile}"))
    }
}

/// The homes to guard. When the environment names a state folder, a config or a profile, just that one; else the
/// default home and every profile beside it that has a state folder.
///
/// `env` answers like the environment of the gateway; `home` is the account's home folder.
#[must_use]
pub fn discover(env: impl Fn(&str) -> Option<String>, home: &Path) -> Vec<Home> {
    let set = |name: &str| env(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    let user_home = set("OPENCLAW_HOME").map_or_else(|| absolute(home), |value| expand(&value, home));
    let port = set("OPENCLAW_GATEWAY_PORT").and_then(|value| value.parse().ok()).filter(|port| *port != 0);
    let profile = set("OPENCLAW_PROFILE").and_then(|value| profile_name(&value));
    let state_dir = set("OPENCLAW_STATE_DIR").map(|value| expand(&value, &user_home));
    let config_path = set("OPENCLAW_CONFIG_PATH").map(|value| expand(&value, &user_home));
    let named = profile.is_some() || state_dir.is_some() || config_path.is_some();

    let first = home_of(&user_home, profile, state_dir, config_path, port);
    let mut homes = vec![first];
    if !named {
        homes.extend(profiles(&user_home).into_iter().map(|name| home_of(&user_home, Some(name), None, None, None)));
    }
    homes
}

fn home_of(
    user_home: &Path,
    profile: Option<String>,
    state_dir: Option<PathBuf>,
    config_path: Option<PathBuf>,
    port: Option<u16>,
) -> Home {
    let state_dir = state_dir.unwrap_or_else(|| match &profile {
        Some(profile) => user_home.join(format!(".openclaw-{profile}")),
        None => default_state_dir(user_home),
    });
    let config_path = config_path.unwrap_or_else(|| state_dir.join("openclaw.json"));
    Home {
        id: GatewayId(profile.clone().unwrap_or_else(|| "default".into())),
        profile,
        user_home: user_home.to_owned(),
        state_dir,
        config_path,
        port,
    }
}

/// `~/.openclaw`, or the folder of the program's former name when only that one exists.
fn default_state_dir(user_home: &Path) -> PathBuf {
    let (current, former) = (user_home.join(".openclaw"), user_home.join(".clawdbot"));
    if !current.exists() && former.exists() { former } else { current }
}

/// Profiles that have a state folder with a config, sorted by name.
fn profiles(user_home: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(user_home) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| {
            let name = profile_name(entry.file_name().to_str()?.strip_prefix(".openclaw-")?)?;
            entry.path().join("openclaw.json").is_file().then_some(name)
        })
        .take(MAX_HOMES)
        .collect();
    names.sort();
    names
}

/// OpenClaw's own rule; `default` means no profile, and an invalid name counts as none.
fn profile_name(raw: &str) -> Option<String> {
    let valid = raw.len() <= 64
        && raw.starts_with(|c: char| c.is_ascii_alphanumeric())
        && raw.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    (valid && !raw.eq_ignore_ascii_case("default")).then(|| raw.to_owned())
}

/// `~` stands for the home folder; `.` and `..` are resolved without looking at the disk.
pub(super) fn expand(value: &str, home: &Path) -> PathBuf {
    match value.strip_prefix('~') {
        Some("") => absolute(home),
        Some(rest) if rest.starts_with(['/', '\\']) => absolute(&home.join(&rest[1..])),
        Some(_) | None => absolute(Path::new(value)),
    }
}

fn absolute(path: &Path) -> PathBuf {
    let full = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut out = PathBuf::new();
    for part in full.components() {
        if part == Component::ParentDir {
            out.pop();
        } else if part.as_os_str() != OsStr::new(".") {
            out.push(part);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use std::collections::BTreeMap;

    fn with(vars: &[(&str, &str)], home: &Path) -> Vec<Home> {
        let vars: BTreeMap<String, String> = vars.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        discover(|name| vars.get(name).cloned(), home)
    }

    #[test]
    fn the_default_home_needs_no_setting() {
        let dir = tempfile::tempdir().unwrap();
        let homes = with(&[], dir.path());
        assert_eq!(homes.len(), 1);
        assert_eq!(homes[0].id.0, "default");
        assert_eq!(homes[0].config_path, dir.path().join(".openclaw/openclaw.json"));
        assert_eq!(homes[0].systemd_unit(), "openclaw-gateway.service");
        assert_eq!(homes[0].launchd_label(), "ai.openclaw.gateway");
        assert_eq!(homes[0].task_name(), "OpenClaw Gateway");
    }

    #[test]
    fn profiles_with_a_config_are_found() {
        let dir = tempfile::tempdir().unwrap();
        for (name, config) in [("work", true), ("empty", false), ("b ad", true)] {
            let state = dir.path().join(format!(".openclaw-{name}"));
            std::fs::create_dir(&state).unwrap();
            if config {
                std::fs::write(state.join("openclaw.json"), "{}").unwrap();
            }
        }
        let homes = with(&[], dir.path());
        let ids: Vec<_> = homes.iter().map(|home| home.id.0.as_str()).collect();
        assert_eq!(ids, ["default", "work"]);
        assert_eq!(homes[1].systemd_unit(), "openclaw-gateway-work.service");
        let day = jiff::civil::date(2026, 9, 6);
        let logs = homes[1].log_candidates(1000, Path::new("/tmp"), day);
        assert_eq!(logs[1], Path::new("/tmp/openclaw-1000/openclaw-work-2026-09-06.log"));
    }

    #[test]
    fn the_environment_wins() {
        let home = Path::new("/home/user");
        let homes = with(
            &[("OPENCLAW_STATE_DIR", "~/x/../state"), ("OPENCLAW_GATEWAY_PORT", "19000"), ("OPENCLAW_PROFILE", " p ")],
            home,
        );
        assert_eq!(homes.len(), 1);
        assert_eq!(homes[0].state_dir, Path::new("/home/user/state"));
        assert_eq!(homes[0].config_path, Path::new("/home/user/state/openclaw.json"));
        assert_eq!((homes[0].port, homes[0].id.0.as_str()), (Some(19000), "p"));
        assert_eq!(with(&[("OPENCLAW_PROFILE", "Default")], home)[0].profile, None);
        assert_eq!(with(&[("OPENCLAW_HOME", "/srv/oc")], home)[0].state_dir, Path::new("/srv/oc/.openclaw"));
    }
}
