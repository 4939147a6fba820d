//! Two hosts that share one bot, and a real etcd on a third one. The bot's model answers whatever people write.

pub mod etcd;
pub mod judge;
pub mod machine;
pub mod road;
#[path = "../scene/mod.rs"]
pub mod scene;
pub mod stranger;

use anyhow::{Context, Result, bail};
use clawmend_testkit::lab::{
    Guard, Home, HomeOptions, Life, MockModel, MockTelegram, Network, Permit, Poll, lab, skipped, until_some,
};
use etcd::{Etcd, STORE_PORT};
use machine::Hook;
use road::Road;
use scene::letters::{Letters, is_step};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const CLAWMEND: &str = env!("CARGO_BIN_EXE_clawmend");
/// Generous: the machine may be busy, and a takeover boots a gateway.
pub const BOUND: Duration = Duration::from_secs(240);
pub const ALPHA: u8 = 1;
pub const BETA: u8 = 2;
pub const STORE: u8 = 3;
const BOT_PORT: u16 = 8_081;
const MODEL_PORT: u16 = 8_082;
/// `Figures::steady`, which the settings of these labs leave as they are unless they say so.
pub const LEASE: Duration = Duration::from_secs(15);
/// `Figures::fast`.
pub const FAST_LEASE: Duration = Duration::from_secs(5);

/// How a group is set up.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What is done about machines that may be paused. With `external_fence` each node has a hook.
    pub paused: &'static str,
    /// `steady` or `fast`.
    pub timing: &'static str,
    /// Each node reaches the store by a [`Road`] of its own.
    pub roads: bool,
    /// More lines of `[shared]`.
    pub more: &'static str,
}

impl Plan {
    /// The steady figures, and a straight way to the store.
    pub const fn paused(paused: &'static str) -> Self {
        Self { paused, timing: "steady", roads: false, more: "" }
    }
}

/// Two hosts, and what is between them.
pub struct Group {
    // The guards end before their network goes.
    pub alpha: Guard,
    pub beta: Guard,
    pub bot: MockTelegram,
    pub store: Etcd,
    /// Of alpha and beta, with [`Plan::roads`].
    pub roads: Vec<Road>,
    pub hook: Hook,
    /// Takes the letters of alpha and beta to people.
    people: [Letters; 2],
    /// The marks of all messages.
    asked: RefCell<Vec<String>>,
    pub model: MockModel,
    pub network: Network,
    _folder: tempfile::TempDir,
}

impl Group {
    /// Both guards run; `alpha` owns, and `beta`'s gateway is off.
    pub fn start(name: &str, paused: &'static str) -> Result<Option<Self>> {
        Self::start_as(name, Plan::paused(paused))
    }

    /// The same with another plan.
    pub fn start_as(name: &str, plan: Plan) -> Result<Option<Self>> {
        let Some(mut group) = Self::prepared(name, plan)? else { return Ok(None) };
        group.begin()?;
        Ok(Some(group))
    }

    /// The same before the guards are started.
    pub fn prepared(name: &str, plan: Plan) -> Result<Option<Self>> {
        let Some(permit) = lab(name)? else { return Ok(None) };
        if Command::new("etcd").arg("--version").output().is_err() {
            skipped(name, &clawmend_testkit::lab::Unavailable("needs etcd: apt-get install etcd-server".into()));
            return Ok(None);
        }
        let network = match Network::start(3)? {
            Ok(network) => network,
            Err(reason) => {
                skipped(name, &reason);
                return Ok(None);
            }
        };
        let folder = tempfile::tempdir()?;
        let bot = MockTelegram::strict_on(network.listen(0, BOT_PORT)?)?;
        let model = MockModel::on(network.listen(0, MODEL_PORT)?)?;
        let store = Etcd::start(&network, folder.path())?;
        let mut roads = Vec::new();
        for host in [ALPHA, BETA].into_iter().filter(|_| plan.roads) {
            roads.push(Road::start(&network, road_port(host))?);
        }
        let hook = Hook::new(folder.path())?;
        let place = Place { network: &network, permit: &permit, folder: folder.path(), hook: &hook, plan };
        let (alpha, alphas_people) = place.node(ALPHA, "alpha")?;
        let (beta, betas_people) = place.node(BETA, "beta")?;
        let people = [alphas_people, betas_people];
        let asked = RefCell::default();
        Ok(Some(Self { alpha, beta, bot, store, roads, hook, people, asked, model, network, _folder: folder }))
    }

    /// Starts both guards, one after the other.
    pub fn begin(&mut self) -> Result<()> {
        self.alpha.start()?;
        self.reports(ALPHA, "alpha to own", |report| report["role"] == json!("owner"))?;
        self.polls(ALPHA, Instant::now())?;
        self.beta.start()?;
        self.reports(BETA, "beta to see the owner", |report| report["owner"] == json!("alpha"))?;
        Ok(())
    }

    /// The letters on the group that a node sent, in order.
    pub fn letters(&self, host: u8) -> Vec<Value> {
        self.people[usize::from(host - ALPHA)].about("/group-")
    }

    /// Waits for the letter of a step, and gives it.
    pub fn letter(&self, host: u8, step: &str) -> Result<Value> {
        let step = format!("{step}-");
        let what = format!("the letter {step}");
        let first = || self.letters(host).into_iter().find(|letter| is_step(letter, &step));
        let found = until_some(&what, BOUND, || Ok(first()));
        Ok(found.with_context(|| format!("{:?}\n{}", self.letters(host), self.guard(host).output_tail()))?.0)
    }

    pub const fn guard(&self, host: u8) -> &Guard {
        if host == ALPHA { &self.alpha } else { &self.beta }
    }

    pub fn report(&self, host: u8) -> Result<Value> {
        self.guard(host).order(&["standby", "status", "--json"])?.json()
    }

    /// Waits until a node's report is so.
    pub fn reports(&self, host: u8, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
        let mut last = Value::Null;
        let mut next = Instant::now();
        let found = until_some(what, BOUND, || {
            if Instant::now() < next {
                return Ok(None);
            }
            next = Instant::now() + Duration::from_millis(200);
            last = self.report(host).unwrap_or_else(|error| json!(format!("{error:#}")));
            Ok(Some(last.clone()).filter(&is))
        });
        Ok(found.with_context(|| format!("{last}\n{}", self.guard(host).output_tail()))?.0)
    }

    fn address(&self, host: u8) -> IpAddr {
        self.network.address(host).into()
    }

    /// The first request for updates of a host that came after `since`.
    pub fn polls(&self, host: u8, since: Instant) -> Result<Poll> {
        let from = self.address(host);
        let first = || self.bot.polls().into_iter().find(|poll| poll.from == from && poll.began >= since);
        let found = until_some("a request for updates", BOUND, || Ok(first()));
        Ok(found.with_context(|| self.guard(host).output_tail())?.0)
    }

    /// How many requests for updates of a host there were.
    pub fn count(&self, host: u8) -> usize {
        let from = self.address(host);
        self.bot.polls().iter().filter(|poll| poll.from == from).count()
    }

    /// The process of a host's gateway, found by the nonce.
    pub fn gateway(&self, host: u8) -> Result<Life> {
        match self.guard(host).gateways().as_slice() {
            [] => bail!("host {host} has no gateway"),
            [first, ..] => Ok(*first),
        }
    }

    /// Whether the channel is switched on in a host's config.
    pub fn switched_on(&self, host: u8) -> Result<bool> {
        Ok(self.guard(host).home.read_config()?["channels"]["telegram"]["enabled"] != json!(false))
    }
}

fn road_port(host: u8) -> u16 {
    STORE_PORT + 100 + u16::from(host)
}

/// What every node is set up with.
struct Place<'a> {
    network: &'a Network,
    permit: &'a Permit,
    folder: &'a Path,
    hook: &'a Hook,
    plan: Plan,
}

impl Place<'_> {
    fn node(&self, host: u8, name: &str) -> Result<(Guard, Letters)> {
        let hub = self.network.address(0);
        let options = HomeOptions { telegram: Some(BOT_PORT), model: Some(MODEL_PORT), ..HomeOptions::default() };
        let home = Home::new(options)?;
        home.edit_config(|config| {
            config["channels"]["telegram"]["apiRoot"] = json!(format!("http://{hub}:{BOT_PORT}"));
            config["models"]["providers"]["mock"]["baseUrl"] = json!(format!("http://{hub}:{MODEL_PORT}/v1"));
            config["cron"] = json!({"enabled": false});
        })?;
        let mut guard = Guard::over_child(self.permit.share()?, CLAWMEND, home)?;
        guard.set_program(self.network.program_on(host, CLAWMEND, self.folder)?);
        let mut settings = std::fs::OpenOptions::new().append(true).open(guard.dirs.config())?;
        settings.write_all(self.settings(host, name).as_bytes())?;
        let people = Letters::of(&guard, self.network, host)?;
        Ok((guard, people))
    }

    fn settings(&self, host: u8, name: &str) -> String {
        let Plan { paused, timing, roads, more } = self.plan;
        let port = if roads { road_port(host) } else { STORE_PORT };
        let hook = match paused {
            "external_fence" => {
                let hook = self.hook.path().display();
                format!("fence_command = [\"{hook}\", \"off\", \"two words\"]\nfence_timeout_ms = 3000\n")
            }
            _ => String::new(),
        };
        format!(
            "[shared]\ngroup = \"lab\"\nnodes = [\"alpha\", \"beta\"]\nnode = \"{name}\"\npaused = \"{paused}\"\n\
             timing = \"{timing}\"\n{hook}{more}\n[shared.etcd]\nendpoints = [\"http://{}:{port}\"]\n",
            self.network.address(STORE)
        )
    }
}
