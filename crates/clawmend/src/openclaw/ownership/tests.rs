#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::openclaw::discovery::{Home, discover};
use clawmend_core::failover::Armed;
use clawmend_core::failover::ownership::compare;
use proptest::prelude::*;
use serde_json::json;
use std::path::PathBuf;

const KEY: [u8; 32] = [7; 32];
/// A part of every credential in these tests.
const CANARY: &str = "canary9f2c71d4e8";

struct Node {
    dir: tempfile::TempDir,
    home: Home,
    variables: Vec<(&'static str, String)>,
}

fn node() -> Node {
    let dir = tempfile::tempdir().unwrap();
    let home = discover(|_| None, dir.path()).remove(0);
    std::fs::create_dir(&home.state_dir).unwrap();
    Node { dir, home, variables: Vec::new() }
}

#[cfg(unix)]
fn uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(not(unix))]
fn uid() -> u32 {
    0
}

impl Node {
    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    fn owned(&self, config: &Value) -> Vec<Account> {
        let env = |name: &str| self.variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        let accounts = owned_in(config, &Place { home: &self.home, uid: uid(), env: &env }, &KEY);
        let shown = format!("{accounts:?} {}", serde_json::to_string(&accounts).unwrap());
        assert!(!shown.contains(CANARY), "a credential is in {shown}");
        // What one node sends, the other one takes.
        assert_eq!(serde_json::from_str::<Vec<Account>>(&serde_json::to_string(&accounts).unwrap()).unwrap(), accounts);
        accounts
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }
}

fn owned_of(channels: Value) -> Vec<Account> {
    node().owned(&json!({ "channels": channels }))
}

fn names(accounts: &[Account]) -> Vec<String> {
    accounts.iter().map(|one| format!("{}/{}", one.channel, one.account)).collect()
}

fn why(accounts: &[Account]) -> &str {
    match accounts {
        [Account { identity: Identity::Unknown { why } | Identity::Indistinct { why }, .. }] => why,
        other => panic!("{other:?}"),
    }
}

fn known(accounts: &[Account]) -> usize {
    accounts.iter().filter(|one| matches!(&one.identity, Identity::Known(all) if !all.is_empty())).count()
}

fn apart(one: &[Account], other: &[Account]) -> bool {
    compare(one, other) == Armed::Yes
}

fn token(bot: &str) -> String {
    format!("{bot}:AA{CANARY}")
}

#[test]
fn a_rotated_token_is_still_the_same_bot() {
    let old = owned_of(json!({"telegram": {"botToken": token("123")}}));
    let new = owned_of(json!({"telegram": {"botToken": "123:BBother"}}));
    let other = owned_of(json!({"telegram": {"botToken": token("124")}}));
    assert_eq!(old, new);
    assert!(!apart(&old, &new) && apart(&old, &other));
}

#[test]
fn every_place_of_a_credential_names_the_same_bot() {
    let node = node().with("TG", &token("123")).with("TELEGRAM_BOT_TOKEN", &token("123"));
    let file = node.file("secrets/token", &format!("{}\n", token("123")));
    let keys = node.file("secrets/all.json", &format!("{{\"tg\": \"{}\"}}", token("123")));
    let plain = node.owned(&json!({"channels": {"telegram": {"botToken": token("123")}}}));
    for telegram in [
        json!({"botToken": "${TG}"}),
        json!({"botToken": {"source": "env", "provider": "default", "id": "TG"}}),
        json!({"botToken": {"source": "file", "provider": "all", "id": "/tg"}}),
        json!({"tokenFile": file}),
        json!({"tokenFile": "~/secrets/token"}),
        json!({"enabled": true}),
        json!({"accounts": {"default": {"botToken": token("123")}}, "botToken": token("999")}),
        json!({"accounts": {"default": {}}, "botToken": token("123")}),
    ] {
        let config = json!({
            "secrets": {"providers": {"all": {"source": "file", "path": keys}}},
            "channels": {"telegram": telegram},
        });
        assert_eq!(node.owned(&config), plain, "{config}");
    }
    assert_eq!(node.owned(&json!({})), plain, "OpenClaw takes a channel from the environment alone");
}

#[test]
fn what_is_switched_off_is_not_owned() {
    for config in [
        json!({"channels": {"telegram": {"enabled": false, "botToken": token("1")}}}),
        json!({"channels": {"telegram": {"accounts": {"a": {"enabled": false, "botToken": token("1")}}}}}),
        json!({"channels": {"telegram": {"botToken": token("1")}}, "plugins": {"entries": {"telegram": {"enabled": false}}}}),
        json!({"channels": {"telegram": {"botToken": token("1")}}, "plugins": {"enabled": false}}),
        json!({"channels": {"strange": {"enabled": false}}}),
        json!({"channels": {"defaults": {"x": 1}, "modelByChannel": {}}}),
        json!({}),
    ] {
        assert!(node().owned(&config).is_empty(), "{config}");
    }
}

#[test]
fn all_accounts_of_a_channel_are_listed_and_inherit_its_settings() {
    let accounts = owned_of(json!({"telegram": {
        "botToken": token("1"),
        "accounts": {"Work Bot": {"botToken": token("2")}, "same": {}, "off": {"enabled": false}},
    }}));
    assert_eq!(names(&accounts), ["telegram/work-bot", "telegram/same", "telegram/default"]);
    assert_eq!(known(&accounts), 3);
    assert_eq!(accounts[1].identity, accounts[2].identity);
    let only = owned_of(json!({"telegram": {"accounts": {"work": {"botToken": token("2")}}}}));
    assert_eq!(names(&only), ["telegram/work"]);
    assert!(!apart(&accounts, &only));
}

#[test]
fn both_of_two_places_on_one_level_count() {
    let node = node();
    let file = node.file("token", &token("2"));
    let both = node.owned(&json!({"channels": {"telegram": {"botToken": token("1"), "tokenFile": file}}}));
    for bot in ["1", "2"] {
        assert!(!apart(&both, &owned_of(json!({"telegram": {"botToken": token(bot)}}))), "{bot}");
    }
}

#[test]
fn what_cannot_be_resolved_is_unknown_and_named() {
    let exec = json!({"source": "exec", "provider": "default", "id": "x"});
    for (channels, part) in [
        (json!({"telegram": {}}), "channels.telegram.botToken is not set"),
        (json!({"telegram": {"botToken": "no-colon"}}), "channels.telegram.botToken has not the form"),
        (json!({"telegram": {"botToken": 5}}), "channels.telegram.botToken has not the form"),
        (json!({"telegram": {"botToken": "${NOT_SET}"}}), "${NOT_SET}"),
        (
            json!({"telegram": {"tokenFile": "/nonexistent/token"}}),
            "the file of channels.telegram.tokenFile is not there",
        ),
        (
            json!({"discord": {"accounts": {"w": {"token": exec}}}}),
            "channels.discord.accounts.w.token is a secret reference",
        ),
        (
            json!({"slack": {"botToken": format!("xoxb-{CANARY}"), "appToken": exec}}),
            "channels.slack.appToken is a secret",
        ),
        (json!({"slack": {}}), "none of channels.slack.botToken, channels.slack.appToken"),
        (
            json!({"matrix": {"homeserver": "https://m.org", "accessToken": CANARY}}),
            "channels.matrix.userId is not set",
        ),
        (json!({"sms": {"messagingServiceSid": "MG1"}}), "channels.sms.fromNumber is not set"),
        (json!({"irc": {"nick": "bot"}}), "channels.irc.host is not set"),
        (
            json!({"googlechat": {"serviceAccount": {"private_key": CANARY}}}),
            "channels.googlechat.serviceAccount has not",
        ),
        (json!({"whatsapp": {}}), "the saved login of whatsapp account `default` cannot be read"),
        (json!({"wecom": {"token": CANARY}}), "does not know what identifies an account of wecom"),
        (json!({"telegram": true}), "channels.telegram is no object"),
        (json!({"telegram": {"accounts": [{"botToken": CANARY}]}}), "channels.telegram.accounts is no object"),
        (json!([{"telegram": {}}]), "channels is no object"),
    ] {
        let accounts = owned_of(channels.clone());
        assert!(why(&accounts).contains(part), "{channels}: {}", why(&accounts));
        assert!(!apart(&accounts, &[]), "{channels}");
    }
}

/// For each channel: two spellings of one account, and another account.
fn channels() -> Vec<(&'static str, Value, Value, Value)> {
    let nsec = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5";
    let hex = "67dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa";
    let google = |email: &str| json!({"client_email": email, "private_key": CANARY});
    vec![
        ("buzz", json!({"privateKey": nsec}), json!({"privateKey": hex}), json!({"privateKey": "a".repeat(64)})),
        ("clickclack", json!({"token": "a"}), json!({"token": " a "}), json!({"token": "b"})),
        (
            "dingtalk",
            json!({"clientId": "d1", "clientSecret": CANARY}),
            json!({"clientId": "d1"}),
            json!({"clientId": "d2"}),
        ),
        ("discord", json!({"token": "MTIz.a.b"}), json!({"token": "Bot MTIz.c.d"}), json!({"token": "OTk5.a.b"})),
        (
            "feishu",
            json!({"appId": "cli_a", "appSecret": CANARY}),
            json!({"accounts": {"x": {"appId": "cli_a"}}}),
            json!({"appId": "cli_b"}),
        ),
        (
            "googlechat",
            json!({"serviceAccount": google("a@x")}),
            json!({"serviceAccount": google("A@x").to_string()}),
            json!({"serviceAccount": google("b@x")}),
        ),
        (
            "irc",
            json!({"host": "irc.x", "nick": "Bot"}),
            json!({"host": "IRC.x", "nick": "bot"}),
            json!({"host": "irc.y", "nick": "bot"}),
        ),
        (
            "line",
            json!({"channelSecret": "s", "channelAccessToken": "a"}),
            json!({"channelSecret": "s"}),
            json!({"channelSecret": "t", "channelAccessToken": "b"}),
        ),
        (
            "matrix",
            json!({"userId": "@bot:m.org"}),
            json!({"userId": "@Bot:m.org", "accessToken": "x"}),
            json!({"userId": "@bot:n.org"}),
        ),
        (
            "mattermost",
            json!({"baseUrl": "https://a", "botToken": "t"}),
            json!({"baseUrl": "https://a/", "botToken": "t"}),
            json!({"botToken": "u"}),
        ),
        ("msteams", json!({"appId": "AB-1"}), json!({"appId": "ab-1"}), json!({"appId": "ab-2"})),
        (
            "nextcloud-talk",
            json!({"botSecret": "s"}),
            json!({"botSecret": "s", "baseUrl": "x"}),
            json!({"botSecret": "t"}),
        ),
        ("nostr", json!({"privateKey": hex}), json!({"privateKey": nsec}), json!({"privateKey": "b".repeat(64)})),
        ("qqbot", json!({"appId": "1"}), json!({"appId": "1"}), json!({"appId": "2"})),
        (
            "signal",
            json!({"account": "+49 170"}),
            json!({"account": "+49170", "accountUuid": "u"}),
            json!({"account": "+49171"}),
        ),
        (
            "slack",
            json!({"botToken": "b1", "appToken": "xapp-1-A0-1-x"}),
            json!({"botToken": "b2", "appToken": "xapp-1-A0-2-y"}),
            json!({"botToken": "b3"}),
        ),
        ("sms", json!({"fromNumber": "+1555"}), json!({"fromNumber": "1555"}), json!({"fromNumber": "+1556"})),
        ("telegram", json!({"botToken": token("1")}), json!({"botToken": "1:x"}), json!({"botToken": "2:x"})),
        ("tlon", json!({"ship": "~Zod"}), json!({"ship": "zod"}), json!({"ship": "~bus"})),
        ("twitch", json!({"username": "Bot"}), json!({"username": "bot"}), json!({"username": "bot2"})),
        (
            "zalo",
            json!({"botToken": "12:x"}),
            json!({"accounts": {"default": {"botToken": "12:y"}}}),
            json!({"botToken": "13:x"}),
        ),
    ]
}

#[test]
fn each_channel_tells_its_accounts_apart() {
    for (name, one, same, other) in channels() {
        let of = |settings: &Value| owned_of(json!({ name: settings }));
        assert_eq!((known(&of(&one)), known(&of(&same)), known(&of(&other))), (1, 1, 1), "{name}");
        assert!(!apart(&of(&one), &of(&same)), "{name}: the same account");
        assert!(apart(&of(&one), &of(&other)), "{name}: another account");
    }
    // Those with a rule of their own are tried below.
    let tried: Vec<&str> = channels().iter().map(|(name, ..)| *name).collect();
    let others: Vec<&str> = CHANNELS.iter().map(|(name, _)| *name).filter(|name| !tried.contains(name)).collect();
    assert_eq!(others, ["imessage", "whatsapp", "zalouser", "raft"]);
}

#[test]
fn whatsapp_is_known_by_the_number_that_is_linked() {
    let creds =
        |number: &str| format!("{{\"me\": {{\"id\": \"{number}:3@s.whatsapp.net\"}}, \"noiseKey\": \"{CANARY}\"}}");
    let whatsapp = |node: &Node, settings: Value| node.owned(&json!({"channels": {"whatsapp": settings}}));
    let node = node();
    node.file(".openclaw/credentials/whatsapp/default/creds.json", &creds("49170"));
    node.file(".openclaw/credentials/whatsapp/work/creds.json", &creds("49171"));
    let folder = node.file("elsewhere/creds.json", &creds("49170")).parent().unwrap().to_owned();
    let default = whatsapp(&node, json!({}));
    let work = whatsapp(&node, json!({"accounts": {"work": {}}}));
    let moved = whatsapp(&node, json!({"accounts": {"x": {"authDir": folder}}}));
    assert_eq!((known(&default), known(&work), known(&moved)), (1, 1, 1));
    assert!(apart(&default, &work));
    assert!(!apart(&default, &moved) && apart(&work, &moved));
    node.file(".openclaw/credentials/whatsapp/work/creds.json", "{}");
    assert!(why(&whatsapp(&node, json!({"accounts": {"work": {}}}))).contains("names no number"));
}

#[test]
fn a_login_of_the_machine_is_in_the_way_of_another_one_only() {
    for name in ["imessage", "zalouser", "raft"] {
        let accounts = owned_of(json!({ name: {} }));
        assert!(why(&accounts).ends_with("is not in OpenClaw's config"));
        assert!(!apart(&accounts, &accounts), "{name}");
        assert!(apart(&accounts, &owned_of(json!({"telegram": {"botToken": token("1")}}))), "{name}");
    }
}

#[test]
fn another_key_gives_another_fingerprint_and_a_channel_its_own() {
    let node = node();
    let config = json!({"channels": {"nostr": {"privateKey": "a".repeat(64)}, "buzz": {"privateKey": "a".repeat(64)}}});
    let place = Place { home: &node.home, uid: uid(), env: &|_| None };
    let (one, other) = (owned_in(&config, &place, &KEY), owned_in(&config, &place, &[8; 32]));
    assert_eq!(known(&one), 2);
    assert_ne!(one[0].identity, one[1].identity);
    assert!(one.iter().zip(&other).all(|(a, b)| a.identity != b.identity));
}

#[test]
fn the_config_on_disk_is_read_with_what_it_includes() {
    let node = node();
    let place = Place { home: &node.home, uid: uid(), env: &|_| None };
    assert!(owned(&place, &KEY).is_err(), "there is none");
    node.file(".openclaw/channels.json", &json!({"telegram": {"botToken": token("1")}}).to_string());
    node.file(".openclaw/openclaw.json", "{channels: {$include: './channels.json'},}");
    assert_eq!(names(&owned(&place, &KEY).unwrap()), ["telegram/default"]);
    node.file(".openclaw/openclaw.json", "{channels: {");
    assert!(owned(&place, &KEY).is_err());
}

#[test]
fn a_list_without_end_is_seen_to_be_too_long() {
    let all: Map<String, Value> =
        (0..2_000).map(|n| (format!("a{n}"), json!({"botToken": format!("{n}:x")}))).collect();
    let accounts = owned_of(json!({"telegram": {"accounts": all}}));
    assert_eq!(accounts.len(), MAX_ACCOUNTS + 1);
    assert!(!apart(&accounts, &[]));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        prop_oneof![Just(token("5")), Just("${X}".to_owned()), "\\PC{0,12}"].prop_map(Value::from),
    ];
    let keys = prop_oneof![
        Just("accounts"),
        Just("default"),
        Just("enabled"),
        Just("botToken"),
        Just("tokenFile"),
        Just("source"),
        Just("id"),
        Just("authDir"),
        Just("\u{202e}x"),
        Just(""),
    ];
    leaf.prop_recursive(3, 24, 4, move |inner| {
        prop::collection::vec((keys.clone(), inner), 0..4)
            .prop_map(|all| Value::Object(all.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    /// `Node::owned` looks for credentials in what comes out, and takes it in as the other node would.
    #[test]
    fn any_config_gives_accounts_that_can_be_sent(channel in "[a-z]{1,8}|telegram|whatsapp|\\PC{0,80}", settings in any_json()) {
        let accounts = owned_of(json!({ channel: settings }));
        prop_assert!(accounts.len() <= MAX_ACCOUNTS + 1);
    }
}
