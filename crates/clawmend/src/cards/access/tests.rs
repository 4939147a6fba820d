#![allow(clippy::unwrap_used)]
use super::*;

const WHOLE: &str = "app_id = 'cli_own'\napp_secret = 's-canary'\nencrypt_key = 'k-canary-0123456789'\n\
                     verification_token = 'v-canary'\n";

fn access(text: &str) -> Result<Access, String> {
    let settings: FeishuSettings = toml::from_str(text).map_err(|error| error.to_string())?;
    Access::new(&settings, None)
}

#[test]
fn it_listens_on_this_machine_unless_told_otherwise() {
    let whole = access(WHOLE).unwrap();
    assert_eq!((whole.listen.to_string(), whole.path.as_str()), ("127.0.0.1:18795".to_owned(), "/clawmend/feishu"));
    assert!(!format!("{whole:?}").contains("canary"), "{whole:?}");
    for listen in ["0.0.0.0:80", "[::]:80", "192.0.2.1:80", "[::ffff:127.0.0.1]:80"] {
        let why = access(&format!("{WHOLE}listen = '{listen}'")).unwrap_err();
        assert!(why.contains("listen_beyond_this_machine"), "{why}");
        assert!(access(&format!("{WHOLE}listen = '{listen}'\nlisten_beyond_this_machine = true")).is_ok());
    }
    assert!(access(&format!("{WHOLE}listen = '[::1]:8000'\npath = '/a'")).is_ok());
}

#[test]
fn what_is_missing_or_wrong_is_named_and_not_repeated() {
    for (key, part) in [
        ("app_secret", "app_secret is not set"),
        ("encrypt_key", "encrypt_key is not"),
        ("verification_token", "token is"),
    ] {
        let without: String =
            WHOLE.lines().filter(|line| !line.starts_with(key)).map(|line| format!("{line}\n")).collect();
        let why = access(&without).unwrap_err();
        assert!(why.contains(part), "{why}");
    }
    for (wrong, part) in [
        ("path = 'feishu'", "`path`"),
        ("path = '/a?b'", "`path`"),
        ("listen = 'here'", "socket address"),
        ("encrypt_key_file = '/x'", "both set"),
        ("public = true", "unknown field"),
    ] {
        let why = access(&format!("{WHOLE}{wrong}")).unwrap_err();
        assert!(why.contains(part) && !why.contains("canary"), "{why}");
    }
    let why = access(&WHOLE.replace("k-canary-0123456789", "short")).unwrap_err();
    assert!(why.contains("at least 16"), "{why}");
    let why = access(&WHOLE.replace("cli_own", "a b")).unwrap_err();
    assert!(why.contains("app id"), "{why}");
}

#[cfg(unix)]
#[test]
fn a_secret_can_stand_in_a_file_of_its_own() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, "k-canary-0123456789\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let text =
        WHOLE.replace("encrypt_key = 'k-canary-0123456789'", &format!("encrypt_key_file = '{}'", path.display()));
    assert!(access(&text).unwrap_err().contains("chmod 600"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(access(&text).unwrap(), access(WHOLE).unwrap());
}

#[test]
fn an_app_that_openclaw_has_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let home = crate::openclaw::discovery::discover(|_| None, folder.path()).remove(0);
    std::fs::create_dir_all(&home.state_dir).unwrap();
    let refused = |config: &str| {
        std::fs::write(&home.config_path, config).unwrap();
        access(WHOLE).unwrap().refused(std::slice::from_ref(&home), crate::daemon::own_uid())
    };
    assert_eq!(refused("{}"), None);
    assert_eq!(refused(r#"{"channels": {"feishu": {"appId": "cli_theirs", "appSecret": "x"}}}"#), None);
    for config in [
        r#"{"channels": {"feishu": {"appId": "cli_own", "appSecret": "x"}}}"#,
        r#"{"channels": {"feishu": {"accounts": {"a": {"appId": "cli_x"}, "b": {"enabled": false, "appId": "cli_own"}}}}}"#,
    ] {
        assert!(refused(config).unwrap().contains("developer console"), "{config}");
    }
    assert!(refused("{ broken").unwrap().contains("cannot be seen"));
    assert!(access(WHOLE).unwrap().refused(&[], 0).unwrap().contains("no gateway"));
}
