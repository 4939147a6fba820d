//! `clawmend config …` through the real binary: what people read, what scripts read, exit codes, files.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use clawmend::generations::{Proof, Room, Snapshot};
use clawmend_core::gateway::{GatewayId, Incarnation};
use clawmend_core::time::Wall;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

/// A person's machine without a guard, without Node, with one OpenClaw home.
struct Home(tempfile::TempDir);

const GOOD: &str = r#"// the home's gateway
{
  "gateway": {
    "mode": "local",
    "port": 45789,
    "bind": "loopback",
    "auth": { "mode": "token", "token": "old-token-0123456789abcdef" },
  },
  "channels": { "telegram": { "enabled": true, "botToken": "1:OLDOLDOLD" } },
  "logging": { "level": "info" },
}
"#;

impl Home {
    fn new(config: &str) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(home.0.path().join("run")).unwrap();
        std::fs::create_dir(home.0.path().join(".openclaw")).unwrap();
        home.write(config);
        home
    }

    fn config(&self) -> PathBuf {
        self.0.path().join(".openclaw/openclaw.json")
    }

    fn write(&self, text: &str) {
        std::fs::write(self.config(), text).unwrap();
        std::fs::set_permissions(self.config(), std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn read(&self) -> String {
        std::fs::read_to_string(self.config()).unwrap()
    }

    /// Keeps a text as a generation, as a guard does.
    fn keep(&self, text: &str, at: i64, proven: bool) -> String {
        let room = Room::open(&self.0.path().join("state"), &GatewayId("default".into())).unwrap();
        let snapshot = Snapshot::of_file(&self.config(), text.as_bytes().to_vec());
        let id = room.keep(&snapshot, Wall(at), |record| record.readable = true).unwrap().id().to_owned();
        if proven {
            let by = Incarnation { pid: 7, start: 1, boot: "b".into() };
            room.prove(&id, Proof { at: Wall(at), by, well_ms: 60_000 }).unwrap();
        }
        id
    }

    /// Command, output and exit code, without what differs from run to run.
    fn told(&self, args: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_clawmend"))
            .args(args)
            .env_clear()
            .env("HOME", self.0.path())
            .env("TZ", "UTC")
            .env("CLAWMEND_STATE_DIR", self.0.path().join("state"))
            .env("CLAWMEND_RUNTIME_DIR", self.0.path().join("run"))
            .env("CLAWMEND_CONFIG", self.0.path().join("clawmend.toml"))
            .output()
            .unwrap();
        let here = self.0.path().to_str().unwrap();
        let mut told = format!("$ clawmend {}\n", args.join(" ").replace(here, "HOME"));
        for (name, bytes) in [("", &output.stdout), ("stderr: ", &output.stderr)] {
            let text = String::from_utf8(bytes.clone()).unwrap();
            for secret in ["old-token", "OLDOLD", "NEWNEW"] {
                assert!(!text.contains(secret), "a secret shows: {text}");
            }
            let text = text.replace(here, "HOME");
            text.lines().for_each(|line| told.push_str(&format!("{name}{}\n", without_names(&without_time(line)))));
        }
        told.push_str(&format!("exit {}\n\n", output.status.code().unwrap()));
        told
    }
}

/// Names of generations depend on where the home lies.
fn without_names(line: &str) -> String {
    let mut out = String::new();
    let mut run = String::new();
    for c in line.chars().chain(['\n']) {
        if c.is_ascii_hexdigit() && !c.is_ascii_uppercase() {
            run.push(c);
            continue;
        }
        out.push_str(if run.len() == 12 || run.len() == 64 { "NAME" } else { &run });
        run.clear();
        out.push(c);
    }
    out.trim_end_matches('\n').to_owned()
}

/// Times of now become `NOW`; those of the test's own generations stay.
fn without_time(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find("202").filter(|_| !line.contains("2001-")) {
        let (before, after) = rest.split_at(at);
        let time = after.chars().take_while(|c| c.is_ascii_digit() || "-:.TZ".contains(*c)).count();
        let with_space = after.get(10..11) == Some(" ") && time == 10;
        let length = if with_space { 19 } else { time };
        out.push_str(before);
        if length >= 10 {
            out.push_str("NOW")
        } else {
            out.push_str(&after[..length])
        }
        rest = &after[length..];
    }
    out + rest
}

#[test]
fn checks() {
    let home = Home::new(GOOD);
    let mut told = home.told(&["config", "check", "--no-openclaw"]);
    home.write(&GOOD.replace("\"bind\"", "\"bnid\"").replace("45789", "\"x\""));
    told += &home.told(&["config", "check"]);
    told += &home.told(&["config", "check", "--json"]);
    home.write(&GOOD[..200]);
    told += &home.told(&["config", "check"]);
    std::fs::remove_file(home.config()).unwrap();
    told += &home.told(&["config", "check"]);
    let other = home.0.path().join("new.json5");
    std::fs::write(&other, GOOD).unwrap();
    std::fs::set_permissions(&other, std::fs::Permissions::from_mode(0o600)).unwrap();
    told += &home.told(&["config", "check", other.to_str().unwrap()]);
    insta::assert_snapshot!(told);
}

#[test]
fn history_and_differences() {
    let home = Home::new(GOOD);
    let mut told = home.told(&["config", "history"]);
    told += &home.told(&["config", "diff"]);
    home.keep(GOOD, 1_000_000_000_000, true);
    let changed = GOOD
        .replace("45789", "1")
        .replace("OLDOLDOLD", "NEWNEWNEW")
        .replace("\"logging\": { \"level\": \"info\" },", "");
    home.keep(&changed, 1_000_000_100_000, false);
    home.write(&changed);
    std::fs::write(home.config().with_file_name("openclaw.json.bak"), GOOD).unwrap();
    told += &home.told(&["config", "history"]);
    told += &home.told(&["config", "history", "--json"]);
    told += &home.told(&["config", "diff"]);
    told += &home.told(&["config", "diff", "proven", "present", "--json"]);
    told += &home.told(&["config", "diff", "abcd", "present"]);
    told += &home.told(&["config", "forget", "proven"]);
    told += &home.told(&["config", "history"]);
    insta::assert_snapshot!(told);
}

#[test]
fn a_broken_key_is_taken_back_and_nothing_else() {
    let home = Home::new(GOOD);
    home.keep(GOOD, 1_000_000_000_000, true);
    let broken = GOOD
        .replace("45789", "\"x\"")
        .replace("\"level\": \"info\"", "\"level\": \"debug\"")
        .replace("\"enabled\": true", "\"enabled\": false");
    home.write(&broken);
    let mut told = home.told(&["config", "bisect"]);
    told += &home.told(&["config", "restore", "--dry-run"]);
    assert_eq!(home.read(), broken, "a dry run writes nothing");
    told += &home.told(&["config", "restore"]);
    assert_eq!(home.read(), broken.replace("\"x\"", "45789"), "comments and all other keys stay");
    told += &home.told(&["config", "bisect"]);
    insta::assert_snapshot!(told);
}

#[test]
fn a_truncated_config_comes_back_without_old_roles() {
    let home = Home::new(GOOD);
    home.keep(GOOD, 1_000_000_000_000, true);
    let off = GOOD.replace("\"enabled\": true", "\"enabled\": false").replace("OLDOLDOLD", "NEWNEWNEW");
    home.keep(&off, 1_000_000_100_000, false);
    home.write(&GOOD[..150]);
    let mut told = home.told(&["config", "restore", "--json"]);
    assert_eq!(home.read(), off);
    let aside: Vec<PathBuf> = std::fs::read_dir(home.config().parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().contains("clawmend-"))
        .collect();
    assert_eq!(std::fs::read_to_string(&aside[0]).unwrap(), &GOOD[..150]);
    assert_eq!(std::fs::metadata(&aside[0]).unwrap().permissions().mode() & 0o777, 0o600);
    told += &home.told(&["config", "restore"]);
    told += &home.told(&["config", "restore", "--all-keys"]);
    assert_eq!(home.read(), GOOD, "a person may bring back everything");
    insta::assert_snapshot!(told);
}

#[test]
fn a_config_is_applied_only_when_it_is_good() {
    let home = Home::new(GOOD);
    let new = home.0.path().join("new.json5");
    std::fs::write(&new, GOOD.replace("45789", "70000")).unwrap();
    let file = new.to_str().unwrap();
    let mut told = home.told(&["config", "apply", file]);
    std::fs::write(&new, GOOD.replace("45789", "45790")).unwrap();
    told += &home.told(&["config", "apply", file, "--confirm-within", "5m"]);
    assert_eq!(home.read(), GOOD);
    told += &home.told(&["config", "apply", file]);
    assert_eq!(home.read(), GOOD.replace("45789", "45790"));
    told += &home.told(&["config", "confirm"]);
    told += &home.told(&["config", "apply", "/nowhere.json"]);
    insta::assert_snapshot!(told);
}
