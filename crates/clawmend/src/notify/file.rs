//! `notify.toml`: where letters go. Beside `clawmend.toml`, and apart from it because it holds secrets.
//!
//! Invariants: a file that others can read, or that is not ours, is not used; a place with a fault is named, and the others
//! are used all the same; no error repeats a value that may be a secret. Start at [`load`].

use super::address::Address;
use super::channel::Channel;
use crate::bot::access::BotSettings;
use crate::cards::access::FeishuSettings;
use crate::cards::dingtalk::access::DingtalkSettings;
use crate::host::files::is_private;
use crate::openclaw::files::read_bounded;
use crate::openclaw::redact::redact;
use clawmend_core::alert::Level;
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use toml::{Spanned, Table, Value};

/// Its name.
pub const NAME: &str = "notify.toml";
/// Largest file that is read, in bytes.
const MAX_BYTES: u64 = 128 * 1024;
/// Most places.
pub const MAX_PLACES: usize = 32;
/// Longest name of a place.
const MAX_NAME: usize = 40;

/// What stands in the file.
#[derive(Debug, Default)]
pub struct NotifyFile {
    /// The way out, such as `http://proxy.example.com:3128`.
    pub proxy: Option<SecretString>,
    /// Who is told regularly that the guard lives.
    pub heartbeat: Option<Heartbeat>,
    /// The guard's own bot.
    pub bot: Option<BotSettings>,
    /// The guard's own app on Feishu.
    pub feishu: Option<FeishuSettings>,
    /// The guard's own app on DingTalk.
    pub dingtalk: Option<DingtalkSettings>,
    /// Other addresses of services.
    pub apis: Apis,
    /// Where letters go, in the order of the file.
    pub to: Vec<Entry>,
    /// What is wrong with the rest, for people.
    pub problems: Vec<String>,
}

/// `[api]`: other addresses for the services behind channels that were taken over, such as a relay in a company's network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Apis {
    /// In place of the one that the domain in OpenClaw's config means.
    pub feishu: Option<Address>,
    /// In place of `https://api.dingtalk.com`.
    pub dingtalk: Option<Address>,
}

/// `[heartbeat]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// Asked each time: a check of Healthchecks, or any webhook.
    pub address: Address,
    /// Between two of them.
    #[serde(default = "minute")]
    pub every_ms: u64,
}

const fn minute() -> u64 {
    60_000
}

/// `[[to]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// What the person calls it.
    pub name: String,
    /// Only when no other place takes a letter.
    pub backup: bool,
    /// Quieter letters do not go there.
    pub at_least: Level,
    /// The place itself.
    pub channel: Channel,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Whole {
    #[serde(deserialize_with = "super::secret::optional")]
    proxy: Option<SecretString>,
    heartbeat: Option<Spanned<Table>>,
    bot: Option<Spanned<Table>>,
    feishu: Option<Spanned<Table>>,
    dingtalk: Option<Spanned<Table>>,
    api: Apis,
    to: Vec<Spanned<Table>>,
}

/// Why the file is not used at all.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Others can read it, or it is somebody else's.
    #[error("{} is not ours alone, and holds secrets: `chmod 600 {}` (and `chown`) mends that", path.display(), path.display())]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("{} cannot be read: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// It is not TOML, or has keys that nobody knows.
    #[error("{}, line {line}: {why}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// Why.
        why: String,
    },
}

/// Where the file is, beside the settings.
#[must_use]
pub fn beside(settings: &Path) -> PathBuf {
    settings.with_file_name(NAME)
}

/// Reads the file; one that is not there says nothing.
///
/// # Errors
/// [`FileError`]: nothing of it is used.
pub fn load(path: &Path) -> Result<NotifyFile, FileError> {
    let unreadable = |why: String| FileError::Unreadable { path: path.to_owned(), why };
    match is_private(path) {
        Ok(true) => {}
        Ok(false) => return Err(FileError::Open { path: path.to_owned() }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(NotifyFile::default()),
        Err(error) => return Err(unreadable(error.to_string())),
    }
    let bytes = read_bounded(path, MAX_BYTES).map_err(|error| unreadable(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8 text".to_owned()))?;
    parse(path, &text)
}

/// Parses a text; `path` only names it in errors.
///
/// # Errors
/// [`FileError::Invalid`].
pub fn parse(path: &Path, text: &str) -> Result<NotifyFile, FileError> {
    let line_of = |at: usize| text.get(..at).unwrap_or_default().matches('\n').count() + 1;
    let whole: Whole = toml::from_str(text).map_err(|error| FileError::Invalid {
        path: path.to_owned(),
        line: line_of(error.span().map_or(0, |span| span.start)),
        why: shown(error.message()),
    })?;
    let mut file = NotifyFile { proxy: whole.proxy, apis: whole.api, ..NotifyFile::default() };
    if let Some(section) = whole.heartbeat {
        let line = line_of(section.span().start);
        match Value::Table(section.into_inner()).try_into::<Heartbeat>() {
            Ok(heartbeat) if (10_000..=86_400_000).contains(&heartbeat.every_ms) => file.heartbeat = Some(heartbeat),
            Ok(_) => file.problems.push(problem(path, line, "heartbeat", "every_ms: expected 10000 to 86400000")),
            Err(error) => file.problems.push(problem(path, line, "heartbeat", &shown(error.message()))),
        }
    }
    file.bot = own(&mut file.problems, whole.bot, |at| format!("{}, line {}: `bot`", path.display(), line_of(at)));
    file.feishu =
        own(&mut file.problems, whole.feishu, |at| format!("{}, line {}: `feishu`", path.display(), line_of(at)));
    file.dingtalk =
        own(&mut file.problems, whole.dingtalk, |at| format!("{}, line {}: `dingtalk`", path.display(), line_of(at)));
    for (number, section) in whole.to.into_iter().enumerate() {
        let line = line_of(section.span().start);
        match entry(section.into_inner(), number) {
            Ok(entry) if file.to.iter().any(|other| other.name == entry.name) => {
                file.problems.push(problem(path, line, &entry.name, "this name is used twice"));
            }
            Ok(_) if file.to.len() == MAX_PLACES => {
                file.problems.push(problem(path, line, "to", &format!("expected at most {MAX_PLACES} places")));
                break;
            }
            Ok(entry) => file.to.push(entry),
            Err((name, why)) => file.problems.push(problem(path, line, &name, &why)),
        }
    }
    Ok(file)
}

/// A section of the guard's own; what is wrong with it takes nothing else along.
fn own<T: DeserializeOwned>(
    problems: &mut Vec<String>,
    section: Option<Spanned<Table>>,
    named: impl Fn(usize) -> String,
) -> Option<T> {
    let section = section?;
    let start = section.span().start;
    match Value::Table(section.into_inner()).try_into::<T>() {
        Ok(settings) => Some(settings),
        Err(error) => {
            problems.push(format!("{} is not used: {}", named(start), shown(error.message())));
            None
        }
    }
}

fn problem(path: &Path, line: usize, name: &str, why: &str) -> String {
    format!("{}, line {line}: `{name}` is not used: {why}", path.display())
}

fn entry(mut table: Table, number: usize) -> Result<Entry, (String, String)> {
    let kind = table.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
    let name = match table.remove("name") {
        None if is_name(&kind) => kind,
        None => format!("to-{}", number + 1),
        Some(Value::String(name)) if is_name(&name) => name,
        Some(_) => {
            let why = format!("its name: expected 1 to {MAX_NAME} letters, digits, `-` and `_`");
            return Err((format!("to-{}", number + 1), why));
        }
    };
    let wrong = |why: &str| (name.clone(), shown(why));
    let backup = match table.remove("backup") {
        None => false,
        Some(Value::Boolean(backup)) => backup,
        Some(_) => return Err(wrong("backup: expected true or false")),
    };
    let at_least = match table.remove("at_least") {
        None => Level::Info,
        Some(level) => level.try_into().map_err(|error: toml::de::Error| wrong(error.message()))?,
    };
    let channel = Value::Table(table).try_into().map_err(|error: toml::de::Error| wrong(error.message()))?;
    Ok(Entry { name, backup, at_least, channel })
}

/// Names appear in records and on terminals.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(fine)
}

/// What a parser says may repeat what it read.
fn shown(message: &str) -> String {
    let quoted = message.find("string \"").map(|at| &message[..at]);
    match quoted {
        // `invalid type: string "…", expected …`: the value stays here.
        Some(before) => {
            let after = message.rsplit_once("\", ").map_or("", |(_, after)| after);
            redact(&format!("{before}text, {after}"), 300)
        }
        None => redact(&without_odd_variant(message), 300),
    }
}

/// `unknown variant `…`, expected …`: a word is a slip that a person wants to see, anything else stays here.
fn without_odd_variant(message: &str) -> String {
    let found = message.strip_prefix("unknown variant `").and_then(|rest| rest.split_once("`, expected"));
    match found {
        Some((variant, rest)) if !is_name(variant) => format!("unknown value, expected{rest}"),
        Some(_) | None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> Result<NotifyFile, String> {
        parse(Path::new("notify.toml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_place_with_a_fault_is_named_and_the_others_are_used() {
        let text = r#"
            [heartbeat]
            address = "https://hc.example.com/ping/canary-0123456789abcdef"

            [[to]]
            kind = "desktop"

            [[to]]
            name = "ops"
            kind = "feishuu"

            [[to]]
            name = "bad name!"
            kind = "desktop"

            [[to]]
            kind = "desktop"

            [[to]]
            name = "later"
            kind = "desktop"
            backup = true
            at_least = "critical"

            [[to]]
            name = "loud"
            kind = "desktop"
            at_least = "canary-0123456789abcdef"
        "#;
        let file = read(text).unwrap();
        assert_eq!(file.heartbeat.unwrap().every_ms, 60_000);
        let used: Vec<_> = file.to.iter().map(|to| (to.name.as_str(), to.backup, to.at_least)).collect();
        assert_eq!(used, [("desktop", false, Level::Info), ("later", true, Level::Critical)]);
        insta::assert_snapshot!(file.problems.join("\n"));
    }

    #[test]
    fn no_error_repeats_a_value() {
        for text in [
            "proxy = 5 \"canary-0123456789abcdef\"",
            "[heartbeat]\naddress = \"http://canary.example.com/0123456789abcdef\"",
            "[heartbeat]\naddress = \"https://a.example.com\"\nevery_ms = \"canary 0123456789abcdef\"",
            "[[to]]\nkind = \"canary\\\" 0123456789abcdef\"",
            "[[to]]\nkind = \"desktop\"\nbackup = \"canary\"",
            "token = \"canary-0123456789abcdef\"",
        ] {
            let said = read(text).map_or_else(|error| error, |file| file.problems.join("\n"));
            assert!(!said.is_empty() && !said.contains("0123456789abcdef"), "{text}: {said}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_not_used() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        assert!(load(&path).unwrap().to.is_empty(), "no file says nothing");
        std::fs::write(&path, "[[to]]\nkind = \"desktop\"\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(load(&path).unwrap_err().to_string().contains("chmod 600"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(load(&path).unwrap().to.len(), 1);
    }
}
