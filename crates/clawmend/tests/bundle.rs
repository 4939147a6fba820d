//! `clawmend bundle` through the real binary: what is in the archive, and what is not.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use clawmend::generations::{Room, Snapshot};
use clawmend::store::{Introduction, Store};
use clawmend_core::diagnosis::Cause;
use clawmend_core::directive::IncidentId;
use clawmend_core::gateway::{Control, GatewayId};
use clawmend_core::incident::{IncidentEvent, Outcome, What};
use clawmend_core::time::{Moment, Wall};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A profile that nobody has, so that no log of this host takes part.
const PROFILE: &str = "clibundle";

/// Secrets of every shape: words, sentences, figures, marks, a URL's. None of them looks like a well-known key.
const CANARIES: [&str; 12] = [
    "velvetotter",
    "purple monkey dishwasher",
    "0451-7799",
    "pa\"ss\\wo/rd",
    "urlpassword",
    "headercanary",
    "providerkey",
    "listedsecret",
    "dotenvcanary",
    "environcanary",
    "yesterdays-token",
    "brokencanary",
];

fn config() -> String {
    serde_json::json!({
        "gateway": {"mode": "local", "port": 45791, "auth": {"mode": "token", "token": "velvetotter"}},
        "channels": {
            "irc": {"enabled": true, "password": "purple monkey dishwasher", "accounts": {"+4915112345678": {"nick": "ana"}}},
            "telegram": {"enabled": false, "botToken": "0451-7799"},
            "matrix": {"accessToken": "pa\"ss\\wo/rd"},
        },
        "models": {"providers": {"p": {
            "baseUrl": "http://ana:urlpassword@127.0.0.1:9/v1", "headers": {"x-a": "headercanary"},
            "apiKey": "providerkey",
        }}},
        "hooks": {"token": ["listedsecret", "brokencanary"]},
    })
    .to_string()
}

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(home.path("run")).unwrap();
        std::fs::create_dir_all(home.openclaw().join("logs/stability")).unwrap();
        std::fs::write(home.openclaw().join("openclaw.json"), config()).unwrap();
        std::fs::write(home.openclaw().join(".env"), "OTHER_API_KEY=dotenvcanary\n").unwrap();
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn openclaw(&self) -> PathBuf {
        self.path(&format!(".openclaw-{PROFILE}"))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clawmend"));
        command
            .current_dir(self.0.path())
            .env_clear()
            .env("HOME", self.0.path())
            .env("TZ", "UTC")
            .env("OPENCLAW_PROFILE", PROFILE)
            .env("SOME_SECRET_VALUE", "environcanary")
            .env("CLAWMEND_STATE_DIR", self.path("state"))
            .env("CLAWMEND_RUNTIME_DIR", self.path("run"))
            .env("CLAWMEND_CONFIG", self.path("clawmend.toml"));
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command().args(args).output().unwrap()
    }

    /// What the keeper kept of the gateway's output.
    fn log(&self, text: &str) {
        let folder = self.path("state/logs").join(PROFILE);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("gateway.log"), text).unwrap();
    }

    fn records(&self, at: i64) {
        let id = GatewayId(PROFILE.into());
        let store = Store::open_daemon(&self.path("state")).unwrap();
        let state_dir = self.openclaw().display().to_string();
        let known = Introduction { gateway: id.clone(), state_dir, url: None, control: Control::Full, at: Wall(0) };
        store.introduce(known).durable_blocking().unwrap();
        let event = |after: i64, what| IncidentEvent {
            incident: IncidentId(7),
            mono: Moment(u64::try_from(after).unwrap()),
            wall: Wall(at + after),
            what,
        };
        let opened = What::Opened { onset: Wall(at), onset_uncertainty_ms: 1, detected_after_ms: 0, incarnation: None };
        let events = vec![
            event(0, opened),
            event(1, What::Diagnosed { cause: Cause::Crashed { how: "exit 1: purple monkey dishwasher".into() } }),
            event(2, What::Evidence { text: "it said velvetotter and pa\"ss\\wo/rd".into() }),
            event(9000, What::Closed { outcome: Outcome::Recovered }),
        ];
        store.append(&id, events).durable_blocking().unwrap();
    }

    fn only_archive(&self) -> PathBuf {
        let mut found: Vec<PathBuf> = std::fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_string_lossy().ends_with(".tar.gz"))
            .collect();
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }
}

/// Name below the top folder, and text.
fn unpack(path: &Path) -> BTreeMap<String, String> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()));
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().components().skip(1).collect::<PathBuf>().display().to_string();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        (name, text)
    });
    entries.collect()
}

fn no_canary(parts: &BTreeMap<String, String>) {
    for (name, text) in parts {
        for canary in CANARIES {
            let escaped = serde_json::Value::from(canary).to_string();
            for form in [canary, escaped.trim_matches('"')] {
                assert!(!text.contains(form), "{canary} is in {name}:\n{text}");
            }
        }
    }
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn stamp(ms: i64) -> String {
    format!("{:.3}", jiff::Timestamp::from_millisecond(ms).unwrap())
}

#[test]
fn everything_is_in_it_but_no_secret() {
    let home = Home::new();
    let at = now_ms() - 60_000;
    let room = Room::open(&home.path("state"), &GatewayId(PROFILE.into())).unwrap();
    let earlier = config().replace("velvetotter", "yesterdays-token").into_bytes();
    let earlier = Snapshot::of_file(&home.openclaw().join("openclaw.json"), earlier);
    room.keep(&earlier, Wall(at), |record| record.readable = true).unwrap();
    home.records(at);
    let said = CANARIES.map(|canary| format!("{} [gateway] told {canary} to everybody", stamp(at + 500))).join("\n");
    let json = serde_json::json!({"0": "{\"subsystem\":\"gateway\"}", "time": stamp(at), "hostname": "anas-laptop",
        "_meta": {"logLevelName": "ERROR", "runtimeVersion": "24.21.0"},
        "message": format!("listen EADDRINUSE, {}", CANARIES.join(" "))});
    home.log(&format!("{} [gateway] long ago\n{said}\n{json}\n", stamp(at - 86_400_000)));
    let name = "openclaw-stability-2026-11-20T00-00-00-000Z-1-breaker.json";
    let headline = serde_json::json!({"reason": "breaker", "error": {"message": CANARIES.join(" ")}, "botToken": "x9"});
    std::fs::write(home.openclaw().join("logs/stability").join(name), headline.to_string()).unwrap();

    let output = home.run(&["bundle"]);
    assert!(output.status.success(), "{output:?}");
    let path = home.only_archive();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed.trim(), path.display().to_string());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let parts = unpack(&path);
    let names: Vec<&str> = parts.keys().map(String::as_str).collect();
    let wanted = [
        "README.txt",
        "config-check.json",
        "config-check.txt",
        "config.json",
        "doctor.json",
        "doctor.txt",
        "incidents.json",
        "incidents.txt",
        "log.txt",
        "process.json",
        "stability.json",
        "status.json",
        "versions.json",
    ];
    assert_eq!(names, wanted);
    no_canary(&parts);

    let json = |name: &str| serde_json::from_str::<serde_json::Value>(&parts[name]).unwrap();
    assert_eq!(json("config.json")["gateway"]["port"], 45791);
    assert_eq!(json("config.json")["channels"]["irc"]["enabled"], true);
    assert!(!parts["config.json"].contains("4915"), "{}", parts["config.json"]);
    assert_eq!(json("incidents.json")[0]["incident"]["id"], 7);
    assert!(parts["incidents.txt"].contains("it said ***"), "{}", parts["incidents.txt"]);
    assert!(parts["log.txt"].contains("ERROR [gateway] listen EADDRINUSE, ***"), "{}", parts["log.txt"]);
    assert!(!parts["log.txt"].contains("long ago") && !parts["log.txt"].contains("anas-laptop"));
    assert_eq!(json("versions.json")["node"], "24.21.0");
    assert_eq!(json("stability.json")[0]["says"]["reason"], "breaker");
    assert!(parts["README.txt"].contains("密钥") && parts["README.txt"].contains("log.txt: "));
    assert_eq!(json("process.json")["process"], serde_json::Value::Null);
    assert_eq!(json("doctor.json")["schema"], 1);
}

#[test]
fn an_incident_of_the_past_has_its_own_log() {
    let home = Home::new();
    let at = now_ms() - 86_400_000;
    home.records(at);
    let line = |after: i64, text: &str| format!("{} [gateway] {text}\n", stamp(at + after));
    let log =
        [line(-600_000, "long before"), line(-1_000, "just before"), line(5_000, "while"), line(600_000, "long after")];
    home.log(&log.concat());
    let output = home.run(&["bundle", "7", "--output", "seven.tar.gz", "--json"]);
    assert!(output.status.success(), "{output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["incident"], &report["gateway"]), (&7.into(), &PROFILE.into()));
    assert_eq!(report["bytes"], std::fs::metadata(home.path("seven.tar.gz")).unwrap().len());
    let parts = unpack(&home.path("seven.tar.gz"));
    let log = &parts["log.txt"];
    assert!(log.contains("just before") && log.contains("while"), "{log}");
    assert!(!log.contains("long"), "{log}");
    no_canary(&parts);
    // A home that is gone leaves the records.
    std::fs::remove_dir_all(home.openclaw()).unwrap();
    let output = home.run(&["bundle", "7", "--output", "gone.tar.gz"]);
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("left out: config.json"));
    assert!(unpack(&home.path("gone.tar.gz")).contains_key("incidents.json"));
}

#[test]
fn a_broken_config_gives_nothing_away_either() {
    let home = Home::new();
    let text = r#"{ gateway: { mode: "local", auth: { token: "velvetotter" } }, channels: { irc: { password: 'brokencanary', "#;
    std::fs::write(home.openclaw().join("openclaw.json"), text).unwrap();
    home.log(&format!("{} [gateway] login with brokencanary and velvetotter failed\n", stamp(now_ms())));
    let output = home.run(&["bundle", "--output", "b.tar.gz"]);
    assert!(output.status.success(), "{output:?}");
    let parts = unpack(&home.path("b.tar.gz"));
    no_canary(&parts);
    assert!(parts["log.txt"].contains("login with *** and *** failed"), "{}", parts["log.txt"]);
    assert!(!parts.contains_key("config.json") && parts["config-check.txt"].contains("would not start"));
}

#[test]
fn what_cannot_be_is_said_and_leaves_nothing() {
    let home = Home::new();
    let before = || std::fs::read_dir(home.0.path()).unwrap().count();
    let count = before();
    let told = |args: &[&str]| {
        let output = home.run(args);
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    std::fs::write(home.path("mine"), "mine").unwrap();
    let (code, text) = told(&["bundle", "--output", "mine"]);
    assert!(code == 78 && text.contains("not overwritten"), "{code} {text}");
    assert_eq!(std::fs::read(home.path("mine")).unwrap(), b"mine");
    let (code, text) = told(&["bundle", "--output", "no/such/folder.tar.gz"]);
    assert!(code == 66 && text.contains("no folder"), "{code} {text}");
    let (code, text) = told(&["bundle", "99"]);
    assert!(code == 66 && text.contains("there is no incident 99"), "{code} {text}");
    let (code, text) = told(&["bundle", "--gateway", "nobody"]);
    assert!(code == 66 && text.contains("no such OpenClaw gateway"), "{code} {text}");
    assert_eq!(before(), count + 1);
}

#[test]
fn a_full_disk_is_said_and_leaves_nothing() {
    let home = Home::new();
    // Lines that cannot be packed small.
    let mut figure = 1_u64;
    let mut log = String::new();
    for _ in 0..4_000 {
        log.push_str(&stamp(now_ms()));
        for _ in 0..20 {
            figure = figure.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            log.push_str(&format!(" {:x}", figure >> 40));
        }
        log.push('\n');
    }
    home.log(&log);
    let small = home.path("small");
    std::fs::create_dir(&small).unwrap();
    let script = "mount -t tmpfs -o size=32k none \"$1\" || exit 99; \"$2\" bundle --output \"$1/b.tar.gz\"; \
        code=$?; ls -A \"$1\"; exit $code";
    let mut command = Command::new("unshare");
    let clawmend = home.command();
    command.args(["-m", "sh", "-c", script, "sh"]).arg(&small).arg(clawmend.get_program()).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap()).current_dir(home.0.path());
    command.envs(clawmend.get_envs().map(|(name, value)| (name, value.unwrap())));
    let output = match command.output() {
        Ok(output) if output.status.code() != Some(99) && output.status.code() != Some(1) => output,
        Ok(output) => return println!("skipped: no mount namespace of our own ({output:?})"),
        Err(error) => return println!("skipped: no unshare ({error})"),
    };
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(75), "{text}");
    assert!(text.contains("is full; nothing was written"), "{text}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "something was left behind");
}
