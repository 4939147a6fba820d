//! Kills that an earlier guard put on record and did not live to settle.
//!
//! A kill is on record in the database, or, while that cannot be written, in `kill.json` in the gateway's runtime
//! folder. Invariant: what is found here is told to the state machine before anything else; nothing is carried out.

use crate::host::clock;
use crate::host::files::{Durability, write_atomic};
use crate::host::process;
use clawmend_core::directive::{Directive, DirectiveId};
use clawmend_core::observation::KillLeft;
use clawmend_core::time::Wall;
use serde::{Deserialize, Serialize};
use std::path::Path;

const NAME: &str = "kill.json";

/// A kill beside the database.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    at: Wall,
    directive: Directive,
}

/// Keeps what must not be lost while the database cannot take it.
///
/// # Errors
/// Those of the file system.
pub fn note(runtime: &Path, directive: &Directive, at: Wall) -> std::io::Result<()> {
    let note = Note { at, directive: directive.clone() };
    let bytes = serde_json::to_vec(&note).map_err(std::io::Error::other)?;
    write_atomic(&runtime.join(NAME), &bytes, Durability::Durable)
}

/// Removes the note on this kill, if there is one.
pub fn forget(runtime: &Path, id: DirectiveId) {
    if read(runtime).is_some_and(|note| note.directive.id == id)
        && let Err(error) = std::fs::remove_file(runtime.join(NAME))
    {
        tracing::debug!(%error, "the note on a kill could not be removed");
    }
}

fn read(runtime: &Path) -> Option<Note> {
    serde_json::from_slice(&std::fs::read(runtime.join(NAME)).ok()?).ok()
}

/// Every kill that is not settled, and what became of its process.
#[must_use]
pub fn kills(intents: &[(Wall, Directive)], runtime: &Path, now: Wall) -> Vec<KillLeft> {
    let known = |at: Wall, directive: &Directive, recorded| KillLeft {
        directive: directive.clone(),
        age_ms: u64::try_from(now.0.saturating_sub(at.0)).unwrap_or(0),
        ended: directive.target.as_ref().is_some_and(|life| life.boot != clock::boot_id() || !process::is_alive(life)),
        recorded,
    };
    let mut found: Vec<KillLeft> = intents.iter().map(|(at, directive)| known(*at, directive, true)).collect();
    if let Some(note) = read(runtime)
        && !found.iter().any(|kill| kill.directive.id == note.directive.id)
    {
        // The record of the action was in the same database.
        found.push(known(note.at, &note.directive, false));
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clawmend_core::directive::Action;
    use clawmend_core::gateway::Incarnation;

    fn kill(id: u64, target: Incarnation) -> Directive {
        let target = Some(target);
        Directive { id: DirectiveId(id), incident: None, target, action: Action::Kill, reason: "spinning".into() }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_kill_on_record_is_told_with_what_became_of_its_process() {
        let folder = tempfile::tempdir().unwrap();
        let alive = process::incarnation_of(std::process::id()).unwrap();
        let ended = Incarnation { start: alive.start + 1, ..alive.clone() };
        let before_boot = Incarnation { boot: "another".into(), ..alive.clone() };
        let intents = [(Wall(900), kill(1, alive.clone())), (Wall(5_000), kill(2, ended))];
        note(folder.path(), &kill(3, before_boot), Wall(400)).unwrap();
        let found = kills(&intents, folder.path(), Wall(1_000));
        let seen: Vec<_> =
            found.iter().map(|kill| (kill.directive.id.0, kill.ended, kill.age_ms, kill.recorded)).collect();
        assert_eq!(seen, [(1, false, 100, true), (2, true, 0, true), (3, true, 600, false)]);
        // On record in both places, it is one kill.
        note(folder.path(), &kill(2, alive), Wall(400)).unwrap();
        assert_eq!(kills(&intents, folder.path(), Wall(1_000)).len(), 2);
    }

    #[test]
    fn only_the_kill_that_was_settled_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let target = Incarnation { pid: 1, start: 1, boot: "b".into() };
        note(folder.path(), &kill(3, target), Wall(0)).unwrap();
        forget(folder.path(), DirectiveId(2));
        assert_eq!(kills(&[], folder.path(), Wall(0)).len(), 1);
        forget(folder.path(), DirectiveId(3));
        assert!(kills(&[], folder.path(), Wall(0)).is_empty());
        forget(folder.path(), DirectiveId(3));
    }
}
