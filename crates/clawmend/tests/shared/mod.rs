//! Two hosts that share one bot, and a real etcd on a third one.

use anyhow::{Context, Result, bail, ensure};
use clawmend_testkit::lab::{
    Guard, Home, HomeOptions, Life, MockTelegram, Network, Permit, Poll, lab, skipped, until, until_some,
};
use serde_json::{Value, json};
use std::io::Write as _;
use std::net::{IpAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const CLAWMEND: &str = env!("CARGO_BIN_EXE_clawmend");
/// Generous: the machine may be busy, and a takeover boots a gateway.
pub const BOUND: Duration = Duration::from_secs(240);
pub const ALPHA: u8 = 1;
pub const BETA: u8 = 2;
pub const STORE: u8 = 3;
const BOT_PORT: u16 = 8_081;
const STORE_PORT: u16 = 2_379;
/// `Figures::steady`, which the settings of this lab leave as they are.
pub const LEASE: Duration = Duration::from_secs(15);

/// The etcd.
struct Etcd(Child);

impl Drop for Etcd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Two hosts, and what is between them.
pub struct Group {
    // The guards end before their network goes.
    pub alpha: Guard,
    pub beta: Guard,
    pub bot: MockTelegram,
    _store: Etcd,
    pub network: Network,
    _folder: tempfile::TempDir,
}

impl Group {
    /// Both guards run; `alpha` owns, and `beta`'s gateway is off.
    pub fn start(name: &str, paused: &str) -> Result<Option<Self>> {
        let Some(mut group) = Self::prepared(name, &format!("paused = \"{paused}\""))? else { return Ok(None) };
        group.begin()?;
        Ok(Some(group))
    }

    /// The same before the guards are started, with these lines in `[shared]`.
    pub fn prepared(name: &str, settings: &str) -> Result<Option<Self>> {
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
        let store = etcd(&network, folder.path())?;
        let alpha = node(&network, &permit, folder.path(), (ALPHA, "alpha"), settings)?;
        let beta = node(&network, &permit, folder.path(), (BETA, "beta"), settings)?;
        Ok(Some(Self { alpha, beta, bot, _store: store, network, _folder: folder }))
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

    /// By the record of the service: at no instant two hosts asked for updates, and none was ended by another.
    pub fn never_two(&self) -> Result<()> {
        let polls = self.bot.polls();
        ensure!(!polls.is_empty(), "nobody ever polled");
        for (at, one) in polls.iter().enumerate() {
            for other in polls.iter().skip(at + 1).filter(|other| other.from != one.from) {
                let apart = one.ended.is_some_and(|ended| ended <= other.began)
                    || other.ended.is_some_and(|ended| ended <= one.began);
                ensure!(apart, "two at once: {one:?} and {other:?}");
            }
            ensure!(!one.conflict, "a conflict: {one:?}");
        }
        Ok(())
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

fn etcd(network: &Network, folder: &std::path::Path) -> Result<Etcd> {
    let program = network.program_on(STORE, "etcd", folder)?;
    let client = format!("http://{}:{STORE_PORT}", network.address(STORE));
    let peer = "http://127.0.0.1:2380";
    let log = std::fs::File::create(folder.join("etcd.log"))?;
    let child = Command::new(program)
        .args(["--name", "lab", "--data-dir"])
        .arg(folder.join("etcd"))
        .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
        .args(["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer])
        .arg(format!("--initial-cluster=lab={peer}"))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("starting etcd")?;
    let etcd = Etcd(child);
    let answers = || network.within(STORE, move || TcpStream::connect(("127.0.0.1", 2_380)).is_ok()).unwrap_or(false);
    until("etcd to listen", Duration::from_secs(60), answers)?;
    Ok(etcd)
}

fn node(
    network: &Network,
    permit: &Permit,
    folder: &std::path::Path,
    (host, name): (u8, &str),
    more: &str,
) -> Result<Guard> {
    let home = Home::new(HomeOptions { telegram: Some(BOT_PORT), ..HomeOptions::default() })?;
    home.edit_config(|config| {
        config["channels"]["telegram"]["apiRoot"] = json!(format!("http://{}:{BOT_PORT}", network.address(0)));
        config["cron"] = json!({"enabled": false});
    })?;
    let mut guard = Guard::over_child(permit.share()?, CLAWMEND, home)?;
    guard.set_program(network.program_on(host, CLAWMEND, folder)?);
    let mut settings = std::fs::OpenOptions::new().append(true).open(guard.dirs.config())?;
    writeln!(
        settings,
        "[shared]\ngroup = \"lab\"\nnodes = [\"alpha\", \"beta\"]\nnode = \"{name}\"\n{more}\n\
         [shared.etcd]\nendpoints = [\"http://{}:{STORE_PORT}\"]",
        network.address(STORE)
    )?;
    Ok(guard)
}
