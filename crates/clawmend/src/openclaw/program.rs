//! What a command line would start: where its program is, and which OpenClaw that belongs to.
//!
//! Invariant: nothing is run. Start at [`found`] and [`version_of`]. These look at the disk, which may hang.

use super::files::read_bounded;
use super::install;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Longest version that is told, in characters.
const MAX: usize = 40;
/// Largest `package.json` that is read, in bytes: that of OpenClaw 2026.9.6 has 90,000.
const MAX_PACKAGE: u64 = 2 << 20;

/// Where the first word of a command line is, as a shell with this `PATH` finds it.
#[must_use]
pub fn found(word: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    if word.contains(std::path::is_separator) {
        return Some(PathBuf::from(word)).filter(|program| program.is_file());
    }
    install::program(path, word)
}

/// The version of OpenClaw whose package this program is in; none for any other program.
#[must_use]
pub fn version_of(program: &Path) -> Option<String> {
    let bytes = read_bounded(&package_json(program)?, MAX_PACKAGE).ok()?;
    let package: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    (package.get("name")?.as_str()? == "openclaw").then_some(())?;
    Some(package.get("version")?.as_str()?.chars().take(MAX).collect())
}

/// Its first line asks for the `node` of `PATH`, as that of OpenClaw from npm does; some packagers name theirs.
#[must_use]
pub fn asks_for_node(program: &Path) -> bool {
    let mut first = [0; 64];
    let read = std::fs::File::open(program).and_then(|mut file| std::io::Read::read(&mut file, &mut first));
    let line = first.get(..read.unwrap_or(0)).unwrap_or_default().split(|byte| *byte == b'\n').next();
    line.is_some_and(|line| line.starts_with(b"#!") && line.trim_ascii_end().ends_with(b"/env node"))
}

/// The file that says so. npm links the program into its package.
fn package_json(program: &Path) -> Option<PathBuf> {
    Some(program.canonicalize().ok()?.parent()?.join("package.json"))
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_program_is_found_and_knows_its_package() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let package = root.join("lib/openclaw");
        std::fs::create_dir_all(&package).unwrap();
        std::fs::create_dir(root.join("bin")).unwrap();
        let script = package.join("openclaw.mjs");
        std::fs::write(&script, "").unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        let link = root.join("bin/openclaw");
        std::os::unix::fs::symlink(&script, &link).unwrap();

        let path = root.join("bin").into_os_string();
        assert_eq!(found("openclaw", Some(&path)), Some(link.clone()));
        assert_eq!(found(link.to_str().unwrap(), None), Some(link.clone()));
        assert_eq!((found("openclaw", None), found("/no/such", Some(&path))), (None, None));

        for (text, asks) in [("#!/usr/bin/env node\nx", true), ("#!/opt/node/bin/node\n", false), ("", false)] {
            std::fs::write(&script, text).unwrap();
            assert_eq!(asks_for_node(&link), asks, "{text}");
        }
        assert_eq!(version_of(&link), None, "half installed");
        for (text, wanted) in [
            (r#"{"name": "openclaw", "version": "2026.9.6"}"#, Some("2026.9.6")),
            (r#"{"name": "another", "version": "1.0.0"}"#, None),
            (r#"{"name": "openclaw", "version": 7}"#, None),
            ("{", None),
        ] {
            std::fs::write(package.join("package.json"), text).unwrap();
            assert_eq!(version_of(&link).as_deref(), wanted, "{text}");
        }
    }
}
