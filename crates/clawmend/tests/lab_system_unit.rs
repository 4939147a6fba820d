//! A gateway under a unit of the machine's own systemd, and guards that may not manage it: they look, name, and do
//! nothing, until a polkit rule lets them.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use anyhow::{Context, Result, ensure};
use clawmend_testkit::lab::{
    BOOT_BOUND, NODE_PACKAGE, Permit, UNIT, free_port, get_json, hold, lab, skipped, until, until_some,
};
use clawmend_testkit::systemd_lab::{Account, SystemLab};
use serde_json::{Value, json};
use std::fs::File;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const CLAWMEND: &str = env!("CARGO_BIN_EXE_clawmend");
const SOON: Duration = Duration::from_secs(30);

/// A machine with a gateway under a system unit of the account `clawlab`.
struct Machine {
    // Before its folder, so that it goes first.
    system: SystemLab,
    port: u16,
    config: String,
    guard: Option<Child>,
    folder: TempDir,
    _permit: Permit,
}

impl Machine {
    fn start(name: &str) -> Result<Option<Self>> {
        let Some(permit) = lab(name)? else { return Ok(None) };
        let folder = tempfile::Builder::new().prefix("cms-").tempdir_in("/tmp")?;
        let system = match SystemLab::start(folder.path(), &permit.cache) {
            Ok(system) => system,
            Err(reason) => {
                skipped(name, &clawmend_testkit::lab::Unavailable(reason.0));
                return Ok(None);
            }
        };
        let program = system.outside("clawmend");
        std::fs::copy(CLAWMEND, &program)?;
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755))?;
        let port = free_port()?;
        let config = json!({"gateway": {"mode": "local", "port": port, "bind": "loopback",
            "auth": {"mode": "token", "token": "lab-token-of-a-system-unit"}}});
        let machine = Self { system, port, config: config.to_string(), guard: None, folder, _permit: permit };
        machine.write_config(&machine.config)?;
        machine.system.add_unit(UNIT, &unit(port))?;
        machine.systemctl(&["start", UNIT])?;
        Ok(Some(machine))
    }

    fn write_config(&self, text: &str) -> Result<()> {
        let (_, owner) = Account::Owner.name_and_id();
        let state = self.system.outside("home/.openclaw");
        std::fs::create_dir_all(&state)?;
        chown(&state, Some(owner), Some(owner))?;
        std::fs::set_permissions(&state, PermissionsExt::from_mode(0o700))?;
        let next = state.join("openclaw.json.lab");
        std::fs::write(&next, text)?;
        std::fs::set_permissions(&next, PermissionsExt::from_mode(0o600))?;
        chown(&next, Some(owner), Some(owner))?;
        Ok(std::fs::rename(next, state.join("openclaw.json"))?)
    }

    fn systemctl(&self, arguments: &[&str]) -> Result<String> {
        let output = self.system.systemctl(arguments)?;
        ensure!(output.status.success(), "systemctl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn property(&self, name: &str) -> Result<String> {
        self.systemctl(&["show", "-P", name, UNIT])
    }

    /// A `clawmend` command of this account.
    fn clawmend(&self, account: Account) -> Command {
        let mut command = self.system.command(account, "/run/lab/clawmend");
        let (name, _) = account.name_and_id();
        for (variable, folder) in [("CLAWMEND_STATE_DIR", "state"), ("CLAWMEND_RUNTIME_DIR", "runtime")] {
            command.env(variable, format!("/run/lab/{name}/{folder}"));
        }
        command.env("CLAWMEND_CONFIG", format!("/run/lab/{name}/clawmend.toml"));
        command
    }

    /// Starts the guard of this account with these settings.
    fn start_guard(&mut self, account: Account, settings: &str) -> Result<()> {
        self.start_guard_with(account, settings, &[])
    }

    fn start_guard_with(&mut self, account: Account, settings: &str, variables: &[(&str, &str)]) -> Result<()> {
        let (name, id) = account.name_and_id();
        let folder = self.system.outside(name);
        for folder in [folder.clone(), folder.join("state"), folder.join("runtime")] {
            std::fs::create_dir_all(&folder)?;
            chown(&folder, Some(id), Some(id))?;
            std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o700))?;
        }
        let file = folder.join("clawmend.toml");
        std::fs::write(&file, settings)?;
        chown(&file, Some(id), Some(id))?;
        let output = File::create(self.folder.path().join("guard-output.txt"))?;
        let mut command = self.clawmend(account);
        let guard =
            command.envs(variables.iter().copied()).arg("run").stdout(output.try_clone()?).stderr(output).spawn()?;
        self.guard = Some(guard);
        Ok(())
    }

    fn end_guard(&mut self) -> Result<()> {
        let Some(mut guard) = self.guard.take() else { return Ok(()) };
        // `nsenter` ends with a signal, and what it started with it: it became that program.
        let pid = i32::try_from(guard.id()).ok().and_then(rustix::process::Pid::from_raw).context("pid")?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        guard.wait()?;
        Ok(())
    }

    fn say(&self, account: Account, words: &[&str]) -> Result<(i32, String, String)> {
        let Output { status, stdout, stderr } = self.clawmend(account).args(words).output()?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok((status.code().unwrap_or(-1), text(stdout), text(stderr)))
    }

    fn status(&self, account: Account) -> Result<Value> {
        let (_, out, messages) = self.say(account, &["status", "--json"])?;
        let json: Value = serde_json::from_str(&out).with_context(|| format!("{out} {messages}"))?;
        Ok(json["gateways"].get(0).with_context(|| format!("no gateway: {json}"))?.clone())
    }

    fn until_status(
        &self,
        account: Account,
        what: &str,
        bound: Duration,
        like: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        until_some(what, bound, || {
            std::thread::sleep(Duration::from_millis(200));
            Ok(Some(self.status(account)?).filter(|status| like(status)))
        })
        .map(|(status, _)| status)
        .with_context(|| format!("{:?}\n{}", self.status(account), self.guard_output()))
    }

    fn guard_output(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("guard-output.txt")).unwrap_or_default()
    }

    fn ready(&self) -> Result<()> {
        let ready = || get_json(self.port, "/readyz").is_ok_and(|(_, body)| body["ready"] == json!(true));
        until("the gateway to be ready", BOOT_BOUND, ready).map(drop)
    }

    /// Sends the gateway a signal, as its own account could.
    fn signal(&self, name: &str) -> Result<()> {
        let pid = self.property("MainPID")?;
        let mut command = self.system.command(Account::Owner, "kill");
        ensure!(command.args([&format!("-{name}"), &pid]).status()?.success(), "kill -{name} {pid}");
        Ok(())
    }

    /// The state letter of the gateway's process.
    fn process_state(&self) -> Result<String> {
        let file = format!("/proc/{}/stat", self.property("MainPID")?);
        let output = self.system.command(Account::Root, "cat").arg(file).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text.rsplit(") ").next().and_then(|rest| rest.get(..1)).unwrap_or_default().to_owned())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.end_guard();
    }
}

/// As OpenClaw 2026.9.6 writes it for a user, with the account.
fn unit(port: u16) -> String {
    let home = SystemLab::HOME;
    let node = format!("/run/lab/node/node_modules/{NODE_PACKAGE}/bin/node");
    format!(
        "[Unit]\nDescription=OpenClaw Gateway\nStartLimitBurst=10\nStartLimitIntervalSec=300\nDefaultDependencies=no\n\
         [Service]\nUser=clawlab\nWorkingDirectory={home}\n\
         ExecStart={node} --max-old-space-size=8192 /run/lab/openclaw/node_modules/openclaw/dist/index.js gateway --port {port}\n\
         Restart=always\nRestartSec=5\nRestartPreventExitStatus=78\nTimeoutStopSec=330\nSuccessExitStatus=0 143\n\
         KillMode=mixed\nEnvironment=HOME={home}\nEnvironment=OPENCLAW_GATEWAY_PORT={port}\n\
         Environment=OPENCLAW_SYSTEMD_UNIT={UNIT}\nEnvironment=OPENCLAW_SERVICE_MARKER=openclaw\n\
         Environment=OPENCLAW_SERVICE_KIND=gateway\nEnvironment=OPENCLAW_NO_AUTO_UPDATE=1\n\
         [Install]\nWantedBy=multi-user.target\n"
    )
}

/// The gateway's own account, without a rule: it sees all and may do nothing, although it could send signals. With
/// the rule that it printed it does its work.
#[test]
fn system_unit_with_and_without_a_polkit_rule() -> Result<()> {
    let Some(mut machine) = Machine::start("system unit")? else { return Ok(()) };
    let owner = Account::Owner;
    machine.start_guard(owner, "")?;
    machine.ready()?;
    let status = machine.until_status(owner, "healthy", SOON, |status| status["verdict"] == json!("healthy"))?;
    ensure!(status["control"] == json!("observe") && status["form"] == json!("systemd"), "{status}");
    ensure!(status["control_reason"].as_str().is_some_and(|why| why.contains("polkit")), "{status}");
    let rule = status["polkit_rule"].as_str().context("no rule")?.to_owned();
    let (_, page, _) = machine.say(owner, &["status"])?;
    ensure!(page.contains("polkit.addRule") && page.contains("rules.d"), "{page}");

    only_looks(&machine, owner)?;
    unreadable_config(&machine, owner)?;
    crash_is_left_to_systemd(&machine, owner)?;
    refused_start_is_left_to_a_person(&machine, owner)?;

    machine.system.set_polkit_rule(Some(&rule))?;
    let begin = Instant::now();
    machine.until_status(owner, "the rule to be noticed", SOON, |status| status["control"] == json!("full"))?;
    eprintln!("measured: the printed polkit rule was noticed after {:?}", begin.elapsed());
    machine.ready().context("the unit is started again")?;
    machine.until_status(owner, "healthy", SOON, |status| status["verdict"] == json!("healthy"))?;
    frozen_is_mended(&machine, owner)?;

    machine.system.set_polkit_rule(None)?;
    std::thread::sleep(Duration::from_secs(2));
    machine.signal("STOP")?;
    machine
        .until_status(owner, "the lost right to be noticed", SOON, |status| status["control"] == json!("observe"))?;
    hold("nothing was done", Duration::from_secs(8), || Ok(machine.process_state()? == "T"))?;
    machine.signal("CONT")
}

/// Orders are refused with the reason; a frozen gateway is named and left as it is.
fn only_looks(machine: &Machine, account: Account) -> Result<()> {
    let before = machine.property("MainPID")?;
    for words in [&["restart"][..], &["stop"], &["stop", "--emergency"]] {
        let (code, _, messages) = machine.say(account, words)?;
        ensure!(code != 0 && messages.contains("polkit"), "{words:?}: {code} {messages}");
    }
    machine.signal("STOP")?;
    let frozen = |status: &Value| status["cause"]["code"] == json!("frozen") && !status["incident"].is_null();
    machine.until_status(account, "the frozen gateway to be named", SOON, frozen)?;
    hold("nobody wakes or ends it", Duration::from_secs(15), || Ok(machine.process_state()? == "T"))?;
    let status = machine.status(account)?;
    ensure!(status["next"].as_str().is_some_and(|next| next.contains("a person")), "{status}");
    machine.signal("CONT")?;
    machine.until_status(account, "healthy", SOON, |status| status["verdict"] == json!("healthy"))?;
    ensure!(machine.property("MainPID")? == before, "it was restarted");
    Ok(())
}

/// The gateway still runs with it, and could not start again: said.
fn unreadable_config(machine: &Machine, account: Account) -> Result<()> {
    let file = machine.system.outside("home/.openclaw/openclaw.json");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o000))?;
    let said = |status: &Value| {
        status["verdict"] == json!("degraded") && status["reasons"].to_string().contains("may not be read")
    };
    machine.until_status(account, "the unreadable config to be named", SOON, said)?;
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600))?;
    machine.until_status(account, "healthy", SOON, |status| status["verdict"] == json!("healthy")).map(drop)
}

/// systemd's own delay passes: nobody shortens it.
fn crash_is_left_to_systemd(machine: &Machine, account: Account) -> Result<()> {
    let before = machine.property("MainPID")?;
    machine.signal("KILL")?;
    let ended = Instant::now();
    until_some("systemd's own restart", SOON, || {
        Ok(Some(machine.property("MainPID")?).filter(|pid| *pid != before && pid != "0"))
    })?;
    ensure!(ended.elapsed() > Duration::from_secs(4), "somebody hastened it: {:?}", ended.elapsed());
    machine.ready()?;
    machine.until_status(account, "healthy", SOON, |status| status["verdict"] == json!("healthy"))?;
    let (_, incidents, _) = machine.say(account, &["incidents", "--json"])?;
    ensure!(incidents.contains("crashed"), "{incidents}");
    ensure!(!incidents.contains("hasten") || incidents.contains("held back"), "{incidents}");
    Ok(())
}

/// systemd does not start what refused to start; who may only look says so, and does not start it either.
fn refused_start_is_left_to_a_person(machine: &Machine, account: Account) -> Result<()> {
    machine.write_config("{\"gateway\": {\"mode\":")?;
    machine.signal("KILL")?;
    let refused = |status: &Value| status["cause"]["code"] == json!("refused_to_start");
    machine.until_status(account, "the refusal to be named", Duration::from_secs(60), refused)?;
    until("the unit to fail", SOON, || machine.property("ActiveState").is_ok_and(|state| state == "failed"))?;
    machine.write_config(&machine.config)?;
    hold("nobody starts it", Duration::from_secs(12), || Ok(machine.property("ActiveState")? == "failed"))
}

/// The rule is enough for the work: a frozen gateway is restarted by its manager.
fn frozen_is_mended(machine: &Machine, account: Account) -> Result<()> {
    let before = machine.property("MainPID")?;
    machine.signal("STOP")?;
    let frozen = Instant::now();
    until_some("a replacement", SOON, || {
        Ok(Some(machine.property("MainPID")?).filter(|pid| *pid != before && pid != "0"))
    })
    .with_context(|| format!("{:?}\n{}", machine.status(account), machine.guard_output()))?;
    eprintln!("measured: system unit: SIGSTOP to replacement seen {:?}", frozen.elapsed());
    machine.ready()?;
    machine.until_status(account, "healthy", SOON, |status| status["verdict"] == json!("healthy")).map(drop)
}

/// Guards that could see half of it give no half answers: they say whose gateway it is, and end.
#[test]
fn system_unit_and_guards_of_others() -> Result<()> {
    let Some(mut machine) = Machine::start("guards of other accounts")? else { return Ok(()) };
    machine.ready()?;
    let before = machine.property("MainPID")?;
    let state_dir = format!("{}/.openclaw", SystemLab::HOME);
    let unit = format!("unit = \"{UNIT}\"\nscope = \"system\"\n");
    machine.start_guard(
        Account::Stranger,
        &format!("[[gateway]]\nid = \"default\"\nstate_dir = \"{state_dir}\"\n{unit}"),
    )?;
    refused(&mut machine, "may not be read")?;

    // As root, with a user's home and a unit of that user's own systemd.
    let units = machine.system.outside("home/.config/systemd/user");
    std::fs::create_dir_all(&units)?;
    std::fs::write(units.join(UNIT), "[Service]\nExecStart=/bin/true\n")?;
    machine.start_guard_with(Account::Root, "", &[("HOME", SystemLab::HOME)])?;
    refused(&mut machine, "its systemd answers nobody else")?;
    std::fs::remove_dir_all(machine.system.outside("home/.config"))?;

    // As root over the system unit it works, since root may do and see all.
    machine.start_guard_with(Account::Root, "", &[("HOME", SystemLab::HOME)])?;
    let root = Account::Root;
    let status = machine.until_status(root, "healthy", SOON, |status| status["verdict"] == json!("healthy"))?;
    ensure!(status["control"] == json!("full"), "{status}");
    ensure!(machine.property("MainPID")? == before, "somebody restarted it");
    frozen_is_mended(&machine, root)
}

fn refused(machine: &mut Machine, why: &str) -> Result<()> {
    let mut guard = machine.guard.take().context("no guard")?;
    let (status, _) = until_some("the guard to end", SOON, || Ok(guard.try_wait()?))?;
    let said = machine.guard_output();
    ensure!(status.code() == Some(78), "{status}: {said}");
    ensure!(said.contains(why) && said.contains("clawlab"), "{said}");
    Ok(())
}
