//! Two hosts, as people set them up, each with a bot of its own whose model answers whatever people write; and a machine
//! beyond both with the repository of the workspace.

pub mod hub;
pub mod judge;
#[path = "../scene/mod.rs"]
pub mod scene;

use anyhow::{Context, Result, ensure};
use clawmend_testkit::canary::{self, Canary, bot_token};
use clawmend_testkit::lab::{
    Guard, Home, HomeOptions, Life, MockModel, MockTelegram, Network, Permit, SmallDisk, TELEGRAM, hold, lab,
    lives_with_nonce, skipped, until_some,
};
use hub::Hub;
use scene::letters::{Letters, is_step};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::io::Write as _;
use std::time::{Duration, Instant};

const CLAWMEND: &str = env!("CARGO_BIN_EXE_clawmend");
/// Generous: the machine may be busy, a takeover boots a gateway, and an orderly end of one may take 330 s.
pub const BOUND: Duration = Duration::from_secs(400);
pub const PRIMARY: u8 = 1;
pub const STANDBY: u8 = 2;
pub const PORT: u16 = 18_790;
pub const BOTS: u16 = 8_080;
pub const MODEL_PORT: u16 = 8_084;
/// Of the standby's disk, where it has one of its own. Larger than what the guard calls nearly full (200 MiB).
const DISK_MIB: u32 = 512;

/// For people.
pub const fn name(host: u8) -> &'static str {
    if host == PRIMARY { "primary" } else { "standby" }
}

/// How a pair is set up.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// Arguments of `standby init`; `--warm` is for the standby alone.
    pub init: &'a [&'a str],
    /// The standby's secrets are kept on the hub.
    pub secrets: bool,
    /// The standby has a small disk of its own.
    pub small_disk: bool,
}

impl Plan<'_> {
    /// A pair on a good network, whose standby is cold.
    pub const FAST: Plan<'static> = Plan { init: &["--fast"], secrets: false, small_disk: false };
}

/// Two hosts and what is between them.
pub struct Pair {
    /// With [`Plan::small_disk`]. It goes before the folders that it lies over.
    pub disk: Option<SmallDisk>,
    // The guards end before their network goes.
    pub primary: Guard,
    pub standby: Guard,
    pub primary_bot: MockTelegram,
    pub standby_bot: MockTelegram,
    pub hub: Hub,
    pub model: MockModel,
    /// Takes the letters of each to people, on its own host.
    people: [Letters; 2],
    /// All messages: to whose bot, and their marks.
    asked: RefCell<Vec<(u8, String)>>,
    begun: Instant,
    pub network: Network,
    _folder: tempfile::TempDir,
}

impl Pair {
    /// Both guards run; the primary's gateway is healthy, and the standby's is off.
    pub fn start(name: &str) -> Result<Option<Self>> {
        Self::start_as(name, Plan::FAST)
    }

    /// The same with other arguments of `standby init`; `--warm` is for the standby alone.
    pub fn start_with(name: &str, init: &[&str]) -> Result<Option<Self>> {
        Self::start_as(name, Plan { init, ..Plan::FAST })
    }

    /// The same as planned.
    pub fn start_as(name: &str, plan: Plan) -> Result<Option<Self>> {
        let Some(permit) = lab(name)? else { return Ok(None) };
        let prepared = Self::prepared(&permit, plan)?;
        let Some(mut pair) = prepared.map_err(|reason| skipped(name, &reason)).ok() else { return Ok(None) };
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

    fn prepared(permit: &Permit, plan: Plan) -> Result<Result<Self, clawmend_testkit::lab::Unavailable>> {
        let network = match Network::start(2)? {
            Ok(network) => network,
            Err(reason) => return Ok(Err(reason)),
        };
        let folder = tempfile::tempdir()?;
        let hub = match Hub::start(&network, folder.path())? {
            Ok(hub) => hub,
            Err(reason) => return Ok(Err(reason)),
        };
        let bot = |host: u8| MockTelegram::strict_on(network.listen(0, BOTS + u16::from(host))?);
        let (primary_bot, standby_bot) = (bot(PRIMARY)?, bot(STANDBY)?);
        let model = MockModel::on(network.listen(0, MODEL_PORT)?)?;
        let (primary, standby) =
            (node(permit, &network, folder.path(), PRIMARY)?, node(permit, &network, folder.path(), STANDBY)?);
        let disk = match plan.small_disk.then(|| small_disk(&standby)).transpose()? {
            Some(Err(reason)) => return Ok(Err(reason)),
            Some(Ok(disk)) => Some(disk),
            None => None,
        };
        let people = [Letters::of(&primary, &network, PRIMARY)?, Letters::of(&standby, &network, STANDBY)?];
        let (asked, begun) = (RefCell::default(), Instant::now());
        let mut pair = Self {
            disk,
            primary,
            standby,
            primary_bot,
            standby_bot,
            hub,
            model,
            people,
            asked,
            begun,
            network,
            _folder: folder,
        };
        pair.set_up(plan)?;
        Ok(Ok(pair))
    }

    /// As a person does it: with `standby init` on both.
    fn set_up(&mut self, plan: Plan) -> Result<()> {
        let address = format!("{}:{PORT}", self.network.address(PRIMARY));
        let init = |side, word| vec!["standby", "init", "--side", side, word, address.as_str()];
        let for_both = plan.init.iter().copied().filter(|word| *word != "--warm").collect();
        self.primary.order(&[init("primary", "--listen"), for_both].concat())?;
        self.standby.order(&[&init("standby", "--peer")[..], plan.init].concat())?;
        // Beyond both: the hub, as a machine of the internet would be.
        let bot = BOTS + u16::from(STANDBY);
        self.set_on_standby(&format!("reference = \"{}:{bot}\"\n", self.network.address(0)))?;
        let remote = format!("[standby.workspace]\nremote = \"{}\"\npush_every_ms = 3600000\n", self.hub.remote());
        set(&self.primary, &remote)?;
        self.set_on_standby(&remote)?;
        if plan.secrets {
            self.set_on_standby(&self.hub.secrets(&self.secrets_folder())?)?;
        }
        let programs = self.hub.programs();
        for guard in [&mut self.primary, &mut self.standby] {
            let path = format!("{}:{}", programs.display(), guard.permit().cache.path_variable());
            guard.set_variable("PATH", &path);
        }
        Ok(())
    }

    /// More settings of the standby; its next guard goes by them.
    pub fn set_on_standby(&self, lines: &str) -> Result<()> {
        set(&self.standby, lines)
    }

    /// Where the standby's secrets go, with [`Plan::secrets`].
    pub fn secrets_folder(&self) -> std::path::PathBuf {
        self.standby.home.path().join("secrets")
    }

    /// The standby's letters on the pair that arrived, in order.
    pub fn letters(&self) -> Vec<Value> {
        self.people[1].about("/pair-")
    }

    /// The same of the primary.
    pub fn primarys_letters(&self) -> Vec<Value> {
        self.people[0].about("/pair-")
    }

    /// How many of the standby's letters are of a step.
    pub fn letters_of(&self, step: &str) -> usize {
        self.letters().iter().filter(|letter| is_step(letter, step)).count()
    }

    /// Waits for the standby's letter of a step, and gives it.
    pub fn letter(&self, step: &str) -> Result<Value> {
        let first = || self.letters().into_iter().find(|letter| is_step(letter, step));
        let found = until_some(&format!("the letter {step}"), BOUND, || Ok(first()));
        Ok(found.with_context(|| format!("{:?}\n{}", self.letters(), self.standby.output_tail()))?.0)
    }

    /// A file as the repository between the two has it.
    pub fn pushed(&self, branch: &str, file: &str) -> Result<String> {
        self.hub.pushed(branch, file)
    }

    /// All that runs on the standby's host for it, in MiB.
    pub fn memory(&self) -> u64 {
        lives_with_nonce(self.standby.nonce()).iter().filter_map(Life::memory).sum::<u64>() / 1024 / 1024
    }

    pub fn report(&self) -> Result<Value> {
        report_of(&self.standby)
    }

    /// Waits until the standby's report is so.
    pub fn reports(&self, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
        reports(&self.standby, what, is)
    }

    pub fn role_is(&self, role: &str) -> Result<Value> {
        self.reports(&format!("the role {role}"), |report| report["role"] == json!(role))
    }

    pub fn armed(&self) -> Result<()> {
        self.reports("the pair to be armed", |report| report["armed"] == json!(true)).map(drop)
    }

    /// Nobody polls as the standby's bot for a while.
    pub fn stays_off(&self, what: &str, time: Duration) -> Result<()> {
        let before = self.standby_bot.calls("getUpdates");
        hold(what, time, || Ok(self.standby_bot.calls("getUpdates") == before))
    }
}

/// What `standby status` says on a host.
pub fn report_of(guard: &Guard) -> Result<Value> {
    guard.order(&["standby", "status", "--json"])?.json()
}

/// Waits until the report of a host is so. It is asked for a few times a second: each is a process of its own.
pub fn reports(guard: &Guard, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
    let mut last = Value::Null;
    let mut next = Instant::now();
    let found = until_some(what, BOUND, || {
        if Instant::now() < next {
            return Ok(None);
        }
        next = Instant::now() + Duration::from_millis(200);
        last = report_of(guard).unwrap_or_else(|error| json!(format!("{error:#}")));
        Ok(Some(last.clone()).filter(&is))
    });
    Ok(found.with_context(|| format!("{last}\n{}", guard.output_tail()))?.0)
}

pub fn node(permit: &Permit, network: &Network, folder: &std::path::Path, host: u8) -> Result<Guard> {
    let (hub, bot) = (network.address(0), BOTS + u16::from(host));
    let options = HomeOptions { telegram: Some(bot), model: Some(MODEL_PORT), ..HomeOptions::default() };
    let home = Home::new(options)?;
    home.edit_config(|config| {
        config["channels"]["telegram"]["apiRoot"] = json!(format!("http://{hub}:{bot}"));
        config["models"]["providers"]["mock"]["baseUrl"] = json!(format!("http://{hub}:{MODEL_PORT}/v1"));
        let token = Canary::random("the bot's token", Some(TELEGRAM), &bot_token(100_000_000 + u64::from(host)));
        config["channels"]["telegram"]["botToken"] = json!(canary::register(token));
        config["cron"] = json!({"enabled": false});
    })?;
    let mut guard = Guard::over_child(permit.share()?, CLAWMEND, home)?;
    guard.set_program(network.program_on(host, CLAWMEND, folder)?);
    Ok(guard)
}

/// OpenClaw's folder and the guard's lie on it.
fn small_disk(guard: &Guard) -> Result<Result<SmallDisk, clawmend_testkit::lab::Unavailable>> {
    let config = guard.home.read_config()?;
    let environment = guard.home.state_dir().join(".env");
    let variables = std::fs::read(&environment)?;
    let mut disk = match SmallDisk::over(&guard.home.state_dir(), DISK_MIB) {
        Ok(disk) => disk,
        Err(reason) => return Ok(Err(reason)),
    };
    disk.lend("guard", &guard.dirs.state())?;
    std::fs::write(environment, variables)?;
    guard.home.write_config(&config)?;
    Ok(Ok(disk))
}

pub fn set(guard: &Guard, lines: &str) -> Result<()> {
    let mut settings = std::fs::OpenOptions::new().append(true).open(guard.dirs.config())?;
    Ok(settings.write_all(lines.as_bytes())?)
}

/// The assistant's own files.
pub fn workspace(guard: &Guard) -> std::path::PathBuf {
    guard.home.state_dir().join("workspace")
}
