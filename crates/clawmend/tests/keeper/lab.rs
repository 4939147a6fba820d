//! The frame: a folder with a keeper in it, and bounded waits.

use clawmend::host::process::incarnation_of;
use clawmend::host::signal::{Signal, send};
use clawmend::keeper::client::{Events, Keeper};
use clawmend::keeper::protocol::{Ended, Event, SpawnOrder, Spawned, State};
use clawmend_core::gateway::Incarnation;
use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_clawmend");

pub const PATIENCE: Duration = Duration::from_secs(20);

/// A folder with a keeper; what still lives in it is ended at the end of the test, by its proven identity.
pub struct Lab {
    pub dir: TempDir,
    pub lives: Vec<Incarnation>,
}

impl Lab {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), lives: Vec::new() }
    }

    pub fn keeper_dir(&self) -> PathBuf {
        self.dir.path().join("keeper")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log/gateway.log")).unwrap_or_default()
    }

    pub async fn keeper(&mut self) -> Keeper {
        let mut keeper = Keeper::start_program(Path::new(PROGRAM), &self.keeper_dir()).await.unwrap();
        let pid = keeper.hello().await.unwrap().pid;
        self.lives.push(incarnation_of(pid).unwrap());
        keeper
    }

    /// Nobody else has it, as in real life: whoever carries it is ended with the gateway.
    pub fn nonce(&self, directive: u64) -> String {
        format!("nonce-{directive} of {}", self.dir.path().display())
    }

    pub fn order(&self, directive: u64, script: &str) -> SpawnOrder {
        SpawnOrder {
            directive,
            nonce: self.nonce(directive),
            argv: vec!["sh".into(), "-c".into(), script.into()],
            env: BTreeMap::new(),
            env_remove: Vec::new(),
            cwd: self.dir.path().into(),
            log_dir: self.dir.path().join("log"),
            not_after_ms: None,
            mute: false,
        }
    }

    pub async fn spawn(&mut self, keeper: &mut Keeper, directive: u64, script: &str) -> Spawned {
        let spawned = keeper.spawn(self.order(directive, script)).await.unwrap();
        self.lives.push(spawned.incarnation.clone());
        spawned
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for life in self.lives.iter().rev() {
            drop(send(life, Signal::Kill));
        }
    }
}

pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("in time")
}

pub async fn next_end(events: &mut Events) -> Ended {
    loop {
        if let Event::Exited(ended) = soon(events.next()).await.unwrap() {
            return ended;
        }
    }
}

/// Asks the keeper until its state is as wanted.
pub async fn state_when(keeper: &mut Keeper, holds: impl Fn(&State) -> bool) -> State {
    let begun = Instant::now();
    loop {
        let state = keeper.hello().await.unwrap();
        if holds(&state) {
            return state;
        }
        assert!(begun.elapsed() < PATIENCE, "not reached: {state:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub async fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "not reached: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
