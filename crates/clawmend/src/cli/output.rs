//! Results go to standard output, messages to standard error; colours only where a terminal shows them.
//!
//! Invariant: text from outside passes [`clean`] before it is printed, so that no log line or reason can steer a
//! terminal.

use super::error::CliError;
use serde::Serialize;
use std::io::{self, IsTerminal as _, Write as _};

/// How to paint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    on: bool,
}

/// What a text says of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// All is well.
    Good,
    /// Worth a look.
    Warning,
    /// Something is broken.
    Bad,
    /// Beside the point.
    Quiet,
    /// A name.
    Strong,
}

impl Style {
    /// Without colours.
    pub const PLAIN: Self = Self { on: false };

    /// For standard output.
    #[must_use]
    pub fn of_stdout() -> Self {
        Self { on: wanted() && io::stdout().is_terminal() }
    }

    /// For standard error.
    #[must_use]
    pub fn of_stderr() -> Self {
        Self { on: wanted() && io::stderr().is_terminal() }
    }

    /// Paints, where it is seen.
    #[must_use]
    pub fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => "32",
            Tone::Warning => "33",
            Tone::Bad => "31;1",
            Tone::Quiet => "2",
            Tone::Strong => "1",
        };
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// <https://no-color.org>: set and not empty means none.
fn wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Text from outside, fit for a terminal: one line, bounded, without escape sequences, control characters or marks
/// that turn the direction of writing.
#[must_use]
pub fn clean(text: &str, limit: usize) -> String {
    let mut kept = String::new();
    let mut left = limit;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_sequence(&mut chars),
            '\t' | '\n' => kept.push(' '),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => continue,
            c if c.is_control() => continue,
            c => kept.push(c),
        }
        if c != '\u{1b}' {
            if left == 0 {
                return kept.chars().take(limit.saturating_sub(1)).chain(['…']).collect();
            }
            left -= 1;
        }
    }
    kept
}

/// What follows an escape character: a control sequence up to its final byte, an operating-system command up to
/// its end (with a bound, so that an open one does not swallow everything), or a single character.
fn skip_sequence(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            while chars.next_if(|c| matches!(c, ' '..='?')).is_some() {}
            chars.next_if(|c| matches!(c, '@'..='~'));
        }
        Some(']') => {
            for _ in 0..256 {
                match chars.next() {
                    None | Some('\u{7}') => return,
                    Some('\u{1b}') => {
                        chars.next_if_eq(&'\\');
                        return;
                    }
                    Some(_) => {}
                }
            }
        }
        Some(_) => {
            // `ESC ( B` and its like choose a character set; all others are two characters long.
            if chars.next_if(|c| matches!(c, ' '..='/')).is_some() {
                while chars.next_if(|c| matches!(c, ' '..='/')).is_some() {}
            }
            chars.next_if(char::is_ascii_graphic);
        }
        None => {}
    }
}

/// Writes a result. A reader that has seen enough (`| head`) is no error.
///
/// # Errors
/// Standard output cannot be written.
pub fn print(text: &str) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes a result for scripts: one line of JSON.
///
/// # Errors
/// Standard output cannot be written.
pub fn print_json<T: Serialize>(value: &T) -> Result<(), CliError> {
    let mut text = serde_json::to_string(value).map_err(io::Error::from)?;
    text.push('\n');
    print(&text)
}

/// Tells a person something beside the result. Nothing can be done when even that fails.
pub fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Tells a person what went wrong and what to do.
pub fn tell_error(error: &CliError) {
    let style = Style::of_stderr();
    let clean = |text: &str| clean(text, 2000);
    tell(&format!("{} {}", style.paint(Tone::Bad, "clawmend:"), clean(&error.message)));
    for hint in &error.hints {
        tell(&format!("  {} {}", style.paint(Tone::Quiet, "→"), clean(hint)));
    }
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn hostile_text_becomes_a_harmless_line() {
        assert_eq!(clean("\x1b[31mred\x1b[0m\ttab\nline\r\x07", 100), "red tab line");
        assert_eq!(clean("a\x1b]0;title\x07b\x1b]8;;x\x1b\\c\x1b(Bd\x1b", 100), "abcd");
        assert_eq!(clean("\u{202e}abc\u{9b}31m", 100), "abc31m");
        assert_eq!(clean("abcdef", 6), "abcdef");
        assert_eq!(clean("abcdefg", 6), "abcde…");
        assert_eq!(clean("äöüäöü…", 3), "äö…");
    }
}
