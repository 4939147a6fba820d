//! A primary and two standbys in a row, each with a guard, a real OpenClaw and a bot of its own: the second carries only
//! where the first does not. Judged by the record of the bots' services and by the repository of the workspace.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

#[allow(dead_code)]
#[path = "pair/mod.rs"]
mod pair;

use anyhow::{Context, Result, ensure};
use clawmend_testkit::lab::{Guard, MockModel, MockTelegram, Network, Permit, hold, lab, skipped, until, until_some};
use pair::hub::{Hub, write};
use pair::{BOTS, BOUND, MODEL_PORT, PORT};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The hosts, by their places in the row.
const PRIMARY: usize = 0;
const FIRST: usize = 1;
const SECOND: usize = 2;

/// The three, and what is between them.
struct Row {
    // The guards end before their network goes.
    guards: Vec<Guard>,
    bots: Vec<MockTelegram>,
    hub: Hub,
    _model: MockModel,
    network: Network,
    _folder: tempfile::TempDir,
}

/// The number of a host in the network.
const fn host(place: usize) -> u8 {
    [1, 2, 3][place]
}

impl Row {
    fn start(name: &str) -> Result<Option<Self>> {
        let Some(permit) = lab(name)? else { return Ok(None) };
        let network = match Network::start(3)? {
            Ok(network) => network,
            Err(reason) => {
                skipped(name, &reason);
                return Ok(None);
            }
        };
        let folder = tempfile::tempdir()?;
        let hub = match Hub::start(&network, folder.path())? {
            Ok(hub) => hub,
            Err(reason) => {
                skipped(name, &reason);
                return Ok(None);
            }
        };
        let mut row = Self::prepared(&permit, network, hub, folder)?;
        row.set_up()?;
        row.begin()?;
        Ok(Some(row))
    }

    fn prepared(permit: &Permit, network: Network, hub: Hub, folder: tempfile::TempDir) -> Result<Self> {
        let all = [PRIMARY, FIRST, SECOND].map(host);
        let bots: Result<_> =
            all.iter().map(|host| MockTelegram::strict_on(network.listen(0, BOTS + u16::from(*host))?)).collect();
        let guards: Result<_> = all.iter().map(|host| pair::node(permit, &network, folder.path(), *host)).collect();
        let model = MockModel::on(network.listen(0, MODEL_PORT)?)?;
        Ok(Self { guards: guards?, bots: bots?, hub, _model: model, network, _folder: folder })
    }

    /// As a person does it: with `standby init` on each.
    fn set_up(&mut self) -> Result<()> {
        let address = |place: usize| format!("{}:{PORT}", self.network.address(host(place)));
        let (primary, first) = (address(PRIMARY), address(FIRST));
        let standby = ["standby", "init", "--fast", "--side", "standby", "--peer", primary.as_str()];
        self.guards[PRIMARY].order(&["standby", "init", "--fast", "--side", "primary", "--listen", &primary])?;
        self.guards[FIRST].order(&[&standby[..], &["--listen", &first]].concat())?;
        self.guards[SECOND].order(&[&standby[..], &["--after", &first]].concat())?;
        let beyond = format!("reference = \"{}:{MODEL_PORT}\"\n", self.network.address(0));
        let remote = format!("[standby.workspace]\nremote = \"{}\"\npush_every_ms = 3600000\n", self.hub.remote());
        for place in [PRIMARY, FIRST, SECOND] {
            if place != PRIMARY {
                pair::set(&self.guards[place], &beyond)?;
            }
            pair::set(&self.guards[place], &remote)?;
            let guard = &mut self.guards[place];
            let path = format!("{}:{}", self.hub.programs().display(), guard.permit().cache.path_variable());
            guard.set_variable("PATH", &path);
        }
        Ok(())
    }

    /// All guards run, the key is with each, and both standbys would take over.
    fn begin(&mut self) -> Result<()> {
        self.guards[PRIMARY].start()?;
        self.guards[PRIMARY].verdict("healthy", BOUND)?;
        for place in [FIRST, SECOND] {
            let key = "pair.key";
            std::fs::create_dir_all(self.guards[place].dirs.state())?;
            std::fs::copy(self.guards[PRIMARY].dirs.state().join(key), self.guards[place].dirs.state().join(key))?;
            self.guards[place].start()?;
        }
        for place in [FIRST, SECOND] {
            self.reports(place, "its pair to be armed", |report| report["armed"] == json!(true))?;
        }
        Ok(())
    }

    fn report(&self, place: usize) -> Result<Value> {
        pair::report_of(&self.guards[place])
    }

    fn reports(&self, place: usize, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
        pair::reports(&self.guards[place], what, is).with_context(|| format!("at place {place}"))
    }

    fn role_is(&self, place: usize, role: &str) -> Result<Value> {
        self.reports(place, &format!("the role {role}"), |report| report["role"] == json!(role))
    }

    fn polls(&self, place: usize) -> usize {
        self.bots[place].calls("getUpdates")
    }

    /// Waits until a host's bot asks again, from now on.
    fn polls_again(&self, place: usize) -> Result<()> {
        let before = self.polls(place);
        let what = format!("the bot of place {place} to ask");
        let asked = until(&what, BOUND, || self.polls(place) > before);
        asked.with_context(|| format!("{:?}\n{}", self.report(place), self.guards[place].output_tail())).map(drop)
    }

    /// Nobody asks as this host's bot for a while.
    fn stays_off(&self, place: usize, time: Duration) -> Result<()> {
        let before = self.polls(place);
        hold(&format!("the bot of place {place} stays silent"), time, || Ok(self.polls(place) == before))
    }

    /// Waits until a file is in the repository, and gives the branches that have it.
    fn kept(&self, file: &str, text: &str) -> Result<Vec<String>> {
        let there = || Ok(Some(self.hub.branches_with(file, text)?).filter(|branches| !branches.is_empty()));
        Ok(until_some(&format!("{file} in the repository"), BOUND, there)?.0)
    }
}

/// The first carries for the primary, the second for both; each gives its place back, and what each wrote is kept. The two
/// have one host name, as two rented machines may have.
#[test]
fn the_second_standby_carries_only_where_the_first_does_not() -> Result<()> {
    let Some(row) = Row::start("a row of standbys")? else { return Ok(()) };
    let after = row.report(SECOND)?["after"][0].clone();
    ensure!(after["seen"].as_str().is_some_and(|seen| seen.contains("standing by")), "{after}");
    let ready = row.guards[SECOND].say(&["standby", "check"])?;
    ensure!(ready.code == 0 && ready.stdout.contains("The pair is ready."), "{ready:?}");

    let cut = Instant::now();
    row.network.cut(host(PRIMARY))?;
    row.polls_again(FIRST)?;
    eprintln!("measured: the first polls {:?} after the primary was cut off (cold)", cut.elapsed());
    row.role_is(FIRST, "active")?;
    row.stays_off(SECOND, Duration::from_secs(10))?;
    let waits = row.report(SECOND)?;
    ensure!(waits["role"] == json!("watching") && row.polls(SECOND) == 0, "{waits}");
    ensure!(waits["waits"].is_string(), "{waits}");
    write(&row.guards[FIRST], "FIRST.md", "written by the first")?;

    let cut = Instant::now();
    row.network.cut(host(FIRST))?;
    row.polls_again(SECOND)?;
    eprintln!("measured: the second polls {:?} after the first was cut off as well (cold)", cut.elapsed());
    row.role_is(SECOND, "active")?;
    write(&row.guards[SECOND], "SECOND.md", "written by the second")?;

    row.network.mend(host(FIRST))?;
    let stepped = row.role_is(SECOND, "watching")?;
    ensure!(stepped["last_change"]["reason"]["senior_well"].is_object(), "{stepped}");
    row.polls_again(FIRST)?;
    row.stays_off(SECOND, Duration::from_secs(5))?;

    row.network.mend(host(PRIMARY))?;
    let stepped = row.role_is(FIRST, "watching")?;
    ensure!(stepped["last_change"]["reason"]["primary_well"].is_object(), "{stepped}");
    row.polls_again(PRIMARY)?;
    row.stays_off(FIRST, Duration::from_secs(5))?;
    let first = row.kept("FIRST.md", "written by the first")?;
    let second = row.kept("SECOND.md", "written by the second")?;
    eprintln!("measured: kept on {first:?} and {second:?}");
    let apart = first.iter().all(|branch| !second.contains(branch));
    ensure!(apart && !first.contains(&"main".to_owned()) && !second.contains(&"main".to_owned()));
    Ok(())
}

/// Both machines are lost at once: the second does not wait for the first's turn.
#[test]
fn the_second_standby_carries_when_both_before_it_are_lost() -> Result<()> {
    let Some(row) = Row::start("a row that is lost")? else { return Ok(()) };
    let cut = Instant::now();
    row.network.cut(host(PRIMARY))?;
    row.network.cut(host(FIRST))?;
    row.polls_again(SECOND)?;
    eprintln!("measured: the second polls {:?} after both were cut off (cold)", cut.elapsed());
    row.role_is(SECOND, "active")?;
    // The first is cut off from everything: it doubts itself.
    let first = row.report(FIRST)?;
    ensure!(first["role"] == json!("watching") && row.polls(FIRST) == 0, "{first}");
    row.network.mend(host(FIRST))?;
    row.role_is(FIRST, "active")?;
    row.role_is(SECOND, "watching")?;
    row.network.mend(host(PRIMARY))?;
    row.role_is(FIRST, "watching")?;
    row.polls_again(PRIMARY)
}
