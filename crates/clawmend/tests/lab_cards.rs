//! The guard's own app on Feishu, and the one on DingTalk, on real OpenClaw: a person is paired with it, and a tap on its card
//! repairs a real gateway. Feishu and DingTalk are stand-ins that keep the documented contract, in both directions.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use anyhow::{Context, Result, ensure};
use clawmend_testkit::alerts::{DingtalkStandIn, DingtalkStream, FeishuCallbacks, FeishuStandIn};
use clawmend_testkit::lab::{Guard, Home, HomeOptions, lab, until, until_some};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

const CLAWMEND: &str = env!("CARGO_BIN_EXE_clawmend");
/// Generous: the machine may be busy.
const BOUND: Duration = Duration::from_secs(180);
const PASSPHRASE: &str = "canary-passphrase-0123456789";
const PERSON: &str = FeishuCallbacks::PERSON;
const STRANGER: &str = FeishuCallbacks::STRANGER;

/// A card that asks, with the data of its buttons.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Question {
    message: String,
    approve: String,
    deny: String,
}

/// The questions that came, in order.
fn questions(api: &FeishuStandIn) -> Vec<Question> {
    let question = |message: &Value| {
        let elements = message["card"]["elements"].as_array()?;
        let row = elements.iter().find(|element| element["tag"] == "action")?;
        let data = |at: usize| row["actions"][at]["value"]["clawmend"].as_str().map(str::to_owned);
        let message = message["message_id"].as_str()?.to_owned();
        Some(Question { message, approve: data(0)?, deny: data(1)? })
    };
    api.messages().iter().filter_map(question).collect()
}

fn said(api: &FeishuStandIn, part: &str) -> bool {
    let text = |message: &Value| message["card"]["text"].as_str().is_some_and(|text| text.contains(part));
    api.messages().iter().any(text)
}

/// A tap of the person, and the toast.
fn tap(feishu: &FeishuCallbacks, guard: &Guard, message: &str, data: &str) -> Result<String> {
    let answer = feishu.tapped(&feishu.tap(PERSON, message, data)).with_context(|| guard.output_tail())?;
    Ok(answer.1)
}

fn settings(guard: &Guard, own: &str) -> Result<()> {
    let mut settings = std::fs::read_to_string(guard.dirs.config())?;
    // The shortest time that a question can be answered, because one is to expire here.
    settings.push_str("language = \"en\"\n[approval]\nask_first = true\nvalid_ms = 60000\n");
    std::fs::write(guard.dirs.config(), settings)?;
    let path = guard.dirs.config().with_file_name("notify.toml");
    std::fs::write(&path, own)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(())
}

/// As a person does it: the passphrase, the code, and the code sent to the app.
fn pair(guard: &Guard, feishu: &FeishuCallbacks, api: &FeishuStandIn) -> Result<String> {
    let listens = || feishu.send(&feishu.challenge("canary-challenge")).is_ok_and(|back| back.status == 200);
    until("the listener", BOUND, listens).with_context(|| guard.output_tail())?;
    let set = guard.typed(&["pair"], &[PASSPHRASE, PASSPHRASE])?;
    ensure!(set.0 == 0, "{set:?}");
    let shown = guard.typed(&["pair", "feishu"], &[PASSPHRASE])?;
    ensure!(shown.0 == 0, "{shown:?}");
    let code = shown.1.lines().next().context("no code")?.to_owned();
    feishu.send(&feishu.message(STRANGER, if code.starts_with('1') { "2222 2222" } else { "1111 1111" }))?;
    feishu.send(&feishu.message(PERSON, &code))?;
    until("the word that they are paired", BOUND, || said(api, "Paired")).with_context(|| guard.output_tail())?;
    Ok(code)
}

/// Callbacks that must do nothing, each for a reason of its own.
fn bad_ones(feishu: &FeishuCallbacks, question: &Question) -> Result<()> {
    let event = || feishu.tap_event(PERSON, &question.message, &json!({"clawmend": question.approve}));
    let mut unsigned = feishu.signed(&event(), 0);
    unsigned.headers.retain(|(name, _)| !name.starts_with("X-Lark"));
    let mut altered = feishu.signed(&event(), 0);
    altered.body = feishu.signed(&event(), 0).body;
    let old = json!({"open_id": PERSON, "token": "c-1", "action": {"value": {"clawmend": question.approve}}});
    let garbage = feishu.unsigned(b"\xff{".to_vec());
    for sent in [unsigned, altered, feishu.signed(&event(), 3_600), feishu.signed(&old, 0), garbage] {
        ensure!(feishu.send(&sent)?.status == 403);
    }
    let mut long = feishu.unsigned(vec![b'x'; 70_000]);
    feishu.sign(&mut long, 0);
    ensure!(feishu.send(&long)?.status == 413);
    let mut opened = feishu.signed(&event(), 0);
    opened.method = "GET".to_owned();
    ensure!(feishu.send(&opened)?.status == 405);
    let foreign = feishu.send(&feishu.tap(STRANGER, &question.message, &question.approve))?;
    ensure!(foreign.status == 200 && foreign.body == json!({}), "a stranger got an answer: {foreign:?}");
    Ok(())
}

#[test]
fn a_tap_on_a_card_repairs_a_frozen_gateway_and_only_once() -> Result<()> {
    let Some(permit) = lab("a tap on a card of Feishu")? else { return Ok(()) };
    let api = FeishuStandIn::start()?;
    let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let feishu = FeishuCallbacks::to(free, "/clawmend/feishu");
    let mut guard = Guard::over_child(permit, CLAWMEND, Home::new(HomeOptions::default())?)?;
    settings(&guard, &feishu.settings(&api))?;
    guard.start()?;
    let code = pair(&guard, &feishu, &api)?;
    let life = guard.healthy().with_context(|| guard.output_tail())?;
    life.signal(Signal::STOP)?;
    let (first, _) = until_some("the question with its buttons", BOUND, || Ok(questions(&api).into_iter().next()))
        .with_context(|| guard.output_tail())?;
    ensure!(life.alive(), "nothing is done before it is approved");

    bad_ones(&feishu, &first)?;
    let answer = tap(&feishu, &guard, &first.message, &first.deny.replacen("1n", "1y", 1))?;
    ensure!(answer.contains("fits nothing"), "{answer}");
    // It expires, and it is asked again.
    let (second, _) = until_some("the question to be asked again", BOUND, || Ok(questions(&api).into_iter().nth(1)))
        .with_context(|| guard.output_tail())?;
    let answer = tap(&feishu, &guard, &first.message, &first.approve)?;
    ensure!(answer.contains("time is over"), "{answer}");
    ensure!(life.alive(), "something was done");
    ensure!(guard.say(&["approve", "--json"])?.json()?["waiting"][0]["proposal"]["id"].is_u64(), "it still waits");

    let tapped = Instant::now();
    let sent = feishu.tap(PERSON, &second.message, &second.approve);
    let (kind, answer, card) = feishu.tapped(&sent).with_context(|| guard.output_tail())?;
    ensure!(kind == "success" && answer.starts_with("Approved"), "{kind}: {answer}\n{}", guard.output_tail());
    let card = card.context("the card stays as it was")?;
    ensure!(!card.to_string().contains("\"button\""), "{card}");
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
    ensure!(decided[0]["by"] == json!(format!("Feishu user {PERSON}, by a button")), "{decided:?}");

    // The very request once more, the same button once more, and the other one.
    ensure!(feishu.send(&sent)?.body == json!({}), "a replayed request got an answer");
    for data in [&second.approve, &second.deny] {
        let answer = tap(&feishu, &guard, &second.message, data)?;
        ensure!(answer.contains("answered before"), "{answer}");
    }
    ensure!(guard.gateway()? == next, "a replayed tap did something");
    let log = std::fs::read_to_string(guard.dirs.output())?;
    for part in [
        "not signed",
        "signature is wrong",
        "clock",
        "old form",
        "no callback of Feishu",
        "too long",
        "not POST",
        STRANGER,
    ] {
        ensure!(log.contains(part), "not logged: {part}\n{}", guard.output_tail());
    }
    for part in ["altered", "used before", "expired", "replayed", "a wrong code"] {
        ensure!(log.contains(part), "not logged: {part}\n{}", guard.output_tail());
    }
    words_from_the_chat(&guard, &feishu, &api)?;

    let own = guard.own_files()?;
    let secrets = [
        FeishuStandIn::APP_SECRET,
        FeishuCallbacks::ENCRYPT_KEY,
        FeishuCallbacks::TOKEN,
        PASSPHRASE,
        code.as_str(),
        guard.home.token.as_str(),
    ];
    for secret in secrets {
        ensure!(!own.contains(secret), "the guard's own files hold {secret}");
    }
    ensure!(
        api.messages().iter().all(|message| message["to"] == json!(PERSON)),
        "somebody else was written to: {:?}",
        api.messages()
    );
    Ok(())
}

/// Status, pause, resume and restart; and what is on no list.
fn words_from_the_chat(guard: &Guard, feishu: &FeishuCallbacks, api: &FeishuStandIn) -> Result<()> {
    let life = guard.gateway()?;
    let write = |person: &str, text: &str| feishu.send(&feishu.message(person, text));
    write(STRANGER, "restart")?;
    write(PERSON, "restart; touch /tmp/x")?;
    write(PERSON, "status")?;
    until("the status", BOUND, || said(api, "default: healthy")).with_context(|| guard.output_tail())?;
    ensure!(said(api, "I know: status"), "no help");
    write(PERSON, "pause")?;
    until("the pause", BOUND, || said(api, "default: paused")).with_context(|| guard.output_tail())?;
    ensure!(guard.status()?["desired"] == json!("paused"), "{}", guard.status()?);
    write(PERSON, "resume")?;
    until("its end", BOUND, || said(api, "no pause is in force")).with_context(|| guard.output_tail())?;
    ensure!(guard.gateway()? == life, "nothing of that ends a gateway");
    write(PERSON, "restart")?;
    let (next, _) = guard.replacement(life, BOUND).with_context(|| guard.output_tail())?;
    until("the word that it serves", BOUND, || said(api, "restarted and serving"))
        .with_context(|| format!("{:?}\n{}", api.messages(), guard.output_tail()))?;
    ensure!(guard.gateway()? == next, "it was restarted once");
    Ok(())
}

/// The cards that came, as [`questions`].
fn cards(dingtalk: &DingtalkStream) -> Vec<Question> {
    let question = |message: &Value| {
        let shown = &message["cardData"]["cardParamMap"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let (approve, deny) = (text(&shown["approve"])?, text(&shown["deny"])?);
        Some(Question { message: text(&message["outTrackId"])?, approve, deny })
    };
    dingtalk.api.messages().iter().filter_map(question).collect()
}

fn told(dingtalk: &DingtalkStream, part: &str) -> bool {
    dingtalk.said().iter().any(|text| text.contains(part))
}

/// As a person does it, while the guard waits for them.
fn pair_on_dingtalk(guard: &Guard, dingtalk: &DingtalkStream) -> Result<String> {
    let set = guard.typed(&["pair"], &[PASSPHRASE, PASSPHRASE])?;
    ensure!(set.0 == 0, "{set:?}");
    ensure!(dingtalk.asked() == 0, "there is a connection while nobody can say anything");
    let shown = guard.typed(&["pair", "dingtalk"], &[PASSPHRASE])?;
    ensure!(shown.0 == 0, "{shown:?}");
    let code = shown.1.lines().next().context("no code")?.to_owned();
    until("the connection", BOUND, || dingtalk.connections().1 == 1).with_context(|| guard.output_tail())?;
    let wrong = if code.starts_with('1') { "2222 2222" } else { "1111 1111" };
    dingtalk.ask(&dingtalk.message(DingtalkStream::STRANGER, wrong))?;
    dingtalk.ask(&dingtalk.message(DingtalkStream::PERSON, &code))?;
    until("the word that they are paired", BOUND, || told(dingtalk, "Paired")).with_context(|| guard.output_tail())?;
    Ok(code)
}

/// What must do nothing, each for a reason of its own.
fn bad_frames(dingtalk: &DingtalkStream, question: &Question) -> Result<()> {
    let tap = |person, carried: &str| dingtalk.tap(person, &question.message, carried);
    let nothing = |frame: &Value| -> Result<()> {
        let answer = dingtalk.ask(frame)?;
        ensure!(answer["data"] == json!("{\"response\":null}"), "{answer}");
        Ok(())
    };
    nothing(&tap(DingtalkStream::STRANGER, &question.approve))?;
    let mut old = tap(DingtalkStream::PERSON, &question.approve);
    old["headers"]["time"] = json!("1690362102194");
    nothing(&old)?;
    dingtalk.send_text("\u{fffd}{");
    nothing(&dingtalk.message(DingtalkStream::STRANGER, &format!("approve {}", question.approve)))?;
    let altered = question.deny.replacen("1n", "1y", 1);
    let shown = dingtalk.tapped(&tap(DingtalkStream::PERSON, &altered))?;
    ensure!(shown["status"].as_str().is_some_and(|status| status.contains("fits nothing")), "{shown}");
    Ok(())
}

#[test]
fn a_tap_on_dingtalk_repairs_a_frozen_gateway_and_only_once() -> Result<()> {
    let Some(permit) = lab("a tap on a card of DingTalk")? else { return Ok(()) };
    let dingtalk = DingtalkStream::start()?;
    let mut guard = Guard::over_child(permit, CLAWMEND, Home::new(HomeOptions::default())?)?;
    settings(&guard, &dingtalk.settings(Some(DingtalkStandIn::TEMPLATE)))?;
    guard.start()?;
    let life = guard.healthy().with_context(|| guard.output_tail())?;
    let code = pair_on_dingtalk(&guard, &dingtalk)?;
    life.signal(Signal::STOP)?;
    let (asked, _) = until_some("the card", BOUND, || Ok(cards(&dingtalk).into_iter().next()))
        .with_context(|| guard.output_tail())?;
    ensure!(life.alive(), "nothing is done before it is approved");
    bad_frames(&dingtalk, &asked)?;
    ensure!(life.alive(), "something was done");
    // The connection breaks, and the tap comes over the next one.
    dingtalk.cut();
    until("another connection", BOUND, || dingtalk.connections() == (2, 1)).with_context(|| guard.output_tail())?;

    let tapped = Instant::now();
    let sent = dingtalk.tap(DingtalkStream::PERSON, &asked.message, &asked.approve);
    let shown = dingtalk.tapped(&sent).with_context(|| guard.output_tail())?;
    ensure!(shown["state"] == json!("closed"), "the card stays as it was: {shown}");
    ensure!(shown["status"].as_str().is_some_and(|status| status.starts_with("Approved")), "{shown}");
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
    let by = format!("DingTalk user {}, by a button", DingtalkStream::PERSON);
    ensure!(decided[0]["by"] == json!(by), "{decided:?}");

    // The very frame once more, the same button once more, and the other one, also by its words.
    ensure!(dingtalk.ask(&sent)?["data"] == json!("{\"response\":null}"), "a replayed frame got an answer");
    for carried in [&asked.approve, &asked.deny] {
        let shown = dingtalk.tapped(&dingtalk.tap(DingtalkStream::PERSON, &asked.message, carried))?;
        ensure!(shown["status"].as_str().is_some_and(|status| status.contains("answered before")), "{shown}");
    }
    dingtalk.ask(&dingtalk.message(DingtalkStream::PERSON, &format!("deny {}", asked.deny)))?;
    until("a word that it was answered", BOUND, || told(&dingtalk, "answered before"))?;
    ensure!(guard.gateway()? == next, "a replayed tap did something");
    dingtalk.ask(&dingtalk.message(DingtalkStream::PERSON, "状态"))?;
    until("the status", BOUND, || told(&dingtalk, "default: healthy")).with_context(|| guard.output_tail())?;

    let log = std::fs::read_to_string(guard.dirs.output())?;
    for part in [DingtalkStream::STRANGER, "clock", "no frame", "altered", "used before", "replayed", "a wrong code"] {
        ensure!(log.contains(part), "not logged: {part}\n{}", guard.output_tail());
    }
    let own = guard.own_files()?;
    for secret in [DingtalkStandIn::CLIENT_SECRET, PASSPHRASE, code.as_str(), guard.home.token.as_str()] {
        ensure!(!own.contains(secret), "the guard's own files hold {secret}");
    }
    let messages = dingtalk.api.messages();
    let to_them = |message: &Value| message["userIds"] == json!([DingtalkStream::PERSON]);
    ensure!(messages.iter().all(to_them), "somebody else was written to: {messages:?}");
    Ok(())
}
