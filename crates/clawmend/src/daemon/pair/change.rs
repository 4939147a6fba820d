//! A change of role, carried out step by step. Each step is bounded, and says how it went.
//!
//! Invariants: which step follows which is decided in the core; one step is under way at a time, also beside the upkeep of
//! a warm gateway. Start at [`carry_out`].

use super::gateway::Hold;
use super::{Pair, gateway, secrets, workspace};
use crate::failover::kept::Change;
use crate::host::clock;
use clawmend_core::failover::course::{Course, Goal, Outcome, Task};
use clawmend_core::failover::{Reason, Role, Step};

/// A channel is looked for this long under a gateway that ran already, in milliseconds: it connects 1 to 3 s after it was
/// switched on, and a busy machine is slower.
const REACH_LIMIT_MS: u64 = 15_000;
/// The same after a start, which the channels begin to connect 1 to 4 s after.
const REACH_STARTED_LIMIT_MS: u64 = 60_000;

/// How a step went: what there is to say, `None` where there was nothing to do.
pub type Went = Result<Option<String>, (Outcome, String)>;

/// Becomes `to`, whatever it takes within its bounds.
pub async fn carry_out(pair: &Pair, to: Role, reason: Reason) -> Change {
    let began = clock::now();
    let goal = match to {
        Role::Active | Role::Promoting => Goal::Carry,
        Role::Watching | Role::Demoting => Goal::StandBy,
    };
    pair.meanwhile.end().await;
    let alone = pair.busy.lock().await;
    gateway::met(pair).await;
    let mut course = Course::new(goal, pair.settings.course(), gateway::runs(pair).await);
    let mut steps = Vec::new();
    while let Some(task) = course.take() {
        steps.extend(step(pair, &mut course, task, Hold::Always).await);
    }
    pair.note_warm(course.is_warm());
    drop(alone);
    let took_ms = clock::now().mono.since(began.mono);
    Change { to, reason, at: began.wall, took_ms, worked: course.worked(), steps }
}

/// One step, and the course is told. What had nothing to do is not worth a word.
pub async fn step(pair: &Pair, course: &mut Course, task: Task, hold: Hold) -> Option<Step> {
    if task == Task::Stop {
        // Durable before: a guard that ends behind it knows that it was not a person who stopped the gateway.
        pair.note_warm(false);
    }
    let began = clock::now().mono;
    let went = perform(pair, task, hold).await;
    let took_ms = clock::now().mono.since(began);
    let (outcome, detail) = match went {
        Ok(detail) => (Outcome::Done, detail),
        Err((outcome, why)) => (outcome, Some(why)),
    };
    course.done(task, outcome);
    Some(Step { step: name(task).to_owned(), worked: outcome == Outcome::Done, took_ms, detail: detail? })
}

/// For people and scripts.
const fn name(task: Task) -> &'static str {
    match task {
        Task::BringWorkspace | Task::GiveBack => "workspace",
        Task::BringSecrets | Task::ReloadSecrets | Task::WipeSecrets => "secrets",
        Task::Patch { .. } | Task::Edit { .. } => "switch",
        Task::Start | Task::Run | Task::Stop => "gateway",
        Task::Finish => "messages",
        Task::Reach { .. } | Task::Silent => "channel",
    }
}

async fn perform(pair: &Pair, task: Task, hold: Hold) -> Went {
    let plain = |went: Result<String, String>| went.map(Some).map_err(|why| (Outcome::Failed, why));
    let unset = Ok(None);
    match task {
        Task::BringWorkspace => match &pair.settings.workspace {
            Some(settings) => plain(workspace::bring(pair, settings).await),
            None => unset,
        },
        Task::GiveBack => match &pair.settings.workspace {
            Some(settings) => {
                let gave = workspace::give_back(pair, settings).await;
                pair.note_owed(gave.is_err());
                plain(gave)
            }
            None => unset,
        },
        Task::BringSecrets => match &pair.settings.secrets {
            Some(settings) => plain(secrets::bring(pair, settings).await),
            None => unset,
        },
        Task::WipeSecrets => match &pair.settings.secrets {
            Some(settings) => plain(secrets::wipe(pair, settings).await),
            None => unset,
        },
        Task::ReloadSecrets => plain(gateway::reload_secrets(pair).await),
        Task::Patch { on } => gateway::patch(pair, on).await,
        Task::Edit { on } => gateway::edit(pair, on).await,
        Task::Start => plain(gateway::start(pair).await),
        Task::Run => plain(gateway::run(pair, hold).await),
        Task::Finish => gateway::finish(pair).await,
        Task::Stop => plain(gateway::stop(pair).await),
        Task::Reach { started: true } => gateway::reach(pair, REACH_STARTED_LIMIT_MS).await,
        Task::Reach { started: false } => gateway::reach(pair, REACH_LIMIT_MS).await,
        Task::Silent => gateway::silent(pair).await,
    }
}
