//! What a pair does with this node's gateway, through its ward: start and end it, switch its channels, and see by its own
//! words whether they work.
//!
//! Invariants: each function has a bound; what of the channels is switched off is on the disk before it is done
//! ([`switches`](crate::failover::switches)), and read back after it. Start at [`patch`].

use super::super::news::{AskGateway, News};
use super::super::own_uid;
use super::Pair;
use super::change::Went;
use super::primary::{channels_of, status_of};
use crate::api::request::Answer;
use crate::api::server::Reply;
use crate::api::types::{DesiredState, GatewayStatus};
use crate::failover::switches::{Plan, Switches};
use crate::host::clock;
use crate::openclaw::under_way;
use clawmend_core::failover::course::Outcome;
use clawmend_core::failover::ownership::{Account, Owned};
use clawmend_core::failover::polling::{Polling, at_work, judge};
use clawmend_core::health::Verdict;
use std::time::Duration;
use tokio::sync::oneshot;

/// The slowest start that was seen in the field took 240 s.
const START_LIMIT_MS: u64 = 600_000;
/// An orderly end may take 330 s.
const STOP_LIMIT: Duration = Duration::from_secs(400);
/// A ward that has not begun by then does not come: its own words say why.
const WARD_BEGINS: Duration = Duration::from_secs(30);
/// Between two looks at a gateway that starts.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// So long the gateway may take to switch its channels on, over all tries, in milliseconds: it took 0.3 to 0.8 s, and one
/// that has just been started first has to serve.
const PATCH_ON_LIMIT_MS: u64 = 10_000;
/// The same to switch them off. Work that is under way in a channel puts it off.
const PATCH_OFF_LIMIT_MS: u64 = 20_000;
/// Between two tries.
const PATCH_AGAIN: Duration = Duration::from_millis(400);
/// Tries at most; OpenClaw takes 30 within a minute.
const PATCH_TRIES: u32 = 25;
/// So long a channel that was switched off may take to end, in milliseconds.
const SILENT_LIMIT_MS: u64 = 15_000;
/// So long a gateway that is to stand by may take to finish what people have written to it, in milliseconds. The primary
/// serves its own channels meanwhile.
const FINISH_LIMIT_MS: u64 = 60_000;
/// So long secrets may take to be read again.
const RELOAD_LIMIT: Duration = Duration::from_secs(10);

/// Whether something is still wanted when its turn has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// It is part of a change that was decided.
    Always,
    /// Only as long as this node stands by.
    WhileStandingBy,
}

/// Its ward begins soon after the guard: a change of role that an earlier one left half-done waits for it.
pub async fn met(pair: &Pair) {
    let begun = async {
        while pair.ward.borrow().is_none() {
            pair.met.notified().await;
        }
    };
    let _ = tokio::time::timeout(WARD_BEGINS, begun).await;
}

/// It has a process, and is to have one.
pub async fn runs(pair: &Pair) -> bool {
    let is = |status: GatewayStatus| status.incarnation.is_some() && status.desired == DesiredState::Running;
    status_of(pair).await.is_some_and(is)
}

/// Started, and seen to serve.
pub async fn start(pair: &Pair) -> Result<String, String> {
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

/// Its ward has it run from now on.
pub async fn run(pair: &Pair, hold: Hold) -> Result<String, String> {
    if hold == Hold::WhileStandingBy && !pair.stands_by() {
        return Err("this node does not stand by any more".to_owned());
    }
    say(pair, true, STOP_LIMIT).await?;
    Ok("it runs, with its channels off".to_owned())
}

/// What people have written to it is answered, within a bound. It goes on reading: its channels are its own. Where its
/// database does not tell, nothing is waited for but OpenClaw's own drain.
pub async fn finish(pair: &Pair) -> Went {
    let until = clock::now().mono.plus(FINISH_LIMIT_MS);
    let mut waited = false;
    loop {
        let state_dir = pair.home.state_dir.clone();
        let found = tokio::task::spawn_blocking(move || under_way::messages(&state_dir)).await;
        match found.ok().flatten() {
            None | Some(0) => return Ok(waited.then(|| "what people had written was answered first".to_owned())),
            Some(left) if clock::now().mono >= until => {
                let limit_s = FINISH_LIMIT_MS / 1_000;
                return Err((
                    Outcome::Failed,
                    format!("not all was answered within {limit_s} s; messages left: {left}"),
                ));
            }
            Some(_) => waited = true,
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Ended in order.
pub async fn stop(pair: &Pair) -> Result<String, String> {
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
            Answer::Failed { why } | Answer::NeedsPerson { why } | Answer::Refused { why } => Err(why),
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

fn switches(pair: &Pair) -> Switches {
    Switches::new(pair.home.clone(), own_uid(), &pair.state)
}

/// The gateway itself switches its channels, and goes on.
pub async fn patch(pair: &Pair, on: bool) -> Went {
    let failed = |why: String| (Outcome::Failed, why);
    let own = switches(pair);
    let planned = beside(move || if on { own.plan_on() } else { own.plan_off() }).await.map_err(failed)?;
    if let Some(plan) = &planned {
        let limit_ms = if on { PATCH_ON_LIMIT_MS } else { PATCH_OFF_LIMIT_MS };
        insist(pair, plan, limit_ms).await.map_err(|why| failed(format!("by the gateway itself: {why}")))?;
    }
    let own = switches(pair);
    beside(move || if on { own.are_on() } else { own.are_off() }).await.map_err(failed)?;
    Ok(planned.map(|plan| switched(&plan, on, "by the gateway itself")))
}

/// Until it is done, within the bound.
async fn insist(pair: &Pair, plan: &Plan, limit_ms: u64) -> Result<(), String> {
    let ask = AskGateway::PatchConfig(plan.patch().to_string());
    let mut last = "it does not answer".to_owned();
    let tried = async {
        for _ in 0..PATCH_TRIES {
            match ask_gateway(pair, ask.clone()).await {
                Ok(()) => return true,
                Err(why) => last = why,
            }
            tokio::time::sleep(PATCH_AGAIN).await;
        }
        false
    };
    match tokio::time::timeout(Duration::from_millis(limit_ms), tried).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(last),
        Err(_) => Err(format!("not done within {} s: {last}", limit_ms / 1_000)),
    }
}

/// The channels are switched in the config's file.
pub async fn edit(pair: &Pair, on: bool) -> Went {
    let own = switches(pair);
    let plan = beside(move || if on { own.on() } else { own.off() }).await.map_err(|why| (Outcome::Failed, why))?;
    Ok(plan.map(|plan| switched(&plan, on, "in the config's file")))
}

fn switched(plan: &Plan, on: bool, how: &str) -> String {
    format!("{} switched {} {how}", plan.names(), if on { "on" } else { "off" })
}

/// It reads its secrets again.
pub async fn reload_secrets(pair: &Pair) -> Result<String, String> {
    match tokio::time::timeout(RELOAD_LIMIT, ask_gateway(pair, AskGateway::ReloadSecrets)).await {
        Ok(told) => told.map(|()| "read again by the gateway".to_owned()),
        Err(_) => Err(format!("the gateway did not read them again within {} s", RELOAD_LIMIT.as_secs())),
    }
}

async fn ask_gateway(pair: &Pair, ask: AskGateway) -> Result<(), String> {
    let ward = pair.ward.borrow().clone().ok_or("its ward has not begun")?;
    let (reply, answer) = oneshot::channel();
    ward.send(News::Gateway(ask, reply)).await.map_err(|_| "its ward has ended")?;
    answer.await.unwrap_or_else(|_| Err("its ward gave no answer".to_owned()))
}

/// Seen to be connected, by what the gateway itself says of its channels.
pub async fn reach(pair: &Pair, limit_ms: u64) -> Went {
    // No start would cure it.
    let unknown = |why: String| (Outcome::Partly, why);
    let until = clock::now().mono.plus(limit_ms);
    loop {
        let (outcome, why) = match judge(&accounts(pair).map_err(unknown)?, &channels_of(pair).await) {
            Polling::All { who } => return Ok(Some(format!("{who} connected"))),
            Polling::NoAccount => return Err(unknown("no channel account is switched on here".to_owned())),
            Polling::NotAll { why, none: true } => (Outcome::Failed, why),
            Polling::NotAll { why, none: false } => (Outcome::Partly, why),
        };
        if clock::now().mono >= until {
            return Err((outcome, format!("not proven within {} s: {why}", limit_ms / 1_000)));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Seen to have ended, by the same.
pub async fn silent(pair: &Pair) -> Went {
    let failed = |why: String| (Outcome::Failed, why);
    let until = clock::now().mono.plus(SILENT_LIMIT_MS);
    loop {
        // What was said last may be from before: the answer to this question comes with the next one.
        let _ = channels_of(pair).await;
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(busy) = at_work(&accounts(pair).map_err(failed)?, &channels_of(pair).await) else {
            return Ok(Some("no channel is at work".to_owned()));
        };
        if clock::now().mono >= until {
            return Err(failed(format!("still at work after {} s: {busy}", SILENT_LIMIT_MS / 1_000)));
        }
    }
}

fn accounts(pair: &Pair) -> Result<Vec<Account>, String> {
    match pair.mine.borrow().clone() {
        Some(Owned::Known(mine)) => Ok(mine),
        Some(Owned::Unknown { why }) => Err(format!("its accounts are not known: {why}")),
        None => Err("its accounts were not read yet".to_owned()),
    }
}

/// What waits for the disk.
async fn beside<T: Send + 'static>(call: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    match tokio::task::spawn_blocking(call).await {
        Ok(done) => done,
        Err(error) => Err(format!("a fault of the guard itself ended it: {error}")),
    }
}
