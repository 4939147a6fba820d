//! Which letter goes where, and to whom it falls over.
//!
//! Invariants: each letter goes once to each of the main places; when none of them takes it, to the next of the others; it
//! is given up only after [`Router::KEPT_MS`], and then said to be undeliverable.

use super::Level;
use super::lane::{Ended, Lane, Step, Waiting};
use crate::time::Moment;
use std::collections::{BTreeMap, BTreeSet};

/// A place that letters go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its name in settings and records.
    pub id: String,
    /// Only when no other place takes a letter.
    pub backup: bool,
    /// Quieter letters do not go there.
    pub at_least: Level,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dispatch {
    /// Send one letter to this place.
    One {
        /// Where to.
        place: String,
        /// Which.
        letter: Waiting,
    },
    /// Send these as one digest to this place.
    Digest {
        /// Where to.
        place: String,
        /// Which, the oldest first.
        letters: Vec<Waiting>,
    },
}

/// What became of a letter at one place, for the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Which letter.
    pub key: String,
    /// Where.
    pub place: String,
    /// What.
    pub fate: Fate,
}

/// The end of a letter at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is there.
    Delivered,
    /// It may be there.
    Unsure,
    /// It does not get there.
    Undeliverable,
}

#[derive(Clone, Debug)]
struct Progress {
    level: Level,
    since: Moment,
    /// Places that it was given to.
    given: BTreeSet<String>,
    /// Places where it still waits.
    waits: BTreeSet<String>,
    arrived: bool,
    alone: bool,
}

impl Progress {
    const fn new(now: Moment, level: Level, alone: bool) -> Self {
        Self { level, since: now, given: BTreeSet::new(), waits: BTreeSet::new(), arrived: false, alone }
    }
}

/// All lanes.
#[derive(Clone, Debug, Default)]
pub struct Router {
    places: Vec<Place>,
    lanes: BTreeMap<String, Lane>,
    letters: BTreeMap<String, Progress>,
}

impl Router {
    /// How long an undelivered letter is kept.
    pub const KEPT_MS: u64 = 3 * 24 * 3_600_000;
    /// A place that has failed so often in a row has somebody else asked.
    const FAILURES_BEFORE_FALLOVER: u32 = 2;

    /// Sets the places. Letters that wait for one that is gone wait for the others.
    pub fn set_places(&mut self, now: Moment, places: Vec<Place>) {
        self.lanes.retain(|id, _| places.iter().any(|place| place.id == *id));
        for lane in self.lanes.values_mut() {
            lane.forgive();
        }
        for place in &places {
            self.lanes.entry(place.id.clone()).or_default();
        }
        self.places = places;
        let known: BTreeSet<String> = self.lanes.keys().cloned().collect();
        for progress in self.letters.values_mut() {
            // A place that comes back is asked again for what it did not get.
            let gone: Vec<String> = progress.waits.difference(&known).cloned().collect();
            for id in gone {
                progress.waits.remove(&id);
                progress.given.remove(&id);
            }
        }
        self.house(now);
    }

    /// Gives letters that wait nowhere, and have not arrived, to the places that there are.
    pub fn house(&mut self, now: Moment) {
        let homeless = |(_, progress): &(&String, &Progress)| progress.waits.is_empty() && !progress.arrived;
        let keys: Vec<String> = self.letters.iter().filter(homeless).map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.give(now, &key, false);
        }
    }

    /// Nobody is to have this letter.
    pub fn forget(&mut self, key: &str) {
        self.letters.remove(key);
    }

    /// This letter still waits somewhere.
    #[must_use]
    pub fn waits(&self, key: &str) -> bool {
        self.letters.contains_key(key)
    }

    /// Letters that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.letters.len()
    }

    /// The places, as they were last set.
    #[must_use]
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// There is a place to go to.
    #[must_use]
    pub fn has_places(&self) -> bool {
        !self.places.is_empty()
    }

    /// A new letter. Gives the places that it waits for.
    pub fn accept(&mut self, now: Moment, key: &str, level: Level) -> Vec<String> {
        self.take(now, key, level, false)
    }

    /// The same for a letter that asks something, and so is never part of a digest.
    pub fn accept_question(&mut self, now: Moment, key: &str, level: Level) -> Vec<String> {
        self.take(now, key, level, true)
    }

    fn take(&mut self, now: Moment, key: &str, level: Level, alone: bool) -> Vec<String> {
        if !self.letters.contains_key(key) {
            self.letters.insert(key.to_owned(), Progress::new(now, level, alone));
            self.give(now, key, false);
        }
        self.letters.get(key).map(|progress| progress.waits.iter().cloned().collect()).unwrap_or_default()
    }

    /// A letter that an earlier guard left waiting at this place. When all are known, [`Self::house`] finds another one
    /// for those whose place is gone.
    pub fn resume(&mut self, now: Moment, left: &Waiting, place: &str) {
        let fresh = || Progress::new(now, left.level, left.alone);
        let progress = self.letters.entry(left.key.clone()).or_insert_with(fresh);
        if let Some(lane) = self.lanes.get_mut(place) {
            lane.push(Waiting { since: now, ..left.clone() });
            progress.given.insert(place.to_owned());
            progress.waits.insert(place.to_owned());
        }
    }

    /// An earlier guard has delivered it there, or given up.
    pub fn known(&mut self, now: Moment, key: &str, level: Level, place: &str, arrived: bool) {
        let progress = self.letters.entry(key.to_owned()).or_insert_with(|| Progress::new(now, level, false));
        progress.given.insert(place.to_owned());
        progress.arrived |= arrived;
    }

    /// Into the lanes of the main places, or of the next backup.
    fn give(&mut self, now: Moment, key: &str, backup: bool) -> Option<String> {
        let progress = self.letters.get_mut(key)?;
        let fits = |place: &&Place| progress.level >= place.at_least && !progress.given.contains(&place.id);
        let mut chosen: Vec<String> = self
            .places
            .iter()
            .filter(fits)
            .filter(|place| place.backup == backup)
            .map(|place| place.id.clone())
            .collect();
        if backup {
            chosen.truncate(1);
        } else if chosen.is_empty() && progress.given.is_empty() {
            // Only backups are there.
            chosen = self.places.iter().filter(fits).take(1).map(|place| place.id.clone()).collect();
        }
        for id in &chosen {
            progress.given.insert(id.clone());
            progress.waits.insert(id.clone());
            let (level, alone) = (progress.level, progress.alone);
            let letter = Waiting { key: key.to_owned(), level, since: now, maybe_sent: false, alone };
            self.lanes.entry(id.clone()).or_default().push(letter);
        }
        chosen.into_iter().next()
    }

    /// What to send now, and when to ask again.
    pub fn poll(&mut self, now: Moment, out: &mut Vec<Dispatch>) -> Option<Moment> {
        let mut wake: Option<Moment> = None;
        for (place, lane) in &mut self.lanes {
            match lane.next(now) {
                Step::Idle => {}
                Step::Wait(until) => wake = Some(wake.map_or(until, |at| at.min(until))),
                Step::One(letter) => out.push(Dispatch::One { place: place.clone(), letter }),
                Step::Digest(letters) => out.push(Dispatch::Digest { place: place.clone(), letters }),
            }
        }
        wake
    }

    /// An attempt at this place has ended. Gives what is to be recorded; a letter that fell over waits elsewhere now.
    pub fn ended(&mut self, now: Moment, place: &str, ended: Ended) -> Vec<Settled> {
        let Some(lane) = self.lanes.get_mut(place) else { return Vec::new() };
        let left = lane.settle(now, ended);
        let stuck = ended == Ended::NeedsPerson || lane.failures() >= Self::FAILURES_BEFORE_FALLOVER;
        let fate = match ended {
            Ended::Delivered => Fate::Delivered,
            Ended::Unsure => Fate::Unsure,
            // Those to be tried again stay in the lane.
            Ended::Refused | Ended::Retry { .. } | Ended::NeedsPerson => Fate::Undeliverable,
        };
        let mut record = Vec::new();
        for letter in left {
            if let Some(progress) = self.letters.get_mut(&letter.key) {
                progress.waits.remove(place);
                progress.arrived |= fate == Fate::Delivered;
            }
            record.push(Settled { key: letter.key.clone(), place: place.to_owned(), fate });
            if fate != Fate::Delivered {
                self.fall_over(now, &letter.key);
            }
        }
        if stuck {
            self.fall_over_all(now, place);
        }
        record.extend(self.give_up_old(now));
        let homeless = self.places.is_empty();
        self.letters.retain(|_, progress| !progress.waits.is_empty() || (homeless && !progress.arrived));
        for lane in self.lanes.values_mut() {
            lane.retain(|key| self.letters.contains_key(key));
        }
        record
    }

    /// Somebody else is asked, unless somebody has it, or may still take it.
    fn fall_over(&mut self, now: Moment, key: &str) {
        let Some(progress) = self.letters.get(key) else { return };
        let hopeful = progress.waits.iter().any(|id| self.lanes.get(id).is_some_and(|lane| lane.failures() == 0));
        if !progress.arrived && !hopeful {
            self.give(now, key, true);
        }
    }

    fn fall_over_all(&mut self, now: Moment, place: &str) {
        let waiting: Vec<String> = self
            .letters
            .iter()
            .filter(|(_, progress)| progress.waits.contains(place))
            .map(|(key, _)| key.clone())
            .collect();
        for key in waiting {
            self.fall_over(now, &key);
        }
    }

    fn give_up_old(&mut self, now: Moment) -> Vec<Settled> {
        let mut record = Vec::new();
        for (key, progress) in &mut self.letters {
            if now.since(progress.since) < Self::KEPT_MS {
                continue;
            }
            for place in std::mem::take(&mut progress.waits) {
                if let Some(lane) = self.lanes.get_mut(&place) {
                    lane.remove(key);
                }
                record.push(Settled { key: key.clone(), place, fate: Fate::Undeliverable });
            }
        }
        record
    }
}
