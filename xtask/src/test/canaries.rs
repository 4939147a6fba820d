//! No made-up secret of a test may be in what any test printed.
//!
//! Test programs add theirs to a list (`target/labs/canaries`, readable by the owner only); after each program its whole
//! output is looked through for all that are on the list by then. An output that has one is not shown.

use super::Tally;
use crate::run::root;
use anyhow::{Context, Result};
use clawmend_testkit::canary::{self, FILE_VARIABLE, Scanner};
use std::path::PathBuf;
use std::process::Command;

/// The list of one run.
pub struct Canaries {
    path: PathBuf,
}

impl Canaries {
    /// An empty list.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn fresh() -> Result<Self> {
        Self::at(root().join("target/labs/canaries"))
    }

    fn at(path: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(path.parent().unwrap_or(&path))?;
        let mut options = std::fs::OpenOptions::new();
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.write(true).create(true).truncate(true).open(&path).context("the list of canaries")?;
        Ok(Self { path })
    }

    /// Lets a program add to it.
    pub fn tell(&self, command: &mut Command) {
        command.env(FILE_VARIABLE, &self.path);
    }

    /// The failure of whoever printed one of them; `None`: nobody did.
    ///
    /// # Errors
    /// When the list cannot be read.
    pub fn leaked(&self, program: &str, streams: &[&[u8]]) -> Result<Option<Tally>> {
        let all = canary::load(&self.path)?;
        let scanner = Scanner::of(&all);
        let mut failures = Vec::new();
        for stream in streams {
            for hit in scanner.hits(stream) {
                let test = test_at(stream, hit.offset).map_or_else(String::new, |test| format!(" test {test}"));
                failures.push(format!("{program}:{test} printed {hit} of its output; the output is not shown"));
            }
        }
        if failures.is_empty() {
            return Ok(None);
        }
        println!("FAILED  {program}: it printed a secret");
        Ok(Some(Tally { failed: failures.len(), failures, ..Tally::default() }))
    }
}

/// In whose part of libtest's output a place is: `---- NAME stdout ----` stands above it.
fn test_at(output: &[u8], offset: usize) -> Option<String> {
    let before = String::from_utf8_lossy(output.get(..offset)?).into_owned();
    let name = |line: &str| Some(line.strip_prefix("---- ")?.strip_suffix(" stdout ----")?.to_owned());
    before.lines().rev().find_map(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clawmend_testkit::canary::{Canary, register};

    #[test]
    fn a_test_that_prints_a_secret_is_named_and_the_secret_is_not() {
        // Two programs: one adds to the list, and one prints.
        let path = std::env::temp_dir().join(format!("clawmend-canaries-{}", std::process::id()));
        let canaries = Canaries::at(path.clone()).unwrap();
        let secret = canary::model_key();
        std::fs::write(&path, format!("a model's key\trandom\t{secret}\n")).unwrap();
        let output =
            |line: &str| format!("successes:\n\n---- one stdout ----\nx\n\n---- two::three stdout ----\n{line}\n");
        assert_eq!(canaries.leaked("package/target", &[output("all is well").as_bytes(), b""]).unwrap(), None);
        let encoded: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        for line in [secret.clone(), format!("{{\"key\":\"{}\"}}", &secret[8..]), encoded] {
            let tally = canaries.leaked("package/target", &[b"", output(&line).as_bytes()]).unwrap().unwrap();
            assert_eq!(tally.failed, 1);
            let said = &tally.failures[0];
            assert!(said.contains("package/target: test two::three printed a model's key at byte"), "{said}");
            assert!(!said.contains(&secret[8..24]), "{said}");
        }
        std::fs::remove_file(path).unwrap();
    }

    /// Run by the test below as a program of its own.
    #[test]
    fn registers_one() {
        register(Canary::random("a key of this test", None, &canary::model_key()));
    }

    #[test]
    fn a_program_of_the_run_adds_what_it_registers() {
        let path = std::env::temp_dir().join(format!("clawmend-canaries-of-{}", std::process::id()));
        let canaries = Canaries::at(path.clone()).unwrap();
        let mut program = Command::new(std::env::current_exe().unwrap());
        canaries.tell(program.args(["--exact", "test::canaries::tests::registers_one"]));
        assert!(program.output().unwrap().status.success());
        let all = canary::load(&path).unwrap();
        assert_eq!(all.len(), 1, "{all:?}");
        let tally = canaries.leaked("package/target", &[all[0].text().as_bytes()]).unwrap().unwrap();
        assert_eq!(
            tally.failures,
            ["package/target: printed a key of this test at byte 0 of its output; the output is not shown"]
        );
        std::fs::remove_file(path).unwrap();
    }
}
