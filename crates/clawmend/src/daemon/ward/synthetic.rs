//! Messages through the gateway to its model: when one is due, and one at a time beside the loop.
//!
//! Invariant: whether a message is worth asking is the core's to say; a question goes to a socket that this very life
//! was seen to own just now, and the next one is not put before the last one has ended.

use super::super::news::{News, Sender};
use super::super::senses::Senses;
use super::{Ward, own_uid};
use crate::host::clock;
use crate::openclaw::logs::turns::why_failed;
use crate::probe::completion::behind;
use crate::probe::synthetic::{Question, ask};
use crate::settings::Settings;
use clawmend_core::observation::{Evidence, SyntheticOutcome, SyntheticSeen};
use clawmend_core::time::Now;
use jiff::Timestamp;
use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

/// Looks for the line of a failed turn, which may reach the log after its answer reached us.
const LOG_LOOKS: u32 = 5;
/// Between two of them.
const LOG_PAUSE: Duration = Duration::from_millis(300);
/// How far a time in the log may lie from ours: both are of this host, and rounded.
const CLOCKS_APART_MS: i64 = 1_000;

/// What asking needs besides the ward.
pub struct Asking {
    settings: Rc<RefCell<Settings>>,
    under_way: Rc<Cell<bool>>,
}

/// Says that nobody asks any more, however that came.
struct Done(Rc<Cell<bool>>);

impl Drop for Done {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl Asking {
    /// By these settings, as they are at the time of each question.
    #[must_use]
    pub fn new(settings: Rc<RefCell<Settings>>) -> Self {
        Self { settings, under_way: Rc::default() }
    }
}

impl Ward {
    pub(super) fn ask_the_model_if_due(&mut self, now: Now) {
        let Some(every) = self.guardian.synthetic_every() else { return };
        if !self.next.synthetic.due(now.mono, every) || !self.guardian.synthetic_wanted() {
            return;
        }
        let Some(target) = self.senses.as_ref().and_then(Senses::proven) else {
            let reason = "its socket is not proven to be its own".to_owned();
            let seen = SyntheticSeen { latency_ms: 0, outcome: SyntheticOutcome::CannotTell { reason } };
            return self.observe(now, &Evidence::Synthetic(seen));
        };
        if self.asking.under_way.replace(true) {
            return;
        }
        let question = Question {
            target,
            credential: self.around.credential(),
            model: self.asking.settings.borrow().synthetic.model.clone(),
            timeout: Duration::from_millis(u64::from(self.guardian.policy().synthetic_timeout_ms)),
        };
        let done = Done(Rc::clone(&self.asking.under_way));
        let (gateway, news, logs) = (self.home.id.0.clone(), self.news.clone(), self.around.logs(now));
        tokio::task::spawn_local(async move { answer(&gateway, &question, &news, logs, done).await });
    }
}

async fn answer(gateway: &str, question: &Question, news: &Sender, logs: Vec<PathBuf>, done: Done) {
    let begun = clock::now();
    let mut seen = ask(question).await;
    if matches!(seen.outcome, SyntheticOutcome::InternalError { .. })
        && let Some(outcome) = explained(logs, begun).await
    {
        seen.outcome = outcome;
    }
    drop(done);
    if seen.outcome == SyntheticOutcome::EndpointOff {
        tracing::warn!(
            gateway,
            "its chat endpoint is off, so its model cannot be asked: set gateway.http.endpoints.chatCompletions.enabled \
             in its config, or switch [synthetic] off in clawmend.toml"
        );
    }
    let _ = news.send(News::Evidence(Evidence::Synthetic(seen))).await;
}

/// What the gateway's log says of the turn that began then and has just failed.
async fn explained(logs: Vec<PathBuf>, begun: Now) -> Option<SyntheticOutcome> {
    let at = |moment: Now, more: i64| Timestamp::from_millisecond(moment.wall.0.saturating_add(more)).ok();
    let from = at(begun, -CLOCKS_APART_MS)?;
    for _ in 0..LOG_LOOKS {
        let (logs, until) = (logs.clone(), at(clock::now(), CLOCKS_APART_MS)?);
        let look = move || logs.iter().find_map(|log| why_failed(log, own_uid(), from, until));
        if let Ok(Some(said)) = tokio::task::spawn_blocking(look).await {
            return Some(behind(said));
        }
        tokio::time::sleep(LOG_PAUSE).await;
    }
    None
}
