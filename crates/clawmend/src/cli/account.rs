//! The live account for a person who watches: what the guard does, in plain words, as it happens.
//!
//! On a terminal one line at the bottom moves and finished lines stay above it; elsewhere every step is one plain
//! line, nothing is drawn twice and nothing moves. With JSON, one object per event goes to standard output instead.
//! All of it is for people, so it goes to standard error, and a broken terminal never hurts the guard.

use super::duration::human;
use super::output::{Style, Tone, clean, print_json, tell};
use super::words;
use crate::api::types::{SCHEMA, Time};
use clawmend_core::gateway::GatewayId;
use clawmend_core::incident::{IncidentEvent, What};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::tz::TimeZone;
use serde::Serialize;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

/// How often the moving line moves, while something is under way only.
const TICK: Duration = Duration::from_millis(120);

/// Tells what happens.
pub struct Account {
    style: Style,
    form: Form,
    zone: TimeZone,
    phase: Option<Phase>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Terminal,
    Lines,
    Json,
    Silent,
}

struct Phase {
    text: String,
    since: Instant,
    bar: Option<ProgressBar>,
    measured: bool,
}

#[derive(Serialize)]
struct JsonEvent<'a> {
    schema: u32,
    at: Time,
    gateway: &'a GatewayId,
    incident: u64,
    text: String,
}

impl Account {
    /// For standard error; `json` sends events to standard output instead.
    #[must_use]
    pub fn new(json: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let form = if json {
            Form::Json
        } else if terminal {
            Form::Terminal
        } else {
            Form::Lines
        };
        Self { style: Style::of_stderr(), form, zone: TimeZone::system(), phase: None }
    }

    /// Says nothing at all (`run`, where the log tells).
    #[must_use]
    pub fn silent() -> Self {
        Self { style: Style::PLAIN, form: Form::Silent, zone: TimeZone::UTC, phase: None }
    }

    /// Something begins that takes a while. It ends with [`Self::done`], [`Self::failed`] or the next phase.
    pub fn phase(&mut self, text: &str) {
        self.done();
        let text = clean(text, 200);
        let bar = (self.form == Form::Terminal).then(|| {
            let bar = ProgressBar::new_spinner().with_message(text.clone());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed:.dim}") {
                bar.set_style(style.tick_strings(&["·  ", "·· ", "···", " ··", "  ·", "   "]));
            }
            bar.enable_steady_tick(TICK);
            bar
        });
        if self.form == Form::Lines {
            tell(&format!("… {text}"));
        }
        self.phase = Some(Phase { text, since: Instant::now(), bar, measured: false });
    }

    /// How far the phase is, such as bytes of a download. `total` of zero: not known.
    pub fn progress(&mut self, position: u64, total: u64) {
        let Some(Phase { bar: Some(bar), measured, .. }) = &mut self.phase else { return };
        if total > 0 && !*measured {
            *measured = true;
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} [{bar:24}] {percent}% {elapsed:.dim}") {
                bar.set_style(style.progress_chars("=> ").tick_strings(&["·  ", "·· ", "···", " ··", "  ·", "   "]));
            }
        }
        bar.set_length(total.max(position));
        bar.set_position(position);
    }

    /// A word on what the phase is doing just now, shown on a terminal only.
    pub fn detail(&mut self, text: &str) {
        if let Some(Phase { bar: Some(bar), text: phase, .. }) = &self.phase {
            bar.set_message(format!("{phase}: {}", clean(text, 80)));
        }
    }

    /// The phase has worked.
    pub fn done(&mut self) {
        self.end(Tone::Good, "✓");
    }

    /// The phase has not worked; the reason is told by whoever knows it.
    pub fn failed(&mut self) {
        self.end(Tone::Bad, "✗");
    }

    /// One line for the person.
    pub fn say(&self, text: &str) {
        match self.form {
            Form::Terminal | Form::Lines => self.line(&clean(text, 1000)),
            Form::Json | Form::Silent => {}
        }
    }

    /// One event of an incident.
    pub fn event(&self, gateway: &GatewayId, event: &IncidentEvent) {
        let text = words::event(&event.what);
        // A watcher is told of a new verdict in a sentence of its own.
        if self.form != Form::Json && matches!(event.what, What::Judged { .. }) {
            return;
        }
        match self.form {
            Form::Terminal | Form::Lines => {
                let time =
                    Time(event.wall).timestamp().to_zoned(self.zone.clone()).strftime("%H:%M:%S%.3f").to_string();
                let time = self.style.paint(Tone::Quiet, &time);
                let text = self.style.paint(words::event_tone(&event.what), &text);
                self.line(&format!("{time}  {}: {text}", clean(&gateway.0, 64)));
            }
            Form::Json => {
                let event =
                    JsonEvent { schema: SCHEMA, at: Time(event.wall), gateway, incident: event.incident.0, text };
                // A reader that went away does not concern the guard.
                let _ = print_json(&event);
            }
            Form::Silent => {}
        }
    }

    fn end(&mut self, tone: Tone, mark: &str) {
        let Some(phase) = self.phase.take() else { return };
        if let Some(bar) = &phase.bar {
            bar.finish_and_clear();
        }
        if matches!(self.form, Form::Terminal | Form::Lines) {
            let took = u64::try_from(phase.since.elapsed().as_millis()).unwrap_or(u64::MAX);
            let took = self.style.paint(Tone::Quiet, &format!("({})", human(took)));
            tell(&format!("{} {} {took}", self.style.paint(tone, mark), phase.text));
        }
    }

    /// A line that stays, above the moving one if there is one.
    fn line(&self, text: &str) {
        match &self.phase {
            Some(Phase { bar: Some(bar), .. }) => bar.println(text),
            Some(Phase { bar: None, .. }) | None => tell(text),
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if let Some(Phase { bar: Some(bar), .. }) = self.phase.take() {
            bar.finish_and_clear();
        }
    }
}
