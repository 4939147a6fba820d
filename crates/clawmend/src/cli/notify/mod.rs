//! `clawmend notify`: who is told of trouble, and what was told.
//!
//! Everything here works without a guard: when the guard is dead, a person still wants to know whether messages arrive.

mod list;
mod log;
mod set;
mod test;

use super::context::Context;
use super::error::{CliError, Kind};
use crate::daemon::own_uid;
use crate::daemon::setup;
use crate::host::dirs;
use crate::notify::file;
use crate::notify::places::Premises;
use crate::notify::scribe::Scribe;
use crate::settings::{self, Settings};
use std::path::PathBuf;
use std::process::ExitCode;

/// Options of `notify`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum What {
    /// Show where alerts go, and why something that was found cannot be used
    List,
    /// Send a message that only says that messages arrive
    Test {
        /// Only to this place
        place: Option<String>,
    },
    /// Set a place that alerts go to; its secrets are asked for, never given as arguments
    Set {
        /// What kind of place, such as feishu_bot; `clawmend notify set help` lists them
        kind: String,
        /// What you call it; the kind without it
        #[arg(long, value_name = "NAME", value_parser = name)]
        name: Option<String>,
        /// Only when no other place takes an alert
        #[arg(long)]
        backup: bool,
        /// Only alerts at least this loud: info, warning, error or critical
        #[arg(long, value_name = "LEVEL", value_parser = level)]
        at_least: Option<String>,
    },
    /// Take a place out
    Remove {
        /// Its name
        name: String,
    },
    /// Show what was told, and what became of it
    Log {
        /// At most so many lines
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
}

fn name(text: &str) -> Result<String, String> {
    if file::is_name(text) {
        Ok(text.to_owned())
    } else {
        Err("expected 1 to 40 letters, digits, `-` and `_`".to_owned())
    }
}

fn level(text: &str) -> Result<String, String> {
    clawmend_core::alert::Level::named(text)
        .map(|level| level.name().to_owned())
        .ok_or_else(|| "expected info, warning, error or critical".to_owned())
}

pub(super) fn notify(context: &Context, args: &Args) -> Result<ExitCode, CliError> {
    match &args.what {
        What::List => list::list(context),
        What::Test { place } => test::test(context, place.as_deref()),
        What::Set { kind, name, backup, at_least } => {
            let wanted = set::Wanted { kind, name: name.as_deref(), backup: *backup, at_least: at_least.as_deref() };
            set::set(context, &wanted)
        }
        What::Remove { name } => set::remove(context, name),
        What::Log { limit } => log::log(context, *limit),
    }
}

/// What stands where, for these commands.
pub(super) struct Here {
    pub(super) settings: Settings,
    pub(super) premises: Premises,
    templates: PathBuf,
}

impl Here {
    pub(super) fn of(context: &Context) -> Result<Self, CliError> {
        let (path, settings) = match &context.global.config {
            Some(path) => (path.clone(), settings::load(path)?),
            None => {
                let path = dirs::config_file()?;
                (path.clone(), settings::load_or_default(&path)?)
            }
        };
        // A gateway that cannot be found only means that nothing is taken over from it.
        let homes = setup::homes_here(context.global.gateway.as_ref(), &settings).unwrap_or_default();
        let premises = Premises { file: file::beside(&path), homes, state: context.state_dir()?, uid: own_uid() };
        Ok(Self { settings, premises, templates: path.with_file_name("templates") })
    }

    fn scribe(&self) -> Scribe {
        Scribe {
            homes: self.premises.homes.clone(),
            state: self.premises.state.clone(),
            templates: self.templates.clone(),
            language: self.settings.guard.language,
            ai: self.settings.ai.clone(),
            gateways: self.settings.gateways.clone(),
            uid: own_uid(),
        }
    }
}

/// No place of that name.
fn no_such_place(name: &str, known: &[String]) -> CliError {
    let error = CliError::new(Kind::NotFound, format!("there is no place `{}`", super::output::clean(name, 64)));
    if known.is_empty() {
        error.hint("`clawmend notify set` makes one")
    } else {
        error.hint(format!("known here: {}", known.join(", ")))
    }
}
