//! Upgrade and downgrade of the guard between two builds that really differ, while its gateway works: version,
//! database schema and the keeper's language are newer in the second. `cargo xtask matrix` builds it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use anyhow::{Context, Result, ensure};
use clawmend_testkit::lab::{Form, Guard, HomeOptions, Life, Unavailable, skipped, until};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

const CLAWMEND: &str = env!("CARGO_BIN_EXE_clawmend");
const THIS: &str = env!("CARGO_PKG_VERSION");
/// Names the other build, and its version.
const PROGRAM: &str = "CLAWMEND_LAB_NEXT_PROGRAM";
const VERSION: &str = "CLAWMEND_LAB_NEXT_VERSION";
const SOON: Duration = Duration::from_secs(30);
/// Several edits of the chat, which the gateway logs.
const A_WHILE: Duration = Duration::from_secs(8);

struct Builds {
    /// Where the program is installed; each build takes the place of the one before.
    place: PathBuf,
    next: PathBuf,
    next_version: String,
}

#[test]
fn child_upgrade_and_downgrade_under_load() -> Result<()> {
    let name = "upgrade and downgrade";
    let (Some(next), Ok(next_version)) = (std::env::var_os(PROGRAM), std::env::var(VERSION)) else {
        skipped(name, &Unavailable("`cargo xtask matrix` builds the next version for it".into()));
        return Ok(());
    };
    let options = HomeOptions { chatty: true, ..HomeOptions::default() };
    let Some(mut guard) = Guard::prepared_in(Form::Child, name, CLAWMEND, options)? else { return Ok(()) };
    let builds = Builds { place: guard.dirs.state().join("bin-clawmend"), next: next.into(), next_version };
    install(Path::new(CLAWMEND), &builds.place)?;
    guard.set_program(builds.place.clone());
    guard.start()?;
    let life = guard.healthy()?;
    let (over, edits) = (AtomicBool::new(false), AtomicU32::new(0));
    let home = guard.home.view();
    let life = std::thread::scope(|scope| {
        let chatting = scope.spawn(|| home.chat(&over, &edits));
        let done = there_and_back(&mut guard, &builds, life);
        over.store(true, Ordering::Relaxed);
        let _ = chatting.join();
        done
    })?;
    eprintln!(
        "measured: N, N+1, N, N+1, N with {} config edits, one life of the gateway",
        edits.load(Ordering::Relaxed)
    );
    // After all that the older guard, with the newer keeper, still does its work.
    life.signal(Signal::KILL)?;
    guard.replacement(life, SOON)?;
    guard.healthy()?;
    guard.named("crashed", SOON).map(drop)
}

fn there_and_back(guard: &mut Guard, builds: &Builds, life: Life) -> Result<Life> {
    let old_keeper = guard.keeper()?;

    // N → N+1: the newer guard with the older keeper; the records are taken over and made newer.
    change(guard, &builds.next, builds, &builds.next_version)?;
    guard.left_alone("N+1 with the keeper of N", life, A_WHILE)?;
    ensure!(guard.keeper()? == old_keeper, "the keeper was replaced");
    ensure!(schema(guard)? == newer_schema() && notes(guard)?.is_empty(), "{:?}", notes(guard));
    guard.order(&["pause", "--reason", "said to N+1"])?;

    // N+1 → N: newer records are left alone, which is said; what a person said to N+1 still holds.
    change(guard, Path::new(CLAWMEND), builds, THIS)?;
    guard.left_alone("N after N+1", life, A_WHILE)?;
    ensure!(notes(guard)?.contains("newer"), "not said: {}", notes(guard)?);
    ensure!(schema(guard)? == newer_schema(), "the newer records were changed");
    ensure!(guard.status()?["desired"] == json!("paused"), "the pause was lost: {}", guard.status()?);
    guard.order(&["resume"])?;
    guard.verdict("healthy", SOON)?;

    // N → N+1 again, where its own records are; and a keeper of N+1 in the place of the old one.
    change(guard, &builds.next, builds, &builds.next_version)?;
    ensure!(notes(guard)?.is_empty(), "{}", notes(guard)?);
    guard.keeper()?.signal(Signal::KILL)?;
    until("a new keeper", SOON, || guard.keeper().is_ok_and(|keeper| keeper != old_keeper))
        .with_context(|| guard.output_tail())?;
    ensure!(runs(guard.keeper()?, &builds.place)?, "the new keeper is not of N+1");
    guard.left_alone("N+1 with its own keeper", life, A_WHILE)?;
    guard.verdict("healthy", SOON)?;

    // N+1 → N: the older guard with the newer keeper.
    let new_keeper = guard.keeper()?;
    change(guard, Path::new(CLAWMEND), builds, THIS)?;
    guard.left_alone("N with the keeper of N+1", life, A_WHILE)?;
    ensure!(guard.keeper()? == new_keeper, "the keeper was replaced");
    ensure!(guard.gateway()? == life, "another gateway is there");
    Ok(life)
}

/// As the documentation says: the program file is replaced, then the guard is restarted.
fn change(guard: &mut Guard, to: &Path, builds: &Builds, version: &str) -> Result<()> {
    install(to, &builds.place)?;
    guard.terminate()?;
    guard.start()?;
    until("the other version to answer", SOON, || {
        guard
            .say(&["status", "--json"])
            .and_then(|said| said.json())
            .is_ok_and(|all| all["guard"]["version"] == json!(version))
    })
    .with_context(|| guard.output_tail())?;
    if guard.status()?["desired"] == json!("running") {
        guard.verdict("healthy", SOON)?;
    }
    Ok(())
}

fn install(from: &Path, place: &Path) -> Result<()> {
    let beside = place.with_extension("new");
    std::fs::copy(from, &beside).with_context(|| from.display().to_string())?;
    std::fs::rename(beside, place).context("installing")
}

/// It runs the very file that is installed now.
fn runs(life: Life, place: &Path) -> Result<bool> {
    let running = std::fs::metadata(format!("/proc/{}/exe", life.pid))?;
    Ok(running.ino() == std::fs::metadata(place)?.ino())
}

fn schema(guard: &Guard) -> Result<String> {
    let path = guard.dirs.state().join("clawmend.db");
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let database = rusqlite::Connection::open_with_flags(path, flags)?;
    Ok(database.query_row("SELECT value FROM meta WHERE key = 'schema'", [], |row| row.get(0))?)
}

/// The schema of N+1.
fn newer_schema() -> String {
    (clawmend::store::SCHEMA + 1).to_string()
}

/// What the status says of the guard itself; that this home has nobody to be told is no news.
fn notes(guard: &Guard) -> Result<String> {
    let all = guard.say(&["status", "--json"])?.json()?;
    let notes: Vec<&Value> = all["guard"]["notes"].as_array().into_iter().flatten().collect();
    let texts = notes.iter().filter_map(|note| note.as_str()).filter(|note| !note.starts_with("nobody is told"));
    Ok(texts.collect::<Vec<_>>().join(" | "))
}
