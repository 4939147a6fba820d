//! A planned switch: the gateway finishes the work that it has, and takes no more.
//!
//! While it works it goes on polling: a turn's answer is sent as always, and nobody waits longer than needed. Then its
//! channels are switched off, and what slipped in meanwhile is waited for, too.
//!
//! Invariants: it is said to be quiet only with the channels off, read back, and nothing under way, no change of its config
//! either: one that is killed while it takes one up leaves the next one deaf to changes for five minutes
//! ([`under_way::reload`]). What is under way and cannot be told uses up the time that there is. Whoever waits for an end
//! does not wait for this. Start at [`run`].

use super::super::news::AskGateway;
use super::heard::{Heard, Ward};
use super::switching::Switching;
use crate::host::clock;
use crate::openclaw::under_way;
use clawmend_core::failover::lease::Evidence;
use clawmend_core::time::Moment;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Of the time that there is, this much is left for closing and what slipped in, in milliseconds.
const CLOSING_MS: u64 = 4_000;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// So long the gateway may take to switch its channels off by itself: it took 0.3 to 0.8 s.
const BY_ITSELF: Duration = Duration::from_millis(2_500);

/// What it needs.
pub struct Quieting {
    pub until: Moment,
    pub state_dir: PathBuf,
    pub switches: Switching,
    pub ward: Rc<Ward>,
    pub heard: mpsc::Sender<Heard>,
}

/// Waits for it, and tells.
pub async fn run(quieting: Quieting) {
    quiet_before(&quieting, Moment(quieting.until.0.saturating_sub(CLOSING_MS))).await;
    if let Err(why) = close(&quieting).await {
        tracing::warn!("the channels could not be switched off before a planned switch: {why}");
        return;
    }
    if quiet_before(&quieting, quieting.until).await {
        let _ = quieting.heard.send(Heard::Evidence(Evidence::Quiesced)).await;
    }
}

/// Whether nothing was under way before this moment.
async fn quiet_before(quieting: &Quieting, end: Moment) -> bool {
    while clock::now().mono < end {
        let state_dir = quieting.state_dir.clone();
        let quiet = move || under_way::messages(&state_dir) == Some(0) && under_way::reload(&state_dir) != Some(true);
        if tokio::task::spawn_blocking(quiet).await.unwrap_or_default() {
            return true;
        }
        tokio::time::sleep(LOOK).await;
    }
    false
}

/// By the gateway itself, which is quicker, else in its file.
async fn close(quieting: &Quieting) -> Result<(), String> {
    if let Some(plan) = quieting.switches.plan_off().await? {
        let patch = AskGateway::PatchConfig(plan.patch().to_string());
        let asked = tokio::time::timeout(BY_ITSELF, quieting.ward.ask(patch)).await;
        if !matches!(asked, Ok(Ok(()))) {
            tracing::info!(?asked, "the gateway did not switch its channels off by itself");
        }
    }
    quieting.switches.off().await
}
