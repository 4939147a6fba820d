//! The loop that wires core to adapters, and nothing else.

mod options;

pub use options::{DaemonError, Options};

use std::process::ExitCode;

/// Guards until it is told to end.
///
/// # Errors
/// Why it could not begin or go on.
pub fn run(_options: Options) -> Result<ExitCode, DaemonError> {
    Err(DaemonError::Bug { message: "this build has no guard in it".to_owned() })
}
