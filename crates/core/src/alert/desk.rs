//! From the events of incidents to what people are told.
//!
//! Invariants: a step is decided once, whatever is read again; what quiet hours hold back is told when they end, or, if it
//! is over by then, in the morning note; lists are bounded and say what they leave out.

use super::Level;
use super::ledger::{Ledger, Open};
use super::notice::{Notice, Repaired, Told};
use super::policy::{AlertPolicy, Minute};
use crate::approval::Proposal;
use crate::directive::IncidentId;
use crate::gateway::GatewayId;
use crate::incident::{IncidentEvent, Outcome, What};
use crate::time::Wall;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// The time for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The instant.
    pub wall: Wall,
    /// The minute of the local day.
    pub minute: Minute,
    /// The local day, counted from any fixed one.
    pub day: i64,
}

/// All gateways of this guard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desk {
    ledgers: BTreeMap<GatewayId, Ledger>,
    /// Held back by quiet hours.
    held: Vec<Notice>,
    /// Mended without a word since the last morning note.
    repaired: Vec<Repaired>,
    /// The same that found no room.
    repaired_more: u32,
    /// The local day of the last morning note.
    noted_day: Option<i64>,
    /// What was told of this host as one of a pair.
    #[serde(default)]
    words: Words,
}

/// What was told of a pair.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Words {
    /// Keys of the latest steps, at most [`Desk::WORDS_MAX`].
    told: VecDeque<String>,
    /// What the latest is about.
    subject: String,
    /// How loud the loudest word on that was.
    loudest: Option<Level>,
}

impl Desk {
    /// Different words on one incident.
    pub const TOLD_MAX: usize = 16;
    /// Incidents that a morning note lists.
    pub const LISTED_MAX: usize = 20;
    /// Steps of a pair that are remembered, so that none is told twice.
    pub const WORDS_MAX: usize = 64;
    /// Notices that quiet hours hold.
    const HELD_MAX: usize = 64;
    /// Longest time between two reminders.
    const REMIND_AT_MOST_MS: u64 = 24 * 3_600_000;

    /// Knows that this gateway's incidents up to this one are over: nothing is told of them.
    pub fn begin(&mut self, gateway: &GatewayId, over: IncidentId) {
        let ledger = self.ledgers.entry(gateway.clone()).or_default();
        ledger.over = ledger.over.max(over);
    }

    /// Incidents of this gateway up to this one are over.
    #[must_use]
    pub fn over(&self, gateway: &GatewayId) -> Option<IncidentId> {
        self.ledgers.get(gateway).map(|ledger| ledger.over)
    }

    /// Ends of this gateway's process in the 600 s before.
    #[must_use]
    pub fn crashes(&self, gateway: &GatewayId, at: Wall) -> u32 {
        self.ledgers.get(gateway).map_or(0, |ledger| ledger.ends_within(at, 600_000))
    }

    /// Takes an event. It may have been read before.
    pub fn observe(
        &mut self,
        at: Clock,
        policy: &AlertPolicy,
        gateway: &GatewayId,
        event: &IncidentEvent,
        out: &mut Vec<Notice>,
    ) {
        let ledger = self.ledgers.entry(gateway.clone()).or_default();
        if !ledger.is_news(event) {
            return;
        }
        let open = ledger.open_for(event);
        open.note(&event.what);
        let mut said = Vec::new();
        match &event.what {
            What::Diagnosed { cause } => {
                if !policy.escalation_only {
                    said.extend(alert(gateway, open, event.wall, policy, None));
                }
                if matches!(cause.code(), "crashed" | "exited") {
                    ledger.note_end(event.wall);
                    said.extend(many(gateway, ledger, event, policy));
                }
            }
            What::Proposed { proposal } => said.extend(approval(gateway, open, event.wall, policy, proposal)),
            What::Escalated { reason } => said.extend(alert(gateway, open, event.wall, policy, Some(reason))),
            What::Closed { outcome } => {
                if let Some(open) = ledger.open.take() {
                    ledger.over = open.id;
                    said.extend(self.close(gateway, &open, event.wall, *outcome));
                }
            }
            What::Opened { .. }
            | What::Evidence { .. }
            | What::Judged { .. }
            | What::Examined { .. }
            | What::Withheld { .. }
            | What::Acted { .. }
            | What::Result { .. }
            | What::Started { .. }
            | What::Serving
            | What::Ineffective { .. }
            | What::Advised { .. }
            | What::Learned { .. }
            | What::Decided { .. }
            | What::Lapsed { .. } => {}
        }
        for notice in said {
            self.say(at, policy, notice, out);
        }
    }

    /// Takes a word on a pair. It may have been said before. The end of what nobody has heard of is not told.
    pub fn word(&mut self, at: Clock, policy: &AlertPolicy, mut notice: Notice, out: &mut Vec<Notice>) {
        if self.words.told.contains(&notice.key) {
            return;
        }
        if self.words.told.len() >= Self::WORDS_MAX {
            self.words.told.pop_front();
        }
        self.words.told.push_back(notice.key.clone());
        if self.words.subject != notice.subject {
            self.words.subject.clone_from(&notice.subject);
            self.words.loudest = None;
        }
        if let Told::PairOver { loudest, .. } = &mut notice.what {
            self.held.retain(|waits| waits.subject != notice.subject);
            let Some(heard) = self.words.loudest else { return };
            *loudest = heard;
        }
        if let Told::GroupOver { loudest, .. } = &notice.what {
            let waiting = self.held.len();
            self.held.retain(|waits| waits.subject != notice.subject);
            // Held back and over, or too low for these people: nobody has heard of it.
            if waiting != self.held.len() || *loudest < policy.at_least {
                return;
            }
        }
        let (level, before) = (notice.level, out.len());
        self.say(at, policy, notice, out);
        if out.len() > before {
            self.words.loudest = self.words.loudest.max(Some(level));
        }
    }

    fn close(&mut self, gateway: &GatewayId, open: &Open, at: Wall, outcome: Outcome) -> Option<Notice> {
        let subject = subject(gateway, open.id);
        let held = self.held.len();
        self.held.retain(|notice| notice.subject != subject);
        // Held back and over: nobody has heard of it, so nobody has to hear that it ended.
        let unheard = held != self.held.len() || open.told_at.is_none();
        if !unheard {
            let loudest = open.level.unwrap_or(Level::Info);
            let what = Told::Resolved { gateway: gateway.clone(), incident: open.id, outcome, loudest };
            return Some(Notice { key: format!("{subject}/over"), subject, level: Level::Info, at, what });
        }
        if outcome != Outcome::Planned {
            self.keep_repaired(Repaired {
                gateway: gateway.clone(),
                incident: open.id,
                opened: open.since,
                closed: at,
                cause: open.cause.as_ref().map_or_else(String::new, |cause| cause.code().to_owned()),
                outcome,
            });
        }
        None
    }

    fn keep_repaired(&mut self, one: Repaired) {
        if self.repaired.len() < Self::LISTED_MAX {
            self.repaired.push(one);
        } else {
            self.repaired_more = self.repaired_more.saturating_add(1);
        }
    }

    /// What time has made due.
    pub fn poll(&mut self, at: Clock, policy: &AlertPolicy, out: &mut Vec<Notice>) {
        if !is_quiet(at, policy) {
            self.release(at, out);
        }
        let mut said = Vec::new();
        for (gateway, ledger) in &mut self.ledgers {
            let Some(open) = &mut ledger.open else { continue };
            // Nobody is reminded of what was not heard yet.
            if !is_held(&self.held, gateway, open) {
                said.extend(remind(gateway, open, at.wall, policy));
            }
        }
        for notice in said {
            self.say(at, policy, notice, out);
        }
        self.morning(at, policy, out);
    }

    /// The quiet hours are over.
    fn release(&mut self, at: Clock, out: &mut Vec<Notice>) {
        for (gateway, ledger) in &mut self.ledgers {
            if let Some(open) = &mut ledger.open
                && is_held(&self.held, gateway, open)
            {
                open.told_at = Some(at.wall);
            }
        }
        for word in self.held.iter().filter(|notice| notice.subject == self.words.subject) {
            self.words.loudest = self.words.loudest.max(Some(word.level));
        }
        out.append(&mut self.held);
    }

    /// When [`Self::poll`] has something to do next, in milliseconds from `at`.
    #[must_use]
    pub fn due_in_ms(&self, at: Clock, policy: &AlertPolicy) -> Option<u64> {
        let minutes = |then: Minute| u64::from(at.minute.until(then)).max(1) * 60_000;
        let reminders = self.ledgers.iter().filter_map(|(gateway, ledger)| {
            let open = ledger.open.as_ref().filter(|open| !is_held(&self.held, gateway, open))?;
            let due = remind_at(open, policy)?;
            Some(u64::try_from(due.0.saturating_sub(at.wall.0)).unwrap_or(0))
        });
        let held = policy.quiet.filter(|_| !self.held.is_empty()).map(|quiet| minutes(quiet.to));
        let note = policy.morning_note.filter(|_| !self.repaired.is_empty()).map(minutes);
        reminders.chain(held).chain(note).min()
    }

    fn morning(&mut self, at: Clock, policy: &AlertPolicy, out: &mut Vec<Notice>) {
        let Some(time) = policy.morning_note else {
            self.repaired.clear();
            self.repaired_more = 0;
            return;
        };
        // What was mended before the time is noted from that time on; a machine that slept then does it later.
        if self.repaired.is_empty() || at.minute < time || self.noted_day.is_some_and(|day| day >= at.day) {
            return;
        }
        self.noted_day = Some(at.day);
        let repaired = std::mem::take(&mut self.repaired);
        let more = std::mem::take(&mut self.repaired_more);
        let key = format!("note/{}", at.day);
        let what = Told::MorningNote { repaired, more };
        let notice = Notice { subject: key.clone(), key, level: Level::Info, at: at.wall, what };
        if notice.level >= policy.at_least {
            out.push(notice);
        }
    }

    fn say(&mut self, at: Clock, policy: &AlertPolicy, notice: Notice, out: &mut Vec<Notice>) {
        if notice.level < policy.at_least && !notice.what.is_end() {
            return;
        }
        let waits = policy.quiet.is_some_and(|quiet| notice.level < quiet.broken_by) && is_quiet(at, policy);
        // The end of what broke the quiet may break it, too: who was woken wants to sleep again.
        if waits && !notice.what.is_end() {
            if self.held.len() == Self::HELD_MAX {
                self.held.remove(0);
            }
            self.held.push(notice);
        } else {
            out.push(notice);
        }
    }
}

fn is_quiet(at: Clock, policy: &AlertPolicy) -> bool {
    policy.quiet.is_some_and(|quiet| quiet.contains(at.minute))
}

fn is_held(held: &[Notice], gateway: &GatewayId, open: &Open) -> bool {
    !held.is_empty() && held.iter().any(|notice| notice.subject == subject(gateway, open.id))
}

fn subject(gateway: &GatewayId, incident: IncidentId) -> String {
    format!("{}/{}", gateway.0, incident.0)
}

/// A word on an open incident; once each.
fn alert(
    gateway: &GatewayId,
    open: &mut Open,
    at: Wall,
    policy: &AlertPolicy,
    reason: Option<&String>,
) -> Option<Notice> {
    // How long it has lasted grows while it is said again: figures do not make another word.
    let mark = reason.map_or(0, |reason| mark(reason));
    if (reason.is_none() && open.told_at.is_some()) || open.told.len() >= Desk::TOLD_MAX || !open.told.insert(mark) {
        return None;
    }
    let level = open.loudness(at, policy, reason.is_some());
    open.told_at = Some(at);
    open.level = open.level.max(Some(level));
    open.reason = reason.cloned().or(open.reason.take());
    let subject = subject(gateway, open.id);
    let what = Told::Alert { gateway: gateway.clone(), incident: open.id, reason: reason.cloned() };
    Some(Notice { key: format!("{subject}/{mark:08x}"), subject, level, at, what })
}

/// A question to a person. It is one of its own each time; read again, it has the same key.
fn approval(
    gateway: &GatewayId,
    open: &mut Open,
    at: Wall,
    policy: &AlertPolicy,
    proposal: &Proposal,
) -> Option<Notice> {
    if proposal.id <= open.asked {
        return None;
    }
    open.asked = proposal.id;
    let level = open.loudness(at, policy, true);
    open.told_at = Some(at);
    open.level = open.level.max(Some(level));
    let subject = subject(gateway, open.id);
    let what = Told::Approval { gateway: gateway.clone(), proposal: proposal.clone() };
    Some(Notice { key: format!("{subject}/ask-{}", proposal.id.0), subject, level, at, what })
}

fn many(gateway: &GatewayId, ledger: &mut Ledger, event: &IncidentEvent, policy: &AlertPolicy) -> Option<Notice> {
    let crashes = ledger.too_many(event.wall, policy)?;
    ledger.many_told = Some(event.wall);
    let subject = format!("{}/ends-{}", gateway.0, event.incident.0);
    let what = Told::ManyCrashes { gateway: gateway.clone(), crashes, incident: event.incident };
    Some(Notice { key: subject.clone(), subject, level: Level::Error, at: event.wall, what })
}

fn remind_at(open: &Open, policy: &AlertPolicy) -> Option<Wall> {
    let told = open.told_at?;
    let wait = policy.remind_after_ms.saturating_mul(1 << open.reminders.min(10)).min(Desk::REMIND_AT_MOST_MS);
    (policy.remind_after_ms > 0).then(|| Wall(told.0.saturating_add(i64::try_from(wait).unwrap_or(i64::MAX))))
}

fn remind(gateway: &GatewayId, open: &mut Open, at: Wall, policy: &AlertPolicy) -> Option<Notice> {
    let due = remind_at(open, policy)?;
    if at < due {
        return None;
    }
    open.reminders = open.reminders.saturating_add(1);
    open.told_at = Some(at);
    let level = open.level.unwrap_or(Level::Warning).max(open.loudness(at, policy, true));
    let subject = subject(gateway, open.id);
    let what = Told::Reminder {
        gateway: gateway.clone(),
        incident: open.id,
        reason: open.reason.clone(),
        times: open.reminders,
    };
    Some(Notice { key: format!("{subject}/again-{}", open.reminders), subject, level, at, what })
}

/// A mark of a text, the same in every version of the program (FNV-1a over everything but digits).
pub(crate) fn mark(text: &str) -> u32 {
    let bytes = text.bytes().filter(|byte| !byte.is_ascii_digit());
    bytes.fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
