//! Who is obeyed by an app. How a person becomes that is [`crate::bot::binding::Pairing`], with the same code and bounds.
//!
//! Invariant: one person, for one app of one service: an id names a person there only. The file is sealed.

use super::App;
use crate::bot::sealed::{self, SealError, Sealing};
use clawmend_core::time::Wall;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    app: String,
    /// Their id: the `open_id` on Feishu, the `userId` on DingTalk.
    pub person: String,
    /// Since when.
    pub since: Wall,
}

impl Bound {
    const NAME: &'static str = "binding.json";

    /// This person to this app.
    #[must_use]
    pub fn new(app: &str, person: &str, since: Wall) -> Self {
        Self { app: app.to_owned(), person: person.to_owned(), since }
    }

    /// What is kept in the folder for this app.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn load<A: App>(folder: &Path, sealing: &Sealing, app: &str) -> Result<Option<Self>, SealError> {
        let kept: Option<Self> = sealed::read(&folder.join(Self::NAME), &sealing.key(A::BINDING))?;
        Ok(kept.filter(|kept| kept.app == app))
    }

    /// Keeps it, in place of an earlier one.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn save<A: App>(&self, folder: &Path, sealing: &Sealing) -> Result<(), SealError> {
        sealed::write(&folder.join(Self::NAME), &sealing.key(A::BINDING), self)
    }

    /// Takes it away: nobody is obeyed any more.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn forget(folder: &Path) -> Result<(), SealError> {
        sealed::remove(&folder.join(Self::NAME))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::cards::{Access, dingtalk};

    #[test]
    fn it_is_for_one_app_and_an_edit_is_found_out() {
        let folder = tempfile::tempdir().unwrap();
        let sealing = Sealing::new(b"key");
        let load = |app| Bound::load::<Access>(folder.path(), &sealing, app);
        let bound = Bound::new("cli_1", "ou_1", Wall(1));
        bound.save::<Access>(folder.path(), &sealing).unwrap();
        assert_eq!(load("cli_1").unwrap(), Some(bound));
        assert_eq!(load("cli_2").unwrap(), None);
        // That of another service, put here.
        assert!(Bound::load::<dingtalk::Access>(folder.path(), &sealing, "cli_1").is_err());
        let path = folder.path().join(Bound::NAME);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("ou_1", "ou_2")).unwrap();
        assert!(load("cli_1").is_err());
        Bound::forget(folder.path()).unwrap();
        assert_eq!(load("cli_1").unwrap(), None);
    }
}
