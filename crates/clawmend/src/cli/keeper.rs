//! `clawmend keeper`: the program image that holds a supervised gateway. Hidden: only the guard starts it.

use super::error::{CliError, Kind};
use std::ffi::OsString;
use std::process::ExitCode;

/// What the guard hands to its keeper.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARG")]
    args: Vec<OsString>,
}

pub(super) fn keeper(args: Args) -> Result<ExitCode, CliError> {
    let message = format!("this build has no keeper in it ({} arguments)", args.args.len());
    Err(CliError::new(Kind::Internal, message))
}
