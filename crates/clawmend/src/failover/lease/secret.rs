//! The credential for a lease store, read when it is needed: a token is replaced while the guard runs.

use super::Trouble;
use crate::host::files::is_private;
use crate::openclaw::files::read_bounded;
use crate::settings::CredentialSource;
use secrecy::{ExposeSecret as _, SecretString};
use std::path::Path;

/// Longest credential.
const MAX: usize = 16 * 1024;

/// A password.
///
/// # Errors
/// It is not there, others may read it, or it is not one line of text.
pub fn password(source: &CredentialSource) -> Result<SecretString, Trouble> {
    match source {
        CredentialSource::Variable(name) => {
            let found = std::env::var(name).map_err(|_| unreadable(format!("the variable {name} is not set")))?;
            one_line(SecretString::from(found), &format!("the variable {name}"))
        }
        CredentialSource::File(path) => {
            let private = is_private(path).map_err(|error| unreadable(format!("{}: {error}", path.display())))?;
            if !private {
                return Err(unreadable(format!("{} can be read by others: `chmod 600` it", path.display())));
            }
            file(path)
        }
    }
}

/// A service account's token. Kubernetes mounts it, with rights of its own choosing.
///
/// # Errors
/// It is not there, or not one line of text.
pub fn token(path: &Path) -> Result<SecretString, Trouble> {
    file(path)
}

fn file(path: &Path) -> Result<SecretString, Trouble> {
    let shown = path.display().to_string();
    let bytes = read_bounded(path, MAX as u64).map_err(|error| unreadable(format!("{shown}: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable(format!("{shown} is not text")))?;
    one_line(SecretString::from(text), &shown)
}

fn one_line(found: SecretString, shown: &str) -> Result<SecretString, Trouble> {
    let text = found.expose_secret().trim();
    if text.is_empty() || text.len() > MAX || !text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return Err(unreadable(format!("{shown} does not hold one line of text")));
    }
    Ok(SecretString::from(text.to_owned()))
}

const fn unreadable(why: String) -> Trouble {
    Trouble::Credential { why }
}
