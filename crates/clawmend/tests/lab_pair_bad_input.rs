//! Bad input of every kind between the two hosts of a pair: named in plain words, no takeover by it, nothing lost.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

#[allow(dead_code)]
#[path = "pair/mod.rs"]
mod pair;

use anyhow::{Context as _, Result, ensure};
use clawmend_testkit::lab::{Answer, hold, until, until_some};
use pair::hub::write;
use pair::{BOUND, PRIMARY, Pair, workspace};
use serde_json::{Value, json};
use std::ffi::{OsStr, OsString};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// `clawmend help exit-codes`.
const NEEDS_PERSON: i32 = 78;
/// Far more than three misses.
const LONG: Duration = Duration::from_secs(8);
/// What a stranger says in the place of the primary's guard, and what is said of it.
const STRANGERS: [(&[u8], &str); 4] = [
    (b"\x00\xff\x00garbage\n", "is no guard of a pair"),
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", "is no guard of a pair"),
    (b"{\"clawmend\": 0, \"nonce\": \"00112233445566778899aabbccddeeff\"}\n", "speaks protocol 0, this one 1"),
    (
        b"{\"clawmend\": 1, \"nonce\": \"00112233445566778899aabbccddeeff\"}\n{\"sealed\": {\"seal\": \"00\", \"body\": \"{}\"}}\n",
        "is not sealed with the pair's key",
    ),
];

/// The report names it, and nothing is done by it.
fn is_named(pair: &Pair, words: &str) -> Result<()> {
    pair.reports(words, |report| report["sight"].as_str().is_some_and(|sight| sight.contains(words)))?;
    hold(words, LONG, || Ok(pair.standby_bot.calls("getUpdates") == 0))?;
    let report = pair.report()?;
    ensure!(report["role"] == json!("watching") && pair.letters().is_empty(), "{report}");
    Ok(())
}

#[test]
fn who_is_no_peer_promotes_nobody_and_is_named() -> Result<()> {
    let Some(mut pair) = Pair::start("no peer")? else { return Ok(()) };
    pair.begun()?;

    let key = pair.standby.dirs.state().join("pair.key");
    let right = std::fs::read_to_string(&key)?;
    let digit = |c: char| if c == '0' { '1' } else { '0' };
    let wrong: String = right.chars().enumerate().map(|(at, c)| if at == 0 { digit(c) } else { c }).collect();
    std::fs::write(&key, wrong)?;
    pair.standby.kill()?;
    pair.standby.start()?;
    is_named(&pair, "it has another key; copy the key from the primary again")?;
    let check = pair.standby.say(&["standby", "check"])?;
    ensure!(check.code == NEEDS_PERSON && check.stdout.contains("another key"), "{check:?}");
    std::fs::write(&key, &right)?;
    pair.standby.kill()?;
    pair.standby.start()?;
    pair.reports("the primary to be seen", |report| report["sight"] == json!("its guard says: healthy"))?;

    // Another version of OpenClaw is said, and refuses nothing; none at all could not take over.
    let command = pair.standby.command();
    let path = command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, value)| value);
    let path = path.context("a guard without PATH")?.to_owned();
    let other = OtherOpenClaw::of(&path)?;
    let check_with = |pair: &mut Pair, path: &OsStr| -> Result<Answer> {
        pair.standby.kill()?;
        pair.standby.set_variable("PATH", path.to_str().context("a plain PATH")?);
        pair.standby.start()?;
        pair.reports("the primary to be seen", |report| report["sight"] == json!("its guard says: healthy"))?;
        pair.standby.say(&["standby", "check"])
    };
    let check = check_with(&mut pair, &other.path(&path)?)?;
    ensure!(check.code == 0 && check.stdout.contains("OpenClaw is 2026.9.6 there and 2025.1.1 here"), "{check:?}");
    let check = check_with(&mut pair, OsStr::new("/usr/sbin:/usr/bin:/sbin:/bin"))?;
    ensure!(check.code == NEEDS_PERSON && check.stdout.contains("does not find openclaw on the PATH"), "{check:?}");
    let check = check_with(&mut pair, &path)?;
    ensure!(check.code == 0 && check.stdout.contains("OpenClaw 2026.9.6 on both"), "{check:?}");

    // The primary's guard is gone, and somebody else has its port.
    pair.primary.kill()?;
    let listener = pair.network.listen(PRIMARY, 18_790)?;
    let turn = Arc::new(AtomicUsize::new(0));
    answer_for_ever(listener, Arc::clone(&turn));
    for (number, (_, words)) in STRANGERS.iter().enumerate() {
        turn.store(number, Ordering::Relaxed);
        is_named(&pair, words)?;
    }
    // Whoever takes the connection and says nothing is as good as nobody.
    turn.store(STRANGERS.len(), Ordering::Relaxed);
    pair.role_is("active")?;
    pair.verdict("bad input by who answers in the primary's place").map(drop)
}

/// A package of another version that runs the real program.
struct OtherOpenClaw(tempfile::TempDir);

impl OtherOpenClaw {
    fn of(path: &OsStr) -> Result<Self> {
        let real = std::env::split_paths(path).map(|folder| folder.join("openclaw")).find(|program| program.exists());
        let real = real.context("no openclaw")?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("package.json"), r#"{"name": "openclaw", "version": "2025.1.1"}"#)?;
        let program = folder.path().join("openclaw");
        std::fs::write(&program, format!("#!/bin/sh\nexec \"{}\" \"$@\"\n", real.display()))?;
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
        Ok(Self(folder))
    }

    /// It comes first on this `PATH`.
    fn path(&self, path: &OsStr) -> Result<OsString> {
        let first = std::iter::once(self.0.path().to_owned());
        Ok(std::env::join_paths(first.chain(std::env::split_paths(path)))?)
    }
}

/// Its threads end with the lab's process.
fn answer_for_ever(listener: TcpListener, turn: Arc<AtomicUsize>) {
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let says = STRANGERS.get(turn.load(Ordering::Relaxed)).map(|(says, _)| *says);
            std::thread::spawn(move || {
                if let Some(says) = says {
                    let _ = stream.write_all(says);
                }
                let _ = stream.set_read_timeout(Some(Duration::from_secs(3)));
                let _ = stream.read_to_end(&mut Vec::new());
            });
        }
    });
}

/// A conflict with what somebody else pushed, and a file of 5 GB.
#[test]
fn a_workspace_that_cannot_be_merged_and_a_huge_file_lose_nothing() -> Result<()> {
    let Some(pair) = Pair::start("a workspace that cannot be merged")? else { return Ok(()) };
    pair.begun()?;
    let huge = std::fs::File::create(workspace(&pair.primary).join("HUGE.bin"))?;
    huge.set_len(5 << 30)?;
    write(&pair.primary, "PLAIN.md", "beside a huge file")?;
    pair.is_kept(&[("PLAIN.md", "beside a huge file")])?;
    let said = until_some("the huge file to be named", BOUND, || {
        let report: Value = pair.primary.order(&["standby", "status", "--json"])?.json()?;
        let said = report["workspace"].as_str().unwrap_or_default().to_owned();
        Ok(said.contains("HUGE.bin").then_some(said))
    })?;
    eprintln!("measured: a file of 5 GB: {}", said.0);
    ensure!(pair.pushed("main", "HUGE.bin").is_err());

    let folder = tempfile::tempdir()?;
    let git = |words: &[&str]| -> Result<()> {
        let done = Command::new("git")
            .args(["-c", "user.name=lab", "-c", "user.email=lab@example.invalid", "-C"])
            .arg(folder.path())
            .args(words)
            .output()?;
        ensure!(done.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&done.stderr));
        Ok(())
    };
    let remote = pair.hub.repository().display().to_string();
    git(&["clone", "--quiet", "--branch", "main", &remote, "."])?;
    std::fs::write(folder.path().join("BEFORE.md"), "by somebody else")?;
    git(&["commit", "--quiet", "--all", "--message", "Theirs"])?;
    git(&["push", "--quiet", "origin", "HEAD:main"])?;
    write(&pair.primary, "BEFORE.md", "by the primary")?;
    pair.is_kept(&[("BEFORE.md", "by somebody else"), ("BEFORE.md", "by the primary")])?;
    ensure!(
        pair.pushed("main", "BEFORE.md")? == "by somebody else",
        "somebody's commit was taken from the main branch"
    );
    ensure!(std::fs::read_to_string(workspace(&pair.primary).join("BEFORE.md"))? == "by the primary");

    pair.network.cut(PRIMARY)?;
    pair.answers_as(pair::STANDBY)?;
    let active = pair.role_is("active")?;
    ensure!(active["last_change"]["steps"][0]["worked"] == json!(true), "{active}");
    ensure!(std::fs::read_to_string(workspace(&pair.standby).join("PLAIN.md"))? == "beside a huge file");
    until("no trace of the huge file", BOUND, || !workspace(&pair.standby).join("HUGE.bin").exists())?;
    pair.network.mend(PRIMARY)?;
    pair.is_over(1)?;
    pair.verdict("a merge conflict and a file of 5 GB")?.each_once()
}
