#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod hostile;
mod pairing;
mod reasons;
mod secrets;

use super::*;
use crate::openclaw::discovery::discover;
use secrecy::ExposeSecret;
use serde_json::json;
use std::path::PathBuf;

const SECRET: &str = "canary-secret-9f2c71d4e8";

struct Lab {
    dir: tempfile::TempDir,
    home: Home,
}

fn lab() -> Lab {
    let dir = tempfile::tempdir().unwrap();
    let home = discover(|_| None, dir.path()).remove(0);
    std::fs::create_dir(&home.state_dir).unwrap();
    Lab { dir, home }
}

#[cfg(unix)]
fn uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(not(unix))]
fn uid() -> u32 {
    0
}

impl Lab {
    fn search(&self, config: &Value) -> Vec<Found> {
        let env = |name: &str| (name == "OC_SECRET").then(|| SECRET.to_owned());
        find_in(config, &Place { home: &self.home, uid: uid(), env: &env })
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }
}

fn search(config: &Value) -> Vec<Found> {
    lab().search(config)
}

/// Of the only account of a config.
fn only(config: &Value) -> Found {
    let mut found = search(config);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn code(found: &Found) -> &'static str {
    found.reason().map_or("usable", Reason::code)
}

fn people(found: &Found) -> Vec<(String, String)> {
    let reach = found.usable().unwrap_or_else(|| panic!("{found:?}"));
    reach.recipients.iter().map(|one| (one.id.clone(), one.source.to_string())).collect()
}

fn token(found: &Found) -> &str {
    match &found.usable().unwrap_or_else(|| panic!("{found:?}")).bot {
        Bot::Feishu { app_secret: secret, .. }
        | Bot::DingTalk { client_secret: secret, .. }
        | Bot::Telegram { token: secret, .. }
        | Bot::Discord { token: secret, .. }
        | Bot::Slack { token: secret } => secret.expose_secret(),
    }
}

fn one(id: &str, source: &str) -> Vec<(String, String)> {
    vec![(id.to_owned(), source.to_owned())]
}

#[test]
fn each_channel_is_taken_over_with_its_owner() {
    let found = search(&json!({
        "channels": {
            "defaults": {"groupPolicy": "open"},
            "whatsapp": {"allowFrom": ["+15551234567"]},
            "slack": {"mode": "socket", "botToken": "xoxb-1", "appToken": "xapp-1", "allowFrom": ["U01ABCDEF"]},
            "discord": {"token": "Bot abc.def", "dm": {"policy": "allowlist", "allowFrom": ["123456789012345678"]}},
            "telegram": {"botToken": "123456:AAAA-fake", "apiRoot": "http://127.0.0.1:9/x/bot123456:AAAA-fake/",
                         "proxy": "socks5://u:p@127.0.0.1:1080", "allowFrom": ["*", "tg:4242424242", 43]},
            "dingtalk": {"clientId": "dingabc", "clientSecret": {"source": "env", "provider": "x", "id": "OC_SECRET"},
                         "dmPolicy": "allowlist", "allowFrom": ["cidGroup==", "manager1234"]},
            "feishu": {"appId": "cli_a1", "appSecret": "${OC_SECRET}", "domain": "lark", "allowFrom": ["ou_7d8a6e6d"]},
        }
    }));
    let names: Vec<_> = found.iter().map(|found| (found.channel.as_str(), code(found))).collect();
    let usable = ["feishu", "dingtalk", "telegram", "discord", "slack"].map(|name| (name, "usable"));
    assert_eq!(names[..5], usable);
    assert_eq!(names[5..], [("whatsapp", "not_supported")]);
    let from = |n: usize| people(&found[n]).remove(0);
    assert_eq!(from(0), ("ou_7d8a6e6d".into(), "channels.feishu.allowFrom".into()));
    assert_eq!(from(1), ("manager1234".into(), "channels.dingtalk.allowFrom".into()));
    assert_eq!(people(&found[2]), one("4242424242", "channels.telegram.allowFrom"));
    assert_eq!(from(3), ("123456789012345678".into(), "channels.discord.dm.allowFrom".into()));
    assert_eq!(from(4), ("U01ABCDEF".into(), "channels.slack.allowFrom".into()));
    let tokens: Vec<_> = found[..5].iter().map(token).collect();
    assert_eq!(tokens, [SECRET, SECRET, "123456:AAAA-fake", "abc.def", "xoxb-1"]);
    let bot = |n: usize| &found[n].usable().unwrap().bot;
    assert!(matches!(bot(0), Bot::Feishu { domain: FeishuDomain::Lark, app_id, .. } if app_id == "cli_a1"));
    assert!(matches!(bot(1), Bot::DingTalk { robot_code, .. } if robot_code == "dingabc"));
    let Bot::Telegram { api_root, proxy, .. } = bot(2) else { panic!() };
    assert_eq!(api_root.as_deref(), Some("http://127.0.0.1:9/x"), "the token in the address is left off");
    assert_eq!(proxy.as_ref().unwrap().expose_secret(), "socks5://u:p@127.0.0.1:1080");
}

#[test]
fn nothing_there_is_nothing_found() {
    for config in
        [json!({}), json!({"channels": {}}), json!({"channels": {"defaults": {}, "telegram": true}}), json!([])]
    {
        assert!(search(&config).is_empty(), "{config}");
    }
}

#[test]
fn the_owner_is_who_openclaw_calls_so_then_the_first_that_may_write() {
    let config = |owners: Value, allow: Value| {
        json!({"commands": {"ownerAllowFrom": owners},
               "channels": {"telegram": {"botToken": "1:x", "allowFrom": allow}}})
    };
    let owner = "commands.ownerAllowFrom";
    let allow = "channels.telegram.allowFrom";
    for (owners, allowed, wanted) in [
        (json!(["telegram:7", "discord:123456789012345678", "*", "telegram:*"]), json!(["8"]), one("7", owner)),
        // Digits alone may be somebody else elsewhere, unless the account knows them.
        (json!(["7"]), json!(["8"]), one("8", allow)),
        (json!(["8"]), json!(["9", "8"]), one("8", owner)),
        (json!([]), json!(["*", "-100", "8", "9"]), one("8", allow)),
        (json!("telegram:7"), json!(["8"]), one("8", allow)),
    ] {
        assert_eq!(people(&only(&config(owners.clone(), allowed))), wanted, "{owners}");
    }
    let many: Vec<_> = (1..100).map(|n| format!("telegram:{}", n % 50)).collect();
    let ids: Vec<_> = people(&only(&config(json!(many), json!([])))).into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, ["1", "2", "3", "4", "5"]);
    // An id whose form says it needs no channel's name.
    let feishu = json!({"commands": {"ownerAllowFrom": ["ou_1a"]},
                        "channels": {"feishu": {"appId": "cli_a", "appSecret": "s", "allowFrom": ["*"]}}});
    assert_eq!(people(&only(&feishu)), one("ou_1a", owner));
}

#[test]
fn access_groups_are_looked_into_once() {
    let found = only(&json!({
        "accessGroups": {
            "ops": {"type": "message.senders", "members": {"telegram": ["accessGroup:ops", "987654321"], "*": ["1"]}},
        },
        "channels": {"telegram": {"botToken": "1:x", "allowFrom": ["accessGroup:none", "accessGroup:ops", "5"]}},
    }));
    assert_eq!(people(&found), one("987654321", "accessGroups.ops"));
}

#[test]
fn accounts_inherit_as_in_openclaw() {
    let found = search(&json!({"channels": {"telegram": {
    "botToken": "1:root", "allowFrom": ["8"], "defaultAccount": "Work",
    "accounts": {
        "work": {"botToken": "2:work", "allowFrom": ["9"]},
        "heir": {"botToken": " ", "allowFrom": ["*"]},
        "off": {"enabled": false, "botToken": "3:off"},
        "odd": 7,
    }}}}));
    let seen: Vec<_> = found.iter().map(|f| (f.account.as_str(), f.is_default, code(f))).collect();
    let wanted = [
        ("work", true, "usable"),
        ("default", false, "usable"),
        ("heir", false, "same_bot"),
        ("odd", false, "same_bot"),
        ("off", false, "disabled"),
    ];
    assert_eq!(seen, wanted);
    assert_eq!(people(&found[0]), one("9", "channels.telegram.accounts.work.allowFrom"));
    assert_eq!((token(&found[0]), token(&found[1])), ("2:work", "1:root"));
    assert_eq!(
        found[4].reason().unwrap().to_string().split(';').next(),
        Some("switched off by channels.telegram.accounts.off.enabled")
    );

    let found = search(&json!({"channels": {
        "discord": {"token": "root", "allowFrom": ["123456789012345678"], "accounts": {"a": {"token": ""}, "b": {}}},
        "feishu": {"appId": "cli_a", "accounts": {"main": {"appSecret": "s", "allowFrom": ["ou_1"], "domain": "https://fs.corp/"}}},
    }}));
    let seen: Vec<_> = found.iter().map(|f| (f.channel.as_str(), f.account.as_str(), code(f))).collect();
    let wanted = [
        ("feishu", "main", "usable"),
        ("discord", "default", "usable"),
        ("discord", "a", "no_credential"),
        ("discord", "b", "same_bot"),
    ];
    assert_eq!(seen, wanted);
    let Bot::Feishu { domain, .. } = &found[0].usable().unwrap().bot else { panic!() };
    assert_eq!(domain.base_url(), "https://fs.corp");
}

#[test]
fn the_default_account_takes_its_token_from_the_environment_and_no_other_does() {
    let lab = lab();
    let env = |name: &str| (name == "TELEGRAM_BOT_TOKEN").then(|| "5:env".to_owned());
    let place = Place { home: &lab.home, uid: uid(), env: &env };
    let found = find_in(&json!({"channels": {"telegram": {"allowFrom": [1], "accounts": {"x": {}}}}}), &place);
    let seen: Vec<_> = found.iter().map(|f| (f.account.as_str(), code(f))).collect();
    assert_eq!(seen, [("default", "usable"), ("x", "no_credential")]);
    assert_eq!(token(&found[0]), "5:env");
}

#[test]
fn includes_are_followed_and_a_broken_config_says_so() {
    let lab = lab();
    let env = |_: &str| None;
    let place = Place { home: &lab.home, uid: uid(), env: &env };
    assert!(find(&place).is_err(), "there is no config");
    std::fs::write(&lab.home.config_path, "{channels: {$include: './channels.json5'}, unknown: 1}").unwrap();
    let channels = "{telegram: {botToken: '1:x', allowFrom: [8]}} // a comment";
    std::fs::write(lab.home.state_dir.join("channels.json5"), channels).unwrap();
    assert_eq!(find(&place).unwrap().iter().map(code).collect::<Vec<_>>(), ["usable"]);
    std::fs::write(&lab.home.config_path, format!("{{channels: {{telegram: {{botToken: '{SECRET}'")).unwrap();
    assert!(!format!("{:?}", find(&place).unwrap_err()).contains(SECRET));
}
