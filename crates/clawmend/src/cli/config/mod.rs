//! `clawmend config …`: the gateway's config, checked, kept, compared and brought back.
//!
//! Invariant: works with the gateway and the guard down; nothing but `restore`, `apply`, `bisect --restore` and
//! `forget` changes anything; no value of a config is printed that may be a secret.

mod apply;
mod check;
mod compare;
mod history;
mod reach;
mod restore;

use super::context::Context;
use super::error::{CliError, Kind};
use crate::daemon::setup;
use crate::doctor::here;
use crate::generations::{Loaded, Room, RoomError, Snapshot};
use crate::host::{clock, dirs};
use crate::openclaw::config::check::Around;
use crate::openclaw::config::schema::{self, Schema};
use crate::openclaw::discovery::Home;
use crate::openclaw::environ::Environ;
use crate::openclaw::install::{self, Tools};
use crate::settings;
use clawmend_core::gateway::GatewayId;
use clawmend_core::time::Wall;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Options of `config`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// Would the gateway start with its config, and will it work?
    Check(check::Args),
    /// List the generations that were kept
    History,
    /// Show what differs between two generations
    Diff(compare::Args),
    /// Bring back a generation
    Restore(restore::Args),
    /// Put a new config in place, on trial if you like
    Apply(apply::Args),
    /// Keep the config that is on trial
    Confirm,
    /// Find the changed keys that break the config
    Bisect(restore::BisectArgs),
    /// Remove a generation for good
    Forget(history::ForgetArgs),
}

pub(super) fn config(context: &Context, args: &Args) -> Result<ExitCode, CliError> {
    match &args.command {
        Command::Restore(_) | Command::Apply(_) | Command::Confirm | Command::Bisect(_) | Command::Forget(_) => {
            context.refuse_from_inside()?;
        }
        Command::Check(_) | Command::History | Command::Diff(_) => {}
    }
    let desk = Desk::open(context)?;
    match &args.command {
        Command::Check(args) => check::check(&desk, args),
        Command::History => history::history(&desk),
        Command::Diff(args) => compare::diff(&desk, args),
        Command::Restore(args) => restore::restore(&desk, args),
        Command::Apply(args) => apply::apply(&desk, args),
        Command::Confirm => apply::confirm(&desk),
        Command::Bisect(args) => restore::bisect(&desk, args),
        Command::Forget(args) => history::forget(&desk, args),
    }
}

/// What these commands work with.
struct Desk<'a> {
    context: &'a Context,
    home: Home,
    state: PathBuf,
    environ: Environ,
    tools: Option<Tools>,
    version: Option<String>,
}

/// What a bundle tells of a config.
pub(super) struct Examined {
    /// As `config check --json`.
    pub report: serde_json::Value,
    /// As `config check`.
    pub page: String,
    /// The config, when it could be read.
    pub value: Option<serde_json::Value>,
    /// The installed OpenClaw.
    pub openclaw: Option<String>,
}

/// Checks the config of `home` without running anything.
pub(super) fn examine(context: &Context, home: Home) -> Result<Examined, CliError> {
    check::examine(&Desk::of(context, home)?)
}

/// Brings back the newest proven config of `home`, as `config restore` does.
pub(super) fn restore_proven(context: &Context, home: Home) -> Result<(), CliError> {
    restore::proven(&Desk::of(context, home)?)
}

/// Our own settings.
pub(super) fn settings(context: &Context) -> Result<settings::Settings, CliError> {
    Ok(match &context.global.config {
        Some(file) => settings::load(file)?,
        None => settings::load_or_default(&dirs::config_file()?)?,
    })
}

/// The home of this gateway; of the only one, where none is named.
pub(super) fn home(context: &Context, wanted: Option<&GatewayId>) -> Result<Home, CliError> {
    let Some(wanted) = wanted else { return Ok(Desk::open(context)?.home) };
    let found = homes(context)?.into_iter().find(|home| home.id == *wanted);
    found.ok_or_else(|| CliError::new(Kind::NotFound, format!("there is no gateway {} here", wanted.0)))
}

/// The gateways that are guarded, wherever they live (a sandbox, say); else those found here.
fn homes(context: &Context) -> Result<Vec<Home>, CliError> {
    let settings = settings(context)?;
    let wanted = context.global.gateway.as_ref();
    if let Some(status) = context.guard_status() {
        let found = setup::homes_here(None, &settings).unwrap_or_default();
        let mut homes = here::homes(found, Some(&status));
        homes.retain(|home| wanted.is_none_or(|wanted| home.id == *wanted));
        if !homes.is_empty() {
            return Ok(homes);
        }
    }
    Ok(setup::homes_here(wanted, &settings)?)
}

impl<'a> Desk<'a> {
    fn open(context: &'a Context) -> Result<Self, CliError> {
        let mut homes = homes(context)?;
        if homes.len() > 1 && context.global.gateway.is_none() {
            let found: Vec<Home> = homes.iter().filter(|home| home.config_path.exists()).cloned().collect();
            if found.len() > 1 {
                let names = found.iter().map(|home| home.id.0.as_str()).collect::<Vec<_>>().join(", ");
                let error = CliError::new(Kind::Usage, format!("there are several gateways here: {names}"));
                return Err(error.hint("say which one with --gateway ID"));
            }
            if !found.is_empty() {
                homes = found;
            }
        }
        let home =
            homes.into_iter().next().ok_or_else(|| CliError::new(Kind::NotFound, "there is no OpenClaw home here"))?;
        Self::of(context, home)
    }

    /// For this home.
    fn of(context: &'a Context, home: Home) -> Result<Self, CliError> {
        let environ = Environ::of(&home, crate::daemon::own_uid());
        let path = std::env::var_os("PATH");
        let tools = setup::cache_dir().and_then(|cache| install::find(path.as_deref(), &cache));
        let version = tools.as_ref().and_then(|tools| schema::installed_version(&tools.openclaw));
        Ok(Self { context, home, state: context.state_dir()?, environ, tools, version })
    }

    fn now(&self) -> Wall {
        clock::now().wall
    }

    fn env(&self) -> impl Fn(&str) -> Option<String> {
        |name| self.environ.get(name)
    }

    /// OpenClaw's own schema, when it is at hand; asked for where that is wanted.
    fn schema(&self, ask: bool) -> Option<Schema> {
        let version = self.version.as_deref()?;
        if let Some(schema) = schema::cached(&self.state, version) {
            return Some(schema);
        }
        let tools = self.tools.as_ref().filter(|_| ask)?;
        super::output::tell("asking the installed OpenClaw for its schema, once for this version …");
        match schema::ask(tools, version, &self.state) {
            Ok(schema) => Some(schema),
            Err(error) => {
                super::output::tell(&format!("it gave none ({error}); the built-in table is used"));
                None
            }
        }
    }

    fn around<'b>(&'b self, env: &'b dyn Fn(&str) -> Option<String>, schema: Option<&'b Schema>) -> Around<'b> {
        Around { env, env_known: self.environ.life().is_some(), schema, version: self.version.as_deref() }
    }

    /// The generations, where any were kept.
    fn kept(&self) -> Result<Room, CliError> {
        Room::existing(&self.state, &self.home.id).ok_or_else(|| {
            CliError::new(Kind::NotFound, "no generation of this config was kept yet")
                .hint("a guard keeps every version that it sees: `clawmend up`")
        })
    }

    /// The generations, made ready.
    fn room(&self) -> Result<Room, CliError> {
        Ok(Room::open(&self.state, &self.home.id)?)
    }

    /// What a person named: `present`, `proven`, a generation, or a file.
    fn named(&self, text: &str) -> Result<Loaded, CliError> {
        if text == "present" {
            let snapshot = Snapshot::take(&self.home, self.env())
                .ok_or_else(|| CliError::new(Kind::NotFound, "there is no config on disk"))?;
            return Ok(Loaded { id: "present".to_owned(), snapshot });
        }
        let path = Path::new(text);
        if text.contains(['/', '\\', '.']) || path.is_file() {
            return Ok(Loaded { id: path.display().to_string(), snapshot: self.file(path)? });
        }
        let room = self.kept()?;
        let id = room.find(text)?;
        Ok(room.load(&id)?)
    }

    /// A file of a person, as if it were the config.
    fn file(&self, path: &Path) -> Result<Snapshot, CliError> {
        let bytes = crate::openclaw::files::read_bounded(path, crate::openclaw::config::MAX_CONFIG_BYTES)
            .map_err(|error| CliError::new(Kind::NotFound, format!("{} cannot be read: {error}", path.display())))?;
        Ok(Snapshot::of_file(&self.home.config_path, bytes))
    }
}

impl From<RoomError> for CliError {
    fn from(error: RoomError) -> Self {
        let message = error.to_string();
        match error {
            RoomError::Unknown(_) => Self::new(Kind::NotFound, message),
            RoomError::Ambiguous(_) => Self::new(Kind::Usage, message),
            RoomError::Dir(_) => Self::new(Kind::NeedsPerson, message),
            RoomError::Io(_) | RoomError::Locked(_) => Self::new(Kind::Retry, message),
        }
    }
}
