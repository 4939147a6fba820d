//! All adapters of this part against a real gateway. Skipped where none is installed.
//!
//! `CLAWMEND_LAB_CACHE` names a folder with `node` and `openclaw` as npm prefixes (default: `~/.cache/clawmend/lab`).
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm
)]

use clawmend::openclaw::discovery::Home;
use clawmend::openclaw::install::Tools;
use clawmend::openclaw::logs::{Follower, Gateways, signs};
use clawmend::openclaw::{commands, config, lock, sandbox};
use clawmend::probe::connect::{Scheme, Target};
use clawmend::probe::http::{HttpProbe, Limits};
use clawmend::probe::rpc::{Credential, Endpoint as RpcEndpoint, subscribe};
use clawmend_core::directive::ActionResult;
use clawmend_core::gateway::Incarnation;
use clawmend_core::observation::{ConfigValidity, Endpoint, HttpOutcome, LogSign, RpcSeen};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc as std_mpsc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

const BOOT: Duration = Duration::from_secs(240);
const SOON: Duration = Duration::from_secs(60);

fn tools() -> Option<Tools> {
    let cache = match std::env::var_os("CLAWMEND_LAB_CACHE") {
        Some(cache) => PathBuf::from(cache),
        None => Path::new(&std::env::var_os("HOME")?).join(".cache/clawmend/lab"),
    };
    let platform = format!("node-{}-{}", "linux", if cfg!(target_arch = "x86_64") { "x64" } else { "arm64" });
    let tools = Tools {
        node_dir: cache.join("node/node_modules").join(platform).join("bin"),
        openclaw: cache.join("openclaw/node_modules/.bin/openclaw"),
    };
    (tools.node_dir.join("node").exists() && tools.openclaw.exists()).then_some(tools)
}

struct Gateway {
    child: Child,
    lines: std_mpsc::Receiver<String>,
}

impl Gateway {
    fn start(home: &Home, tools: &Tools, restarts_inside: bool) -> Self {
        let command = commands::gateway_run(home, tools, std::env::var_os("PATH").as_ref());
        let mut process = Command::new(&command.program);
        process.args(&command.args).envs(command.env).env("HOME", &home.user_home).env("NO_COLOR", "1");
        for name in command.env_remove {
            process.env_remove(name);
        }
        if restarts_inside {
            process.env_remove("OPENCLAW_SUPERVISOR_MODE");
        }
        process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = process.spawn().unwrap();
        let (send, lines) = std_mpsc::channel();
        let out = child.stdout.take().unwrap();
        let err = child.stderr.take().unwrap();
        let also = send.clone();
        std::thread::spawn(move || BufReader::new(out).lines().map_while(Result::ok).for_each(|l| drop(send.send(l))));
        std::thread::spawn(move || BufReader::new(err).lines().map_while(Result::ok).for_each(|l| drop(also.send(l))));
        Self { child, lines }
    }

    fn signal(&self, signal: rustix::process::Signal) {
        // Our own child, not reaped yet: its pid cannot be another's.
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    fn signs(&self) -> Vec<LogSign> {
        self.lines.try_iter().filter_map(|line| signs::of_line(&line)).collect()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn life(pid: u32) -> Option<Incarnation> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let start = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    Some(Incarnation { pid, start, boot: String::new() })
}

async fn ask(probe: &mut HttpProbe, endpoint: Endpoint) -> HttpOutcome {
    let limits = Limits { late_after: Duration::from_millis(250), timeout: Duration::from_secs(5) };
    probe.probe(endpoint, limits, |_| ()).await.outcome
}

async fn until_ready(probe: &mut HttpProbe, limit: Duration) {
    let begun = Instant::now();
    loop {
        if matches!(ask(probe, Endpoint::Readyz).await, HttpOutcome::Readiness(seen) if seen.ready) {
            return;
        }
        assert!(begun.elapsed() < limit, "not ready in time");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn until<T>(
    seen: &mut mpsc::Receiver<RpcSeen>,
    limit: Duration,
    mut wanted: impl FnMut(&RpcSeen) -> Option<T>,
) -> T {
    let search = async {
        loop {
            let event = seen.recv().await.expect("the subscription has ended");
            println!("rpc: {event:?}");
            if let Some(found) = wanted(&event) {
                return found;
            }
        }
    };
    tokio::time::timeout(limit, search).await.expect("no such event in time")
}

fn connected(event: &RpcSeen) -> Option<(String, Option<String>)> {
    match event {
        RpcSeen::Connected { version, boot_id } => Some((version.clone(), boot_id.clone())),
        _ => None,
    }
}

#[tokio::test]
async fn a_real_gateway_is_seen_as_it_is() {
    let Some(tools) = tools() else {
        println!("skipped: no Node and OpenClaw in the lab cache");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let made = sandbox::create(&dir.path().join("home")).unwrap();
    let uid = std::fs::metadata(dir.path()).unwrap().uid();
    let tmp = std::env::temp_dir();
    let today = || jiff::Zoned::now().date();
    let mut follower = Follower::new(&made.home, uid, &tmp, None, today(), None);

    // In a container OpenClaw restarts inside its process; elsewhere this test sees a new process it cannot follow.
    let gateway = Gateway::start(&made.home, &tools, true);
    let target = Target { address: ([127, 0, 0, 1], made.port).into(), scheme: Scheme::Plain };
    let mut probe = HttpProbe::new(target);
    until_ready(&mut probe, BOOT).await;
    assert_eq!(ask(&mut probe, Endpoint::Healthz).await, HttpOutcome::Ok);
    assert_eq!(ask(&mut probe, Endpoint::Startupz).await, HttpOutcome::Ok);

    assert_eq!(config::read(&made.home, |_| None).seen.validity, ConfigValidity::Valid);
    let locks = lock::find(&made.home, uid, &tmp);
    assert_eq!(locks.len(), 1, "{locks:?}");
    assert_eq!(locks[0].port, Some(made.port));
    #[cfg(target_os = "linux")]
    assert_eq!(locks[0].prove(life).map(|life| life.pid), Some(gateway.child.id()));

    let (sender, mut seen) = mpsc::channel(32);
    let (rpc, task) = subscribe(sender);
    tokio::spawn(task);
    let endpoint = |token: &str| RpcEndpoint { target, credential: Credential::Token(token.to_owned().into()) };
    rpc.up(endpoint("wrong")).await;
    until(&mut seen, SOON, |event| (*event == RpcSeen::Unauthorized).then_some(())).await;
    rpc.up(RpcEndpoint { target, credential: Credential::Token(made.token.clone()) }).await;
    let (version, first_boot) = until(&mut seen, SOON, connected).await;
    println!("version {version}");
    assert!(version.starts_with("20"));
    until(&mut seen, SOON, |event| matches!(event, RpcSeen::Channels { .. }).then_some(())).await;
    let result = rpc.start_channel("no-such-channel", "default").await;
    assert!(matches!(result, ActionResult::NeedsPerson { .. }), "{result:?}");

    if !version.starts_with("2026.9.") {
        println!("skipped: the restart signal of {version} is not known");
        return;
    }
    gateway.signs();
    let begun = Instant::now();
    gateway.signal(rustix::process::Signal::USR2);
    until(&mut seen, SOON, |event| matches!(event, RpcSeen::Shutdown { .. }).then_some(())).await;
    until(&mut seen, SOON, |event| (*event == RpcSeen::Lost).then_some(())).await;
    let (_, second_boot) = until(&mut seen, BOOT, connected).await;
    println!("back after {:?}", begun.elapsed());
    assert!(second_boot.is_some() && second_boot != first_boot, "{first_boot:?} {second_boot:?}");
    assert_eq!(gateway.signs(), [LogSign::RestartInProcess]);
    let logged = follower.read_new(today(), Gateways::Several { port: made.port });
    println!("of the shared log, as one of several: {logged:?}");

    until_ready(&mut probe, BOOT).await;
    gateway.signal(rustix::process::Signal::TERM);
    until(&mut seen, SOON, |event| (*event == RpcSeen::Lost).then_some(())).await;
    let begun = Instant::now();
    while ask(&mut probe, Endpoint::Healthz).await != HttpOutcome::Refused {
        assert!(begun.elapsed() < SOON);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    rpc.down().await;
    let mut gateway = gateway;
    assert!(gateway.child.wait().unwrap().success());
    assert!(gateway.signs().contains(&LogSign::StopSignal));
}
