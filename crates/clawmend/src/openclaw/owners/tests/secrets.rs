//! Secrets that lie in files.

use super::*;

#[test]
fn token_files_and_providers_are_read() {
    let lab = lab();
    let file = lab.file("secrets/token", "1:file\n");
    let json = lab.file("secrets/all.json", "{\"tg\": {\"bot/token\": \"1:json\"}}");
    let config = |telegram: Value| {
        json!({
            "secrets": {"providers": {
                "one": {"source": "file", "path": file, "mode": "singleValue"},
                "all": {"source": "file", "path": json},
            }},
            "channels": {"telegram": telegram},
        })
    };
    let reference = |provider: &str, id: &str| {
        config(json!({"allowFrom": [8], "botToken": {"source": "file", "provider": provider, "id": id}}))
    };
    for (config, wanted) in [
        (config(json!({"allowFrom": [8], "tokenFile": file, "botToken": "1:second"})), "1:file"),
        (config(json!({"allowFrom": [8], "tokenFile": "~/secrets/token"})), "1:file"),
        (reference("one", "value"), "1:file"),
        (reference("all", "/tg/bot~1token"), "1:json"),
    ] {
        assert_eq!(token(&lab.search(&config)[0]), wanted, "{config}");
    }
    assert_eq!(code(&lab.search(&reference("all", "/none"))[0]), "secret_file");
    // The DingTalk plugin takes the id of a reference for the path.
    let dingtalk = json!({"channels": {"dingtalk": {"clientId": "ding1", "allowFrom": ["m1"],
        "clientSecret": {"source": "file", "provider": "any", "id": file}}}});
    assert_eq!(token(&lab.search(&dingtalk)[0]), "1:file");
}

#[cfg(target_os = "linux")]
#[test]
fn a_pipe_a_link_and_a_device_are_not_opened() {
    let lab = lab();
    let pipe = lab.dir.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let link = lab.dir.path().join("link");
    std::os::unix::fs::symlink(lab.file("token", "1:x"), &link).unwrap();
    for path in [&pipe, &link, std::path::Path::new("/dev/zero")] {
        let found = lab.search(&json!({"channels": {"telegram": {"tokenFile": path, "allowFrom": [8]}}}));
        assert_eq!(
            found[0].reason().unwrap(),
            &Reason::SecretFile { key: "channels.telegram.tokenFile".into(), problem: FileProblem::NotOrdinary },
            "{path:?}"
        );
    }
}
