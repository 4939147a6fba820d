//! The words of a unit's process, read from a real journald with the real `journalctl`: a stand-in for a gateway under
//! a real user manager prints what Node prints when its heap is full, aborts, and the doctor names it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, missing_docs)]

use clawmend_testkit::lab::until_some;
use clawmend_testkit::systemd_lab::SystemdLab;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// Generous: a line is in the journal within milliseconds.
const SOON: Duration = Duration::from_secs(60);
const WORDS: &str = "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory";

/// A unit that prints this and aborts.
fn unit(prints: &str) -> String {
    format!("[Service]\nExecStart=/bin/sh -c '{prints}; kill -ABRT $$$$'\nLimitCORE=0\n")
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

/// `clawmend doctor` beside the units, apart from the logs of this machine's gateways.
fn doctor(lab: &SystemdLab, path: Option<&Path>) -> (Value, String) {
    let mut command = lab.command(env!("CARGO_BIN_EXE_clawmend"));
    let temporary = lab.home().join("tmp");
    std::fs::create_dir_all(&temporary).unwrap();
    command.args(["doctor", "--json"]).env("TMPDIR", temporary).env_remove("CLAWMEND_CONFIG");
    for (variable, folder) in [("CLAWMEND_STATE_DIR", "state"), ("CLAWMEND_RUNTIME_DIR", "runtime")] {
        command.env(variable, lab.home().join(folder));
    }
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
    let config = json!({"gateway": {"mode": "local", "port": 9, "auth": {"mode": "token", "token": "x"}}});
    std::fs::write(state.join("openclaw.json"), config.to_string()).unwrap();
}

#[test]
fn the_last_words_of_a_unit_are_part_of_the_diagnosis() {
    let Some((lab, _root)) = lab() else { return };
    config(&lab);
    // Another unit's words are not the gateway's.
    run(&lab, "other.service", &unit("echo \"[gateway] listen EADDRINUSE: address already in use 127.0.0.1:9\""));
    let other = lab.command("journalctl").arg("_SYSTEMD_USER_UNIT=other.service").output().unwrap();
    assert!(String::from_utf8_lossy(&other.stdout).contains("EADDRINUSE"), "{other:?}");
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
