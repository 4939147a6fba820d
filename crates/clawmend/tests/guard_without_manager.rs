//! A guard whose gateway is a unit of a user's systemd that cannot be reached: said, and nothing is concluded from it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn clawmend(home: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clawmend"));
    let folder = |name: &str| home.join(name);
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", home)
        .env("XDG_RUNTIME_DIR", folder("run"))
        .env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}/no-bus", home.display()))
        .env("CLAWMEND_STATE_DIR", folder("guard-state"))
        .env("CLAWMEND_RUNTIME_DIR", folder("guard-run"))
        .env("CLAWMEND_CONFIG", folder("clawmend.toml"))
        .stdin(Stdio::null());
    command
}

#[test]
fn without_a_manager_nothing_is_known_and_nothing_done() {
    let account = rustix::process::getuid().as_raw();
    if std::path::Path::new(&format!("/run/user/{account}/bus")).exists() {
        // It would be found, as it should be.
        return eprintln!("skipped: this account has a bus of its own");
    }
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    for name in [".openclaw", ".config/systemd/user", "run", "guard-state", "guard-run"] {
        std::fs::create_dir_all(home.join(name)).unwrap();
    }
    for name in ["run", "guard-state", "guard-run"] {
        std::fs::set_permissions(home.join(name), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    }
    std::fs::write(home.join(".config/systemd/user/openclaw-gateway.service"), "[Service]\nExecStart=/bin/true\n")
        .unwrap();
    // The usual flag file belongs to the whole machine.
    std::fs::write(home.join("clawmend.toml"), "[guard]\nflag_file = \"/nonexistent/flag\"\n").unwrap();
    let child = clawmend(home).arg("run").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let _guard = Guard(child);
    let begin = Instant::now();
    let status = loop {
        let output = clawmend(home).args(["status", "--json"]).output().unwrap();
        let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        if told["gateways"][0]["reasons"].to_string().contains("service_unseen") {
            break told;
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "not said: {told}");
        std::thread::sleep(Duration::from_millis(100));
    };
    let gateway = &status["gateways"][0];
    assert_eq!((&gateway["verdict"], &gateway["form"]), (&json!("unknown"), &json!("systemd")), "{status}");
    assert!(gateway["next"].to_string().contains("service manager"), "{status}");
    let check = clawmend(home).arg("check").output().unwrap();
    assert_eq!(check.status.code(), Some(3), "unknown is neither healthy nor down");
    for order in ["start", "restart"] {
        let answer = clawmend(home).arg(order).output().unwrap();
        let said = String::from_utf8_lossy(&answer.stderr).into_owned();
        assert!(!answer.status.success() && said.contains("service manager does not answer"), "{order}: {said}");
    }
}
