#![allow(clippy::unwrap_used)]
use super::*;

const WHOLE: &str = "client_id = 'dingown'\nclient_secret = 's-canary'\n";

fn access(text: &str) -> Result<Access, String> {
    let settings: DingtalkSettings = toml::from_str(text).map_err(|error| error.to_string())?;
    Access::new(&settings, None)
}

#[test]
fn what_is_missing_or_wrong_is_named_and_not_repeated() {
    let whole = access(WHOLE).unwrap();
    assert_eq!((whole.id(), whole.robot_code.as_str()), ("dingown", "dingown"));
    assert!(!format!("{whole:?}").contains("canary"), "{whole:?}");
    assert_eq!(access(&format!("{WHOLE}robot_code = 'dingrobot'")).unwrap().robot_code, "dingrobot");
    assert!(access("client_id = 'dingown'").unwrap_err().contains("client_secret is not set"));
    for (wrong, part) in [
        ("client_secret_file = '/x'", "both set"),
        ("card_template_id = ''", "card_template_id"),
        ("card_template_id = 'a b'", "card_template_id"),
        ("robot_code = ''", "robot code"),
        ("api = 'http://api.example.com'", "https"),
        ("token = 'x'", "unknown field"),
    ] {
        let why = access(&format!("{WHOLE}{wrong}")).unwrap_err();
        assert!(why.contains(part) && !why.contains("canary"), "{wrong}: {why}");
    }
    assert!(access(&WHOLE.replace("dingown", "a b")).unwrap_err().contains("client id"));
}

#[cfg(unix)]
#[test]
fn a_secret_can_stand_in_a_file_of_its_own() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "s-canary\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let text = format!("client_id = 'dingown'\nclient_secret_file = '{}'", path.display());
    assert!(access(&text).unwrap_err().contains("chmod 600"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(access(&text).unwrap(), access(WHOLE).unwrap());
    std::fs::write(&path, "\n").unwrap();
    assert!(access(&text).unwrap_err().contains("empty"));
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
    assert_eq!(refused(r#"{"channels": {"dingtalk": {"clientId": "dingtheirs", "clientSecret": "x"}}}"#), None);
    for config in [
        r#"{"channels": {"dingtalk": {"clientId": "dingown", "clientSecret": "x"}}}"#,
        r#"{"channels": {"dingtalk": {"accounts": {"a": {"clientId": "dingx"}, "b": {"enabled": false, "clientId": "dingown"}}}}}"#,
        // Another plugin for DingTalk, whose keys are not known here.
        r#"{"channels": {"dingtalk-connector": {"bots": [{"key": "dingown"}]}}}"#,
    ] {
        assert!(refused(config).unwrap().contains("developer console"), "{config}");
    }
    assert!(refused("{ broken").unwrap().contains("cannot be seen"));
    assert!(access(WHOLE).unwrap().refused(&[], 0).unwrap().contains("no gateway"));
}
