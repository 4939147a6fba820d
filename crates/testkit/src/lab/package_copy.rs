//! A copy of the installed OpenClaw that a lab may break: hard links to the same files, so that it costs no room.
//!
//! Invariant: the cache's own files are never changed. A file of the copy is only ever unlinked or linked again.

use super::cache::Cache;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The copy. Removed when it is dropped.
#[derive(Debug)]
pub struct PackageCopy {
    folder: TempDir,
    original: PathBuf,
}

impl PackageCopy {
    /// Makes one beside the original, on the same file system.
    ///
    /// # Errors
    /// When the files cannot be linked.
    pub fn of(cache: &Cache) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("copy-of-a-lab-").tempdir_in(cache.root())?;
        let original = cache.openclaw_package();
        let modules = folder.path().join("node_modules");
        std::fs::create_dir(&modules)?;
        let linked = Command::new("cp").args(["-a", "--link"]).arg(&original).arg(&modules).output()?;
        ensure!(linked.status.success(), "cp: {}", String::from_utf8_lossy(&linked.stderr));
        // What it depends on is not broken: it stays where it is.
        let siblings = original.parent().context("the package has no folder")?;
        for entry in std::fs::read_dir(siblings)?.flatten().filter(|entry| entry.file_name() != "openclaw") {
            std::os::unix::fs::symlink(entry.path(), modules.join(entry.file_name()))?;
        }
        Ok(Self { folder, original })
    }

    /// The copy's own program.
    #[must_use]
    pub fn program(&self) -> PathBuf {
        self.package().join("openclaw.mjs")
    }

    fn package(&self) -> PathBuf {
        self.folder.path().join("node_modules/openclaw")
    }

    /// Takes a file of the package away.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn take_away(&self, inner: &Path) -> Result<()> {
        let path = self.package().join(inner);
        std::fs::remove_file(&path).with_context(|| path.display().to_string())
    }

    /// Puts it back as it was.
    ///
    /// # Errors
    /// When it cannot be linked.
    pub fn put_back(&self, inner: &Path) -> Result<()> {
        std::fs::hard_link(self.original.join(inner), self.package().join(inner)).context("linking a file again")
    }

    /// The one file of `dist` whose name begins with this; the rest of the name differs from build to build.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn built(&self, prefix: &str) -> Result<PathBuf> {
        let entries = std::fs::read_dir(self.package().join("dist"))?.flatten();
        let named = |name: &str| name.starts_with(prefix) && name.ends_with(".mjs");
        let found: Vec<PathBuf> = entries
            .filter(|entry| entry.file_name().to_str().is_some_and(named))
            .map(|entry| Path::new("dist").join(entry.file_name()))
            .collect();
        ensure!(found.len() == 1, "{prefix}: {found:?}");
        found.into_iter().next().context("no such file")
    }
}
