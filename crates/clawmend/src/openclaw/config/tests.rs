#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::openclaw::discovery::discover;
use secrecy::ExposeSecret;

struct Lab {
    dir: tempfile::TempDir,
    home: Home,
}

fn lab(config: &str) -> Lab {
    let dir = tempfile::tempdir().unwrap();
    let home = discover(|_| None, dir.path()).remove(0);
    std::fs::create_dir(&home.state_dir).unwrap();
    std::fs::write(&home.config_path, config).unwrap();
    Lab { dir, home }
}

const TOKEN: &str = "lab-token-0123456789abcdef";

fn minimal() -> String {
    format!(
        "// a comment\n{{gateway: {{mode: 'local', port: 19789, bind: \"loopback\",\n\
         auth: {{mode: 'token', token: '{TOKEN}'}},}}, channels: {{telegram: {{}}, slack: {{enabled: false}}}}}}"
    )
}

fn token_of(read: &ConfigRead) -> Option<String> {
    match &read.view.as_ref()?.token {
        Token::Known(token) => Some(token.expose_secret().to_owned()),
        Token::NotNeeded | Token::Unresolved(_) => None,
    }
}

#[test]
fn a_valid_config_gives_what_a_guard_needs() {
    let lab = lab(&minimal());
    let seen = read(&lab.home, |_| None);
    assert_eq!(seen.seen.validity, ConfigValidity::Valid);
    let view = seen.view.as_ref().unwrap();
    assert_eq!((view.port, view.bind.as_deref(), view.tls), (Some(19789), Some("loopback"), false));
    assert_eq!(view.channels, [("slack".to_owned(), false), ("telegram".to_owned(), true)]);
    assert_eq!(token_of(&seen).as_deref(), Some(TOKEN));
    assert!(!format!("{seen:?}").contains(TOKEN), "the token shows in Debug");
}

#[test]
fn broken_texts_are_told_with_their_place_and_without_their_values() {
    let cut = format!("{{\n \"gateway\": {{\n  \"mode\": \"local\",\n  \"token\": \"{TOKEN}");
    let cases: [(&str, Option<u32>); 9] = [
        (&cut, Some(4)),
        ("not json at all  <<<<\n", Some(1)),
        ("", None),
        ("{gateway: {mode: 'local'}", Some(1)),
        ("{gateway: {mode: 'local' port: 1}}", Some(1)),
        ("{gateway: {mode: 'local'}} x", Some(1)),
        ("[]", None),
        ("{\"gateway\": {\"port\": 1}}", None),
        ("{gateway: {mode: 'remote'}}", None),
    ];
    for (text, line) in cases {
        let lab = lab(text);
        let seen = read(&lab.home, |_| None);
        let ConfigValidity::Invalid { line: told, column, message } = &seen.seen.validity else {
            panic!("{text:?} counted as {:?}", seen.seen.validity)
        };
        assert_eq!((*told > 0).then_some(*told), line, "{text:?}: {told}:{column} {message}");
        assert!(!message.contains(TOKEN) && seen.view.is_none());
        assert_ne!(seen.seen.fingerprint, 0);
    }
}

#[test]
fn deep_nesting_is_refused_and_does_not_end_the_guard() {
    let lab = lab(&"[".repeat(200_000));
    assert!(matches!(read(&lab.home, |_| None).seen.validity, ConfigValidity::Invalid { .. }));
}

#[test]
fn absence_and_size_are_told_apart_from_faults() {
    let lab = lab("{}");
    std::fs::remove_file(&lab.home.config_path).unwrap();
    let seen = read(&lab.home, |_| None);
    assert_eq!(seen.seen, ConfigSeen { fingerprint: 0, validity: ConfigValidity::Missing });
    let file = std::fs::File::create(&lab.home.config_path).unwrap();
    file.set_len(MAX_CONFIG_BYTES + 1).unwrap();
    assert!(matches!(read(&lab.home, |_| None).seen.validity, ConfigValidity::Unreadable { .. }));
}

#[test]
fn includes_are_followed_watched_and_fingerprinted() {
    let lab = lab("{$include: './base.json5', gateway: {port: 19000}}");
    let base = lab.home.state_dir.join("base.json5");
    std::fs::write(&base, minimal()).unwrap();
    let one = read(&lab.home, |_| None);
    assert_eq!(one.seen.validity, ConfigValidity::Valid);
    assert_eq!(one.view.as_ref().unwrap().port, Some(19000));
    assert_eq!(one.files.len(), 2);
    std::fs::write(&base, minimal().replace("loopback", "lan")).unwrap();
    assert_ne!(read(&lab.home, |_| None).seen.fingerprint, one.seen.fingerprint);

    std::fs::write(&base, "{$include: 'openclaw.json'}").unwrap();
    assert!(matches!(read(&lab.home, |_| None).seen.validity, ConfigValidity::Invalid { .. }), "a circle");
    std::fs::write(lab.dir.path().join("outside.json5"), minimal()).unwrap();
    std::fs::write(&lab.home.config_path, "{$include: '../outside.json5'}").unwrap();
    assert!(matches!(read(&lab.home, |_| None).seen.validity, ConfigValidity::Invalid { .. }), "outside");
    let root = lab.dir.path().to_str().unwrap().to_owned();
    let env = |name: &str| (name == "OPENCLAW_INCLUDE_ROOTS").then(|| root.clone());
    assert_eq!(read(&lab.home, env).seen.validity, ConfigValidity::Valid);
}

#[test]
fn the_token_comes_from_where_the_gateway_takes_it() {
    let with = |token: &str| minimal().replace(&format!("'{TOKEN}'"), token);
    let env = |name: &str| match name {
        "OC_T" => Some("from-var".to_owned()),
        "OPENCLAW_GATEWAY_TOKEN" => Some("from-env".to_owned()),
        _ => None,
    };
    let only_var = |name: &str| env(name).filter(|_| name == "OC_T");
    for (token, expected) in [
        ("'${OC_T}'", "from-var"),
        ("'${NOT_SET}'", "from-env"),
        ("'a-$${OC_T}'", "a-${OC_T}"),
        ("{source: 'env', provider: 'default', id: 'OC_T'}", "from-var"),
        ("''", "from-env"),
    ] {
        assert_eq!(token_of(&read(&lab(&with(token)).home, env)).as_deref(), Some(expected), "{token}");
    }
    for (token, reason) in [
        ("'${NOT_SET}'", NoToken::VariableUnset),
        ("{source: 'exec', provider: 'default', id: 'x'}", NoToken::Reference),
        ("''", NoToken::Missing),
    ] {
        let seen = read(&lab(&with(token)).home, only_var);
        assert!(
            matches!(&seen.view.as_ref().unwrap().token, Token::Unresolved(why) if *why == reason),
            "{token}: {:?}",
            seen.view
        );
    }
}

#[test]
fn duplicate_keys_are_reported_and_the_last_counts() {
    let lab = lab("{gateway: {mode: 'local', port: 1, port: 19001}}");
    let seen = read(&lab.home, |_| None);
    let view = seen.view.unwrap();
    assert_eq!((view.port, view.duplicate_keys), (Some(19001), vec!["gateway.port".to_owned()]));
}
