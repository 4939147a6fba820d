//! What dies or fills up in a pair: guards, gateways, whole hosts, what only helps, and a disk. The scene is that of `lab_pair`; each lab judges by
//! the record of both bots' services and by the repository of the workspace, and prints both.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

#[allow(dead_code)]
#[path = "pair/mod.rs"]
mod pair;

use anyhow::{Context, Result, ensure};
use clawmend_testkit::lab::{Guard, sweep, until};
use pair::hub::write;
use pair::{BOUND, PRIMARY, Pair, Plan, STANDBY, workspace};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The host is off.
fn is_off(guard: &mut Guard) -> Result<()> {
    guard.kill()?;
    sweep(guard.nonce());
    Ok(())
}

/// kill -9, and started again: standing by, taking over, carrying on, stepping back.
#[test]
fn a_standbys_guard_dies_in_each_state() -> Result<()> {
    let Some(mut pair) = Pair::start("a standby's guard dies in each state")? else { return Ok(()) };
    pair.begun()?;
    pair.standby.kill()?;
    pair.standby.start()?;
    pair.role_is("watching")?;

    // The primary is back before the next guard comes: there is nothing to take over any more.
    pair.network.cut(PRIMARY)?;
    pair.reports("the takeover to begin", |report| report["role"] != json!("watching"))?;
    pair.standby.kill()?;
    pair.network.mend(PRIMARY)?;
    pair.answers_as(PRIMARY)?;
    pair.standby.start()?;
    let stood = pair.role_is("watching")?;
    ensure!(pair.standby.gateway().is_err(), "its gateway was left to run: {stood}");
    ensure!(pair.letters_of("took-over") == 0, "{:?}", pair.letters());

    let lost = Instant::now();
    pair.network.cut(PRIMARY)?;
    pair.reports("the takeover to begin", |report| report["role"] == json!("promoting"))?;
    pair.standby.kill()?;
    pair.standby.start()?;
    let (who, reachable) = pair.reachable_since(lost)?;
    ensure!(who == STANDBY, "{who} answered");
    let active = pair.role_is("active")?;
    let life = pair.standby.gateway()?;
    eprintln!(
        "measured: guard killed while it took over: a person had an answer {reachable:?} after the loss: {}",
        active["last_change"]
    );

    pair.standby.kill()?;
    pair.answers_as(STANDBY)?;
    pair.standby.start()?;
    pair.role_is("active")?;
    ensure!(pair.standby.gateway()? == life, "the gateway was replaced with its guard");
    write(&pair.standby, "NOTE.md", "written while the primary was lost")?;

    // Work is under way, so that the step back takes its time.
    pair.model.set_delay(Duration::from_secs(8));
    let under_way = pair.ask(STANDBY);
    until("the model to work on it", BOUND, || pair.model.in_flight() > 0)?;
    pair.network.mend(PRIMARY)?;
    pair.standby.order(&["standby", "demote"])?;
    let stepping = pair.report()?;
    ensure!(stepping["role"] == json!("demoting"), "{stepping}");
    pair.standby.kill()?;
    pair.standby.start()?;
    pair.is_over(1)?;
    pair.model.set_delay(Duration::ZERO);
    let answered = pair.answers(&under_way).len();
    eprintln!("measured: guard killed while it stepped back: the message under way was answered {answered} times");
    ensure!(pair.standby.gateway().is_err(), "the gateway was left to run");
    pair.is_kept(&[("NOTE.md", "written while the primary was lost")])?;
    // The primary's model took its time as well.
    until("the primary to answer what came meanwhile", BOUND, || pair.answered(PRIMARY).never == 0)?;
    let verdict = pair.verdict("standby's guard killed in each state")?;
    ensure!(verdict.primary.never == 0 && verdict.standby.never <= 1 - answered.min(1), "{verdict:?}");
    ensure!(verdict.primary.more == 0 && verdict.standby.more == 0, "{verdict:?}");
    Ok(())
}

/// The gateway alone is repaired; its guard alone is missed, while the gateway goes on; both are replaced.
#[test]
fn a_gateway_and_then_a_guard_of_the_primary_die() -> Result<()> {
    let Some(mut pair) = Pair::start("a gateway and then a guard of the primary die")? else { return Ok(()) };
    pair.begun()?;
    let killed = Instant::now();
    pair.primary.gateway()?.signal(Signal::KILL)?;
    let (who, reachable) = pair.reachable_since(killed)?;
    ensure!(who == PRIMARY && pair.report()?["role"] == json!("watching"), "{who} answered");
    eprintln!("measured: primary's gateway killed: repaired, a person had an answer after {reachable:?}");
    // What was written to the other bot waits until that carries.
    let life = pair.primary.gateway()?;

    let killed = Instant::now();
    pair.primary.kill()?;
    let deed = pair.answers_as(STANDBY)?;
    pair.role_is("active")?;
    ensure!(life.alive(), "the gateway ended with its guard");
    pair.answers_as(PRIMARY)?;
    eprintln!(
        "measured: primary's guard killed: its gateway goes on, the standby answers as well after {:?}",
        deed.at.duration_since(killed)
    );
    pair.primary.start()?;
    pair.is_over(1)?;
    ensure!(life.alive(), "the next guard ended the gateway");

    let killed = Instant::now();
    pair.primary.kill()?;
    life.signal(Signal::KILL)?;
    let (who, reachable) = pair.reachable_since(killed)?;
    ensure!(who == STANDBY, "{who} answered");
    eprintln!("measured: primary's guard and gateway killed: a person had an answer after {reachable:?}");
    let waits = pair.ask(PRIMARY);
    pair.primary.start()?;
    pair.answer(&waits)?;
    pair.is_over(2)?;
    pair.verdict("primary's gateway killed, its guard killed, both killed")?.each_once()
}

/// Both lose their power. Whoever comes first serves, and the primary has its place back when it is there, too.
#[test]
fn both_are_down_and_whoever_comes_first_serves() -> Result<()> {
    let Some(mut pair) = Pair::start("both down")? else { return Ok(()) };
    pair.begun()?;
    eprintln!("measured: a cold standby that stands by has {} MiB, its guard included", pair.memory());
    is_off(&mut pair.primary)?;
    is_off(&mut pair.standby)?;
    let began = Instant::now();
    pair.standby.start()?;
    let (who, reachable) = pair.reachable_since(began)?;
    ensure!(who == STANDBY, "{who} answered");
    pair.role_is("active")?;
    eprintln!("measured: one that carries has {} MiB, its guard included", pair.memory());
    let back = Instant::now();
    pair.primary.start()?;
    let waits = pair.ask(PRIMARY);
    let answered = pair.answer(&waits)?.at.duration_since(back);
    pair.is_over(1)?;
    eprintln!(
        "measured: both down: the standby comes first, a person has an answer {reachable:?} after its start; the primary answers {answered:?} after its own"
    );

    // And the other way round, the standby while it carries.
    is_off(&mut pair.primary)?;
    pair.answers_as(STANDBY)?;
    pair.role_is("active")?;
    is_off(&mut pair.standby)?;
    let began = Instant::now();
    pair.primary.start()?;
    let (who, reachable) = pair.reachable_since(began)?;
    ensure!(who == PRIMARY, "{who} answered");
    eprintln!("measured: both down: the primary comes first, a person has an answer {reachable:?} after its start");
    pair.standby.start()?;
    pair.is_over(2)?;
    let verdict = pair.verdict("both down, twice")?;
    ensure!(verdict.primary.never == 0, "{verdict:?}");
    Ok(())
}

/// Of the steps of the last change: whether one worked, and how long it took.
fn step(report: &Value, name: &str) -> Result<(bool, u64)> {
    let steps = report["last_change"]["steps"].as_array().into_iter().flatten();
    let found = steps.into_iter().find(|step| step["step"] == json!(name));
    let found = found.with_context(|| format!("no step {name}: {report}"))?;
    Ok((found["worked"] == json!(true), found["took_ms"].as_u64().unwrap_or_default()))
}

/// Nothing that only helps may hold up a takeover: the machine that has the workspace and the secrets says nothing. What the
/// standby has fetched before is there all the same.
#[test]
fn the_git_remote_and_the_ssh_host_are_down() -> Result<()> {
    let plan = Plan { secrets: true, ..Plan::FAST };
    let Some(mut pair) = Pair::start_as("the git remote and the ssh host are down", plan)? else { return Ok(()) };
    pair.begun()?;
    // A guard fetches when it begins, and from time to time.
    pair.standby.kill()?;
    pair.standby.start()?;
    let fetched = workspace(&pair.standby).join(".git/refs/clawmend/remote");
    until("the standby to have fetched what was pushed", BOUND, || fetched.exists())?;
    pair.role_is("watching")?;
    pair.hub.pause()?;
    let cut = Instant::now();
    pair.network.cut(PRIMARY)?;
    let (who, reachable) = pair.reachable_since(cut)?;
    ensure!(who == STANDBY, "{who} answered");
    let active = pair.role_is("active")?;
    for (what, has) in [("workspace", true), ("secrets", false)] {
        let (worked, took_ms) = step(&active, what)?;
        ensure!(worked == has && took_ms < 17_000, "{what}: {active}");
    }
    ensure!(step(&active, "gateway")?.0, "{active}");
    ensure!(active.to_string().contains("which was fetched before"), "{active}");
    let before = std::fs::read_to_string(workspace(&pair.standby).join("BEFORE.md"))?;
    ensure!(before == "from before", "{before}");
    ensure!(pair.letter("took-over")?.to_string().contains("secrets"), "{:?}", pair.letters());
    write(&pair.standby, "NOTE.md", "written while all was lost")?;
    pair.network.mend(PRIMARY)?;
    write(&pair.primary, "MEANWHILE.md", "written while the repository was away")?;
    let over = pair.role_is("watching")?;
    ensure!(!step(&over, "workspace")?.0, "{over}");
    pair.is_over(1)?;

    // A guard that dies does not forget what it owes.
    pair.standby.kill()?;
    pair.standby.start()?;
    pair.hub.goes_on()?;
    let back = Instant::now();
    write(&pair.primary, "LATER.md", "written when it was back")?;
    pair.is_kept(&[
        ("NOTE.md", "written while all was lost"),
        ("MEANWHILE.md", "written while the repository was away"),
        ("LATER.md", "written when it was back"),
    ])?;
    eprintln!(
        "measured: git remote and ssh host hang: a person had an answer {reachable:?} after the loss; all files were in the \
         repository {:?} after it was back",
        back.elapsed()
    );
    pair.verdict("git remote and ssh host hang")?.each_once()
}

/// OpenClaw cannot start there, and the guard cannot write down what it does.
#[test]
fn a_full_disk_on_the_standby() -> Result<()> {
    let plan = Plan { small_disk: true, ..Plan::FAST };
    let Some(mut pair) = Pair::start_as("a full disk on the standby", plan)? else { return Ok(()) };
    pair.begun()?;
    pair.disk.as_ref().expect("a disk").fill()?;
    let cut = Instant::now();
    pair.network.cut(PRIMARY)?;
    let asked = [PRIMARY, STANDBY].map(|host| pair.ask(host));
    let tried = pair.reports("the takeover to begin", |report| report["role"] != json!("watching"))?;
    ensure!(tried["problem"].as_str().is_some_and(|problem| problem.contains("written down")), "{tried}");
    pair.letter("nobody-answers")?;
    let told = cut.elapsed();
    pair.disk.as_ref().expect("a disk").free()?;
    let freed = Instant::now();
    let deed = pair.answer(&asked[1])?;
    let active = pair.role_is("active")?;
    ensure!(active["problem"].is_null(), "{active}");
    pair.letter("took-over")?;
    let life = pair.standby.gateway()?;
    // What was decided on a full disk is known to the next guard.
    pair.standby.kill()?;
    pair.standby.start()?;
    pair.role_is("active")?;
    ensure!(pair.standby.gateway()? == life, "the next guard had forgotten the takeover");
    write(&pair.standby, "NOTE.md", "written while the primary was lost")?;

    // And full again while it steps back.
    pair.disk.as_ref().expect("a disk").fill()?;
    pair.network.mend(PRIMARY)?;
    pair.answer(&asked[0])?;
    // OpenClaw does not come to its end without room (2026.9.6).
    let stepping = pair.reports("the step back to begin", |report| report["role"] != json!("active"))?;
    ensure!(stepping["problem"].as_str().is_some_and(|problem| problem.contains("written down")), "{stepping}");
    pair.disk.as_ref().expect("a disk").free()?;
    pair.role_is("watching")?;
    ensure!(pair.standby.gateway().is_err(), "the gateway was left to run");
    eprintln!(
        "measured: full disk on the standby: people were told {told:?} after the loss that nobody answers; {:?} after there was \
         room they had an answer",
        deed.at.saturating_duration_since(freed)
    );
    pair.reports("the role to be written down", |report| report["problem"].is_null())?;
    pair.is_over(1)?;
    pair.is_kept(&[("NOTE.md", "written while the primary was lost")])?;
    ensure!(pair.letters_of("nobody-answers") == 1, "{:?}", pair.letters());
    pair.verdict("full disk on the standby")?.each_once()
}
