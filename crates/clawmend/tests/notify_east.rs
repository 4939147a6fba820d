//! Feishu, DingTalk and WeCom against stand-ins that keep their contracts strictly.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "notify_east/cases.rs"]
mod cases;
#[path = "notify_east/letters.rs"]
mod letters;

use cases::{all, channel, dingtalk_app, dingtalk_bot, feishu_app, feishu_bot, wecom};
use clawmend::notify::channel::{Channel, dingtalk, feishu, wecom_bot};
use clawmend::notify::http::Http;
use clawmend::notify::{Letter, NotDelivered, Receipt};
use clawmend_core::time::Wall;
use clawmend_testkit::alerts::{DingtalkStandIn, EastMode as Mode, FeishuStandIn, WecomStandIn};
use letters::{chinese, hostile, huge, letter};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn now() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Wall(i64::try_from(since.as_millis()).unwrap())
}

fn http() -> Http {
    Http::new(None).unwrap()
}

fn impatient() -> Http {
    Http::with_limits(None, Duration::from_secs(3), Duration::from_secs(3)).unwrap()
}

fn needs_person(result: Result<Receipt, NotDelivered>) -> (String, String) {
    match result {
        Err(NotDelivered::NeedsPerson { why, hint }) => (why, hint),
        other => panic!("expected that a person is needed: {other:?}"),
    }
}

fn retry(result: Result<Receipt, NotDelivered>) -> Option<Duration> {
    match result {
        Err(NotDelivered::Retry { after, .. }) => after,
        other => panic!("expected a retry: {other:?}"),
    }
}

#[tokio::test]
async fn letters_arrive_once_and_in_order() {
    for case in all() {
        for key in ["first", "second", "third"] {
            case.deliver(&letter(key)).await.unwrap_or_else(|error| panic!("{}: {error}", case.channel.kind()));
        }
        let messages = (case.messages)();
        assert_eq!(messages.len(), 3, "{}", case.channel.kind());
        for (message, key) in messages.iter().zip(["first", "second", "third"]) {
            assert!(message.to_string().contains(key), "{}: {message}", case.channel.kind());
        }
    }
}

#[tokio::test]
async fn a_wrong_secret_needs_a_person_and_says_which() {
    let (feishu, dingtalk, wecom_at) =
        (FeishuStandIn::start().unwrap(), DingtalkStandIn::start().unwrap(), WecomStandIn::start().unwrap());
    for (channel, code, what) in [
        (feishu_bot(&feishu, "another"), "19021", "copy the secret"),
        (dingtalk_bot(&dingtalk, "another"), "310000", "copy the secret"),
    ] {
        let (why, hint) = needs_person(channel.deliver(&letter("x"), &http(), now()).await);
        assert!(why.contains(code) && hint.contains(what), "{why}; {hint}");
        assert!(!why.contains("min ahead") && !why.contains("min behind"), "{why}");
    }
    // No secret at all where one is demanded.
    let unsigned = channel(&format!("kind = \"feishu_bot\"\nwebhook = \"{}\"", feishu.webhook()));
    let (_, hint) = needs_person(unsigned.deliver(&letter("x"), &http(), now()).await);
    assert!(hint.contains("set `secret`"), "{hint}");
    let unsigned = channel(&format!("kind = \"dingtalk_bot\"\nwebhook = \"{}\"", dingtalk.webhook()));
    let (_, hint) = needs_person(unsigned.deliver(&letter("x"), &http(), now()).await);
    assert!(hint.contains("set `secret`"), "{hint}");

    let (app, ding_app) = (feishu_app(&feishu, "[\"ou_owner\"]"), dingtalk_app(&dingtalk, "[\"owner\"]"));
    feishu.reset_app_secret();
    dingtalk.reset_client_secret();
    let (why, hint) = needs_person(app.deliver(&letter("x"), &http(), now()).await);
    assert!(why.contains("10014") && hint.contains("`app_secret`"), "{why}; {hint}");
    let (why, hint) = needs_person(ding_app.deliver(&letter("x"), &http(), now()).await);
    assert!(why.contains("invalidClientIdOrSecret") && hint.contains("`client_secret`"), "{why}; {hint}");

    wecom_at.remove();
    let (why, hint) = needs_person(wecom(&wecom_at).deliver(&letter("x"), &http(), now()).await);
    assert!(why.contains("93000") && hint.contains("`webhook`"), "{why}; {hint}");
    assert!(feishu.messages().is_empty() && dingtalk.messages().is_empty() && wecom_at.messages().is_empty());
}

#[tokio::test]
async fn a_webhook_that_is_gone_needs_a_person() {
    let (feishu, dingtalk) = (FeishuStandIn::start().unwrap(), DingtalkStandIn::start().unwrap());
    let gone = channel(&format!("kind = \"feishu_bot\"\nwebhook = \"{}x\"", feishu.webhook()));
    let (why, hint) = needs_person(gone.deliver(&letter("x"), &http(), now()).await);
    assert!(why.contains("19001") && hint.contains("`webhook`"), "{why}; {hint}");
    let gone = channel(&format!("kind = \"dingtalk_bot\"\nwebhook = \"{}x\"", dingtalk.webhook()));
    let (why, hint) = needs_person(gone.deliver(&letter("x"), &http(), now()).await);
    assert!(why.contains("300001") && hint.contains("`webhook`"), "{why}; {hint}");
}

#[tokio::test]
async fn a_clock_that_is_off_is_named() {
    let (feishu, dingtalk) = (FeishuStandIn::start().unwrap(), DingtalkStandIn::start().unwrap());
    let channels =
        [feishu_bot(&feishu, FeishuStandIn::BOT_SECRET), dingtalk_bot(&dingtalk, DingtalkStandIn::BOT_SECRET)];
    for channel in channels {
        for (hours, side) in [(2, "ahead of"), (-2, "behind")] {
            let off = Wall(now().0 + hours * 3_600_000);
            let (why, hint) = needs_person(channel.deliver(&letter("x"), &http(), off).await);
            assert!(why.contains("clock") && why.contains(side), "{why}");
            assert!(hint.contains("set the clock"), "{hint}");
        }
        // Within the hour nobody minds.
        channel.deliver(&letter("x"), &http(), Wall(now().0 + 50 * 60_000)).await.unwrap();
    }
}

#[tokio::test]
async fn too_often_is_later() {
    for case in all() {
        (case.set_mode)(Mode::TooMany(7));
        assert_eq!(retry(case.deliver(&letter("x")).await), Some(Duration::from_secs(7)), "{}", case.channel.kind());
        assert!((case.messages)().is_empty());
    }
}

#[tokio::test]
async fn too_often_by_the_documented_code_is_later() {
    let (feishu, dingtalk, wecom_at) =
        (FeishuStandIn::start().unwrap(), DingtalkStandIn::start().unwrap(), WecomStandIn::start().unwrap());
    feishu.set_rate(2);
    for (channel, many, seconds) in [
        (feishu_bot(&feishu, FeishuStandIn::BOT_SECRET), 2, 60),
        (feishu_app(&feishu, "[\"ou_owner\"]"), 0, 5),
        (dingtalk_bot(&dingtalk, DingtalkStandIn::BOT_SECRET), 20, 600),
        (wecom(&wecom_at), 20, 60),
    ] {
        for at in 0..many {
            channel.deliver(&letter(&format!("k{at}")), &http(), now()).await.unwrap();
        }
        let after = retry(channel.deliver(&letter("one too many"), &http(), now()).await);
        assert_eq!(after, Some(Duration::from_secs(seconds)), "{}", channel.kind());
    }
}

/// What a code inside an answer with status 200 means: `r` later, `p` a person, `x` refused.
#[tokio::test]
async fn codes_inside_an_answer_have_their_consequences() {
    let cases = all();
    let of = |kind: &str| cases.iter().find(|case| case.channel.kind() == kind).unwrap();
    let feishu = |code: i64, msg: &str| json!({"code": code, "msg": msg});
    let wechat = |code: i64, msg: &str| json!({"errcode": code, "errmsg": msg});
    let word = |code: &str| json!({"code": code, "message": "m"});
    for (kind, status, body, expected, words) in [
        ("feishu_bot", 200, feishu(19_022, "Ip Not Allowed"), 'p', "IP allow list"),
        ("feishu_bot", 200, feishu(19_024, "Key Words Not Found"), 'p', "keywords"),
        ("feishu_bot", 200, feishu(9_499, "too many request"), 'r', "too often"),
        ("feishu_bot", 200, feishu(9_499, "Bad Request"), 'x', "9499"),
        ("feishu_bot", 400, feishu(99_991_400, "request trigger frequency limit"), 'r', "too often"),
        ("feishu_app", 400, feishu(230_006, "Bot ability is not activated."), 'p', "bot ability"),
        ("feishu_app", 400, feishu(230_027, "Lack of necessary permissions."), 'p', "im:message:send_as_bot"),
        ("feishu_app", 400, feishu(99_991_672, "Access denied."), 'p', "im:message:send_as_bot"),
        ("feishu_app", 400, feishu(230_001, "ext=invalid receive_id."), 'p', "`to`"),
        ("feishu_app", 400, feishu(230_001, "ext=invalid content."), 'x', "230001"),
        ("feishu_app", 400, feishu(230_028, "The messages do NOT pass the audit."), 'x', "230028"),
        ("feishu_app", 429, feishu(99_991_400, "request trigger frequency limit"), 'r', "too often"),
        ("feishu_app", 200, feishu(230_049, "The message is being sent."), 'r', "230049"),
        ("dingtalk_bot", 200, wechat(310_000, "keywords not in content"), 'p', "keywords"),
        ("dingtalk_bot", 200, wechat(310_000, "ip 1.2.3.4 not in whitelist"), 'p', "IP list"),
        ("dingtalk_bot", 200, wechat(400_102, "机器人已停用"), 'p', "`webhook`"),
        ("dingtalk_bot", 200, wechat(410_100, "发送速度太快而限流"), 'r', "too often"),
        ("dingtalk_bot", 200, wechat(-1, "系统繁忙"), 'r', "-1"),
        ("dingtalk_bot", 200, wechat(430_104, "含有不合适的内容"), 'x', "430104"),
        ("dingtalk_app", 403, word("Forbidden.AccessDenied.QpsLimitForAppkeyAndApi"), 'r', "too often"),
        ("dingtalk_app", 403, word("Forbidden.AccessDenied.AccessTokenPermissionDenied"), 'p', "qyapi_robot_sendmsg"),
        ("dingtalk_app", 403, word("Forbidden.AccessDenied.IpNotInWhiteList"), 'p', "IP list"),
        ("dingtalk_app", 400, word("invalidParameter.robotCode.notExsit"), 'p', "`robot_code`"),
        ("dingtalk_app", 400, word("invalidParameter.userIds.invalid"), 'p', "`to`"),
        ("dingtalk_app", 400, word("invalidParameter.msgParam.invalid"), 'x', "msgParam"),
        ("wecom_bot", 200, wechat(45_009, "api freq out of limit"), 'r', "too often"),
        ("wecom_bot", 200, wechat(-1, "system busy"), 'r', "-1"),
        ("wecom_bot", 200, wechat(93_000, "invalid webhook url"), 'p', "`webhook`"),
        ("wecom_bot", 200, wechat(40_058, "markdown.content exceed max length 4096"), 'x', "40058"),
    ] {
        (of(kind).set_mode)(Mode::Says(status, body.clone()));
        let error = of(kind).deliver(&letter("x")).await.unwrap_err();
        let got = match &error {
            NotDelivered::Retry { .. } => 'r',
            NotDelivered::NeedsPerson { .. } => 'p',
            NotDelivered::Refused { .. } => 'x',
            NotDelivered::Unsure { .. } => 'u',
        };
        assert_eq!(got, expected, "{kind} {body}: {error}");
        assert!(error.to_string().contains(words), "{kind} {body}: {error}");
    }
}

#[tokio::test]
async fn an_ill_service_is_asked_later_and_an_answer_of_nobody_is_unsure() {
    for case in all() {
        for status in [500, 502, 503] {
            (case.set_mode)(Mode::Status(status));
            retry(case.deliver(&letter("x")).await);
        }
        // A page with 200, as a proxy that wants a login gives one.
        (case.set_mode)(Mode::Status(200));
        let result = case.deliver(&letter("x")).await;
        assert!(matches!(result, Err(NotDelivered::Unsure { .. })), "{}: {result:?}", case.channel.kind());
        (case.set_mode)(Mode::Serve);
        case.deliver(&letter("x")).await.unwrap();
        assert_eq!((case.messages)().len(), 1);
    }
}

#[tokio::test]
async fn no_answer_leaves_it_unsure() {
    for case in all() {
        for mode in [Mode::Silent, Mode::CloseBefore, Mode::CloseMid] {
            (case.set_mode)(mode.clone());
            let result = case.channel.deliver(&letter("x"), &impatient(), now()).await;
            let unsure = matches!(result, Err(NotDelivered::Unsure { .. }));
            assert!(unsure, "{} {mode:?}: {result:?}", case.channel.kind());
        }
    }
}

#[tokio::test]
async fn what_nobody_listens_to_surely_got_nothing() {
    let ports: Vec<Channel> = all().into_iter().map(|case| case.channel).collect();
    // The stand-ins are gone now.
    for channel in ports {
        retry(channel.deliver(&letter("x"), &impatient(), now()).await);
    }
}

#[tokio::test]
async fn feishu_repeats_under_one_uuid_arrive_once() {
    let feishu = FeishuStandIn::start().unwrap();
    let app = feishu_app(&feishu, "[\"ou_owner\", \"oc_group\"]");
    feishu.set_mode(Mode::CloseMid);
    let result = app.deliver(&letter("inc-1/alert"), &http(), now()).await;
    assert!(matches!(result, Err(NotDelivered::Unsure { .. })), "{result:?}");
    feishu.set_mode(Mode::Serve);
    let receipt = app.deliver(&letter("inc-1/alert"), &http(), now()).await.unwrap();
    assert_eq!(feishu.messages().len(), 2, "one for each recipient");
    assert_eq!(receipt.0.split(' ').count(), 2);
    app.deliver(&letter("inc-2/alert"), &http(), now()).await.unwrap();
    assert_eq!(feishu.messages().len(), 4);
}

#[tokio::test]
async fn without_a_token_nothing_is_unsure() {
    let (feishu, dingtalk) = (FeishuStandIn::start().unwrap(), DingtalkStandIn::start().unwrap());
    let (app, ding) = (feishu_app(&feishu, "[\"ou_owner\"]"), dingtalk_app(&dingtalk, "[\"owner\"]"));
    for mode in
        [Mode::Silent, Mode::CloseBefore, Mode::CloseMid, Mode::Status(503), Mode::TooMany(3), Mode::Status(200)]
    {
        feishu.set_mode_everywhere(mode.clone());
        dingtalk.set_mode_everywhere(mode);
        retry(app.deliver(&letter("x"), &impatient(), now()).await);
        retry(ding.deliver(&letter("x"), &impatient(), now()).await);
    }
    feishu.set_mode(Mode::Serve);
    dingtalk.set_mode(Mode::Serve);
    // A token that ended before it was used: the next attempt fetches another.
    feishu.void_tokens();
    dingtalk.void_tokens();
    retry(app.deliver(&letter("x"), &http(), now()).await);
    retry(ding.deliver(&letter("x"), &http(), now()).await);
    assert!(feishu.messages().is_empty() && dingtalk.messages().is_empty());
}

#[tokio::test]
async fn feishu_answers_the_first_message_when_it_is_over() {
    let feishu = FeishuStandIn::start().unwrap();
    let app = feishu_app(&feishu, "[\"ou_owner\", \"oc_group\"]");
    let first = app.deliver(&letter("inc-1/alert"), &http(), now()).await.unwrap();
    let over = Letter { answers: Some(first.clone()), ..chinese() };
    app.deliver(&over, &http(), now()).await.unwrap();
    let ids: Vec<&str> = first.0.split(' ').collect();
    let answers: Vec<Value> = feishu.messages().iter().skip(2).map(|message| message["answers"].clone()).collect();
    assert_eq!(answers, ids);
    // A first message that is gone: it is said in a new one.
    feishu.withdraw(ids[0]);
    let again = Letter { key: "inc-1/resolved-again".to_owned(), ..over };
    app.deliver(&again, &http(), now()).await.unwrap();
    let messages = feishu.messages();
    assert_eq!(messages.len(), 6);
    assert_eq!((&messages[4]["answers"], &messages[4]["to"]), (&Value::Null, &json!("ou_owner")));
    assert_eq!(messages[5]["answers"], ids[1]);
    // A receipt of another make is no id.
    let odd = Letter { key: "odd".to_owned(), answers: Some(Receipt::of("../../x om_a/b")), ..again };
    app.deliver(&odd, &http(), now()).await.unwrap();
    assert_eq!(feishu.messages().len(), 8);
}

#[tokio::test]
async fn a_recipient_who_cannot_be_reached_is_told_of() {
    let feishu = FeishuStandIn::start().unwrap();
    for (to, words) in [("ou_stranger", "availability"), ("oc_stranger", "add the app's bot to the group")] {
        let app = feishu_app(&feishu, &format!("[\"{to}\", \"ou_owner\"]"));
        let (why, hint) = needs_person(app.deliver(&letter(to), &http(), now()).await);
        assert!(why.contains(to) && hint.contains(words), "{why}; {hint}");
    }
    assert_eq!(feishu.messages().len(), 2, "the others got it");

    let dingtalk = DingtalkStandIn::start().unwrap();
    let (why, _) =
        needs_person(dingtalk_app(&dingtalk, "[\"owner\", \"gone\"]").deliver(&letter("x"), &http(), now()).await);
    assert!(why.contains("1 of 2 people"), "{why}");
    dingtalk.slow("second");
    let some = dingtalk_app(&dingtalk, "[\"owner\", \"second\"]").deliver(&letter("x"), &http(), now()).await;
    assert!(matches!(some, Err(NotDelivered::Unsure { .. })), "repeated, it would come twice to the owner: {some:?}");
    retry(dingtalk_app(&dingtalk, "[\"second\"]").deliver(&letter("x"), &http(), now()).await);
}

#[tokio::test]
async fn dingtalk_writes_to_people_in_one_call_and_to_groups() {
    let dingtalk = DingtalkStandIn::start().unwrap();
    let app = dingtalk_app(&dingtalk, "[\"owner\", \"cidGroup==\", \"second\"]");
    let receipt = app.deliver(&letter("x"), &http(), now()).await.unwrap();
    assert_eq!(receipt.0, "key1 key2");
    let messages = dingtalk.messages();
    assert_eq!(messages[0]["userIds"], json!(["owner", "second"]));
    assert_eq!(messages[1]["openConversationId"], "cidGroup==");
}

#[tokio::test]
async fn a_keyword_is_found_in_every_message() {
    let (feishu, dingtalk) = (FeishuStandIn::start().unwrap(), DingtalkStandIn::start().unwrap());
    feishu.demand(None, Some("Clawmend"));
    dingtalk.demand(None, Some("Clawmend"));
    let plain = |kind: &str, webhook: &str| channel(&format!("kind = \"{kind}\"\nwebhook = \"{webhook}\""));
    for letter in [letter("x"), chinese(), huge()] {
        plain("feishu_bot", &feishu.webhook()).deliver(&letter, &http(), now()).await.unwrap();
        plain("dingtalk_bot", &dingtalk.webhook()).deliver(&letter, &http(), now()).await.unwrap();
    }
}

#[tokio::test]
async fn a_huge_letter_is_shortened_and_arrives() {
    for case in all() {
        case.deliver(&huge()).await.unwrap_or_else(|error| panic!("{}: {error}", case.channel.kind()));
        let message = (case.messages)().pop().unwrap().to_string();
        assert!(message.contains("shortened"), "{}", case.channel.kind());
        assert!(message.contains("Last good check"), "the front is kept");
        assert!(!message.contains("never shown"));
        assert!(message.len() > 3_000, "{} uses the room that it has: {}", case.channel.kind(), message.len());
    }
}

/// The texts of a message in which markup would be understood, and those in which it would not.
fn texts(message: &Value) -> (Vec<String>, Vec<String>) {
    fn walk(value: &Value, marked: &mut Vec<String>, plain: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                if let Some(content) = object.get("content").and_then(Value::as_str) {
                    let to = if object.get("tag") == Some(&json!("plain_text")) { plain } else { marked };
                    to.push(content.to_owned());
                } else {
                    object.values().for_each(|value| walk(value, marked, plain));
                }
            }
            Value::Array(all) => all.iter().for_each(|value| walk(value, marked, plain)),
            Value::String(text) => marked.push(text.clone()),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let (mut marked, mut plain) = (Vec::new(), Vec::new());
    walk(message, &mut marked, &mut plain);
    (marked, plain)
}

#[tokio::test]
async fn markup_and_control_characters_of_a_log_stay_text() {
    for case in all() {
        case.deliver(&hostile()).await.unwrap();
        let message = (case.messages)().pop().unwrap();
        let (marked, plain) = texts(&message);
        for text in &marked {
            // Markup of our own has a colour too, but none of these behind it.
            let colour = "<font color=\"warning\">";
            for evil in ["<at", "<@", "](http", &format!("{colour}'"), &format!("{colour}`"), &format!("{colour}｀")] {
                assert!(!text.contains(evil), "{}: {evil} in {text}", case.channel.kind());
            }
            // Between backticks, one or three, is code.
            for prose in text.split('`').step_by(2) {
                assert!(!prose.contains("**x**"), "{}: emphasis in {prose}", case.channel.kind());
            }
        }
        for text in marked.iter().chain(&plain) {
            let odd = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
            assert!(!text.chars().any(odd), "{}: {text:?}", case.channel.kind());
        }
        assert!(message.to_string().contains("npm i openclaw@latest"), "a command stays what it is");
    }
}

#[tokio::test]
async fn no_secret_is_in_an_error_or_in_debug() {
    for case in all() {
        assert!(!format!("{:?}", case.channel).contains("canary"), "{:?}", case.channel);
        for mode in [
            Mode::Status(404),
            Mode::Status(302),
            Mode::Status(500),
            Mode::Status(200),
            Mode::TooMany(1),
            Mode::CloseBefore,
            Mode::CloseMid,
            Mode::Says(200, json!({"code": 1, "errcode": 1, "msg": "m", "errmsg": "m"})),
        ] {
            (case.set_mode)(mode.clone());
            let Err(error) = case.deliver(&letter("x")).await else { continue };
            assert!(!format!("{error} {error:?}").contains("canary"), "{mode:?}: {error}");
        }
    }
}

#[test]
fn settings_that_are_wrong_are_refused_and_not_repeated() {
    for (toml, words) in [
        ("kind = \"feishu_bot\"\nwebhook = \"http://open.feishu.cn/canary\"", "expected https://"),
        ("kind = \"feishu_bot\"\nwebhook = \"https://x.example/canary\"\nscret = \"canary\"", "unknown field"),
        ("kind = \"feishu_bot\"\nwebhook = \"https://x.example/canary\"\nsecret = \"\"", "expected a secret"),
        ("kind = \"feishu_app\"\napp_id = \"cli_1\"\napp_secret = \"canary\"\nto = []", "1 to 5 recipients"),
        ("kind = \"feishu_app\"\napp_id = \"cli 1\"\napp_secret = \"canary\"\nto = [\"ou_1\"]", "app id"),
        ("kind = \"feishu_app\"\napp_id = \"cli_1\"\napp_secret = \"canary\"\nto = [\"someone\"]", "expected an id"),
        (
            "kind = \"feishu_app\"\napp_id = \"cli_1\"\napp_secret = \"canary\"\ndomain = \"larc\"\nto = [\"ou_1\"]",
            "\"feishu\", \"lark\"",
        ),
        ("kind = \"dingtalk_app\"\nclient_id = \"ding1\"\nclient_secret = \"canary\"\nto = []", "1 to 20 recipients"),
        ("kind = \"dingtalk_app\"\nclient_id = \"ding1\"\nto = [\"x\"]", "client_secret"),
        ("kind = \"wecom_bot\"\nkey = \"canary\"", "unknown field"),
    ] {
        let error = toml::from_str::<Channel>(toml).unwrap_err();
        assert!(error.message().contains(words), "{toml}: {}", error.message());
        assert!(!error.message().contains("canary"), "{}", error.message());
    }
}

#[test]
fn channels_are_equal_when_their_secrets_are() {
    let feishu = FeishuStandIn::start().unwrap();
    assert_eq!(feishu_bot(&feishu, "a"), feishu_bot(&feishu, "a"));
    assert_ne!(feishu_bot(&feishu, "a"), feishu_bot(&feishu, "b"));
    let app = |secret: &str| {
        let to = vec!["ou_1".parse().unwrap()];
        feishu::FeishuApp::new("cli_1".to_owned(), SecretString::from(secret), feishu::Domain::Lark, to).unwrap()
    };
    assert_eq!(app("a"), app("a"));
    assert_ne!(app("a"), app("b"));
    let ding = |secret: &str| {
        let to = vec!["owner".parse().unwrap()];
        dingtalk::DingtalkApp::new("ding1".to_owned(), SecretString::from(secret), None, to).unwrap()
    };
    assert_eq!(ding("a"), ding("a"));
    assert_ne!(ding("a"), ding("b"));
    // The settings and the constructors make the same; `api` is another name of `domain`.
    let settings = "kind = \"dingtalk_app\"\nclient_id = \"ding1\"\nclient_secret = \"a\"\nto = [\"owner\"]";
    assert_eq!(channel(settings), Channel::DingtalkApp(ding("a")));
    let settings = "kind = \"feishu_app\"\napp_id = \"cli_1\"\napp_secret = \"a\"\napi = \"lark\"\nto = [\"ou_1\"]";
    assert_eq!(channel(settings), Channel::FeishuApp(app("a")));
}

#[test]
fn a_feishu_card() {
    insta::assert_json_snapshot!("feishu_card_english", feishu::card::card(&letter("inc-20261125-1"), 18_000));
    insta::assert_json_snapshot!("feishu_card_chinese", feishu::card::card(&chinese(), 18_000));
}

#[test]
fn dingtalk_markdown() {
    insta::assert_snapshot!("dingtalk_english", dingtalk::markdown::markdown(&letter("inc-20261125-1"), 19_500));
    insta::assert_snapshot!("dingtalk_chinese", dingtalk::markdown::markdown(&chinese(), 19_500));
    insta::assert_snapshot!("dingtalk_hostile", dingtalk::markdown::markdown(&hostile(), 19_500));
}

#[test]
fn wecom_markdown() {
    insta::assert_snapshot!("wecom_english", wecom_bot::markdown(&letter("inc-20261125-1")));
    insta::assert_snapshot!("wecom_chinese", wecom_bot::markdown(&chinese()));
    insta::assert_snapshot!("wecom_hostile", wecom_bot::markdown(&hostile()));
}
