//! What befalls a group that shares one bot: its store, the ways to it, its machines, and strangers. The scene is that of
//! `lab_shared`; each lab judges by the record of the bot's service, in which requests for updates and whatever people saw
//! count alike.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

#[allow(dead_code)]
#[path = "shared/mod.rs"]
mod shared;

use anyhow::{Result, ensure};
use clawmend_testkit::lab::{hold, until};
use serde_json::json;
use shared::road::Way;
use shared::scene::frozen::Frozen;
use shared::stranger::Stranger;
use shared::{ALPHA, BETA, BOUND, FAST_LEASE, Group, LEASE, Plan, STORE};
use std::time::{Duration, Instant};

/// Longer than any lease here.
const LONG: Duration = Duration::from_secs(20);

fn name(host: u8) -> &'static str {
    if host == ALPHA { "alpha" } else { "beta" }
}

/// A first message is answered before anything happens.
fn answered_at_first(group: &Group) -> Result<()> {
    let mark = group.ask();
    let by = group.answer(&mark)?;
    ensure!(by == ALPHA, "{by} answered");
    Ok(())
}

/// etcd does not answer, and then it is not there, each time for longer than the lease; then it comes back.
#[test]
fn a_store_that_is_lost_leaves_nobody_and_one_when_it_is_back() -> Result<()> {
    let Some(mut group) = Group::start("a store that is lost", "residual_window")? else { return Ok(()) };
    answered_at_first(&group)?;

    let owner = group.gateway(ALPHA)?;
    let lost = Instant::now();
    group.store.freeze()?;
    let dead = owner.ended(BOUND)?;
    ensure!(dead.duration_since(lost) <= LEASE, "it ran on for {:?} without the store", dead.duration_since(lost));
    let first = group.ask();
    group.nobody_acts("nobody to own without the store", LONG)?;
    let back = Instant::now();
    group.store.thaw()?;
    let (who, poll) = group.next_owner(back)?;
    group.reports(who, "the owner to say so", |report| report["role"] == json!("owner"))?;
    let by = group.answer(&first)?;
    eprintln!(
        "measured: etcd frozen: the owner's gateway is dead after {:?}; {:?} after etcd was back {} polls, {:?} after it the \
         message is answered by {}",
        dead.duration_since(lost),
        poll.began.duration_since(back),
        name(who),
        back.elapsed(),
        name(by)
    );
    group.verdict("etcd frozen for longer than the lease")?;

    let owner = group.gateway(who)?;
    let lost = Instant::now();
    group.store.kill()?;
    let dead = owner.ended(BOUND)?;
    ensure!(dead.duration_since(lost) <= LEASE, "it ran on for {:?} without the store", dead.duration_since(lost));
    group.nobody_acts("nobody to own without the store", LONG)?;
    let lost_by = who;
    let letter = group.letter(lost_by, "store-lost")?;
    ensure!(letter["level"] == json!("critical"), "{letter}");
    eprintln!("measured: a person hears that nobody can own {:?} after the store was lost", lost.elapsed());
    let back = Instant::now();
    group.store.begin(&group.network)?;
    group.letter(lost_by, "store-back")?;
    let (who, poll) = group.next_owner(back)?;
    group.reports(who, "the owner to say so", |report| report["role"] == json!("owner"))?;
    eprintln!(
        "measured: etcd killed: the owner's gateway is dead after {:?}; {:?} after etcd was started again {} polls",
        dead.duration_since(lost),
        poll.began.duration_since(back),
        name(who)
    );
    let answered = group.verdict("etcd killed and started again")?;
    ensure!(answered.more == 0 && answered.never == 0, "{answered}");

    // A store that has lost its memory gives terms that were given before.
    let owner = group.gateway(who)?;
    group.store.kill()?;
    group.store.forget()?;
    group.store.begin(&group.network)?;
    owner.ended(BOUND)?;
    let letter = group.letter(who, "store-confused")?;
    ensure!(letter["level"] == json!("critical"), "{letter}");
    group.nobody_acts("nobody to believe an empty store", LONG)?;
    let check = group.guard(who).say(&["standby", "check"])?;
    ensure!(check.code != 0 && format!("{check:?}").contains("it has lost its memory"), "{check:?}");
    group.verdict("an etcd that has lost its memory").map(drop)
}

/// What the owner asks reaches etcd and is carried out; the answers are lost. (The other way round: `lab_shared`.)
#[test]
fn an_owner_that_hears_nothing_of_the_store_is_gone_before_the_next_one_begins() -> Result<()> {
    let Some(group) = Group::start("an owner that hears nothing of the store", "residual_window")? else {
        return Ok(());
    };
    answered_at_first(&group)?;
    let owner = group.gateway(ALPHA)?;
    let cut = Instant::now();
    group.network.lose(STORE, ALPHA)?;
    let dead = owner.ended(BOUND)?;
    ensure!(dead.duration_since(cut) <= LEASE, "it ran on for {:?}", dead.duration_since(cut));
    let mark = group.ask();
    let next = group.polls(BETA, cut)?;
    ensure!(dead < next.began, "the old owner still ran when the new one polled");
    ensure!(group.answer(&mark)? == BETA);
    eprintln!(
        "measured: answers of etcd lost: the owner's gateway is dead after {:?}, the other one polls after {:?}",
        dead.duration_since(cut),
        next.began.duration_since(cut)
    );
    group.network.find_again(STORE, ALPHA)?;
    group.reports(ALPHA, "alpha to see the owner", |report| report["owner"] == json!("beta"))?;
    let before = group.count(ALPHA);
    hold("the old owner to stay out", Duration::from_secs(10), || Ok(group.count(ALPHA) == before))?;
    let answered = group.verdict("answers of etcd lost")?;
    ensure!(answered.once == 2, "{answered}");
    ensure!(group.turns().len() == 2, "{:?}", group.turns());
    Ok(())
}

/// The owner's machine stands still, and is turned off from outside before anybody follows it. The hook fails, hangs, and
/// works; it is called with what was promised, and nothing of one that hung is left.
#[test]
fn a_machine_that_stands_still_is_turned_off_before_it_is_followed() -> Result<()> {
    let Some(mut group) = Group::start("a machine that is turned off", "external_fence")? else { return Ok(()) };
    answered_at_first(&group)?;
    let stopped = Instant::now();
    let machine = Frozen::freeze(&group.alpha)?;
    until("the hook to be called twice", BOUND, || group.hook.calls().len() >= 2)?;
    ensure!(stopped.elapsed() >= LEASE.saturating_sub(Duration::from_secs(4)), "{:?}", stopped.elapsed());
    let letter = group.letter(BETA, "not-turned-off")?;
    ensure!(letter["level"] == json!("critical"), "{letter}");

    group.hook.plan("hang")?;
    until("a call that hangs", BOUND, || !group.hook.hung().is_empty())?;
    until("what hung to be ended", BOUND, || group.hook.hung().first().is_some_and(|(_, lives)| !lives))?;
    ensure!(group.count(BETA) == 0 && group.gateway(BETA).is_err(), "it began without a proof");
    let mark = group.ask();

    group.hook.turns_off(&machine)?;
    let planned = Instant::now();
    let next = group.polls(BETA, stopped)?;
    ensure!(machine.is_off(), "the other machine was not off");
    ensure!(group.answer(&mark)? == BETA);
    eprintln!(
        "measured: machine stands still, the hook can turn it off {:?} later: the other one polls {:?} after that",
        planned.duration_since(stopped),
        next.began.duration_since(planned)
    );
    let calls = group.hook.calls();
    let term = group.report(BETA)?["term"].as_u64().unwrap_or_default();
    ensure!(calls.iter().all(|call| *call == format!("4 off two words alpha {term}")), "term {term}: {calls:?}");
    ensure!(group.hook.environment() == ["PATH"], "{:?}", group.hook.environment());
    ensure!(group.hook.hung().iter().all(|(_, lives)| !lives), "{:?}", group.hook.hung());

    // The machine is switched on again.
    group.alpha.kill()?;
    group.alpha.start()?;
    group.reports(ALPHA, "alpha to see the owner", |report| report["owner"] == json!("beta"))?;
    let before = group.count(ALPHA);
    hold("the old owner to stay out", Duration::from_secs(10), || Ok(group.count(ALPHA) == before))?;
    let answered = group.verdict("external fence")?;
    ensure!(answered.once == 2, "{answered}");
    ensure!(group.turns().len() == 2, "{:?}", group.turns());
    Ok(())
}

/// The owner's machine stands still for longer than the lease, nobody vouches, and it goes on.
#[test]
fn a_machine_that_stands_still_is_not_followed_without_a_persons_word() -> Result<()> {
    let Some(mut group) = Group::start("a machine that stands still", "manual")? else { return Ok(()) };
    answered_at_first(&group)?;
    let old = group.gateway(ALPHA)?;
    let stopped = Instant::now();
    let machine = Frozen::freeze(&group.alpha)?;
    group.reports(BETA, "beta to ask a person", |report| report["vouch"]["nodes"] == json!(["alpha"]))?;
    let letter = group.letter(BETA, "needs-person")?;
    ensure!(letter["level"] == json!("critical"), "{letter}");
    let mark = group.ask();
    // A guard that dies while it asks goes on to ask.
    group.beta.kill()?;
    group.beta.start()?;
    group.reports(BETA, "beta to ask again", |report| report["vouch"]["nodes"] == json!(["alpha"]))?;
    hold("nobody to follow", Duration::from_secs(10), || Ok(group.count(BETA) == 0))?;

    let thawed = Instant::now();
    machine.thaw()?;
    let dead = old.ended(BOUND)?;
    let overdue = group.bot.polls().iter().filter(|poll| poll.began >= thawed && poll.began <= dead).count();
    group.reports(ALPHA, "alpha to own again", |report| report["role"] == json!("owner"))?;
    let again = group.polls(ALPHA, dead)?;
    ensure!(group.answer(&mark)? == ALPHA);
    eprintln!(
        "measured: machine stood still for {:?} and went on: its gateway is dead {:?} after that, with {overdue} polls in \
         between; it polls again after {:?}",
        thawed.duration_since(stopped),
        dead.duration_since(thawed),
        again.began.duration_since(thawed)
    );
    group.reports(BETA, "beta to ask no more", |report| {
        report["vouch"].is_null() && report["owner"] == json!("alpha")
    })?;
    ensure!(group.count(BETA) == 0, "beta polled");
    let answered = group.verdict("manual")?;
    ensure!(answered.never == 0, "{answered}");
    Ok(())
}

/// Somebody else reads the same bot: the owner ends, tells it as loud as it gets, and stays out until a person lets it.
#[test]
fn a_second_reader_is_a_split_brain() -> Result<()> {
    let Some(group) = Group::start("a second reader", "residual_window")? else { return Ok(()) };
    answered_at_first(&group)?;
    let owner = group.gateway(ALPHA)?;
    let began = Instant::now();
    let stranger = Stranger::start(&group.network)?;
    let dead = owner.ended(BOUND)?;
    drop(stranger);
    let letter = group.letter(ALPHA, "gave-up")?;
    let told = began.elapsed();
    ensure!(letter["level"] == json!("critical"), "{letter}");
    ensure!(letter.to_string().contains("Somebody else uses the same channel"), "{letter}");
    let report = group.reports(ALPHA, "alpha to be held", |report| report["held"] == json!(true))?;
    ensure!(report["term"].is_null() && !group.switched_on(ALPHA)?, "{report}");
    let next = group.polls(BETA, dead)?;
    eprintln!(
        "measured: second reader: the owner's gateway is dead after {:?}, a person is told after {told:?}; the other one polls \
         {:?} after the end",
        dead.duration_since(began),
        next.began.duration_since(dead)
    );
    group.never_two_of_ours()?;

    // Out, also when nobody else owns, and over the end of its guard.
    group.beta.order(&["standby", "demote"])?;
    group.gateway(BETA)?.ended(BOUND)?;
    group.reports(BETA, "beta to have stepped down", |report| report["term"].is_null())?;
    group.nobody_acts("a node after a split brain to stay out", Duration::from_secs(12))?;
    let said = Instant::now();
    group.alpha.order(&["standby", "release"])?;
    group.polls(ALPHA, said)?;
    let mark = group.ask();
    ensure!(group.answer(&mark)? == ALPHA);
    group.never_two_of_ours()?;
    group.print("second reader");
    Ok(())
}

/// The owner's way to etcd is gone for 5 s in every 10: less than a steady lease. Nothing is to happen.
#[test]
fn a_way_that_comes_and_goes_within_the_lease_changes_nothing() -> Result<()> {
    let Some(group) = Group::start("a way that comes and goes", "residual_window")? else { return Ok(()) };
    answered_at_first(&group)?;
    let owner = group.gateway(ALPHA)?;
    flap(&group, 6)?;
    ensure!(owner.alive(), "the owner was ended within its lease");
    let mark = group.ask();
    ensure!(group.answer(&mark)? == ALPHA);
    let answered = group.verdict("way to etcd 5 s away, 5 s there, lease of 15 s")?;
    ensure!(answered.once == 2 && group.turns().len() == 1, "{answered}, {:?}", group.turns());
    Ok(())
}

/// The same with a fast lease, which each gap outlasts: one takeover, and no coming back.
#[test]
fn a_way_that_comes_and_goes_leads_to_one_takeover() -> Result<()> {
    let plan = Plan { timing: "fast", ..Plan::paused("residual_window") };
    let Some(group) = Group::start_as("one takeover", plan)? else { return Ok(()) };
    answered_at_first(&group)?;
    let begun = Instant::now();
    flap(&group, 9)?;
    let last = group.reports(BETA, "beta to own", |report| report["role"] == json!("owner"))?;
    let next = group.polls(BETA, begun)?;
    eprintln!(
        "measured: way to etcd 5 s away, 5 s there, lease of {FAST_LEASE:?}: the other one polls {:?} after the first gap \
         began; term {} at the end",
        next.began.duration_since(begun),
        last["term"]
    );
    let mark = group.ask();
    ensure!(group.answer(&mark)? == BETA);
    let answered = group.verdict("way to etcd 5 s away, 5 s there, fast lease")?;
    ensure!(answered.once == 2, "{answered}");
    ensure!(group.turns().len() == 2, "a storm: {:?}", group.turns());
    let gave_up = group.letters(ALPHA).iter().filter(|letter| letter["key"].to_string().contains("/gave-up")).count();
    ensure!(gave_up == 1, "{gave_up} letters of one node that lost its lease once");
    Ok(())
}

/// Takes the owner's way to the store away for 5 s, so many times, with 5 s between.
fn flap(group: &Group, times: u32) -> Result<()> {
    let half = Duration::from_secs(5);
    let begun = Instant::now();
    for round in 0..times {
        group.network.lose(ALPHA, STORE)?;
        wait_until(begun + half * (2 * round + 1))?;
        group.network.find_again(ALPHA, STORE)?;
        wait_until(begun + half * (2 * round + 2))?;
    }
    Ok(())
}

/// The fault itself lasts for a time; nothing is judged by it.
fn wait_until(at: Instant) -> Result<()> {
    until("the time of a fault", BOUND, || Instant::now() >= at).map(drop)
}

/// The guard of the node that does not own dies in each state that it can be in.
#[test]
fn a_standby_nodes_guard_dies_in_each_state() -> Result<()> {
    let Some(mut group) = Group::start("a standby node's guard dies", "residual_window")? else { return Ok(()) };
    answered_at_first(&group)?;
    let owner = group.gateway(ALPHA)?;

    // As a candidate, and as one that a person holds.
    group.beta.kill()?;
    group.beta.start()?;
    group.reports(BETA, "beta to see the owner", |report| report["owner"] == json!("alpha"))?;
    group.beta.order(&["standby", "hold"])?;
    group.beta.kill()?;
    group.beta.start()?;
    group.reports(BETA, "beta to remember", |report| report["held"] == json!(true))?;
    group.beta.order(&["standby", "release"])?;
    group.reports(BETA, "beta to be free", |report| report["held"] == json!(false))?;
    ensure!(owner.alive() && group.count(BETA) == 0);

    // While it takes over: its gateway has just begun, and has not polled.
    let lost = Instant::now();
    group.alpha.kill()?;
    let dead = owner.ended(BOUND)?;
    until("beta's gateway to begin", BOUND, || group.gateway(BETA).is_ok())?;
    let first = group.gateway(BETA)?;
    group.beta.kill()?;
    ensure!(group.count(BETA) == 0, "it was killed too late to show anything");
    group.beta.start()?;
    let next = group.polls(BETA, lost)?;
    let kept = group.gateway(BETA)? == first;
    group.reports(BETA, "beta to own", |report| report["role"] == json!("owner"))?;
    ensure!(dead < next.began);
    eprintln!(
        "measured: guard of the one that takes over killed in the middle: it polls {:?} after the owner was lost, with the \
         {} gateway",
        next.began.duration_since(lost),
        if kept { "same" } else { "next" }
    );
    group.alpha.start()?;
    group.reports(ALPHA, "alpha to see the owner", |report| report["owner"] == json!("beta"))?;

    // As the owner, and back before its lease is over: the same gateway goes on.
    let owner = group.gateway(BETA)?;
    group.beta.kill()?;
    group.beta.start()?;
    group.reports(BETA, "beta to own", |report| report["role"] == json!("owner"))?;
    let kept = owner.alive();
    let mark = group.ask();
    let by = group.answer(&mark)?;
    eprintln!("measured: owner's guard killed and back at once: the same gateway {kept}, answered by {}", name(by));
    let answered = group.verdict("standby node's guard killed in each state")?;
    ensure!(answered.once == 2, "{answered}");
    Ok(())
}

/// A store that answers later than anybody waits, or nonsense: nobody owns by that, and nobody is disturbed by another's.
#[test]
fn a_store_that_is_slow_or_talks_nonsense_promotes_nobody() -> Result<()> {
    let plan = Plan { roads: true, ..Plan::paused("residual_window") };
    let Some(group) = Group::start_as("a store that is slow or talks nonsense", plan)? else { return Ok(()) };
    answered_at_first(&group)?;
    let owner = group.gateway(ALPHA)?;
    let [alphas, betas] = group.roads.as_slice() else { anyhow::bail!("no roads") };
    for way in [Way::Spoiled, Way::Slow] {
        betas.set(way);
        group.reports(BETA, "beta to name the store", |report| !report["store_problem"].is_null())?;
        hold("the owner to go on", LEASE, || Ok(owner.alive() && group.count(BETA) == 0))?;
    }

    // Now nobody can renew, and nobody can tell.
    betas.set(Way::Spoiled);
    let lost = Instant::now();
    alphas.set(Way::Slow);
    let dead = owner.ended(BOUND)?;
    ensure!(dead.duration_since(lost) <= LEASE + Duration::from_secs(3), "{:?}", dead.duration_since(lost));
    let mark = group.ask();
    group.nobody_acts("nobody to own by nonsense", LONG)?;
    betas.set(Way::Slow);
    alphas.set(Way::Spoiled);
    group.nobody_acts("nobody to own by what came too late", LONG)?;

    let back = Instant::now();
    betas.set(Way::Open);
    let next = group.polls(BETA, back)?;
    ensure!(group.answer(&mark)? == BETA);
    eprintln!(
        "measured: slow and spoiled store: the owner's gateway is dead after {:?}; {:?} after one way was well its node polls",
        dead.duration_since(lost),
        next.began.duration_since(back)
    );
    alphas.set(Way::Open);
    group.reports(ALPHA, "alpha to see the owner", |report| report["owner"] == json!("beta"))?;
    let answered = group.verdict("slow and spoiled store")?;
    ensure!(answered.once == 2, "{answered}");
    ensure!(group.turns().len() == 2, "{:?}", group.turns());
    Ok(())
}
