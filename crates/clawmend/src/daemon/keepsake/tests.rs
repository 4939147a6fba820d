//! What is said of a config once the schema of the version that runs is at hand, with a program that prints a small one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{Bookkeeper, Keepsake};
use crate::daemon::news::{News, QUEUE};
use crate::openclaw::config;
use crate::openclaw::discovery::discover;
use clawmend_core::health::Verdict;
use clawmend_core::observation::{ConfigDoubt, Evidence, RpcSeen};
use clawmend_core::time::{Moment, Now, Wall};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::mpsc;

const SCHEMA: &str = r#"{"type":"object","properties":{"gateway":{"type":"object","additionalProperties":false,
    "properties":{"mode":{"type":"string"},"port":{"type":"number"},"auth":{}}}}}"#;
const CONFIG: &str =
    r#"{"gateway":{"mode":"local","port":19789,"prot":1,"auth":{"mode":"token","token":"0123456789abcdef"}}}"#;
/// No config is ever proven in these.
const NEVER: u64 = u64::MAX;

fn program(place: &Path, text: &str) {
    std::fs::write(place, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(place, std::fs::Permissions::from_mode(0o700)).unwrap();
}

/// `bin` with a Node and an OpenClaw that counts in `asked` how often its schema was printed.
fn install(folder: &Path) {
    let (bin, package) = (folder.join("bin"), folder.join("openclaw"));
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::create_dir_all(&package).unwrap();
    program(&bin.join("node"), "echo v24.16.0");
    std::fs::write(package.join("package.json"), r#"{"name":"openclaw","version":"2026.9.6"}"#).unwrap();
    let asked = folder.join("asked");
    program(&package.join("openclaw.mjs"), &format!("echo once >>'{}'\necho '{SCHEMA}'", asked.display()));
    symlink(package.join("openclaw.mjs"), bin.join("openclaw")).unwrap();
}

fn at(ms: u64) -> Now {
    Now { mono: Moment(ms), wall: Wall(1_800_000_000_000) }
}

async fn doubt(news: &mut mpsc::Receiver<News>) -> ConfigDoubt {
    let heard = tokio::time::timeout(Duration::from_secs(60), news.recv()).await.expect("nothing was said");
    let Some(News::Evidence(Evidence::ConfigDoubt(doubt))) = heard else { panic!("{heard:?}") };
    doubt
}

#[tokio::test]
async fn a_key_that_would_be_refused_is_said_before_any_config_is_proven() {
    let folder = tempfile::tempdir().unwrap();
    install(folder.path());
    let home = discover(|_| None, folder.path()).remove(0);
    std::fs::create_dir_all(home.config_path.parent().unwrap()).unwrap();
    std::fs::write(&home.config_path, CONFIG).unwrap();
    let seen = config::read(&home, |_| None).seen;
    let (sender, mut news) = mpsc::channel(QUEUE);
    let work = || Bookkeeper {
        home: home.clone(),
        state: folder.path().join("state"),
        uid: rustix::process::getuid().as_raw(),
        path: Some(folder.path().join("bin").into()),
        present: Mutex::default(),
        learned: Mutex::default(),
        busy: Mutex::default(),
    };
    let asked = || std::fs::read_to_string(folder.path().join("asked")).unwrap_or_default().lines().count();

    // The second guard finds the schema of the first one, and says of the same file what it was never told.
    for _ in 0..2 {
        let mut keepsake = Keepsake::of(work(), sender.clone());
        keepsake.seen(at(0), &Evidence::Config(seen.clone()));
        let connected = RpcSeen::Connected { version: "2026.9.6".to_owned(), boot_id: None };
        keepsake.seen(at(1_000), &Evidence::Rpc(connected));
        keepsake.turn(at(1_000), Verdict::Healthy, NEVER);
        keepsake.turn(at(6_000), Verdict::Healthy, NEVER);
        let doubt = doubt(&mut news).await;
        assert_eq!(doubt.fingerprint, seen.fingerprint);
        assert!(doubt.detail.contains("prot"), "{}", doubt.detail);
        assert_eq!(asked(), 1);
    }
}
