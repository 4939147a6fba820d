//! Cases that wait for a person's look: drafts out of an AI's answers that have helped, in the state folder's
//! `candidates/`.
//!
//! Invariants: no diagnosis reads them; a file is 0600 and written whole; at most [`MAX_KEPT`] are kept, the newest; one
//! that does not parse is named and left out. Start at [`keep`].

use super::library::{self, MAX_CASE_BYTES};
use crate::host::files::{DirError, Durability, private_dir, write_atomic};
use clawmend_core::diagnosis::case::Case;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Most that wait.
pub const MAX_KEPT: usize = 20;

/// Why a candidate was not kept.
#[derive(Debug, thiserror::Error)]
pub enum CandidateError {
    /// A person must make the folder usable.
    #[error(transparent)]
    Dir(#[from] DirError),
    /// It may work later.
    #[error("the candidate could not be written: {0}")]
    Io(#[from] io::Error),
    /// It cannot be a case file.
    #[error("the candidate is no case: {0}")]
    NoCase(String),
}

/// The folder of candidates in a state folder.
#[must_use]
pub fn folder(state: &Path) -> PathBuf {
    state.join("candidates")
}

/// Keeps a case for a person's look, in the place of one with its id. The oldest give way.
///
/// # Errors
/// [`CandidateError`]; what was there is unharmed.
pub fn keep(state: &Path, case: &Case) -> Result<(), CandidateError> {
    let text = toml::to_string_pretty(case).map_err(|error| CandidateError::NoCase(error.to_string()))?;
    // The id becomes a file's name, and what is written must be read again.
    library::parse(&text).map_err(CandidateError::NoCase)?;
    if text.len() as u64 > MAX_CASE_BYTES {
        return Err(CandidateError::NoCase(format!("larger than {MAX_CASE_BYTES} bytes")));
    }
    private_dir(state)?;
    let folder = folder(state);
    private_dir(&folder)?;
    write_atomic(&folder.join(format!("{}.toml", case.id)), text.as_bytes(), Durability::Durable)?;
    let mut all = library::case_files(&folder);
    all.sort_by_key(|path| std::fs::metadata(path).and_then(|seen| seen.modified()).unwrap_or(SystemTime::UNIX_EPOCH));
    for old in all.iter().take(all.len().saturating_sub(MAX_KEPT)) {
        std::fs::remove_file(old)?;
    }
    Ok(())
}

/// Those that wait, each with its file, and what could not be read.
#[must_use]
pub fn files(state: &Path) -> (Vec<(Case, PathBuf)>, Vec<String>) {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for path in library::case_files(&folder(state)) {
        match library::read(&path) {
            Ok(case) => found.push((case, path)),
            Err(why) => problems.push(format!("{}: {why}", path.display())),
        }
    }
    (found, problems)
}

/// Those that wait, and what could not be read.
#[must_use]
pub fn list(state: &Path) -> (Vec<Case>, Vec<String>) {
    let (found, problems) = files(state);
    (found.into_iter().map(|(case, _)| case).collect(), problems)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::doctor::Library;

    fn case(id: &str) -> Case {
        let mut case = Library::built_in().cases.swap_remove(0);
        case.id = id.to_owned();
        case
    }

    #[test]
    fn they_are_private_bounded_to_the_newest_and_no_part_of_the_library() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let old = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000);
        for number in 0..=MAX_KEPT as u64 {
            let id = format!("ai-{number:02}");
            keep(&state, &case(&id)).unwrap();
            let file = std::fs::File::options().write(true).open(folder(&state).join(format!("{id}.toml"))).unwrap();
            file.set_modified(old + std::time::Duration::from_secs(number)).unwrap();
        }
        let (kept, problems) = list(&state);
        assert_eq!((kept.len(), kept[0].id.as_str(), problems.len()), (MAX_KEPT, "ai-01", 0));
        assert_eq!(Library::with_user(&library::folder(&state)).find("ai-01"), None);
        std::fs::write(folder(&state).join("half.toml"), "schema = ").unwrap();
        assert_eq!((list(&state).0.len(), list(&state).1.len()), (MAX_KEPT, 1));
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            let file = folder(&state).join("ai-01.toml");
            assert_eq!(std::fs::metadata(file).unwrap().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn an_id_never_leads_out_of_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        assert!(keep(dir.path(), &case("../cases/mine")).is_err());
        assert!(!dir.path().join("cases").exists());
    }
}
