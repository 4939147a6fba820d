//! A line of a config that can be shown.
//!
//! Invariant: no value of the config is in it, except a few harmless words; the places of all characters stay.

use super::finding::Excerpt;

/// Longest excerpt in characters.
const WIDTH: usize = 120;
/// Characters kept before the place when a line is longer.
const BEFORE: usize = 80;
/// Values that tell nothing.
const HARMLESS: [&str; 20] = [
    "local", "remote", "loopback", "lan", "auto", "custom", "tailnet", "token", "password", "none", "true", "false",
    "null", "info", "debug", "warn", "error", "default", "open", "pairing",
];

/// A word of the config's own language, which tells nothing of whoever wrote it.
#[must_use]
pub fn is_harmless(word: &str) -> bool {
    HARMLESS.contains(&word)
}

/// The line with the place marked. Line and column are 1-based.
#[must_use]
pub fn excerpt(text: &str, line: u32, column: u32) -> Option<Excerpt> {
    let content = text.split('\n').nth(usize::try_from(line.checked_sub(1)?).ok()?)?.trim_end_matches('\r');
    let mark = usize::try_from(column.saturating_sub(1)).ok()?;
    let masked: Vec<char> = mask(content).chars().take(mark.saturating_add(WIDTH)).collect();
    let mark = mark.min(masked.len());
    let skip = if masked.len() > WIDTH { mark.saturating_sub(BEFORE) } else { 0 };
    let text: String = masked.iter().skip(skip).take(WIDTH).collect();
    Some(Excerpt { text: text.trim_end().to_owned(), mark: mark - skip })
}

/// Hides what may be a value: quoted text that no colon follows, and long mixed words. One character for one.
fn mask(line: &str) -> String {
    let chars: Vec<char> =
        line.chars().map(|c| if c == '\t' || c.is_control() || is_odd(c) { ' ' } else { c }).collect();
    let mut out = String::with_capacity(line.len());
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        if c == '"' || c == '\'' {
            at = quoted(&chars, at, c, &mut out);
        } else if is_word(c) {
            let word: String = chars[at..].iter().copied().take_while(|c| is_word(*c)).collect();
            let length = word.chars().count();
            let key = next_visible(&chars, at + length) == Some(':');
            if key || length < 8 || HARMLESS.contains(&word.as_str()) {
                out.push_str(&word)
            } else {
                hide(length, &mut out)
            }
            at += length;
        } else {
            out.push(c);
            at += 1;
        }
    }
    out
}

/// Copies one quoted text from `at` on; hidden unless it is a key or harmless.
fn quoted(chars: &[char], at: usize, quote: char, out: &mut String) -> usize {
    let mut end = at + 1;
    let mut closed = false;
    while let Some(&c) = chars.get(end) {
        end += 1;
        if c == '\\' {
            end += 1;
        } else if c == quote {
            closed = true;
            break;
        }
    }
    let end = end.min(chars.len());
    let inner: String = chars[at + 1..if closed { end - 1 } else { end }].iter().collect();
    let key = closed && next_visible(chars, end) == Some(':') && inner.chars().count() <= 64;
    out.push(quote);
    if key || HARMLESS.contains(&inner.as_str()) {
        out.push_str(&inner)
    } else {
        hide(inner.chars().count(), out)
    }
    if closed {
        out.push(quote);
    }
    end
}

fn hide(length: usize, out: &mut String) {
    out.extend(std::iter::repeat_n('·', length));
}

fn next_visible(chars: &[char], from: usize) -> Option<char> {
    chars.get(from..)?.iter().copied().find(|c| !c.is_whitespace())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '+' | '/' | '=' | '$' | '.' | '@' | '%')
}

/// Reorders or hides text on a terminal.
const fn is_odd(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
