//! Two hosts, as people set them up.

use anyhow::{Context, Result, ensure};
use clawmend_testkit::alerts::{StandIn, webhook};
use clawmend_testkit::canary::{self, Canary, bot_token};
use clawmend_testkit::lab::{
    Guard, Home, HomeOptions, Life, MockTelegram, Network, TELEGRAM, hold, lab, lives_with_nonce, skipped, until_some,
};
use serde_json::{Value, json};
use std::io::Write as _;
use std::time::{Duration, Instant};

const CLAWMEND: &str = env!("CARGO_BIN_EXE_clawmend");
/// Generous: the machine may be busy, and a takeover boots a gateway.
pub const BOUND: Duration = Duration::from_secs(240);
pub const PRIMARY: u8 = 1;
pub const STANDBY: u8 = 2;
const PORT: u16 = 18_790;

/// Two hosts and what is between them.
pub struct Pair {
    // The guards end before their network goes.
    pub primary: Guard,
    pub standby: Guard,
    pub primary_bot: MockTelegram,
    pub standby_bot: MockTelegram,
    /// Takes the standby's letters to people, on its own host.
    pub people: StandIn,
    pub network: Network,
    folder: tempfile::TempDir,
}

impl Pair {
    /// Both guards run; the primary's gateway is healthy, and the standby's is off.
    pub fn start(name: &str) -> Result<Option<Self>> {
        Self::start_with(name, &["--fast"])
    }

    /// The same with other arguments of `standby init`; `--warm` is for the standby alone.
    pub fn start_with(name: &str, timing: &[&str]) -> Result<Option<Self>> {
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
        let people = webhook::on(network.listen_within(STANDBY, 8_083)?)?;
        let guard = |host: u8, bot: u16| -> Result<Guard> {
            let home = Home::new(HomeOptions { telegram: Some(bot), ..HomeOptions::default() })?;
            home.edit_config(|config| {
                config["channels"]["telegram"]["apiRoot"] = json!(format!("http://{}:{bot}", network.address(0)));
                let token =
                    Canary::random("the bot's token", Some(TELEGRAM), &bot_token(100_000_000 + u64::from(host)));
                let token = canary::register(token);
                config["channels"]["telegram"]["botToken"] = json!(token);
                config["cron"] = json!({"enabled": false});
            })?;
            let mut guard = Guard::over_child(permit.share()?, CLAWMEND, home)?;
            guard.set_program(network.program_on(host, CLAWMEND, folder.path())?);
            Ok(guard)
        };
        let (primary, standby) = (guard(PRIMARY, 8_081)?, guard(STANDBY, 8_082)?);
        let mut pair = Self { primary, standby, primary_bot, standby_bot, people, network, folder };
        pair.set_up(timing)?;
        pair.set_people()?;
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
    fn set_up(&self, timing: &[&str]) -> Result<()> {
        let address = format!("{}:{PORT}", self.network.address(PRIMARY));
        let init = |side, word| vec!["standby", "init", "--side", side, word, address.as_str()];
        let for_both = timing.iter().copied().filter(|word| *word != "--warm").collect();
        self.primary.order(&[init("primary", "--listen"), for_both].concat())?;
        self.standby.order(&[&init("standby", "--peer")[..], timing].concat())?;
        // Beyond both: the hub, as a machine of the internet would be.
        let mut settings = std::fs::OpenOptions::new().append(true).open(self.standby.dirs.config())?;
        writeln!(settings, "reference = \"{}:8082\"", self.network.address(0))?;
        let remote = self.repository();
        let made = std::process::Command::new("git").args(["init", "--quiet", "--bare"]).arg(&remote).status()?;
        ensure!(made.success(), "git init: {made}");
        for guard in [&self.primary, &self.standby] {
            let mut settings = std::fs::OpenOptions::new().append(true).open(guard.dirs.config())?;
            writeln!(settings, "[standby.workspace]\nremote = \"{}\"\npush_every_ms = 3600000", remote.display())?;
        }
        Ok(())
    }

    /// More settings of the standby; its next guard goes by them.
    pub fn set_on_standby(&self, lines: &str) -> Result<()> {
        let mut settings = std::fs::OpenOptions::new().append(true).open(self.standby.dirs.config())?;
        Ok(settings.write_all(lines.as_bytes())?)
    }

    /// Where the standby's alerts go.
    fn set_people(&self) -> Result<()> {
        let (name, value) = webhook::HEADER;
        let lines = [
            "url = \"http://127.0.0.1:8083/people\"",
            &format!("secret = \"{}\"", webhook::SECRET),
            &format!("headers = {{ {name} = \"{value}\" }}"),
        ];
        let set = self.standby.typed(&["notify", "set", "webhook", "--name", "people"], &lines)?;
        ensure!(set.0 == 0, "{set:?}");
        Ok(())
    }

    /// The letters on the pair that arrived, in order.
    pub fn letters(&self) -> Vec<Value> {
        let bodies = self.people.accepted().into_iter().map(|mut one| one["body"]["data"].take());
        bodies.filter(|body| body["subject"].as_str().is_some_and(|subject| subject.contains("/pair-"))).collect()
    }

    /// Waits for the letter of a step, and gives it.
    pub fn letter(&self, step: &str) -> Result<Value> {
        let what = format!("the letter {step}");
        let is = |letter: &Value| letter["key"].as_str().is_some_and(|key| key.contains(&format!("/{step}")));
        let found = until_some(&what, BOUND, || Ok(self.letters().into_iter().find(&is)));
        let found = found.with_context(|| format!("{:?}\n{}", self.people.accepted(), self.standby.output_tail()))?;
        Ok(found.0)
    }

    /// The repository between the two.
    pub fn repository(&self) -> std::path::PathBuf {
        self.folder.path().join("workspace.git")
    }

    /// A file as the repository between the two has it.
    pub fn pushed(&self, branch: &str, file: &str) -> Result<String> {
        let remote = self.repository();
        let shown = std::process::Command::new("git")
            .arg("--git-dir")
            .arg(remote)
            .args(["show", &format!("{branch}:{file}")])
            .output()?;
        ensure!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
        Ok(String::from_utf8(shown.stdout)?)
    }

    /// All that runs on the standby's host for it, in MiB.
    pub fn memory(&self) -> u64 {
        lives_with_nonce(self.standby.nonce()).iter().filter_map(Life::memory).sum::<u64>() / 1024 / 1024
    }

    pub fn report(&self) -> Result<Value> {
        self.standby.order(&["standby", "status", "--json"])?.json()
    }

    /// Waits until the standby's report is so.
    pub fn reports(&self, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
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

/// The assistant's own files.
pub fn workspace(guard: &Guard) -> std::path::PathBuf {
    guard.home.state_dir().join("workspace")
}
