//! Brings the secrets that a standby needs only while it carries on, by rsync over ssh, and takes them away again.
//!
//! Invariants: what is there is whole, the old or the new; a folder that Clawmend did not fill is never touched; files
//! are 0600 and folders 0700; the host is the one whose key is pinned, or nobody. Keys that belong to one machine
//! ([`STAY`]) do not come along, whatever the source holds. Start at [`Secrets::bring`]; `source` parses where they are
//! kept, `fetch` runs rsync. These calls block: run them beside the loop.

mod error;
mod fetch;
mod source;

pub use error::SecretsError;
pub use source::{BadSource, HostKey, Identity, Source};

use crate::host::disk;
use crate::host::files::{Durability, exchange, write_atomic};
use crate::host::program::Surroundings;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Says that Clawmend filled the folder.
const MARK: &str = ".brought-by-clawmend";
/// Most files that are brought.
const FILES_MAX: usize = 1_000;
/// Most bytes that are brought.
const BYTES_MAX: u64 = 16 << 20;
/// Deepest folder below.
const DEPTH_MAX: usize = 8;

/// What belongs to one machine: a device's identity, tokens that change with each use, the state of an encrypted chat,
/// databases. Two machines with the same break each other (OpenClaw 2026.9.6).
pub const STAY: [&str; 8] =
    ["whatsapp/", "identity/", "device*", "*.sqlite*", "*.db", "oauth*", "auth-profiles.json", MARK];

/// The secrets of a standby.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// Where they are kept.
    pub source: Source,
    /// The key that the host there must show.
    pub host_key: HostKey,
    /// The key to log in with; ssh's own choice if none is named.
    pub identity: Option<Identity>,
    /// The folder that they are brought into; all of it is Clawmend's.
    pub into: PathBuf,
    /// Our own folder for what ssh needs to read.
    pub work: PathBuf,
    /// How long all of it may take.
    pub limit: Duration,
}

/// What was brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Brought {
    /// So many files.
    pub files: usize,
    /// So many bytes.
    pub bytes: u64,
}

impl Brought {
    const NOTHING: Self = Self { files: 0, bytes: 0 };

    /// With one more file.
    const fn and(self, bytes: u64) -> Self {
        Self { files: self.files + 1, bytes: self.bytes.saturating_add(bytes) }
    }

    const fn is_too_much(self) -> bool {
        self.files > FILES_MAX || self.bytes > BYTES_MAX
    }
}

impl Secrets {
    /// What would be brought; nothing is.
    ///
    /// # Errors
    /// Why it could not be.
    pub fn look(&self, surroundings: Surroundings) -> Result<Brought, SecretsError> {
        self.is_ours()?;
        self.has_room()?;
        fetch::look(self, surroundings)
    }

    /// Whether the folder could be made, or its place be taken by a new one.
    fn has_room(&self) -> Result<(), SecretsError> {
        let above = self.into.ancestors().skip(1).find(|folder| folder.exists()).unwrap_or(&self.into);
        match disk::space(above) {
            Ok(space) if space.writable => Ok(()),
            Ok(_) => Err(SecretsError::Files {
                path: above.to_owned(),
                detail: "it cannot be written, so what is brought could not be put there".to_owned(),
            }),
            Err(error) => Err(SecretsError::files(above, &error)),
        }
    }

    /// Fills the folder with what the host has now. Files that it no longer has are gone from here.
    ///
    /// # Errors
    /// What stays is what was there before.
    pub fn bring(&self) -> Result<Brought, SecretsError> {
        self.finish_or_undo()?;
        self.is_ours()?;
        let (fresh, _) = self.beside()?;
        let fetched = fetch::fetch(self, &fresh).and_then(|()| measure(&fresh)).and_then(|brought| {
            // Such as a volume that is not mounted: what is here is better than nothing.
            if brought.files == 0 { Err(SecretsError::Empty) } else { Ok(brought) }
        });
        let put = fetched.and_then(|brought| self.put(&fresh).map(|()| brought));
        // What was there before lies here now, or what did not become whole.
        let cleared = remove(&fresh);
        let brought = put?;
        cleared?;
        Ok(brought)
    }

    /// Removes what was brought. `false`: there was nothing.
    ///
    /// # Errors
    /// The folder is not Clawmend's, or the file system refuses.
    pub fn wipe(&self) -> Result<bool, SecretsError> {
        self.finish_or_undo()?;
        if !self.is_ours()? {
            return Ok(false);
        }
        // In one step first: a guard that dies while it removes them leaves a folder that the next call removes.
        let (fresh, _) = self.beside()?;
        std::fs::rename(&self.into, &fresh).map_err(|error| SecretsError::files(&self.into, &error))?;
        remove(&fresh)?;
        Ok(true)
    }

    /// Whether there is a folder that Clawmend filled.
    fn is_ours(&self) -> Result<bool, SecretsError> {
        let data = match std::fs::symlink_metadata(&self.into) {
            Ok(data) => data,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(SecretsError::files(&self.into, &error)),
        };
        let not_ours = || SecretsError::NotOurs { folder: self.into.clone() };
        if !data.is_dir() {
            return Err(not_ours());
        }
        if self.into.join(MARK).is_file() {
            return Ok(true);
        }
        let empty = std::fs::read_dir(&self.into).is_ok_and(|mut entries| entries.next().is_none());
        if empty { Ok(false) } else { Err(not_ours()) }
    }

    /// Where the new ones grow, and where the old ones wait while names are exchanged.
    fn beside(&self) -> Result<(PathBuf, PathBuf), SecretsError> {
        let (Some(parent), Some(name)) = (self.into.parent(), self.into.file_name()) else {
            return Err(SecretsError::NotOurs { folder: self.into.clone() });
        };
        let named = |end: &str| {
            let mut beside = std::ffi::OsString::from(".");
            beside.push(name);
            beside.push(end);
            parent.join(beside)
        };
        Ok((named(".clawmend-new"), named(".clawmend-old")))
    }

    /// A guard that died between two names left the old folder aside.
    fn finish_or_undo(&self) -> Result<(), SecretsError> {
        let (fresh, old) = self.beside()?;
        remove(&fresh)?;
        if !old.exists() {
            return Ok(());
        }
        if self.into.join(MARK).is_file() {
            return remove(&old);
        }
        std::fs::rename(&old, &self.into).map_err(|error| SecretsError::files(&old, &error))
    }

    /// Puts the new folder in the place of the old one.
    fn put(&self, fresh: &Path) -> Result<(), SecretsError> {
        let failed = |error: io::Error| SecretsError::files(&self.into, &error);
        write_atomic(&fresh.join(MARK), b"Clawmend brought these files, and removes them.\n", Durability::Durable)
            .map_err(failed)?;
        if !self.into.exists() {
            return std::fs::rename(fresh, &self.into).map_err(failed);
        }
        match exchange(fresh, &self.into) {
            // No such call on this system, or on this file system.
            Err(error) if matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput) => {
                let (_, old) = self.beside()?;
                std::fs::rename(&self.into, &old).map_err(failed)?;
                std::fs::rename(fresh, &self.into).map_err(failed)?;
                remove(&old)
            }
            done => done.map_err(failed),
        }
    }
}

/// Files and bytes of a folder, which holds plain files and folders only.
fn measure(folder: &Path) -> Result<Brought, SecretsError> {
    let mut brought = Brought::NOTHING;
    add(folder, 0, &mut brought)?;
    Ok(brought)
}

fn add(folder: &Path, depth: usize, brought: &mut Brought) -> Result<(), SecretsError> {
    let failed = |error: io::Error| SecretsError::files(folder, &error);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let data = entry.metadata().map_err(failed)?;
        if data.is_dir() && depth < DEPTH_MAX {
            add(&entry.path(), depth + 1, brought)?;
        } else if data.is_file() {
            *brought = brought.and(data.len());
        } else {
            return Err(SecretsError::TooMuch);
        }
        if brought.is_too_much() {
            return Err(SecretsError::TooMuch);
        }
    }
    Ok(())
}

/// Removes a folder, if it is there. A link is removed, not followed.
fn remove(folder: &Path) -> Result<(), SecretsError> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(SecretsError::files(folder, &error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_that_people_read_are_those_that_hold() {
        let text = SecretsError::TooMuch.to_string();
        for figure in [FILES_MAX.to_string(), (BYTES_MAX >> 20).to_string(), DEPTH_MAX.to_string()] {
            assert!(text.contains(&figure), "{text}");
        }
    }
}
