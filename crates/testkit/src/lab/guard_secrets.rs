//! That no secret of a lab gets out: what a guard kept, said and sent is looked through at its end.
//!
//! Looked through are its state and runtime folders, its standard streams, what its commands say, and what the stand-ins
//! got. Not looked through, but for their mode: kept generations, what the gateway itself printed, and `notify.toml`,
//! which a person writes.

#![allow(clippy::print_stderr, reason = "a lab that fails already is told of leaks beside it")]

use super::guard::Guard;
use super::process::Life;
use super::secrets::secrets;
use crate::canary::{self, Scanner, folder};
use anyhow::{Result, ensure};
use std::os::unix::fs::PermissionsExt as _;

impl Guard {
    /// Has the gateway write a secret into its log.
    pub(super) fn say_a_secret(&self, life: Life) -> Result<()> {
        secrets().log(&self.dirs.runtime(), &self.home.state_dir(), life)
    }

    /// What a command said is looked through like everything else.
    pub(super) fn look_through(&self, arguments: &[&str], streams: &[&[u8]]) {
        let scanner = Scanner::of(&canary::all());
        for hit in streams.iter().flat_map(|stream| scanner.hits(stream)) {
            canary::leak(format!("what `clawmend {}` said has {hit}", arguments.join(" ")));
        }
    }

    /// Every place so far where a secret is that must not be there, a sentence each. What was told is forgotten.
    #[must_use]
    pub fn leaks(&self) -> Vec<String> {
        let scanner = Scanner::of(&canary::all());
        let mut leaks = canary::leaks();
        for folder in [self.dirs.state(), self.dirs.runtime()] {
            leaks.extend(folder::leaks(&folder, &scanner));
        }
        leaks.extend(folder::in_file(&self.dirs.output(), &scanner));
        let notify = self.dirs.config().with_file_name("notify.toml");
        if let Ok(seen) = std::fs::metadata(&notify)
            && seen.permissions().mode() & 0o077 != 0
        {
            leaks.push(format!("others may read {}", notify.display()));
        }
        leaks
    }

    /// The same as a result.
    ///
    /// # Errors
    /// When there is one.
    pub fn keeps_its_secrets(&self) -> Result<()> {
        let leaks = self.leaks();
        ensure!(leaks.is_empty(), "secrets got out:\n{}", leaks.join("\n"));
        Ok(())
    }

    /// Fails the lab whatever came of it; one that fails already is told why it would.
    pub(super) fn end_without_leaks(&self) {
        let Err(error) = self.keeps_its_secrets() else { return };
        assert!(std::thread::panicking(), "{error}");
        eprintln!("{error}");
    }
}
