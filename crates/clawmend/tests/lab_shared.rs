//! Two hosts in network namespaces that share one bot under a lease in a real etcd: each with a guard and a real OpenClaw.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

#[allow(dead_code)]
#[path = "shared/mod.rs"]
mod shared;

use anyhow::{Context, Result, ensure};
use clawmend_testkit::lab::hold;
use rustix::process::Signal;
use serde_json::json;
use shared::{ALPHA, BETA, BOUND, Group, LEASE, STORE};
use std::time::{Duration, Instant};

/// What a machine with few cores may take beyond the protocol's own times.
const BUSY: Duration = Duration::from_secs(10);

/// One owner from the start. Cut off from the store, but not from the bot, it is gone before the other one begins; back on
/// the net, it stays out; and a person hands the channels back to it.
#[test]
fn an_owner_that_loses_its_lease_is_gone_before_the_next_one_begins() -> Result<()> {
    let Some(group) = Group::start("an owner that loses its lease", "residual_window")? else { return Ok(()) };
    hold("one owner at the start", Duration::from_secs(8), || {
        Ok(group.count(BETA) == 0 && group.gateway(BETA).is_err())
    })?;
    ensure!(group.switched_on(ALPHA)? && !group.switched_on(BETA)?, "the channel is on where nobody owns, or off");
    let refused = group.beta.say(&["start"])?;
    ensure!(refused.code != 0 && refused.stderr.contains("does not own"), "{refused:?}");

    let owner = group.gateway(ALPHA)?;
    let cut = Instant::now();
    group.network.lose(ALPHA, STORE)?;
    let dead = owner.ended(BOUND)?;
    let next = group.polls(BETA, cut)?;
    ensure!(dead < next.began, "the old owner still ran when the new one polled");
    ensure!(dead.duration_since(cut) <= LEASE, "the old owner ran {:?} after it was cut off", dead.duration_since(cut));
    group.reports(BETA, "beta to own", |report| report["role"] == json!("owner"))?;
    let boot = boot_of(&group, BETA, next.began)?;
    let took = next.began.duration_since(cut);
    eprintln!(
        "measured: cut off from the store; the owner's gateway is dead after {:?}, the other one polls after {took:?}, its \
         boot took {boot:?} of that",
        dead.duration_since(cut)
    );
    ensure!(took <= LEASE + Duration::from_secs(3) + boot + BUSY, "{took:?}, boot {boot:?}");

    group.network.find_again(ALPHA, STORE)?;
    group.reports(ALPHA, "alpha to see the owner", |report| report["owner"] == json!("beta"))?;
    let before = group.count(ALPHA);
    hold("the old owner to stay out", Duration::from_secs(10), || Ok(group.count(ALPHA) == before))?;
    ensure!(!group.switched_on(ALPHA)? && group.switched_on(BETA)?);
    group.never_two()?;

    let said = Instant::now();
    group.beta.order(&["standby", "handover", "--to", "alpha"])?;
    let back = group.polls(ALPHA, said)?;
    group.reports(ALPHA, "alpha to own again", |report| report["role"] == json!("owner"))?;
    ensure!(!group.switched_on(BETA)? && group.gateway(BETA).is_err());
    eprintln!(
        "measured: handed over, the other one polls {:?} after the order (cold)",
        back.began.duration_since(said)
    );
    group.never_two()
}

/// Its host cut off from everything: dead before its lease is over, and the other one goes on.
#[test]
fn an_owner_that_is_cut_off_from_everything_is_followed() -> Result<()> {
    let Some(group) = Group::start("an owner that is cut off", "residual_window")? else { return Ok(()) };
    let owner = group.gateway(ALPHA)?;
    let cut = Instant::now();
    group.network.cut(ALPHA)?;
    let dead = owner.ended(BOUND)?;
    let next = group.polls(BETA, cut)?;
    ensure!(dead < next.began, "the old owner still ran when the new one polled");
    ensure!(dead.duration_since(cut) <= LEASE, "the old owner ran {:?} after it was cut off", dead.duration_since(cut));
    let boot = boot_of(&group, BETA, next.began)?;
    let took = next.began.duration_since(cut);
    eprintln!(
        "measured: cut off from everything; the owner's gateway is dead after {:?}, the other one polls after {took:?}, its \
         boot took {boot:?} of that",
        dead.duration_since(cut)
    );
    ensure!(took <= LEASE + Duration::from_secs(3) + boot + BUSY, "{took:?}, boot {boot:?}");
    let before = group.count(ALPHA);
    group.network.mend(ALPHA)?;
    group.reports(ALPHA, "alpha to see the owner", |report| report["owner"] == json!("beta"))?;
    ensure!(group.count(ALPHA) == before, "the old owner polled when it was back");
    Ok(())
}

/// A guard that is killed, and one that is frozen: the deadman ends the gateway without it.
#[test]
fn a_gateway_does_not_outlive_its_guard() -> Result<()> {
    let Some(mut group) = Group::start("a gateway without its guard", "residual_window")? else { return Ok(()) };
    let owner = group.gateway(ALPHA)?;
    let killed = Instant::now();
    group.alpha.kill()?;
    let dead = owner.ended(BOUND)?;
    ensure!(dead.duration_since(killed) <= LEASE, "it outlived its guard by {:?}", dead.duration_since(killed));
    let next = group.polls(BETA, killed)?;
    ensure!(dead < next.began);
    eprintln!("measured: guard killed; its gateway is dead after {:?}", dead.duration_since(killed));
    group.alpha.start()?;
    group.reports(ALPHA, "alpha to see the owner", |report| report["owner"] == json!("beta"))?;

    let owner = group.gateway(BETA)?;
    let guard = group.beta.life()?;
    let frozen = Instant::now();
    guard.signal(Signal::STOP)?;
    let dead = owner.ended(BOUND)?;
    ensure!(dead.duration_since(frozen) <= LEASE, "it outlived its guard by {:?}", dead.duration_since(frozen));
    let next = group.polls(ALPHA, frozen)?;
    ensure!(dead < next.began);
    eprintln!("measured: guard frozen; its gateway is dead after {:?}", dead.duration_since(frozen));
    let before = group.count(BETA);
    guard.signal(Signal::CONT)?;
    group.reports(BETA, "beta to see the owner", |report| report["owner"] == json!("alpha"))?;
    ensure!(group.count(BETA) == before, "a guard that woke let its gateway poll");
    group.never_two()
}

/// A machine that may only be paused is followed when a person has said that it is off, and not before.
#[test]
fn a_person_vouches_for_exactly_what_they_were_shown() -> Result<()> {
    let Some(group) = Group::start("a person vouches", "manual")? else { return Ok(()) };
    let owner = group.gateway(ALPHA)?;
    group.network.cut(ALPHA)?;
    owner.ended(BOUND)?;
    group.reports(BETA, "beta to ask a person", |report| report["vouch"]["nodes"] == json!(["alpha"]))?;
    hold("nobody to take over", Duration::from_secs(8), || Ok(group.count(BETA) == 0))?;
    let refused = group.beta.say(&["standby", "promote"])?;
    ensure!(refused.code != 0 && refused.stderr.contains("--off alpha"), "{refused:?}");
    let wrong = group.beta.say(&["standby", "promote", "--off", "beta"])?;
    ensure!(wrong.code != 0, "{wrong:?}");
    let said = Instant::now();
    group.beta.order(&["standby", "promote", "--off", "alpha"])?;
    group.polls(BETA, said)?;
    Ok(())
}

/// A person has stopped for an emergency what a node would start: it takes nothing over, and says so. Their word ends
/// that, starts nothing at once, and then the node takes over.
#[test]
fn a_node_that_could_start_nothing_takes_nothing_over() -> Result<()> {
    let Some(mut group) = Group::start("a node that could start nothing", "residual_window")? else { return Ok(()) };
    group.beta.order(&["stop", "--emergency"])?;
    group.reports(BETA, "beta to know it", |report| report["hindered"] == json!(true))?;
    let check = group.beta.say(&["standby", "check"])?;
    ensure!(check.code == 78 && check.stdout.contains("takes nothing over"), "{check:?}");

    let owner = group.gateway(ALPHA)?;
    group.alpha.kill()?;
    owner.signal(Signal::KILL)?;
    group.reports(BETA, "the lease to run out", |report| report["owner"].is_null())?;
    hold("the lease to be left alone", Duration::from_secs(10), || {
        Ok(group.count(BETA) == 0 && group.report(BETA)?["role"] == json!("candidate"))
    })?;

    let said = Instant::now();
    let started = group.beta.say(&["start"])?;
    ensure!(started.code == 0 && started.stderr.contains("when this node owns"), "{started:?}");
    group.polls(BETA, said)?;
    group.reports(BETA, "beta to own", |report| report["role"] == json!("owner"))?;
    ensure!(group.report(BETA)?["hindered"] == json!(false));
    group.never_two()
}

/// From the birth of a host's gateway to its first request for updates.
fn boot_of(group: &Group, host: u8, polled: Instant) -> Result<Duration> {
    let age = group.gateway(host)?.age().context("the gateway has ended")?;
    Ok(age.saturating_sub(polled.elapsed()))
}
