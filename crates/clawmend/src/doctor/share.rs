//! Cases that people add, give away and take over.
//!
//! Invariants: a case from outside never acts by itself: it comes in without `auto`; commands in the files of other
//! tools are dropped, never run; a file is written whole or not at all, and never over another one.

use super::library::{self, Library, MAX_CASE_BYTES};
use clawmend_core::diagnosis::case::{Case, Remedy, RemedyAction, SCHEMA, Said, Symptoms, Undo, Verification};
use clawmend_core::diagnosis::class::{CauseCode, Class};
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Largest file of several cases.
const MAX_SHARED_BYTES: u64 = 4 * 1024 * 1024;
/// Most cases of one file.
const MAX_SHARED: usize = 1000;

/// Several cases in one file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shared {
    schema: u32,
    #[serde(rename = "case")]
    cases: Vec<Case>,
}

/// What became of an import.
#[derive(Debug, Default)]
pub struct Imported {
    /// Ids of the cases that are new here.
    pub added: Vec<String>,
    /// What was left out, and why.
    pub left_out: Vec<String>,
}

/// Cases as one text.
///
/// # Errors
/// They cannot be written as text.
pub fn export(cases: Vec<Case>) -> Result<String, String> {
    let shared = Shared { schema: SCHEMA, cases };
    toml::to_string_pretty(&shared).map_err(|error| error.to_string())
}

/// Reads cases from a file: one case, several of [`export`], or the `cases.json` of the older iflow doctor.
///
/// # Errors
/// What is wrong with the file, for people.
pub fn read(path: &Path) -> Result<Vec<Case>, String> {
    let text = library::read_text(path, MAX_SHARED_BYTES)?;
    let cases = if text.trim_start().starts_with(['{', '[']) && path.extension().is_some_and(|e| e == "json") {
        of_json(&text)?
    } else if let Ok(shared) = toml::from_str::<Shared>(&text) {
        if shared.schema != SCHEMA {
            return Err(format!("schema is {}, this version reads {SCHEMA}", shared.schema));
        }
        shared.cases
    } else {
        vec![library::parse(&text)?]
    };
    if cases.len() > MAX_SHARED {
        return Err(format!("more than {MAX_SHARED} cases"));
    }
    Ok(cases)
}

/// Puts cases into the user's folder.
///
/// # Errors
/// The folder cannot be written.
pub fn take(cases: Vec<Case>, known: &Library, folder: &Path) -> std::io::Result<Imported> {
    std::fs::create_dir_all(folder)?;
    let mut imported = Imported::default();
    for mut case in cases {
        for remedy in &mut case.remedies {
            remedy.auto = false;
        }
        let id = case.id.clone();
        if known.find(&id).is_some() || imported.added.contains(&id) {
            imported.left_out.push(format!("{id}: there is a case with this id already"));
            continue;
        }
        let text = toml::to_string_pretty(&case).map_err(std::io::Error::other)?;
        match library::parse(&text) {
            Ok(_) if text.len() as u64 > MAX_CASE_BYTES => imported.left_out.push(format!("{id}: too large")),
            Ok(_) => {
                write_new(&folder.join(format!("{id}.toml")), &text)?;
                imported.added.push(id);
            }
            Err(why) => imported.left_out.push(format!("{id}: {why}")),
        }
    }
    Ok(imported)
}

/// Writes a file that must not exist yet: whole, or not at all.
fn write_new(path: &PathBuf, text: &str) -> std::io::Result<()> {
    let beside = path.with_extension("toml.part");
    let mut file = std::fs::File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    drop(file);
    let linked = std::fs::hard_link(&beside, path);
    std::fs::remove_file(&beside)?;
    linked
}

/// A case of the older doctor. Its commands are not even read.
#[derive(Deserialize)]
struct OldCase {
    id: String,
    title: String,
    #[serde(default)]
    error_signature: Option<String>,
    #[serde(default)]
    keywords: Vec<String>,
    #[serde(default)]
    solution: Option<String>,
    #[serde(default)]
    root_cause: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OldFile {
    List(Vec<OldCase>),
    Named { cases: Vec<OldCase> },
}

fn of_json(text: &str) -> Result<Vec<Case>, String> {
    let file: OldFile = serde_json::from_str(text).map_err(|_| {
        "it is neither a list of cases nor an object with `cases`, each with `id` and `title`".to_owned()
    })?;
    let (OldFile::List(cases) | OldFile::Named { cases }) = file;
    Ok(cases.into_iter().map(of_old).collect())
}

fn of_old(old: OldCase) -> Case {
    let both = |text: &str| Said { en: text.to_owned(), zh: text.to_owned() };
    let plain: String =
        old.id.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let words = old.keywords.join(" ");
    let mut en = vec![old.title.clone(), words];
    en.extend(old.error_signature);
    en.retain(|text| !text.trim().is_empty());
    let advice = old.solution.unwrap_or_else(|| "see where it comes from".to_owned());
    Case {
        schema: SCHEMA,
        id: format!("imported-{}", plain.trim_matches('-')),
        class: Class::Lifecycle,
        cause: CauseCode::Unknown,
        kind: String::new(),
        level: clawmend_core::diagnosis::case::Level::Aside,
        beats: Vec::new(),
        guards: Vec::new(),
        verify: Verification::Person,
        undo: Undo::Nothing,
        source: vec![format!("cases.json, {}", old.id)],
        lines: Vec::new(),
        title: both(&old.title),
        why: both(&old.root_cause.unwrap_or_else(|| "not recorded".to_owned())),
        advice: both(&advice),
        symptoms: Symptoms { zh: en.clone(), en },
        needs: clawmend_core::diagnosis::case::Needs::default(),
        signs: Vec::new(),
        facts: Vec::new(),
        remedies: vec![Remedy { action: RemedyAction::Tell, auto: false }],
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_given_away_comes_back_without_the_right_to_act() {
        let dir = tempfile::tempdir().unwrap();
        let ours = Library::built_in();
        let mut case = ours.cases[ours.find("killed").unwrap()].clone();
        assert!(case.remedies.iter().any(|remedy| remedy.auto));
        case.id = "killed-here".to_owned();
        let path = dir.path().join("shared.toml");
        std::fs::write(&path, export(vec![case]).unwrap()).unwrap();
        let folder = dir.path().join("cases");
        let imported = take(read(&path).unwrap(), &ours, &folder).unwrap();
        assert_eq!(imported.added, ["killed-here"]);
        let library = Library::with_user(&folder);
        assert!(library.problems.is_empty(), "{:?}", library.problems);
        let taken = &library.cases[library.find("killed-here").unwrap()];
        assert!(taken.remedies.iter().all(|remedy| !remedy.auto));
        let again = take(read(&path).unwrap(), &library, &folder).unwrap();
        assert!(again.added.is_empty() && again.left_out.len() == 1);
    }

    #[test]
    fn the_old_library_is_read_without_its_commands() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cases.json");
        let text = r#"[{"id":"CASE-002","title":"Gateway Service Not Starting","error_code":"GATEWAY_START_FAILED",
            "keywords":["gateway","start","failed"],"solution":"1) check","commands":["rm -rf /"],"success_rate":0.9}]"#;
        std::fs::write(&path, text).unwrap();
        let cases = read(&path).unwrap();
        assert_eq!(cases[0].id, "imported-case-002");
        assert!(cases[0].check().is_ok());
        assert!(!toml::to_string(&cases[0]).unwrap().contains("rm -rf"));
        std::fs::write(&path, "{\"cases\": 3}").unwrap();
        assert!(read(&path).is_err());
    }

    #[test]
    fn a_file_that_does_not_parse_is_named_and_the_others_count() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("broken.toml"), "id = ").unwrap();
        std::fs::write(dir.path().join("huge.toml"), vec![b'#'; 100_000]).unwrap();
        std::fs::create_dir(dir.path().join("folder.toml")).unwrap();
        let library = Library::with_user(dir.path());
        assert_eq!(library.problems.len(), 3, "{:?}", library.problems);
        assert_eq!(library.cases.len(), Library::built_in().cases.len());
    }
}
