//! Writes letters with everything that only this machine knows: language, host, logs, and what must stay hidden.
//!
//! Invariant: reads files, and asks for a unit's journal, so it never runs in the loop; what cannot be read is left out.

use super::content::{Story, Surroundings, Templates, Writer};
use super::{Choice, Letter};
use crate::approval::{Kept, code_of};
use crate::bot::Sealing;
use crate::bot::button::{Button, Nonce};
use crate::bot::words;
use crate::daemon::setup;
use crate::doctor::ai::collect;
use crate::doctor::ai::evidence::{Evidence, Line, Source};
use crate::doctor::ai::hidden::Mask;
use crate::doctor::{Library, here, library};
use crate::openclaw::discovery::Home;
use crate::service::UnitWords;
use crate::settings::{AiSettings, GatewaySettings, Language};
use clawmend_core::alert::notice::{Notice, Told};
use clawmend_core::gateway::GatewayId;
use clawmend_core::time::Wall;
use jiff::tz::TimeZone;
use std::cell::Cell;
use std::path::PathBuf;

/// Lines of the log in a letter.
const LOG_LINES: usize = 10;

/// Knows where to look.
#[derive(Clone, Debug)]
pub struct Scribe {
    /// The gateways here.
    pub homes: Vec<Home>,
    /// Our own state folder.
    pub state: PathBuf,
    /// A person's own templates.
    pub templates: PathBuf,
    /// What a person has set; else the system's.
    pub language: Option<Language>,
    /// Names the credential of an AI, which must stay hidden, too.
    pub ai: AiSettings,
    /// What a person has set of gateways; their units are named there.
    pub gateways: Vec<GatewaySettings>,
    /// The user of the gateways.
    pub uid: u32,
}

/// What is to be written.
#[derive(Clone, Debug)]
pub struct Order {
    /// The notice.
    pub notice: Notice,
    /// What its incident's events tell.
    pub story: Story,
    /// Whose it is, if it is one gateway's.
    pub gateway: Option<GatewayId>,
    /// Ends of its process in the last 600 s.
    pub crashes: u32,
}

impl Scribe {
    /// A writer as of now, and what is wrong with a person's own templates.
    #[must_use]
    pub fn writer(&self) -> (Writer, Vec<String>) {
        let (templates, problems) = Templates::with_own(&self.templates);
        let writer = Writer {
            language: self.language.unwrap_or_else(Language::of_system),
            templates,
            library: Library::with_user(&library::folder(&self.state)),
            host: crate::host::machine::name(),
            zone: TimeZone::system(),
        };
        (writer, problems.iter().map(ToString::to_string).collect())
    }

    /// What must not be in any letter.
    #[must_use]
    pub fn mask(&self) -> Mask {
        collect::secrets(&self.ai, self.homes.iter()).mask()
    }

    /// Writes them all.
    #[must_use]
    pub fn write(&self, orders: &[Order]) -> (Vec<Letter>, Vec<String>) {
        let (writer, problems) = self.writer();
        let mask = self.mask();
        let key = Kept::load(&self.state).ok().flatten();
        let journal = Journal::default();
        let letter = |order: &Order| {
            let around = Surroundings {
                crashes: order.crashes,
                log: self.last_lines(order, &mask, &journal),
                several: self.homes.len() > 1,
                code: key.as_ref().map_or_else(String::new, |kept| code(order, kept)),
            };
            let mut letter = writer.write(&order.notice, &order.story, &around, &mask);
            letter.choices = key.as_ref().and_then(|kept| choices(order, kept, writer.language)).unwrap_or_default();
            letter
        };
        (orders.iter().map(letter).collect(), problems)
    }

    /// One letter in place of many.
    #[must_use]
    pub fn digest(&self, key: &str, letters: &[Letter], at: Wall) -> Letter {
        let letters: Vec<&Letter> = letters.iter().collect();
        self.writer().0.digest(key, &letters, at, &self.mask())
    }

    /// The end of what the gateway has printed since its trouble began; of its log where it printed nothing.
    fn last_lines(&self, order: &Order, mask: &Mask, journal: &Journal) -> Vec<String> {
        let Some(home) = self.homes.iter().find(|home| Some(&home.id) == order.gateway.as_ref()) else {
            return Vec::new();
        };
        let since = order.story.onset.map_or(order.notice.at.0, |onset| onset.0.saturating_sub(60_000));
        let output = setup::log_dir(&self.state, &home.id).join("gateway.log");
        if !output.is_file()
            && let Some(words) = setup::words_of(home, &self.gateways)
        {
            let mut evidence = Evidence::new(mask.clone());
            journal.read(&mut evidence, &words, self.uid, since);
            let printed = log_lines(&evidence);
            if !printed.is_empty() {
                return printed;
            }
        }
        let (paths, alone) =
            if output.is_file() { (vec![output], true) } else { (here::logs(home, self.uid), self.homes.len() == 1) };
        let ours = here::Ours::of(home, since, alone);
        let mut evidence = Evidence::new(mask.clone());
        for path in paths {
            if let Some(why) = collect::log(&mut evidence, &path, |line| ours.holds(line)) {
                tracing::debug!(why, "left out of an alert");
            }
        }
        log_lines(&evidence)
    }
}

/// The last lines in it that come from a log.
fn log_lines(evidence: &Evidence) -> Vec<String> {
    let of_log = |line: &&Line| matches!(line.source, Source::Log { .. });
    let lines: Vec<String> = evidence.lines().filter(of_log).map(|line| line.text.clone()).collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].to_vec()
}

/// The service manager's journal, for one batch of letters: one that failed once is not waited for again.
#[derive(Debug, Default)]
struct Journal {
    failed: Cell<bool>,
}

impl Journal {
    fn read(&self, evidence: &mut Evidence, words: &UnitWords, uid: u32, since_ms: i64) {
        if self.failed.get() {
            return;
        }
        if let Some(why) = collect::unit(evidence, words, uid, since_ms) {
            tracing::debug!(why, "left out of an alert");
            self.failed.set(true);
        }
    }
}

/// The buttons of a question. They are made once, and kept with the letter.
fn choices(order: &Order, kept: &Kept, language: Language) -> Option<Vec<Choice>> {
    let Told::Approval { gateway, proposal } = &order.notice.what else { return None };
    let (sealing, nonce) = (Sealing::new(kept.key()), Nonce::fresh()?);
    let (approve, deny) = words::buttons(language);
    let choice = |label: &str, yes| {
        let data = Button::data(&sealing, gateway, proposal, nonce, yes)?;
        Some(Choice { label: label.to_owned(), data })
    };
    Some(vec![choice(approve, true)?, choice(deny, false)?])
}

/// The code of a question.
fn code(order: &Order, kept: &Kept) -> String {
    match &order.notice.what {
        Told::Approval { gateway, proposal } => code_of(kept.key(), gateway, proposal),
        Told::Alert { .. }
        | Told::Reminder { .. }
        | Told::Resolved { .. }
        | Told::ManyCrashes { .. }
        | Told::Pair { .. }
        | Told::PairOver { .. }
        | Told::Group { .. }
        | Told::GroupOver { .. }
        | Told::MorningNote { .. } => String::new(),
    }
}
