//! The real binary: every help text, every message, exit codes, JSON.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use clawmend::api::server::{Call, Reply, STREAM_QUEUE, Server};
use clawmend::api::types::{CheckReport, IncidentDetail, IncidentsReport, StatusReport};
use clawmend::api::{Answer, Request};
use clawmend::store::{Introduction, Store};
use clawmend_core::diagnosis::Cause;
use clawmend_core::directive::{Action, ActionResult, DirectiveId, IncidentId};
use clawmend_core::gateway::{Control, GatewayId};
use clawmend_core::incident::{IncidentEvent, Outcome, What};
use clawmend_core::time::{Moment, Wall};
use std::process::{Command, Output};
use tokio::sync::mpsc;

/// A person's machine: own folders, no guard yet.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("run")).unwrap();
        Self(folder)
    }

    fn state(&self) -> std::path::PathBuf {
        self.0.path().join("state")
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_clawmend"))
            .args(args)
            .env_clear()
            .env("HOME", self.0.path())
            .env("TZ", "UTC")
            .env("CLAWMEND_STATE_DIR", self.state())
            .env("CLAWMEND_RUNTIME_DIR", self.0.path().join("run"))
            .env("CLAWMEND_CONFIG", self.0.path().join("clawmend.toml"))
            .output()
            .unwrap()
    }

    /// Exit code, standard output and standard error in one text, without what differs from run to run.
    fn told(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let text = |bytes: &[u8]| {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            assert!(!text.contains('\u{1b}'), "escape sequences outside of a terminal: {text:?}");
            text.replace(self.0.path().to_str().unwrap(), "HOME").replace(env!("CARGO_PKG_VERSION"), "VERSION")
        };
        let mut told = format!("$ clawmend {}\n", args.join(" "));
        for (name, bytes) in [("", &output.stdout), ("stderr: ", &output.stderr)] {
            text(bytes).lines().for_each(|line| told.push_str(&format!("{name}{line}\n")));
        }
        told.push_str(&format!("exit {}\n", output.status.code().unwrap()));
        told
    }

    fn all(&self, commands: &[&[&str]]) -> String {
        commands.iter().map(|args| self.told(args)).collect::<Vec<_>>().join("\n")
    }

    fn records(&self) {
        let store = Store::open_daemon(&self.state()).unwrap();
        let id = GatewayId("default".into());
        let url = Some("http://127.0.0.1:18789".to_owned());
        let known = Introduction {
            gateway: id.clone(),
            state_dir: "/x/.openclaw".into(),
            url,
            control: Control::Full,
            at: Wall(0),
        };
        store.introduce(known).durable_blocking().unwrap();
        let event = |at: u64, what| IncidentEvent {
            incident: IncidentId(7),
            mono: Moment(at),
            wall: Wall(1_790_000_000_000 + i64::try_from(at).unwrap()),
            what,
        };
        let (directive, action) = (DirectiveId(4), Action::Spawn);
        let events = vec![
            event(
                1,
                What::Opened {
                    onset: Wall(1_790_000_000_000),
                    onset_uncertainty_ms: 1,
                    detected_after_ms: 0,
                    incarnation: None,
                },
            ),
            event(1, What::Diagnosed { cause: Cause::Crashed { how: "signal 9".into() } }),
            event(2, What::Evidence { text: "last words: \u{1b}[2Jboom".into() }),
            event(3, What::Acted { directive, action, reason: "it crashed".into() }),
            event(4, What::Result { directive, result: ActionResult::Done }),
            event(4021, What::Serving),
            event(9000, What::Closed { outcome: Outcome::Recovered }),
        ];
        store.append(&id, events).durable_blocking().unwrap();
    }

    /// A guard with these fixed answers.
    fn guard(&self) {
        let (ready, up) = std::sync::mpsc::channel();
        let run = self.0.path().join("run");
        std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                let (calls, mut asked) = mpsc::channel(4);
                tokio::spawn(Server::bind(&run).unwrap().serve(calls));
                ready.send(()).unwrap();
                while let Some(call) = asked.recv().await {
                    answer(call).await;
                }
            });
        });
        up.recv().unwrap();
    }
}

async fn answer(Call { question, reply, .. }: Call) {
    let status: StatusReport = serde_json::from_str(include_str!("data/status.json")).unwrap();
    let incidents: IncidentsReport = serde_json::from_str(include_str!("data/incidents.json")).unwrap();
    let detail: IncidentDetail = serde_json::from_str(include_str!("data/incident.json")).unwrap();
    let known = vec!["default".to_owned(), "work".to_owned()];
    if question.gateway.is_some_and(|id| id.0 == "nobody") {
        let what = "there is no gateway `nobody`".to_owned();
        return drop(reply.send(Answer::NotFound { what, known }.into()));
    }
    let answer = match question.request {
        Request::Status => Answer::Status(status),
        Request::Check => Answer::Check(CheckReport::from(&status)),
        Request::Incidents { .. } => Answer::Incidents(incidents),
        Request::Incident { id: IncidentId(7) } => Answer::Incident(vec![detail]),
        Request::Incident { .. } => Answer::Incident(Vec::new()),
        Request::Pause { for_ms, reason } => Answer::Done { message: format!("paused {for_ms:?} {reason:?}") },
        Request::EmergencyStop => Answer::Refused { why: "the caller is part of the gateway `default`".into() },
        Request::Standby { order } => Answer::Done { message: format!("{order:?}") },
        Request::Shared { order } => Answer::Done { message: format!("{order:?}") },
        Request::Decide { .. } | Request::Restart => {
            Answer::Failed { why: "it is draining; try again when that is over".into() }
        }
        Request::Resume => Answer::End,
        Request::Stop | Request::Start => Answer::Done { message: "it is so".into() },
        Request::Logs { .. } => {
            let (lines, stream) = mpsc::channel(STREAM_QUEUE);
            let _ = reply.send(Reply::Stream(stream));
            for line in ["one", "\u{1b}[31mtwo\u{1b}[0m"] {
                lines.send(Answer::Log { line: line.into() }).await.unwrap();
            }
            return;
        }
    };
    let _ = reply.send(answer.into());
}

#[test]
fn every_help_text() {
    let home = Home::new();
    let mut all = home.all(&[&["--help"], &["help"], &["help", "exit-codes"], &["--version"]]);
    for command in [
        "up",
        "run",
        "status",
        "check",
        "restart",
        "pause",
        "resume",
        "stop",
        "start",
        "incidents",
        "doctor",
        "cases",
        "bundle",
        "logs",
        "standby",
        "completions",
        "help",
    ] {
        all.push_str(&home.told(&[command, "--help"]));
    }
    all.push_str(&home.told(&["incidents", "show", "--help"]));
    for what in ["show", "add", "test", "draft", "export", "import"] {
        all.push_str(&home.told(&["cases", what, "--help"]));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn usage_errors() {
    insta::assert_snapshot!(Home::new().all(&[
        &[],
        &["guard"],
        &["status", "--nonsense"],
        &["pause", "--for", "soon"],
        &["pause", "--for", "0s"],
        &["pause", "--for", "9999d"],
        &["incidents", "show", "seven"],
        &["incidents", "--limit", "0"],
        &["incidents", "--cursor", "x"],
        &["status", "--gateway", "../x"],
        &["up", "--sandbox", "--start"],
        &["help", "nothing"],
    ]));
}

#[test]
fn without_a_guard_and_without_records() {
    insta::assert_snapshot!(Home::new().all(&[
        &["status"],
        &["status", "--json"],
        &["check"],
        &["check", "--json"],
        &["check", "--live"],
        &["incidents"],
        &["incidents", "--json"],
        &["incidents", "show", "1"],
        &["logs"],
        &["restart"],
    ]));
}

#[test]
fn wishes_without_a_guard_are_kept() {
    let home = Home::new();
    insta::assert_snapshot!(home.all(&[
        &["pause", "--for", "2h", "--reason", "upgrade"],
        &["resume", "--json"],
        &["stop", "--emergency"],
        &["status"],
        &["status", "--json"],
        &["start", "--json"],
        &["stop", "--gateway", "work"],
        &["pause"],
    ]));
    let waiting = clawmend::store::wishes::waiting(&home.state(), &GatewayId("default".into())).unwrap();
    assert_eq!(waiting.len(), 2, "{waiting:?}");
}

#[test]
fn records_are_read_without_a_guard() {
    let home = Home::new();
    home.records();
    insta::assert_snapshot!(home.all(&[
        &["status", "--json"],
        &["incidents"],
        &["incidents", "--json"],
        &["incidents", "--gateway", "other"],
        &["incidents", "show", "7"],
        &["incidents", "show", "7", "--json"],
        &["incidents", "show", "8"],
    ]));
}

#[test]
fn other_peoples_records_are_named() {
    let home = Home::new();
    home.records();
    let db = rusqlite::Connection::open(home.state().join("clawmend.db")).unwrap();
    db.execute("UPDATE meta SET value = '99' WHERE key = 'schema'", []).unwrap();
    drop(db);
    let newer = home.all(&[&["incidents"], &["status"]]);
    std::fs::write(home.state().join("clawmend.db"), "no database at all, but long enough to be looked at").unwrap();
    insta::assert_snapshot!(newer + &home.told(&["incidents"]));
}

#[test]
fn with_a_guard() {
    let home = Home::new();
    home.guard();
    insta::assert_snapshot!(home.all(&[
        &["status", "--json"],
        &["check"],
        &["check", "--live"],
        &["check", "--json"],
        &["check", "--gateway", "nobody"],
        &["incidents"],
        &["incidents", "show", "7"],
        &["incidents", "show", "8"],
        &["logs"],
        &["logs", "--json", "--lines", "2"],
        &["pause", "--for", "90s"],
        &["pause", "--json", "--reason", "new\ncable"],
        &["stop", "--emergency"],
        &["restart"],
        &["start"],
        &["resume"],
    ]));
    assert!(!home.state().exists(), "a wish was written down although a guard runs");
}

/// Also where they live in a place of their own, as a sandbox does.
#[test]
fn config_looks_at_the_gateways_that_are_guarded() {
    let home = Home::new();
    home.guard();
    insta::assert_snapshot!(home.all(&[
        &["config", "check", "--gateway", "work"],
        &["config", "history", "--gateway", "work"],
        &["config", "history", "--gateway", "elsewhere"],
    ]));
}

#[test]
fn completions_name_the_commands() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = Home::new().run(&["completions", shell]);
        assert!(output.status.success());
        assert!(String::from_utf8_lossy(&output.stdout).contains("incidents"), "{shell}");
    }
}

#[test]
fn a_settings_file_that_was_named_must_be_there() {
    let home = Home::new();
    let path = home.0.path().join("mine.toml");
    let named = path.to_str().unwrap();
    let missing = home.all(&[&["run", "--config", named], &["up", "--config", named]]);
    std::fs::write(&path, "[[gateway]]\nid = \"work\"\nform = \"launchd\"\n").unwrap();
    let unusable = home.told(&["run", "--config", named]);
    std::fs::write(&path, "[guard]\nflag = 1\n").unwrap();
    let told = missing + "\n" + &unusable + "\n" + &home.told(&["run", "--config", named]);
    insta::assert_snapshot!(told.replace(home.0.path().to_str().unwrap(), "HOME"));
}

/// Before a guard runs: what a person says first, and what a mistake gets.
#[test]
fn a_pair_is_made_and_mistakes_are_answered() {
    let home = Home::new();
    let init: &[&str] = &["standby", "init", "--side"];
    let with = |more: &[&'static str]| [init, more].concat();
    let all = home.all(&[
        &["standby"],
        &["standby", "check"],
        &["standby", "promote"],
        &with(&["primary"]),
        &with(&["primary", "--listen", "0.0.0.0:18790"]),
        &with(&["standby", "--peer", "primary.example:18790"]),
        &with(&["primary", "--listen", "127.0.0.1:18790", "--fast", "--no-service"]),
        &with(&["primary", "--listen", "127.0.0.1:18790", "--fast", "--no-service"]),
        &with(&["standby", "--peer", "127.0.0.1:18790"]),
        &["standby", "status"],
    ]);
    let key = home.state().join("pair.key");
    let text = std::fs::read_to_string(&key).unwrap();
    assert_eq!(text.trim().len(), 64);
    assert!(!all.contains(text.trim()));
    std::fs::write(&key, "nonsense").unwrap();
    let checked = home.told(&["standby", "check", "--json"]);
    for said in ["\"ready\":false", "no guard is running here", "pair.key holds no key", "exit 78"] {
        assert!(checked.contains(said), "{said}: {checked}");
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_node_of_a_group_is_made_and_mistakes_are_answered() {
    let home = Home::new();
    let init: &[&str] = &["standby", "init", "--shared"];
    let with = |more: &[&'static str]| [init, more].concat();
    let etcd = "http://127.0.0.1:9";
    let all = home.all(&[
        init,
        &["standby", "init", "--node", "attic"],
        &with(&["--side", "primary"]),
        &with(&["--node", "roof", "--nodes", "attic,cellar", "--etcd", etcd]),
        &with(&["--node", "attic", "--nodes", "attic,cellar", "--etcd", "http://etcd.example:2379"]),
        &with(&["--node", "attic", "--nodes", "attic,cellar", "--etcd", etcd, "--kubernetes"]),
        &with(&["--node", "attic", "--nodes", "attic,cellar", "--etcd", etcd, "--fence", "off"]),
        &with(&["--node", "attic", "--nodes", "attic,cellar", "--etcd", etcd, "--fast", "--no-service"]),
        &with(&["--node", "attic", "--nodes", "attic,cellar", "--etcd", etcd, "--fast", "--no-service"]),
        &with(&["--node", "cellar", "--nodes", "attic,cellar", "--etcd", etcd]),
        &["standby", "init", "--side", "standby", "--peer", "127.0.0.1:18790"],
        &["standby", "status"],
    ]);
    let checked = home.told(&["standby", "check", "--json"]);
    for said in
        ["\"ready\":false", "no guard is running here", "127.0.0.1:9 cannot be reached", "\"host\":[", "exit 78"]
    {
        assert!(checked.contains(said), "{said}: {checked}");
    }
    insta::assert_snapshot!(all);
}
