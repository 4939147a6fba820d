//! The egress fence of shared mode on the real thing: two hosts in network namespaces with a guard, a keeper and a real
//! OpenClaw each, the same bot, a lease in a real etcd, and the real packet filter.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, missing_docs)]

#[allow(dead_code)]
#[path = "shared/mod.rs"]
mod shared;

use anyhow::{Context, Result, ensure};
use clawmend::failover::fence::egress::Egress;
use clawmend_testkit::lab::{Life, Unavailable, hold, skipped, until_some};
use rustix::process::Signal;
use serde_json::{Value, json};
use shared::{ALPHA, BETA, BOUND, Group, LEASE, Plan};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

const PLAN: Plan = Plan { more: "egress_fence = true", ..Plan::paused("residual_window") };

/// A group behind egress fences.
struct Fenced {
    // The guards and all that they started end before the rooms go.
    group: Group,
    rooms: Rooms,
}

/// What the fences leave on this machine.
#[derive(Default)]
struct Rooms(Vec<PathBuf>);

impl Drop for Rooms {
    fn drop(&mut self) {
        for room in &self.0 {
            let emptied = || Ok((std::fs::remove_dir(room).is_ok() || !room.exists()).then_some(()));
            let _ = until_some("a room to be empty", Duration::from_secs(10), emptied);
        }
    }
}

impl Fenced {
    /// `None`: not on this machine, and it was said why.
    fn prepared(name: &str) -> Result<Option<Self>> {
        Self::prepared_as(name, PLAN)
    }

    fn prepared_as(name: &str, plan: Plan) -> Result<Option<Self>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        if let Err(reason) = runtime.block_on(Egress::available()) {
            skipped(name, &Unavailable(reason.to_string()));
            return Ok(None);
        }
        Ok(Group::prepared(name, plan)?.map(|group| Self { group, rooms: Rooms::default() }))
    }

    fn begin(&mut self) -> Result<()> {
        self.group.begin()?;
        [ALPHA, BETA].into_iter().try_for_each(|host| self.note_room(host))
    }

    /// So that it goes with the lab.
    fn note_room(&mut self, host: u8) -> Result<()> {
        // Without a fence there is none.
        let Ok(table) = self.table(host) else { return Ok(()) };
        let mounts = std::fs::read_to_string("/proc/self/mounts")?;
        let root = mounts.lines().find_map(|line| {
            let mut words = line.split(' ').skip(1);
            words.next().filter(|_| words.next() == Some("cgroup2"))
        });
        let root = PathBuf::from(root.context("no control groups of version 2")?).join("clawmend");
        self.rooms.0.push(root.join(table.strip_prefix("clawmend_").context("a table of another name")?));
        Ok(())
    }

    /// Another word in a host's settings, from the guard's next start on.
    fn set(&mut self, host: u8, on: bool) -> Result<()> {
        let path = self.group.guard(host).dirs.config();
        let text = std::fs::read_to_string(&path)?;
        let (old, new) = (format!("egress_fence = {}", !on), format!("egress_fence = {on}"));
        ensure!(text.contains(&old), "{text}");
        Ok(std::fs::write(&path, text.replace(&old, &new))?)
    }

    /// The keeper of a host, by its own record.
    fn keeper(&self, host: u8) -> Result<Life> {
        let lives = clawmend_testkit::lab::lives_with_nonce(self.group.guard(host).nonce());
        let is_keeper = |life: &Life| {
            std::fs::read(format!("/proc/{}/cmdline", life.pid))
                .is_ok_and(|line| line.split(|byte| *byte == 0).nth(1) == Some(b"keeper"))
        };
        lives.into_iter().find(is_keeper).with_context(|| format!("host {host} has no keeper"))
    }

    fn table(&self, host: u8) -> Result<String> {
        let report = self.group.report(host)?;
        Ok(report["egress_fence"]["table"].as_str().with_context(|| report.to_string())?.to_owned())
    }

    /// What `nft` says on a host.
    fn nft(&self, host: u8, arguments: &[&str]) -> Result<String> {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let asked = self.group.network.within(host, move || Command::new("nft").args(arguments).output())??;
        ensure!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
        Ok(String::from_utf8(asked.stdout)?)
    }

    /// Its gateway runs, with its channels off, and nothing of it gets out.
    fn is_warm(&self, host: u8) -> Result<Life> {
        self.group.reports(host, "a node to be warm", |report| {
            report["role"] == json!("candidate")
                && report["warm"] == json!(true)
                && report["egress_fence"]["state"] == json!("shut")
        })?;
        self.group.gateway(host)
    }

    /// It owns, and its gateway gets out.
    fn is_open(&self, host: u8) -> Result<()> {
        let is = |report: &Value| report["role"] == json!("owner") && report["egress_fence"]["state"] == json!("open");
        self.group.reports(host, "an owner's fence to be open", is).map(drop)
    }

    /// How many packets of its gateway a host has dropped.
    fn dropped(&self, host: u8) -> Result<u64> {
        let table = self.nft(host, &["list", "table", "inet", &self.table(host)?])?;
        packets(&table)
    }
}

/// A gateway that runs mute does so behind a shut fence; the fence opens before its channel does. Owner's guard and gateway
/// are killed, and then it hands over.
#[test]
fn a_warm_gateway_waits_behind_its_fence() -> Result<()> {
    let plan = Plan { more: "egress_fence = true\nwarm = true", ..PLAN };
    let Some(mut fenced) = Fenced::prepared_as("a warm gateway behind a fence", plan)? else { return Ok(()) };
    fenced.begin()?;
    let mute = fenced.is_warm(BETA)?;
    let owner = fenced.group.gateway(ALPHA)?;
    let lost = Instant::now();
    fenced.group.alpha.kill()?;
    owner.signal(Signal::KILL)?;
    let took = fenced.group.polls(BETA, lost)?.began.duration_since(lost);
    let mark = fenced.group.ask();
    ensure!(fenced.group.answer(&mark)? == BETA);
    ensure!(fenced.group.gateway(BETA)? == mute, "the gateway was started anew");
    fenced.is_open(BETA)?;
    eprintln!("measured: guard and gateway killed; the warm one behind a fence polls {took:?} after that");

    fenced.group.alpha.start()?;
    let again = fenced.is_warm(ALPHA)?;
    let said = Instant::now();
    fenced.group.beta.order(&["standby", "handover", "--to", "alpha"])?;
    let took = fenced.group.polls(ALPHA, said)?.began.duration_since(said);
    let mark = fenced.group.ask();
    ensure!(fenced.group.answer(&mark)? == ALPHA);
    ensure!(fenced.group.gateway(ALPHA)? == again, "the gateway was started anew");
    fenced.is_open(ALPHA)?;
    fenced.is_warm(BETA)?;
    eprintln!("measured: handed over, the other one behind a fence polls {took:?} after the order (warm)");
    fenced.group.never_two()
}

fn packets(table: &str) -> Result<u64> {
    let counted = table.split("counter packets ").nth(1).and_then(|rest| rest.split(' ').next());
    Ok(counted.with_context(|| table.to_owned())?.parse()?)
}

/// Guard and keeper of the owner are frozen, and its gateway runs on: nothing of it reaches the Bot API after the lease's
/// end, and the other node owns. When both go on, the old gateway is ended. Before that: a guard that is followed by
/// another neither opens it nor cuts the gateway off, one that ends without a gateway takes it away, and one whose rules
/// somebody has flushed builds them anew.
#[test]
fn a_gateway_whose_guard_and_keeper_are_frozen_is_shut_off() -> Result<()> {
    let Some(mut fenced) = Fenced::prepared("guard and keeper are frozen")? else { return Ok(()) };
    fenced.begin()?;
    let owner = fenced.group.gateway(ALPHA)?;
    let keeper = fenced.keeper(ALPHA)?;
    ensure!(owner.parent() == Some(keeper.pid), "the gateway's parent is its keeper");
    let open = |report: &Value| report["egress_fence"]["state"] == json!("open");
    fenced.group.reports(ALPHA, "alpha's fence to be open", open)?;
    ensure!(fenced.group.report(BETA)?["egress_fence"]["state"] == json!("shut"));
    ensure!(fenced.dropped(ALPHA)? == 0, "a gateway that may speak was cut off");
    guards_come_and_go(&mut fenced, owner)?;
    rules_are_flushed(&fenced, owner)?;

    let table = fenced.table(ALPHA)?;
    let guard = fenced.group.alpha.life()?;
    let frozen = Instant::now();
    guard.signal(Signal::STOP)?;
    keeper.signal(Signal::STOP)?;
    // The last renewal was asked for before: no view of the lease goes beyond this.
    let over = frozen + LEASE;
    until_some("the lease's end", BOUND, || Ok((Instant::now() > over).then_some(())))?;
    let (polls, sent) = (fenced.group.count(ALPHA), fenced.group.bot.sent().len());
    // Its request for updates may still wait there, so it hears this, and would answer it by asking on.
    fenced.group.bot.say("are you there?");
    until_some("the next owner's first request", BOUND, || {
        let asked = fenced.group.count(BETA) > 0;
        ensure!(asked || fenced.group.bot.sent().len() == sent, "something was sent by nobody's leave");
        Ok(asked.then_some(()))
    })?;
    let next = fenced.group.polls(BETA, frozen)?;
    ensure!(next.began > over, "the next owner began {:?} before the lease's end", over - next.began);
    fenced.group.reports(BETA, "beta to own", |report| report["role"] == json!("owner"))?;
    hold("the old owner to be mute", Duration::from_secs(15), || {
        Ok(fenced.group.count(ALPHA) == polls && owner.alive() && guard.state() == Some('T'))
    })?;
    let listed = fenced.nft(ALPHA, &["list", "table", "inet", &table])?;
    let dropped = packets(&listed)?;
    ensure!(dropped > 0, "it did not try, so nothing was shown: {listed}");
    let last = last_of(&fenced, ALPHA)?;
    eprintln!(
        "measured: guard and keeper frozen for {:?}; the last request of the old owner came {:?} after that, the next owner's \
         first {:?}; {dropped} packets of the old gateway were dropped",
        frozen.elapsed(),
        last.saturating_duration_since(frozen),
        next.began - frozen
    );

    let thawed = Instant::now();
    guard.signal(Signal::CONT)?;
    keeper.signal(Signal::CONT)?;
    let dead = owner.ended(BOUND)?;
    eprintln!("measured: the old gateway is dead {:?} after both went on", dead - thawed);
    fenced.group.reports(ALPHA, "alpha to see the owner", |report| report["owner"] == json!("beta"))?;
    hold("the old owner to stay out", Duration::from_secs(10), || Ok(fenced.group.count(ALPHA) == polls))?;
    ensure!(fenced.group.report(ALPHA)?["egress_fence"]["state"] == json!("shut"));
    ensure!(fenced.group.report(BETA)?["role"] == json!("owner"), "the next owner took fright");
    one_after_the_other(&fenced, over)?;

    let said = Instant::now();
    fenced.group.beta.order(&["standby", "handover", "--to", "alpha"])?;
    let back = fenced.group.polls(ALPHA, said)?;
    let last = last_of(&fenced, BETA)?;
    ensure!(last < back.began && fenced.group.gateway(BETA).is_err(), "both at once");
    fenced.group.reports(ALPHA, "alpha's fence to be open again", open)?;
    Ok(())
}

fn last_of(fenced: &Fenced, host: u8) -> Result<Instant> {
    let from = std::net::IpAddr::from(fenced.group.network.address(host));
    let polls = fenced.group.bot.polls();
    let last = polls.iter().filter(|poll| poll.from == from).map(|poll| poll.began).max();
    last.context("it never polled")
}

/// Every request of the one came before this moment, every one of the other after it; only what still waited was ended.
fn one_after_the_other(fenced: &Fenced, over: Instant) -> Result<()> {
    let alpha = std::net::IpAddr::from(fenced.group.network.address(ALPHA));
    for poll in fenced.group.bot.polls() {
        let fine = if poll.from == alpha { poll.began < over } else { poll.began > over && !poll.conflict };
        ensure!(fine, "{poll:?}");
    }
    Ok(())
}

fn guards_come_and_go(fenced: &mut Fenced, owner: Life) -> Result<()> {
    let (mine, theirs) = (fenced.table(ALPHA)?, fenced.table(BETA)?);
    fenced.group.beta.terminate()?;
    let left = fenced.nft(BETA, &["list", "tables"])?;
    ensure!(!left.contains(&theirs), "a guard that ends without a gateway leaves nothing: {left}");
    fenced.group.beta.start()?;
    fenced.group.reports(BETA, "beta to see the owner", |report| report["owner"] == json!("alpha"))?;
    ensure!(fenced.nft(BETA, &["list", "tables"])?.contains(&theirs));

    fenced.group.alpha.terminate()?;
    let between = fenced.nft(ALPHA, &["list", "table", "inet", &mine])?;
    ensure!(between.contains("expires") && packets(&between)? == 0, "{between}");
    fenced.group.alpha.start()?;
    fenced.group.reports(ALPHA, "alpha to own as before", |report| {
        report["role"] == json!("owner") && report["egress_fence"]["state"] == json!("open")
    })?;
    ensure!(owner.alive() && fenced.dropped(ALPHA)? == 0, "a new guard cut the gateway off");
    Ok(())
}

fn rules_are_flushed(fenced: &Fenced, owner: Life) -> Result<()> {
    let table = fenced.table(ALPHA)?;
    fenced.nft(ALPHA, &["flush", "ruleset"])?;
    let built = || Ok(fenced.nft(ALPHA, &["list", "table", "inet", &table]).ok().filter(|all| all.contains("expires")));
    until_some("the rules to be built anew", BOUND, built)?;
    ensure!(owner.alive(), "a firewall that was loaded anew ended the gateway");
    Ok(())
}

/// `nft` does not work any more on the owner's host: the gateway is ended before its lease is over, it is said why, and
/// the other node goes on.
#[test]
fn a_fence_that_cannot_be_renewed_ends_its_gateway() -> Result<()> {
    let Some(mut fenced) = Fenced::prepared("a fence that cannot be renewed")? else { return Ok(()) };
    let bin = tempfile::tempdir()?;
    let broken = bin.path().join("broken");
    let text = format!(
        "#!/bin/sh\n[ -e '{}' ] && {{ echo 'netlink: no buffer space' >&2; exit 1; }}\nPATH=/usr/sbin:/sbin exec nft \"$@\"\n",
        broken.display()
    );
    let nft = bin.path().join("nft");
    std::fs::write(&nft, text)?;
    std::fs::set_permissions(&nft, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let path = fenced.group.alpha.permit().cache.path_variable();
    fenced.group.alpha.set_variable("PATH", &format!("{}:{}", bin.path().display(), path));
    fenced.begin()?;
    let owner = fenced.group.gateway(ALPHA)?;
    let began = Instant::now();
    std::fs::write(&broken, "")?;
    let dead = owner.ended(BOUND)?;
    ensure!(dead - began <= LEASE, "it ran on for {:?}", dead - began);
    let next = fenced.group.polls(BETA, began)?;
    ensure!(dead < next.began);
    let report = fenced.group.reports(ALPHA, "alpha to see the owner", |report| report["owner"] == json!("beta"))?;
    let why = report["egress_fence"]["problem"].as_str().unwrap_or_default();
    ensure!(why.contains("no buffer space"), "{report}");
    eprintln!("measured: a renewal that failed; the gateway is dead after {:?}", dead - began);
    fenced.group.never_two()
}

/// A gateway that was started before there was a fence is outside of it: the guard that raises it ends that gateway, and
/// the lease goes to another node. A guard that wants none any more takes it away, and the gateway goes on.
#[test]
fn a_gateway_from_before_the_fence_is_not_left_to_run() -> Result<()> {
    let Some(mut fenced) = Fenced::prepared("a gateway from before the fence")? else { return Ok(()) };
    fenced.set(ALPHA, false)?;
    fenced.begin()?;
    ensure!(fenced.group.report(ALPHA)?["egress_fence"].is_null() && fenced.table(BETA).is_ok());
    let outside = fenced.group.gateway(ALPHA)?;
    fenced.group.alpha.terminate()?;
    fenced.set(ALPHA, true)?;
    let began = Instant::now();
    fenced.group.alpha.start()?;
    let dead = outside.ended(BOUND)?;
    let next = fenced.group.polls(BETA, began)?;
    ensure!(dead < next.began);
    let report = fenced.group.reports(ALPHA, "alpha to see the owner", |report| report["owner"] == json!("beta"))?;
    fenced.note_room(ALPHA)?;
    let why = report["egress_fence"]["problem"].as_str().unwrap_or_default();
    ensure!(why.contains("outside of it"), "{report}");
    fenced.group.never_two()?;

    let table = fenced.table(BETA)?;
    let inside = fenced.group.gateway(BETA)?;
    fenced.group.beta.terminate()?;
    fenced.set(BETA, false)?;
    fenced.group.beta.start()?;
    fenced.group.reports(BETA, "beta to own as before", |report| {
        report["role"] == json!("owner") && report["egress_fence"].is_null()
    })?;
    ensure!(!fenced.nft(BETA, &["list", "tables"])?.contains(&table), "what nobody wants stands");
    let since = Instant::now();
    fenced.group.polls(BETA, since)?;
    ensure!(inside.alive());
    fenced.group.never_two()
}
