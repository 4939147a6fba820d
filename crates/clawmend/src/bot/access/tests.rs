#![allow(clippy::unwrap_used)]

use super::*;
use crate::openclaw::discovery::discover;

const TOKEN: &str = "4243:canary-own-Token_0123456789";

fn access(text: &str) -> Result<Access, String> {
    let settings: BotSettings = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    Access::new(&settings, None)
}

fn ours() -> Access {
    access(&format!("token = '{TOKEN}'")).unwrap()
}

/// A home with this config.
fn home(folder: &std::path::Path, config: &str) -> Home {
    let home = discover(|_| None, folder).remove(0);
    std::fs::create_dir_all(&home.state_dir).unwrap();
    std::fs::write(&home.config_path, config).unwrap();
    home
}

fn refused(config: &str) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    ours().refused(&[home(folder.path(), config)], crate::daemon::own_uid())
}

#[test]
fn settings_are_checked_and_the_token_is_not_shown() {
    let fine = ours();
    assert_eq!(fine.id(), "4243");
    assert_eq!(fine.url("getMe").unwrap().as_str(), format!("https://api.telegram.org/bot{TOKEN}/getMe"));
    assert!(!format!("{fine:?}").contains("canary"), "{fine:?}");
    for text in [
        "",
        "token = 'canary/../getMe'",
        "token = '1:canary'\ntoken_file = '/x'",
        "token_file = 'canary'",
        "token_file = '/nowhere/at/all'",
        "token = '1:canary'\napi = 'http://example.com'",
        "token = '1:canary'\nunknown = 1",
    ] {
        let error = access(text).unwrap_err();
        assert!(!error.is_empty() && !error.contains("canary"), "{text}: {error}");
    }
}

#[cfg(unix)]
#[test]
fn a_token_may_stand_in_a_file_of_its_own() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, format!("{TOKEN}\n")).unwrap();
    let text = format!("token_file = '{}'", path.display());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(access(&text).unwrap_err().contains("chmod 600"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(access(&text).unwrap(), ours());
}

#[test]
fn a_bot_of_openclaw_is_refused() {
    for fine in [
        "{}",
        r#"{"channels": {"telegram": {"botToken": "4242:another"}}}"#,
        r#"{"channels": {"telegram": {"accounts": {"a": {"botToken": "4242:x"}, "b": {"botToken": "42431:x"}}}}}"#,
        r#"{"channels": {"telegram": {"enabled": true}}}"#,
    ] {
        assert_eq!(refused(fine), None, "{fine}");
    }
    for theirs in [
        r#"{"channels": {"telegram": {"botToken": "4243:x"}}}"#,
        // Without an owner, and switched off: it is in the config all the same.
        r#"{"channels": {"telegram": {"enabled": false, "botToken": "4243:x", "allowFrom": ["*"]}}}"#,
        r#"{"channels": {"telegram": {"accounts": {"a": {"botToken": "1:x"}, "b": {"botToken": "4243:x"}}}}}"#,
        r#"{"env": {"TELEGRAM_BOT_TOKEN": "4243:x"}}"#,
        r#"{"env": {"TG": "4243:x"}, "channels": {"telegram": {"botToken": "${TG}"}}}"#,
    ] {
        assert!(refused(theirs).is_some_and(|why| why.contains("another one with @BotFather")), "{theirs}");
    }
}

#[test]
fn what_cannot_be_looked_at_is_refused() {
    for unknown in [
        "{ broken",
        r#"{"channels": {"telegram": {"botToken": "${NOT_SET_ANYWHERE_9}"}}}"#,
        r#"{"channels": {"telegram": {"botToken": {"source": "exec", "provider": "x", "id": "y"}}}}"#,
        r#"{"channels": {"telegram": {"tokenFile": "/nowhere/at/all"}}}"#,
    ] {
        let why = refused(unknown).unwrap_or_default();
        assert!(why.contains("cannot be seen"), "{unknown}: {why}");
    }
    assert!(ours().refused(&[], crate::daemon::own_uid()).is_some());
    let folder = tempfile::tempdir().unwrap();
    let home = home(folder.path(), "{}");
    std::fs::remove_file(&home.config_path).unwrap();
    assert!(ours().refused(&[home], crate::daemon::own_uid()).is_some());
}
