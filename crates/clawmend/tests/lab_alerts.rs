//! Alerts and approvals on real OpenClaw: told on credentials of its own config while it cannot start, and a person's word
//! that repairs it. The services are stand-ins that keep the documented contracts.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use anyhow::{Context, Result, ensure};
use clawmend_testkit::alerts::{DingtalkStandIn, FeishuStandIn};
use clawmend_testkit::lab::{Guard, Home, HomeOptions, PackageCopy, lab, skipped, until, until_some};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const CLAWMEND: &str = env!("CARGO_BIN_EXE_clawmend");
/// Generous: the machine may be busy.
const BOUND: Duration = Duration::from_secs(180);
const PASSPHRASE: &str = "canary-passphrase-0123456789";

/// The services, and a home whose config leads to them.
struct Services {
    feishu: FeishuStandIn,
    dingtalk: DingtalkStandIn,
}

impl Services {
    fn start() -> Result<Self> {
        Ok(Self { feishu: FeishuStandIn::start()?, dingtalk: DingtalkStandIn::start()? })
    }

    /// As OpenClaw's plugins have it.
    fn home(&self, plugins: &[PathBuf]) -> Result<Home> {
        let home = Home::new(HomeOptions::default())?;
        home.edit_config(|config| {
            let on = json!({"enabled": true});
            config["plugins"] = json!({
                "load": {"paths": plugins},
                "entries": {"feishu": on, "dingtalk": on},
                "allow": ["feishu", "dingtalk"],
            });
            config["channels"] = json!({
                "feishu": {
                    "enabled": true,
                    "appId": FeishuStandIn::APP_ID,
                    "appSecret": FeishuStandIn::APP_SECRET,
                    "allowFrom": ["ou_owner"],
                },
                "dingtalk": {
                    "enabled": true,
                    "clientId": DingtalkStandIn::CLIENT_ID,
                    "clientSecret": DingtalkStandIn::CLIENT_SECRET,
                    "allowFrom": ["owner"],
                },
            });
        })?;
        Ok(home)
    }

    /// The only thing that a person would not set: where the services are.
    fn lead_here(&self, guard: &Guard, settings: &str) -> Result<()> {
        let mut file = std::fs::OpenOptions::new().append(true).open(guard.dirs.config())?;
        writeln!(file, "{settings}")?;
        let path = guard.dirs.config().with_file_name("notify.toml");
        std::fs::write(
            &path,
            format!("[api]\nfeishu = \"{}\"\ndingtalk = \"{}\"\n", self.feishu.api(), self.dingtalk.api()),
        )?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(())
    }

    /// A bot of Feishu that a person sets by hand.
    fn set_bot(&self, guard: &Guard) -> Result<()> {
        let webhook = format!("webhook = \"{}\"", self.feishu.webhook());
        let secret = format!("secret = \"{}\"", FeishuStandIn::BOT_SECRET);
        let set = guard.typed(&["notify", "set", "feishu_bot", "--name", "ops"], &[&webhook, &secret])?;
        ensure!(set.0 == 0, "{set:?}");
        let tried = guard.typed(&["notify", "test", "ops"], &[])?;
        ensure!(tried.0 == 0 && tried.1.contains("delivered"), "{tried:?}");
        Ok(())
    }

    fn texts(&self) -> (Vec<String>, Vec<String>) {
        let texts = |messages: Vec<Value>| messages.iter().map(text_of).collect();
        (texts(self.feishu.messages()), texts(self.dingtalk.messages()))
    }
}

/// Every text in it, unpacked: the services take JSON inside of JSON.
fn text_of(message: &Value) -> String {
    match message {
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(inner @ (Value::Object(_) | Value::Array(_))) => text_of(&inner),
            _ => format!("{text}\n"),
        },
        Value::Array(items) => items.iter().map(text_of).collect(),
        Value::Object(fields) => fields.values().map(text_of).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => String::new(),
    }
}

/// Nothing that is secret here is in there.
fn holds_no_secret(guard: &Guard, what: &str, text: &str) -> Result<()> {
    let token = guard.home.token.as_str();
    let all = [FeishuStandIn::APP_SECRET, FeishuStandIn::BOT_SECRET, DingtalkStandIn::CLIENT_SECRET, token, PASSPHRASE];
    for secret in all {
        ensure!(!text.contains(secret), "{what} holds {secret}:\n{text}");
    }
    Ok(())
}

/// When a person was told, by the record.
fn decided_at(guard: &Guard, incident: &Value) -> Result<Option<String>> {
    let events = guard.events(incident)?;
    let told = events.iter().find(|event| event["event"] == json!("escalated"));
    Ok(told.and_then(|event| event["at"].as_str().map(str::to_owned)))
}

#[test]
fn a_gateway_that_cannot_start_is_told_on_feishu_and_dingtalk() -> Result<()> {
    let Some(permit) = lab("alerts of a removed package")? else { return Ok(()) };
    let plugins = match permit.cache.plugins() {
        Ok(plugins) => plugins,
        Err(reason) => {
            skipped("alerts of a removed package", &reason);
            return Ok(());
        }
    };
    let services = Services::start()?;
    let copy = PackageCopy::of(&permit.cache)?;
    let part = copy.built("server-start-")?;
    copy.take_away(&part)?;
    let program = copy.program().display().to_string();
    let home = services.home(&plugins)?;
    let mut guard = Guard::with_arguments(permit, CLAWMEND, home, &["run", "--", &program, "gateway", "run"])?;
    services.lead_here(&guard, "language = \"zh-CN\"")?;
    guard.start()?;
    let (incident, _) = until_some("a person to be told, by the record", BOUND, || {
        let last = guard.last_incident().unwrap_or_default();
        Ok(Some(last).filter(|last| decided_at(&guard, last).ok().flatten().is_some()))
    })
    .with_context(|| guard.output_tail())?;
    let decided = Instant::now();
    until("both to have the alert", BOUND, || {
        let (feishu, dingtalk) = services.texts();
        !feishu.is_empty() && !dingtalk.is_empty()
    })
    .with_context(|| guard.output_tail())?;
    eprintln!("measured: both had the alert {:?} after the record told that a person must know", decided.elapsed());
    let first = format!("事件 {} ", incident["id"]);
    let (feishu, dingtalk) = services.texts();
    for (name, text) in [("Feishu", &feishu[0]), ("DingTalk", &dingtalk[0])] {
        // Level, since when, last good check, crashes, cause, what was tried, what follows, commands, log, incident.
        for part in [
            "严重",
            "时间",
            "最后成功检查",
            "600 秒",
            "已尝试",
            "接下来",
            "clawmend doctor",
            "最近日志",
            "Cannot find module",
        ] {
            ensure!(text.contains(part), "{name} does not tell {part}:\n{text}");
        }
        ensure!(text.contains(&first), "{name}:\n{text}");
    }
    ensure!((feishu.len(), dingtalk.len()) == (1, 1), "one letter each: {feishu:?} {dingtalk:?}");
    copy.put_back(&part)?;
    until("both to hear that it is over", BOUND, || {
        let (feishu, dingtalk) = services.texts();
        feishu.iter().any(|text| text.contains("已恢复")) && dingtalk.iter().any(|text| text.contains("已恢复"))
    })
    .with_context(|| format!("{:?}\n{}", services.texts(), guard.output_tail()))?;
    let (feishu, dingtalk) = services.texts();
    // Every message is one letter of the record, each of which has a key of its own: nothing came twice.
    let log = guard.say(&["notify", "log", "--json"])?.json()?;
    let told = |place: &str| {
        let rows = log["deliveries"].as_array().map_or(&[][..], Vec::as_slice);
        rows.iter().filter(|row| row["place"] == json!(place)).count()
    };
    ensure!(feishu.len() <= told("feishu") && dingtalk.len() <= told("dingtalk"), "{feishu:?} {dingtalk:?} {log}");
    holds_no_secret(&guard, "an alert", &format!("{feishu:?} {dingtalk:?}"))?;
    holds_no_secret(&guard, "the guard's own files", &guard.own_files()?)?;
    let listed = guard.say(&["notify", "list", "--json"])?;
    let places = listed.json()?["places"].clone();
    ensure!(places.as_array().is_some_and(|all| all.len() == 2), "{places}");
    holds_no_secret(&guard, "notify list", &listed.stdout)
}

#[test]
fn a_persons_word_repairs_a_frozen_gateway_and_only_once() -> Result<()> {
    let Some(permit) = lab("an approval")? else { return Ok(()) };
    let services = Services::start()?;
    // The person is told elsewhere than on OpenClaw's channels: those of this home are none.
    let mut guard = Guard::over_child(permit, CLAWMEND, Home::new(HomeOptions::default())?)?;
    services.lead_here(&guard, "language = \"en\"\n[approval]\nask_first = true")?;
    guard.start()?;
    services.set_bot(&guard)?;
    let paired = guard.typed(&["pair"], &[PASSPHRASE, PASSPHRASE])?;
    ensure!(paired.0 == 0, "{paired:?}");
    let life = guard.healthy().with_context(|| guard.output_tail())?;
    life.signal(Signal::STOP)?;
    let (question, _) = until_some("the question to arrive", BOUND, || {
        Ok(services.texts().0.into_iter().find(|text| text.contains("waits for your word")))
    })
    .with_context(|| guard.output_tail())?;
    ensure!(life.alive(), "nothing is done before it is approved");
    let code = question.split("Code").nth(1).context("no code in the question")?;
    let code: String = code.chars().filter(char::is_ascii_digit).take(8).collect();
    let waiting = guard.say(&["approve", "--json"])?.json()?;
    let id = waiting["waiting"][0]["proposal"]["id"].as_u64().context("nothing waits")?.to_string();

    let altered = code.strip_prefix('1').map_or_else(|| format!("1{}", &code[1..]), |rest| format!("2{rest}"));
    for (what, code, passphrase) in
        [("an altered code", altered.as_str(), PASSPHRASE), ("another passphrase", code.as_str(), "something else")]
    {
        let answer = guard.typed(&["approve", &id], &[code, passphrase])?;
        ensure!(answer.0 != 0 && answer.1.contains("wrong"), "{what}: {answer:?}");
        ensure!(life.alive(), "{what} did something");
    }
    let approved = Instant::now();
    let answer = guard.typed(&["approve", &id], &[&code, PASSPHRASE])?;
    ensure!(answer.0 == 0, "{answer:?}\n{}", guard.output_tail());
    let (next, _) = guard.replacement(life, BOUND)?;
    ensure!(guard.healthy()? == next, "another life serves");
    eprintln!("measured: serving {:?} after it was approved", approved.elapsed());
    let (closed, _) = until_some("the incident to be over", BOUND, || {
        Ok(Some(guard.last_incident()?).filter(|last| last["state"] == json!("closed")))
    })?;
    ensure!(closed["outcome"] == json!("recovered"), "{closed}");
    let decided: Vec<Value> =
        guard.events(&closed)?.into_iter().filter(|event| event["event"] == json!("decided")).collect();
    ensure!(decided.len() == 1 && decided[0]["approved"] == json!(true), "{decided:?}");
    ensure!(decided[0]["by"].as_str().is_some_and(|by| by.contains("passphrase")), "{decided:?}");

    // The same word once more, and from inside of the gateway.
    let again = guard.typed(&["approve", &id], &[&code, PASSPHRASE])?;
    ensure!(again.0 != 0 && guard.gateway()? == next, "{again:?}");
    holds_no_secret(&guard, "the guard's own files", &guard.own_files()?)
}
