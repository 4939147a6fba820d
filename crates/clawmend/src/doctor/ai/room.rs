//! The folder in which one engine runs: a home of its own, and an empty folder to stand in.
//!
//! It lies in our state folder and not in the system's temporary one: engines look for settings, `.env` files and
//! instructions in the folders above, and there anybody could have put them. Invariant: it is ours alone (0700), holds no
//! credential, and goes when the call is over; what a killed guard left goes at the next call.

use crate::host::files::{DirError, Durability, private_dir, write_atomic};
use std::io;
use std::path::{Path, PathBuf};

/// Folders begin with this.
const PREFIX: &str = "room-";
/// Most left-over folders that are looked at.
const MAX_LEFT: usize = 64;

/// The folder. Removed when it is dropped.
#[derive(Debug)]
pub struct Room {
    home: PathBuf,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum RoomError {
    /// The folder cannot be had.
    #[error(transparent)]
    Dir(#[from] DirError),
    /// A file in it cannot be written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Room {
    /// Makes one in `folder`, with `files` in its home. Whoever calls holds the lock of calls.
    ///
    /// # Errors
    /// The file system does not let us.
    pub fn new(folder: &Path, files: &[(&'static str, String)]) -> Result<Self, RoomError> {
        sweep(folder);
        let home = folder.join(format!("{PREFIX}{}", std::process::id()));
        private_dir(&home)?;
        let room = Self { home };
        private_dir(&room.work())?;
        private_dir(&room.temporary())?;
        for (name, text) in files {
            let path = room.home.join(name);
            if let Some(above) = path.parent() {
                private_dir(above)?;
            }
            let text = text.replace(WORK, &json_text(&room.work()));
            write_atomic(&path, text.as_bytes(), Durability::Fast)
                .map_err(|source| RoomError::File { path: path.clone(), source })?;
        }
        Ok(room)
    }

    /// The engine's home.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The empty folder that it stands in.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.home.join("work")
    }

    /// For its temporary files.
    #[must_use]
    pub fn temporary(&self) -> PathBuf {
        self.home.join("tmp")
    }
}

/// `home` is a room in `folder`, whether it is still there or not.
#[must_use]
pub fn is_room(folder: &Path, home: &Path) -> bool {
    let named = home.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
    named && home.parent() == Some(folder)
}

/// Stands for [`Room::work`] inside a JSON string of a file.
pub const WORK: &str = "{work}";

fn json_text(path: &Path) -> String {
    let quoted = serde_json::Value::from(path.to_string_lossy()).to_string();
    quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
}

impl Drop for Room {
    fn drop(&mut self) {
        // Tried again at the next call.
        let _ = std::fs::remove_dir_all(&self.home);
    }
}

fn sweep(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten().take(MAX_LEFT) {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            // Never follows a link out of it. What stays behind takes room and does nothing.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn it_is_empty_ours_and_gone_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("room-1/left")).unwrap();
        std::fs::write(folder.path().join("spent.json"), "kept").unwrap();
        let room = Room::new(folder.path(), &[(".x/settings.json", "{\"at\":\"{work}\"}".to_owned())]).unwrap();
        assert_eq!(std::fs::read_dir(room.work()).unwrap().count(), 0);
        let text = std::fs::read_to_string(room.home().join(".x/settings.json")).unwrap();
        assert_eq!(text, format!("{{\"at\":\"{}\"}}", room.work().display()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            assert_eq!(std::fs::metadata(room.home()).unwrap().mode() & 0o777, 0o700);
        }
        drop(room);
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(left, ["spent.json"]);
    }
}
