//! The words of a unit's process, read from a real journald with the real `journalctl`: a stand-in for a gateway under
//! a real user manager prints what Node prints when its heap is full, ends, and the doctor names it; a guard's letter, a
//! bundle and `clawmend logs` have it, without the secret beside it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, missing_docs)]

use clawmend_testkit::alerts::{StandIn, Verdict};
use clawmend_testkit::lab::{NONCE_VARIABLE, new_nonce, sweep, until_some};
use clawmend_testkit::systemd_lab::SystemdLab;
use serde_json::{Value, json};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Generous: a line is in the journal within milliseconds.
const SOON: Duration = Duration::from_secs(60);
const WORDS: &str = "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory";

/// Looks like nothing, so only who knows the config can hide it.
const SECRET: &str = "correct horse battery";

/// A unit that prints this and aborts. journald learns the unit of a process from the living one, and keeps it for what
/// that prints: a gateway lives for seconds before it fails, so this one waits until journald has met it.
fn unit(prints: &str) -> String {
    let met = "echo up; until journalctl --quiet _PID=$$$$ | grep --quiet up; do :; done";
    format!("[Service]\nExecStart=/bin/sh -c '{met}; {prints}; kill -ABRT $$$$'\nLimitCORE=0\n")
}

fn lab() -> Option<(SystemdLab, tempfile::TempDir)> {
    let root = tempfile::Builder::new().prefix("cmj-").tempdir_in("/tmp").unwrap();
    let lab = SystemdLab::start(root.path()).and_then(|mut lab| lab.start_journal().map(|()| lab));
    match lab {
        Ok(lab) => Some((lab, root)),
        Err(reason) => {
            eprintln!("skipped: {reason}");
            None
        }
    }
}

/// Runs a unit of this name to its end.
fn run(lab: &SystemdLab, name: &str, text: &str) {
    let folder = lab.home().join(".config/systemd/user");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(name), text).unwrap();
    assert!(lab.systemctl(["daemon-reload"]).unwrap().status.success());
    assert!(lab.systemctl(["start", "--wait", name]).is_ok());
    let failed = lab.systemctl(["show", "-P", "Result", name]).unwrap().stdout;
    assert_eq!(String::from_utf8_lossy(&failed).trim(), "signal");
}

/// `clawmend` beside the units, with folders of its own.
fn clawmend(lab: &SystemdLab) -> Command {
    let mut command = lab.command(env!("CARGO_BIN_EXE_clawmend"));
    for (variable, folder) in [("TMPDIR", "tmp"), ("CLAWMEND_STATE_DIR", "state"), ("CLAWMEND_RUNTIME_DIR", "runtime")]
    {
        let folder = lab.home().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
        command.env(variable, folder);
    }
    command.env("CLAWMEND_CONFIG", lab.home().join("clawmend.toml"));
    command
}

/// `clawmend doctor` beside the units, apart from the logs of this machine's gateways.
fn doctor(lab: &SystemdLab, path: Option<&Path>) -> (Value, String) {
    let mut command = clawmend(lab);
    command.args(["doctor", "--json"]);
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let messages = String::from_utf8_lossy(&output.stderr).into_owned();
    (serde_json::from_slice(&output.stdout).unwrap(), messages)
}

fn config(lab: &SystemdLab) {
    let state = lab.home().join(".openclaw");
    std::fs::create_dir_all(&state).unwrap();
    let config = json!({"gateway": {"mode": "local", "port": 9, "auth": {"mode": "token", "token": SECRET}}});
    std::fs::write(state.join("openclaw.json"), config.to_string()).unwrap();
    std::fs::write(lab.home().join("clawmend.toml"), "[guard]\nflag_file = \"/nonexistent/flag\"\nlanguage = \"en\"\n")
        .unwrap();
}

/// A guard of the units. Its own process is ended when it is dropped.
struct Guard {
    child: Child,
    nonce: String,
}

impl Guard {
    fn start(lab: &SystemdLab, service: &StandIn) -> Self {
        let place = lab.home().join("notify.toml");
        std::fs::write(
            &place,
            format!("[[to]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"{}/hook\"\n", service.url()),
        )
        .unwrap();
        std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o600)).unwrap();
        let nonce = new_nonce();
        let mut command = clawmend(lab);
        command.arg("run").env(NONCE_VARIABLE, &nonce).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { child: command.spawn().unwrap(), nonce }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        sweep(&self.nonce);
        let _ = self.child.wait();
    }
}

/// What the command says.
fn said(lab: &SystemdLab, arguments: &[&str]) -> String {
    let output = clawmend(lab).args(arguments).output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A part of a bundle.
fn part(path: &Path, wanted: &str) -> String {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()));
    let mut entries = archive.entries().unwrap().map(Result::unwrap);
    let mut entry = entries.find(|entry| entry.path().unwrap().ends_with(wanted)).unwrap();
    let mut text = String::new();
    entry.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn the_last_words_of_a_unit_are_part_of_the_diagnosis() {
    let Some((lab, _root)) = lab() else { return };
    config(&lab);
    // Another unit's words are not the gateway's.
    run(&lab, "other.service", &unit("echo \"[gateway] listen EADDRINUSE: address already in use 127.0.0.1:9\""));
    let journal = |words: &[&str]| {
        let output = lab.command("journalctl").args(words).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let there = until_some("the other unit's words in the journal", SOON, || {
        Ok(Some(()).filter(|()| journal(&["_SYSTEMD_USER_UNIT=other.service"]).contains("EADDRINUSE")))
    });
    assert!(there.is_ok(), "{}", journal(&["--output=json"]));
    // Binary, longer than what `journalctl` prints by itself, and several lines at once.
    let prints = format!(
        "printf \"\\\\377\\\\001 binary\\\\n\"; head -c 20000 /dev/zero | tr \"\\\\0\" x; echo; \
         echo \"<--- Last few GCs --->\" >&2; echo \"{WORDS}\" >&2"
    );
    run(&lab, "openclaw-gateway.service", &unit(&prints));
    let mut last = (Value::Null, String::new());
    let found = until_some("the doctor to name the heap", SOON, || {
        last = doctor(&lab, None);
        Ok(Some(()).filter(|()| last.0["causes"][0]["case"] == json!("heap-exhausted")))
    });
    assert!(found.is_ok(), "{last:?}");
    let (report, messages) = last;
    let line = &report["causes"][0]["evidence"][0];
    assert_eq!(line["file"], json!("the journal of openclaw-gateway.service"), "{report}");
    assert_eq!(line["text"], json!(WORDS), "{report}");
    assert!(!report.to_string().contains("EADDRINUSE"), "{report}");
    assert!(!messages.contains("left out"), "{messages}");
}

#[test]
fn a_letter_a_bundle_and_the_logs_have_a_units_last_words_and_no_secret() {
    let Some((lab, _root)) = lab() else { return };
    config(&lab);
    let folder = lab.home().join(".config/systemd/user");
    std::fs::create_dir_all(&folder).unwrap();
    // It will not start before a person does something: they are told at once.
    let prints = format!("echo \"{WORDS}\" >&2; echo \"refused with {SECRET} and token=abc123def456\"; exit 78");
    std::fs::write(folder.join("openclaw-gateway.service"), unit(&prints)).unwrap();
    assert!(lab.systemctl(["daemon-reload"]).unwrap().status.success());
    let service =
        StandIn::start(|request, _| Verdict::text(200, "ok").accepting(request.json().unwrap_or_default())).unwrap();
    let _guard = Guard::start(&lab, &service);
    let seen = until_some("the guard to see the unit", SOON, || {
        Ok(Some(()).filter(|()| said(&lab, &["status", "--json"]).contains("\"verdict\":\"stopped\"")))
    });
    assert!(seen.is_ok(), "{}", said(&lab, &["status", "--json"]));
    assert!(lab.systemctl(["start", "openclaw-gateway.service"]).unwrap().status.success());
    let clean = |what: &str, text: &str| {
        assert!(text.contains(WORDS), "{what} does not have the words of the unit: {text}");
        assert!(text.contains("refused with ***"), "{what} does not have the line of the secret: {text}");
        assert!(!text.contains("horse") && !text.contains("abc123def456"), "{what} has the secret: {text}");
    };
    let letter = until_some("a letter", 2 * SOON, || Ok(service.accepted().into_iter().next()));
    let letter = letter.unwrap_or_else(|_| panic!("no letter: {}", said(&lab, &["status", "--json"]))).0;
    clean("the letter", &letter.to_string());

    clean("`logs`", &said(&lab, &["logs"]));
    let last = said(&lab, &["logs", "-n", "1"]);
    assert_eq!(last.lines().count(), 1, "{last}");

    let bundle = lab.home().join("bundle.tar.gz");
    let told = said(&lab, &["bundle", "--output", &bundle.display().to_string()]);
    let log = part(&bundle, "log.txt");
    clean("the bundle", &log);
    assert!(log.contains("== the journal of openclaw-gateway.service"), "{told}{log}");
    let doctor = part(&bundle, "doctor.txt");
    assert!(doctor.contains("heap"), "{doctor}");
}

#[test]
fn without_a_journal_the_doctor_says_so_and_goes_on() {
    let Some((lab, _root)) = lab() else { return };
    config(&lab);
    let folder = lab.home().join(".config/systemd/user");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("openclaw-gateway.service"), unit("true")).unwrap();
    // What brings the command into the lab is found by the same variable.
    let path = lab.home().join("bin");
    std::fs::create_dir_all(&path).unwrap();
    let nsenter = ["/usr/bin/nsenter", "/bin/nsenter"].into_iter().find(|file| Path::new(file).exists()).unwrap();
    std::os::unix::fs::symlink(nsenter, path.join("nsenter")).unwrap();
    let (_, messages) = doctor(&lab, Some(&path));
    assert!(messages.contains("left out: journalctl cannot be run"), "{messages}");
}
