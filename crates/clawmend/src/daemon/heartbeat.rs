//! A sign of life to somebody elsewhere, whose alarm goes off when it stays away.
//!
//! Invariant: it says "well" only when every ward's loop has answered just now and has judged its gateway; whatever else
//! is so is said as a failure, or not at all. It says nothing of a gateway that is down: alerts do that.

use super::{desk, news};
use crate::api::types::GatewayStatus;
use crate::host::alarm::Alarm;
use crate::host::clock;
use crate::notify::file::Heartbeat;
use crate::notify::http::Http;
use crate::notify::outbox::Condition;
use clawmend_core::gateway::GatewayId;
use clawmend_core::health::Verdict;
use clawmend_core::time::Moment;
use serde_json::json;
use tokio::sync::watch;

/// When the next one is due.
pub struct Heart {
    alerts: watch::Receiver<Condition>,
    alarm: Alarm,
    next: Moment,
}

/// One that is due.
pub struct Beat {
    heartbeat: Heartbeat,
    http: Http,
}

impl Heart {
    /// With what alerts know of it.
    pub fn new(alerts: watch::Receiver<Condition>) -> Self {
        Self { alerts, alarm: Alarm::new(), next: Moment(0) }
    }

    /// Waits for the next one. May be dropped and asked again.
    pub async fn due(&mut self) -> Beat {
        loop {
            let known = self.alerts.borrow_and_update().clone();
            let (Some(heartbeat), Some(http)) = (known.heartbeat, known.http) else {
                if self.alerts.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
                continue;
            };
            self.alarm.reached(self.next).await;
            self.next = clock::now().mono.plus(heartbeat.every_ms);
            return Beat { heartbeat, http };
        }
    }
}

impl Beat {
    /// Asks the wards, and tells what they say.
    pub async fn send(self, wards: Vec<(GatewayId, news::Sender)>) {
        let statuses = desk::ask_all(&wards).await;
        let well = is_well(wards.len(), &statuses);
        let Some(url) = (if well { self.heartbeat.address.url() } else { self.heartbeat.address.join(&["fail"]) })
        else {
            return;
        };
        let verdicts: Vec<_> =
            statuses.iter().map(|one| json!({"id": one.id.0, "verdict": one.verdict.name()})).collect();
        let body = json!({"schema": 1, "ok": well, "guarded": wards.len(), "gateways": verdicts});
        match self.http.send(self.http.post_json(url, &body)).await {
            Ok(answer) if answer.status.is_success() => tracing::debug!(well, "heartbeat"),
            Ok(answer) => tracing::warn!(status = answer.status.as_u16(), "the heartbeat was not taken"),
            Err(error) => tracing::warn!(%error, "the heartbeat did not get through"),
        }
    }
}

fn is_well(guarded: usize, statuses: &[GatewayStatus]) -> bool {
    guarded > 0 && statuses.len() == guarded && statuses.iter().all(|status| status.verdict != Verdict::Unknown)
}
