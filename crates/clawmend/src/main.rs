//! The `clawmend` program: see [`clawmend::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next().as_ref().and_then(|name| name.to_str()) {
        Some("keeper") => clawmend::keeper::main(arguments),
        Some("init") => init(arguments),
        Some(_) | None => ExitCode::SUCCESS,
    }
}

/// `clawmend init DIR GUARD…`: the keeper as PID 1.
fn init(mut arguments: impl Iterator<Item = std::ffi::OsString>) -> ExitCode {
    let Some(dir) = arguments.next() else { return ExitCode::from(64) };
    let options = clawmend::keeper::InitOptions { guard_argv: arguments.collect(), stop_limit: None };
    clawmend::keeper::run_as_init(dir.as_ref(), options)
}
