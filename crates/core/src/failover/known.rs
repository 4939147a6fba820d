//! What a standby knows of another node's accounts, and how sure that is.
//!
//! Invariant: what was known stays known while the primary only cannot read its own config, for a bounded time; beyond it
//! the accounts count as unknown, and unknown refuses. Start at [`Knowledge::hear`].

use super::ownership::{Account, Owned, compare};
use super::sight::Armed;
use crate::time::Wall;
use serde::{Deserialize, Serialize};

/// So long after it was last heard, what is on the disk is written again.
const REFRESH_MS: u64 = 600_000;

/// Of one other node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Knowledge {
    /// Its accounts, as last read by itself.
    known: Option<Vec<Account>>,
    /// When it said so last.
    at: Wall,
    /// Why it cannot read them any more.
    doubt: Option<String>,
    /// [`Self::at`] as it was when [`Self::hear`] last asked to be kept.
    #[serde(default)]
    kept_at: Wall,
}

/// What was known counts, though the primary cannot read its config now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dated<'a> {
    /// Since when, in milliseconds.
    pub age_ms: u64,
    /// What the primary says.
    pub why: &'a str,
}

impl Knowledge {
    /// The primary says what it owns. True when this must be made durable.
    pub fn hear(&mut self, now: Wall, owned: &Owned) -> bool {
        let keep = match owned {
            Owned::Known(accounts) => {
                let news = self.known.as_ref() != Some(accounts) || self.doubt.is_some();
                if news {
                    (self.known, self.doubt) = (Some(accounts.clone()), None);
                }
                self.at = now;
                news || now.0.abs_diff(self.kept_at.0) >= REFRESH_MS
            }
            Owned::Unknown { why } => {
                let news = self.doubt.as_ref() != Some(why);
                if news {
                    self.doubt = Some(why.clone());
                }
                news
            }
        };
        if keep {
            self.kept_at = self.at;
        }
        keep
    }

    /// What was known counts although it could not be read again.
    #[must_use]
    pub fn dated(&self, now: Wall, bound_ms: u64) -> Option<Dated<'_>> {
        let why = self.doubt.as_deref().filter(|_| self.known.is_some())?;
        let age_ms = self.age_ms(now);
        (age_ms < bound_ms).then_some(Dated { age_ms, why })
    }

    /// A clock that was set makes it older, whichever way.
    fn age_ms(&self, now: Wall) -> u64 {
        now.0.abs_diff(self.at.0)
    }

    /// Whether this node, which owns `mine`, may be promoted, as far as it is about this other one, called `who`. `bound_ms`:
    /// [`super::Figures::doubt_ms`].
    #[must_use]
    pub fn armed(&self, who: &str, mine: &Owned, now: Wall, bound_ms: u64) -> Armed {
        let mine = match mine {
            Owned::Known(mine) => mine,
            Owned::Unknown { why } => return Armed::No { why: format!("this node's config: {why}") },
        };
        match (&self.known, &self.doubt) {
            (None, None) => Armed::No { why: format!("the guard of {who} has not said yet what it owns") },
            (None, Some(why)) => Armed::No { why: format!("the config of {who}: {why}") },
            (Some(_), Some(why)) if self.age_ms(now) >= bound_ms => Armed::No {
                why: format!("the config of {who} cannot be read, and what it owned is known from too long ago: {why}"),
            },
            (Some(theirs), _) => compare(mine, theirs),
        }
    }
}
