//! The hook that turns another machine off from outside, and proves it.
//!
//! Invariants: it is run without a shell, with the machine's name and the term as its last two arguments, and with nothing
//! of our environment but `PATH`; only an end with 0 within its time proves anything; one that takes longer, or whose lease
//! is gone, is ended, with all that it started: it is asked again and again, and what hangs must not pile up, and another
//! node may own by then. Whatever hangs, an answer comes.

use super::heard::Heard;
use crate::host::group::end_group;
use crate::host::process::incarnation_of;
use crate::host::trust::{Flaw, flaw_of};
use crate::settings::SharedSettings;
use clawmend_core::failover::lease::{Evidence, NodeId, Term};
use clawmend_core::gateway::Incarnation;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

/// The hook is at work; it is ended with this.
#[derive(Debug)]
pub struct AtWork {
    term: Term,
    task: JoinHandle<()>,
}

impl AtWork {
    /// Nobody waits for it any more: it has ended, or another term counts by now.
    pub fn is_over(&self, term: Option<Term>) -> bool {
        self.task.is_finished() || term != Some(self.term)
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Runs it beside the loop, and tells. `disk`: its permit is held by whoever looks at the hook, for as long as that takes.
pub fn turn_off(
    settings: &SharedSettings,
    (node, term): (NodeId, Term),
    disk: &Arc<Semaphore>,
    heard: mpsc::Sender<Heard>,
) -> AtWork {
    let disk = Arc::clone(disk);
    let hook = settings.fence.clone().zip(settings.name_of(node).map(str::to_owned));
    let task = tokio::task::spawn_local(async move {
        let worked = match hook {
            Some((hook, name)) => {
                let limit = Duration::from_millis(hook.timeout_ms);
                let mut command = tokio::process::Command::new(&hook.program);
                command.args(&hook.arguments).arg(&name).arg(term.0.to_string());
                match tokio::time::timeout(limit, may_run(hook.program, disk)).await {
                    Ok(Ok(())) => proves(command, limit).await,
                    Ok(Err(why)) => Err(why),
                    Err(_) => Err("the disk that it is on does not answer".to_owned()),
                }
            }
            None => Err("there is no hook, or no such machine".to_owned()),
        };
        if let Err(why) = &worked {
            tracing::error!("the hook did not prove that a machine is off: {why}");
        }
        let _ = heard.send(Heard::Evidence(Evidence::TurnedOff { node, term, worked: worked.is_ok() })).await;
    });
    AtWork { term, task }
}

/// One that others can replace turns off what they like, and proves nothing. Where that cannot be seen it is run.
async fn may_run(program: PathBuf, disk: Arc<Semaphore>) -> Result<(), String> {
    let permit = disk.acquire_owned().await.map_err(|error| error.to_string())?;
    let look = move || {
        // One that hangs keeps it, so that no other thread is sent after this one.
        let _permit = permit;
        flaw_of(&program)
    };
    let flaw = tokio::task::spawn_blocking(look).await;
    match flaw {
        Ok(Ok(Some(Flaw::Open { path }))) => {
            Err(format!("others could replace it by way of {}: `chmod go-w` that, or give it to root", path.display()))
        }
        // Whatever else is wrong with it, the system says when it is run.
        Ok(Ok(Some(Flaw::Missing | Flaw::NoFile | Flaw::NotExecutable) | None) | Err(_)) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

async fn proves(mut command: tokio::process::Command, limit: Duration) -> Result<(), String> {
    command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/").kill_on_drop(true);
    #[cfg(unix)]
    command.process_group(0);
    let mut child = command.spawn().map_err(|error| format!("it cannot be run: {error}"))?;
    let mut group = Group(child.id().and_then(incarnation_of));
    match tokio::time::timeout(limit, child.wait()).await {
        Ok(ended) => {
            group.0 = None;
            match ended {
                Ok(status) if status.success() => Ok(()),
                Ok(status) => Err(format!("it ended with {status}")),
                Err(error) => Err(error.to_string()),
            }
        }
        // One that the kernel does not let go is not waited for.
        Err(_) => Err(format!("it took longer than {} ms", limit.as_millis())),
    }
}

/// The hook and all that it has started, ended with this.
struct Group(Option<Incarnation>);

impl Drop for Group {
    fn drop(&mut self) {
        let Some(life) = self.0.take() else { return };
        let beside = life.clone();
        // It reads the whole process table. Where there is no thread for that, it is done here.
        if std::thread::Builder::new().spawn(move || end_group(&beside)).is_err() {
            end_group(&life);
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn shell(script: &str) -> tokio::process::Command {
        let mut command = tokio::process::Command::new("/bin/sh");
        command.args(["-c", script, "hook", "alpha", "7"]);
        command
    }

    #[tokio::test(flavor = "current_thread")]
    async fn only_an_end_with_zero_in_time_is_a_proof() {
        let long = Duration::from_secs(60);
        proves(shell("test \"$1 $2\" = 'alpha 7' && test -z \"$HOME\""), long).await.unwrap();
        assert!(proves(shell("exit 1"), long).await.is_err());
        assert!(proves(shell("kill -9 $$"), long).await.is_err());
        assert!(proves(shell("exec sleep 600"), Duration::from_millis(200)).await.unwrap_err().contains("longer"));
        assert!(proves(tokio::process::Command::new("/nowhere"), long).await.unwrap_err().contains("cannot be run"));
    }

    /// What it started in the background, once that has written down its number.
    async fn started(note: &std::path::Path) -> Incarnation {
        let begun = std::time::Instant::now();
        loop {
            let pid = std::fs::read_to_string(note).ok().filter(|text| text.ends_with('\n'));
            if let Some(pid) = pid.and_then(|text| text.trim().parse().ok()) {
                return incarnation_of(pid).unwrap();
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "it started nothing");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn ends(life: &Incarnation) {
        let begun = std::time::Instant::now();
        while crate::host::process::is_alive(life) {
            assert!(begun.elapsed() < Duration::from_secs(60), "what the hook started lives on");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn one_that_takes_too_long_is_ended_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let note = folder.path().join("pid");
        let script = format!("sleep 600 & echo $! > '{}'; wait", note.display());
        let (hung, life) = tokio::join!(proves(shell(&script), Duration::from_secs(5)), started(&note));
        assert!(hung.unwrap_err().contains("longer"));
        ends(&life).await;
    }

    /// The machine may be the rightful owner by then.
    #[tokio::test(flavor = "current_thread")]
    async fn one_whose_lease_is_gone_is_ended_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let note = folder.path().join("pid");
        let script = format!("sleep 600 & echo $! > '{}'; wait", note.display());
        tokio::task::LocalSet::new()
            .run_until(async {
                let task = tokio::task::spawn_local(async move {
                    drop(proves(shell(&script), Duration::from_secs(600)).await);
                });
                let hook = AtWork { term: Term(7), task };
                let life = started(&note).await;
                assert!(!hook.is_over(Some(Term(7))));
                assert!(hook.is_over(Some(Term(8))) && hook.is_over(None));
                drop(hook);
                ends(&life).await;
            })
            .await;
    }
}
