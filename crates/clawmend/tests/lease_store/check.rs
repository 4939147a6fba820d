//! `clawmend standby init --shared` and `clawmend standby check` by the real binary, against real etcd.

use crate::scene::{LONG_MS, acquire, etcd, node, section};
use clawmend_testkit::lab::RealEtcd;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

/// A node that nobody has used yet.
struct Host(tempfile::TempDir);

impl Host {
    fn new(name: &str, nodes: &str, etcd: &RealEtcd, more: &[&str]) -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(host.path().join("run")).unwrap();
        let url = etcd.url();
        let args = ["init", "--shared", "--group", "home", "--node", name, "--nodes", nodes, "--etcd", &url];
        let made = host.run(&[&args, more].concat());
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        host
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clawmend"));
        command.arg("standby").args(args).env_clear().env("HOME", self.path());
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.env("CLAWMEND_STATE_DIR", self.path().join("state"));
        command.env("CLAWMEND_RUNTIME_DIR", self.path().join("run"));
        command.env("CLAWMEND_CONFIG", self.path().join("clawmend.toml"));
        command.output().unwrap()
    }

    /// `LEVEL: TEXT` of this line.
    fn check(&self, line: &str) -> String {
        let said: Value = serde_json::from_slice(&self.run(&["check", "--json"]).stdout).unwrap();
        let all = said["checks"].as_array().unwrap().iter().find(|one| one["check"] == line);
        all.map_or_else(String::new, |one| {
            format!("{}: {}", one["level"].as_str().unwrap(), one["text"].as_str().unwrap())
        })
    }

    fn config(&self, enabled: bool) {
        let folder = self.path().join(".openclaw");
        std::fs::create_dir_all(&folder).unwrap();
        let token = "100000001:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let config = serde_json::json!({"channels": {"telegram": {"botToken": token, "enabled": enabled}}});
        std::fs::write(folder.join("openclaw.json"), config.to_string()).unwrap();
    }
}

#[tokio::test]
async fn what_the_store_knows_is_said_on_each_node() {
    let Some(mut etcd) = etcd("what_the_store_knows_is_said_on_each_node") else { return };
    let host = Host::new("cellar", "attic,cellar,cloud", &etcd, &[]);
    host.config(true);
    assert!(host.check("store").starts_with("good: "), "{}", host.check("store"));
    assert!(host.check("room").starts_with("unknown: whether the lease store forgets"), "{}", host.check("room"));
    assert!(host.check("nodes").starts_with("unknown: this is cellar, number 2"), "{}", host.check("nodes"));
    assert!(host.check("clock").starts_with("good: "), "its clock is ours: {}", host.check("clock"));
    assert!(host.check("channels").starts_with("bad: telegram on"), "{}", host.check("channels"));
    assert!(host.check("paused").contains("covered by you"), "{}", host.check("paused"));
    // Another one owns.
    acquire(&node(1, &section(&[etcd.url()], ""), LONG_MS, 10_000)).await;
    assert_eq!(host.check("owner"), "good: attic owns the channels (term 1)");
    assert!(host.check("nodes").starts_with("good: "), "{}", host.check("nodes"));
    // Another order.
    let other = Host::new("cellar", "cellar,attic,cloud", &etcd, &["--paused", "residual-window"]);
    assert!(other.check("nodes").starts_with("bad: the lists of nodes differ"), "{}", other.check("nodes"));
    assert!(other.check("paused").starts_with("warning: NOTHING"), "{}", other.check("paused"));
    etcd.kill().unwrap();
    assert!(host.check("store").starts_with("bad: "), "{}", host.check("store"));
}

#[tokio::test]
async fn a_hook_that_others_could_replace_is_refused_by_name() {
    let Some(etcd) = etcd("a_hook_that_others_could_replace_is_refused_by_name") else { return };
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("off");
    let host = Host::new("attic", "attic,cellar", &etcd, &["--fence", program.to_str().unwrap()]);
    assert!(host.check("paused").contains("is not there"), "{}", host.check("paused"));
    std::fs::write(&program, "#!/bin/sh\n").unwrap();
    for (mode, said) in [(0o600, "cannot be run"), (0o777, "could be replaced by others"), (0o755, "is covered by")] {
        std::fs::set_permissions(&program, PermissionsExt::from_mode(mode)).unwrap();
        assert!(host.check("paused").contains(said), "{mode:o}: {}", host.check("paused"));
    }
}
