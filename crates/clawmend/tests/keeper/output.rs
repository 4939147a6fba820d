//! What the child writes: it never waits and never breaks, whatever becomes of guard, log or keeper.

use super::lab::{Lab, next_end, state_when, until};
use clawmend::host::process::{incarnation_of, is_alive};
use clawmend::host::signal::{Signal, send};
use clawmend::keeper::protocol::AdoptOrder;
use clawmend_core::observation::Exit;
use std::process::Command;
use std::time::Duration;

#[tokio::test(flavor = "current_thread")]
async fn output_flows_for_megabytes_while_no_guard_is_connected() {
    let mut lab = Lab::new();
    let mut keeper = lab.keeper().await;
    let spawned = lab.spawn(&mut keeper, 1, "head -c 8000000 /dev/zero | tr '\\0' 'x'; echo; echo done >&2").await;
    drop(keeper);
    until("the child's end", || !is_alive(&spawned.incarnation)).await;
    let mut keeper = lab.keeper().await;
    let state = state_when(&mut keeper, |state| !state.exits.is_empty()).await;
    assert_eq!(state.exits[0].exit, Exit::Code { code: 0 });
    assert_eq!(keeper.tail(5).await.unwrap(), "done\n");
    until("the log", || lab.log().len() == 8_000_006).await;
    assert_eq!(state.dropped_lines, 0);
}

/// One line after another, each acknowledged by a mark that does not depend on the log.
const CHATTY: &str =
    "i=0; while [ $i -lt 200 ]; do echo line $i || exit 99; i=$((i+1)); done; echo end > MARK; exec sleep 600";

#[tokio::test(flavor = "current_thread")]
async fn a_removed_log_folder_harms_nobody_and_comes_back() {
    let mut lab = Lab::new();
    let mut keeper = lab.keeper().await;
    let script = format!("echo first; while [ ! -e GO ]; do sleep 0.01; done; {CHATTY}");
    let spawned = lab.spawn(&mut keeper, 1, &script).await;
    until("the first line", || lab.log() == "first\n").await;
    std::fs::remove_dir_all(lab.dir.path().join("log")).unwrap();
    // The keeper looks after its log once a second.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    std::fs::write(lab.dir.path().join("GO"), "").unwrap();
    until("all lines", || lab.dir.path().join("MARK").exists()).await;
    until("the new log", || lab.log().ends_with("line 199\n")).await;
    assert!(is_alive(&spawned.incarnation));
}

#[tokio::test(flavor = "current_thread")]
async fn a_full_disk_costs_lines_and_nothing_else() {
    let mut lab = Lab::new();
    let log = lab.dir.path().join("log");
    std::fs::create_dir(&log).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4k", "tmpfs"]).arg(&log).output();
    if !mounted.is_ok_and(|done| done.status.success()) {
        println!("skipped: a tiny file system can only be mounted by root");
        return;
    }
    let mut keeper = lab.keeper().await;
    let script = format!("head -c 100000 /dev/zero | tr '\\0' 'y'; {CHATTY}");
    let spawned = lab.spawn(&mut keeper, 1, &script).await;
    until("all lines", || lab.dir.path().join("MARK").exists()).await;
    let state = state_when(&mut keeper, |state| state.dropped_lines > 100).await;
    assert_eq!(state.child.unwrap().incarnation, spawned.incarnation);
    assert!(keeper.tail(100).await.unwrap().ends_with("line 199\n"));
    send(&spawned.incarnation, Signal::Kill).unwrap();
    state_when(&mut keeper, |state| state.child.is_none()).await;
    keeper.quit().await.unwrap();
    let keeper_life = lab.lives[0].clone();
    until("the keeper's end", || !is_alive(&keeper_life)).await;
    assert!(Command::new("umount").arg(&log).status().unwrap().success());
}

#[tokio::test(flavor = "current_thread")]
async fn a_killed_keeper_breaks_no_pipe_and_its_successor_goes_on() {
    for by_record in [true, false] {
        let mut lab = Lab::new();
        let mut keeper = lab.keeper().await;
        // A failed write ends the child with 99, SIGPIPE with a signal.
        let script = "trap 'exit 55' TERM; i=0; while :; do echo line $i || exit 99; i=$((i+1)); \
            [ -e FAST ] || sleep 0.01; [ $i -ge 3000 ] && echo end > MARK; done";
        let spawned = lab.spawn(&mut keeper, 9, script).await;
        let first = incarnation_of(keeper.hello().await.unwrap().pid).unwrap();
        send(&first, Signal::Kill).unwrap();
        until("the keeper's end", || !is_alive(&first)).await;
        // 3000 lines fit into the FIFO: the child goes on while nobody reads.
        std::fs::write(lab.dir.path().join("FAST"), "").unwrap();
        until("lines without a reader", || lab.dir.path().join("MARK").exists()).await;
        std::fs::remove_file(lab.dir.path().join("FAST")).unwrap();
        if !by_record {
            // Neither record nor the FIFO's name are needed when the guard knows.
            std::fs::remove_file(lab.keeper_dir().join("state.json")).unwrap();
            std::fs::remove_file(lab.keeper_dir().join("output.fifo")).unwrap();
        }

        let mut keeper = lab.keeper().await;
        let order = AdoptOrder {
            incarnation: spawned.incarnation.clone(),
            nonce: spawned.nonce.clone(),
            directive: spawned.directive,
            log_dir: lab.dir.path().join("log"),
        };
        let adopted = keeper.adopt(order).await.unwrap();
        assert!(adopted.adopted);
        assert_eq!(adopted.incarnation, spawned.incarnation);
        assert_eq!(keeper.spawn(lab.order(9, "exit 1")).await.unwrap().incarnation, spawned.incarnation);
        let (_, mut events) = keeper.events().await.unwrap();
        until("old and new lines in the log", || {
            lab.log().contains("line 2999\n") && lab.log().contains("line 3010\n")
        })
        .await;
        assert!(is_alive(&spawned.incarnation));
        send(&spawned.incarnation, Signal::Kill).unwrap();
        let ended = next_end(&mut events).await;
        assert_eq!((ended.incarnation, ended.exit), (spawned.incarnation, Exit::Unknown));
        assert_eq!(ended.nonce, lab.nonce(9));
    }
}
