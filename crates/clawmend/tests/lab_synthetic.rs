//! What is behind a gateway that serves: a provider that is down, slow, out of credit or refuses the key, and a full
//! disk. Each is named, by the probe or by the doctor from the gateway's own log, and the gateway is never restarted.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use anyhow::{Context, Result, ensure};
use clawmend_testkit::lab::{
    Form, Guard, Home, HomeOptions, Life, MockModel, ModelMode, Unavailable, lab, skipped_part, until, until_some,
};
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const CLAWMEND: &str = env!("CARGO_BIN_EXE_clawmend");
/// A provider that refuses connections: OpenClaw 2026.9.6 gives a turn up after 60–90 s. Two bad answers are needed.
const BOUND: Duration = Duration::from_secs(420);
/// Between two questions of the lab; a person's shortest interval is ten minutes.
const INTERVAL: &str = "10000";

/// A guard of a healthy gateway with a model, the probe switched off.
fn guarded(name: &str) -> Result<Option<(Guard, Life, MockModel)>> {
    let model = MockModel::start()?;
    let options = HomeOptions { model: Some(model.port), ..HomeOptions::default() };
    let Some(mut guard) = Guard::prepared_in(Form::Child, name, CLAWMEND, options)? else { return Ok(None) };
    guard.set_variable("CLAWMEND_LAB_SYNTHETIC_MS", INTERVAL);
    guard.start()?;
    let life = guard.healthy()?;
    Ok(Some((guard, life, model)))
}

/// Switches the probe on; the guard reads its settings again by itself.
fn switch_on(guard: &Guard, timeout_ms: u32, slow_after_ms: u32) -> Result<()> {
    let text = std::fs::read_to_string(guard.dirs.config())?;
    let before = text.split("\n[synthetic]").next().unwrap_or_default().to_owned();
    let section =
        format!("\n[synthetic]\nenabled = true\ntimeout_ms = {timeout_ms}\nslow_after_ms = {slow_after_ms}\n");
    std::fs::write(guard.dirs.config(), before + &section)?;
    Ok(())
}

/// The status names this cause, with a reason of the same name, and the very same process serves.
fn named(guard: &Guard, life: Life, code: &str) -> Result<Value> {
    let begin = Instant::now();
    let (status, _) = until_some(&format!("the status to name {code}"), BOUND, || {
        std::thread::sleep(Duration::from_millis(500));
        Ok(Some(guard.status()?).filter(|status| status["cause"]["code"] == json!(code)))
    })
    .with_context(|| format!("{:?}\n{}", guard.status(), guard.output_tail()))?;
    eprintln!("measured: {code} named after {:?}: {}", begin.elapsed(), status["reasons"]);
    ensure!(status["verdict"] == json!("degraded"), "{status}");
    let reasons = status["reasons"].as_array().cloned().unwrap_or_default();
    ensure!(reasons.iter().any(|reason| reason.as_str().is_some_and(|reason| reason.starts_with(code))), "{status}");
    ensure!(guard.gateway()? == life, "the gateway is another one");
    Ok(status)
}

fn recovered(guard: &Guard, life: Life) -> Result<()> {
    let took = guard.verdict("healthy", BOUND)?;
    eprintln!("measured: recovered after {took:?}");
    until("the incident to be closed", BOUND, || {
        guard.incidents().is_ok_and(|all| all.iter().all(|incident| incident["state"] == json!("closed")))
    })?;
    ensure!(guard.gateway()? == life, "the gateway is another one");
    Ok(())
}

/// Nothing was done in any incident but to tell a person.
fn nothing_was_done(guard: &Guard) -> Result<()> {
    for incident in guard.incidents()? {
        ensure!(incident["actions"] == json!([]), "something was done: {incident}");
    }
    Ok(())
}

/// The doctor's first cause, without being told where to look.
fn diagnosed(guard: &Guard, code: &str) -> Result<Value> {
    let mut last = Value::Null;
    let found = until_some(&format!("the doctor to name {code}"), Duration::from_secs(30), || {
        std::thread::sleep(Duration::from_millis(500));
        let answer = guard.say(&["doctor", "--json"])?;
        last = answer.json().with_context(|| format!("{answer:?}"))?;
        Ok(Some(last["causes"][0].clone()).filter(|first| first["cause"]["code"] == json!(code)))
    });
    let (first, _) = found.with_context(|| format!("{last:#}"))?;
    eprintln!("measured: the doctor says {} ({})", first["case"], first["confidence"]);
    Ok(first)
}

#[test]
fn child_provider_down() -> Result<()> {
    let Some((guard, life, model)) = guarded("provider down")? else { return Ok(()) };
    ensure!(guard.turn(BOUND)? == "PONG-LAB", "turns work");
    let port = model.port;
    drop(model);

    // The probe is off: the doctor finds it in the gateway's own log.
    let begin = Instant::now();
    let failed = guard.turn(BOUND).expect_err("a turn without a model");
    eprintln!("measured: a turn without a model failed after {:?}: {failed:#}", begin.elapsed());
    diagnosed(&guard, "provider_unreachable")?;
    ensure!(guard.incidents()?.is_empty(), "a gateway that serves has no incident: {:?}", guard.incidents());
    ensure!(guard.gateway()? == life, "the gateway is another one");

    switch_on(&guard, 120_000, 30_000)?;
    let status = named(&guard, life, "provider_failing")?;
    ensure!(status["next"].as_str().is_some_and(|next| next.contains("provider")), "{status}");
    diagnosed(&guard, "provider_unreachable")?;
    let incident = guard.last_incident()?;
    ensure!(incident["state"] == json!("open"), "{incident}");
    guard.left_alone("while its provider is down", life, Duration::from_secs(5))?;

    let _model = MockModel::start_at(port)?;
    recovered(&guard, life)?;
    let incident = guard.last_incident()?;
    ensure!(incident["outcome"] == json!("self_recovered"), "{incident}");
    nothing_was_done(&guard)
}

/// Each kind is named by its cause while the process goes on, and a good answer ends it.
#[test]
fn child_provider_kinds() -> Result<()> {
    let Some((guard, life, model)) = guarded("kinds of provider trouble")? else { return Ok(()) };
    ensure!(guard.turn(BOUND)? == "PONG-LAB", "turns work");
    // A turn takes 1–2 s here, and several times that on a busy machine.
    switch_on(&guard, 30_000, 10_000)?;
    let before = model.answered();
    until("two questions to be answered", BOUND, || model.answered() >= before + 2)?;
    ensure!(guard.status()?["reasons"] == json!([]), "{:?}", guard.status());

    // The first answer names it; after that the gateway does not ask its provider again for a minute, and hides why.
    model.set_mode(ModelMode::KeyRefused);
    named(&guard, life, "credentials_rejected")?;
    diagnosed(&guard, "credentials_rejected")?;
    model.set_mode(ModelMode::Well);
    recovered(&guard, life)?;

    // What takes longer than a person waits for, and what does not end.
    model.set_delay(Duration::from_secs(15));
    named(&guard, life, "provider_slow")?;
    model.set_delay(Duration::ZERO);
    recovered(&guard, life)?;
    model.set_mode(ModelMode::Hanging);
    named(&guard, life, "provider_slow")?;
    model.set_mode(ModelMode::Well);
    recovered(&guard, life)?;

    // An error of the provider is tried again by the gateway for a minute.
    switch_on(&guard, 120_000, 30_000)?;
    model.set_mode(ModelMode::Broken);
    named(&guard, life, "provider_failing")?;
    model.set_mode(ModelMode::Well);
    recovered(&guard, life)?;
    nothing_was_done(&guard)
}

/// After an unpaid bill the gateway does not ask its provider again for ten minutes and more, so each kind has a
/// gateway of its own, and its end is not awaited.
#[test]
fn child_quota_used_up() -> Result<()> {
    for mode in [ModelMode::QuotaUsedUp, ModelMode::OutOfCredit] {
        let Some((guard, life, model)) = guarded("quota used up")? else { return Ok(()) };
        model.set_mode(mode);
        switch_on(&guard, 120_000, 30_000)?;
        named(&guard, life, "provider_quota").with_context(|| format!("{mode:?}"))?;
        diagnosed(&guard, "provider_quota").with_context(|| format!("{mode:?}"))?;
        guard.left_alone("while its bill is not paid", life, Duration::from_secs(3))?;
        nothing_was_done(&guard)?;
    }
    Ok(())
}

/// The endpoint is off: it is said, and not asked again until the config changes.
#[test]
fn child_endpoint_off() -> Result<()> {
    let Some((guard, life, model)) = guarded("chat endpoint off")? else { return Ok(()) };
    endpoint_taken_away(&guard)?;
    switch_on(&guard, 120_000, 30_000)?;
    let reason = || -> Result<bool> { Ok(guard.status()?["reasons"] == json!(["synthetic_endpoint_off"])) };
    until("the status to say that the endpoint is off", BOUND, || reason().unwrap_or(false))
        .with_context(|| everything_said(&guard))?;
    ensure!(guard.status()?["verdict"] == json!("healthy"), "{:?}", guard.status());
    let said =
        || std::fs::read_to_string(guard.dirs.output()).unwrap_or_default().matches("its chat endpoint is off").count();
    let before = model.answered();
    guard.left_alone("over two more intervals", life, Duration::from_secs(25))?;
    ensure!(said() == 1, "said {} times\n{}", said(), guard.output_tail());
    guard
        .home
        .edit_config(|config| config["gateway"]["http"]["endpoints"]["chatCompletions"]["enabled"] = json!(true))?;
    until("a question to be answered", BOUND, || model.answered() > before).with_context(|| everything_said(&guard))?;
    guard.verdict("healthy", BOUND)?;
    until("the hint to go", BOUND, || guard.status().is_ok_and(|status| status["reasons"] == json!([])))?;
    nothing_was_done(&guard)
}

/// Switches the endpoint off and waits until the gateway has taken that up: OpenClaw 2026.9.6 does so within two seconds.
/// One run waited for seven minutes in vain, and nothing told why. It is not what this lab is about, so the file is
/// written again, and how often is told.
fn endpoint_taken_away(guard: &Guard) -> Result<()> {
    let begin = Instant::now();
    for written in 1..=8 {
        guard.home.edit_config(|config| {
            config["gateway"]["http"]["endpoints"]["chatCompletions"]["enabled"] = json!(false)
        })?;
        let gone = until("the endpoint to go", Duration::from_secs(30), || {
            std::thread::sleep(Duration::from_secs(1));
            refused_as_unknown(guard)
        });
        if gone.is_ok() {
            eprintln!(
                "measured: the endpoint was gone after {:?}, the config written {written} times",
                begin.elapsed()
            );
            return Ok(());
        }
        eprintln!("measured: the config was not taken up\n{}", everything_said(guard));
    }
    anyhow::bail!("the gateway did not take its config up in {:?}: {}", begin.elapsed(), everything_said(guard))
}

/// The gateway answers that it knows no such endpoint. A connection that it drops says nothing.
fn refused_as_unknown(guard: &Guard) -> bool {
    guard.turn(Duration::from_secs(60)).is_err_and(|error| format!("{error:#}").contains("404"))
}

/// For a lab that waited in vain: what the guard says, and what both have written.
fn everything_said(guard: &Guard) -> String {
    let logs = guard.say(&["logs"]).map(|said| said.stdout).unwrap_or_default();
    let lines: Vec<&str> = logs.lines().collect();
    let last = lines[lines.len().saturating_sub(30)..].join("\n");
    format!("{:?}\n{}\nthe gateway's last lines:\n{last}", guard.status(), guard.output_tail())
}

/// A file system of its own for the gateway's state. Taken away when it is dropped, after the gateway has ended.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn at(folder: &Path) -> Result<Self, Unavailable> {
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=96m,mode=0700", "tmpfs"]).arg(folder).output();
        match mounted {
            Ok(output) if output.status.success() => Ok(Self(folder.to_owned())),
            Ok(_) | Err(_) => Err(Unavailable("mounting a small tmpfs needs root".into())),
        }
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Until nothing goes in any more.
    fn fill(&self) -> Result<()> {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(self.filler())?;
        for size in [1 << 20, 4096, 1] {
            while file.write_all(&vec![0_u8; size]).is_ok() {}
        }
        Ok(())
    }

    fn free(&self) -> Result<()> {
        std::fs::remove_file(self.filler()).context("freeing the disk")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn child_disk_full_while_running() -> Result<()> {
    let name = "disk full while running";
    let Some(permit) = lab(name)? else { return Ok(()) };
    let model = MockModel::start()?;
    let folder = tempfile::Builder::new().prefix("clawmend-lab-").tempdir()?;
    let state = folder.path().join(".openclaw");
    std::fs::create_dir(&state)?;
    let disk = match SmallDisk::at(&state) {
        Ok(disk) => disk,
        Err(reason) => {
            skipped_part(name, &reason);
            return Ok(());
        }
    };
    let home = Home::at(folder.path(), HomeOptions { model: Some(model.port), ..HomeOptions::default() })?;
    let mut guard = Guard::over_child(permit, CLAWMEND, home)?;
    guard.set_variable("CLAWMEND_LAB_SYNTHETIC_MS", INTERVAL);
    guard.start()?;
    let life = ready(&guard)?;
    ensure!(guard.turn(BOUND)? == "PONG-LAB", "turns work");
    disk.fill()?;
    switch_on(&guard, 120_000, 30_000)?;
    named(&guard, life, "disk_full")?;
    guard.left_alone("while its disk is full", life, Duration::from_secs(5))?;
    nothing_was_done(&guard)?;
    disk.free()?;
    let back = until("turns to work again", Duration::from_secs(60), || guard.turn(BOUND).is_ok());
    eprintln!("measured: turns after the disk was freed: {back:?}");
    back?;
    // Little is left on so small a disk all the same.
    until("the full disk to be taken back", BOUND, || {
        guard.status().is_ok_and(|status| status["cause"]["code"] == json!("disk_nearly_full"))
    })
    .with_context(|| format!("{:?}", guard.status()))?;
    ensure!(guard.gateway()? == life, "the gateway is another one");
    nothing_was_done(&guard)?;
    drop(guard);
    drop(disk);
    Ok(())
}

/// Ready, whatever is said of the little space that is left.
fn ready(guard: &Guard) -> Result<Life> {
    until("the gateway to be ready", clawmend_testkit::lab::BOOT_BOUND, || {
        clawmend_testkit::lab::get_json(guard.home.port, "/readyz").is_ok_and(|(_, body)| body["ready"] == json!(true))
    })
    .with_context(|| guard.output_tail())?;
    guard.home.gateway()
}
