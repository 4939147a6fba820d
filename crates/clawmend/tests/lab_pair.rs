//! Two hosts in network namespaces, each with a guard and a real OpenClaw, a channel each, and a Bot API between them.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use anyhow::{Context, Result, ensure};
use clawmend_testkit::lab::{Guard, Home, HomeOptions, MockTelegram, Network, hold, lab, skipped, until, until_some};
use serde_json::{Value, json};
use std::io::Write as _;
use std::time::{Duration, Instant};

const CLAWMEND: &str = env!("CARGO_BIN_EXE_clawmend");
/// Generous: the machine may be busy, and a takeover boots a gateway.
const BOUND: Duration = Duration::from_secs(240);
const PRIMARY: u8 = 1;
const STANDBY: u8 = 2;
const PORT: u16 = 18_790;

struct Pair {
    // The guards end before their network goes.
    primary: Guard,
    standby: Guard,
    primary_bot: MockTelegram,
    standby_bot: MockTelegram,
    network: Network,
    folder: tempfile::TempDir,
}

impl Pair {
    /// Both guards run; the primary's gateway is healthy, and the standby's is off.
    fn start(name: &str) -> Result<Option<Self>> {
        let Some(permit) = lab(name)? else { return Ok(None) };
        let network = match Network::start(2)? {
            Ok(network) => network,
            Err(reason) => {
                skipped(name, &reason);
                return Ok(None);
            }
        };
        let folder = tempfile::tempdir()?;
        let primary_bot = MockTelegram::on(network.listen(0, 8_081)?)?;
        let standby_bot = MockTelegram::on(network.listen(0, 8_082)?)?;
        let guard = |host: u8, bot: u16| -> Result<Guard> {
            let home = Home::new(HomeOptions { telegram: Some(bot), ..HomeOptions::default() })?;
            home.edit_config(|config| {
                config["channels"]["telegram"]["apiRoot"] = json!(format!("http://{}:{bot}", network.address(0)));
                let token = format!("10000000{host}:LAB-mock-token-of-a-lab-000000000{host}");
                config["channels"]["telegram"]["botToken"] = json!(token);
                config["cron"] = json!({"enabled": false});
            })?;
            let mut guard = Guard::over_child(permit.share()?, CLAWMEND, home)?;
            guard.set_program(network.program_on(host, CLAWMEND, folder.path())?);
            Ok(guard)
        };
        let (primary, standby) = (guard(PRIMARY, 8_081)?, guard(STANDBY, 8_082)?);
        let mut pair = Self { primary, standby, primary_bot, standby_bot, network, folder };
        pair.set_up()?;
        pair.primary.start()?;
        pair.primary.verdict("healthy", BOUND)?;
        pair.standby.start()?;
        // The key comes after the guard has begun: it is waited for.
        pair.reports("the missing key to be named", |report| {
            report["problem"].as_str().is_some_and(|problem| problem.contains("pair.key is not there"))
        })?;
        ensure!(pair.standby.say(&["standby", "promote"])?.stderr.contains("no part of its pair yet"));
        std::fs::copy(pair.primary.dirs.state().join("pair.key"), pair.standby.dirs.state().join("pair.key"))?;
        Ok(Some(pair))
    }

    /// As a person does it: with `standby init` on both.
    fn set_up(&self) -> Result<()> {
        let address = format!("{}:{PORT}", self.network.address(PRIMARY));
        self.primary.order(&["standby", "init", "--side", "primary", "--listen", &address, "--fast"])?;
        self.standby.order(&["standby", "init", "--side", "standby", "--peer", &address, "--fast"])?;
        // Beyond both: the hub, as a machine of the internet would be.
        let mut settings = std::fs::OpenOptions::new().append(true).open(self.standby.dirs.config())?;
        writeln!(settings, "reference = \"{}:8082\"", self.network.address(0))?;
        let remote = self.folder.path().join("workspace.git");
        let made = std::process::Command::new("git").args(["init", "--quiet", "--bare"]).arg(&remote).status()?;
        ensure!(made.success(), "git init: {made}");
        for guard in [&self.primary, &self.standby] {
            let mut settings = std::fs::OpenOptions::new().append(true).open(guard.dirs.config())?;
            writeln!(settings, "[standby.workspace]\nremote = \"{}\"\npush_every_ms = 10000", remote.display())?;
        }
        Ok(())
    }

    /// A file as the repository between the two has it.
    fn pushed(&self, branch: &str, file: &str) -> Result<String> {
        let remote = self.folder.path().join("workspace.git");
        let shown = std::process::Command::new("git")
            .arg("--git-dir")
            .arg(remote)
            .args(["show", &format!("{branch}:{file}")])
            .output()?;
        ensure!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
        Ok(String::from_utf8(shown.stdout)?)
    }

    fn report(&self) -> Result<Value> {
        self.standby.order(&["standby", "status", "--json"])?.json()
    }

    /// Waits until the standby's report is so.
    fn reports(&self, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
        let mut last = Value::Null;
        let mut next = Instant::now();
        let found = until_some(what, BOUND, || {
            if Instant::now() < next {
                return Ok(None);
            }
            next = Instant::now() + Duration::from_millis(200);
            last = self.report().unwrap_or_else(|error| json!(format!("{error:#}")));
            Ok(Some(last.clone()).filter(&is))
        });
        Ok(found.with_context(|| format!("{last}\n{}", self.standby.output_tail()))?.0)
    }

    fn role_is(&self, role: &str) -> Result<Value> {
        self.reports(&format!("the role {role}"), |report| report["role"] == json!(role))
    }

    fn armed(&self) -> Result<()> {
        self.reports("the pair to be armed", |report| report["armed"] == json!(true)).map(drop)
    }

    /// Nobody polls as the standby's bot for a while.
    fn stays_off(&self, what: &str, time: Duration) -> Result<()> {
        let before = self.standby_bot.calls("getUpdates");
        hold(what, time, || Ok(self.standby_bot.calls("getUpdates") == before))
    }
}

fn workspace(guard: &Guard) -> std::path::PathBuf {
    guard.home.state_dir().join("workspace")
}

/// A host that is cut off is replaced, and gets its place back. The workspace goes with it.
#[test]
fn a_lost_host_is_replaced_and_comes_back() -> Result<()> {
    let Some(pair) = Pair::start("a lost host")? else { return Ok(()) };
    pair.armed()?;
    ensure!(pair.standby.gateway().is_err(), "the standby's gateway runs");
    ensure!(pair.standby_bot.calls("getUpdates") == 0, "the standby polls");
    let ready = pair.standby.say(&["standby", "check"])?;
    ensure!(ready.code == 0 && ready.stdout.contains("The pair is ready."), "{ready:?}");

    let memory = "what the assistant remembers";
    std::fs::create_dir_all(workspace(&pair.primary))?;
    std::fs::write(workspace(&pair.primary).join("MEMORY.md"), memory)?;
    until("the workspace to be pushed", BOUND, || pair.pushed("main", "MEMORY.md").is_ok_and(|text| text == memory))?;

    let cut = Instant::now();
    pair.network.cut(PRIMARY)?;
    let begun = pair.reports("the takeover to begin", |report| report["role"] != json!("watching"))?;
    let decided = cut.elapsed();
    ensure!(begun["role"] == json!("promoting") || begun["role"] == json!("active"), "{begun}");
    until("the standby's bot to poll", BOUND, || pair.standby_bot.calls("getUpdates") > 0)?;
    let polling = cut.elapsed();
    let active = pair.role_is("active")?;
    ensure!(active["last_change"]["worked"] == json!(true), "{active}");
    ensure!(active["last_change"]["reason"] == json!({"silent": {"misses": 3}}), "{active}");
    eprintln!(
        "measured: takeover decided {decided:?} after the cable was pulled, the standby's bot polls after {polling:?} (cold)"
    );

    ensure!(std::fs::read_to_string(workspace(&pair.standby).join("MEMORY.md"))? == memory, "{active}");
    std::fs::write(workspace(&pair.standby).join("NOTE.md"), "written while the primary was lost")?;

    pair.network.mend(PRIMARY)?;
    let back = Instant::now();
    let stepped = pair.role_is("watching")?;
    ensure!(stepped["last_change"]["to"] == json!("watching"), "{stepped}");
    ensure!(pair.standby.gateway().is_err(), "the standby's gateway still runs");
    eprintln!("measured: it stepped back {:?} after the cable was back (30 s of steadiness)", back.elapsed());
    let gave = &stepped["last_change"]["steps"][1];
    let branch = gave["detail"].as_str().and_then(|text| text.split(' ').find(|word| word.starts_with("clawmend/")));
    let branch = branch.with_context(|| gave.to_string())?.trim_end_matches(';').to_owned();
    ensure!(pair.pushed(&branch, "NOTE.md")? == "written while the primary was lost", "{gave}");
    ensure!(pair.pushed("main", "NOTE.md").is_err(), "the standby wrote the main branch");
    pair.stays_off("the standby's bot to stay silent", Duration::from_secs(5))?;
    ensure!(pair.primary_bot.calls("getUpdates") > 0, "the primary's bot never polled");
    Ok(())
}

/// What is not the primary's loss does not promote: its gateway crashes under its guard, the standby is cut off itself,
/// and one account is on both.
#[test]
fn what_is_no_loss_of_the_primary_does_not_promote() -> Result<()> {
    let Some(pair) = Pair::start("no loss of the primary")? else { return Ok(()) };
    pair.armed()?;

    pair.primary.gateway()?.signal(rustix::process::Signal::KILL)?;
    pair.reports("the repair to be seen", |report| report["sight"] == json!("its guard says: starting"))?;
    pair.reports("the primary to be well again", |report| report["sight"] == json!("its guard says: healthy"))?;

    pair.network.cut(STANDBY)?;
    let sight = |report: &Value| report["sight"].as_str().unwrap_or_default().to_owned();
    pair.reports("the standby to doubt itself", |report| sight(report).contains("this node reaches nobody else"))?;
    pair.stays_off("a standby that is cut off", Duration::from_secs(10))?;
    pair.network.mend(STANDBY)?;
    pair.reports("the primary to be seen again", |report| sight(report) == "its guard says: healthy")?;
    ensure!(pair.report()?["role"] == json!("watching"));

    let token = pair.primary.home.read_config()?["channels"]["telegram"]["botToken"].clone();
    pair.standby.home.edit_config(|config| config["channels"]["telegram"]["botToken"] = token.clone())?;
    let doubled = pair.reports("the doubled account", |report| report["armed"] == json!(false))?;
    let why = doubled["not_armed_because"].as_str().unwrap_or_default();
    ensure!(why.contains("telegram") && !why.contains("LAB-mock-token"), "{why}");
    let refused = pair.standby.say(&["standby", "promote"])?;
    ensure!(refused.code != 0 && refused.stderr.contains("telegram"), "{refused:?}");
    pair.network.cut(PRIMARY)?;
    pair.reports("the loss", |report| {
        sight(report).contains("does not answer") || sight(report).contains("nothing came")
    })?;
    pair.stays_off("a pair with a doubled account", Duration::from_secs(10))?;
    ensure!(pair.report()?["role"] == json!("watching"));
    Ok(())
}

/// A guard that dies while its host carries on, and while it takes over, goes on where it was; a person's word stays.
#[test]
fn a_standby_that_dies_goes_on_and_a_persons_word_stays() -> Result<()> {
    let Some(mut pair) = Pair::start("a standby that dies")? else { return Ok(()) };
    pair.armed()?;
    pair.network.cut(PRIMARY)?;
    pair.reports("the takeover to begin", |report| report["role"] != json!("watching"))?;
    pair.standby.kill()?;
    pair.standby.start()?;
    let active = pair.role_is("active")?;
    let life = pair.standby.gateway()?;
    ensure!(active["last_change"]["worked"] == json!(true), "{active}");

    pair.standby.kill()?;
    pair.standby.start()?;
    pair.role_is("active")?;
    ensure!(pair.standby.gateway()? == life, "the gateway was replaced with its guard");

    pair.standby.order(&["standby", "hold"])?;
    pair.network.mend(PRIMARY)?;
    let well = pair.reports("the primary to be seen", |report| report["sight"] == json!("its guard says: healthy"))?;
    ensure!(well["held"] == json!(true), "{well}");
    hold("a held standby", Duration::from_secs(40), || Ok(pair.standby.gateway().is_ok_and(|now| now == life)))?;
    pair.standby.order(&["standby", "demote"])?;
    pair.role_is("watching")?;
    ensure!(pair.standby.gateway().is_err(), "it still runs");
    pair.network.cut(PRIMARY)?;
    pair.stays_off("a node that a person has demoted", Duration::from_secs(10))?;
    pair.standby.order(&["standby", "release"])?;
    pair.role_is("active")?;
    Ok(())
}
