//! OpenClaw's own schema of its config, as the installed version prints it.
//!
//! `openclaw config schema` (2026.9.6: 2.4 MB of JSON Schema draft 7, 2–5 s, writes nothing, works with a broken
//! config) is asked once per version; what matters of it is kept in the guard's state folder.
//! Invariant: at most [`MAX_SCHEMA_BYTES`] are read, the command gets a throwaway state folder, ends within
//! [`PATIENCE`], and gets no variable that could be a secret. Start at [`cached`] and [`ask`].

mod validate;

pub use validate::{Kind, MAX_VIOLATIONS, Violation};

use crate::host::files::{Durability, private_dir, write_atomic};
use crate::openclaw::files;
use crate::openclaw::install::Tools;
use serde_json::Value;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Largest schema.
const MAX_SCHEMA_BYTES: u64 = 16 * 1024 * 1024;
/// How long the command may take.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Schemas that are kept.
const KEPT: usize = 4;

/// A schema.
#[derive(Debug)]
pub struct Schema {
    /// Of this version.
    pub version: String,
    root: Value,
}

impl Schema {
    /// Of a JSON text.
    #[must_use]
    pub fn parse(version: &str, bytes: &[u8]) -> Option<Self> {
        let root: Value = serde_json::from_slice(bytes).ok()?;
        let usable = root.get("properties").and_then(|all| all.get("gateway")).is_some();
        usable.then(|| Self { version: version.to_owned(), root: strip(root) })
    }

    /// What does not fit, at most [`MAX_VIOLATIONS`].
    #[must_use]
    pub fn violations(&self, config: &Value) -> Vec<Violation> {
        validate::validate(&self.root, config)
    }
}

/// Titles and descriptions are three quarters of it.
fn strip(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter()
                .filter(|(key, value)| !(matches!(key.as_str(), "title" | "description") && value.is_string()))
                .map(|(key, value)| (key, strip(value)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(strip).collect()),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}

/// The version of an installed `openclaw` program, from the package that it lies in.
#[must_use]
pub fn installed_version(program: &Path) -> Option<String> {
    let real = program.canonicalize().ok()?;
    let manifest =
        real.ancestors().skip(1).take(3).map(|folder| folder.join("package.json")).find(|file| file.is_file())?;
    let manifest: Value = serde_json::from_slice(&files::read_bounded(&manifest, 1024 * 1024).ok()?).ok()?;
    let version = manifest.get("version")?.as_str()?;
    let plain = version.len() <= 40 && version.bytes().all(|b| b.is_ascii_alphanumeric() || b".-+".contains(&b));
    (manifest.get("name")?.as_str()? == "openclaw" && plain).then(|| version.to_owned())
}

fn place(state: &Path, version: &str) -> PathBuf {
    state.join("schemas").join(format!("openclaw-{version}.json"))
}

/// The schema of this version, if it was asked for before.
#[must_use]
pub fn cached(state: &Path, version: &str) -> Option<Schema> {
    Schema::parse(version, &files::read_bounded(&place(state, version), MAX_SCHEMA_BYTES).ok()?)
}

/// Sees to it that the schema of the installed version is kept: asks for it only if it is not. Blocks for seconds, and
/// while another does the same: gateways of one guard share what is kept.
///
/// # Errors
/// As of [`ask`].
pub fn learn(tools: &Tools, version: &str, state: &Path) -> io::Result<()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    if cached(state, version).is_none() {
        ask(tools, version, state)?;
    }
    Ok(())
}

/// Asks the installed version, and keeps the answer. Blocks for seconds.
///
/// # Errors
/// The command cannot be run, takes too long, or prints something else.
pub fn ask(tools: &Tools, version: &str, state: &Path) -> io::Result<Schema> {
    let folder = state.join("schemas");
    private_dir(&folder).map_err(io::Error::other)?;
    let throwaway = folder.join(format!(".ask-{}", std::process::id()));
    private_dir(&throwaway).map_err(io::Error::other)?;
    let printed = run(tools, &throwaway);
    // Nothing of it is needed any more; a rest of it harms nobody.
    drop(std::fs::remove_dir_all(&throwaway));
    let schema = Schema::parse(version, &printed?)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it printed no schema"))?;
    let bytes = serde_json::to_vec(&schema.root)?;
    write_atomic(&place(state, version), &bytes, Durability::Fast)?;
    thin_out(&folder);
    Ok(schema)
}

fn run(tools: &Tools, home: &Path) -> io::Result<Vec<u8>> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(tools.node_dir.clone()).chain(std::env::split_paths(&path)))
        .map_err(io::Error::other)?;
    let mut child = Command::new(&tools.openclaw)
        .args(["config", "schema"])
        .env_clear()
        .env("PATH", path)
        .env("HOME", home)
        .env("OPENCLAW_STATE_DIR", home)
        .env("OPENCLAW_CONFIG_PATH", home.join("openclaw.json"))
        .current_dir(home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let Some(out) = child.stdout.take() else { return Err(io::Error::other("no pipe")) };
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        out.take(MAX_SCHEMA_BYTES).read_to_end(&mut bytes).map(|_| bytes)
    });
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if begun.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::new(io::ErrorKind::TimedOut, "openclaw config schema took too long"));
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let bytes = reader.join().map_err(|_| io::Error::other("the reader failed"))??;
    if status.success() {
        Ok(bytes)
    } else {
        Err(io::Error::other(format!("openclaw config schema failed ({status})")))
    }
}

/// Older schemas go.
fn thin_out(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut files: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with("openclaw-")))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    files.sort();
    for (_, path) in files.iter().rev().skip(KEPT) {
        drop(std::fs::remove_file(path));
    }
}
