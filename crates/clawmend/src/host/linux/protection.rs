//! Through the files of the distributions, and control groups for what runs.
//!
//! Every function takes the root of the file system, so that a test can have its own. Sources: ufw(8), firewalld(1),
//! libnftables-json(5), apt.conf(5) with `unattended-upgrades`, `dnf-automatic`; [`sshd`] has its own.

mod sshd;

use crate::host::Unsupported;
use crate::host::program::{Bounds, run};
use crate::host::protection::{Firewall, Protection, Updates};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Largest file that is read, in bytes.
const FILE_MAX: u64 = 256 * 1024;
/// Most files of one folder.
const FILES_MAX: usize = 256;
/// Largest list of packet rules that is read, in bytes.
const RULES_MAX: u64 = 8 * 1024 * 1024;
/// `nft` answers within milliseconds.
const PATIENCE: Duration = Duration::from_secs(3);

/// See the facade.
pub fn look() -> Result<Protection, Unsupported> {
    let root = Path::new("/");
    Ok(Protection {
        firewall: firewall(root, packet_rules),
        logins: sshd::logins(root),
        guesses_stopped_by: guesses_stopped_by(root),
        updates: updates(root),
    })
}

fn firewall(root: &Path, rules: impl FnOnce() -> Option<Value>) -> Firewall {
    if running(root, "firewalld.service") {
        return Firewall::Active { by: "firewalld" };
    }
    let ufw = read(&root.join("etc/ufw/ufw.conf")).unwrap_or_default();
    if ufw.lines().any(|line| line.trim().eq_ignore_ascii_case("ENABLED=yes")) {
        return Firewall::Active { by: "ufw" };
    }
    match rules() {
        Some(rules) if refuses(&rules) => Firewall::Active { by: "nftables" },
        Some(_) => Firewall::Open,
        None => Firewall::Unreadable,
    }
}

/// As `nft -j list ruleset` prints them; `None`: we may not, or there is no such program.
fn packet_rules() -> Option<Value> {
    let mut command = Command::new("nft");
    command.args(["-j", "list", "ruleset"]);
    let bounds = Bounds { until: Instant::now() + PATIENCE, output: RULES_MAX, messages: 0 };
    let said = run(&mut command, None, bounds, || true).ok().filter(|said| said.code == 0)?;
    serde_json::from_slice(&said.output).ok()
}

/// Something that comes in is refused: by the policy of a chain, or by a rule of a table that has such a chain.
fn refuses(rules: &Value) -> bool {
    let all = || rules.get("nftables").and_then(Value::as_array).into_iter().flatten();
    let table = |of: &Value| (of.get("family").cloned().map(text), of.get("table").cloned().map(text));
    let incoming = || {
        let chains = all().filter_map(|entry| entry.get("chain"));
        chains.filter(|chain| chain.get("hook").and_then(Value::as_str) == Some("input"))
    };
    let tables: BTreeSet<_> = incoming().map(table).collect();
    let drops = |rule: &Value| {
        let parts = rule.get("expr").and_then(Value::as_array);
        parts.into_iter().flatten().any(|part| part.get("drop").is_some() || part.get("reject").is_some())
    };
    incoming().any(|chain| chain.get("policy").and_then(Value::as_str) == Some("drop"))
        || all().filter_map(|entry| entry.get("rule")).any(|rule| tables.contains(&table(rule)) && drops(rule))
}

fn text(value: Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn guesses_stopped_by(root: &Path) -> Option<&'static str> {
    ["fail2ban", "sshguard", "crowdsec"].into_iter().find(|name| running(root, &format!("{name}.service")))
}

/// A service of the machine's systemd has a process: it has a control group then (version 2, 1, or both).
fn running(root: &Path, unit: &str) -> bool {
    ["", "systemd/", "unified/"].iter().any(|at| root.join(format!("sys/fs/cgroup/{at}system.slice/{unit}")).is_dir())
}

fn updates(root: &Path) -> Updates {
    if root.join("etc/apt").is_dir() {
        let on = root.join("usr/bin/unattended-upgrade").exists() && apt_upgrades(root);
        let name = "unattended-upgrades";
        return if on { Updates::On { by: name } } else { Updates::Off { would: name } };
    }
    if root.join("etc/dnf").is_dir() {
        let name = "dnf-automatic";
        return if dnf_upgrades(root) { Updates::On { by: name } } else { Updates::Off { would: name } };
    }
    Updates::Unknown
}

/// `APT::Periodic::Unattended-Upgrade "1";`, where the last file has the last word.
fn apt_upgrades(root: &Path) -> bool {
    let mut on = false;
    for file in files_of(&root.join("etc/apt/apt.conf.d")) {
        for line in read(&file).unwrap_or_default().lines().map(str::trim).filter(|line| !line.starts_with("//")) {
            let Some((key, value)) = line.split_once('"') else { continue };
            if key.trim().to_ascii_lowercase().ends_with("unattended-upgrade") {
                on = value.split('"').next().is_some_and(|days| days != "0");
            }
        }
    }
    on
}

fn dnf_upgrades(root: &Path) -> bool {
    let timer = |name: &str| {
        root.join("etc/systemd/system/timers.target.wants").join(format!("{name}.timer")).symlink_metadata().is_ok()
    };
    let applies = ["etc/dnf/automatic.conf", "etc/dnf/dnf5-plugins/automatic.conf"].iter().any(|path| {
        let text = read(&root.join(path)).unwrap_or_default();
        text.lines().any(|line| {
            let line = line.replace(' ', "").to_ascii_lowercase();
            ["yes", "true", "1"].iter().any(|on| line == format!("apply_updates={on}"))
        })
    });
    timer("dnf-automatic-install") || ((timer("dnf-automatic") || timer("dnf5-automatic")) && applies)
}

fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(FILE_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// In the order of their names, as these programs read them.
fn files_of(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().take(FILES_MAX);
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn a_firewall_is_what_refuses_something_that_comes_in() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let chain = |hook: &str, policy: &str| json!({"chain": {"family": "inet", "table": "t", "name": "c", "hook": hook, "policy": policy}});
        let rule =
            |table: &str| json!({"rule": {"family": "inet", "table": table, "expr": [{"match": {}}, {"drop": null}]}});
        for (rules, found) in [
            (vec![], Firewall::Open),
            (vec![chain("input", "accept")], Firewall::Open),
            (vec![chain("output", "drop"), rule("t")], Firewall::Open),
            (vec![chain("input", "accept"), rule("other")], Firewall::Open),
            (vec![chain("input", "accept"), rule("t")], Firewall::Active { by: "nftables" }),
            (vec![chain("input", "drop")], Firewall::Active { by: "nftables" }),
        ] {
            assert_eq!(firewall(root, || Some(json!({ "nftables": rules }))), found, "{rules:?}");
        }
        assert_eq!(firewall(root, || Some(json!("nonsense"))), Firewall::Open);
        assert_eq!(firewall(root, || None), Firewall::Unreadable);
        put(root, "etc/ufw/ufw.conf", "# ufw\nENABLED=no\n");
        assert_eq!(firewall(root, || None), Firewall::Unreadable);
        put(root, "etc/ufw/ufw.conf", "ENABLED=yes\n");
        assert_eq!(firewall(root, || None), Firewall::Active { by: "ufw" });
        put(root, "sys/fs/cgroup/system.slice/firewalld.service/cgroup.procs", "");
        assert_eq!(firewall(root, || None), Firewall::Active { by: "firewalld" });
        assert_eq!(guesses_stopped_by(root), None);
        put(root, "sys/fs/cgroup/systemd/system.slice/fail2ban.service/cgroup.procs", "");
        assert_eq!(guesses_stopped_by(root), Some("fail2ban"));
    }

    #[test]
    fn updates_of_debian_and_of_fedora() {
        let folder = tempfile::tempdir().unwrap();
        let (debian, fedora) = (folder.path().join("debian"), folder.path().join("fedora"));
        assert_eq!(updates(&debian), Updates::Unknown);
        let off = Updates::Off { would: "unattended-upgrades" };
        put(&debian, "etc/apt/apt.conf.d/20auto-upgrades", "APT::Periodic::Unattended-Upgrade \"1\";\n");
        assert_eq!(updates(&debian), off, "without the program");
        put(&debian, "usr/bin/unattended-upgrade", "");
        assert_eq!(updates(&debian), Updates::On { by: "unattended-upgrades" });
        put(
            &debian,
            "etc/apt/apt.conf.d/99mine",
            "// Unattended-Upgrade \"1\";\nAPT::Periodic::Unattended-Upgrade \"0\";\n",
        );
        assert_eq!(updates(&debian), off, "the last word");
        let off = Updates::Off { would: "dnf-automatic" };
        put(&fedora, "etc/dnf/automatic.conf", "[commands]\napply_updates = no\n");
        put(&fedora, "etc/systemd/system/timers.target.wants/dnf-automatic.timer", "");
        assert_eq!(updates(&fedora), off, "they are only fetched");
        put(&fedora, "etc/dnf/automatic.conf", "[commands]\napply_updates = yes\n");
        assert_eq!(updates(&fedora), Updates::On { by: "dnf-automatic" });
    }

    #[test]
    fn this_host_is_looked_at() {
        assert!(look().is_ok());
    }
}
