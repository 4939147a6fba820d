//! A person's yes to something that is about to be done.
//!
//! Invariant: nobody's silence is a yes: without a terminal only `--yes`, said beforehand, is one.

use super::error::{CliError, Kind};
use super::output;
use std::io::IsTerminal as _;

/// Says `what`, and waits for a yes. `alone` is what is said where nobody can be asked.
///
/// # Errors
/// There was no yes.
pub fn ask(what: &str, alone: &str, yes: bool) -> Result<(), CliError> {
    if yes {
        output::tell(what);
        return Ok(());
    }
    let input = std::io::stdin();
    if !input.is_terminal() {
        let error = CliError::new(Kind::Usage, format!("{alone}; nobody is here to say yes"));
        return Err(error.hint("`--yes` says it beforehand"));
    }
    output::tell(&format!("{what}? [y/N]"));
    let mut line = String::new();
    input.read_line(&mut line)?;
    match line.trim() {
        "y" | "Y" | "yes" | "是" => Ok(()),
        _ => Err(CliError::new(Kind::Refused, "you did not say yes; nothing was done")),
    }
}
