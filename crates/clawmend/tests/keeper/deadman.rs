//! The deadman: the whole gateway ends at its moment, whatever became of the guard, and nothing starts after it.

use super::lab::{Lab, PATIENCE, PROGRAM, next_end, soon, state_when, until};
use clawmend::host::clock;
use clawmend::host::process::{incarnation_of, is_alive};
use clawmend::host::signal::{Signal, send};
use clawmend::keeper::client::{Keeper, KeeperError};
use clawmend::keeper::protocol::{Killed, RefusalCode, SpawnOrder, State};
use clawmend_core::failover::lease::{Fenced, Figures, Term};
use clawmend_core::gateway::Incarnation;
use clawmend_core::observation::Exit;
use clawmend_core::time::Moment;
use clawmend_testkit::lab::{Tracer, skipped};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// A gateway that does not want to end: it and its children ignore SIGTERM (and SIGHUP, which the kernel sends when the
/// keeper of a stopped process dies); one has a session of its own, with a child; one is an orphan that forgot its
/// environment, in a session of its own; one is stopped.
const STUBBORN: &str = r#"trap '' TERM HUP
    setsid sh -c 'sleep 600 & echo $! >> PIDS; echo $$ >> PIDS; wait' &
    (setsid env -i /bin/sh -c 'echo $$ >> PIDS; exec sleep 600' &)
    sh -c 'echo $$ >> PIDS; kill -STOP $$; exec sleep 600' &
    echo $$ >> PIDS
    while :; do wait; sleep 1; done"#;
const STUBBORN_PROCESSES: usize = 5;

fn now() -> Moment {
    clock::now().mono
}

fn fenced(term: u64, until: Moment) -> Fenced {
    Fenced { term: Term(term), until }
}

fn refusal<T: std::fmt::Debug>(outcome: Result<T, KeeperError>) -> RefusalCode {
    match outcome {
        Err(KeeperError::Refused(refusal)) => refusal.code,
        other => panic!("not refused: {other:?}"),
    }
}

/// All processes of the stubborn gateway.
async fn family(lab: &mut Lab) -> Vec<Incarnation> {
    let path = lab.dir.path().join("PIDS");
    let read = || -> Vec<u32> {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    };
    until("the whole family", || read().len() == STUBBORN_PROCESSES).await;
    let lives: Vec<Incarnation> = read().into_iter().map(|pid| incarnation_of(pid).unwrap()).collect();
    lab.lives.extend(lives.clone());
    lives
}

/// Not even as one who has ended and waits to be reaped, which is for its new parent to do.
fn runs(life: &Incarnation) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", life.pid)).unwrap_or_default();
    is_alive(life) && !stat.contains(") Z ")
}

async fn gone(family: &[Incarnation]) {
    until("everybody's end", || !family.iter().any(runs)).await;
}

/// When it struck and when nothing was left, in milliseconds after its moment.
fn lateness(state: &State) -> (u64, u64) {
    let deadman = state.deadman.unwrap();
    let struck = deadman.struck.unwrap();
    assert!(struck.at_ms >= deadman.until_ms, "never early: {deadman:?}");
    (struck.at_ms - deadman.until_ms, struck.over_ms.unwrap() - deadman.until_ms)
}

fn is_over(state: &State) -> bool {
    state.deadman.and_then(|deadman| deadman.struck).is_some_and(|struck| struck.over_ms.is_some())
}

/// Is the guard of the tests below, in a process of its own: arms the deadman again and again.
#[tokio::test(flavor = "current_thread")]
#[ignore = "other tests start it as a process"]
async fn a_guard() {
    let dir = PathBuf::from(std::env::var("KEEPER_DIR").unwrap());
    let mut keeper = Keeper::connect(&dir).await.unwrap();
    loop {
        keeper.arm(fenced(7, now().plus(1_500))).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "current_thread")]
async fn with_a_killed_or_a_frozen_guard_the_whole_gateway_ends_at_its_moment() {
    for signal in [Signal::Kill, Signal::Stop] {
        let mut lab = Lab::new();
        let mut keeper = lab.keeper().await;
        let mut guard = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "deadman::a_guard", "--ignored"])
            .env("KEEPER_DIR", lab.keeper_dir())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let guard_life = incarnation_of(guard.id()).unwrap();
        lab.lives.push(guard_life.clone());
        let first = state_when(&mut keeper, |state| state.deadman.is_some()).await.fenced().unwrap();
        let (_, mut events) = keeper.events().await.unwrap();
        let order = SpawnOrder { not_after_ms: Some(now().plus(60_000).0), ..lab.order(1, STUBBORN) };
        let spawned = keeper.spawn(order).await.unwrap();
        let lives = family(&mut lab).await;
        assert!(lives.contains(&spawned.incarnation));
        // It lives on beyond the first moment, because the guard does.
        let renewed = state_when(&mut keeper, |_| now() > first.until.plus(200)).await;
        assert_eq!(renewed.child.as_ref().map(|child| &child.incarnation), Some(&spawned.incarnation));

        send(&guard_life, signal).unwrap();
        let ended = next_end(&mut events).await;
        assert_eq!(ended.incarnation, spawned.incarnation);
        assert_eq!((ended.exit, ended.deadman), (Exit::Signal { signal: 9, core: false }, Some(7)));
        let state = state_when(&mut keeper, is_over).await;
        gone(&lives).await;
        let (struck, over) = lateness(&state);
        println!("guard {signal:?}: struck {struck} ms after its moment, nothing left after {over} ms");
        assert!(over < Figures::fast().kill_ms, "{over} ms");
        assert_eq!(state.exits.last().and_then(|ended| ended.deadman), Some(7), "kept for the next guard");
        assert_eq!(refusal(keeper.spawn(lab.order(2, "exec sleep 600")).await), RefusalCode::Fenced);
        guard.kill().unwrap();
        guard.wait().unwrap();
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_later_moment_extends_and_what_is_asked_for_in_another_order_does_not() {
    let mut lab = Lab::new();
    let mut keeper = lab.keeper().await;
    let first = now().plus(1_000);
    let last = now().plus(3_000);
    assert_eq!(keeper.arm(fenced(4, first)).await.unwrap(), fenced(4, first));
    let spawned = lab.spawn(&mut keeper, 1, "exec sleep 600").await;
    assert_eq!(keeper.arm(fenced(5, last)).await.unwrap(), fenced(5, last));
    let refused = [fenced(4, last.plus(9_000)), fenced(5, first), fenced(6, now()), fenced(6, Moment(0))];
    for wrong in refused.into_iter().chain([fenced(6, Moment(u64::MAX))]) {
        assert_eq!(refusal(keeper.arm(wrong).await), RefusalCode::NotArmed, "{wrong:?}");
    }
    assert_eq!(refusal(keeper.disarm(Term(5)).await), RefusalCode::NotArmed, "it runs");
    assert_eq!(keeper.hello().await.unwrap().fenced(), Some(fenced(5, last)));
    let state = state_when(&mut keeper, |state| state.child.is_none()).await;
    assert!(now() >= last);
    assert_eq!(state.exits[0].deadman, Some(5));
    assert!(!is_alive(&spawned.incarnation));
    state_when(&mut keeper, is_over).await;

    // The next lease of this node.
    assert_eq!(refusal(keeper.arm(fenced(4, now().plus(60_000))).await), RefusalCode::NotArmed);
    keeper.arm(fenced(6, now().plus(60_000))).await.unwrap();
    let next = lab.spawn(&mut keeper, 2, "exec sleep 600").await;
    send(&next.incarnation, Signal::Kill).unwrap();
    let state = state_when(&mut keeper, |state| state.child.is_none()).await;
    assert_eq!(state.exits[1].deadman, None, "not its doing");
    assert_eq!(refusal(keeper.disarm(Term(5)).await), RefusalCode::NotArmed);
    keeper.disarm(Term(6)).await.unwrap();
    assert_eq!(keeper.hello().await.unwrap().fenced(), None);
    lab.spawn(&mut keeper, 3, "exec sleep 600").await;
}

#[tokio::test(flavor = "current_thread")]
async fn nothing_starts_too_late_or_without_a_deadman() {
    let mut lab = Lab::new();
    let mut keeper = lab.keeper().await;
    let mark = lab.dir.path().join("STARTED");
    let start = |directive: u64, not_after: Moment| SpawnOrder {
        not_after_ms: Some(not_after.0),
        ..lab.order(directive, "echo x >> STARTED; exec sleep 600")
    };
    let (soon, later) = (now().plus(500), now().plus(60_000));
    assert_eq!(refusal(keeper.spawn(start(1, later)).await), RefusalCode::Fenced, "nothing would end it");
    keeper.arm(fenced(1, soon)).await.unwrap();
    assert_eq!(refusal(keeper.spawn(start(2, now())).await), RefusalCode::Fenced, "its own limit");
    state_when(&mut keeper, |_| now() >= soon).await;
    assert_eq!(refusal(keeper.spawn(start(3, later)).await), RefusalCode::Fenced, "the deadman's moment");
    assert_eq!(refusal(keeper.spawn(lab.order(4, "echo x >> STARTED")).await), RefusalCode::Fenced);
    assert!(!mark.exists());
    state_when(&mut keeper, is_over).await;
    keeper.arm(fenced(1, later)).await.unwrap();
    // A refused directive was not carried out, and may come again.
    let spawned = keeper.spawn(start(3, later)).await.unwrap();
    lab.lives.push(spawned.incarnation);
    until("the start", || mark.exists()).await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_killed_keepers_successor_ends_the_gateway_at_the_same_moment_or_at_once_when_it_has_passed() {
    for in_time in [true, false] {
        let mut lab = Lab::new();
        let mut keeper = lab.keeper().await;
        let first = incarnation_of(keeper.hello().await.unwrap().pid).unwrap();
        let moment = now().plus(2_500);
        keeper.arm(fenced(3, moment)).await.unwrap();
        lab.spawn(&mut keeper, 1, STUBBORN).await;
        let mut lives = family(&mut lab).await;
        send(&first, Signal::Kill).unwrap();
        until("the keeper's end", || !is_alive(&first)).await;
        if !in_time {
            until("the moment", || now() >= moment).await;
            assert!(lives.iter().all(runs), "nobody was there to end it");
        }
        let mut keeper = lab.keeper().await;
        assert_eq!(keeper.hello().await.unwrap().fenced(), Some(fenced(3, moment)));
        let state = state_when(&mut keeper, is_over).await;
        assert_eq!(state.exits.last().map(|ended| (ended.exit, ended.deadman)), Some((Exit::Unknown, Some(3))));
        // Nothing proves any more whose child the one without environment was: its parents and keeper are gone.
        let before = lives.len();
        lives.retain(runs);
        println!("in time: {in_time}; {:?} ms after its moment; {} of {before} left", lateness(&state), lives.len());
        assert!(lives.len() <= 1, "{lives:?}");
        let environ = |life: &Incarnation| std::fs::read_to_string(format!("/proc/{}/environ", life.pid)).unwrap();
        assert!(lives.iter().all(|life| !environ(life).contains("CLAWMEND_NONCE")));
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_keeper_that_slept_through_the_moment_ends_the_gateway_before_it_reads_what_was_sent_meanwhile() {
    let mut lab = Lab::new();
    let mut keeper = lab.keeper().await;
    let itself = incarnation_of(keeper.hello().await.unwrap().pid).unwrap();
    let moment = now().plus(1_000);
    keeper.arm(fenced(3, moment)).await.unwrap();
    let spawned = lab.spawn(&mut keeper, 1, "exec sleep 600").await;
    send(&itself, Signal::Stop).unwrap();
    let mut late = UnixStream::connect(lab.keeper_dir().join("keeper.sock")).unwrap();
    late.set_read_timeout(Some(PATIENCE)).unwrap();
    let until_ms = now().plus(60_000).0;
    writeln!(late, "{{\"v\":1,\"id\":1,\"do\":\"arm\",\"term\":3,\"until_ms\":{until_ms}}}").unwrap();
    until("the moment", || now() >= moment).await;
    assert!(is_alive(&spawned.incarnation), "a keeper that is frozen alone fences nobody");
    send(&itself, Signal::Cont).unwrap();
    let state = state_when(&mut keeper, |state| state.child.is_none()).await;
    assert_eq!(state.exits[0].deadman, Some(3));
    let mut answer = [0; 512];
    assert!(late.read(&mut answer).unwrap() > 0);
}

#[tokio::test(flavor = "current_thread")]
async fn a_guards_own_kill_ends_the_whole_gateway_and_says_when_nothing_is_left() {
    let mut lab = Lab::new();
    let mut keeper = lab.keeper().await;
    assert_eq!(keeper.kill().await.unwrap(), Killed { left: 0 });
    keeper.arm(fenced(2, now().plus(60_000))).await.unwrap();
    let spawned = lab.spawn(&mut keeper, 1, STUBBORN).await;
    let lives = family(&mut lab).await;
    let begun = Instant::now();
    while (keeper.kill().await.unwrap().left, keeper.hello().await.unwrap().child.is_none()) != (0, true) {
        assert!(begun.elapsed() < PATIENCE);
    }
    println!("nothing left {:?} after the request", begun.elapsed());
    // The last of them may not be reaped yet.
    gone(&lives).await;
    let state = keeper.hello().await.unwrap();
    assert_eq!(state.exits[0].incarnation, spawned.incarnation);
    assert_eq!((state.exits[0].deadman, state.deadman.unwrap().struck), (None, None), "it was the guard");
    lab.spawn(&mut keeper, 2, "exec sleep 600").await;
}

#[tokio::test(flavor = "current_thread")]
async fn garbage_arms_nothing_and_an_escaped_child_may_not_speak() {
    let mut lab = Lab::new();
    let mut keeper = lab.keeper().await;
    keeper.arm(fenced(9, now().plus(60_000))).await.unwrap();
    let mut stream = UnixStream::connect(lab.keeper_dir().join("keeper.sock")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let bodies = [r#""term":-1,"until_ms":1"#, r#""term":9"#, r#""term":"9","until_ms":1e99"#, r#""until_ms":null"#];
    for (id, body) in bodies.iter().enumerate() {
        writeln!(stream, "{{\"v\":1,\"id\":{id},\"do\":\"arm\",{body}}}").unwrap();
    }
    let mut text = String::new();
    let mut chunk = [0; 4096];
    while text.lines().count() < bodies.len() {
        let length = stream.read(&mut chunk).unwrap();
        text.push_str(&String::from_utf8_lossy(&chunk[..length]));
    }
    assert_eq!(text.matches("bad_request").count(), bodies.len(), "{text}");
    assert_eq!(keeper.hello().await.unwrap().deadman.unwrap().term, 9);

    if Command::new("python3").arg("--version").output().is_err() {
        println!("skipped: no python3");
        return;
    }
    let socket = lab.keeper_dir().join("keeper.sock");
    let speaks = format!(
        "import os,socket\nparent = os.getppid()\ns=socket.socket(socket.AF_UNIX)\ns.connect('{}')\n\
         s.sendall(b'{{\"v\":1,\"id\":1,\"do\":\"hello\"}}\\n')\nprint(parent, 'got', len(s.recv(10)))\n",
        socket.display()
    );
    std::fs::write(lab.dir.path().join("speaks.py"), speaks).unwrap();
    // An orphan without the gateway's environment, in a session of its own.
    let escaped = "sleep 0.3; python3 speaks.py > OUT 2>&1; echo over > OVER";
    let script = format!("(setsid env -i PATH=$PATH sh -c '{escaped}' &) ; exec sleep 600");
    lab.spawn(&mut keeper, 1, &script).await;
    until("the attempt", || lab.dir.path().join("OVER").exists()).await;
    let out = std::fs::read_to_string(lab.dir.path().join("OUT")).unwrap();
    assert!(out.contains("got 0") || out.contains("BrokenPipe") || out.contains("ConnectionReset"), "{out}");
    soon(keeper.kill()).await.unwrap();
}

/// Such as a network's folder that is gone, or a disk that is frozen for a backup.
#[tokio::test(flavor = "current_thread")]
async fn a_log_that_hangs_holds_up_neither_the_deadman_nor_who_arms_it() {
    let name = "a keeper whose log hangs";
    if let Err(reason) = Tracer::available() {
        return skipped(name, &reason);
    }
    let mut lab = Lab::new();
    let mut keeper = lab.keeper().await;
    keeper.arm(fenced(1, now().plus(120_000))).await.unwrap();
    let script = "while :; do echo more; sleep 0.05; done";
    lab.spawn(&mut keeper, 1, script).await;
    until("its first lines", || !lab.log().is_empty()).await;
    let pid = keeper.hello().await.unwrap().pid;
    let held = Tracer::hold_writes(pid, &lab.dir.path().join("log/gateway.log"), 3 * PATIENCE).unwrap();
    let hangs = || {
        let before = lab.log().len();
        std::thread::sleep(Duration::from_millis(500));
        before == lab.log().len()
    };
    until("the log to hang", hangs).await;
    let moment = now().plus(1_000);
    soon(keeper.arm(fenced(2, moment))).await.unwrap();
    let state = soon(state_when(&mut keeper, is_over)).await;
    println!("struck and over {:?} ms after its moment", lateness(&state));
    drop(held);
}

/// A kernel or a sandbox without `pidfd_open`: a deadman that is said to be armed there would end nobody.
#[tokio::test(flavor = "current_thread")]
async fn where_no_process_can_be_proven_nothing_is_armed() {
    let name = "a keeper that can prove nothing";
    if let Err(reason) = Tracer::available() {
        return skipped(name, &reason);
    }
    let mut lab = Lab::new();
    let inject = ["-e", "trace=pidfd_open", "-e", "inject=pidfd_open:error=ENOSYS"];
    let mut command = Command::new("strace");
    command
        .args(["-f", "-qq", "-o", "/dev/null"])
        .args(inject)
        .args([PROGRAM, "keeper", "--dir"])
        .arg(lab.keeper_dir());
    let mut tracer = Traced(command.stdout(std::process::Stdio::null()).spawn().unwrap());
    let begun = Instant::now();
    let mut keeper = loop {
        if let Ok(keeper) = Keeper::connect(&lab.keeper_dir()).await {
            break keeper;
        }
        assert!(tracer.0.try_wait().unwrap().is_none(), "the keeper has ended");
        assert!(begun.elapsed() < PATIENCE, "no keeper");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let state = keeper.hello().await.unwrap();
    lab.lives.push(incarnation_of(state.pid).unwrap());
    let armed = keeper.arm(fenced(1, now().plus(60_000))).await;
    send(&incarnation_of(state.pid).unwrap(), Signal::Kill).unwrap();
    // It ends with whom it traces.
    tracer.0.wait().unwrap();
    assert_eq!(state.capabilities, Vec::<String>::new());
    assert_eq!(refusal(armed), RefusalCode::NotArmed);
}

/// A tracer of the test's own; SIGTERM has it end whom it started.
struct Traced(std::process::Child);

impl Drop for Traced {
    fn drop(&mut self) {
        if let Some(life) = incarnation_of(self.0.id()) {
            drop(send(&life, Signal::Term));
        }
        drop(self.0.wait());
    }
}
