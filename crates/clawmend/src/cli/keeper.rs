//! `clawmend keeper` and `clawmend init`: the program image that holds a supervised gateway. Hidden: only the guard
//! and container images start it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// What the guard hands to its keeper; the keeper itself parses it.
#[derive(Clone, Debug, clap::Args)]
pub struct KeeperArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARG")]
    args: Vec<OsString>,
}

/// `init DIR GUARD…`: the keeper as PID 1, which starts the guard and restarts it.
#[derive(Clone, Debug, clap::Args)]
pub struct InitArgs {
    /// The keeper's folder
    dir: PathBuf,
    /// The guard's command line
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_name = "GUARD")]
    guard: Vec<OsString>,
}

pub(super) fn keeper(args: KeeperArgs) -> ExitCode {
    crate::keeper::main(args.args)
}

pub(super) fn init(args: InitArgs) -> ExitCode {
    crate::keeper::run_as_init(&args.dir, crate::keeper::InitOptions { guard_argv: args.guard, stop_limit: None })
}
