//! The one credential that an engine needs, and what else of our own environment may be looked at.
//!
//! Invariant: of our environment only [`Surroundings`] is read: where programs are, and the variable that the settings
//! name. The credential is a `SecretString` from here to the engine's environment or header.

use crate::settings::{AiSettings, CredentialSource};
use secrecy::{ExposeSecret as _, SecretString};
use std::ffi::OsString;
use std::path::PathBuf;

/// Longest credential.
const MAX_CREDENTIAL: usize = 16 * 1024;

/// What is read of our own environment.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// `PATH`.
    pub path: Option<OsString>,
    /// The variable that the settings name.
    pub credential: Option<SecretString>,
    /// What the system itself needs to run a program; nothing on Unix.
    pub system: Vec<(&'static str, OsString)>,
}

impl Surroundings {
    /// Of this process.
    #[must_use]
    pub fn of_process(settings: &AiSettings) -> Self {
        let credential = match &settings.credential {
            Some(CredentialSource::Variable(name)) => std::env::var(name).ok().map(SecretString::from),
            Some(CredentialSource::File(_)) | None => None,
        };
        let needed: &[&str] = if cfg!(windows) { &["SYSTEMROOT", "COMSPEC", "PATHEXT"] } else { &[] };
        let system = needed.iter().filter_map(|name| Some((*name, std::env::var_os(name)?)));
        Self { path: std::env::var_os("PATH"), credential, system: system.collect() }
    }
}

/// Why there is no credential. A person must act.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The settings do not say where it is.
    #[error("the engine needs a credential, and the settings do not say where it is")]
    NotNamed,
    /// The variable is not set, or empty.
    #[error("the variable {0}, which ai.credential_env names, is not set")]
    Unset(String),
    /// The file cannot be read.
    #[error("{}, which ai.credential_file names, cannot be read: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not one line of printable text.
    #[error("what ai.credential_env or ai.credential_file names is not a credential: expected one line of text")]
    Malformed,
}

/// Finds the credential that the settings name; `None` when they name none.
///
/// # Errors
/// It is named and cannot be had.
pub fn find(settings: &AiSettings, around: &Surroundings) -> Result<Option<SecretString>, CredentialError> {
    let found = match &settings.credential {
        None => return Ok(None),
        Some(CredentialSource::Variable(name)) => {
            around.credential.clone().ok_or_else(|| CredentialError::Unset(name.clone()))?
        }
        Some(CredentialSource::File(path)) => {
            let unreadable = |source| CredentialError::Unreadable { path: path.clone(), source };
            let bytes = crate::openclaw::files::read_bounded(path, MAX_CREDENTIAL as u64).map_err(unreadable)?;
            SecretString::from(String::from_utf8(bytes).map_err(|_| CredentialError::Malformed)?)
        }
    };
    let text = found.expose_secret().trim();
    if text.is_empty() {
        return Err(match &settings.credential {
            Some(CredentialSource::Variable(name)) => CredentialError::Unset(name.clone()),
            Some(CredentialSource::File(_)) | None => CredentialError::Malformed,
        });
    }
    if text.len() > MAX_CREDENTIAL || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(CredentialError::Malformed);
    }
    Ok(Some(SecretString::from(text.to_owned())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn settings(credential: Option<CredentialSource>) -> AiSettings {
        AiSettings { credential, ..AiSettings::default() }
    }

    fn told(settings: &AiSettings, value: Option<&str>) -> String {
        let credential = value.map(|value| SecretString::from(value.to_owned()));
        match find(settings, &Surroundings { credential, ..Surroundings::default() }) {
            Ok(found) => format!("{:?}", found.map(|found| found.expose_secret().to_owned())),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn it_is_found_where_the_settings_say() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "sk-of-file\n").unwrap();
        let variable = settings(Some(CredentialSource::Variable("KEY".into())));
        assert_eq!(told(&settings(None), Some("sk")), "None");
        assert_eq!(told(&variable, Some(" sk-of-env ")), "Some(\"sk-of-env\")");
        assert_eq!(told(&variable, None), "the variable KEY, which ai.credential_env names, is not set");
        assert_eq!(told(&variable, Some("")), told(&variable, None));
        assert!(told(&variable, Some("two\nlines")).contains("one line of text"));
        assert_eq!(told(&settings(Some(CredentialSource::File(path.clone()))), None), "Some(\"sk-of-file\")");
        std::fs::write(&path, vec![b'x'; 20_000]).unwrap();
        assert!(told(&settings(Some(CredentialSource::File(path))), None).contains("cannot be read"));
        assert!(told(&settings(Some(CredentialSource::File(folder.path().into()))), None).contains("cannot be read"));
    }
}
