//! The keeper, with real processes that are really killed.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs)]

use clawmend::host::process::{incarnation_of, is_alive};
use clawmend::host::signal::{Signal, send};
use clawmend::keeper::client::{Events, Keeper, KeeperError};
use clawmend::keeper::protocol::{AdoptOrder, Ended, Event, RefusalCode, SpawnOrder, Spawned, State};
use clawmend_core::gateway::Incarnation;
use clawmend_core::observation::Exit;
use std::collections::BTreeMap;
use std::future::Future;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_clawmend");
const PATIENCE: Duration = Duration::from_secs(20);

/// A folder with a keeper; what still lives in it is ended at the end of the test, by its proven identity.
struct Lab {
    dir: TempDir,
    lives: Vec<Incarnation>,
}

impl Lab {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), lives: Vec::new() }
    }

    fn keeper_dir(&self) -> PathBuf {
        self.dir.path().join("keeper")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log/gateway.log")).unwrap_or_default()
    }

    async fn keeper(&mut self) -> Keeper {
        let mut keeper = Keeper::start_program(Path::new(PROGRAM), &self.keeper_dir()).await.unwrap();
        let pid = keeper.hello().await.unwrap().pid;
        self.lives.push(incarnation_of(pid).unwrap());
        keeper
    }

    fn order(&self, directive: u64, script: &str) -> SpawnOrder {
        SpawnOrder {
            directive,
            nonce: format!("nonce-{directive}"),
            argv: vec!["sh".into(), "-c".into(), script.into()],
            env: BTreeMap::new(),
            env_remove: Vec::new(),
            cwd: self.dir.path().into(),
            log_dir: self.dir.path().join("log"),
        }
    }

    async fn spawn(&mut self, keeper: &mut Keeper, directive: u64, script: &str) -> Spawned {
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

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("in time")
}

async fn next_end(events: &mut Events) -> Ended {
    loop {
        if let Event::Exited(ended) = soon(events.next()).await.unwrap() {
            return ended;
        }
    }
}

/// Asks the keeper until its state is as wanted.
async fn state_when(keeper: &mut Keeper, holds: impl Fn(&State) -> bool) -> State {
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

async fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "not reached: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "current_thread")]
async fn an_exit_is_kept_until_it_is_acknowledged_also_without_any_guard() {
    let mut lab = Lab::new();
    let mut keeper = lab.keeper().await;
    let spawned = lab.spawn(&mut keeper, 1, "sleep 0.2; exit 7").await;
    drop(keeper);
    until("the child's end", || !is_alive(&spawned.incarnation)).await;

    let mut keeper = lab.keeper().await;
    let state = state_when(&mut keeper, |state| state.child.is_none()).await;
    assert_eq!(state.exits.len(), 1);
    assert_eq!(state.exits[0].exit, Exit::Code { code: 7 });
    assert_eq!(state.exits[0].nonce, "nonce-1");
    keeper.ack(&spawned.incarnation).await.unwrap();
    assert!(keeper.hello().await.unwrap().exits.is_empty());
    keeper.quit().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn an_end_is_recorded_for_a_successor_unasked_and_the_next_child_is_timed_from_it() {
    let mut lab = Lab::new();
    let mut keeper = lab.keeper().await;
    let first = lab.spawn(&mut keeper, 1, "sleep 0.1; exit 7").await;
    assert_eq!(first.after_end_us, None);
    let record = lab.keeper_dir().join("state.json");
    let recorded = || -> Option<bool> {
        let record: serde_json::Value = serde_json::from_slice(&std::fs::read(&record).ok()?).ok()?;
        Some(record["exits"][0]["nonce"] == "nonce-1" && record["child"].is_null())
    };
    until("the end to be on record", || recorded() == Some(true)).await;
    tokio::time::sleep(Duration::from_millis(30)).await;
    let second = lab.spawn(&mut keeper, 2, "sleep 600").await;
    assert!(second.after_end_us.is_some_and(|us| us >= 30_000), "{:?}", second.after_end_us);
}

#[tokio::test(flavor = "current_thread")]
async fn signals_and_cores_are_told_as_they_were() {
    let mut lab = Lab::new();
    let mut keeper = lab.keeper().await;
    let (_, mut events) = keeper.events().await.unwrap();
    for (directive, signal, number) in [(1, Signal::Kill, 9), (2, Signal::Term, 15)] {
        let spawned = lab.spawn(&mut keeper, directive, "exec sleep 600").await;
        send(&spawned.incarnation, signal).unwrap();
        let ended = next_end(&mut events).await;
        assert_eq!(ended.exit, Exit::Signal { signal: number, core: false });
    }
}

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
async fn two_keepers_never_share_a_folder() {
    let mut lab = Lab::new();
    let first = lab.keeper().await.hello().await.unwrap().pid;
    let second = Command::new(PROGRAM).args(["keeper", "--dir"]).arg(lab.keeper_dir()).output().unwrap();
    assert_eq!(second.status.code(), Some(75));
    assert!(String::from_utf8_lossy(&second.stdout).contains(&format!("pid {first}")));
    assert_eq!(lab.keeper().await.hello().await.unwrap().pid, first);
}

#[tokio::test(flavor = "current_thread")]
async fn the_keeper_has_a_session_of_its_own_and_is_nobodys_child() {
    let mut lab = Lab::new();
    let mut keeper = lab.keeper().await;
    let pid = keeper.hello().await.unwrap().pid;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    assert_eq!(fields[3], pid.to_string(), "session");
    assert_ne!(fields[1], std::process::id().to_string(), "parent");
    for fd in 0..3 {
        let target = std::fs::read_link(format!("/proc/{pid}/fd/{fd}")).unwrap();
        assert_eq!(target, Path::new("/dev/null"));
    }
    let spawned = lab.spawn(&mut keeper, 1, "exec sleep 600").await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", spawned.incarnation.pid)).unwrap();
    // 32 and 33 belong to the C library, which lets nobody change them.
    for name in ["SigBlk:\t", "SigIgn:\t"] {
        let mask = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        assert_eq!(u64::from_str_radix(mask, 16).unwrap() & !(0b11 << 31), 0, "{status}");
    }
    // What the shell or cargo left open in us is inherited by all; nothing that the keeper opened may be.
    let targets = |pid: u32| -> Vec<PathBuf> {
        let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
        fds.filter(|fd| fd.file_name().to_str().is_some_and(|name| name.len() > 1 || name > "2"))
            .filter_map(|fd| std::fs::read_link(fd.path()).ok())
            .collect()
    };
    let inherited = targets(std::process::id());
    // A program that has just been executed has files of its own open for a moment, such as its locale's.
    let leaks = || targets(spawned.incarnation.pid).iter().any(|fd| !inherited.contains(fd));
    until("the child to have nothing open that the keeper opened", || !leaks()).await;
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
        assert_eq!(ended.nonce, "nonce-9");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_stop_is_told_within_milliseconds() {
    let mut lab = Lab::new();
    let mut keeper = lab.keeper().await;
    let (_, mut events) = keeper.events().await.unwrap();
    let spawned = lab.spawn(&mut keeper, 1, "exec sleep 600").await;
    let mut fastest = Duration::MAX;
    for _ in 0..10 {
        let begun = Instant::now();
        send(&spawned.incarnation, Signal::Stop).unwrap();
        let event = soon(events.next()).await.unwrap();
        fastest = fastest.min(begun.elapsed());
        assert!(matches!(event, Event::Stopped { .. }), "{event:?}");
        send(&spawned.incarnation, Signal::Cont).unwrap();
        let event = soon(events.next()).await.unwrap();
        assert!(matches!(event, Event::Continued { .. }), "{event:?}");
    }
    println!("SIGSTOP to event: {fastest:?} at best of 10");
    assert!(fastest < Duration::from_millis(10), "{fastest:?}");
}

#[tokio::test(flavor = "current_thread")]
async fn exit_to_event_and_request_to_exec_are_fast() {
    let mut lab = Lab::new();
    let mut keeper = lab.keeper().await;
    let (_, mut events) = keeper.events().await.unwrap();
    let (mut exits, mut spawns) = (Vec::new(), Vec::new());
    for directive in 1..=20 {
        let order = SpawnOrder { argv: vec!["/bin/sleep".into(), "600".into()], ..lab.order(directive, "") };
        let begun = Instant::now();
        let spawned = keeper.spawn(order).await.unwrap();
        spawns.push(begun.elapsed());
        let begun = Instant::now();
        send(&spawned.incarnation, Signal::Kill).unwrap();
        let ended = next_end(&mut events).await;
        exits.push(begun.elapsed());
        keeper.ack(&ended.incarnation).await.unwrap();
    }
    exits.sort();
    spawns.sort();
    println!(
        "kill to event: best {:?}, median {:?}; request to exec: best {:?}, median {:?}",
        exits[0], exits[10], spawns[0], spawns[10]
    );
    assert!(exits[0] < Duration::from_millis(20) && spawns[0] < Duration::from_millis(50));
}

#[tokio::test(flavor = "current_thread")]
async fn garbage_closes_its_own_connection_only() {
    let mut lab = Lab::new();
    let mut keeper = lab.keeper().await;
    let spawned = lab.spawn(&mut keeper, 1, "exec sleep 600").await;
    let long = vec![b'a'; 200 * 1024];
    let inputs: [&[u8]; 4] = [b"GET / HTTP/1.1\r\n\r\n", b"\0\xff\xfe\n", b"[1,2]\n", &long];
    for input in inputs {
        let mut stream = UnixStream::connect(lab.keeper_dir().join("keeper.sock")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // The keeper may hang up before all of it was written.
        drop(stream.write_all(input));
        let mut rest = Vec::new();
        match stream.read_to_end(&mut rest) {
            Ok(_) => assert!(rest.is_empty()),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
    }
    let mut stream = UnixStream::connect(lab.keeper_dir().join("keeper.sock")).unwrap();
    stream.write_all(b"{\"v\":9,\"id\":4,\"do\":\"dance\"}\n{\"v\":1,\"id\":5,\"do\":\"tail\"}\n").unwrap();
    let mut reply = [0; 4096];
    let mut text = String::new();
    while text.lines().count() < 2 {
        let length = stream.read(&mut reply).unwrap();
        text.push_str(&String::from_utf8_lossy(&reply[..length]));
    }
    assert!(text.contains("unknown_request") && text.contains("bad_request"), "{text}");
    assert_eq!(keeper.hello().await.unwrap().child.unwrap().incarnation, spawned.incarnation);
}

#[tokio::test(flavor = "current_thread")]
async fn the_gateways_own_tree_may_not_speak_to_the_keeper() {
    if Command::new("python3").arg("--version").output().is_err() {
        println!("skipped: no python3");
        return;
    }
    let mut lab = Lab::new();
    let mut keeper = lab.keeper().await;
    let socket = lab.keeper_dir().join("keeper.sock");
    let script = format!(
        "python3 -c \"import socket; s=socket.socket(socket.AF_UNIX); s.connect('{}'); \
         s.sendall(b'{{}}'); print('got', len(s.recv(10)))\" > OUT 2>&1; echo over > OVER; exec sleep 600",
        socket.display()
    );
    lab.spawn(&mut keeper, 1, &script).await;
    until("the attempt", || lab.dir.path().join("OVER").exists()).await;
    let out = std::fs::read_to_string(lab.dir.path().join("OUT")).unwrap();
    assert!(out.contains("got 0") || out.contains("BrokenPipe") || out.contains("ConnectionReset"), "{out}");
}

#[tokio::test(flavor = "current_thread")]
async fn a_folder_with_a_long_name_works() {
    let mut lab = Lab::new();
    let long = lab.dir.path().join("x".repeat(120));
    let mut keeper = Keeper::start_program(Path::new(PROGRAM), &long).await.unwrap();
    let state = keeper.hello().await.unwrap();
    lab.lives.push(incarnation_of(state.pid).unwrap());
    keeper.quit().await.unwrap();
}

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
#[tokio::test(flavor = "current_thread")]
async fn the_keeper_goes_by_its_name_and_not_by_that_of_the_link_it_was_started_through() {
    let mut lab = Lab::new();
    let pid = lab.keeper().await.hello().await.unwrap().pid;
    assert_eq!(std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap(), "clawmend-keeper\n");
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    assert!(line.starts_with(b"clawmend\0keeper\0"), "{}", String::from_utf8_lossy(&line));
}

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
