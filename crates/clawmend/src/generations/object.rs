//! The content of a generation: its files and the manifest that names them.

use crate::host::files::{Durability, write_atomic};
use crate::openclaw::config;
use crate::openclaw::discovery::Home;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

/// Largest generation in bytes, includes and all.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Most files of one generation.
const MAX_FILES: usize = 65;
/// Largest manifest in bytes.
const MAX_MANIFEST: u64 = 256 * 1024;
pub const MANIFEST: &str = "manifest.json";

/// SHA-256 in hexadecimal.
#[must_use]
pub fn hash(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    schema: u32,
    files: Vec<ManifestFile>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ManifestFile {
    /// Where it was.
    path: PathBuf,
    /// It lay in the gateway's state folder or beside its config: a restore may write it.
    inside: bool,
    bytes: usize,
    sha256: String,
}

/// One file of a config.
#[derive(Clone, PartialEq, Eq)]
pub struct LoadedFile {
    /// Where it was.
    pub path: PathBuf,
    /// A restore may write it.
    pub inside: bool,
    /// What it said.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for LoadedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} bytes)", self.path.display(), self.bytes.len())
    }
}

/// A config as it is on disk now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its files, the config itself first.
    pub files: Vec<LoadedFile>,
}

impl Snapshot {
    /// Reads the config of `home` and what it includes. `None`: there is no file, or it is too large.
    #[must_use]
    pub fn take(home: &Home, env: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let names = config::read(home, env).files;
        let mut files = Vec::new();
        let mut total = 0_usize;
        for path in names.into_iter().take(MAX_FILES) {
            let bytes = crate::openclaw::files::read_bounded(&path, config::MAX_CONFIG_BYTES).ok()?;
            total = total.saturating_add(bytes.len());
            if total > MAX_BYTES {
                return None;
            }
            files.push(LoadedFile { inside: is_inside(&path, home), path, bytes });
        }
        (!files.is_empty()).then_some(Self { files })
    }

    /// Of one file alone.
    #[must_use]
    pub fn of_file(path: &Path, bytes: Vec<u8>) -> Self {
        Self { files: vec![LoadedFile { path: path.to_owned(), inside: true, bytes }] }
    }

    fn manifest(&self) -> Manifest {
        let files = self.files.iter().map(|file| ManifestFile {
            path: file.path.clone(),
            inside: file.inside,
            bytes: file.bytes.len(),
            sha256: hash(&file.bytes),
        });
        Manifest { schema: 1, files: files.collect() }
    }

    /// Its name.
    ///
    /// # Errors
    /// A path cannot be written down.
    pub fn id(&self) -> io::Result<String> {
        Ok(hash(&serde_json::to_vec(&self.manifest())?))
    }

    /// Writes it into an empty folder, durable.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        for (index, file) in self.files.iter().enumerate() {
            write_atomic(&folder.join(index.to_string()), &file.bytes, Durability::Durable)?;
        }
        write_atomic(&folder.join(MANIFEST), &serde_json::to_vec(&self.manifest())?, Durability::Durable)
    }
}

fn is_inside(path: &Path, home: &Home) -> bool {
    let beside = home.config_path.parent();
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let path = if path == home.config_path { path.to_owned() } else { real(path) };
    path == home.config_path
        || path.starts_with(real(&home.state_dir))
        || beside.is_some_and(|folder| path.starts_with(real(folder)))
}

/// A generation that was read and matches its hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Its name.
    pub id: String,
    /// Its content.
    pub snapshot: Snapshot,
}

/// Reads and verifies.
///
/// # Errors
/// `InvalidData` when anything does not match; else those of the file system.
pub fn load(folder: &Path, id: &str) -> io::Result<Loaded> {
    let damaged =
        |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("generation {what} does not match its hash"));
    let bytes = read(&folder.join(MANIFEST), MAX_MANIFEST)?;
    if hash(&bytes) != id {
        return Err(damaged(short(id)));
    }
    let manifest: Manifest = serde_json::from_slice(&bytes)?;
    let mut files = Vec::new();
    for (index, file) in manifest.files.into_iter().take(MAX_FILES).enumerate() {
        let bytes = read(&folder.join(index.to_string()), MAX_BYTES as u64)?;
        if bytes.len() != file.bytes || hash(&bytes) != file.sha256 {
            return Err(damaged(short(id)));
        }
        files.push(LoadedFile { path: file.path, inside: file.inside, bytes });
    }
    if files.is_empty() {
        return Err(damaged(short(id)));
    }
    Ok(Loaded { id: id.to_owned(), snapshot: Snapshot { files } })
}

/// What people are shown of a name.
#[must_use]
pub fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// Never follows a link: the folder is ours, a link in it is somebody's trick.
fn read(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    if std::fs::symlink_metadata(path)?.is_symlink() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a link where a generation's file should be"));
    }
    crate::openclaw::files::read_bounded(path, max)
}
