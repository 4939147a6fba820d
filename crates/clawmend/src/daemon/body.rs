//! How a gateway's process is held: by our keeper, by a service manager, or by nobody that we know of.
//!
//! Invariant: a body does what a directive says and makes no choice. A start of a child leaves its intent in the
//! runtime folder first; a kill is on record before it happens.

use super::shared::gate::{Gate, Limit};
use crate::host::files::{Durability, write_atomic};
use crate::host::process;
use crate::host::signal::{self, Sent, Signal, SignalError};
use crate::keeper::client::{Keeper, KeeperError};
use crate::keeper::protocol::{AdoptOrder, RefusalCode, SpawnOrder, Spawned};
use crate::service::Unit;
use clawmend_core::directive::{Action, ActionResult, Directive};
use clawmend_core::gateway::{Form, Incarnation};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use tokio::sync::Mutex;

/// What is run as our child.
#[derive(Clone, Debug)]
pub struct ChildCommand {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Set in its environment.
    pub env: BTreeMap<String, String>,
    /// Removed from it.
    pub env_remove: Vec<String>,
    /// Working folder.
    pub cwd: PathBuf,
    /// Folder of its output.
    pub log_dir: PathBuf,
}

/// Our word in the runtime folder, from before a spawn on: which start it is, and by what its process is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpawnNote {
    /// The directive.
    pub directive: u64,
    /// `CLAWMEND_NONCE` of the process.
    pub nonce: String,
    /// The process, once it was seen.
    #[serde(default)]
    pub incarnation: Option<Incarnation>,
}

/// A child of our keeper.
#[derive(Debug)]
pub struct Child {
    /// What is run.
    pub command: ChildCommand,
    /// The keeper's folder.
    pub dir: PathBuf,
    /// Our connection to it.
    keeper: Mutex<Option<Keeper>>,
    /// In a shared group: what every start passes.
    gate: Option<Rc<Gate>>,
}

impl Child {
    /// With its keeper in `dir`.
    #[must_use]
    pub fn new(command: ChildCommand, dir: PathBuf) -> Self {
        Self { command, dir, keeper: Mutex::new(None), gate: None }
    }

    /// Every start passes this gate.
    #[must_use]
    pub fn behind(mut self, gate: Option<Rc<Gate>>) -> Self {
        self.gate = gate;
        self
    }

    /// What every start passes, in a shared group.
    #[must_use]
    pub const fn gate(&self) -> Option<&Rc<Gate>> {
        self.gate.as_ref()
    }

    fn note_path(&self) -> PathBuf {
        self.dir.join("spawn.json")
    }

    /// What an earlier guard left there.
    #[must_use]
    pub fn note(&self) -> Option<SpawnNote> {
        let bytes = std::fs::read(self.note_path()).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    fn leave_note(&self, note: &SpawnNote) -> std::io::Result<()> {
        let bytes = serde_json::to_vec(note).map_err(std::io::Error::other)?;
        write_atomic(&self.note_path(), &bytes, Durability::Fast)
    }

    /// A process of ours that outlived its keeper.
    #[must_use]
    pub fn orphan(&self) -> Option<(Incarnation, SpawnNote)> {
        let note = self.note()?;
        let life = note.incarnation.clone()?;
        // Pid, start time and boot came from the keeper that started it. Its environment cannot be read for a moment
        // after the exec: silence there is no proof against it, and must not lead to a second gateway.
        let another = process::environ_value(&life, "CLAWMEND_NONCE").is_some_and(|nonce| nonce != note.nonce);
        (!another && process::is_alive(&life)).then_some((life, note))
    }

    /// Lets a new keeper take over a process that outlived the old one.
    ///
    /// # Errors
    /// The keeper refused or is lost.
    pub async fn adopt(&self, life: &Incarnation, note: &SpawnNote) -> Result<Spawned, KeeperError> {
        let order = AdoptOrder {
            incarnation: life.clone(),
            nonce: note.nonce.clone(),
            directive: note.directive,
            log_dir: self.command.log_dir.clone(),
        };
        self.with_keeper(async |keeper: &mut Keeper| keeper.adopt(order.clone()).await).await
    }

    /// The recorded end may be forgotten.
    pub async fn ack(&self, life: &Incarnation) {
        if let Err(error) = self.with_keeper(async |keeper: &mut Keeper| keeper.ack(life).await).await {
            tracing::debug!(%error, "an end was not acknowledged; the next guard will hear of it again");
        }
    }

    /// The newest output.
    pub async fn tail(&self, bytes: u32) -> String {
        self.with_keeper(async |keeper: &mut Keeper| keeper.tail(bytes).await).await.unwrap_or_default()
    }

    /// Tells a keeper without a child to end.
    pub async fn dismiss(&self) {
        let _ = self.with_keeper(async |keeper: &mut Keeper| keeper.quit().await).await;
    }

    async fn with_keeper<T>(&self, ask: impl AsyncFn(&mut Keeper) -> Result<T, KeeperError>) -> Result<T, KeeperError> {
        let mut slot = self.keeper.lock().await;
        if slot.is_none() {
            *slot = Some(Keeper::start(&self.dir).await?);
        }
        let Some(keeper) = slot.as_mut() else { return Err(KeeperError::Absent { dir: self.dir.clone() }) };
        let answer = ask(keeper).await;
        if matches!(&answer, Err(KeeperError::Lost(_) | KeeperError::Absent { .. })) {
            *slot = None;
        }
        answer
    }

    /// Starts it, once per directive; in a shared group only when the gate lets it pass.
    async fn spawn(&self, directive: &Directive) -> (ActionResult, Option<Spawned>) {
        let Some(gate) = &self.gate else { return self.spawn_alone(directive).await };
        let pass = match gate.pass().await {
            Ok(pass) => pass,
            Err(closed) => return (ActionResult::Retry { reason: closed.to_string() }, None),
        };
        let spawning = self.spawn_until(directive, Some(pass.limit())).await;
        match &spawning {
            Spawning::Runs(spawned) => pass.started(&spawned.incarnation),
            Spawning::Refused(_) | Spawning::Fenced(_) => pass.refused(),
            // Whatever runs may be what was asked for before; the gate stays shut until that is known.
            Spawning::Occupied(..) | Spawning::Unknown(_) => drop(pass),
        }
        spawning.done()
    }

    /// Of no group: a deadman that was armed when it was one stands in nobody's way.
    async fn spawn_alone(&self, directive: &Directive) -> (ActionResult, Option<Spawned>) {
        let spawning = self.spawn_until(directive, None).await;
        if !matches!(spawning, Spawning::Fenced(_)) {
            return spawning.done();
        }
        let disarmed = self
            .with_keeper(async |keeper: &mut Keeper| match keeper.hello().await?.fenced() {
                Some(fenced) => keeper.disarm(fenced.term).await,
                None => Ok(()),
            })
            .await;
        match disarmed {
            Ok(()) => self.spawn_until(directive, None).await.done(),
            Err(error) => (ActionResult::Retry { reason: error.to_string() }, None),
        }
    }

    async fn spawn_until(&self, directive: &Directive, limit: Option<Limit>) -> Spawning {
        let nonce = match nonce() {
            Ok(nonce) => nonce,
            Err(error) => return Spawning::retry(format!("no random numbers: {error}")),
        };
        let note = SpawnNote { directive: directive.id.0, nonce: nonce.clone(), incarnation: None };
        if let Err(error) = self.leave_note(&note) {
            return Spawning::retry(format!("the start could not be noted in {}: {error}", self.dir.display()));
        }
        let order = SpawnOrder {
            directive: directive.id.0,
            nonce,
            argv: self.command.argv.clone(),
            env: self.command.env.clone(),
            env_remove: self.command.env_remove.clone(),
            cwd: self.command.cwd.clone(),
            log_dir: self.command.log_dir.clone(),
            not_after_ms: limit.map(|limit| limit.not_after.0),
            mute: limit.is_some_and(|limit| limit.mute),
        };
        match self.with_keeper(async |keeper: &mut Keeper| keeper.spawn(order.clone()).await).await {
            Ok(spawned) => {
                let note = SpawnNote { incarnation: Some(spawned.incarnation.clone()), ..note };
                if let Err(error) = self.leave_note(&note) {
                    // The keeper knows the child too; this copy only matters if the keeper dies.
                    tracing::warn!(%error, "the child could not be noted");
                }
                Spawning::Runs(spawned)
            }
            Err(KeeperError::Refused(refusal)) => {
                let reason = refusal.message;
                match refusal.code {
                    RefusalCode::Busy => Spawning::Occupied(reason, refusal.child),
                    RefusalCode::Fenced => Spawning::Fenced(reason),
                    RefusalCode::CannotRun => Spawning::Refused(ActionResult::NeedsPerson { reason }),
                    RefusalCode::SpawnFailed
                    | RefusalCode::Unacknowledged
                    | RefusalCode::Stopping
                    | RefusalCode::Gone
                    | RefusalCode::UnknownRequest
                    | RefusalCode::BadRequest
                    | RefusalCode::NotArmed
                    | RefusalCode::Other => Spawning::retry(reason),
                }
            }
            Err(error) => Spawning::Unknown(error.to_string()),
        }
    }

    /// Ends what a dead life left behind: members of its process group that carry its nonce.
    fn sweep(&self, dead: &Incarnation) -> ActionResult {
        let Some(note) = self.note() else {
            return ActionResult::Moot { reason: "nothing is known of what it started".to_owned() };
        };
        let left: Vec<Incarnation> = process::in_same_group_or_cgroup(dead, None)
            .into_iter()
            .filter(|life| process::environ_value(life, "CLAWMEND_NONCE").as_deref() == Some(note.nonce.as_str()))
            .collect();
        if left.is_empty() {
            return ActionResult::Moot { reason: "it left nothing behind".to_owned() };
        }
        let failed = left.iter().filter(|life| signal::send(life, Signal::Kill).is_err()).count();
        if failed == 0 {
            ActionResult::Done
        } else {
            ActionResult::Retry { reason: format!("{failed} of {} remaining processes could not be ended", left.len()) }
        }
    }
}

/// What became of an order to spawn.
enum Spawning {
    /// This runs.
    Runs(Spawned),
    /// Something runs already.
    Occupied(String, Option<Box<Spawned>>),
    /// Nothing was spawned, and nothing will be.
    Refused(ActionResult),
    /// The deadman's moment has passed, or there is none and there should be.
    Fenced(String),
    /// It may have been carried out.
    Unknown(String),
}

impl Spawning {
    const fn retry(reason: String) -> Self {
        Self::Refused(ActionResult::Retry { reason })
    }

    /// For the loop.
    fn done(self) -> (ActionResult, Option<Spawned>) {
        match self {
            Self::Runs(spawned) => (ActionResult::Done, Some(spawned)),
            Self::Occupied(reason, child) => (ActionResult::Moot { reason }, child.map(|child| *child)),
            Self::Refused(result) => (result, None),
            Self::Fenced(reason) | Self::Unknown(reason) => (ActionResult::Retry { reason }, None),
        }
    }
}

fn nonce() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Who holds the process.
#[derive(Debug)]
pub enum Body {
    /// Our keeper.
    Child(Box<Child>),
    /// A service manager.
    Service(Unit),
    /// Nobody that we know of.
    Foreign,
}

impl Body {
    /// In the words of the core.
    #[must_use]
    pub const fn form(&self) -> Form {
        match self {
            Self::Child(_) => Form::Child,
            Self::Service(_) => Form::Systemd,
            Self::Foreign => Form::Foreign,
        }
    }

    /// The child, if it is one.
    #[must_use]
    pub const fn child(&self) -> Option<&Child> {
        match self {
            Self::Child(child) => Some(child),
            Self::Service(_) | Self::Foreign => None,
        }
    }

    /// Does it. Kills must be on record already. The new life comes with it where the answer names one.
    pub async fn act(&self, directive: &Directive) -> (ActionResult, Option<Spawned>) {
        let result = match (&directive.action, self) {
            (Action::Spawn, Self::Child(child)) => return child.spawn(directive).await,
            (Action::Sweep, Self::Child(child)) => match &directive.target {
                Some(dead) => child.sweep(dead),
                None => ActionResult::Moot { reason: "there was no life before".to_owned() },
            },
            (Action::Terminate { wake }, _) => terminate(directive.target.as_ref(), *wake),
            (Action::Kill, Self::Service(unit)) => kill_in_unit(unit, directive.target.as_ref()).await,
            (Action::Kill, _) => send(directive.target.as_ref(), Signal::Kill),
            (Action::Hasten, Self::Service(unit)) => unit.try_restart().await,
            (Action::RestartUnit, Self::Service(unit)) => match &directive.target {
                Some(life) => unit.restart(life.pid).await,
                None => ActionResult::Moot { reason: "there is no process to restart".to_owned() },
            },
            (Action::StartUnit { reset_limit }, Self::Service(unit)) => start_unit(unit, *reset_limit).await,
            (Action::StopUnit, Self::Service(unit)) => unit.stop().await,
            (Action::EnableUnit { on }, Self::Service(unit)) => unit.set_enabled(*on).await,
            (
                Action::Spawn
                | Action::Sweep
                | Action::Hasten
                | Action::RestartUnit
                | Action::StartUnit { .. }
                | Action::StopUnit
                | Action::EnableUnit { .. }
                | Action::RestoreConfig { .. }
                | Action::FreeLogs
                | Action::ReloadSecrets
                | Action::SetLockAside
                | Action::StartChannel { .. },
                _,
            ) => ActionResult::Moot { reason: "not for a gateway that is run like this".to_owned() },
        };
        (result, None)
    }
}

async fn start_unit(unit: &Unit, reset_limit: bool) -> ActionResult {
    if reset_limit && let ActionResult::NeedsPerson { reason } = unit.reset_failed().await {
        return ActionResult::NeedsPerson { reason };
    }
    unit.start().await
}

/// A process of another user is its manager's to kill.
async fn kill_in_unit(unit: &Unit, target: Option<&Incarnation>) -> ActionResult {
    const SIGKILL: i32 = 9;
    match (send(target, Signal::Kill), target) {
        (ActionResult::NeedsPerson { .. }, Some(life)) => unit.kill_main(life.pid, SIGKILL).await,
        (result, _) => result,
    }
}

/// SIGTERM first, so that it is pending when the process wakes (as systemd does it).
fn terminate(target: Option<&Incarnation>, wake: bool) -> ActionResult {
    let result = send(target, Signal::Term);
    if wake && result == ActionResult::Done {
        return send(target, Signal::Cont);
    }
    result
}

fn send(target: Option<&Incarnation>, signal: Signal) -> ActionResult {
    let Some(target) = target else {
        return ActionResult::Moot { reason: "there is no process to signal".to_owned() };
    };
    match signal::send(target, signal) {
        Ok(Sent::Delivered) => ActionResult::Done,
        Ok(Sent::Gone) => ActionResult::Moot { reason: "it had ended already".to_owned() },
        Err(error @ SignalError::NotPermitted { .. }) => ActionResult::NeedsPerson { reason: error.to_string() },
        Err(error) => ActionResult::Retry { reason: error.to_string() },
    }
}
