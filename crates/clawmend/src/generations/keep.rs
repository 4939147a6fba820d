//! The room: keeping, listing, proving, forgetting.
//!
//! Invariant: a generation appears whole or not at all (its folder is built beside its place and renamed); changes of
//! records are made under a lock.

use super::object::{self, Loaded, Snapshot, short};
use super::record::{MAX_RECORD, Proof, Record};
use crate::host::files::{DirError, Durability, FileLock, LockError, private_dir, write_atomic};
use clawmend_core::gateway::GatewayId;
use clawmend_core::generation::{self, Keeping};
use clawmend_core::time::Wall;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Most generations that are looked at.
const MAX_GENERATIONS: usize = 1_000;
/// Most names that are remembered as forgotten.
const MAX_FORGOTTEN: usize = 256;
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(10);
const UNFINISHED: &str = ".new-";

/// Why the room cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RoomError {
    /// A person must make the folder usable.
    #[error(transparent)]
    Dir(#[from] DirError),
    /// It may work later.
    #[error("the generations could not be read or written: {0}")]
    Io(#[from] io::Error),
    /// Somebody else holds the lock for too long.
    #[error("the generations are locked: {0}")]
    Locked(#[from] LockError),
    /// There is none of that name.
    #[error("there is no generation {0}; `clawmend config history` lists them")]
    Unknown(String),
    /// Several begin like that.
    #[error("several generations begin with {0}; give more of the name")]
    Ambiguous(String),
}

/// What became of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It was not there before.
    New(String),
    /// It was.
    Known(String),
    /// A person had it forgotten; it is not kept again.
    Forgotten(String),
}

impl Kept {
    /// Its name.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::New(id) | Self::Known(id) | Self::Forgotten(id) => id,
        }
    }
}

/// One generation in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// Its name.
    pub id: String,
    /// What is known of it.
    pub record: Record,
    /// Its content does not match its hash: it is never used.
    pub damaged: bool,
}

/// The generations of one gateway.
#[derive(Clone, Debug)]
pub struct Room {
    folder: PathBuf,
}

impl Room {
    /// Of a gateway; makes its folder.
    ///
    /// # Errors
    /// The folder cannot be made, or is not only ours.
    pub fn open(state: &Path, gateway: &GatewayId) -> Result<Self, RoomError> {
        let all = state.join("generations");
        private_dir(&all)?;
        let folder = all.join(&gateway.0);
        private_dir(&folder)?;
        Ok(Self { folder })
    }

    /// The same without making anything. `None`: nothing was ever kept.
    #[must_use]
    pub fn existing(state: &Path, gateway: &GatewayId) -> Option<Self> {
        let folder = state.join("generations").join(&gateway.0);
        folder.is_dir().then_some(Self { folder })
    }

    /// Keeps a snapshot, and notes that it was seen. `about` fills in what is known of a new one.
    ///
    /// # Errors
    /// It could not be written. What was there is unharmed.
    pub fn keep(&self, snapshot: &Snapshot, now: Wall, about: impl FnOnce(&mut Record)) -> Result<Kept, RoomError> {
        let id = snapshot.id()?;
        let _lock = self.lock()?;
        if self.forgotten().contains(&id) {
            return Ok(Kept::Forgotten(id));
        }
        let folder = self.folder.join(&id);
        let known = folder.is_dir() && object::load(&folder, &id).is_ok();
        let mut record = if known { self.record(&id) } else { Record::new(now) };
        if !known {
            self.place(snapshot, &id, &folder)?;
        }
        record.last_seen = record.last_seen.max(now);
        about(&mut record);
        self.write_record(&id, &record)?;
        Ok(if known { Kept::Known(id) } else { Kept::New(id) })
    }

    /// Builds the folder beside its place and renames it there.
    fn place(&self, snapshot: &Snapshot, id: &str, folder: &Path) -> Result<(), RoomError> {
        if folder.exists() {
            // Damaged: the same content takes its place.
            std::fs::remove_dir_all(folder)?;
        }
        let beside = self.folder.join(format!("{UNFINISHED}{}", short(id)));
        if beside.exists() {
            std::fs::remove_dir_all(&beside)?;
        }
        private_dir(&beside)?;
        snapshot.write(&beside)?;
        std::fs::rename(&beside, folder)?;
        if cfg!(unix) {
            std::fs::File::open(&self.folder)?.sync_all()?;
        }
        Ok(())
    }

    /// All of them, the last seen first. Damaged ones are marked.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn list(&self) -> Result<Vec<Generation>, RoomError> {
        let mut all: Vec<Generation> = self
            .names()?
            .into_iter()
            .map(|id| Generation {
                damaged: object::load(&self.folder.join(&id), &id).is_err(),
                record: self.record(&id),
                id,
            })
            .collect();
        all.sort_by(|a, b| b.record.last_seen.cmp(&a.record.last_seen).then_with(|| a.id.cmp(&b.id)));
        Ok(all)
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let is_name = |name: &String| name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
        let entries = std::fs::read_dir(&self.folder)?.flatten();
        Ok(entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(is_name)
            .take(MAX_GENERATIONS)
            .collect())
    }

    /// Reads and verifies one.
    ///
    /// # Errors
    /// There is none, or it does not match its hash.
    pub fn load(&self, id: &str) -> Result<Loaded, RoomError> {
        Ok(object::load(&self.folder.join(id), id)?)
    }

    /// The full name of what a person wrote: a beginning of at least four characters, or `proven`.
    ///
    /// # Errors
    /// None, or several.
    pub fn find(&self, text: &str) -> Result<String, RoomError> {
        if text == "proven" {
            let newest = self.newest_proven()?.map(|generation| generation.id);
            return newest.ok_or_else(|| RoomError::Unknown(text.to_owned()));
        }
        let fits = text.len() >= 4 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let mut names = self.names()?;
        names.retain(|name| fits && name.starts_with(&text.to_ascii_lowercase()));
        match (names.pop(), names.is_empty()) {
            (Some(name), true) => Ok(name),
            (Some(_), false) => Err(RoomError::Ambiguous(text.to_owned())),
            (None, _) => Err(RoomError::Unknown(text.to_owned())),
        }
    }

    /// The proven generation that was seen last and is undamaged.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn newest_proven(&self) -> Result<Option<Generation>, RoomError> {
        let newest = |one: &Generation| one.record.proven.as_ref().map(|proof| proof.at);
        Ok(self.list()?.into_iter().filter(|one| one.record.proven.is_some() && !one.damaged).max_by_key(newest))
    }

    /// A gateway was well on it. Only what still matches its hash can be proven.
    ///
    /// # Errors
    /// It is not there, is damaged, or the record cannot be written.
    pub fn prove(&self, id: &str, proof: Proof) -> Result<(), RoomError> {
        self.load(id)?;
        self.note(id, |record| {
            record.refused = None;
            record.proven = Some(proof);
        })
    }

    /// Changes what is known of it.
    ///
    /// # Errors
    /// It is not there, or the record cannot be written.
    pub fn note(&self, id: &str, change: impl FnOnce(&mut Record)) -> Result<(), RoomError> {
        let _lock = self.lock()?;
        if !self.folder.join(id).is_dir() {
            return Err(RoomError::Unknown(short(id).to_owned()));
        }
        let mut record = self.record(id);
        change(&mut record);
        self.write_record(id, &record)
    }

    /// Removes it for good: the same content is not kept again.
    ///
    /// # Errors
    /// It is not there, or cannot be removed.
    pub fn forget(&self, id: &str) -> Result<(), RoomError> {
        let _lock = self.lock()?;
        let mut names: Vec<String> = self.forgotten().into_iter().collect();
        names.push(id.to_owned());
        let skip = names.len().saturating_sub(MAX_FORGOTTEN);
        let text = names.split_off(skip).join("\n");
        write_atomic(&self.folder.join("forgotten"), text.as_bytes(), Durability::Durable)?;
        self.remove(id)
    }

    /// Drops what the figures do not keep. `needed`: in use, or waited for.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn thin_out(&self, now: Wall, keeping: &Keeping, needed: &[&str]) -> Result<Vec<String>, RoomError> {
        let all: Vec<generation::Kept> = self
            .list()?
            .into_iter()
            .map(|one| generation::Kept {
                needed: needed.contains(&one.id.as_str()),
                last_seen: one.record.last_seen,
                proven: one.record.proven.filter(|_| !one.damaged).map(|proof| proof.at),
                id: one.id,
            })
            .collect();
        let _lock = self.lock()?;
        let doomed = generation::drop_list(&all, now, keeping);
        for id in &doomed {
            self.remove(id)?;
        }
        Ok(doomed)
    }

    fn remove(&self, id: &str) -> Result<(), RoomError> {
        let folder = self.folder.join(id);
        if !folder.is_dir() {
            return Err(RoomError::Unknown(short(id).to_owned()));
        }
        Ok(std::fs::remove_dir_all(folder)?)
    }

    fn forgotten(&self) -> BTreeSet<String> {
        let bytes =
            crate::openclaw::files::read_bounded(&self.folder.join("forgotten"), MAX_RECORD).unwrap_or_default();
        String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect()
    }

    /// What is known; made anew, unproven, from the time of its files when it cannot be read.
    fn record(&self, id: &str) -> Record {
        let folder = self.folder.join(id);
        let bytes = crate::openclaw::files::read_bounded(&folder.join("record.json"), MAX_RECORD);
        if let Some(record) = bytes.ok().and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok()) {
            return record;
        }
        let modified = std::fs::metadata(folder.join(object::MANIFEST)).and_then(|seen| seen.modified()).ok();
        let since = modified.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        Record::new(Wall(since.and_then(|time| i64::try_from(time.as_millis()).ok()).unwrap_or(0)))
    }

    fn write_record(&self, id: &str, record: &Record) -> Result<(), RoomError> {
        let bytes = serde_json::to_vec(record).map_err(io::Error::from)?;
        Ok(write_atomic(&self.folder.join(id).join("record.json"), &bytes, Durability::Durable)?)
    }

    fn lock(&self) -> Result<FileLock, RoomError> {
        let path = self.folder.join(".lock");
        for _ in 1..LOCK_TRIES {
            match FileLock::try_lock(&path, &std::process::id().to_string()) {
                Err(LockError::Busy { .. }) => std::thread::sleep(LOCK_PAUSE),
                other => return Ok(other?),
            }
        }
        Ok(FileLock::try_lock(&path, &std::process::id().to_string())?)
    }
}
