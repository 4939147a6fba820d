//! Which generations are kept.
//!
//! Invariant: the newest proven generation is never dropped, nor the one in use; an unproven one goes before a proven
//! one.

use crate::time::Wall;

/// The figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// Most unproven generations that are kept.
    pub unproven: usize,
    /// Most proven generations that are kept.
    pub proven: usize,
    /// Unproven ones that were not seen for this long are dropped, in milliseconds.
    pub unproven_age_ms: i64,
    /// Proven ones that were not seen for this long are dropped, in milliseconds.
    pub proven_age_ms: i64,
}

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

impl Default for Keeping {
    fn default() -> Self {
        Self { unproven: 40, proven: 40, unproven_age_ms: 30 * DAY_MS, proven_age_ms: 365 * DAY_MS }
    }
}

/// What of a generation decides about its fate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Which.
    pub id: String,
    /// When it was last seen in use.
    pub last_seen: Wall,
    /// When it was last proven, if ever.
    pub proven: Option<Wall>,
    /// It is the one on disk now, or one that something waits for.
    pub needed: bool,
}

/// The generations to drop, oldest first.
#[must_use]
pub fn drop_list(all: &[Kept], now: Wall, keeping: &Keeping) -> Vec<String> {
    let newest_proven = all.iter().filter_map(|one| one.proven.map(|at| (at, &one.id))).max().map(|(_, id)| id.clone());
    let mut out = Vec::new();
    for (proven, most, age_ms) in
        [(false, keeping.unproven, keeping.unproven_age_ms), (true, keeping.proven, keeping.proven_age_ms)]
    {
        let mut kind: Vec<&Kept> = all.iter().filter(|one| one.proven.is_some() == proven).collect();
        kind.sort_by(|a, b| b.last_seen.cmp(&a.last_seen).then_with(|| a.id.cmp(&b.id)));
        let doomed = kind.iter().enumerate().filter(|(index, one)| {
            let old = now.0.saturating_sub(one.last_seen.0) > age_ms;
            (*index >= most || old) && !one.needed && Some(&one.id) != newest_proven.as_ref()
        });
        let mut ids: Vec<String> = doomed.map(|(_, one)| one.id.clone()).collect();
        ids.reverse();
        out.extend(ids);
    }
    out
}
