//! `clawmend notify`, `approve` and `pair` as a person types them, without a guard.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use clawmend_testkit::alerts::ntfy;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a command says, with this home's path and addresses replaced.
fn say(home: &Path, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_clawmend"))
        .args(arguments)
        .env_clear()
        .env("HOME", home)
        .env("LANG", "C.UTF-8")
        .env("TZ", "UTC")
        .env("CLAWMEND_STATE_DIR", home.join("state"))
        .env("CLAWMEND_RUNTIME_DIR", home.join("run"))
        .env("CLAWMEND_CONFIG", home.join("settings/clawmend.toml"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = format!(
        "$ clawmend {}\n{}{}= {}\n\n",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
        output.status.code().unwrap_or(-1)
    );
    text.replace(&home.display().to_string(), "HOME")
}

fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    for name in ["state", "run", "settings"] {
        std::fs::create_dir(home.path().join(name)).unwrap();
        std::fs::set_permissions(home.path().join(name), std::fs::Permissions::from_mode(0o700)).unwrap();
    }
    home
}

#[test]
fn places_are_set_tried_listed_and_removed() {
    let service = ntfy::start().unwrap();
    let home = home();
    let path = home.path();
    let api = format!("topic = \"{}\"\ntoken = \"{}\"\napi = \"{}\"\n", ntfy::TOPIC, ntfy::TOKEN, service.url());
    let mut all = String::new();
    for (arguments, input) in [
        (&["notify", "list"][..], ""),
        (&["notify", "test"], ""),
        (&["notify", "set", "pigeon"], ""),
        (&["notify", "set", "ntfy"], "topci = \"canary-0123456789\"\n"),
        (&["notify", "set", "ntfy", "--name", "bad name"], ""),
        (&["notify", "set", "ntfy", "--name", "phone", "--at-least", "error"], api.as_str()),
        (&["notify", "set", "ntfy", "--name", "phone"], api.as_str()),
        (&["notify", "list"], ""),
        (&["notify", "list", "--json"], ""),
        (&["notify", "test", "phone"], ""),
        (&["notify", "test", "nobody"], ""),
        (&["notify", "log"], ""),
        (&["notify", "remove", "nobody"], ""),
        (&["notify", "remove", "phone"], ""),
        (&["notify", "list"], ""),
    ] {
        all.push_str(&say(path, arguments, input));
    }
    insta::assert_snapshot!(all);
    assert_eq!(service.accepted().len(), 1, "the one test");
    let mode = std::fs::metadata(path.join("settings/notify.toml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!all.contains("canary"), "{all}");
}

#[test]
fn a_file_that_others_can_read_is_refused_by_name() {
    let home = home();
    let file = home.path().join("settings/notify.toml");
    std::fs::write(&file, "[[to]]\nkind = \"desktop\"\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    insta::assert_snapshot!(say(home.path(), &["notify", "list"], ""));
}

#[test]
fn words_without_a_guard() {
    let home = home();
    let path = home.path();
    let mut all = String::new();
    for (arguments, input) in [
        (&["approve"][..], ""),
        (&["approve", "3"], "12345678\nsomething long\n"),
        (&["deny", "x"], ""),
        (&["pair"], ""),
        (&["pair"], "short\nshort\n"),
        (&["pair"], "long enough\nlong enougH\n"),
        (&["pair"], "long enough\nlong enough\n"),
        (&["pair"], "not this one\nanother\nanother\n"),
        (&["pair"], "long enough\nanother one\nanother one\n"),
    ] {
        all.push_str(&say(path, arguments, input));
    }
    insta::assert_snapshot!(all);
}

/// OpenClaw's home of this person, with this config.
fn openclaw(home: &Path, config: &str) {
    std::fs::create_dir_all(home.join(".openclaw")).unwrap();
    std::fs::write(home.join(".openclaw/openclaw.json"), config).unwrap();
}

#[test]
fn the_guards_own_bot_is_paired_by_who_knows_the_passphrase() {
    let home = home();
    let path = home.path();
    let mut all = say(path, &["pair", "bot"], "");
    all.push_str(&say(path, &["pair"], "long enough\nlong enough\n"));
    all.push_str(&say(path, &["pair", "bot"], "long enough\n"));
    openclaw(path, r#"{"channels": {"telegram": {"botToken": "4243:theirs"}}}"#);
    let file = path.join("settings/notify.toml");
    for text in ["[bot]\ntoken = 'canary'\n", "[bot]\ntokn = 'canary'\n", "[bot]\ntoken = '4243:canary-own-Token'\n"] {
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        all.push_str(&say(path, &["pair", "bot"], "long enough\n"));
    }
    all.push_str(&say(path, &["notify", "list"], ""));
    openclaw(path, "{ broken");
    all.push_str(&say(path, &["notify", "list"], ""));
    openclaw(path, "{}");
    all.push_str(&say(path, &["notify", "list"], ""));
    all.push_str(&say(path, &["pair", "bot"], "another one\n"));
    let shown = say(path, &["pair", "bot"], "long enough\n");
    let code = shown.lines().nth(1).unwrap().to_owned();
    assert_eq!(code.chars().filter(char::is_ascii_digit).count(), 8, "{shown}");
    all.push_str(&shown.replace(&code, "CODE"));
    all.push_str(&say(path, &["pair", "bot", "--forget"], "long enough\n"));
    all.push_str(&say(path, &["notify", "list", "--json"], ""));
    assert!(!all.contains("canary"), "{all}");
    insta::assert_snapshot!(all);
}

#[test]
fn the_guards_own_feishu_app_is_paired_by_who_knows_the_passphrase() {
    const WHOLE: &str = "[feishu]\napp_id = 'cli_own'\napp_secret = 'canary-secret'\n\
                         encrypt_key = 'canary-key-0123456789'\nverification_token = 'canary-token'\n";
    let home = home();
    let path = home.path();
    let mut all = say(path, &["pair"], "long enough\nlong enough\n");
    all.push_str(&say(path, &["pair", "feishu"], "long enough\n"));
    openclaw(path, r#"{"channels": {"feishu": {"appId": "cli_own", "appSecret": "theirs"}}}"#);
    let file = path.join("settings/notify.toml");
    for text in [
        WHOLE.replace("encrypt_key", "encrypt_keys"),
        WHOLE.replace("canary-key-0123456789", "canary"),
        format!("{WHOLE}listen = '0.0.0.0:80'\n"),
        WHOLE.to_owned(),
    ] {
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        all.push_str(&say(path, &["pair", "feishu"], "long enough\n"));
    }
    all.push_str(&say(path, &["notify", "list"], ""));
    openclaw(path, "{}");
    all.push_str(&say(path, &["notify", "list"], ""));
    all.push_str(&say(path, &["pair", "feishu"], "another one\n"));
    let shown = say(path, &["pair", "feishu"], "long enough\n");
    let code = shown.lines().nth(1).unwrap().to_owned();
    assert_eq!(code.chars().filter(char::is_ascii_digit).count(), 8, "{shown}");
    all.push_str(&shown.replace(&code, "CODE"));
    all.push_str(&say(path, &["pair", "feishu", "--forget"], "long enough\n"));
    all.push_str(&say(path, &["notify", "list", "--json"], ""));
    assert!(!all.contains("canary"), "{all}");
    insta::assert_snapshot!(all);
}

#[test]
fn the_guards_own_dingtalk_app_is_paired_by_who_knows_the_passphrase() {
    const WHOLE: &str = "[dingtalk]\nclient_id = 'dingown'\nclient_secret = 'canary-secret'\n";
    let home = home();
    let path = home.path();
    let mut all = say(path, &["pair"], "long enough\nlong enough\n");
    all.push_str(&say(path, &["pair", "dingtalk"], "long enough\n"));
    openclaw(path, r#"{"channels": {"dingtalk": {"clientId": "dingown", "clientSecret": "theirs"}}}"#);
    let file = path.join("settings/notify.toml");
    for text in [
        WHOLE.replace("client_secret", "clientSecret"),
        format!("{WHOLE}card_template_id = 'no template'\n"),
        WHOLE.to_owned(),
    ] {
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        all.push_str(&say(path, &["pair", "dingtalk"], "long enough\n"));
    }
    all.push_str(&say(path, &["notify", "list"], ""));
    openclaw(path, "{}");
    all.push_str(&say(path, &["notify", "list"], ""));
    all.push_str(&say(path, &["pair", "dingtalk"], "another one\n"));
    let shown = say(path, &["pair", "dingtalk"], "long enough\n");
    let code = shown.lines().nth(1).unwrap().to_owned();
    assert_eq!(code.chars().filter(char::is_ascii_digit).count(), 8, "{shown}");
    all.push_str(&shown.replace(&code, "CODE"));
    all.push_str(&say(path, &["pair", "dingtalk", "--forget"], "long enough\n"));
    all.push_str(&say(path, &["notify", "list", "--json"], ""));
    assert!(!all.contains("canary"), "{all}");
    insta::assert_snapshot!(all);
}
