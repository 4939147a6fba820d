//! The egress fence, with the real packet filter, in network namespaces: real keeper, guard frozen, keeper frozen.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs)]

use clawmend::failover::fence::egress::{Egress, EgressError};
use clawmend::host::clock;
use clawmend::host::process::{incarnation_of, is_alive};
use clawmend::host::signal::{Signal, send};
use clawmend::keeper::client::Keeper;
use clawmend::keeper::protocol::SpawnOrder;
use clawmend_core::gateway::Incarnation;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_clawmend");
const PATIENCE: Duration = Duration::from_secs(30);
/// Each renewal of the test's guard lets the gateway speak for so long.
const LEASE_MS: u64 = 1_500;
const SLACK_MS: u64 = 1_000;
const PEER: &str = "10.97.3.2:8099";

/// One role of the play, in a process of its own: this very program.
fn role(name: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--ignored", "--nocapture"]).env("STAGE", dir).stdin(Stdio::null());
    command
}

fn stage() -> PathBuf {
    PathBuf::from(std::env::var("STAGE").unwrap())
}

/// What is left of the play is ended by its proven identity.
#[derive(Default)]
struct Cast(Vec<Incarnation>);

impl Drop for Cast {
    fn drop(&mut self) {
        for life in self.0.iter().rev() {
            drop(send(life, Signal::Kill));
        }
    }
}

impl Cast {
    fn add(&mut self, child: &Child) -> Incarnation {
        let life = incarnation_of(child.id()).unwrap();
        self.0.push(life.clone());
        life
    }
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "not reached: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// When `who` last got an echo, in milliseconds since boot; 0 if never.
fn last(dir: &Path, who: &str) -> u64 {
    std::fs::read_to_string(dir.join(who)).ok().and_then(|text| text.lines().last()?.parse().ok()).unwrap_or(0)
}

fn ip(arguments: &str) {
    let done = Command::new("ip").args(arguments.split(' ')).status().unwrap();
    assert!(done.success(), "ip {arguments}");
}

/// Says something once in a while over one connection, and notes when the echo came.
fn talk(to: &str, dir: &Path, who: &str) -> std::io::Result<()> {
    let address: std::net::SocketAddr = to.parse().unwrap();
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(500))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut note = std::fs::OpenOptions::new().create(true).append(true).open(dir.join(who))?;
    loop {
        stream.write_all(b"x")?;
        stream.read_exact(&mut [0])?;
        writeln!(note, "{}", clock::now().mono.0)?;
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn echo(listener: &TcpListener) {
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        std::thread::spawn(move || std::io::copy(&mut stream.try_clone().unwrap(), &mut stream));
    }
}

#[test]
#[ignore = "a role: another machine"]
fn the_peer() {
    echo(&TcpListener::bind("0.0.0.0:8099").unwrap());
}

#[test]
#[ignore = "a role: the gateway"]
fn the_gateway() {
    let dir = stage();
    let local = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = local.local_addr().unwrap().to_string();
    std::thread::spawn(move || echo(&local));
    let here = dir.clone();
    std::thread::spawn(move || talk(&address, &here, "LOOPBACK"));
    loop {
        // While it is shut, no connection comes about.
        let failed = talk(PEER, &dir, "FAR").unwrap_err();
        std::fs::write(dir.join("FAILED"), failed.to_string()).unwrap();
    }
}

#[tokio::test(flavor = "current_thread")]
#[ignore = "a role: the guard"]
async fn the_guard() {
    let dir = stage();
    let egress = Egress::raise(&std::env::var("GATEWAY").unwrap()).await.unwrap();
    let keeper = incarnation_of(std::env::var("KEEPER").unwrap().parse().unwrap()).unwrap();
    egress.take_in(&keeper).unwrap();
    std::fs::write(dir.join("RAISED"), "").unwrap();
    loop {
        if dir.join("LOWER").exists() {
            return egress.lower().await.unwrap();
        }
        if dir.join("OPEN").exists() {
            let until = clock::now().mono.plus(LEASE_MS);
            // Noted before it is set: it may be frozen in between.
            std::fs::write(dir.join("NEXT"), until.0.to_string()).unwrap();
            std::fs::rename(dir.join("NEXT"), dir.join("UNTIL")).unwrap();
            match egress.renew(until, SLACK_MS).await {
                Ok(()) => {}
                // It was frozen in the middle of it.
                Err(EgressError::TooSlow(ms)) => println!("renewing took {ms} ms"),
                Err(other) => panic!("{other}"),
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "current_thread")]
#[ignore = "a role: the machine, in a network namespace of its own"]
async fn the_machine() {
    let dir = stage();
    let gateway = format!("egress-test-{}", std::process::id());
    let mut cast = Cast::default();
    let mut peer = Command::new("unshare");
    let theirs = role("the_peer", &dir);
    peer.arg("--net").arg(theirs.get_program()).args(theirs.get_args());
    let mut peer = peer.stdout(Stdio::null()).spawn().unwrap();
    let peer_life = cast.add(&peer);
    let net = |pid: u32| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
    until("the peer's namespace", || net(peer_life.pid) != net(std::process::id()));
    ip("link set lo up");
    ip(&format!("link add near0 type veth peer name far0 netns {}", peer_life.pid));
    ip("addr add 10.97.3.1/24 dev near0");
    ip("link set near0 up");
    for arguments in ["addr add 10.97.3.2/24 dev far0", "link set far0 up"] {
        let pid = peer_life.pid.to_string();
        let inside = Command::new("nsenter").args(["-t", &pid, "-n", "ip"]).args(arguments.split(' ')).status();
        assert!(inside.unwrap().success(), "{arguments}");
    }
    until("the peer", || TcpStream::connect_timeout(&PEER.parse().unwrap(), Duration::from_millis(500)).is_ok());

    let mut keeper = Keeper::start_program(Path::new(PROGRAM), &dir.join("keeper")).await.unwrap();
    let keeper_life = incarnation_of(keeper.hello().await.unwrap().pid).unwrap();
    cast.0.push(keeper_life.clone());
    let mut guard = role("the_guard", &dir);
    guard.env("GATEWAY", &gateway).env("KEEPER", keeper_life.pid.to_string());
    let mut guard = guard.spawn().unwrap();
    let guard_life = cast.add(&guard);
    until("the fence", || dir.join("RAISED").exists());

    let talker = role("the_gateway", &dir);
    let argv = std::iter::once(talker.get_program()).chain(talker.get_args());
    let order = SpawnOrder {
        directive: 1,
        nonce: gateway.clone(),
        argv: argv.map(|word| word.to_str().unwrap().to_owned()).collect(),
        env: BTreeMap::from([("STAGE".to_owned(), dir.to_str().unwrap().to_owned())]),
        env_remove: Vec::new(),
        cwd: dir.clone(),
        log_dir: dir.join("log"),
        not_after_ms: None,
        mute: false,
    };
    let spawned = keeper.spawn(order).await.unwrap();
    cast.0.push(spawned.incarnation.clone());
    until("a failed attempt", || dir.join("FAILED").exists());
    until("loopback", || last(&dir, "LOOPBACK") > 0);
    assert_eq!(last(&dir, "FAR"), 0, "it is shut before it is first renewed");

    std::fs::write(dir.join("OPEN"), "").unwrap();
    until("the first echo", || last(&dir, "FAR") > 0);
    let opened = last(&dir, "FAR");
    until("echoes beyond one lease", || last(&dir, "FAR") > opened + LEASE_MS + 500);

    // Guard and keeper freeze; the machine runs.
    send(&guard_life, Signal::Stop).unwrap();
    send(&keeper_life, Signal::Stop).unwrap();
    let lease: u64 = std::fs::read_to_string(dir.join("UNTIL")).unwrap().parse().unwrap();
    until("the time after the lease", || clock::now().mono.0 > lease + SLACK_MS + 1_000);
    let (far, loopback) = (last(&dir, "FAR"), last(&dir, "LOOPBACK"));
    println!(
        "the last echo came {} ms before the end of the lease, over a connection of {} ms; loopback {} ms after it",
        lease.saturating_sub(far),
        far - opened,
        loopback.saturating_sub(lease)
    );
    assert!(far <= lease + SLACK_MS, "{far} {lease}");
    assert!(loopback > lease + SLACK_MS, "the gateway lives, and loopback stays");
    assert!(is_alive(&spawned.incarnation));
    TcpStream::connect_timeout(&PEER.parse().unwrap(), Duration::from_secs(5)).expect("others may speak");

    // A guard that is back opens it again, for the same connection.
    send(&keeper_life, Signal::Cont).unwrap();
    send(&guard_life, Signal::Cont).unwrap();
    until("echoes again", || last(&dir, "FAR") > lease + SLACK_MS + 1_000);

    keeper.kill().await.unwrap();
    until("the gateway's end", || !is_alive(&spawned.incarnation));
    keeper.quit().await.unwrap();
    until("the keeper's end", || !is_alive(&keeper_life));
    std::fs::write(dir.join("LOWER"), "").unwrap();
    assert!(guard.wait().unwrap().success());
    let listed = Command::new("nft").args(["list", "tables"]).output().unwrap();
    assert!(!String::from_utf8_lossy(&listed.stdout).contains("clawmend"));
    peer.kill().unwrap();
    peer.wait().unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn with_guard_and_keeper_frozen_the_gateway_is_shut_off_within_the_lease_and_loopback_stays() {
    if let Err(error) = Egress::available().await {
        println!("skipped: {error}");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let machine = role("the_machine", dir.path());
    let mut inside = Command::new("unshare");
    inside.arg("--net").arg(machine.get_program()).args(machine.get_args()).env("STAGE", dir.path());
    let done = inside.stdin(Stdio::null()).status().unwrap();
    assert!(done.success(), "{done}");
}

fn listed(table: &str) -> Option<String> {
    let listed = Command::new("nft").args(["list", "table", "inet", table]).output().unwrap();
    listed.status.success().then(|| String::from_utf8(listed.stdout).unwrap())
}

#[tokio::test(flavor = "current_thread")]
#[ignore = "a role: guards that follow each other, in a network namespace of their own"]
async fn the_followers() {
    let name = format!("egress-follow-{}", std::process::id());
    let first = Egress::raise(&name).await.unwrap();
    let table = first.table().to_owned();
    assert!(!listed(&table).unwrap().contains("expires"), "a new one is shut");
    first.renew(clock::now().mono.plus(600_000), 60_000).await.unwrap();
    assert!(Egress::is_left(&name));
    let second = Egress::raise(&name).await.unwrap();
    let taken_up = listed(&table).unwrap();
    assert_eq!(taken_up.matches("expires").count(), 2, "it stays open: {taken_up}");
    assert_eq!(taken_up.matches("counter").count(), 1, "its rules are not doubled: {taken_up}");

    let flushed = Command::new("nft").args(["flush", "ruleset"]).status().unwrap();
    assert!(flushed.success());
    let gone = second.renew(clock::now().mono.plus(600_000), 60_000).await.unwrap_err();
    assert!(matches!(gone, EgressError::Failed(_)), "{gone}");
    second.build().await.unwrap();
    second.renew(clock::now().mono.plus(600_000), 60_000).await.unwrap();
    second.shut().await.unwrap();
    assert!(!listed(&table).unwrap().contains("expires"));
    let late = second.renew(clock::now().mono.plus(600_000), 0).await.unwrap_err();
    assert!(!listed(&table).unwrap().contains("expires"), "what comes too late leaves it shut: {late}");
    second.lower().await.unwrap();
    second.lower().await.expect("there is nothing to take away, which is as good");
    assert_eq!((listed(&table), Egress::is_left(&name)), (None, false));
}

#[tokio::test(flavor = "current_thread")]
async fn another_guard_takes_up_what_stands_and_a_flushed_one_is_built_anew() {
    if let Err(error) = Egress::available().await {
        println!("skipped: {error}");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let followers = role("the_followers", dir.path());
    let mut inside = Command::new("unshare");
    inside.arg("--net").arg(followers.get_program()).args(followers.get_args());
    let done = inside.stdin(Stdio::null()).status().unwrap();
    assert!(done.success(), "{done}");
}

#[tokio::test(flavor = "current_thread")]
async fn a_gateway_without_a_name_has_no_fence_and_one_sentence_says_so() {
    let name = Egress::raise("").await.unwrap_err();
    assert!(name.to_string().starts_with("no egress fence: "), "{name}");
    assert_eq!(name.to_string().lines().count(), 1);
}
