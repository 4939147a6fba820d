//! From "bring it back" to a file on disk: looks, composes, writes.
//!
//! Invariant: by itself only a proven generation is restored, only what the check found wrong is a reason, and nothing
//! that needs a person is decided here. Start at [`Bench::plan`].

use super::apply::{Applied, ApplyError, apply};
use super::compose::{ComposeError, Composed, Subject, compose, value_of};
use super::keep::{Kept, Room, RoomError};
use super::object::{Loaded, Snapshot};
use crate::openclaw::config::check::{self, Around, Checked, Severity};
use crate::openclaw::discovery::Home;
use clawmend_core::time::Wall;
use serde_json::Value;

/// Newer generations that are asked what they say about guarded keys.
const WITNESSES: usize = 8;

/// Everything a restore needs.
pub struct Bench<'a> {
    /// Whose config.
    pub home: &'a Home,
    /// Its generations.
    pub room: &'a Room,
    /// What the check knows.
    pub around: &'a Around<'a>,
}

/// Who wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The guard: only a broken config is a reason.
    Guard,
    /// A person, keys guarded.
    Person,
    /// A person who wants everything as it was, roles and credentials too.
    PersonAll,
}

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A person must do something; said in words.
    #[error("{0}")]
    NeedsPerson(String),
    /// It is good as it is.
    #[error("the present config passes the check; there is no reason to restore it")]
    NotBroken,
    /// No healthy run has proven any.
    #[error("no generation has been proven by a healthy run yet")]
    NothingProven,
    /// It cannot be composed.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// The room cannot be used.
    #[error(transparent)]
    Room(#[from] RoomError),
    /// It cannot be written.
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

/// What would be done.
#[derive(Debug)]
pub struct Plan {
    /// The generation that it comes from.
    pub from: String,
    /// What would be written.
    pub composed: Composed,
    /// The config as it was when this was composed.
    pub before: Option<Snapshot>,
    /// What it said, if it could be read.
    pub present: Option<Value>,
    /// What was wrong with it, in a sentence.
    pub fault: Option<String>,
}

impl Bench<'_> {
    /// Checks the present config.
    #[must_use]
    pub fn check(&self) -> Checked {
        check::check(self.home, self.around)
    }

    /// Composes a restore. `from`: a generation; `None`: the newest proven one.
    ///
    /// # Errors
    /// There is nothing to restore, or it is not ours to do.
    pub fn plan(&self, from: Option<Loaded>, who: Who) -> Result<Plan, RestoreError> {
        let before = Snapshot::take(self.home, self.around.env);
        let checked = self.check();
        if who == Who::Guard {
            if checked.passes() {
                return Err(RestoreError::NotBroken);
            }
            let errors = checked.findings.iter().filter(|finding| finding.severity == Severity::Error);
            if let Some(theirs) = errors.clone().find(|finding| finding.needs_person()) {
                return Err(RestoreError::NeedsPerson(theirs.message.clone()));
            }
        }
        let from = match from {
            Some(loaded) => loaded,
            None => {
                let newest = self.room.newest_proven()?.ok_or(RestoreError::NothingProven)?;
                self.room.load(&newest.id)?
            }
        };
        let text = before.as_ref().filter(|all| all.files.len() == 1).and_then(|all| all.files.first());
        let text = text.and_then(|file| std::str::from_utf8(&file.bytes).ok());
        let witness = self.witness(before.as_ref());
        let subject = Subject { present: checked.value.as_ref(), text, witness: witness.as_ref() };
        let verdict = |value: &Value| self.verdict(value);
        let composed = compose(&subject, &from, who != Who::PersonAll, verdict)?;
        let fault = checked.worst().map(|finding| finding.message.clone());
        Ok(Plan { from: from.id, composed, before, present: checked.value, fault })
    }

    /// Why a config would not start; `None` when it would.
    #[must_use]
    pub fn verdict(&self, value: &Value) -> Option<String> {
        let findings = check::look_at(value, self.home, self.around);
        findings.into_iter().find(|finding| finding.severity == Severity::Error).map(|finding| finding.message)
    }

    /// The newest generation that can be read, the present content apart.
    fn witness(&self, before: Option<&Snapshot>) -> Option<Value> {
        let present = before.and_then(|before| before.id().ok());
        let all = self.room.list().ok()?;
        let others = all.into_iter().filter(|one| !one.damaged && Some(&one.id) != present.as_ref());
        others.take(WITNESSES).find_map(|one| value_of(&self.room.load(&one.id).ok()?.snapshot).ok())
    }

    /// Writes what was planned. `label`: the old file also stays beside the new one, under that name.
    ///
    /// # Errors
    /// Nothing has changed then.
    pub fn carry_out(&self, plan: &Plan, label: Option<&str>, now: Wall) -> Result<Applied, RestoreError> {
        let mut done = apply(self.room, plan.before.as_ref(), &plan.composed.files, label, now)?;
        if let Some(snapshot) = Snapshot::take(self.home, self.around.env) {
            let kept = self.room.keep(&snapshot, now, |record| {
                record.readable = true;
                record.by = Some("clawmend".to_owned());
            });
            done.now = kept.ok().as_ref().map(Kept::id).map(str::to_owned);
        }
        Ok(done)
    }
}
