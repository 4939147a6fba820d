//! What is guarded, and how its process is held.
//!
//! Invariant: nothing is started, stopped or changed here. A home that somebody else guards or runs is refused by
//! name. Start at [`plan`].

mod form;
mod synthetic;

use super::body::ChildCommand;
use super::options::{DaemonError, Options};
use crate::host::files::{Durability, write_atomic};
use crate::openclaw::commands::{GatewayCommand, gateway_run};
use crate::openclaw::discovery::{Home, discover};
use crate::openclaw::install;
use crate::service::{Manager, UnitName, UnitWords, at_boot};
use crate::settings::{GatewaySettings, Scope, Settings};
use clawmend_core::gateway::{Form, GatewayId};
use clawmend_core::policy::{Policy, Preset};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// How a gateway is held.
#[derive(Clone, Debug)]
pub enum Holding {
    /// As a child of our keeper.
    Child(ChildCommand),
    /// By a unit.
    Unit(Manager, UnitName),
    /// By nobody that we know of.
    Foreign,
}

/// One gateway to guard.
#[derive(Clone, Debug)]
pub struct Charge {
    /// Its home.
    pub home: Home,
    /// How it is held.
    pub holding: Holding,
}

/// Where a person would be told to look.
const TRY: [&str; 3] = [
    "`clawmend up --sandbox` shows everything on a throwaway gateway",
    "`clawmend run -- openclaw gateway run` starts a gateway and guards it",
    "set OPENCLAW_STATE_DIR or OPENCLAW_PROFILE if your gateway lives elsewhere",
];

/// Everything to guard, by what was asked for and what is here.
///
/// # Errors
/// Nothing is here, or the command cannot be used.
pub fn plan(options: &Options, settings: &Settings, runtime: &Path, state: &Path) -> Result<Vec<Charge>, DaemonError> {
    let homes = homes(options, settings)?;
    if let Some(command) = &options.command {
        let home = homes.into_iter().next().ok_or_else(no_home)?;
        let command = child_of(&home, command, state)?;
        return Ok(vec![Charge { home, holding: Holding::Child(command) }]);
    }
    let mut charges = Vec::new();
    for home in homes {
        let entry = settings.gateways.iter().find(|entry| entry.id == home.id);
        let holding = match entry.and_then(|entry| Some((entry, entry.form?))) {
            Some((entry, form)) => Some(form::holding(&home, entry, form, options.start, runtime, state)?),
            None => holding(&home, options, entry, runtime, state),
        };
        charges.extend(holding.map(|holding| Charge { home, holding }));
    }
    if charges.is_empty() {
        return Err(DaemonError::NeedsPerson {
            message: "no OpenClaw gateway was found for this user".to_owned(),
            hints: TRY.map(str::to_owned).to_vec(),
        });
    }
    Ok(charges)
}

fn no_home() -> DaemonError {
    DaemonError::NeedsPerson {
        message: "HOME is not set, so there is no OpenClaw home to guard".to_owned(),
        hints: vec!["set HOME or OPENCLAW_HOME".to_owned()],
    }
}

/// The homes of this user, for commands that look at files only.
///
/// # Errors
/// There is no home folder, or no gateway of that name.
pub fn homes_here(gateway: Option<&GatewayId>, settings: &Settings) -> Result<Vec<Home>, DaemonError> {
    homes(&Options { gateway: gateway.cloned(), ..Options::default() }, settings)
}

fn homes(options: &Options, settings: &Settings) -> Result<Vec<Home>, DaemonError> {
    let profile = options.command.as_deref().and_then(profile_of);
    let account = std::env::home_dir().filter(|home| home.is_absolute()).ok_or_else(no_home)?;
    let env = |name: &str| match (name, &profile) {
        ("OPENCLAW_PROFILE", Some(profile)) => Some(profile.clone()),
        _ => std::env::var(name).ok().filter(|value| !value.is_empty()),
    };
    let mut homes = if settings.gateways.is_empty() || options.command.is_some() {
        discover(env, &account)
    } else {
        settings.gateways.iter().map(|entry| home_of(entry, &account)).collect()
    };
    if let Some(wanted) = &options.gateway {
        homes.retain(|home| home.id == *wanted);
        if homes.is_empty() {
            return Err(DaemonError::NeedsPerson {
                message: format!("there is no gateway called {} here", wanted.0),
                hints: vec!["leave out --gateway to guard every gateway of this user".to_owned()],
            });
        }
    }
    Ok(homes)
}

/// A home that a person described.
fn home_of(entry: &GatewaySettings, account: &Path) -> Home {
    let env = |name: &str| match name {
        "OPENCLAW_STATE_DIR" => entry.state_dir.as_ref().map(|path| path.display().to_string()),
        "OPENCLAW_CONFIG_PATH" => entry.config.as_ref().map(|path| path.display().to_string()),
        "OPENCLAW_PROFILE" => entry.profile.clone().or_else(|| (entry.id.0 != "default").then(|| entry.id.0.clone())),
        _ => None,
    };
    let mut home = discover(env, account).remove(0);
    home.id = entry.id.clone();
    home
}

/// `--profile X` of an `openclaw` command line.
fn profile_of(command: &[OsString]) -> Option<String> {
    let mut words = command.iter().filter_map(|word| word.to_str());
    while let Some(word) = words.next() {
        if word == "--profile" {
            return words.next().map(str::to_owned);
        }
        if let Some(profile) = word.strip_prefix("--profile=") {
            return Some(profile.to_owned());
        }
    }
    None
}

fn holding(
    home: &Home,
    options: &Options,
    entry: Option<&GatewaySettings>,
    runtime: &Path,
    state: &Path,
) -> Option<Holding> {
    if let Some(command) = kept_command(&keeper_dir(runtime, &home.id)) {
        return Some(Holding::Child(command));
    }
    if let Some((manager, unit)) = unit_of(home, entry) {
        return Some(Holding::Unit(manager, unit));
    }
    if options.start
        && let Some(command) = own_command(home, state)
    {
        return Some(Holding::Child(command));
    }
    home.state_dir.is_dir().then_some(Holding::Foreign)
}

/// Who would hold this gateway when a guard began now, without being told to start it.
#[must_use]
pub fn form_here(home: &Home, entry: Option<&GatewaySettings>, runtime: &Path) -> Option<Form> {
    let said = entry.and_then(|entry| entry.form);
    let kept = || kept_command(&keeper_dir(runtime, &home.id)).map(|_| Form::Child);
    said.or_else(kept).or_else(|| unit_of(home, entry).map(|_| Form::Systemd))
}

/// The unit that runs this home: named by a person, else installed under OpenClaw's own name.
#[must_use]
pub fn unit_of(home: &Home, entry: Option<&GatewaySettings>) -> Option<(Manager, UnitName)> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let named = entry.and_then(|entry| entry.unit.clone());
    let scope = entry.and_then(|entry| entry.scope);
    let name = UnitName::parse(&named.clone().unwrap_or_else(|| home.systemd_unit())).ok()?;
    let user = at_boot::folders(&Manager::SystemdUser, &home.user_home);
    let system = at_boot::folders(&Manager::SystemdSystem, &home.user_home);
    let installed = |folders: &[PathBuf]| folders.iter().any(|folder| folder.join(name.as_str()).exists());
    let user_scope = scope != Some(Scope::System) && (installed(&user) || (named.is_some() && scope.is_some()));
    let system_scope = scope != Some(Scope::User) && (installed(&system) || (named.is_some() && scope.is_some()));
    match (user_scope, system_scope) {
        (true, _) => Some((Manager::SystemdUser, name)),
        (false, true) => Some((Manager::SystemdSystem, name)),
        (false, false) => None,
    }
}

/// What the unit of this home prints, if it has one. `gateways`: what a person has set.
#[must_use]
pub fn words_of(home: &Home, gateways: &[GatewaySettings]) -> Option<UnitWords> {
    let (manager, unit) = unit_of(home, gateways.iter().find(|entry| entry.id == home.id))?;
    Some(UnitWords::of(manager, unit))
}

/// Where the keeper of this gateway lives.
#[must_use]
pub fn keeper_dir(runtime: &Path, id: &GatewayId) -> PathBuf {
    runtime.join(&id.0)
}

#[derive(Serialize, Deserialize)]
struct CommandNote {
    argv: Vec<String>,
    env: BTreeMap<String, String>,
    env_remove: Vec<String>,
    cwd: PathBuf,
    log_dir: PathBuf,
}

/// What an earlier guard ran as its child, so that `up` can go on with it.
fn kept_command(dir: &Path) -> Option<ChildCommand> {
    let note: CommandNote = serde_json::from_slice(&std::fs::read(dir.join("command.json")).ok()?).ok()?;
    Some(ChildCommand {
        argv: note.argv,
        env: note.env,
        env_remove: note.env_remove,
        cwd: note.cwd,
        log_dir: note.log_dir,
    })
}

/// Notes what is run, for a guard that comes later. Only in the runtime folder, 0600, gone after a boot.
///
/// # Errors
/// Those of the file system.
pub fn keep_command(dir: &Path, command: &ChildCommand) -> std::io::Result<()> {
    let note = CommandNote {
        argv: command.argv.clone(),
        env: command.env.iter().filter(|(name, _)| !secret(name)).map(|(n, v)| (n.clone(), v.clone())).collect(),
        env_remove: command.env_remove.clone(),
        cwd: command.cwd.clone(),
        log_dir: command.log_dir.clone(),
    };
    write_atomic(
        &dir.join("command.json"),
        &serde_json::to_vec(&note).map_err(std::io::Error::other)?,
        Durability::Fast,
    )
}

/// A variable whose value is nobody's business. The keeper still has it from its own start.
fn secret(name: &str) -> bool {
    ["TOKEN", "PASSWORD", "SECRET", "KEY", "CREDENTIAL"].iter().any(|word| name.contains(word))
}

/// A person's own command line as our child.
fn child_of(home: &Home, command: &[OsString], state: &Path) -> Result<ChildCommand, DaemonError> {
    let argv: Vec<String> = command.iter().filter_map(|word| word.to_str().map(str::to_owned)).collect();
    if argv.len() != command.len() {
        return Err(DaemonError::NeedsPerson {
            message: "the command after `--` holds text that is not UTF-8".to_owned(),
            hints: Vec::new(),
        });
    }
    let tools = install::Tools { node_dir: PathBuf::new(), openclaw: PathBuf::new() };
    let contract = gateway_run(home, &tools, None);
    let mut env = present_env();
    env.extend(supervised(&contract));
    Ok(ChildCommand {
        argv,
        env,
        env_remove: removed(&contract),
        cwd: std::env::current_dir().unwrap_or_else(|_| home.user_home.clone()),
        log_dir: log_dir(state, &home.id),
    })
}

/// `openclaw gateway run` with the OpenClaw that is on PATH.
fn own_command(home: &Home, state: &Path) -> Option<ChildCommand> {
    let path = std::env::var_os("PATH");
    let tools = install::find(path.as_deref(), &cache_dir()?)?;
    Some(command_with(home, &tools, state))
}

/// `openclaw gateway run` with these tools.
#[must_use]
pub fn command_with(home: &Home, tools: &install::Tools, state: &Path) -> ChildCommand {
    let contract = gateway_run(home, tools, std::env::var_os("PATH").as_ref());
    let mut env = present_env();
    for (name, value) in &contract.env {
        if let (Some(name), Some(value)) = (name.to_str(), value.to_str()) {
            env.insert(name.to_owned(), value.to_owned());
        }
    }
    env.insert("HOME".to_owned(), home.user_home.display().to_string());
    let mut argv = vec![contract.program.display().to_string()];
    argv.extend(contract.args.iter().filter_map(|word| word.to_str().map(str::to_owned)));
    ChildCommand {
        argv,
        env,
        env_remove: removed(&contract),
        cwd: home.user_home.clone(),
        log_dir: log_dir(state, &home.id),
    }
}

/// What a gateway must know of its supervisor; the rest of its environment is the person's.
fn supervised(contract: &GatewayCommand) -> impl Iterator<Item = (String, String)> {
    contract.env.iter().filter_map(|(name, value)| {
        let (name, value) = (name.to_str()?, value.to_str()?);
        let told = matches!(name, "OPENCLAW_SUPERVISOR_MODE" | "OPENCLAW_SERVICE_REPAIR_POLICY");
        told.then(|| (name.to_owned(), value.to_owned()))
    })
}

fn removed(contract: &GatewayCommand) -> Vec<String> {
    contract.env_remove.iter().filter_map(|name| name.to_str().map(str::to_owned)).collect()
}

/// What the gateway finds its home and programs by. A keeper may be older than this guard, so it is told anew.
fn present_env() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| {
            matches!(name.as_str(), "PATH" | "HOME" | "USER" | "LOGNAME" | "LANG" | "TZ" | "TMPDIR" | "XDG_RUNTIME_DIR")
                || name.starts_with("OPENCLAW_")
                || name.starts_with("NODE_")
                || name.starts_with("LC_")
        })
        .collect()
}

/// Where the gateway's own output is kept.
#[must_use]
pub fn log_dir(state: &Path, id: &GatewayId) -> PathBuf {
    state.join("logs").join(&id.0)
}

/// Where Node and OpenClaw are installed for the sandbox.
#[must_use]
pub fn cache_dir() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| std::env::home_dir().map(|home| home.join(".cache")))?;
    Some(base.join("clawmend"))
}

/// The figures that settings ask for.
#[must_use]
pub fn policy_of(settings: &Settings) -> Policy {
    let mut policy = Policy::of(match settings.policy.preset {
        crate::settings::Preset::Adaptive => Preset::Adaptive,
        crate::settings::Preset::TwoLevel => Preset::TwoLevel,
        crate::settings::Preset::FourLevel => Preset::FourLevel,
    });
    let asked = &settings.policy.overrides;
    let short = |ms: u64| u32::try_from(ms).unwrap_or(u32::MAX);
    let set = |figure: &mut u64, asked: Option<u64>| *figure = asked.unwrap_or(*figure);
    policy.probe_ms = asked.probe_interval_ms.map_or(policy.probe_ms, short);
    policy.confirm_probe_ms = asked.confirm_interval_ms.map_or(policy.confirm_probe_ms, short);
    policy.look_ms = asked.process_interval_ms.map_or(policy.look_ms, short);
    policy.late_ms = asked.late_after_ms.map_or(policy.late_ms, short);
    policy.timeout_ms = asked.probe_timeout_ms.map_or(policy.timeout_ms, short);
    policy.starts_per_hour = asked.starts_per_hour.map_or(policy.starts_per_hour, short);
    set(&mut policy.spin_budget_ms, asked.spin_budget_ms);
    set(&mut policy.stall_budget_ms, asked.stall_budget_ms);
    set(&mut policy.boot_cpu_ms, asked.boot_budget_ms);
    set(&mut policy.boot_idle_ms, asked.boot_idle_ms);
    set(&mut policy.verify_ms, asked.verify_ms);
    set(&mut policy.config_proven_after_ms, asked.config_proven_after_ms);
    set(&mut policy.channel_deaf_ms, asked.channel_deaf_ms);
    set(&mut policy.channel_retry_ms, asked.channel_retry_ms);
    set(&mut policy.escalate_after_ms, asked.escalate_after_ms);
    policy.slow_answer_ms = asked.slow_answer_ms.map_or(policy.slow_answer_ms, short);
    set(&mut policy.memory_high_bytes, asked.memory_high_mib.map(|mib| mib << 20));
    if asked.backoff_first_ms.is_some() || asked.backoff_max_ms.is_some() {
        let longest = asked.backoff_max_ms.or(policy.backoff_ms.last().copied()).unwrap_or(30_000);
        let first = asked.backoff_first_ms.unwrap_or_else(|| policy.backoff(0));
        policy.backoff_ms = doubling(first, longest);
    }
    synthetic::figures(&settings.synthetic, &mut policy);
    policy.ask_ai = settings.ai.engine != crate::settings::Engine::None;
    policy.ai_auto_heal = settings.ai.auto_heal;
    policy.confirm = settings.approval.ask_first;
    policy.approval_ms = settings.approval.valid_ms;
    policy
}

/// A row of waits that doubles up to the longest.
fn doubling(first: u64, longest: u64) -> Vec<u64> {
    let mut waits = vec![first.min(longest)];
    let mut next = first.max(500).saturating_mul(2);
    while next < longest && waits.len() < 16 {
        waits.push(next);
        next = next.saturating_mul(2);
    }
    waits.push(longest);
    waits
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_profile_is_read_from_the_command() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert_eq!(profile_of(&words("openclaw --profile x gateway run")).as_deref(), Some("x"));
        assert_eq!(profile_of(&words("openclaw --profile=y gateway run")).as_deref(), Some("y"));
        assert_eq!(profile_of(&words("openclaw gateway run")), None);
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        assert_eq!(doubling(0, 3_000), [0, 1_000, 2_000, 3_000]);
        assert_eq!(doubling(5_000, 1_000), [1_000, 1_000]);
    }
}
