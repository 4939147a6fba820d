//! Folders of a guard of the lab's own, and what its commands answer.

use anyhow::{Context, Result};
use serde_json::Value;
use std::path::PathBuf;
use tempfile::TempDir;

/// What a command said.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Exit code; -1 when a signal ended it.
    pub code: i32,
    /// Results.
    pub stdout: String,
    /// Messages.
    pub stderr: String,
}

impl Answer {
    /// Its results as JSON.
    ///
    /// # Errors
    /// When they are something else.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.stdout).with_context(|| format!("no JSON from the command: {self:?}"))
    }
}

/// Folders of a guard of the lab's own: nothing of the user's own guard is read or written.
#[derive(Debug)]
pub struct GuardDirs {
    folder: TempDir,
    /// In memory where this machine has such a place, as `/run/user/UID` is.
    runtime: TempDir,
}

impl GuardDirs {
    /// Makes them, empty.
    ///
    /// # Errors
    /// When there is no room.
    pub fn new() -> Result<Self> {
        let mut named = tempfile::Builder::new();
        let named = named.prefix("clawmend-guard-");
        let folder = named.tempdir()?;
        let runtime = named.tempdir_in("/dev/shm").or_else(|_| named.tempdir())?;
        let dirs = Self { folder, runtime };
        for path in [dirs.state(), dirs.runtime()] {
            std::fs::create_dir(&path)?;
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        }
        // The usual flag file belongs to the whole machine.
        std::fs::write(dirs.config(), format!("[guard]\nflag_file = \"{}\"\n", dirs.flag_file().display()))?;
        Ok(dirs)
    }

    /// `CLAWMEND_STATE_DIR`.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// `CLAWMEND_RUNTIME_DIR`.
    #[must_use]
    pub fn runtime(&self) -> PathBuf {
        self.runtime.path().join("runtime")
    }

    /// `CLAWMEND_CONFIG`.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("clawmend.toml")
    }

    /// The flag file that pauses this guard.
    #[must_use]
    pub fn flag_file(&self) -> PathBuf {
        self.folder.path().join("maintenance")
    }

    /// What the guard wrote to its standard streams.
    #[must_use]
    pub fn output(&self) -> PathBuf {
        self.folder.path().join("guard-output.txt")
    }
}
