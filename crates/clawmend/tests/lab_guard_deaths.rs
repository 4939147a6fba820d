//! The guard never harms what it guards: its death, its successor, a full disk and a broken log go unnoticed.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use anyhow::{Context, Result, ensure};
use clawmend_testkit::lab::{
    BOOT_BOUND, Form, Guard, HomeOptions, Life, Unavailable, get_json, hold, skipped_part, until,
};
use serde_json::json;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

const CLAWMEND: &str = env!("CARGO_BIN_EXE_clawmend");
const SOON: Duration = Duration::from_secs(30);

/// Small, seeded and printed, so that a failing run can be repeated.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let now =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |since| since.as_nanos());
        let seed = std::env::var("CLAWMEND_LAB_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| u64::try_from(now % 1_000_000_007).unwrap_or(1)).max(1);
        eprintln!("measured: seed {seed} (CLAWMEND_LAB_SEED repeats it)");
        Self(seed)
    }

    /// Up to this time.
    fn within(&mut self, limit: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Duration::from_millis(self.0 % u64::try_from(limit.as_millis()).unwrap_or(1).max(1))
    }
}

/// The first milestone: thirty deaths of the guard at random instants, the spawn included, under a chatty gateway.
#[test]
fn child_thirty_guard_deaths() -> Result<()> {
    let options = HomeOptions { chatty: true, ..HomeOptions::default() };
    let Some(mut guard) = Guard::prepared_in(Form::Child, "thirty guard deaths", CLAWMEND, options)? else {
        return Ok(());
    };
    let mut dice = Dice::new();
    let mut first = None;
    // Ten deaths from the very start on: before, within and after the spawn. There is never more than one gateway.
    for death in 1..=10 {
        guard.start()?;
        let instant = dice.within(Duration::from_millis(120 * death));
        hold("at most one gateway", instant, || Ok(guard.gateways().len() <= 1))?;
        guard.kill()?;
        first = same_or_first(&guard, first).with_context(|| format!("death {death}, {instant:?} after the start"))?;
    }
    guard.start()?;
    let life = guard.healthy()?;
    ensure!(first.is_none_or(|first| first == life), "the spawned {first:?} was replaced by {life:?}");
    twenty_deaths(&mut guard, &mut dice, life)
}

/// The gateway that an earlier guard spawned, if one did, is the only one that there ever is.
fn same_or_first(guard: &Guard, first: Option<Life>) -> Result<Option<Life>> {
    let lives = guard.gateways();
    ensure!(lives.len() <= 1, "more than one gateway: {lives:?}\n{}", guard.output_tail());
    match (first, lives.first()) {
        (Some(first), now) => {
            ensure!(now == Some(&first), "{first:?} was spawned, now there is {now:?}\n{}", guard.output_tail());
            Ok(Some(first))
        }
        (None, now) => Ok(now.copied()),
    }
}

fn twenty_deaths(guard: &mut Guard, dice: &mut Dice, life: Life) -> Result<()> {
    let (over, edits) = (AtomicBool::new(false), AtomicU32::new(0));
    // The chat needs the home while the guard is killed and started: it works on a second view of the same folder.
    let home = guard.home.view();
    std::thread::scope(|scope| {
        let chatting = scope.spawn(|| home.chat(&over, &edits));
        let mut deaths = || -> Result<()> {
            for death in 11..=30 {
                guard.kill()?;
                let gone = dice.within(Duration::from_secs(3));
                guard.left_alone(&format!("death {death}: no guard"), life, gone)?;
                guard.start()?;
                let instant = dice.within(Duration::from_secs(3));
                guard.left_alone(&format!("death {death}: a new guard"), life, instant)?;
            }
            // Long enough for edits that the gateway must log while nobody of the first guards is left.
            guard.left_alone("after thirty deaths", life, Duration::from_secs(10))?;
            guard.verdict("healthy", SOON).map(drop)
        };
        let done = deaths();
        over.store(true, Ordering::Relaxed);
        let _ = chatting.join();
        done
    })?;
    ensure!(guard.gateway()? == life, "another gateway is there");
    eprintln!(
        "measured: 30 deaths of the guard, {} config edits, one life of the gateway",
        edits.load(Ordering::Relaxed)
    );
    let crashes =
        guard.incidents()?.into_iter().filter(|incident| incident["cause"]["code"] == json!("crashed")).count();
    assert_eq!(crashes, 0, "a life that never ended was recorded as crashed");
    Ok(())
}

#[test]
fn unit_guard_deaths() -> Result<()> {
    let options = HomeOptions { chatty: true, ..HomeOptions::default() };
    let Some((mut guard, life)) = Guard::healthy_in(Form::Unit, "guard deaths over a unit", CLAWMEND, options)? else {
        return Ok(());
    };
    let mut dice = Dice::new();
    twenty_deaths(&mut guard, &mut dice, life)
}

/// A second guard, one that ends in order, another build and back, a broken log and a full disk.
#[test]
fn child_guard_ends_changes_and_suffers() -> Result<()> {
    let options = HomeOptions::default();
    let Some((mut guard, life)) = Guard::healthy_in(Form::Child, "guard ends, changes, suffers", CLAWMEND, options)?
    else {
        return Ok(());
    };
    second_guard(&guard, life)?;
    guard.terminate()?;
    guard.left_alone("the guard was asked to end", life, Duration::from_secs(5))?;

    let other = guard.dirs.state().join("clawmend-other");
    std::fs::copy(CLAWMEND, &other)?;
    for program in [other.clone(), CLAWMEND.into()] {
        guard.set_program(program);
        guard.start()?;
        guard.verdict("healthy", SOON)?;
        guard.left_alone("another program file of the guard", life, Duration::from_secs(2))?;
        guard.terminate()?;
    }

    broken_log(&guard, life)?;
    full_disk(&mut guard, life)?;
    ensure!(guard.gateway()? == life, "another gateway is there");
    // After all that the guard still does its work.
    life.signal(rustix::process::Signal::KILL)?;
    guard.replacement(life, SOON)?;
    guard.healthy()?;
    Ok(())
}

/// Both standard streams are pipes whose readers are gone.
fn broken_log(guard: &Guard, life: Life) -> Result<()> {
    let mut child = guard
        .command()
        .args(["run", "--", "openclaw", "gateway", "run"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    drop((child.stdout.take(), child.stderr.take()));
    let seen = guard.verdict("healthy", SOON);
    let still = guard.left_alone("a guard whose log is broken", life, Duration::from_secs(3));
    let running = child.try_wait()?.is_none();
    child.kill()?;
    child.wait()?;
    seen.and(Ok(())).and(still)?;
    ensure!(running, "the guard ended because its log was broken");
    Ok(())
}

/// The guard's state folder is a full file system of its own.
fn full_disk(guard: &mut Guard, life: Life) -> Result<()> {
    let state = guard.dirs.state();
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs"]).arg(&state).status()?;
    if !mounted.success() {
        skipped_part("the guard's disk is full", &Unavailable("mounting a small tmpfs needs root".into()));
        return guard.start();
    }
    let filled = std::fs::write(state.join("ballast"), vec![0_u8; 2 << 20]);
    let done = (|| {
        ensure!(filled.is_err(), "the small file system is not full");
        guard.start()?;
        guard.verdict("healthy", SOON)?;
        guard.left_alone("the guard's disk is full", life, Duration::from_secs(5))
    })();
    let unmounted = Command::new("umount").arg("--lazy").arg(&state).status()?;
    ensure!(unmounted.success(), "umount {}", state.display());
    done?;
    guard.terminate()?;
    guard.start()?;
    guard.verdict("healthy", SOON)?;
    guard.left_alone("the guard's disk is free again", life, Duration::from_secs(2))
}

/// A second guard for the same home names the first one and ends; the gateway is not touched.
fn second_guard(guard: &Guard, life: Life) -> Result<()> {
    let holder = guard.life()?.pid.to_string();
    let answer = guard.say(&["run", "--", "openclaw", "gateway", "run"])?;
    assert_eq!(answer.code, 78, "{answer:?}");
    assert!(answer.stderr.contains(&holder), "the holder {holder} is not named: {answer:?}");
    let port = guard.home.port;
    until("the gateway to answer", BOOT_BOUND, || get_json(port, "/healthz").is_ok())?;
    guard.left_alone("a second guard was refused", life, Duration::from_secs(3))
}
