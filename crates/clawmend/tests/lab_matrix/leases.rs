//! Leases in OpenClaw's state database whose owner is gone (tables and times of 2026.9.6).
//!
//! A gateway holds `gateway-owner` for its whole life, and `startup-migrations` for a part of its start. Each names pid,
//! start time and host, and is renewed for 300 s. The next start takes a lease over from an owner that is provably dead on
//! the same host; one of another host (a container that was made anew has another name) it must let run out.

use super::frame::{self, Fault};
use anyhow::{Context, Result, ensure};
use clawmend_testkit::lab::{HomeOptions, Life, until_some};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Leases of a life that has ended in order are gone; these are put in its place.
const SCOPES: [&str; 2] = ["gateway-owner", "startup-migrations"];
/// What is left of the lease of another host: 300 s at most in life.
const LEFT: Duration = Duration::from_secs(60);
/// Another try comes every half minute, and a boot after that.
const EXPIRED_BOUND: Duration = Duration::from_secs(240);

/// A stopped gateway whose database holds leases of this host and pid.
fn left_behind(name: &'static str, host: &str, left: Duration) -> Result<Option<(Fault, u32)>> {
    let Some((fault, life)) = frame::healthy(name, HomeOptions::default(), &[])? else { return Ok(None) };
    fault.guard.order(&["stop"])?;
    life.ended(frame::REFUSED_BOUND)?;
    let owner = json!({"pid": life.pid, "host": host, "startedAt": life.start});
    for scope in SCOPES {
        let payload = json!({"owner": owner, "version": "2026.9.6", "port": fault.guard.home.port, "mode": "supervised",
            "supervisor": {"kind": "external", "name": null}});
        write_lease(&fault, scope, &payload, left)?;
    }
    Ok(Some((fault, life.pid)))
}

/// A lease of a process of this host that is dead: nothing stands in the way.
#[test]
fn stale_lease() -> Result<()> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")?;
    let left = Duration::from_secs(300);
    let Some((mut fault, dead)) = left_behind("stale lease", host.trim(), left)? else { return Ok(()) };
    ensure!(owner_of(&fault, "gateway-owner")? == Some(dead), "the lease was not written");
    let begin = Instant::now();
    fault.guard.order(&["start"])?;
    let life = fault.guard.healthy()?;
    let served = begin.elapsed();
    ensure!(owner_of(&fault, "gateway-owner")? == Some(life.pid), "the lease of the dead is still there");
    serving_without_incident(&fault, life)?;
    fault.repaired_in(served, "the next start takes it over from the dead, by OpenClaw itself");
    Ok(())
}

/// A lease of another host: it cannot be proven dead, so it runs out, and a start follows.
#[test]
fn lease_of_another_host() -> Result<()> {
    let Some((mut fault, _)) = left_behind("stale lease of another host", "a-container-that-is-gone", LEFT)? else {
        return Ok(());
    };
    let begin = Instant::now();
    fault.guard.order(&["start"])?;
    let named = fault.guard.named("refused_to_start", frame::REFUSED_BOUND)?;
    eprintln!("measured: refused: {}", named["cause"]["detail"]);
    until_some("a start after the lease has run out", EXPIRED_BOUND, || {
        Ok(Some(()).filter(|()| begin.elapsed() > LEFT && !fault.guard.gateways().is_empty()))
    })?;
    fault.guard.healthy()?;
    let served = begin.elapsed().saturating_sub(LEFT);
    ensure!(fault.guard.starts_issued()? <= 6, "{:?}", fault.guard.incidents());
    fault.repaired_in(served, "after the lease had run out");
    Ok(())
}

fn database(fault: &Fault) -> PathBuf {
    fault.guard.home.state_dir().join("state/openclaw.sqlite")
}

fn write_lease(fault: &Fault, scope: &str, payload: &Value, left: Duration) -> Result<()> {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let expires = now + i64::try_from(left.as_millis())?;
    rusqlite::Connection::open(database(fault))?
        .execute(
            "INSERT INTO state_leases (scope, lease_key, owner, expires_at, heartbeat_at, payload_json, created_at, \
             updated_at) VALUES (?1, 'global', 'lab', ?2, ?3, ?4, ?3, ?3)",
            rusqlite::params![scope, expires, now, payload.to_string()],
        )
        .context("writing a lease")?;
    Ok(())
}

/// The pid that a lease names.
fn owner_of(fault: &Fault, scope: &str) -> Result<Option<u32>> {
    let connection =
        rusqlite::Connection::open_with_flags(database(fault), rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let text: Option<String> = connection
        .query_row("SELECT payload_json FROM state_leases WHERE scope = ?1", [scope], |row| row.get(0))
        .or_else(|error| if error == rusqlite::Error::QueryReturnedNoRows { Ok(None) } else { Err(error) })?;
    let payload: Value = text.map_or(Ok(Value::Null), |text| serde_json::from_str(&text))?;
    Ok(payload["owner"]["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()))
}

fn serving_without_incident(fault: &Fault, life: Life) -> Result<()> {
    fault.guard.left_alone("after a stale lease", life, Duration::from_secs(5))?;
    ensure!(fault.guard.incidents()?.iter().all(|one| one["state"] == json!("closed")), "an incident is open");
    Ok(())
}
