//! Where Clawmend keeps its config, its state and its sockets.
//!
//! `CLAWMEND_CONFIG` (a file), `CLAWMEND_STATE_DIR` and `CLAWMEND_RUNTIME_DIR` override the platform's own places.
//! Invariant: nothing is created here, except the runtime folder of last resort, whose owner is checked.

use super::files::{DirError, private_dir};
use std::env;
use std::path::PathBuf;

/// Why there is no folder.
#[derive(Debug, thiserror::Error)]
pub enum DirsError {
    /// Needs a person: the environment names no home.
    #[error("neither {variable} nor a home folder is set, so there is no place for {what}; set {variable}")]
    NoHome {
        /// Variable that would say it.
        variable: &'static str,
        /// What has no place.
        what: &'static str,
    },
    /// Needs a person: a relative path would depend on where the program was started.
    #[error("{variable} must be an absolute path, but is {}", value.display())]
    Relative {
        /// Which.
        variable: &'static str,
        /// Its value.
        value: PathBuf,
    },
    /// The folder exists and cannot be trusted, or cannot be made.
    #[error(transparent)]
    Dir(#[from] DirError),
}

/// Our configuration file. It need not exist.
///
/// # Errors
/// No home folder, or a relative override.
pub fn config_file() -> Result<PathBuf, DirsError> {
    match given("CLAWMEND_CONFIG")? {
        Some(file) => Ok(file),
        None => Ok(place(Kind::Config, "CLAWMEND_CONFIG", "the configuration")?.join("clawmend.toml")),
    }
}

/// The folder of the database and the evidence. It need not exist.
///
/// # Errors
/// No home folder, or a relative override.
pub fn state_dir() -> Result<PathBuf, DirsError> {
    match given("CLAWMEND_STATE_DIR")? {
        Some(dir) => Ok(dir),
        None => place(Kind::State, "CLAWMEND_STATE_DIR", "the state"),
    }
}

/// The folder of sockets, locks and FIFOs: gone after a boot, only ours (0700). Made when it is not there.
///
/// Linux: `$XDG_RUNTIME_DIR/clawmend`, else `/run/user/UID/clawmend`, else `/tmp/clawmend-UID`.
///
/// # Errors
/// It belongs to someone else, is a symbolic link, or cannot be made.
pub fn runtime_dir() -> Result<PathBuf, DirsError> {
    let dir = match given("CLAWMEND_RUNTIME_DIR")? {
        Some(dir) => dir,
        None => place(Kind::Runtime, "CLAWMEND_RUNTIME_DIR", "the sockets")?,
    };
    private_dir(&dir)?;
    Ok(dir)
}

/// Like [`runtime_dir`], and never overridden: for what all guards of this user must agree on. Made when it is not
/// there.
///
/// # Errors
/// It belongs to someone else, is a symbolic link, or cannot be made.
pub fn shared_runtime_dir() -> Result<PathBuf, DirsError> {
    let dir = place(Kind::Runtime, "CLAWMEND_RUNTIME_DIR", "the locks")?;
    private_dir(&dir)?;
    Ok(dir)
}

#[derive(Clone, Copy)]
enum Kind {
    Config,
    State,
    Runtime,
}

fn given(variable: &'static str) -> Result<Option<PathBuf>, DirsError> {
    match env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from) {
        Some(value) if value.is_relative() => Err(DirsError::Relative { variable, value }),
        other => Ok(other),
    }
}

/// An absolute path out of an environment variable; anything else counts as unset (XDG Base Directory 0.8).
fn absolute(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}

#[cfg(target_os = "linux")]
fn place(kind: Kind, variable: &'static str, what: &'static str) -> Result<PathBuf, DirsError> {
    let under_home = |sub: &str| absolute("HOME").map(|home| home.join(sub));
    let base = match kind {
        Kind::Config => absolute("XDG_CONFIG_HOME").or_else(|| under_home(".config")),
        Kind::State => absolute("XDG_STATE_HOME").or_else(|| under_home(".local/state")),
        Kind::Runtime => return Ok(linux_runtime()),
    };
    base.map(|base| base.join("clawmend")).ok_or(DirsError::NoHome { variable, what })
}

#[cfg(target_os = "linux")]
fn linux_runtime() -> PathBuf {
    use std::os::unix::fs::MetadataExt;
    if let Some(dir) = absolute("XDG_RUNTIME_DIR") {
        return dir.join("clawmend");
    }
    let uid = rustix::process::geteuid().as_raw();
    let login = PathBuf::from(format!("/run/user/{uid}"));
    let ours = std::fs::symlink_metadata(&login).is_ok_and(|seen| seen.is_dir() && seen.uid() == uid);
    if ours { login.join("clawmend") } else { PathBuf::from(format!("/tmp/clawmend-{uid}")) }
}

#[cfg(target_os = "macos")]
fn place(kind: Kind, variable: &'static str, what: &'static str) -> Result<PathBuf, DirsError> {
    let support = absolute("HOME").map(|home| home.join("Library/Application Support/clawmend"));
    match kind {
        Kind::Config | Kind::State => support.ok_or(DirsError::NoHome { variable, what }),
        // TMPDIR is private to the user on macOS, and short enough for a socket.
        Kind::Runtime => match absolute("TMPDIR") {
            Some(tmp) => Ok(tmp.join("clawmend")),
            None => Ok(PathBuf::from(format!("/tmp/clawmend-{}", rustix::process::geteuid().as_raw()))),
        },
    }
}

#[cfg(windows)]
fn place(kind: Kind, variable: &'static str, what: &'static str) -> Result<PathBuf, DirsError> {
    let base = match kind {
        Kind::Config => absolute("APPDATA").map(|base| base.join("clawmend")),
        Kind::State => absolute("LOCALAPPDATA").map(|base| base.join("clawmend")),
        Kind::Runtime => absolute("LOCALAPPDATA").map(|base| base.join("clawmend").join("run")),
    };
    base.ok_or(DirsError::NoHome { variable, what })
}
