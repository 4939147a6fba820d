//! The environment that a gateway sees, as far as it can be known.
//!
//! Invariant: nothing is run; values are only handed to whoever asks for a name, and never kept or shown.
//! [`Environ::secrets`] hands them out so that they can be recognised and hidden.

use super::discovery::Home;
use super::{files, lock};
use crate::host::process;
use clawmend_core::gateway::Incarnation;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::path::Path;

/// Largest `.env` (OpenClaw 2026.9.6: 1 MiB).
const MAX_DOTENV: u64 = 1024 * 1024;
/// Most variables of it.
const MAX_VARIABLES: usize = 1_000;

/// The environment of one gateway.
pub struct Environ {
    life: Option<Incarnation>,
    dotenv: BTreeMap<String, String>,
}

impl Environ {
    /// Of the gateway of `home`: that of its process where one runs, else our own; and the `.env` of its state folder,
    /// which OpenClaw reads at its start and which does not override what is set.
    #[must_use]
    pub fn of(home: &Home, uid: u32) -> Self {
        let locks = lock::find(home, uid, &std::env::temp_dir());
        let life = locks.iter().filter(|file| file.is_of(home)).find_map(|file| file.prove(process::incarnation_of));
        Self { life, dotenv: dotenv(&home.state_dir.join(".env")) }
    }

    /// The process that the lock of the home belongs to.
    #[must_use]
    pub const fn life(&self) -> Option<&Incarnation> {
        self.life.as_ref()
    }

    /// The values of all variables that may hold a credential, by their names: those of the gateway's process, of its
    /// `.env`, and our own.
    #[must_use]
    pub fn secrets(&self) -> Vec<SecretString> {
        let own =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let theirs = self.life.as_ref().map(process::environ).unwrap_or_default();
        let all = own.chain(theirs).chain(self.dotenv.clone());
        let named = |name: &str| {
            let name = name.to_ascii_uppercase();
            SECRET_NAMES.iter().any(|part| name.contains(part))
        };
        all.filter(|(name, _)| named(name)).map(|(_, value)| SecretString::from(value)).collect()
    }

    /// The value of a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        let set = match &self.life {
            Some(life) => process::environ_value(life, name),
            None => std::env::var(name).ok(),
        };
        set.filter(|value| !value.is_empty()).or_else(|| self.dotenv.get(name).cloned())
    }
}

/// Parts of names of variables that may hold a credential.
const SECRET_NAMES: [&str; 10] =
    ["TOKEN", "SECRET", "PASS", "KEY", "AUTH", "CREDENTIAL", "COOKIE", "WEBHOOK", "DSN", "DATABASE"];

fn dotenv(path: &Path) -> BTreeMap<String, String> {
    let bytes = files::read_bounded(path, MAX_DOTENV).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().filter_map(|line| {
        let line = line.trim_start();
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=').filter(|_| !line.starts_with('#'))?;
        let value = value.trim();
        let quoted = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.split(quote).next());
        let plain =
            quoted('"').or_else(|| quoted('\'')).unwrap_or_else(|| value.split(" #").next().unwrap_or(value).trim());
        Some((name.trim().to_owned(), plain.to_owned()))
    });
    lines.filter(|(_, value)| !value.is_empty()).take(MAX_VARIABLES).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_dotenv_is_read_as_openclaw_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".env");
        std::fs::write(&path, "# x=1\nA=1\nexport B='two words' # y\nC=\"t\" \nD=\nE = e # note\nbad\n").unwrap();
        let found: Vec<(String, String)> = dotenv(&path).into_iter().collect();
        let wanted = [("A", "1"), ("B", "two words"), ("C", "t"), ("E", "e")];
        assert_eq!(found, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert!(dotenv(&dir.path().join("none")).is_empty());
    }
}
