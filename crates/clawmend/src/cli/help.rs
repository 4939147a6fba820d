//! `clawmend help`: a command's long help, or the exit codes.

use super::error::{CliError, Kind};
use super::{exit, output};
use clap::CommandFactory as _;
use std::process::ExitCode;

/// Options of `help`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// A command, or `exit-codes`
    topic: Vec<String>,
}

pub(super) fn help(args: &Args) -> Result<ExitCode, CliError> {
    if args.topic == ["exit-codes"] {
        output::print(exit::HELP)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut command = super::args::Args::command();
    command.build();
    let mut here = &mut command;
    for name in &args.topic {
        let unknown = || {
            CliError::new(Kind::Usage, format!("there is no command `{name}` to explain"))
                .hint("`clawmend help` lists the commands, `clawmend help exit-codes` the exit codes")
        };
        here = here.find_subcommand_mut(name).ok_or_else(unknown)?;
    }
    output::print(&here.render_long_help().to_string())?;
    Ok(ExitCode::SUCCESS)
}
