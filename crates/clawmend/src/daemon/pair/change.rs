//! A change of role, step by step. Each step is bounded, and says how it went.

use super::super::news::News;
use super::primary::{channels_of, status_of};
use super::{Pair, secrets, workspace};
use crate::api::request::Answer;
use crate::api::server::Reply;
use crate::failover::kept::Change;
use crate::host::clock;
use clawmend_core::failover::ownership::Owned;
use clawmend_core::failover::polling::{Polling, judge};
use clawmend_core::failover::{Reason, Role, Step};
use clawmend_core::health::Verdict;
use std::time::Duration;
use tokio::sync::oneshot;

/// The slowest start that was seen in the field took 240 s.
const START_LIMIT_MS: u64 = 600_000;
/// A poll begins 1 to 4 s after the gateway is ready; a busy machine is slower. So long a takeover waits to be proven.
const REACH_LIMIT_MS: u64 = 60_000;
/// An orderly end may take 330 s.
const STOP_LIMIT: Duration = Duration::from_secs(400);
/// Between two looks at a gateway that starts.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Becomes `to`, whatever it takes within its bounds.
pub async fn carry_out(pair: &Pair, to: Role, reason: Reason) -> Change {
    let began = clock::now();
    let mut steps = Vec::new();
    let workspace = pair.settings.workspace.as_ref();
    let kept_elsewhere = pair.settings.secrets.as_ref();
    match to {
        Role::Active | Role::Promoting => {
            // Without the primary's newest files it can still be reached.
            if let Some(settings) = workspace {
                steps.push(timed("workspace", workspace::bring(pair, settings)).await);
            }
            if let Some(settings) = kept_elsewhere {
                steps.push(timed("secrets", secrets::bring(pair, settings)).await);
            }
            let started = timed("gateway", start(pair)).await;
            let serves = started.worked;
            steps.push(started);
            // Seen or not, it carries: a channel that does not say so may work all the same.
            if serves {
                steps.push(timed("channel", reach(pair)).await);
            }
        }
        Role::Watching | Role::Demoting => {
            steps.push(timed("gateway", stop(pair)).await);
            if let Some(settings) = kept_elsewhere.filter(|settings| settings.wipe) {
                steps.push(timed("secrets", secrets::wipe(pair, settings)).await);
            }
            if let Some(settings) = workspace {
                steps.push(timed("workspace", workspace::give_back(pair, settings)).await);
            }
        }
    }
    let worked = steps.iter().all(|step| step.worked || step.step != "gateway");
    let took_ms = clock::now().mono.since(began.mono);
    Change { to, reason, at: began.wall, took_ms, worked, steps }
}

async fn timed(step: &str, does: impl Future<Output = Result<String, String>>) -> Step {
    let began = clock::now().mono;
    let done = does.await;
    let took_ms = clock::now().mono.since(began);
    let worked = done.is_ok();
    let detail = done.unwrap_or_else(|why| why);
    Step { step: step.to_owned(), worked, took_ms, detail }
}

/// Started, and seen to serve.
async fn start(pair: &Pair) -> Result<String, String> {
    say(pair, true, STOP_LIMIT).await?;
    let until = clock::now().mono.plus(START_LIMIT_MS);
    let mut last = "nothing is known of it".to_owned();
    while clock::now().mono < until {
        if let Some(status) = status_of(pair).await {
            match status.verdict {
                Verdict::Healthy => return Ok("healthy".to_owned()),
                Verdict::Degraded => return Ok(format!("serving, but degraded: {}", status.reasons.join(", "))),
                Verdict::Stopped | Verdict::Paused => return Err("a person stopped it meanwhile".to_owned()),
                Verdict::Starting | Verdict::Draining | Verdict::Suspect | Verdict::Down | Verdict::Unknown => {
                    status.verdict.name().clone_into(&mut last);
                }
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Err(format!("it does not serve after {} s: {last}", START_LIMIT_MS / 1_000))
}

/// Seen to be connected, by what the gateway itself says of its channels.
async fn reach(pair: &Pair) -> Result<String, String> {
    let mine = match pair.mine.borrow().clone() {
        Some(Owned::Known(mine)) => mine,
        Some(Owned::Unknown { why }) => return Err(format!("its accounts are not known: {why}")),
        None => return Err("its accounts were not read yet".to_owned()),
    };
    let until = clock::now().mono.plus(REACH_LIMIT_MS);
    loop {
        let why = match judge(&mine, &channels_of(pair).await) {
            Polling::All { who } => return Ok(format!("{who} connected")),
            Polling::NoAccount => return Err("no channel account is switched on here".to_owned()),
            Polling::NotAll { why } => why,
        };
        if clock::now().mono >= until {
            return Err(format!("not proven within {} s: {why}", REACH_LIMIT_MS / 1_000));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn stop(pair: &Pair) -> Result<String, String> {
    say(pair, false, STOP_LIMIT).await
}

/// Asks the ward, and waits for its word.
async fn say(pair: &Pair, carry: bool, limit: Duration) -> Result<String, String> {
    let ward = pair.ward.borrow().clone().ok_or("its ward has not begun")?;
    let (reply, answer) = oneshot::channel();
    ward.send(News::Role { carry, reply }).await.map_err(|_| "its ward has ended")?;
    match tokio::time::timeout(limit, answer).await {
        Ok(Ok(Reply::Once(answer))) => match *answer {
            Answer::Done { message } => Ok(message),
            Answer::Failed { why } | Answer::Refused { why } => Err(why),
            Answer::NotFound { .. }
            | Answer::BadRequest { .. }
            | Answer::Status(_)
            | Answer::Check(_)
            | Answer::Incidents(_)
            | Answer::Incident(_)
            | Answer::Log { .. }
            | Answer::End => Err("its ward gave an answer that does not fit".to_owned()),
        },
        Ok(Ok(Reply::Stream(_)) | Err(_)) => Err("its ward gave no answer".to_owned()),
        Err(_) => Err(format!("not done after {} s", limit.as_secs())),
    }
}
