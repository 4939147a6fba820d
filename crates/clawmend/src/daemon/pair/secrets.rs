//! The secrets of a standby: brought before its gateway starts, and taken away, if so set, after it has ended.
//!
//! Invariant: rsync runs beside the loop, within its bound; without the secrets the standby carries on all the same, and
//! says so.

use super::Pair;
use super::workspace::STUCK;
use crate::failover::secrets::SecretsError;
use crate::settings::SecretsSettings;
use std::time::Duration;

/// A takeover waits for the secrets so long at most.
const LIMIT: Duration = Duration::from_secs(15);

/// Brings what the host that keeps them has.
pub async fn bring(pair: &Pair, settings: &SecretsSettings) -> Result<String, String> {
    let secrets = settings.secrets(&pair.state, LIMIT);
    let brought = beside(move || secrets.bring()).await?;
    Ok(format!("{} files ({} bytes) brought to {}", brought.files, brought.bytes, settings.into.display()))
}

/// Takes them away.
pub async fn wipe(pair: &Pair, settings: &SecretsSettings) -> Result<String, String> {
    let secrets = settings.secrets(&pair.state, LIMIT);
    let there = beside(move || secrets.wipe()).await?;
    Ok(if there { format!("removed from {}", settings.into.display()) } else { "there were none".to_owned() })
}

async fn beside<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, SecretsError> + Send + 'static,
) -> Result<T, String> {
    match tokio::time::timeout(LIMIT + STUCK, tokio::task::spawn_blocking(call)).await {
        Ok(Ok(done)) => done.map_err(|error| error.to_string()),
        Ok(Err(error)) => Err(format!("a fault of the guard itself ended it: {error}")),
        Err(_) => Err(format!("the disk has not answered for {} s", LIMIT.as_secs())),
    }
}
