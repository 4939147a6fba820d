//! The list of all canaries of one run of the tests: every test program adds its own, and `cargo xtask test` reads it.

use super::Canary;
use anyhow::{Context as _, Result, bail};
use std::io::Write as _;
use std::path::Path;

/// Names the file; without it nothing is written.
pub const FILE_VARIABLE: &str = "CLAWMEND_CANARIES";

const RANDOM: &str = "random";

/// Adds one, in one write: several programs may do so at once.
pub(super) fn add(canary: &Canary) {
    let Some(path) = std::env::var_os(FILE_VARIABLE) else { return };
    let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
    let _ = file.and_then(|mut file| file.write_all(line(canary).as_bytes()));
}

fn line(canary: &Canary) -> String {
    let kind = if canary.random { RANDOM } else { "written" };
    format!("{}\t{kind}\t{}\n", canary.what, canary.text)
}

/// Reads them all; no file is none.
///
/// # Errors
/// When it is there and cannot be read, or has another format.
pub fn load(path: &Path) -> Result<Vec<Canary>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).context("the list of canaries"),
    };
    let mut all: Vec<Canary> = Vec::new();
    for line in text.lines() {
        let mut columns = line.splitn(3, '\t');
        let (what, kind, secret) = (columns.next(), columns.next(), columns.next());
        let (Some(what), Some(kind), Some(secret)) = (what, kind, secret) else {
            bail!("the list of canaries has a line without three columns");
        };
        let canary = if kind == RANDOM { Canary::random } else { Canary::written }(what, None, secret);
        if !all.iter().any(|known| known.text == secret) {
            all.push(canary);
        }
    }
    Ok(all)
}
