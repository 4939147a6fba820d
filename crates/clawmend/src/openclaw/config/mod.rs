//! Reads a gateway's config: would the gateway understand it, and what does the guard need from it?
//!
//! Invariant: reading changes nothing and runs nothing; at most [`MAX_CONFIG_BYTES`] are read; no value of the config
//! appears in a message. The answer is about the file on disk: a running gateway may still use an older one, also
//! another port. Start at [`read`].

pub mod check;
pub mod edit;
mod fingerprint;
mod include;
mod parse;
pub mod schema;
#[cfg(test)]
mod tests;
mod tree;
mod view;

pub use parse::Problem;
pub use tree::{tree, value};
pub use view::{ConfigView, NoToken, Token};
pub(in crate::openclaw) use view::{substitute, variable, variables};

use super::discovery::Home;
use super::files;
use clawmend_core::observation::{ConfigSeen, ConfigValidity};
use fingerprint::Fingerprint;
use include::Includes;
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};

/// Larger configs are not read (real ones: 1–50 KiB).
pub const MAX_CONFIG_BYTES: u64 = 8 * 1024 * 1024;

/// One look at a config.
#[derive(Debug)]
pub struct ConfigRead {
    /// For the core.
    pub seen: ConfigSeen,
    /// The settings, when it is valid.
    pub view: Option<ConfigView>,
    /// Every file that it consists of, to be watched: the config first, then what it includes.
    pub files: Vec<PathBuf>,
}

/// Reads the config of `home`. `env` answers like the environment of the gateway.
#[must_use]
pub fn read(home: &Home, env: impl Fn(&str) -> Option<String>) -> ConfigRead {
    let mut files = vec![home.config_path.clone()];
    let bytes = match files::read_bounded(&home.config_path, MAX_CONFIG_BYTES) {
        Ok(bytes) => bytes,
        Err(error) => return ConfigRead { seen: unread(&home.config_path, &error), view: None, files },
    };
    let mut fingerprint = Fingerprint::new();
    fingerprint.add(&bytes);
    let outcome = resolve(&bytes, home, &env, &mut fingerprint, &mut files).and_then(|(value, duplicates)| {
        view::start_rule(&value).map_err(Problem::without_place)?;
        Ok(view::view(&value, duplicates, &env))
    });
    let (validity, view) = match outcome {
        Ok(view) => (ConfigValidity::Valid, Some(view)),
        Err(Problem { line, column, message }) => (ConfigValidity::Invalid { line, column, message }, None),
    };
    ConfigRead { seen: ConfigSeen { fingerprint: fingerprint.value(), validity }, view, files }
}

fn resolve(
    bytes: &[u8],
    home: &Home,
    env: &dyn Fn(&str) -> Option<String>,
    fingerprint: &mut Fingerprint,
    files: &mut Vec<PathBuf>,
) -> Result<(Value, Vec<String>), Problem> {
    let text = std::str::from_utf8(bytes).map_err(|_| Problem::without_place("the config is not UTF-8"))?;
    if text.trim().is_empty() {
        return Err(Problem::without_place("the config is empty"));
    }
    let parsed = parse::parse(text)?;
    let mut duplicates = parsed.duplicates;
    let folder = home.config_path.parent().unwrap_or_else(|| Path::new("."));
    let mut includes = Includes {
        roots: roots(folder, home, env),
        fingerprint,
        files: Vec::new(),
        duplicates: &mut duplicates,
        instead: None,
    };
    let value = includes.resolve(parsed.value, folder, 0);
    files.append(&mut includes.files);
    Ok((value?, duplicates))
}

/// What the config of `home` says, with what it includes; variables stay as they are written.
///
/// Secrets stand in it as plain text: it is for readers that type them at once, never to be kept or shown.
///
/// # Errors
/// It is missing, cannot be read, or does not parse. Whether the gateway would start with it is not asked.
pub fn read_tree(home: &Home, env: &dyn Fn(&str) -> Option<String>) -> Result<Value, Problem> {
    let bytes = files::read_bounded(&home.config_path, MAX_CONFIG_BYTES)
        .map_err(|error| Problem::without_place(format!("the config cannot be read ({})", error.kind())))?;
    resolve(&bytes, home, env, &mut Fingerprint::new(), &mut Vec::new()).map(|(value, _)| value)
}

/// What one file says, without what it includes.
///
/// # Errors
/// It does not parse.
pub fn parsed(text: &str) -> Result<Value, Problem> {
    parse::parse(text).map(|parsed| parsed.value)
}

/// What a config said whose files are at hand, the config itself first; nothing is read from the disk.
///
/// # Errors
/// It does not parse, or includes a file that is not among them.
pub fn resolve_kept(files: &[(PathBuf, &[u8])]) -> Result<Value, Problem> {
    let Some((path, bytes)) = files.first() else { return Err(Problem::without_place("there is no config")) };
    let text = std::str::from_utf8(bytes).map_err(|_| Problem::without_place("the config is not UTF-8"))?;
    let kept = files.iter().skip(1).map(|(path, bytes)| (path.clone(), bytes.to_vec())).collect();
    let parsed = parse::parse(text)?;
    let (mut fingerprint, mut duplicates) = (Fingerprint::new(), Vec::new());
    let mut includes = Includes {
        roots: Vec::new(),
        fingerprint: &mut fingerprint,
        files: Vec::new(),
        duplicates: &mut duplicates,
        instead: Some(&kept),
    };
    // Included files are known by their real paths.
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    includes.resolve(parsed.value, &folder, 0)
}

/// Where included files may lie: beside the config, and in `OPENCLAW_INCLUDE_ROOTS`.
fn roots(folder: &Path, home: &Home, env: &dyn Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let more = env("OPENCLAW_INCLUDE_ROOTS").unwrap_or_default();
    let more = std::env::split_paths(&more).map(|path| match path.strip_prefix("~") {
        Ok(rest) => home.user_home.join(rest),
        Err(_) => path,
    });
    std::iter::once(folder.to_owned())
        .chain(more.filter(|path| path.is_absolute()))
        .filter_map(|path| path.canonicalize().ok())
        .collect()
}

/// What we cannot read tells nothing of what the gateway could, except where that is plain.
fn unread(path: &Path, error: &io::Error) -> ConfigSeen {
    let kind = error.kind();
    let useless = |message: &str| ConfigValidity::Invalid { line: 0, column: 0, message: message.to_owned() };
    // A folder's place may be taken by a file: then there is no config either.
    let validity = if matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
        ConfigValidity::Missing
    } else if path.is_dir() {
        useless("a folder is in the place of the config")
    } else if kind == io::ErrorKind::PermissionDenied && files::is_our_own(path) {
        useless("the config may not be read by its own account")
    } else if kind == io::ErrorKind::FileTooLarge {
        ConfigValidity::Unreadable { message: format!("larger than {MAX_CONFIG_BYTES} bytes") }
    } else {
        ConfigValidity::Unreadable { message: kind.to_string() }
    };
    ConfigSeen { fingerprint: 0, validity }
}
