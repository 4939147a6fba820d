//! The guard's own bot on real OpenClaw: a person is paired with it, and a tap on its button repairs a real gateway. The Bot
//! API is a stand-in that keeps the documented contract.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use anyhow::{Context, Result, ensure};
use clawmend_testkit::alerts::BotApiStandIn;
use clawmend_testkit::alerts::bot_api::{PERSON, STRANGER, TOKEN};
use clawmend_testkit::lab::{Guard, Home, HomeOptions, lab, until, until_some};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

const CLAWMEND: &str = env!("CARGO_BIN_EXE_clawmend");
/// Generous: the machine may be busy.
const BOUND: Duration = Duration::from_secs(180);
const PASSPHRASE: &str = "canary-passphrase-0123456789";

/// A message that asks, with the data of its buttons.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Question {
    message: i64,
    approve: String,
    deny: String,
}

/// The questions that came, in order.
fn questions(service: &BotApiStandIn) -> Vec<Question> {
    let data = |message: &Value, at: usize| {
        let button = &message["reply_markup"]["inline_keyboard"][0][at];
        button["callback_data"].as_str().map(str::to_owned)
    };
    let question = |message: &Value| {
        let (approve, deny) = (data(message, 0)?, data(message, 1)?);
        Some(Question { message: message["message_id"].as_i64()?, approve, deny })
    };
    service.sent().iter().filter_map(question).collect()
}

fn said(service: &BotApiStandIn, part: &str) -> bool {
    service.sent().iter().any(|message| message["text"].as_str().is_some_and(|text| text.contains(part)))
}

/// A tap of the person, and the answer to it.
fn tap(service: &BotApiStandIn, guard: &Guard, message: i64, data: &str) -> Result<String> {
    let query = service.tap(PERSON, message, data);
    let answer = || service.answers().into_iter().find(|(known, _)| *known == query).map(|(_, text)| text);
    let (text, _) = until_some("the answer to a tap", BOUND, || Ok(answer())).with_context(|| guard.output_tail())?;
    Ok(text)
}

fn settings(guard: &Guard, service: &BotApiStandIn) -> Result<()> {
    let mut file = std::fs::OpenOptions::new().append(true).open(guard.dirs.config())?;
    // The shortest time that a question can be answered, because one is to expire here.
    writeln!(file, "language = \"en\"\n[approval]\nask_first = true\nvalid_ms = 60000")?;
    let path = guard.dirs.config().with_file_name("notify.toml");
    std::fs::write(&path, format!("[bot]\ntoken = \"{TOKEN}\"\napi = \"{}\"\n", service.url()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(())
}

/// As a person does it: the passphrase, the code, and the code sent to the bot.
fn pair(guard: &Guard, service: &BotApiStandIn) -> Result<String> {
    let set = guard.typed(&["pair"], &[PASSPHRASE, PASSPHRASE])?;
    ensure!(set.0 == 0, "{set:?}");
    let shown = guard.typed(&["pair", "bot"], &[PASSPHRASE])?;
    ensure!(shown.0 == 0, "{shown:?}");
    let code = shown.1.lines().next().context("no code")?.to_owned();
    service.write(STRANGER, if code.starts_with('1') { "2222 2222" } else { "1111 1111" });
    service.write(PERSON, &code);
    until("the word that they are paired", BOUND, || said(service, "Paired")).with_context(|| guard.output_tail())?;
    Ok(code)
}

#[test]
fn a_tap_repairs_a_frozen_gateway_and_only_once() -> Result<()> {
    let Some(permit) = lab("a tap on a button")? else { return Ok(()) };
    let service = BotApiStandIn::start()?;
    let mut guard = Guard::over_child(permit, CLAWMEND, Home::new(HomeOptions::default())?)?;
    settings(&guard, &service)?;
    guard.start()?;
    let code = pair(&guard, &service)?;
    let life = guard.healthy().with_context(|| guard.output_tail())?;
    life.signal(Signal::STOP)?;
    let (first, _) = until_some("the question with its buttons", BOUND, || Ok(questions(&service).into_iter().next()))
        .with_context(|| guard.output_tail())?;
    ensure!(life.alive(), "nothing is done before it is approved");

    // Somebody else's tap on the very button, and one that was altered.
    let foreign = service.tap(STRANGER, first.message, &first.approve);
    let altered = first.deny.replacen("1n", "1y", 1);
    let answer = tap(&service, &guard, first.message, &altered)?;
    ensure!(answer.contains("fits nothing"), "{answer}");
    // It expires, and it is asked again.
    let (second, _) =
        until_some("the question to be asked again", BOUND, || Ok(questions(&service).into_iter().nth(1)))
            .with_context(|| guard.output_tail())?;
    let answer = tap(&service, &guard, first.message, &first.approve)?;
    ensure!(answer.contains("time is over"), "{answer}");
    ensure!(life.alive(), "something was done");
    ensure!(guard.say(&["approve", "--json"])?.json()?["waiting"][0]["proposal"]["id"].is_u64(), "it still waits");
    ensure!(service.answers().iter().all(|(query, _)| *query != foreign), "a stranger got an answer");

    let tapped = Instant::now();
    let answer = tap(&service, &guard, second.message, &second.approve)?;
    ensure!(answer.starts_with("Approved"), "{answer}\n{}", guard.output_tail());
    let (next, _) = guard.replacement(life, BOUND)?;
    ensure!(guard.healthy()? == next, "another life serves");
    eprintln!("measured: serving {:?} after the tap", tapped.elapsed());
    let (closed, _) = until_some("the incident to be over", BOUND, || {
        Ok(Some(guard.last_incident()?).filter(|last| last["state"] == json!("closed")))
    })?;
    ensure!(closed["outcome"] == json!("recovered"), "{closed}");
    let decided: Vec<Value> =
        guard.events(&closed)?.into_iter().filter(|event| event["event"] == json!("decided")).collect();
    ensure!(decided.len() == 1 && decided[0]["approved"] == json!(true), "{decided:?}");
    ensure!(decided[0]["by"] == json!(format!("Telegram user {PERSON}, by a button")), "{decided:?}");

    // The same tap once more, and the other button of that message.
    for data in [&second.approve, &second.deny] {
        let answer = tap(&service, &guard, second.message, data)?;
        ensure!(answer.contains("answered before"), "{answer}");
    }
    ensure!(guard.gateway()? == next, "a replayed tap did something");
    until("the buttons to go", BOUND, || service.buttons(second.message).is_empty())?;
    let log = std::fs::read_to_string(guard.dirs.output())?;
    for part in ["altered", "used before", "expired", "a stranger", "a wrong code"] {
        ensure!(log.contains(part), "not logged: {part}\n{}", guard.output_tail());
    }
    words_from_the_chat(&guard, &service)?;

    let own = guard.own_files()?;
    for secret in [TOKEN, PASSPHRASE, code.as_str(), guard.home.token.as_str()] {
        ensure!(!own.contains(secret), "the guard's own files hold {secret}");
    }
    ensure!(
        service.sent().iter().all(|message| message["chat_id"] == json!(PERSON)),
        "somebody else was written to: {:?}",
        service.sent()
    );
    Ok(())
}

/// Status, pause, resume and restart; and what is on no list.
fn words_from_the_chat(guard: &Guard, service: &BotApiStandIn) -> Result<()> {
    let life = guard.gateway()?;
    service.write(STRANGER, "restart");
    service.write(PERSON, "restart; touch /tmp/x");
    service.write(PERSON, "status");
    until("the status", BOUND, || said(service, "default: healthy")).with_context(|| guard.output_tail())?;
    ensure!(said(service, "I know: status"), "no help");
    service.write(PERSON, "pause");
    until("the pause", BOUND, || said(service, "default: paused")).with_context(|| guard.output_tail())?;
    ensure!(guard.status()?["desired"] == json!("paused"), "{}", guard.status()?);
    service.write(PERSON, "resume");
    until("its end", BOUND, || said(service, "no pause is in force")).with_context(|| guard.output_tail())?;
    ensure!(guard.gateway()? == life, "nothing of that ends a gateway");
    service.write(PERSON, "restart");
    let (next, _) = guard.replacement(life, BOUND).with_context(|| guard.output_tail())?;
    until("the word that it serves", BOUND, || said(service, "restarted and serving"))
        .with_context(|| format!("{:?}\n{}", service.sent(), guard.output_tail()))?;
    ensure!(guard.gateway()? == next, "it was restarted once");
    Ok(())
}
