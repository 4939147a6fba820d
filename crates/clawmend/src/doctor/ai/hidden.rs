//! Secrets that are known on this host, so that they can be hidden wherever they turn up.
//!
//! [`crate::openclaw::redact`] knows what secrets look like; a password such as `correct horse` looks like nothing.
//! Invariant: a value that was added here appears in no text that passed [`Hidden::mask`], and never leaves this type.

use crate::openclaw::config;
use crate::openclaw::discovery::Home;
use aho_corasick::AhoCorasick;
use secrecy::{ExposeSecret as _, SecretString};
use std::path::{Path, PathBuf};

/// Shorter values occur by chance in ordinary words.
const SHORTEST: usize = 6;
/// Longer values are not kept.
const LONGEST: usize = 8 * 1024;
/// Most values.
const MOST: usize = 1024;
/// Most files of one folder.
const MAX_FILES: usize = 64;
/// What is read of one file.
const MAX_FILE: u64 = 1024 * 1024;
/// What stands in for a secret.
const MASK: &str = "***";
/// Parts of names whose values are secrets.
const NAMES: [&str; 9] =
    ["token", "secret", "passw", "passphrase", "credential", "authorization", "cookie", "apikey", "private"];

/// The secrets, and how to find them.
#[derive(Default)]
pub struct Hidden {
    values: Vec<SecretString>,
}

impl std::fmt::Debug for Hidden {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Hidden({} values)", self.values.len())
    }
}

/// Hides, in one pass over a text. It holds the secrets, too.
#[derive(Clone)]
pub struct Mask {
    finder: Option<AhoCorasick>,
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Mask({} patterns)", self.finder.as_ref().map_or(0, AhoCorasick::patterns_len))
    }
}

impl Hidden {
    /// Adds a value.
    pub fn add(&mut self, value: &str) {
        let value = value.trim();
        if (SHORTEST..=LONGEST).contains(&value.len()) && self.values.len() < MOST {
            self.values.push(SecretString::from(value.to_owned()));
        }
    }

    /// Adds the values of variables whose names say that they are secret.
    pub fn add_environment(&mut self, variables: impl Iterator<Item = (String, String)>) {
        for (name, value) in variables {
            if is_secret_name(&name) {
                self.add(&value);
            }
        }
    }

    /// Adds what a config or an `.env` file holds under secret names. The file need not parse, and need not be there.
    pub fn add_file(&mut self, path: &Path) {
        if let Ok(bytes) = crate::openclaw::files::read_bounded(path, MAX_FILE) {
            self.add_text(&String::from_utf8_lossy(&bytes));
        }
    }

    /// Adds what the files of a gateway's home hold: its config with what that includes, `.env`, and the credentials of
    /// channels and agents.
    pub fn add_home(&mut self, home: &Home, env: impl Fn(&str) -> Option<String>) {
        let mut files = config::read(home, env).files;
        files.push(home.state_dir.join(".env"));
        files.extend(entries(&home.state_dir.join("credentials")));
        let agents = entries(&home.state_dir.join("agents"));
        files.extend(agents.into_iter().map(|agent| agent.join("agent/auth-profiles.json")));
        files.iter().for_each(|file| self.add_file(file));
    }

    /// Adds the values that follow a secret name in `text`: `name: "value"`, `"name": 'value'`, `NAME=value`.
    pub fn add_text(&mut self, text: &str) {
        let mut name = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if c == '"' || c == '\'' {
                let (value, after) = quoted(rest, c);
                rest = after;
                if is_secret_name(&name) && !after.trim_start().starts_with(':') {
                    self.add(&value);
                }
                name = value;
            } else if is_word(c) {
                let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                name = rest[..end].to_owned();
                rest = &rest[end..];
            } else if c == '=' {
                let end = rest.find('\n').unwrap_or(rest.len());
                let value = rest[1..end].trim();
                if is_secret_name(&name) && !value.starts_with(['"', '\'']) {
                    self.add(value);
                    rest = &rest[end..];
                } else {
                    rest = &rest[1..];
                }
            } else {
                // The value of a name ends its part; a new one begins.
                if matches!(c, ',' | '{' | '}' | ']' | '\n') && !rest.trim_start().starts_with([':', '"', '\'', '[']) {
                    name.clear();
                }
                rest = &rest[c.len_utf8()..];
            }
        }
    }

    /// What hides them.
    #[must_use]
    pub fn mask(&self) -> Mask {
        let mut forms: Vec<String> = Vec::new();
        for value in &self.values {
            let value = value.expose_secret();
            forms.push(value.to_owned());
            let escaped = escaped(value);
            if escaped != value {
                forms.push(escaped);
            }
        }
        // The longest first, so that of `abcdef` and `abcdefgh` nothing stays behind.
        forms.sort_unstable_by_key(|form| std::cmp::Reverse(form.len()));
        let finder = if forms.is_empty() {
            None
        } else {
            aho_corasick::AhoCorasickBuilder::new()
                .match_kind(aho_corasick::MatchKind::LeftmostFirst)
                .build(&forms)
                .ok()
        };
        Mask { finder }
    }
}

impl Mask {
    /// `text` without the secrets.
    #[must_use]
    pub fn hide(&self, text: &str) -> String {
        let Some(finder) = &self.finder else { return text.to_owned() };
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for found in finder.find_iter(text) {
            out.push_str(text.get(at..found.start()).unwrap_or_default());
            out.push_str(MASK);
            at = found.end();
        }
        out.push_str(text.get(at..).unwrap_or_default());
        out
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().take(MAX_FILES).map(|entry| entry.path()).collect()
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    NAMES.iter().any(|part| name.contains(part)) || name.ends_with("key") || name.ends_with("pass")
}

/// The content of the quoted text at the start of `rest`, and what follows. One that is not closed ends with its line.
fn quoted(rest: &str, mark: char) -> (String, &str) {
    let mut value = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                if let Some((_, next)) = chars.next() {
                    value.push(next);
                }
            }
            '\n' => return (value, &rest[at..]),
            c if c == mark => return (value, &rest[at + c.len_utf8()..]),
            c => value.push(c),
        }
    }
    (value, "")
}

/// As it stands in a line of JSON.
fn escaped(value: &str) -> String {
    let text = serde_json::to_string(value).unwrap_or_default();
    text.trim_start_matches('"').trim_end_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(config: &str, text: &str) -> String {
        let mut hidden = Hidden::default();
        hidden.add_text(config);
        hidden.mask().hide(text)
    }

    #[test]
    fn secrets_of_a_config_are_hidden_wherever_they_turn_up() {
        let config = r#"{ gateway: { auth: { mode: "token", token: 'correct horse' } },
            channels: { telegram: { "botToken": "staple\"battery", name: "visible-name" } },
            models: { providers: { x: { apiKey: "blue monday", baseUrl: "https://visible" } } } }"#;
        let text = r#"said correct horse and staple\"battery and blue monday, visible-name, https://visible"#;
        assert_eq!(masked(config, text), "said *** and *** and ***, visible-name, https://visible");
    }

    #[test]
    fn a_config_that_does_not_parse_is_searched_too() {
        let config = "{ gateway: { auth: { token: \"correct horse\n  }, password: \"tractor fox\", port: ";
        assert_eq!(masked(config, "correct horse; tractor fox"), "***; ***");
        assert_eq!(masked("{\"token\": \"half of it", "half of it"), "***");
    }

    #[test]
    fn variables_and_env_files_count() {
        let mut hidden = Hidden::default();
        hidden.add_environment(
            [("OPENAI_API_KEY", "purple rain"), ("EDITOR", "emacs -nw")].map(|(a, b)| (a.into(), b.into())).into_iter(),
        );
        hidden.add_text("# comment\nBOT_TOKEN=yellow brick\nexport DB_PASSWORD=\"under the sea\"\nLANG=de_DE.UTF-8\n");
        let told = hidden.mask().hide("purple rain, emacs -nw, yellow brick, under the sea, de_DE.UTF-8");
        assert_eq!(told, "***, emacs -nw, ***, ***, de_DE.UTF-8");
        assert_eq!(format!("{hidden:?} {:?}", hidden.mask()), "Hidden(3 values) Mask(3 patterns)");
    }

    #[test]
    fn short_and_overlapping_values_do_no_harm() {
        let mut hidden = Hidden::default();
        ["on", "abcdef", "abcdefgh", ""].iter().for_each(|value| hidden.add(value));
        assert_eq!(hidden.mask().hide("on and on: abcdefgh abcdefg"), "on and on: *** ***g");
        assert_eq!(Hidden::default().mask().hide("as it was"), "as it was");
    }
}
