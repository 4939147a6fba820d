//! Commands, one file per subcommand. Parses, asks the daemon or the store, prints.
//!
//! Invariants: results go to standard output, messages to standard error; every failure is a [`CliError`] with a
//! sentence and what to do next; exit codes are those of [`exit`]. Start at [`main`].

mod account;
mod approve;
mod args;
mod bundle;
mod cases;
mod check;
mod completions;
mod config;
mod consent;
mod context;
mod doctor;
mod draft;
mod drill;
mod duration;
mod earlier;
mod error;
pub mod exit;
mod help;
mod incidents;
mod keeper;
mod logs;
mod notify;
mod output;
mod pair;
mod pause;
mod restart;
mod resume;
mod run;
mod secret;
mod standby;
mod start;
mod status;
mod stop;
mod up;
mod wish;
mod words;

pub use account::Account;
pub use error::{CliError, Kind};
pub use output::clean;

use args::{Args, Command};
use clap::Parser as _;
use context::Context;
use std::process::ExitCode;

/// The whole program.
#[must_use]
pub fn main() -> ExitCode {
    crate::host::descriptors::keep_to_ourselves();
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version are results; everything else is a usage error.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { exit::USAGE } else { exit::OK });
        }
    };
    crate::host::process::name_self(c"clawmend");
    match dispatch(args) {
        Ok(code) => code,
        Err(error) => {
            output::tell_error(&error);
            ExitCode::from(error.kind.exit_code())
        }
    }
}

fn dispatch(args: Args) -> Result<ExitCode, CliError> {
    let context = Context::new(args.global);
    match args.command {
        Command::Up(args) => up::up(&context, &args),
        Command::Run(args) => run::run(&context, args),
        Command::Status => status::status(&context),
        Command::Check(args) => check::check(&context, &args),
        Command::Restart => restart::restart(&context),
        Command::Pause(args) => pause::pause(&context, args),
        Command::Resume => resume::resume(&context),
        Command::Stop(args) => stop::stop(&context, &args),
        Command::Start => start::start(&context),
        Command::Incidents(args) => incidents::incidents(&context, &args),
        Command::Doctor(args) => doctor::doctor(&context, &args),
        Command::Cases(args) => cases::cases(&context, &args),
        Command::Bundle(args) => bundle::bundle(&context, &args),
        Command::Logs(args) => logs::logs(&context, &args),
        Command::Approve(args) => approve::approve(&context, &args),
        Command::Deny(args) => approve::deny(&context, &args),
        Command::Pair(args) => pair::pair(&context, &args),
        Command::Notify(args) => notify::notify(&context, &args),
        Command::Standby(args) => standby::standby(&context, &args),
        Command::Drill(args) => drill::drill(&context, &args),
        Command::Config(args) => config::config(&context, &args),
        Command::Completions(args) => completions::completions(&args),
        Command::Help(args) => help::help(&args),
        Command::Keeper(args) => Ok(keeper::keeper(args)),
        Command::Init(args) => Ok(keeper::init(args)),
    }
}
