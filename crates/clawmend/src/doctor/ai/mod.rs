//! Asks an AI what a failure could be, when nothing else knows.
//!
//! [`collect`] makes [`evidence`] of what was found: what is sent, without secrets and within bounds; [`prompt`] is the question; [`engine`] says how each
//! program is asked and [`run`] runs it apart from everything, [`endpoint`] asks a service; [`budget`] holds the day's
//! limits and one call at a time; [`reply`] reads the answer. Invariant: whatever comes back, only
//! [`clawmend_core::diagnosis::advice::Advice`] comes out of here, and nothing in here does anything to a gateway. Nobody
//! is asked unless the settings name an engine. Start at [`ask`].

pub mod budget;
pub mod collect;
pub mod credential;
pub mod detect;
pub mod draft;
pub mod endpoint;
pub mod engine;
pub mod envelope;
mod error;
pub mod evidence;
pub mod hidden;
pub mod prompt;
pub mod reply;
pub mod report;
mod room;
pub mod run;
pub mod tail;

pub use credential::Surroundings;
pub use error::{AskError, Consequence};
pub use evidence::Evidence;

use crate::doctor::report::Tongue;
use crate::settings::{AiSettings, Engine};
use budget::Turn;
use clawmend_core::diagnosis::advice::Advice;
use credential::CredentialError;
use room::Room;
use secrecy::SecretString;
use std::path::Path;
use std::time::{Duration, Instant};

/// What was answered, and to what.
#[derive(Debug)]
pub struct Answer {
    /// The advice. It refers to lines of `evidence` by number.
    pub advice: Advice,
    /// What was really sent.
    pub evidence: Evidence,
    /// Who answered.
    pub engine: Engine,
    /// What it cost, in millionths of a US dollar, where the engine tells it.
    pub cost_micro_usd: Option<u64>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// Asks the engine in `settings`; `state` is our own state folder. Reads and writes small files there, with a sync: not
/// for a loop that must not wait, which uses [`ask_apart`]. Dropping the future ends the call.
///
/// # Errors
/// Why there is no advice. Nothing was done, whatever the reason.
pub async fn ask(
    settings: &AiSettings,
    state: &Path,
    around: &Surroundings,
    evidence: Evidence,
    tongue: Tongue,
) -> Result<Answer, AskError> {
    let answer = ask_once(settings, state, around, evidence, tongue).await;
    match &answer {
        Ok(answer) => tracing::info!(
            engine = settings.engine.name(),
            took_ms = answer.took_ms,
            hypotheses = answer.advice.hypotheses().len(),
            steps = answer.advice.plan().len(),
            "an AI has answered"
        ),
        Err(error) => tracing::warn!(engine = settings.engine.name(), %error, "an AI gave no advice"),
    }
    answer
}

/// [`ask`], on a thread of its own. Dropping the receiver ends the call.
///
/// # Errors
/// The system gives no thread.
pub fn ask_apart(
    settings: AiSettings,
    state: std::path::PathBuf,
    evidence: Evidence,
    tongue: Tongue,
) -> std::io::Result<tokio::sync::oneshot::Receiver<Result<Answer, AskError>>> {
    let (mut tell, told) = tokio::sync::oneshot::channel();
    let work = move || {
        let around = Surroundings::of_process(&settings);
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                // Whoever asked may have gone.
                drop(tell.send(Err(AskError::NoRuntime(error))));
                return;
            }
        };
        runtime.block_on(async {
            let answer = tokio::select! {
                answer = ask(&settings, &state, &around, evidence, tongue) => answer,
                () = tell.closed() => return,
            };
            drop(tell.send(answer));
        });
    };
    std::thread::Builder::new().name("ai".to_owned()).spawn(work)?;
    Ok(told)
}

async fn ask_once(
    settings: &AiSettings,
    state: &Path,
    around: &Surroundings,
    mut evidence: Evidence,
    tongue: Tongue,
) -> Result<Answer, AskError> {
    if settings.engine == Engine::None {
        return Err(AskError::NoEngine { installed: detect::installed(around.path.as_deref()) });
    }
    if evidence.is_empty() {
        return Err(AskError::NothingToAsk);
    }
    let credential = credential::find(settings, around)?;
    let whom = Whom::of(settings, around, credential)?;
    let mut turn = Turn::take(state, settings, &budget::today())?;
    let folder = budget::folder(state);
    run::end_left_over(&folder);
    let max_bytes = usize::try_from(settings.max_prompt_bytes).unwrap_or(usize::MAX);
    let question = prompt::write(&mut evidence, tongue, max_bytes)?;
    let begun = Instant::now();
    let limit = Duration::from_millis(settings.timeout_ms);
    let asked = tokio::time::timeout(limit, whom.ask(settings, around, &folder, question, turn.may_cost())).await;
    let bytes = asked.map_err(|_| AskError::TimedOut { limit_ms: settings.timeout_ms })??;
    let cost_micro_usd = envelope::cost_micro_usd(&bytes);
    if let Some(cost) = cost_micro_usd {
        turn.settle(cost)?;
    }
    let lines = u32::try_from(evidence.len()).unwrap_or(u32::MAX);
    let advice = reply::parse(&bytes)?.grounded_in(lines).map_err(reply::ReplyError::from)?;
    let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Answer { advice, evidence, engine: settings.engine, cost_micro_usd, took_ms })
}

/// Whom to ask, with everything that is needed for it.
enum Whom {
    Program { path: std::path::PathBuf, credential: SecretString },
    Service { credential: Option<SecretString> },
}

impl Whom {
    fn of(settings: &AiSettings, around: &Surroundings, credential: Option<SecretString>) -> Result<Self, AskError> {
        if settings.engine == Engine::Openai {
            return Ok(Self::Service { credential });
        }
        let name = settings.engine.name();
        let found = settings.program.clone().or_else(|| detect::find(name, around.path.as_deref()));
        let path = found
            .filter(|path| path.is_file())
            .ok_or_else(|| AskError::NoProgram { program: settings.program.clone().unwrap_or_else(|| name.into()) })?;
        let credential = credential.ok_or(CredentialError::NotNamed)?;
        Ok(Self::Program { path, credential })
    }

    async fn ask(
        self,
        settings: &AiSettings,
        around: &Surroundings,
        folder: &Path,
        question: String,
        may_cost: u64,
    ) -> Result<Vec<u8>, AskError> {
        match self {
            Self::Service { credential } => {
                let (Some(url), Some(model)) = (&settings.base_url, &settings.model) else {
                    return Err(AskError::NoAddress);
                };
                Ok(endpoint::ask(url, model, credential.as_ref(), &question).await?)
            }
            Self::Program { path, credential } => {
                let Some(call) = engine::call(settings, &credential, question, may_cost) else {
                    return Err(AskError::NoAddress);
                };
                let room = Room::new(folder, &call.files)?;
                let ended = run::run(&path, call, &room, around, folder).await?;
                if ended.success { Ok(ended.output) } else { Err(AskError::failed(&ended)) }
            }
        }
    }
}
