//! What the parts of a report are called for people. All text from outside is cleaned here.

use super::duration::human;
use super::output::{Tone, clean};
use crate::api::types::{CauseReport, Time, result_text};
use crate::doctor::report::name;
use crate::settings::Language;
use clawmend_core::diagnosis::advice::Tier;
use clawmend_core::directive::Action;
use clawmend_core::health::Verdict;
use clawmend_core::incident::{Named, Outcome, Proposed, What};
use clawmend_core::time::Wall;
use jiff::tz::TimeZone;

/// How a verdict looks.
pub const fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Healthy => Tone::Good,
        Verdict::Down => Tone::Bad,
        Verdict::Stopped | Verdict::Paused => Tone::Quiet,
        Verdict::Starting | Verdict::Draining | Verdict::Degraded | Verdict::Suspect | Verdict::Unknown => {
            Tone::Warning
        }
    }
}

/// `crashed (signal 9)`.
pub fn cause(cause: &CauseReport) -> String {
    let code = clean(&cause.code, 64).replace('_', " ");
    if cause.detail.is_empty() { code } else { format!("{code} ({})", clean(&cause.detail, 300)) }
}

/// Local time, to the second.
pub fn time(time: Time, zone: &TimeZone) -> String {
    time.timestamp().to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// `2 h 3 min ago`.
pub fn ago(time: Time, now: Wall) -> String {
    let ms = u64::try_from(now.0.saturating_sub(time.0.0)).unwrap_or(0);
    if ms < 1000 { "just now".to_owned() } else { format!("{} ago", human(ms)) }
}

/// What an action is, for people: as alerts call it.
pub fn action(action: &Action) -> String {
    clean(&crate::notify::content::words::action(Language::English, action), 200)
}

/// How an incident ended, for people.
pub const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Recovered => "recovered",
        Outcome::SelfRecovered => "came back by itself",
        Outcome::HumanFixed => "mended by a person",
        Outcome::Planned => "was planned",
        Outcome::Ineffective => "remedies did not help",
        Outcome::WaitingForHuman => "waits for a person",
        Outcome::Denied => "remedy was denied",
    }
}

/// One event in one line.
pub fn event(what: &What) -> String {
    match what {
        What::Opened { incarnation, .. } => match incarnation {
            Some(life) => format!("noticed: pid {} has ended, or does not do what it should", life.pid),
            None => "noticed: the gateway does not do what it should".to_owned(),
        },
        What::Evidence { text } => clean(text, 400),
        What::Judged { verdict } => format!("judged {}", verdict.name()),
        What::Diagnosed { cause: found } => format!("cause: {}", cause(&CauseReport::from(found))),
        What::Withheld { action: held, reason } => format!("held back: {} ({})", action(held), clean(reason, 300)),
        What::Acted { action: done, reason, .. } => format!("{} ({})", action(done), clean(reason, 300)),
        What::Result { result, .. } => clean(&result_text(result), 300).replace('_', " "),
        What::Started { incarnation } => format!("runs as pid {}", incarnation.pid),
        What::Serving => "serves again".to_owned(),
        What::Ineffective { action: tried, reason } => {
            format!("did not help: {} ({})", action(tried), clean(reason, 300))
        }
        What::Examined { causes } => examined(causes),
        What::Advised { guess, steps } => advised(guess, steps),
        What::Proposed { proposal } => format!(
            "waits for approval {}: {} ({})",
            proposal.id.0,
            action(&proposal.action),
            clean(&proposal.reason, 300)
        ),
        What::Decided { proposal, approved, by, void } => decided(proposal.0, *approved, by, void.as_deref()),
        What::Lapsed { proposal } => format!("nobody decided on {} in time", proposal.0),
        What::Learned { case, worked: true } => format!("the remedy of {} has helped", clean(case, 64)),
        What::Learned { case, worked: false } => format!("the remedy of {} has not helped", clean(case, 64)),
        What::Escalated { reason } => format!("a person must know: {}", clean(reason, 400)),
        What::Closed { outcome: how } => format!("over: {}", outcome(*how)),
    }
}

/// Who has decided what, and whether it counted.
fn decided(proposal: u64, approved: bool, by: &str, void: Option<&str>) -> String {
    let verb = if approved { "approved" } else { "denied" };
    let but = void.map_or_else(String::new, |why| format!("; void: {}", clean(why, 200)));
    format!("{proposal} was {verb} by {}{but}", clean(by, 200))
}

/// What an AI said: its guess, then its steps with who decides on each.
fn advised(guess: &str, steps: &[Proposed]) -> String {
    let guess = if guess.is_empty() { "it does not know either".to_owned() } else { clean(guess, 300) };
    let tier = |tier: Tier| match tier {
        Tier::Green => "may run alone",
        Tier::Yellow => "waits for a person",
        Tier::Red => "for a person only",
    };
    let step = |step: &Proposed| format!("{} ({}): {}", name(&step.action), tier(step.tier), clean(&step.why, 160));
    let steps: Vec<String> = steps.iter().map(step).collect();
    let plan = if steps.is_empty() { String::new() } else { format!("; it proposes {}", steps.join("; ")) };
    format!("an AI guesses: {guess}{plan}")
}

/// What the doctor said: the first case with what decided it, then the others.
fn examined(causes: &[Named]) -> String {
    let Some((first, others)) = causes.split_first() else {
        return "the doctor knows no case for it".to_owned();
    };
    let because = first.evidence.first().map_or_else(String::new, |line| format!(": {}", clean(line, 300)));
    let mut text = format!("the doctor is {} % sure of {}{because}", first.sure_percent, clean(&first.case, 64));
    if !others.is_empty() {
        let names: Vec<String> = others.iter().map(|one| clean(&one.case, 64)).collect();
        text.push_str(&format!("; also possible: {}", names.join(", ")));
    }
    text
}

/// How an event looks in a list.
pub const fn event_tone(what: &What) -> Tone {
    match what {
        What::Opened { .. } | What::Ineffective { .. } | What::Escalated { .. } => Tone::Bad,
        What::Withheld { .. } | What::Judged { .. } | What::Proposed { .. } | What::Lapsed { .. } => Tone::Warning,
        What::Serving | What::Closed { .. } => Tone::Good,
        What::Evidence { .. } | What::Result { .. } | What::Learned { .. } => Tone::Quiet,
        What::Examined { .. }
        | What::Advised { .. }
        | What::Decided { .. }
        | What::Diagnosed { .. }
        | What::Acted { .. }
        | What::Started { .. } => Tone::Strong,
    }
}
