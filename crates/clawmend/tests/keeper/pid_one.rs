//! The keeper as PID 1 of a container.

use super::lab::{Lab, PATIENCE, PROGRAM, next_end, soon, until};
use clawmend::host::process::incarnation_of;
use clawmend::host::signal::{Signal, send};
use clawmend::keeper::client::{Keeper, KeeperError};
use clawmend::keeper::protocol::{Event, RefusalCode};
use clawmend_core::gateway::Incarnation;
use clawmend_core::observation::Exit;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A PID namespace of its own; `init` is its PID 1.
fn as_pid_one(dir: &Path, guard: &str) -> Option<std::process::Child> {
    let possible = Command::new("unshare").args(["--pid", "--fork", "--mount-proc", "true"]).status();
    if !possible.is_ok_and(|status| status.success()) {
        println!("skipped: a pid namespace needs root and unshare");
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc", PROGRAM, "init"]).arg(dir.join("keeper"));
    Some(command.args(["sh", "-c", guard]).current_dir(dir).spawn().unwrap())
}

/// Stands for the guard: leaves an orphan behind, and notes each of its lives.
const GUARD: &str = "echo life >> LIVES; (sleep 0.1 & ) ; exec sleep 600";

#[tokio::test(flavor = "current_thread")]
async fn as_pid_one_it_reaps_orphans_restarts_the_guard_and_ends_with_the_gateways_status() {
    let mut lab = Lab::new();
    let Some(mut outer) = as_pid_one(lab.dir.path(), GUARD) else { return };
    lab.lives.push(incarnation_of(outer.id()).unwrap());
    let lives = || std::fs::read_to_string(lab.dir.path().join("LIVES")).unwrap_or_default().lines().count();
    until("the guard", || lives() == 1 && lab.keeper_dir().join("keeper.sock").exists()).await;
    let unshare = incarnation_of(outer.id()).unwrap();
    let init = clawmend::host::process::children(&unshare).remove(0);
    for wanted in [2, 3] {
        let guard = guard_below(&init).await;
        send(&guard, Signal::Kill).unwrap();
        until("the next guard", || lives() == wanted).await;
    }
    until("no zombie", || zombies_below(&init) == 0).await;

    let mut keeper = Keeper::connect(&lab.keeper_dir()).await.unwrap();
    let script = "trap 'sleep 0.3; echo drained > DRAINED; exit 42' TERM; echo up; while :; do sleep 0.05; done";
    keeper.spawn(lab.order(1, script)).await.unwrap();
    until("the gateway", || lab.log() == "up\n").await;
    let (_, mut events) = keeper.events().await.unwrap();
    send(&init, Signal::Term).unwrap();
    assert_eq!(soon(events.next()).await.unwrap(), Event::Stopping);
    let refused = keeper.spawn(lab.order(2, "exit 0")).await.unwrap_err();
    assert!(matches!(&refused, KeeperError::Refused(r) if r.code == RefusalCode::Stopping), "{refused}");
    assert_eq!(next_end(&mut events).await.exit, Exit::Code { code: 42 });
    assert!(lab.dir.path().join("DRAINED").exists());
    let status = tokio::task::spawn_blocking(move || outer.wait().unwrap());
    assert_eq!(soon(status).await.unwrap().code(), Some(42));
    assert_eq!(lives(), 3, "no guard is started while it ends");
}

async fn guard_below(init: &Incarnation) -> Incarnation {
    let begun = Instant::now();
    loop {
        let guard = clawmend::host::process::children(init).into_iter().find(|child| {
            std::fs::read(format!("/proc/{}/cmdline", child.pid)).is_ok_and(|line| line.starts_with(b"sleep\x00600"))
        });
        if let Some(guard) = guard {
            return guard;
        }
        assert!(begun.elapsed() < PATIENCE, "no guard");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn zombies_below(init: &Incarnation) -> usize {
    let state = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    clawmend::host::process::children(init).iter().filter(|child| state(child.pid).contains(") Z ")).count()
}
