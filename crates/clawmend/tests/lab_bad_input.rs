//! Bad input of every kind against a guard of a real gateway: a clear message, the documented exit code, nothing lost.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use anyhow::{Context, Result, ensure};
use clawmend_testkit::lab::{BOOT_BOUND, Form, Guard, HomeOptions, Inspector, Life, get_json, until, until_some};
use serde_json::{Value, json};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

const CLAWMEND: &str = env!("CARGO_BIN_EXE_clawmend");
const SOON: Duration = Duration::from_secs(30);
/// Exit codes of the interface: `clawmend help exit-codes`.
const USAGE: i32 = 64;
const NOT_FOUND: i32 = 66;
const REFUSED: i32 = 77;
const NEEDS_PERSON: i32 = 78;

#[test]
fn child_bad_input() -> Result<()> {
    let Some((mut guard, life)) = Guard::healthy_in(Form::Child, "bad input", CLAWMEND, HomeOptions::default())? else {
        return Ok(());
    };
    words(&guard)?;
    settings(&mut guard, life)?;
    garbage(&guard)?;
    calls_from_inside(&guard, life)?;
    unreadable_gateway_config(&guard, life)?;
    folder_in_place_of_the_gateway_config(&guard, life)?;
    newer_database(&mut guard, life)?;
    guard.left_alone("after all bad input", life, Duration::from_secs(3))?;
    ensure!(guard.gateway()? == life);
    Ok(())
}

fn words(guard: &Guard) -> Result<()> {
    let answer = guard.say(&["frobnicate"])?;
    assert_eq!(answer.code, USAGE, "{answer:?}");
    let answer = guard.say(&["incidents", "show", "999999"])?;
    assert_eq!(answer.code, NOT_FOUND, "{answer:?}");
    assert!(answer.stderr.contains("999999") && answer.stdout.is_empty(), "{answer:?}");
    let answer = guard.say(&["restart", "--gateway", "no-such-gateway"])?;
    assert_ne!(answer.code, 0, "{answer:?}");
    let answer = guard.say(&["pause", "--for", "sometimes"])?;
    assert_eq!(answer.code, USAGE, "{answer:?}");
    Ok(())
}

/// A guard that starts with a broken file names line, column and what was expected; one that runs goes on.
fn settings(guard: &mut Guard, life: Life) -> Result<()> {
    let good = std::fs::read_to_string(guard.dirs.config())?;
    std::fs::write(guard.dirs.config(), "[guard]\n\n[policy\npreset = 3\n")?;
    guard.left_alone("a running guard with broken settings", life, Duration::from_secs(3))?;
    ensure!(guard.running(), "the guard ended because its settings broke");
    guard.verdict("healthy", SOON)?;
    guard.kill()?;
    guard.start()?;
    assert_eq!(guard.ended(SOON)?, Some(NEEDS_PERSON));
    let said = guard.output_tail();
    assert!(said.contains('3') && said.contains("clawmend.toml"), "line and file are not named: {said}");
    guard.left_alone("a guard that could not start", life, Duration::from_secs(2))?;
    std::fs::write(guard.dirs.config(), good)?;
    guard.start()?;
    guard.verdict("healthy", SOON).map(drop)
}

/// Every socket in the guard's runtime folder gets garbage, half a message, a very long line and a silent client.
fn garbage(guard: &Guard) -> Result<()> {
    let sockets = sockets(guard)?;
    ensure!(!sockets.is_empty(), "the guard has no socket in {}", guard.dirs.runtime().display());
    let noise: Vec<u8> = (0..200_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let messages: [&[u8]; 5] = [&noise, b"{\"half\": ", b"\n\n\n\n", &[0xff; 65_536], b"GET / HTTP/1.1\r\n\r\n"];
    let mut silent = Vec::new();
    for path in &sockets {
        for message in messages {
            let Ok(mut stream) = UnixStream::connect(path) else { continue };
            stream.set_write_timeout(Some(Duration::from_secs(2)))?;
            let _ = stream.write_all(message);
        }
        silent.extend((0..20).filter_map(|_| UnixStream::connect(path).ok()));
    }
    eprintln!("measured: garbage on {} sockets", sockets.len());
    until("the guard to answer while clients are silent", SOON, || guard.status().is_ok())?;
    drop(silent);
    guard.verdict("healthy", SOON).map(drop)
}

fn sockets(guard: &Guard) -> Result<Vec<PathBuf>> {
    let (mut found, mut folders) = (Vec::new(), vec![guard.dirs.runtime()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_socket() {
                found.push(entry.path());
            }
        }
    }
    Ok(found)
}

/// The gateway's assistant has a shell: what changes state is refused to its process tree, what reads is not.
fn calls_from_inside(guard: &Guard, life: Life) -> Result<()> {
    let environment = json!({
        "HOME": guard.home.path(),
        "PATH": "/usr/bin:/bin",
        "CLAWMEND_STATE_DIR": guard.dirs.state(),
        "CLAWMEND_RUNTIME_DIR": guard.dirs.runtime(),
        "CLAWMEND_CONFIG": guard.dirs.config(),
    });
    let mut inspector = Inspector::open(life)?;
    for (words, allowed) in [(["pause"], false), (["stop"], false), (["restart"], false), (["status"], true)] {
        let call = format!(
            "(() => {{ const done = process.getBuiltinModule('child_process').spawnSync({}, {}, {{env: {environment}}}); \
             return [done.status, String(done.stderr)]; }})()",
            json!(CLAWMEND),
            json!(words),
        );
        let answer = inspector.evaluate(&call)?;
        let wanted = if allowed { 0 } else { REFUSED };
        ensure!(answer[0] == json!(wanted), "{words:?} from inside the gateway: {answer}");
    }
    inspector.close()?;
    guard.verdict("healthy", SOON)?;
    ensure!(guard.status()?["desired"] == json!("running"));
    Ok(())
}

/// Said at once, and the gateway keeps serving.
fn unreadable_gateway_config(guard: &Guard, life: Life) -> Result<()> {
    let good = std::fs::read_to_string(guard.home.config_path())?;
    guard.home.write_config_text("{ this is not json5")?;
    until_some("the status to say that the config is invalid", SOON, || {
        std::thread::sleep(Duration::from_millis(100));
        let status = guard.status()?;
        Ok(status.to_string().contains("config").then_some(()).filter(|()| status["verdict"] == json!("degraded")))
    })
    .with_context(|| format!("{:?}", guard.status()))?;
    guard.left_alone("an invalid config on disk", life, Duration::from_secs(3))?;
    guard.home.write_config_text(&good)?;
    guard.verdict("healthy", SOON).map(drop)
}

/// As root every file can be read, but not a folder in its place.
fn folder_in_place_of_the_gateway_config(guard: &Guard, life: Life) -> Result<()> {
    let (path, aside) = (guard.home.config_path(), guard.home.state_dir().join("openclaw.json.aside"));
    std::fs::rename(&path, &aside)?;
    std::fs::create_dir(&path)?;
    until_some("the status to speak of the folder", SOON, || {
        std::thread::sleep(Duration::from_millis(100));
        let status = guard.status()?;
        let said = status["reasons"].to_string().contains("a folder is in the place");
        Ok(said.then_some(()).filter(|()| status["verdict"] == json!("degraded")))
    })
    .with_context(|| format!("{:?}", guard.status()))?;
    guard.left_alone("a folder in the place of the config", life, Duration::from_secs(3))?;
    std::fs::remove_dir(&path)?;
    std::fs::rename(&aside, &path)?;
    guard.verdict("healthy", SOON).map(drop)
}

/// Records of a newer version are left as they are; the guard works with fresh ones and says so.
fn newer_database(guard: &mut Guard, life: Life) -> Result<()> {
    guard.terminate()?;
    let path = guard.dirs.state().join("clawmend.db");
    let database = rusqlite::Connection::open(&path)?;
    let changed = database.execute("UPDATE meta SET value = '9999' WHERE key = 'schema'", [])?;
    ensure!(changed == 1, "the records do not say which schema they have");
    drop(database);
    guard.start()?;
    guard.verdict("healthy", SOON)?;
    guard.left_alone("records of a newer version", life, Duration::from_secs(2))?;
    let report = guard.say(&["status", "--json"])?.json()?;
    let notes = report["guard"]["notes"].to_string();
    assert!(notes.contains("newer") || notes.contains("schema") || notes.contains("version"), "not said: {report}");
    let kept: String =
        rusqlite::Connection::open(&path)?
            .query_row("SELECT value FROM meta WHERE key = 'schema'", [], |row| row.get(0))?;
    assert_eq!(kept, "9999", "the newer records were changed");
    Ok(())
}

/// The gateway's token is not known: HTTP goes on, and the missing part is said.
#[test]
fn child_unknown_token() -> Result<()> {
    let Some(mut guard) = Guard::prepared_in(Form::Child, "unknown token", CLAWMEND, HomeOptions::default())? else {
        return Ok(());
    };
    // OpenClaw 2026.9.6 boots with a random token when the variable is not set.
    guard.home.edit_config(|config| config["gateway"]["auth"]["token"] = json!("${CLAWMEND_LAB_UNSET_VARIABLE}"))?;
    guard.start()?;
    let port = guard.home.port;
    until("the gateway to be ready", BOOT_BOUND, || {
        get_json(port, "/readyz").is_ok_and(|(_, body)| body["ready"] == json!(true))
    })?;
    until_some("the status to speak of the token", SOON, || {
        std::thread::sleep(Duration::from_millis(100));
        let status = guard.status()?;
        let serving = status["verdict"] == json!("healthy") || status["verdict"] == json!("degraded");
        Ok((serving && status.to_string().to_lowercase().contains("token")).then_some(()))
    })
    .with_context(|| format!("{:?}\n{}", guard.status(), guard.output_tail()))?;
    let life = guard.gateway()?;
    guard.left_alone("a gateway with an unknown token", life, Duration::from_secs(5))
}

/// The config names another token than the gateway runs with: HTTP goes on, and the status says what is missing.
#[test]
fn child_wrong_token() -> Result<()> {
    let Some(mut guard) = Guard::prepared_in(Form::Child, "wrong token", CLAWMEND, HomeOptions::default())? else {
        return Ok(());
    };
    // So that the gateway keeps the token that it started with (OpenClaw 2026.9.6).
    guard.home.edit_config(|config| config["gateway"]["reload"] = json!({"mode": "off"}))?;
    guard.start()?;
    let life = guard.healthy()?;
    let right = guard.home.read_config()?;
    guard.home.edit_config(|config| config["gateway"]["auth"]["token"] = json!("another-token-of-the-lab"))?;
    guard.kill()?;
    guard.start()?;
    let unauthorized = |status: &Value| status["reasons"].to_string().contains("rpc_unauthorized");
    until_some("the status to say that the token is refused", SOON, || {
        std::thread::sleep(Duration::from_millis(100));
        Ok(Some(guard.status()?).filter(|status| unauthorized(status) && status["verdict"] == json!("healthy")))
    })
    .with_context(|| format!("{:?}\n{}", guard.status(), guard.output_tail()))?;
    guard.left_alone("a gateway with another token", life, Duration::from_secs(5))?;
    guard.home.write_config(&right)?;
    until_some("the token to be accepted again", Duration::from_secs(60), || {
        std::thread::sleep(Duration::from_millis(100));
        Ok(Some(guard.status()?).filter(|status| !unauthorized(status)))
    })
    .with_context(|| format!("{:?}\n{}", guard.status(), guard.output_tail()))?;
    ensure!(guard.gateway()? == life);
    Ok(())
}

/// A stranger holds the port: named and not touched; when it goes, the gateway comes.
#[test]
fn child_port_in_use() -> Result<()> {
    let Some(mut guard) = Guard::prepared_in(Form::Child, "port in use", CLAWMEND, HomeOptions::default())? else {
        return Ok(());
    };
    let stranger = TcpListener::bind(("127.0.0.1", guard.home.port))?;
    guard.start()?;
    // The gateway itself tries for 18–27 s before it gives up.
    until_some("the status to name the port", Duration::from_secs(120), || {
        std::thread::sleep(Duration::from_millis(100));
        Ok(Some(guard.status()?).filter(|status| status["cause"].to_string().contains("port")))
    })
    .with_context(|| format!("{:?}\n{}", guard.status(), guard.output_tail()))?;
    drop(stranger);
    guard.healthy()?;
    Ok(())
}
