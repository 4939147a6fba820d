//! Canaries, any JSON, and sizes that nobody writes.

use super::*;

use proptest::prelude::*;

#[test]
fn no_secret_shows_anywhere() {
    let lab = lab();
    let file = lab.file("token", SECRET);
    let reference = |source: &str| json!({"source": source, "provider": SECRET, "id": SECRET});
    let secrets = [
        json!(SECRET),
        json!(format!("{SECRET} with a space")),
        json!(format!("${{NOT_SET}}{SECRET}")),
        json!([SECRET]),
        json!("${OC_SECRET}"),
        reference("env"),
        reference("file"),
        reference("exec"),
        reference(SECRET),
    ];
    for secret in secrets {
        let found = lab.search(&json!({"channels": {
            "feishu": {"appId": secret, "appSecret": secret, "domain": secret, "allowFrom": ["ou_1"]},
            "dingtalk": {"clientId": "d", "clientSecret": secret, "allowFrom": ["m"]},
            "telegram": {"botToken": secret, "apiRoot": secret, "proxy": secret, "allowFrom": [1], "accounts": {
                "a": {"tokenFile": file, "apiRoot": format!("http://x/bot1:{SECRET}"), "proxy": format!("http://u:{SECRET}@x")},
                "b": {"botToken": "1:x", "apiRoot": format!("http://x/{SECRET}:1/y")}}},
            "discord": {"token": secret, "allowFrom": ["123456789012345678"]},
            "slack": {"botToken": secret, "allowFrom": ["U01ABCDEF"]},
            "matrix": {"accessToken": secret, "password": SECRET},
        }}));
        for found in &found {
            let app_id = matches!(found.usable().map(|reach| &reach.bot), Some(Bot::Feishu { .. }));
            let told = found.reason().map(|reason| format!("{reason} {} {}", reason.zh(), reason.code()));
            assert!(app_id || !format!("{found:?}{told:?}").contains(SECRET), "{found:?}");
        }
    }
}

/// Any JSON, and some that looks like what is looked for.
fn any_json() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "*",
        "ou_1",
        "telegram:1",
        "accessGroup:g",
        "${X}",
        "1:x",
        "https://x",
        "env",
        "file",
        "/dev/zero",
        "a\nb",
        "",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        words.prop_map(Value::from),
    ];
    let keys = prop::sample::select(vec![
        "accounts",
        "default",
        "allowFrom",
        "botToken",
        "token",
        "appId",
        "appSecret",
        "clientId",
        "clientSecret",
        "dm",
        "domain",
        "enabled",
        "source",
        "id",
        "provider",
        "tokenFile",
        "defaultAccount",
        "__proto__",
        "x y",
        "dmPolicy",
    ]);
    leaf.prop_recursive(4, 60, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((keys.clone(), inner), 0..8)
                .prop_map(|pairs| pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Value>()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_json_stays_in_bounds(
        channels in prop::collection::vec(any_json(), 6), owners in any_json(), groups in any_json(), env in any_json(),
    ) {
        let names = ["feishu", "dingtalk", "telegram", "discord", "slack", "other\u{1b}[31m"];
        let channels: Value = names.into_iter().map(str::to_owned).zip(channels).collect();
        let config = json!({"channels": channels, "commands": {"ownerAllowFrom": owners}, "accessGroups": groups,
                            "env": env, "secrets": {"providers": env}});
        let found = search(&config);
        prop_assert!(found.len() <= MAX_FOUND);
        for found in &found {
            prop_assert!(!found.channel.chars().any(char::is_control) && found.account.len() <= 64);
            if let Some(reach) = found.usable() {
                prop_assert!((1..=MAX_RECIPIENTS).contains(&reach.recipients.len()));
                for one in &reach.recipients {
                    prop_assert!(one.id.len() <= 64 && one.id.bytes().all(|b| b.is_ascii_graphic()) && one.id != "*");
                }
            }
            if let Some(reason) = found.reason() {
                prop_assert!(reason.to_string().len() < 1_000 && !reason.to_string().chars().any(char::is_control));
            }
        }
    }
}

#[test]
fn a_hostile_size_costs_nothing() {
    let long = "9".repeat(1_000_000);
    let many: Vec<_> = (0..200_000).map(|_| json!("@nobody")).collect();
    let accounts: Value = (0..10_000).map(|n| (format!("a{n}"), json!({"botToken": format!("{n}:x")}))).collect();
    let found = search(&json!({
        "commands": {"ownerAllowFrom": many},
        "channels": {"telegram": {"allowFrom": [long, 8], "accounts": accounts}},
    }));
    assert_eq!(found.len(), MAX_FOUND);
    assert_eq!(people(&found[0]), one("8", "channels.telegram.allowFrom"));
}
