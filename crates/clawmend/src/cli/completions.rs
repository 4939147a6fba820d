//! `clawmend completions`: a script for the shell.

use super::error::CliError;
use super::output;
use clap::CommandFactory as _;
use clap_complete::Shell;
use std::process::ExitCode;

/// Options of `completions`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// For which shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn completions(args: &Args) -> Result<ExitCode, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::args::Args::command(), "clawmend", &mut script);
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
