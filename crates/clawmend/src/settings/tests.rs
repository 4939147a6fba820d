#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use clawmend_core::gateway::{Form, GatewayId};

fn wrong(text: &str) -> String {
    parse(Path::new("clawmend.toml"), text).expect_err("this text is wrong").to_string()
}

#[test]
fn nothing_needs_to_be_set() {
    let settings = parse(Path::new("x"), "").unwrap();
    assert_eq!(settings, Settings::default());
    assert_eq!(settings.guard.flag_file, Path::new("/tmp/openclaw-maintenance"));
    assert_eq!(settings.policy.preset, Preset::Adaptive);
    assert!(!settings.synthetic.enabled, "a message costs money: only who asked for it pays");
}

#[test]
fn every_section_is_understood() {
    let text = r#"
        [guard]
        language = "zh-CN"
        flag_file = "/run/hands-off"
        [policy]
        preset = "two-level"
        [policy.override]
        probe_interval_ms = 2000
        starts_per_hour = 6
        [synthetic]
        enabled = true
        interval_ms = 600000
        model = "openclaw/watch-1"
        [[gateway]]
        id = "default"
        [[gateway]]
        id = "work"
        state_dir = "/srv/work"
        unit = "openclaw-work.service"
        scope = "system"
        form = "systemd"
    "#;
    let settings = parse(Path::new("x"), text).unwrap();
    assert_eq!(settings.guard.language, Some(Language::Chinese));
    assert_eq!(settings.policy.preset, Preset::TwoLevel);
    assert_eq!(settings.policy.overrides.probe_interval_ms, Some(2000));
    assert_eq!(settings.policy.overrides.late_after_ms, None);
    assert!(settings.synthetic.enabled && settings.synthetic.timeout_ms == 120_000);
    assert_eq!(settings.synthetic.model, "openclaw/watch-1");
    assert_eq!(settings.gateways[1].id, GatewayId("work".into()));
    assert_eq!(settings.gateways[1].scope, Some(Scope::System));
    assert_eq!(settings.gateways[1].form, Some(Form::Systemd));
}

#[test]
fn errors_name_the_place_and_what_was_expected() {
    let texts = [
        "[guard]\nflag = 1\n",
        "[policy.override]\nprobe_interval_ms = 1\n",
        "[policy.override]\n  probe_interval_ms = \"1s\"\n",
        "[policy]\npreset = \"fast\"\n",
        "[policy\n",
        "[synthetic]\nenabled = true\ninterval_ms = 599999\n",
        "[synthetic]\nmodel = \"openai/gpt\"\n",
        "[synthetic]\nslow_after_ms = 60000\ntimeout_ms = 60000\n",
        "[synthetic]\ninterval = 600000\n",
        "[[gateway]]\nid = \"../etc\"\n",
        "[[gateway]]\nstate_dir = \"/x\"\n",
        "[[gateway]]\nid = \"a\"\n\n[[gateway]]\nid = \"a\"\n",
    ];
    insta::assert_snapshot!(texts.map(wrong).join("\n"));
}

#[test]
fn a_missing_a_broken_and_a_huge_file_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clawmend.toml");
    assert!(matches!(load(&path), Err(SettingsError::Missing { .. })));
    assert_eq!(load_or_default(&path).unwrap(), Settings::default());
    std::fs::write(&path, b"[guard]\n\xff\n").unwrap();
    assert!(matches!(load(&path), Err(SettingsError::Invalid { line: 2, column: 1, .. })));
    std::fs::write(&path, vec![b'#'; 300_000]).unwrap();
    assert!(matches!(load(&path), Err(SettingsError::TooLarge { .. })));
    assert!(matches!(load(folder.path()), Err(SettingsError::Unreadable { .. })));
}
