//! `[[gateway]].form`: a person's word on who holds the process, instead of what would be found out.
//!
//! Invariant: what was said is done or refused with a reason; it is never quietly something else.

use super::super::options::DaemonError;
use super::{Holding, keeper_dir, kept_command, own_command, unit_of};
use crate::openclaw::discovery::Home;
use crate::settings::GatewaySettings;
use clawmend_core::gateway::Form;
use std::path::Path;

/// How this home is held, as it was said.
///
/// # Errors
/// It cannot be held like that here; the message names the gateway and its form.
pub fn holding(
    home: &Home,
    entry: &GatewaySettings,
    form: Form,
    start: bool,
    runtime: &Path,
    state: &Path,
) -> Result<Holding, DaemonError> {
    match form {
        Form::Systemd => unit(home, entry),
        Form::Foreign => Ok(Holding::Foreign),
        Form::Child => {
            let kept = kept_command(&keeper_dir(runtime, &home.id));
            let command = kept.or_else(|| start.then(|| own_command(home, state)).flatten());
            command.map(Holding::Child).ok_or_else(|| no_command(entry, start))
        }
        Form::Launchd => Err(elsewhere(entry, "launchd", "a LaunchAgent", "macOS")),
        Form::ScheduledTask => Err(elsewhere(entry, "scheduled_task", "a Scheduled Task", "Windows")),
    }
}

fn unit(home: &Home, entry: &GatewaySettings) -> Result<Holding, DaemonError> {
    if !cfg!(target_os = "linux") {
        return Err(elsewhere(entry, "systemd", "a systemd unit", "Linux"));
    }
    if let Some((manager, name)) = unit_of(home, Some(entry)) {
        return Ok(Holding::Unit(manager, name));
    }
    let name = entry.unit.clone().unwrap_or_else(|| home.systemd_unit());
    let hint = if entry.unit.is_some() {
        "say `scope = \"user\"` or `scope = \"system\"` if its file is in none of the usual folders"
    } else {
        "say `unit = \"NAME.service\"` if it has another name"
    };
    Err(DaemonError::NeedsPerson {
        message: format!("gateway {} has form = \"systemd\", and there is no unit {name}", entry.id.0),
        hints: vec![hint.to_owned(), "leave `form` out to take what is here".to_owned()],
    })
}

fn no_command(entry: &GatewaySettings, start: bool) -> DaemonError {
    let message = format!("gateway {} has form = \"child\", and nothing says what to run", entry.id.0);
    let first = "`clawmend run -- openclaw gateway run` starts it as a child; every later guard goes on with it";
    let second = if start {
        "`clawmend up --start` starts the openclaw that is on PATH, and there is none"
    } else {
        "`clawmend up --start` starts the openclaw that is on PATH"
    };
    DaemonError::NeedsPerson { message, hints: vec![first.to_owned(), second.to_owned()] }
}

fn elsewhere(entry: &GatewaySettings, form: &str, what: &str, system: &str) -> DaemonError {
    let here = std::env::consts::OS;
    let message = if here == system.to_lowercase() {
        format!("gateway {} has form = \"{form}\"; {what} cannot be guarded by this version yet", entry.id.0)
    } else {
        format!("gateway {} has form = \"{form}\"; {what} exists on {system} only, and this is {here}", entry.id.0)
    };
    DaemonError::NeedsPerson { message, hints: vec!["leave `form` out to take what is here".to_owned()] }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::cli::CliError;
    use crate::daemon::setup::{ChildCommand, keep_command};
    use crate::openclaw::discovery::discover;
    use clawmend_core::gateway::GatewayId;
    use std::collections::BTreeMap;

    fn entry(unit: Option<&str>) -> GatewaySettings {
        let unit = unit.map(str::to_owned);
        let id = GatewayId("work".into());
        GatewaySettings { id, state_dir: None, config: None, profile: None, unit, scope: None, form: None }
    }

    fn held(folder: &Path, entry: &GatewaySettings, form: Form, start: bool) -> Result<Holding, DaemonError> {
        let mut home = discover(|_| None, folder).remove(0);
        home.id = entry.id.clone();
        holding(&home, entry, form, start, folder, folder)
    }

    #[test]
    fn what_cannot_be_held_as_it_was_said_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let cases = [
            (entry(None), Form::Child),
            (entry(Some("claw-of-nobody.service")), Form::Systemd),
            (entry(None), Form::Launchd),
            (entry(None), Form::ScheduledTask),
        ];
        let told: Vec<String> = cases
            .iter()
            .map(|(entry, form)| {
                let error = CliError::from(held(folder.path(), entry, *form, false).unwrap_err());
                format!("{}\n  {}\nexit {}\n", error.message, error.hints.join("\n  "), error.kind.exit_code())
            })
            .collect();
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn what_was_said_holds_over_what_would_be_found() {
        let folder = tempfile::tempdir().unwrap();
        let command = ChildCommand {
            argv: vec!["openclaw".into()],
            env: BTreeMap::new(),
            env_remove: Vec::new(),
            cwd: "/".into(),
            log_dir: folder.path().into(),
        };
        std::fs::create_dir(folder.path().join("work")).unwrap();
        keep_command(&folder.path().join("work"), &command).unwrap();
        let entry = entry(None);
        assert!(matches!(held(folder.path(), &entry, Form::Child, false), Ok(Holding::Child(_))));
        assert!(matches!(held(folder.path(), &entry, Form::Foreign, false), Ok(Holding::Foreign)));
        let units = folder.path().join(".config/systemd/user");
        std::fs::create_dir_all(&units).unwrap();
        std::fs::write(units.join("openclaw-gateway.service"), "").unwrap();
        assert!(matches!(held(folder.path(), &entry, Form::Systemd, false), Ok(Holding::Unit(..))));
    }
}
