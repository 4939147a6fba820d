//! The owner as the real `openclaw pairing approve` writes it down, read by us.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use anyhow::{Context, Result, ensure};
use clawmend::openclaw::discovery::discover;
use clawmend::openclaw::owners::{Found, Place, Source, find};
use clawmend_testkit::lab::{Guard, Home, HomeOptions, lab};
use rusqlite::Connection;
use serde_json::json;
use std::path::Path;

const CLAWMEND: &str = env!("CARGO_BIN_EXE_clawmend");
const OWNER: &str = "4242424242";
const CODE: &str = "ABCDEFGH";

#[test]
fn an_approved_sender_is_found() -> Result<()> {
    let Some(permit) = lab("owners")? else { return Ok(()) };
    let home = Home::new(HomeOptions::default())?;
    let mut config = home.config(HomeOptions::default());
    config["channels"] = json!({"telegram": {"botToken": "100000001:LAB-mock-token", "dmPolicy": "pairing"}});
    home.write_config(&config)?;
    let (view, folder) = (home.view(), home.path().to_owned());
    let guard = Guard::over_child(permit, CLAWMEND, home)?;
    // The first look makes the database.
    openclaw(&guard, &["pairing", "list", "telegram"])?;
    ask(&view.state_dir().join("state/openclaw.sqlite"))?;
    ensure!(look(&folder)?.iter().all(|found| found.usable().is_none()), "one who only asked is no owner");
    openclaw(&guard, &["pairing", "approve", "telegram", CODE])?;

    // OpenClaw made the first one that was approved the owner of its commands too.
    ensure!(owner(&look(&folder)?) == Some((OWNER.to_owned(), Source::CommandOwner)), "{:?}", look(&folder)?);
    view.write_config(&config)?;
    ensure!(owner(&look(&folder)?) == Some((OWNER.to_owned(), Source::Pairing)), "{:?}", look(&folder)?);
    // And OpenClaw goes on with its database.
    openclaw(&guard, &["pairing", "list", "telegram"])
}

fn openclaw(guard: &Guard, arguments: &[&str]) -> Result<()> {
    let output = guard.openclaw().args(arguments).output().context("openclaw")?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// What a message from a stranger leaves in the table (OpenClaw 2026.9.6).
fn ask(database: &Path) -> Result<()> {
    let now = jiff::Timestamp::now().to_string();
    let insert = "INSERT INTO channel_pairing_requests VALUES ('telegram', 'default', ?1, ?2, ?3, ?3, NULL)";
    Connection::open(database)?.execute(insert, [OWNER, CODE, &now])?;
    Ok(())
}

fn look(folder: &Path) -> Result<Vec<Found>> {
    let home = discover(|_| None, folder).remove(0);
    let place = Place { home: &home, uid: rustix::process::geteuid().as_raw(), env: &|_| None };
    find(&place).map_err(|problem| anyhow::anyhow!("{problem:?}"))
}

fn owner(found: &[Found]) -> Option<(String, Source)> {
    let first = found.first()?.usable()?.recipients.first()?;
    Some((first.id.clone(), first.source.clone()))
}
