//! Makes text from outside fit to be stored and shown: no control characters, no secrets, a bounded length.
//!
//! Invariant: everything that another program wrote passes [`redact`] before it enters evidence. It errs on the side
//! of hiding: a long mixed token is masked even when it was harmless.

/// Shortest secret part of a bot's token.
const BOT_TOKEN: usize = 30;
/// Shortest value that is a secret because of its name.
const NAMED_VALUE: usize = 12;
/// What stands in for a secret.
const MASK: &str = "***";
/// Shortest run of letters, digits, `-` and `_` that may be a secret when it mixes letters and digits.
const SECRET_RUN: usize = 20;
/// Words that make the value after `=` or `:` a secret.
const SECRET_NAMES: [&str; 8] = ["token", "secret", "passw", "apikey", "api_key", "api-key", "authorization", "cookie"];
/// Beginnings of well-known keys.
const SECRET_STARTS: [&str; 10] =
    ["sk-", "xoxb-", "xoxp-", "xapp-", "ghp_", "gho_", "github_pat_", "glpat-", "AIza", "eyJ"];

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

/// Whether a file's text holds a credential. [`redact`] hides whatever could be one; this says so only of what hardly
/// can be anything else, because notes of people are full of identifiers.
#[must_use]
pub fn holds_secret(text: &str) -> bool {
    text.lines().any(|line| {
        let line = plain(line);
        (line.contains("-----BEGIN ") && line.contains("PRIVATE KEY-----"))
            || line.split_whitespace().any(is_secret)
            || names_value(&line)
    })
}

/// A well-known key, or a bot's token.
fn is_secret(word: &str) -> bool {
    let run = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let known =
        |run: &str| run.len() >= SECRET_RUN && is_mixed(run) && SECRET_STARTS.iter().any(|s| run.starts_with(s));
    let bot = word.split(|c| !run(c) && c != ':').any(|part| {
        part.split_once(':').is_some_and(|(id, token)| {
            // In an address of the API, `bot` stands before the number.
            let digits = id.bytes().rev().take_while(u8::is_ascii_digit).count();
            digits >= 6 && token.len() >= BOT_TOKEN && token.chars().all(run)
        })
    });
    bot || word.split(|c| !run(c)).any(known)
}

/// `token = value`, where the value is long and mixed, and no place-holder.
fn names_value(line: &str) -> bool {
    let quote = |c: char| matches!(c, '"' | '\'' | '`' | '*');
    line.match_indices(['=', ':']).any(|(at, _)| {
        let (name, value) = (line[..at].trim_end().trim_end_matches(quote), &line[at + 1..]);
        let name = name.rsplit(|c: char| c.is_whitespace() || quote(c) || matches!(c, '{' | ',')).next();
        let mut words =
            value.split(|c: char| c.is_whitespace() || quote(c) || c == ',').filter(|word| !word.is_empty());
        let value = words.find(|word| !word.eq_ignore_ascii_case("bearer")).unwrap_or_default();
        name.is_some_and(names_a_secret)
            && value.len() >= NAMED_VALUE
            && is_mixed(value)
            && !value.contains("://")
            && !value.starts_with(['$', '<', '/', '.', '~'])
    })
}

fn is_mixed(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_digit()) && text.bytes().any(|b| b.is_ascii_alphabetic())
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
    let mixed = run.len() >= SECRET_RUN && is_mixed(run);
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
    fn a_credential_in_notes_is_told_from_an_identifier() {
        for text in [
            "key sk-proj-abcdefghijkl1234",
            "bot 123456:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQ1",
            "clone with glpat-a1b2c3d4-e5f6g7h8",
            "url https://api.telegram.org/bot123456:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQ1/getMe",
            "TELEGRAM_TOKEN=a1b2c3d4e5f6",
            "  \"apiKey\": \"a1b2c3d4e5f6\",",
            "- **Password**: hunter2hunter2",
            "run: TOKEN=a1b2c3d4e5f6 cmd",
            "curl -H 'Authorization: Bearer a1b2c3d4e5f6'",
            "-----BEGIN OPENSSH PRIVATE KEY-----",
        ] {
            assert!(holds_secret(&format!("# Notes\n{text}\n")), "{text}");
        }
        for text in [
            "see 3f2b8c1e-77aa-4c9e-9d00-0123456789ab",
            "commit 35c1777d2e6863c1e01de970e922d328c5c00aa1",
            "memory/2026-11-25-what-we-said-about-it.md",
            "token: see chapter 4",
            "the password is in the safe",
            "token: ${TELEGRAM_BOT_TOKEN_1}",
            "secrets: https://docs.example.com/secrets-2026",
            "-----BEGIN PUBLIC KEY-----",
        ] {
            assert!(!holds_secret(text), "{text}");
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
