//! The systemd adapter on the unit that OpenClaw itself installs, with the real gateway in it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, missing_docs)]

use clawmend::service::{Look, Manager, ServiceEvent, UnitName, watch};
use clawmend_core::directive::ActionResult;
use clawmend_core::observation::{ActiveState, JobKind};
use clawmend_testkit::systemd_lab::{SystemdLab, openclaw_path};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

const PORT: u16 = 19_830;
const LIMIT: Duration = Duration::from_secs(120);

async fn until(
    events: &mut mpsc::Receiver<ServiceEvent>,
    what: &str,
    wanted: impl Fn(&ServiceEvent) -> bool,
) -> Vec<ServiceEvent> {
    let mut seen = Vec::new();
    let wait = async {
        loop {
            let event = events.recv().await.expect("the watch goes on");
            let found = wanted(&event);
            seen.push(event);
            if found {
                break;
            }
        }
    };
    assert!(tokio::time::timeout(LIMIT, wait).await.is_ok(), "{what} was not seen: {seen:#?}");
    seen
}

fn look(event: &ServiceEvent) -> Option<&Look> {
    if let ServiceEvent::Seen(look) = event { Some(look) } else { None }
}

fn in_state(event: &ServiceEvent, state: ActiveState, settled: bool) -> bool {
    look(event).is_some_and(|look| look.seen.state == state && (look.seen.settled || !settled))
}

/// Waits until the gateway answers `/healthz`.
async fn serves() -> bool {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let ask = async {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", PORT)).await.ok()?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.ok()?;
        let mut answer = String::new();
        stream.take(4096).read_to_string(&mut answer).await.ok()?;
        answer.starts_with("HTTP/1.1 200").then_some(())
    };
    tokio::time::timeout(Duration::from_secs(5), ask).await.ok().flatten().is_some()
}

#[tokio::test]
async fn openclaws_own_unit_is_hastened_and_its_stops_are_honoured() {
    let root = tempfile::tempdir().unwrap();
    let mut lab = match SystemdLab::start(root.path()) {
        Ok(lab) if lab.is_own() => lab,
        Ok(_) => return eprintln!("skipped: the user's own OpenClaw unit is not touched by a test"),
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let path = match openclaw_path() {
        Ok(path) => path,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let installed = Instant::now();
    let unit = lab.install_openclaw(PORT).unwrap();
    eprintln!("openclaw gateway install: {} ms", installed.elapsed().as_millis());
    let file = std::fs::read_to_string(&unit.file).unwrap();

    let name = UnitName::parse(&unit.name).unwrap();
    let (guard, mut events) = watch(Manager::SystemdAt(lab.bus_address()), name).unwrap();
    let seen = until(&mut events, "active", |event| in_state(event, ActiveState::Active, true)).await;
    let limits = look(seen.last().unwrap()).unwrap().seen.limits;
    eprintln!("limits read from systemd: {limits:?}");
    assert!(limits.restarts && limits.restart_delay_ms == 5_000 && limits.stop_timeout_ms == 330_000);
    let booted = Instant::now();
    while !serves().await {
        assert!(booted.elapsed() < LIMIT, "the gateway does not serve");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    eprintln!("serving after {} ms", booted.elapsed().as_millis());

    let killed = Instant::now();
    assert!(lab.systemctl(["kill", "--kill-whom=main", "-s", "KILL", &unit.name]).unwrap().status.success());
    until(&mut events, "auto-restart", |event| in_state(event, ActiveState::AutoRestart, false)).await;
    let waiting = killed.elapsed();
    assert_eq!(guard.try_restart().await, ActionResult::Done);
    let seen = until(&mut events, "active", |event| in_state(event, ActiveState::Active, false)).await;
    eprintln!("kill -> auto-restart {} ms -> new process {} ms", waiting.as_millis(), killed.elapsed().as_millis());
    assert!(!seen.iter().any(|event| matches!(event, ServiceEvent::ForeignJob(_))));

    // A person stops it with OpenClaw's own command while it boots.
    let mut stop = lab.command("openclaw");
    stop.args(["gateway", "stop", "--force"]).env("PATH", &path).stdin(std::process::Stdio::null());
    let mut stop = stop.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let is_stop = |event: &ServiceEvent| *event == ServiceEvent::ForeignJob(JobKind::Stop);
    until(&mut events, "OpenClaw's stop", is_stop).await;
    let down = |event: &ServiceEvent| {
        in_state(event, ActiveState::Inactive, true) || in_state(event, ActiveState::Failed, true)
    };
    until(&mut events, "the end", down).await;
    assert!(stop.wait().unwrap().success());
    assert!(matches!(guard.try_restart().await, ActionResult::Moot { .. }));
    assert!(!lab.systemctl(["is-active", &unit.name]).unwrap().status.success());
    assert_eq!(std::fs::read_to_string(&unit.file).unwrap(), file, "the unit's file is untouched");
}
