//! A small file system that a lab can fill to the last byte and free again.

use super::permit::Unavailable;
use anyhow::{Context, Result, bail, ensure};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const FILLER: &str = "filler-of-the-lab";

/// Mounted over a folder until it is dropped.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
    lent: Vec<PathBuf>,
}

impl SmallDisk {
    /// Mounts an empty one of so many MiB over a folder.
    ///
    /// # Errors
    /// When this user may not mount.
    pub fn over(folder: &Path, mebibytes: u32) -> Result<Self, Unavailable> {
        let options = format!("size={mebibytes}m,mode=0700");
        let folder = folder.to_path_buf();
        mount(&["-t", "tmpfs", "-o", &options, "none"], &folder)
            .map_err(|error| Unavailable(format!("mounting a small tmpfs needs root: {error:#}")))?;
        Ok(Self { folder, lent: Vec::new() })
    }

    /// Lets another folder lie on this disk, too.
    ///
    /// # Errors
    /// When it cannot be mounted there.
    pub fn lend(&mut self, name: &str, place: &Path) -> Result<()> {
        let own = self.folder.join(name);
        std::fs::create_dir_all(&own)?;
        std::fs::set_permissions(&own, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        mount(&["--bind", &own.display().to_string()], place)?;
        self.lent.push(place.to_path_buf());
        Ok(())
    }

    /// Writes until nothing more fits.
    ///
    /// # Errors
    /// When writing fails for another reason.
    pub fn fill(&self) -> Result<()> {
        let mut filler = File::options().append(true).create(true).open(self.folder.join(FILLER))?;
        let mut block = vec![0_u8; 1 << 20];
        while !block.is_empty() {
            match filler.write(&block) {
                Ok(_) => {}
                // What is left is smaller than a block.
                Err(error) if error.kind() == ErrorKind::StorageFull => block.truncate(block.len() / 2),
                Err(error) => return Err(error).context("filling the disk"),
            }
        }
        let free = rustix::fs::statvfs(&self.folder)?.f_bavail;
        ensure!(free == 0, "{free} blocks are still free");
        Ok(())
    }

    /// Gives the room back.
    ///
    /// # Errors
    /// When the filler cannot be removed.
    pub fn free(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.folder.join(FILLER))?)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        for place in self.lent.iter().chain([&self.folder]) {
            let _ = Command::new("umount").arg("--lazy").arg(place).stderr(Stdio::null()).status();
        }
    }
}

fn mount(arguments: &[&str], place: &Path) -> Result<()> {
    let output = Command::new("mount").args(arguments).arg(place).output().context("running mount")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
