//! What people are told, and what became of it at each place.
//!
//! Invariant: a letter and the desk that decided on it are written in one transaction, so a guard killed between the two
//! decides again; a delivery is noted as begun before it begins, so that a repeat is known as one. What waits is never
//! removed for want of room.

use clawmend_core::alert::Level;
use clawmend_core::time::Wall;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

/// Letters that are kept after they were delivered.
const KEPT: u32 = 5_000;
/// Letters that one guard takes over at most; the rest follows when these are done.
const TAKEN_OVER: u32 = 20_000;

/// A change of the outbox.
#[derive(Clone, Debug)]
pub enum Change {
    /// The desk has decided.
    Decided {
        /// What it knows now, as JSON.
        desk: String,
        /// New letters, each with the places that it goes to.
        letters: Vec<(Kept, Vec<String>)>,
        /// When.
        at: Wall,
    },
    /// Letters go to a place, or have ended there.
    Deliveries(Vec<Delivery>),
}

impl Change {
    /// A decision must survive a power failure; where a letter is on its way is worth less.
    pub(super) fn must_be_synced(&self) -> bool {
        matches!(self, Self::Decided { letters, .. } if !letters.is_empty())
    }
}

/// A letter as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its key.
    pub key: String,
    /// What it is about.
    pub subject: String,
    /// How loud.
    pub level: Level,
    /// When it was decided.
    pub decided_at: Wall,
    /// The whole of it, as JSON.
    pub payload: String,
}

/// A letter at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Which letter.
    pub key: String,
    /// Where.
    pub place: String,
    /// What.
    pub fate: Fate,
    /// Attempts so far.
    pub attempts: u32,
    /// When this became so.
    pub at: Wall,
    /// What the service calls it; empty when it says nothing.
    pub receipt: String,
    /// Why not; empty when there is nothing to say.
    pub why: String,
}

/// Where a letter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It waits.
    Waiting,
    /// An attempt is under way, or the guard died in it.
    Sending,
    /// It is there.
    Delivered,
    /// It may be there.
    Unsure,
    /// It does not get there.
    Undeliverable,
}

impl Fate {
    /// All of them.
    const ALL: [Self; 5] = [Self::Waiting, Self::Sending, Self::Delivered, Self::Unsure, Self::Undeliverable];

    /// Stable name for JSON and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sending => "sending",
            Self::Delivered => "delivered",
            Self::Unsure => "unsure",
            Self::Undeliverable => "undeliverable",
        }
    }

    fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|fate| fate.name() == name).unwrap_or(Self::Undeliverable)
    }
}

/// What an earlier guard left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// What its desk knew, as JSON.
    pub desk: Option<String>,
    /// Letters that wait somewhere, the oldest first, with all that is known of their ways.
    pub letters: Vec<(Kept, Vec<Delivery>)>,
}

/// One line of the delivery log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// The letter.
    pub letter: Kept,
    /// What became of it at one place.
    pub delivery: Delivery,
}

/// Writes a change. Repeated, it changes nothing more.
pub fn apply(transaction: &Transaction<'_>, change: &Change) -> rusqlite::Result<()> {
    match change {
        Change::Decided { desk, letters, at } => {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO alert_desk(id, payload) VALUES(1, ?1)")?
                .execute([desk])?;
            letters.iter().try_for_each(|(letter, places)| decide(transaction, letter, places, *at))
        }
        Change::Deliveries(deliveries) => deliveries.iter().try_for_each(|delivery| put(transaction, delivery)),
    }
}

fn decide(transaction: &Transaction<'_>, letter: &Kept, places: &[String], at: Wall) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO letters(key, subject, level, decided_at, payload) VALUES(?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![letter.key, letter.subject, letter.level.name(), letter.decided_at.0, letter.payload])?;
    let mut waiting = transaction.prepare_cached(
        "INSERT OR IGNORE INTO deliveries(key, place, state, attempts, at, receipt, why)
         VALUES(?1, ?2, 'waiting', 0, ?3, '', '')",
    )?;
    places.iter().try_for_each(|place| waiting.execute(params![letter.key, place, at.0]).map(drop))
}

fn put(transaction: &Transaction<'_>, delivery: &Delivery) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO deliveries(key, place, state, attempts, at, receipt, why)
             VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            delivery.key,
            delivery.place,
            delivery.fate.name(),
            delivery.attempts,
            delivery.at.0,
            delivery.receipt,
            delivery.why
        ])
        .map(drop)
}

/// What an earlier guard knew and left to be delivered.
pub fn left(c: &Connection) -> rusqlite::Result<Left> {
    let desk = c.query_row("SELECT payload FROM alert_desk WHERE id = 1", [], |row| row.get(0)).optional()?;
    let mut open = c.prepare_cached(
        "SELECT key, subject, level, decided_at, payload FROM letters WHERE key IN
         (SELECT key FROM deliveries WHERE state IN ('waiting', 'sending'))
         ORDER BY decided_at, key LIMIT ?1",
    )?;
    let letters = open.query_map([TAKEN_OVER], letter_of)?.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut ways = c.prepare_cached(
        "SELECT key, place, state, attempts, at, receipt, why FROM deliveries WHERE key = ?1 ORDER BY place LIMIT 64",
    )?;
    let with_ways = |letter: Kept| {
        let ways = ways.query_map([&letter.key], |row| delivery_of(row, 0))?.collect::<rusqlite::Result<Vec<_>>>()?;
        Ok((letter, ways))
    };
    Ok(Left { desk, letters: letters.into_iter().map(with_ways).collect::<rusqlite::Result<_>>()? })
}

/// What the first delivered letter about this got at this place.
pub fn first_receipt(c: &Connection, subject: &str, place: &str) -> rusqlite::Result<String> {
    c.prepare_cached(
        "SELECT receipt FROM deliveries JOIN letters USING(key)
         WHERE subject = ?1 AND place = ?2 AND receipt <> '' ORDER BY decided_at, key LIMIT 1",
    )?
    .query_row([subject, place], |row| row.get(0))
    .optional()
    .map(Option::unwrap_or_default)
}

/// What was told lately, the newest first.
pub fn log(c: &Connection, limit: u32) -> rusqlite::Result<Vec<Logged>> {
    let mut lines = c.prepare_cached(
        "SELECT l.key, subject, level, decided_at, payload, d.key, place, state, attempts, at, receipt, why
         FROM letters l JOIN deliveries d ON l.key = d.key ORDER BY decided_at DESC, l.key, place LIMIT ?1",
    )?;
    let line = |row: &Row<'_>| Ok(Logged { letter: letter_of(row)?, delivery: delivery_of(row, 5)? });
    lines.query_map([limit.min(1_000)], line)?.collect()
}

/// Removes the oldest letters that are done.
pub fn tidy(c: &Connection) -> rusqlite::Result<()> {
    c.execute(
        "DELETE FROM letters WHERE decided_at <
           (SELECT decided_at FROM letters ORDER BY decided_at DESC LIMIT 1 OFFSET ?1)
         AND key NOT IN (SELECT key FROM deliveries WHERE state IN ('waiting', 'sending'))",
        [KEPT],
    )?;
    c.execute("DELETE FROM deliveries WHERE key NOT IN (SELECT key FROM letters)", []).map(drop)
}

fn letter_of(row: &Row<'_>) -> rusqlite::Result<Kept> {
    let level: String = row.get(2)?;
    Ok(Kept {
        key: row.get(0)?,
        subject: row.get(1)?,
        level: Level::named(&level).unwrap_or(Level::Error),
        decided_at: Wall(row.get(3)?),
        payload: row.get(4)?,
    })
}

fn delivery_of(row: &Row<'_>, first: usize) -> rusqlite::Result<Delivery> {
    let state: String = row.get(first + 2)?;
    Ok(Delivery {
        key: row.get(first)?,
        place: row.get(first + 1)?,
        fate: Fate::named(&state),
        attempts: row.get(first + 3)?,
        at: Wall(row.get(first + 4)?),
        receipt: row.get(first + 5)?,
        why: row.get(first + 6)?,
    })
}
