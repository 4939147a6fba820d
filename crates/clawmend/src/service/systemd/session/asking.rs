//! What is asked again and again: whether the manager still answers, and, as long as we may only look, whether we
//! may act by now.
//!
//! Invariant: a manager that hangs looks like one with nothing to tell, so silence alone is never taken for good
//! news: an unanswered question ends the connection, and the watch says that it lost its manager.

use super::super::super::ServiceEvent;
use super::super::bus::{self, MANAGER, PROPERTIES, SYSTEMD, SYSTEMD_PATH};
use super::super::rights;
use super::{Asked, Session};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// From an answer to the next question.
const EVERY: Duration = Duration::from_secs(10);
/// Until the manager counts as hung. Loading many units keeps a busy one from its messages for seconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// When the next question is due, or its answer.
#[derive(Clone, Copy, Debug)]
pub enum Question {
    /// To be asked at.
    Ask(Instant),
    /// Asked; to be answered by.
    Answer(Instant),
}

impl Question {
    pub const fn due(self) -> Instant {
        match self {
            Self::Ask(at) | Self::Answer(at) => at,
        }
    }

    pub fn later() -> Self {
        Self::Ask(Instant::now() + EVERY)
    }
}

impl Session<'_> {
    /// Asks when it is time, and ends the connection when the answer is.
    pub(super) async fn ask_again(&mut self, now: Instant) -> zbus::Result<()> {
        match self.question {
            Some(Question::Ask(at)) if at <= now => {}
            Some(Question::Answer(by)) if by <= now => {
                self.lost = Some("systemd is on its bus and does not answer".into());
                return Ok(());
            }
            Some(Question::Ask(_) | Question::Answer(_)) | None => return Ok(()),
        }
        self.question = Some(Question::Answer(now + PATIENCE));
        let message = bus::call(SYSTEMD, SYSTEMD_PATH, PROPERTIES, "Get", &(MANAGER, "Version"))?;
        self.send(message, Asked::Alive).await?;
        self.ask_permission().await
    }

    /// Whoever acts without asking is not asked about; nor is it once it was allowed, until a call is refused.
    pub(super) async fn ask_permission(&mut self) -> zbus::Result<()> {
        if self.watch.may_act.load(Ordering::Relaxed) {
            return Ok(());
        }
        let message = rights::question(self.watch.name.as_str())?;
        self.send(message, Asked::Permission).await
    }

    /// Tells when that is news.
    pub(super) fn may_act(&mut self, allowed: bool) {
        if self.watch.may_act.swap(allowed, Ordering::Relaxed) != allowed {
            self.outbox.event(ServiceEvent::Rights);
        }
    }
}
