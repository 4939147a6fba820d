//! Every reason, and what it says.

use super::*;

/// Every reason, with the config that leads to it.
fn unusable(lab: &Lab) -> Vec<(&'static str, Value)> {
    let big = lab.file("big", &"x".repeat(20_000)).display().to_string();
    let binary = lab.dir.path().join("binary");
    std::fs::write(&binary, [0xff, 0xfe]).unwrap();
    let (folder, none) = (lab.dir.path().display().to_string(), lab.dir.path().join("none").display().to_string());
    let telegram = |settings: Value| {
        let mut all = json!({"botToken": "1:x", "allowFrom": ["8"]});
        all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        json!({"channels": {"telegram": all}})
    };
    let reference = |source: &str| telegram(json!({"botToken": {"source": source, "provider": "default", "id": "X"}}));
    let mut provided = telegram(json!({"botToken": {"source": "env", "provider": "few", "id": "OC_SECRET"}}));
    provided["secrets"] = json!({"providers": {"few": {"source": "env", "allowlist": ["OTHER"]}}});
    let mut plugin_off = telegram(json!({}));
    plugin_off["plugins"] = json!({"entries": {"telegram": {"enabled": false}}});
    vec![
        ("disabled", telegram(json!({"enabled": false}))),
        ("disabled", plugin_off),
        ("not_supported", json!({"channels": {"signal": {"account": "+1555"}}})),
        ("disabled", json!({"channels": {"signal": {"enabled": false}}})),
        ("no_credential", telegram(json!({"botToken": ""}))),
        ("no_credential", json!({"channels": {"feishu": {"appId": "cli_a", "allowFrom": ["ou_1"]}}})),
        ("malformed", telegram(json!({"botToken": ["x"]}))),
        ("malformed", telegram(json!({"botToken": "1:x/../../y"}))),
        ("malformed", telegram(json!({"botToken": "1:x\r\nHost: evil"}))),
        ("malformed", telegram(json!({"botToken": "y".repeat(1_000_000)}))),
        ("malformed", telegram(json!({"apiRoot": "ftp://x"}))),
        ("malformed", telegram(json!({"apiRoot": "http://u:p@x"}))),
        ("malformed", telegram(json!({"apiRoot": "http://x/bot1%3Ax"}))),
        ("malformed", telegram(json!({"proxy": "not an address"}))),
        ("malformed", json!({"channels": {"feishu": {"appId": "cli_a", "appSecret": "s", "domain": "http://plain"}}})),
        ("malformed", json!({"channels": {"dingtalk": {"clientId": "a\nb", "clientSecret": "s"}}})),
        ("variable_unset", telegram(json!({"botToken": "${NOT_SET}"}))),
        ("variable_unset", telegram(json!({"botToken": "$NOT_SET"}))),
        ("variable_unset", telegram(json!({"botToken": {"source": "env", "id": "NOT_SET"}}))),
        ("secret_reference", reference("exec")),
        ("secret_reference", reference("store")),
        ("secret_reference", telegram(json!({"botToken": "secretref-env:NOT_SET"}))),
        ("secret_provider", reference("file")),
        ("secret_provider", provided),
        ("secret_file", telegram(json!({"tokenFile": none}))),
        ("secret_file", telegram(json!({"tokenFile": folder}))),
        ("secret_file", telegram(json!({"tokenFile": big}))),
        ("secret_file", telegram(json!({"tokenFile": binary}))),
        ("secret_file", telegram(json!({"tokenFile": "relative"}))),
        ("no_owner", telegram(json!({"allowFrom": []}))),
        ("no_owner", telegram(json!({"allowFrom": "8"}))),
        ("only_everyone", telegram(json!({"allowFrom": ["*"]}))),
        ("no_personal_id", telegram(json!({"allowFrom": ["@name", "-100", "*"]}))),
    ]
}

#[test]
fn every_reason_is_found_and_said_in_both_languages() {
    let lab = lab();
    let mut told = String::new();
    for (wanted, config) in unusable(&lab) {
        let found = lab.search(&config);
        assert_eq!(found.iter().map(code).collect::<Vec<_>>(), [wanted], "{config:.200}");
        let reason = found[0].reason().unwrap();
        let text = format!("{} ({})\n  {reason}\n  {}\n", found[0].channel, reason.code(), reason.zh());
        if !told.contains(&text) {
            told.push_str(&text);
        }
    }
    insta::assert_snapshot!(told);
}
