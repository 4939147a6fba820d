//! The holder's key is watched, so that nobody waits for their next look when it goes.
//!
//! Invariant: what is heard here says that something is to be asked, and nothing else: a watch may lag behind, and one at
//! a member that has lost the others hears nothing.

use super::super::Trouble;
use super::Etcd;
use super::wire::Streamed;
use serde_json::json;
use std::time::Duration;

/// A watch that says nothing for so long is made anew: its connection may be gone without a sign.
const QUIET: Duration = Duration::from_secs(30);

impl Etcd {
    /// Waits until etcd says that the holder's key was removed. `answer`: how long the beginning may take.
    pub(in super::super) async fn freed(&self, answer: Duration) -> Result<(), Trouble> {
        let body = json!({ "create_request": { "key": self.holder_key, "filters": ["NOPUT"] } });
        loop {
            let begun = tokio::time::timeout(answer, self.session.watch(&body)).await;
            let (at, mut lines) = begun.unwrap_or(Err(Trouble::Late { after: answer }))?;
            while let Ok(line) = tokio::time::timeout(QUIET, lines.next()).await {
                let Some(line) = line? else { return Err(self.session.garbled(at, "the end of a watch")) };
                let read = serde_json::from_slice::<Streamed>(&line);
                let said = read.map_err(|_| self.session.garbled(at, "something that is no word of a watch"))?.result;
                self.session.of_our_cluster(at, &said)?;
                if said.removes() {
                    return Ok(());
                }
                if said.canceled {
                    return Err(self.session.garbled(at, "that it watches no more"));
                }
            }
        }
    }
}
