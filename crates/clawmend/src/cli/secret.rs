//! Asking for something that must not be seen.

use super::error::{CliError, Kind};
use super::output;
use secrecy::SecretString;
use std::io::{BufRead as _, IsTerminal as _};

/// Longest answer, in bytes.
const MAX: usize = 1_024;

/// One line, from a terminal without echo, or from standard input.
pub fn ask_hidden(what: &str) -> Result<SecretString, CliError> {
    let input = std::io::stdin();
    let hidden = input.is_terminal().then(|| crate::host::terminal::without_echo(&input));
    if input.is_terminal() {
        output::tell(&format!("{what}:"));
    }
    let mut line = String::new();
    let read = std::io::Read::take(input.lock(), MAX as u64 + 2).read_line(&mut line);
    drop(hidden);
    read?;
    let text = line.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(CliError::new(Kind::Usage, format!("no {what} was given")));
    }
    Ok(SecretString::from(text.to_owned()))
}
