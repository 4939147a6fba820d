//! `clawmend keeper`: the program image that holds a supervised gateway. Hidden: only the guard starts it.

use std::ffi::OsString;
use std::process::ExitCode;

/// What the guard hands to its keeper.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARG")]
    args: Vec<OsString>,
}

pub(super) fn keeper(args: Args) -> ExitCode {
    crate::keeper::main(args.args)
}
