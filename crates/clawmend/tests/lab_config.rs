//! A gateway that refuses to start with its config gets the last proven one back, on real OpenClaw.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use anyhow::{Context, Result, ensure};
use clawmend::openclaw::config::check::{Around, Severity, look_at};
use clawmend::openclaw::config::schema;
use clawmend::openclaw::discovery::discover;
use clawmend::openclaw::install::Tools;
use clawmend_testkit::lab::{BREAKINGS, Cache, Form, Guard, HomeOptions, end_in_order, lab, proven, until};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const CLAWMEND: &str = env!("CARGO_BIN_EXE_clawmend");
/// Generous: a loaded machine is slow.
const SOON: Duration = Duration::from_secs(120);

#[test]
fn child_config_is_restored() -> Result<()> {
    config_is_restored(Form::Child)
}

#[test]
fn unit_config_is_restored() -> Result<()> {
    config_is_restored(Form::Unit)
}

fn config_is_restored(form: Form) -> Result<()> {
    let Some(mut guard) = Guard::prepared_in(form, "config restored", CLAWMEND, HomeOptions::default())? else {
        return Ok(());
    };
    guard.set_policy(&[("config_proven_after_ms", 3_000)])?;
    guard.start()?;
    let mut life = guard.healthy()?;
    for breaking in BREAKINGS {
        let begin = Instant::now();
        let incident = breaking
            .restored(&mut guard, || end_in_order(life))
            .with_context(|| format!("{}\n{}", breaking.name, guard.output_tail()))?;
        eprintln!(
            "measured: {form:?}: {}: proven well {:?} after it was broken; serving after {} ms by its own record",
            breaking.name,
            begin.elapsed(),
            incident["serving_after_ms"]
        );
        life = guard.gateway()?;
    }
    Ok(())
}

/// A guard that has never seen the schema says what it would say with it, long before the first config is proven.
#[test]
fn child_unknown_key_is_said_before_the_first_proof() -> Result<()> {
    let options = HomeOptions::default();
    let Some(mut guard) = Guard::prepared_in(Form::Child, "doubt before proof", CLAWMEND, options)? else {
        return Ok(());
    };
    // No config is proven while this runs: what is learned then is not at hand.
    guard.set_policy(&[("config_proven_after_ms", 86_400_000)])?;
    guard.start()?;
    let life = guard.healthy()?;
    guard.home.edit_config(|config| config["gateway"]["prot"] = json!(1))?;
    let mut last = String::new();
    let seen = until("the unknown key to be said", Duration::from_secs(60), || {
        std::thread::sleep(Duration::from_millis(200));
        last = guard.status().map_or_else(|error| format!("{error:#}"), |status| status.to_string());
        last.contains("gateway.prot is not a key that OpenClaw knows")
    });
    let took = seen.with_context(|| format!("{last}\n{}", guard.output_tail()))?;
    eprintln!("measured: an unknown key was said after {took:?} by a guard that had no schema");
    ensure!(guard.gateway()? == life, "the gateway was replaced");
    Ok(())
}

#[test]
fn child_unconfirmed_config_is_taken_back() -> Result<()> {
    let options = HomeOptions::default();
    let Some((mut guard, _)) = Guard::healthy_in(Form::Child, "config unconfirmed", CLAWMEND, options)? else {
        return Ok(());
    };
    let path = guard.home.config_path();
    let good = std::fs::read(&path)?;
    let mut trial = guard.home.read_config()?;
    trial["logging"] = json!({"level": "info"});
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("trial.json");
    let trial = serde_json::to_vec_pretty(&trial)?;
    std::fs::write(&file, &trial)?;
    let file = file.to_str().context("the path is no text")?;
    let applied = guard.order(&["config", "apply", file, "--confirm-within", "20s", "--json"])?.json()?;
    ensure!(applied["confirm_until"].is_string(), "{applied}");
    ensure!(std::fs::read(&path)? == trial, "the config on trial is not in place");
    let took = until("the config before it", Duration::from_secs(120), || {
        std::thread::sleep(Duration::from_millis(200));
        std::fs::read(&path).is_ok_and(|now| now == good)
    })
    .with_context(|| guard.output_tail())?;
    eprintln!("measured: the config before the one on trial was back {took:?} after it was applied for 20 s");
    guard.healthy()?;
    ensure!(std::fs::read(&path)? == good, "it did not stay");
    let said = std::fs::read_to_string(guard.dirs.output())?;
    ensure!(said.contains("nobody confirmed the config on trial"), "{}", guard.output_tail());
    let history = guard.order(&["config", "history", "--json"])?.json()?;
    let all = history["generations"].as_array().context("no generations")?;
    let of_trial = all.iter().find(|one| one["id"] == applied["applied"]).context("the trial is not kept")?;
    ensure!(of_trial["present"] == json!(false), "{history}");
    ensure!(all.iter().any(|one| one["present"] == json!(true)), "{history}");
    let again = guard.say(&["config", "confirm"])?;
    ensure!(again.code != 0 && again.stderr.contains("no config is on trial"), "{again:?}");
    Ok(())
}

/// The file broke while the gateway runs on what it has read: the doctor names it, and one yes brings the good one back.
#[test]
fn a_person_has_a_broken_config_mended() -> Result<()> {
    let name = "a broken config mended by a person";
    let Some(mut guard) = Guard::prepared_in(Form::Child, name, CLAWMEND, HomeOptions::default())? else {
        return Ok(());
    };
    guard.set_policy(&[("config_proven_after_ms", 3_000)])?;
    guard.start()?;
    let life = guard.healthy()?;
    until("the config to be proven", SOON, || proven(&guard).unwrap_or(false))?;
    let well = guard.say(&["doctor", "--fix", "--yes", "--json"])?;
    ensure!(well.code == 0 && well.stdout.contains("\"done\":false"), "{well:?}");

    let good = std::fs::read_to_string(guard.home.config_path())?;
    std::fs::write(guard.home.config_path(), &good[..good.len() / 2])?;
    guard.verdict("degraded", SOON)?;
    let unheard = guard.say(&["doctor", "--fix"])?;
    ensure!(unheard.code == 64 && unheard.stderr.contains("bring back the newest proven config"), "{unheard:?}");
    ensure!(std::fs::read_to_string(guard.home.config_path())? == good[..good.len() / 2], "written without a yes");

    let mended = guard.say(&["doctor", "--fix", "--yes", "--json"])?;
    ensure!(mended.code == 0, "{mended:?}");
    let told: Value = serde_json::from_str(&mended.stdout)?;
    ensure!(told["causes"][0]["case"] == json!("config-broken-while-running"), "{told}");
    ensure!(told["fix"] == json!({"action": "restore_config", "done": true, "verdict": "healthy"}), "{told}");
    ensure!(std::fs::read_to_string(guard.home.config_path())? == good, "another config came back");
    ensure!(guard.gateway()? == life, "the gateway was restarted for it");

    guard.say(&["pause"])?;
    guard.verdict("paused", SOON)?;
    let paused = guard.say(&["doctor", "--fix", "--yes"])?;
    ensure!(paused.code == 77 && paused.stderr.contains("clawmend resume"), "{paused:?}");
    Ok(())
}

/// What `openclaw config validate` of 2026.9.6 says of these was seen; our reading of its schema says the same.
#[test]
fn the_installed_schema_is_read_as_openclaw_reads_it() -> Result<()> {
    let Some(_permit) = lab("the installed schema")? else { return Ok(()) };
    let cache = Cache::locate().map_err(|reason| anyhow::anyhow!(reason.0))?;
    let state = tempfile::tempdir()?;
    let node_dir = cache.node().parent().context("node has no folder")?.to_owned();
    let tools = Tools { node_dir, openclaw: cache.openclaw() };
    let version = schema::installed_version(&tools.openclaw).context("no version")?;
    let begin = Instant::now();
    schema::ask(&tools, &version, state.path())?;
    let asked = begin.elapsed();
    let begin = Instant::now();
    let schema = schema::cached(state.path(), &version).context("it was not kept")?;
    eprintln!("measured: schema of {version}: asked in {asked:?}, read in {:?}", begin.elapsed());
    ensure!(std::fs::read_dir(state.path().join("schemas"))?.count() == 1, "something was left behind");
    let home = discover(|_| None, state.path()).remove(0);
    let gateway = |more: Value| {
        let mut config = json!({"gateway": {"mode": "local", "port": 19789, "bind": "loopback",
            "auth": {"mode": "token", "token": "x"}}});
        for (key, value) in more.as_object().cloned().unwrap_or_default() {
            config["gateway"][key] = value;
        }
        config
    };
    let with = |key: &str, value: Value| {
        let mut config = gateway(json!({}));
        config[key] = value;
        config
    };
    let cases = [
        (gateway(json!({})), true),
        (
            gateway(json!({"auth": {"mode": "token", "token": {"source": "env", "provider": "default", "id": "A_B"}}})),
            true,
        ),
        (gateway(json!({"auth": {"mode": "token", "token": "${NOPE}"}})), true),
        (gateway(json!({"reload": {"mode": "off"}})), true),
        (with("agents", json!({"list": []})), true),
        (with("agents", json!({"defaults": {"model": {"primary": "a/b", "fallbacks": ["c/d"]}}})), true),
        (with("agents", json!({"defaults": {"model": "a/b"}})), true),
        (
            with(
                "channels",
                json!({"telegram": {"enabled": true, "botToken": "1:x", "dmPolicy": "open", "allowFrom": ["*"]}}),
            ),
            true,
        ),
        (with("plugins", json!({"entries": {"nosuch": {"enabled": true}}})), true),
        (
            with(
                "models",
                json!({"providers": {"mock": {"baseUrl": "http://127.0.0.1:1/v1", "apiKey": "k",
            "api": "openai-completions", "request": {"allowPrivateNetwork": true},
            "models": [{"id": "m", "name": "M", "contextWindow": 200_000, "maxTokens": 1024}]}}}),
            ),
            true,
        ),
        (gateway(json!({"prot": 1})), false),
        (gateway(json!({"port": "19789"})), false),
        (gateway(json!({"port": 0})), false),
        (gateway(json!({"bind": "lna"})), false),
        (gateway(json!({"channelHealthCheckMinutes": 5})), false),
        (gateway(json!({"token": "x"})), false),
        (with("gatway", json!({})), false),
        (with("models", json!({"default": "a/b"})), false),
        (with("channels", json!({"telegram": {"enabled": "yes"}})), false),
    ];
    let env = |_: &str| None;
    let around = Around { env: &env, env_known: true, schema: Some(&schema), version: Some(&version) };
    for (config, good) in cases {
        let errors: Vec<String> = look_at(&config, &home, &around)
            .into_iter()
            .filter(|finding| finding.severity == Severity::Error)
            .map(|finding| format!("{} {}", finding.code, finding.message))
            .collect();
        ensure!(errors.is_empty() == good, "{config}: {errors:?}");
    }
    Ok(())
}
