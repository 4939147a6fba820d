//! The cases: those that come with the program, and those in the state folder's `cases/`.
//!
//! Invariants: a case in a library has passed [`Case::check`] and its expressions compile; a file that does not is
//! named with what is wrong and left out, and the others still count. A user's case never replaces one of ours.

use super::automaton::compile;
use clawmend_core::diagnosis::case::Case;
use clawmend_core::diagnosis::similar::Known;
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

/// `(id, text)` of every case that comes with the program.
const EMBEDDED: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/cases.rs"));
/// Largest case file.
pub const MAX_CASE_BYTES: u64 = 64 * 1024;
/// Most files of a user that are read.
const MAX_USER_CASES: usize = 1000;

/// Where a case comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// With the program.
    BuiltIn,
    /// From the state folder.
    User,
}

impl Origin {
    /// For people and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BuiltIn => "built_in",
            Self::User => "user",
        }
    }
}

/// All cases.
#[derive(Debug, Default)]
pub struct Library {
    /// The cases; a case's place here is its number in a diagnosis.
    pub cases: Vec<Case>,
    /// Where each comes from.
    pub origins: Vec<Origin>,
    /// What could not be read, for people.
    pub problems: Vec<String>,
}

impl Library {
    /// The cases of the program alone.
    #[must_use]
    pub fn built_in() -> Self {
        let mut library = Self::default();
        for (name, text) in EMBEDDED {
            match parse(text) {
                Ok(case) => library.add(case, Origin::BuiltIn),
                Err(why) => library.problems.push(format!("built-in case {name}: {why}")),
            }
        }
        library
    }

    /// The cases of the program, and those of the user in `folder`, which need not exist.
    #[must_use]
    pub fn with_user(folder: &Path) -> Self {
        let mut library = Self::built_in();
        for path in case_files(folder) {
            match read(&path) {
                Ok(case) if library.find(&case.id).is_some() => {
                    let id = &case.id;
                    library
                        .problems
                        .push(format!("{}: there is a case `{id}` already; choose another id", path.display()));
                }
                Ok(case) => library.add(case, Origin::User),
                Err(why) => library.problems.push(format!("{}: {why}", path.display())),
            }
        }
        library
    }

    /// The place of a case.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<usize> {
        self.cases.iter().position(|case| case.id == id)
    }

    /// What people call the cases, in both languages.
    #[must_use]
    pub fn symptoms(&self) -> Known {
        let mut known = Known::default();
        for (place, case) in self.cases.iter().enumerate() {
            let said = case.symptoms.en.iter().chain(&case.symptoms.zh);
            said.chain([&case.title.en, &case.title.zh]).for_each(|text| known.add(place, text));
        }
        known
    }

    /// The lines by which the cases are known.
    #[must_use]
    pub fn lines(&self) -> Known {
        let mut known = Known::default();
        for (place, case) in self.cases.iter().enumerate() {
            case.lines.iter().for_each(|line| known.add(place, line));
        }
        known
    }

    /// Puts a case in, in the place of one with its id; its number.
    pub fn put(&mut self, case: Case) -> usize {
        if let Some(place) = self.find(&case.id)
            && let Some(old) = self.cases.get_mut(place)
        {
            *old = case;
            return place;
        }
        self.add(case, Origin::User);
        self.cases.len() - 1
    }

    fn add(&mut self, case: Case, origin: Origin) {
        self.cases.push(case);
        self.origins.push(origin);
    }
}

/// The user's folder of cases in a state folder.
#[must_use]
pub fn folder(state: &Path) -> PathBuf {
    state.join("cases")
}

pub(super) fn case_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    let named: BTreeSet<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect();
    named.into_iter().take(MAX_USER_CASES).collect()
}

/// Reads a case file.
///
/// # Errors
/// What is wrong with it, for people.
pub fn read(path: &Path) -> Result<Case, String> {
    let text = read_text(path, MAX_CASE_BYTES)?;
    parse(&text)
}

/// Reads a text file within `max` bytes.
///
/// # Errors
/// What is wrong with it, for people.
pub(crate) fn read_text(path: &Path, max: u64) -> Result<String, String> {
    let open = || -> std::io::Result<Vec<u8>> {
        if !std::fs::metadata(path)?.is_file() {
            return Err(std::io::Error::other("not an ordinary file"));
        }
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(max + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = open().map_err(|error| error.to_string())?;
    if bytes.len() as u64 > max {
        return Err(format!("larger than {max} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())
}

/// `line 4: unknown field …`.
fn place(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map_or(0, |before| before.matches('\n').count() + 1);
    if line > 0 { format!("line {line}: {}", error.message()) } else { error.message().to_owned() }
}

/// Parses a case.
///
/// # Errors
/// What is wrong with it, for people.
pub fn parse(text: &str) -> Result<Case, String> {
    let case: Case = toml::from_str(text).map_err(|error| place(text, &error))?;
    case.check().map_err(|error| error.to_string())?;
    for sign in &case.signs {
        if let Some(pattern) = &sign.regex {
            compile(pattern).map_err(|why| format!("sign `{}`: {why}", sign.text))?;
        }
    }
    Ok(case)
}
