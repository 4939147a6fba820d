//! The holder's key is watched, so that a node hears of its end before its next look.
//!
//! Invariant: what is heard here says that something is to be asked, and nothing else, not even which cluster is ours: a
//! watch may lag behind, and a member that has lost the others tells of nothing, and answers a watch all the same.

use super::super::Trouble;
use super::Etcd;
use super::session::Watch;
use super::wire::Streamed;
use serde_json::json;
use std::time::{Duration, Instant};

/// A watch that says nothing for so long is made anew: its connection may be gone without a sign.
const QUIET: Duration = Duration::from_secs(30);
/// Between two looks whether requests are brought to their end by another member than the one that is watched.
const TICK: Duration = Duration::from_secs(1);

impl Etcd {
    /// Waits until etcd says that the holder's key was removed. `answer`: how long the beginning may take.
    pub(in super::super) async fn freed(&self, answer: Duration) -> Result<(), Trouble> {
        let body = json!({ "create_request": { "key": self.holder_key, "filters": ["NOPUT"] } });
        loop {
            let begun = tokio::time::timeout(answer, self.session.watch(&body)).await;
            let watch = begun.unwrap_or(Err(Trouble::Late { after: answer }))?;
            if self.hears(watch).await? {
                return Ok(());
            }
        }
    }

    /// Whether the key was removed, or another watch is to be made.
    async fn hears(&self, Watch { at, mut lines }: Watch) -> Result<bool, Trouble> {
        let begun = Instant::now();
        loop {
            let Ok(line) = tokio::time::timeout(TICK, lines.next()).await else {
                if begun.elapsed() >= QUIET || self.session.works_elsewhere(at) {
                    return Ok(false);
                }
                continue;
            };
            let Some(line) = line? else { return Err(self.session.garbled(at, "the end of a watch")) };
            let read = serde_json::from_slice::<Streamed>(&line);
            let said = read.map_err(|_| self.session.garbled(at, "something that is no word of a watch"))?.result;
            if !self.session.may_be_ours(&said) {
                return Err(self.session.other_cluster(at));
            }
            if said.removes() {
                return Ok(true);
            }
            // With this filter etcd has nothing else to say.
            if said.canceled || !said.created {
                return Err(self.session.unheard(at, &said.cancel_reason));
            }
        }
    }
}
