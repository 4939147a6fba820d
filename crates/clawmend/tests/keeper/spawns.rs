//! What is spawned, once, and with what it is given.

use super::lab::{Lab, state_when, until};
use clawmend::host::signal::{Signal, send};
use clawmend::keeper::client::KeeperError;
use clawmend::keeper::protocol::RefusalCode;

#[tokio::test(flavor = "current_thread")]
async fn a_repeated_directive_never_spawns_twice() {
    let mut lab = Lab::new();
    let mut keeper = lab.keeper().await;
    let marks = lab.dir.path().join("marks");
    let script = format!("echo x >> {}; exec sleep 600", marks.display());
    let first = lab.spawn(&mut keeper, 5, &script).await;
    assert_eq!(lab.spawn(&mut keeper, 5, &script).await, first);
    let mut other_guard = lab.keeper().await;
    assert_eq!(lab.spawn(&mut other_guard, 5, &script).await, first);
    let refused = other_guard.spawn(lab.order(6, &script)).await.unwrap_err();
    let KeeperError::Refused(refusal) = refused else { panic!("{refused}") };
    assert_eq!((refusal.code, refusal.child), (RefusalCode::Busy, Some(Box::new(first.clone()))));

    send(&first.incarnation, Signal::Kill).unwrap();
    state_when(&mut keeper, |state| state.child.is_none()).await;
    assert_eq!(lab.spawn(&mut keeper, 5, &script).await, first, "also after its end");
    assert!(keeper.hello().await.unwrap().child.is_none());
    assert_eq!(std::fs::read_to_string(marks).unwrap(), "x\n");
}

#[tokio::test(flavor = "current_thread")]
async fn a_program_that_is_not_there_needs_a_person() {
    let mut lab = Lab::new();
    let mut keeper = lab.keeper().await;
    let mut order = lab.order(1, "");
    order.argv = vec!["/no/such/program".into()];
    let refused = keeper.spawn(order).await.unwrap_err();
    assert!(matches!(&refused, KeeperError::Refused(refusal) if refusal.code == RefusalCode::CannotRun), "{refused}");
    assert!(keeper.hello().await.unwrap().child.is_none());
}

#[tokio::test(flavor = "current_thread")]
async fn what_a_starter_left_open_does_not_reach_the_gateway() {
    let mut lab = Lab::new();
    // A descriptor without close-on-exec, as a careless starter leaves it: the shell passes it on.
    let mark = lab.dir.path().join("left-open");
    let script = format!(
        "exec 9>{}; exec {} keeper --dir {}",
        mark.display(),
        env!("CARGO_BIN_EXE_clawmend"),
        lab.keeper_dir().display()
    );
    let mut starter = std::process::Command::new("sh").args(["-c", &script]).spawn().unwrap();
    until("the keeper", || lab.keeper_dir().join("keeper.sock").exists()).await;
    let mut keeper = lab.keeper().await;
    let spawned = lab.spawn(&mut keeper, 1, "exec sleep 600").await;
    let holds = |pid: u32| {
        let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
        fds.filter_map(|fd| std::fs::read_link(fd.path()).ok()).any(|target| target == mark)
    };
    assert!(holds(starter.id()), "the keeper itself was given it");
    assert!(!holds(spawned.incarnation.pid), "the gateway was given it, too");
    starter.kill().unwrap();
    starter.wait().unwrap();
}
