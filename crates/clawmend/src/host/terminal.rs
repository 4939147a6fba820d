//! The terminal that a person types into.

use std::io::Stdin;

/// What was typed is not shown until this is dropped.
#[derive(Debug)]
pub struct WithoutEcho {
    #[cfg(unix)]
    before: Option<rustix::termios::Termios>,
}

/// Stops showing what is typed. Where that is not possible, it is shown.
#[must_use]
pub fn without_echo(input: &Stdin) -> WithoutEcho {
    #[cfg(unix)]
    {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let before = tcgetattr(input).ok();
        if let Some(before) = &before {
            let mut silent = before.clone();
            silent.local_modes.remove(LocalModes::ECHO);
            silent.local_modes.insert(LocalModes::ECHONL);
            let _ = tcsetattr(input, OptionalActions::Flush, &silent);
        }
        WithoutEcho { before }
    }
    #[cfg(not(unix))]
    {
        let _ = input;
        WithoutEcho {}
    }
}

impl Drop for WithoutEcho {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(before) = &self.before {
            use rustix::termios::{OptionalActions, tcsetattr};
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, before);
        }
    }
}
