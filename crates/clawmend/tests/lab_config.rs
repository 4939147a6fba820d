//! A gateway that refuses to start with its config gets the last proven one back, on real OpenClaw.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use anyhow::{Context, Result, ensure};
use clawmend::openclaw::config::check::{Around, Severity, look_at};
use clawmend::openclaw::config::schema;
use clawmend::openclaw::discovery::discover;
use clawmend::openclaw::install::Tools;
use clawmend_testkit::lab::{Cache, Form, Guard, HomeOptions, Life, lab, until, until_some};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::io::Write as _;
use std::time::{Duration, Instant};

const CLAWMEND: &str = env!("CARGO_BIN_EXE_clawmend");
const BOUND: Duration = Duration::from_secs(60);

#[test]
fn child_config_is_restored() -> Result<()> {
    config_is_restored(Form::Child)
}

#[test]
fn unit_config_is_restored() -> Result<()> {
    config_is_restored(Form::Unit)
}

type Breaking = fn(&str) -> Option<String>;

/// Ways to break a config, as OpenClaw refuses them; `None`: the file is deleted. `true`: all other keys stay as they are.
const BREAKINGS: [(&str, Breaking, bool); 5] = [
    ("deleted", |_| None, false),
    ("truncated", |text| Some(text[..text.len() / 2].to_owned()), false),
    ("unknown key", |text| Some(text.replacen("\"port\"", "\"prot\": 1, \"port\"", 1)), true),
    ("wrong type", |text| Some(text.replacen("\"port\":", "\"port\": \"abc\", \"reload\":", 1)), true),
    ("no mode", |text| Some(text.replacen("\"mode\": \"local\",", "", 1).replacen("\"mode\":\"local\",", "", 1)), true),
];

fn config_is_restored(form: Form) -> Result<()> {
    let Some(mut guard) = Guard::prepared_in(form, "config restored", CLAWMEND, HomeOptions::default())? else {
        return Ok(());
    };
    let mut settings = std::fs::OpenOptions::new().append(true).create(true).open(guard.dirs.config())?;
    writeln!(settings, "\n[policy.override]\nconfig_proven_after_ms = 3000")?;
    guard.start()?;
    let mut life = guard.healthy()?;
    for (name, breaking, keys) in BREAKINGS {
        life =
            one(&mut guard, life, name, breaking, keys).with_context(|| format!("{name}\n{}", guard.output_tail()))?;
    }
    Ok(())
}

fn one(guard: &mut Guard, life: Life, name: &str, breaking: Breaking, keys: bool) -> Result<Life> {
    until("the present config to be proven", BOUND, || proven(guard).unwrap_or(false))?;
    let path = guard.home.config_path();
    let good = std::fs::read_to_string(&path)?;
    // A change that the restore must keep, where the rest can be read.
    let changed = good.replacen("\"gateway\"", "\"logging\": {\"level\": \"info\"}, \"gateway\"", 1);
    let base = if keys && !good.contains("logging") { &changed } else { &good };
    match breaking(base) {
        Some(text) => {
            ensure!(text != *base, "the config was not broken: {base}");
            guard.home.write_config_text(&text)?;
        }
        None => std::fs::remove_file(&path)?,
    }
    life.signal(Signal::TERM)?;
    life.ended(BOUND)?;
    let begin = Instant::now();
    let (incident, _) = until_some("the recovery", Duration::from_secs(240), || {
        std::thread::sleep(Duration::from_millis(200));
        let last = guard.last_incident().unwrap_or_default();
        let ours = last["actions"].as_array().is_some_and(|all| all.iter().any(is_restore));
        Ok(Some(last).filter(|last| ours && last["state"] == json!("closed")))
    })?;
    let new = guard.healthy()?;
    eprintln!(
        "measured: {:?}: {name}: proven well {:?} after the end; serving after {} ms by its own record",
        guard.form(),
        begin.elapsed(),
        incident["serving_after_ms"]
    );
    ensure!(incident["outcome"] == json!("recovered"), "{incident}");
    let now: Value = serde_json::from_str(&std::fs::read_to_string(&path)?)?;
    let mut wanted: Value = serde_json::from_str(base)?;
    // OpenClaw's own notes may have come or gone.
    let plain = |mut value: Value| {
        value.as_object_mut().map(|map| map.remove("meta"));
        value
    };
    if name == "wrong type" {
        // The wrong type was put in front of the right value; which of the two keys came back is not the point.
        wanted["gateway"]["port"] = json!(guard.home.port);
    }
    ensure!(plain(now.clone()) == plain(wanted.clone()), "{now} is not {wanted}");
    let aside = std::fs::read_dir(guard.home.state_dir())?
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().contains("clawmend-rejected-"));
    ensure!(aside || name == "deleted", "the rejected file is not kept beside");
    Ok(new)
}

fn is_restore(action: &Value) -> bool {
    action["action"].to_string().contains("restore_config")
}

/// The config on disk is a proven generation.
fn proven(guard: &Guard) -> Result<bool> {
    let answer = guard.say(&["config", "history", "--json"])?.json()?;
    let all = answer["generations"].as_array().cloned().unwrap_or_default();
    Ok(all.iter().any(|one| one["present"] == json!(true) && one["proven_at"].is_string()))
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
