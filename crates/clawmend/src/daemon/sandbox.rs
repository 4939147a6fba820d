//! `up --sandbox`: a real gateway in a throwaway home.
//!
//! Invariant: it lives in one folder of our own state; nothing of the person's real OpenClaw is read or changed. A
//! sandbox whose guard was killed is taken up again; one that ended in order is removed.

use super::news::{News, Sender};
use super::options::DaemonError;
use super::setup::{self, Charge, Holding, keeper_dir};
use super::voice::Voice;
use super::{Context, Places};
use crate::openclaw::config::{self, Token};
use crate::openclaw::discovery::discover;
use crate::openclaw::install::{self, InstallError, Phase, Progress, Tools};
use crate::openclaw::sandbox;
use clawmend_core::gateway::GatewayId;
use clawmend_core::observation::Evidence;
use clawmend_core::wish::Wish;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Longest wait for the sandbox's orderly end: what its own drain may take, and a little.
const END_PATIENCE: Duration = Duration::from_secs(340);

/// Longest wait for a keeper that is not needed any more; it also ends by itself.
const DISMISS_PATIENCE: Duration = Duration::from_secs(2);

/// A throwaway gateway.
pub struct Throwaway {
    /// What is guarded.
    pub charge: Charge,
    folder: PathBuf,
    runtime: PathBuf,
    port: u16,
}

/// Installs what is missing and makes the home.
///
/// # Errors
/// What is missing, and what to do about it.
pub async fn prepare(voice: &Rc<Voice>, place: &Places) -> Result<Throwaway, DaemonError> {
    let cache = setup::cache_dir().ok_or_else(|| DaemonError::NeedsPerson {
        message: "HOME is not set, so there is no place for Node and OpenClaw".to_owned(),
        hints: vec!["set HOME or XDG_CACHE_HOME".to_owned()],
    })?;
    let tools = tools(voice, cache).await?;
    let folder = place.state.join("sandbox");
    let id = GatewayId("sandbox".to_owned());
    let alive = super::body::Child::new(
        setup::command_with(&home_in(&folder), &tools, &place.state),
        keeper_dir(&place.runtime, &id),
    )
    .orphan()
    .is_some();
    if !alive {
        remove(&folder)?;
        let cannot = |error: std::io::Error| DaemonError::NeedsPerson {
            message: format!("the throwaway home {} could not be made: {error}", folder.display()),
            hints: vec!["free some space, or set CLAWMEND_STATE_DIR to another folder".to_owned()],
        };
        if let Err(error) = sandbox::create(&folder) {
            let _ = std::fs::remove_dir_all(&folder);
            return Err(cannot(error));
        }
    }
    let home = home_in(&folder);
    let port = config::read(&home, |_| None).view.and_then(|view| view.port).unwrap_or_default();
    let command = setup::command_with(&home, &tools, &place.state);
    let charge = Charge { home, holding: Holding::Child(command) };
    Ok(Throwaway { charge, folder, runtime: keeper_dir(&place.runtime, &id), port })
}

fn home_in(folder: &Path) -> crate::openclaw::discovery::Home {
    let mut home = discover(|_| None, folder).remove(0);
    home.id = GatewayId("sandbox".to_owned());
    home
}

fn remove(folder: &Path) -> Result<(), DaemonError> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(DaemonError::NeedsPerson {
            message: format!("the earlier throwaway home {} could not be removed: {error}", folder.display()),
            hints: vec!["remove it by hand".to_owned()],
        }),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Node and OpenClaw: those on PATH, those in the cache, else from npm.
async fn tools(voice: &Rc<Voice>, cache: PathBuf) -> Result<Tools, DaemonError> {
    let path = std::env::var_os("PATH");
    if let Some(tools) = install::find(path.as_deref(), &cache) {
        return Ok(tools);
    }
    voice.account().borrow().say(&format!(
        "Node {} and OpenClaw {} are installed from npm into {} (once, about 850 MB)",
        install::NODE_VERSION,
        install::OPENCLAW_VERSION,
        cache.display()
    ));
    let (progress, mut heard) = mpsc::channel::<Progress>(16);
    let work = tokio::task::spawn_blocking(move || {
        install::install(path.as_deref(), &cache, &mut |step| {
            let _ = progress.try_send(step);
        })
    });
    let mut phase = None;
    while let Some(step) = heard.recv().await {
        let mut account = voice.account().borrow_mut();
        if phase != Some(step.phase) {
            phase = Some(step.phase);
            account.phase(match step.phase {
                Phase::Waiting => "waiting for another installation",
                Phase::Node => "installing Node",
                Phase::OpenClaw => "installing OpenClaw",
            });
        }
        account.detail(&format!("{} MB", step.bytes / 1_000_000));
    }
    let result = work.await;
    let mut account = voice.account().borrow_mut();
    match result {
        Ok(Ok(tools)) => {
            account.done();
            Ok(tools)
        }
        Ok(Err(error)) => {
            account.failed();
            Err(cannot_install(&error))
        }
        Err(_) => Err(DaemonError::Bug { message: "the installation ended unexpectedly".to_owned() }),
    }
}

fn cannot_install(error: &InstallError) -> DaemonError {
    DaemonError::NeedsPerson {
        message: error.to_string(),
        hints: vec!["nothing was left half-done; run the same command again afterwards".to_owned()],
    }
}

impl Throwaway {
    /// Tells where it is and what to try.
    pub fn introduce(&self, voice: &Voice) {
        let account = voice.account().borrow();
        account.say(&format!("A throwaway gateway is coming up at http://127.0.0.1:{}/", self.port));
        account.say(&format!("  its home: {} (removed when you press Ctrl-C)", self.folder.display()));
        if let Some(config::ConfigView { token: Token::Known(_), .. }) =
            config::read(&self.charge.home, |_| None).view.as_ref()
        {
            account.say(&format!("  its token: in {}", self.charge.home.config_path.display()));
        }
        account.say("Try this in another window:");
        account.say("  clawmend status                                         how it is");
        account.say("  kill -9 $(clawmend status --json | jq .gateways[0].incarnation.pid)     crash it");
        account.say("  kill -STOP $(clawmend status --json | jq .gateways[0].incarnation.pid)  freeze it");
        account.say("  clawmend incidents                                      what happened, and what was done");
    }

    /// Ends the gateway in order and removes its home.
    pub async fn end(self, context: &Context, wards: &[(GatewayId, Sender)]) {
        context.voice.account().borrow_mut().phase("stopping the throwaway gateway");
        let Some((_, ward)) = wards.first() else { return };
        let _ = ward.send(News::Evidence(Evidence::Person(Wish::Stop))).await;
        let stopped = async {
            loop {
                let status = super::desk::ask_all(wards).await;
                if status.iter().all(|gateway| gateway.incarnation.is_none()) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        let again = super::told_to_end();
        tokio::select! {
            ended = tokio::time::timeout(END_PATIENCE, stopped) => if ended.is_err() {
                context.voice.account().borrow_mut().failed();
                context.voice.account().borrow().say("it did not end; it goes on under its keeper");
                return;
            },
            () = again => {
                context.voice.account().borrow_mut().failed();
                context.voice.account().borrow().say("left as it is; `clawmend up --sandbox` takes it up again");
                return;
            }
        }
        let (done, heard) = tokio::sync::oneshot::channel();
        let _ = ward.send(News::Dismiss(done)).await;
        let _ = tokio::time::timeout(DISMISS_PATIENCE, heard).await;
        let _ = std::fs::remove_file(self.runtime.join("command.json"));
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            tracing::warn!(%error, "the throwaway home could not be removed");
        }
        context.voice.account().borrow_mut().done();
    }
}
