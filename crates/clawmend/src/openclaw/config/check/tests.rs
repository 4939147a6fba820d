#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::openclaw::discovery::discover;

const SECRET: &str = "oc-test-token-0123456789abcdef";

struct Lab {
    dir: tempfile::TempDir,
    home: Home,
}

fn lab(config: &[u8]) -> Lab {
    let dir = tempfile::tempdir().unwrap();
    let home = discover(|_| None, dir.path()).remove(0);
    std::fs::create_dir(&home.state_dir).unwrap();
    std::fs::write(&home.config_path, config).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&home.config_path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    Lab { dir, home }
}

fn look(lab: &Lab, schema: Option<&Schema>) -> Checked {
    let env = |_: &str| None;
    check(&lab.home, &Around { env: &env, env_known: true, schema, version: Some("2026.9.6") })
}

fn told(checked: &Checked, lab: &Lab) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for finding in &checked.findings {
        let file = finding.file.as_ref().and_then(|file| file.strip_prefix(&lab.home.state_dir).ok());
        let _ = writeln!(
            text,
            "{} {} {}:{}:{} {}",
            finding.severity.name(),
            finding.code,
            file.map_or_else(String::new, |file| file.display().to_string()),
            finding.line,
            finding.column,
            finding.message
        );
        if let Some(excerpt) = &finding.excerpt {
            let _ = writeln!(text, "    {}\n    {}^", excerpt.text, " ".repeat(excerpt.mark));
        }
        if let Some(hint) = &finding.hint {
            let _ = writeln!(text, "    hint: {hint}");
        }
    }
    text.replace(&lab.dir.path().display().to_string(), "HOME")
}

fn base(gateway: &str, rest: &str) -> String {
    format!(
        "{{\n \"gateway\": {{\n  \"mode\": \"local\",\n  \"port\": 19801,\n  \"bind\": \"loopback\",\n  \"auth\": {{\"mode\": \
         \"token\", \"token\": \"{SECRET}\"}}{gateway}\n }}{rest}\n}}\n"
    )
}

#[test]
fn a_good_config_has_no_findings() {
    let lab = lab(base("", "").as_bytes());
    assert_eq!(look(&lab, None).findings, []);
}

#[test]
fn every_fault_is_told_with_its_place_and_without_a_secret() {
    let long = format!("{}{SECRET}", "{\"gateway\": {\"mode\": \"local\", \"auth\": {\"token\": \"");
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("truncated", base("", "").into_bytes()[..120].to_vec()),
        ("garbage", b"not json at all <<<<\n".to_vec()),
        ("empty", b" \n".to_vec()),
        ("comma missing", base("", "").replace("19801,", "19801").into_bytes()),
        ("cut in a secret", long.into_bytes()),
        ("unknown key", base(",\n  \"prot\": 1", ",\n \"gatway\": {}").into_bytes()),
        ("wrong type", base("", "").replace("19801", "\"abc\"").into_bytes()),
        ("out of range", base("", "").replace("19801", "70000").into_bytes()),
        ("no mode", base("", "").replace("\"mode\": \"local\",", "").into_bytes()),
        ("old forms", base(",\n  \"token\": \"x\"", ",\n \"models\": {\"default\": \"a/b\"}").into_bytes()),
        ("an open door", base("", "").replace("loopback", "lan").replace(SECRET, "").into_bytes()),
        ("no bind", b"{gateway: {mode: 'local'}}".to_vec()),
        ("twice", base(",\n  \"port\": 2", "").into_bytes()),
        ("variable", base("", "").replace(SECRET, "${OC_TOKEN}").into_bytes()),
        (
            "reference",
            base("", "").replace(&format!("\"{SECRET}\""), "{source:'env',provider:'default',id:'OC_T'}").into_bytes(),
        ),
        ("channel", base("", ",\n \"channels\": {\"telegram\": {}, \"slack\": {\"enabled\": false}}").into_bytes()),
        ("no object", b"[1]".to_vec()),
        ("mark", [b"\xef\xbb\xbf", base("", "").as_bytes()].concat()),
        ("utf-16", b"\xff\xfe{\0".to_vec()),
        ("not utf-8", b"{\"a\": \"\xc3\x28\"}".to_vec()),
        (
            "no patience",
            base(
                "",
                ",\n \"models\": {\"providers\": {\n  \"cloud\": {\"apiKey\": \"sk-oc-test-1\"},\n  \"own\": \
                 {\"timeoutSeconds\": 900}\n }},\n \"agents\": {\"defaults\": {\"model\": \"cloud/m\", \
                 \"timeoutSeconds\": 0, \"maxConcurrent\": 1}}",
            )
            .into_bytes(),
        ),
        (
            "all of one provider",
            base("", ",\n \"agents\": {\"defaults\": {\"model\": {\"primary\": \"a/x\", \"fallbacks\": [\"a/y\"]}}}")
                .into_bytes(),
        ),
        ("include", b"{\n \"$include\": \"./none.json5\"\n}".to_vec()),
    ];
    let mut all = String::new();
    for (name, text) in cases {
        let lab = lab(&text);
        let checked = look(&lab, None);
        assert!(!checked.findings.is_empty(), "{name}");
        all.push_str(&format!("# {name}\n{}\n", told(&checked, &lab)));
    }
    assert!(!all.contains(SECRET) && !all.contains("oc-test"), "{all}");
    insta::assert_snapshot!(all);
}

#[test]
fn what_is_no_config_file_is_told_apart() {
    let lab = lab(b"{}");
    std::fs::remove_file(&lab.home.config_path).unwrap();
    let code = |lab: &Lab| look(lab, None).findings.first().map(|finding| finding.code);
    assert_eq!(code(&lab), Some("missing"));
    std::fs::create_dir(&lab.home.config_path).unwrap();
    assert_eq!(code(&lab), Some("not_a_file"));
    std::fs::remove_dir(&lab.home.config_path).unwrap();
    let file = std::fs::File::create(&lab.home.config_path).unwrap();
    file.set_len(super::super::MAX_CONFIG_BYTES + 1).unwrap();
    assert_eq!(code(&lab), Some("too_large"));
    #[cfg(unix)]
    {
        std::fs::remove_file(&lab.home.config_path).unwrap();
        std::os::unix::fs::symlink("/nowhere/at/all", &lab.home.config_path).unwrap();
        assert!(told(&look(&lab, None), &lab).contains("a link to something that is not there"));
    }
}

#[test]
fn includes_keep_their_own_places() {
    let lab = lab(b"{\n $include: './base.json5',\n}");
    std::fs::write(lab.home.state_dir.join("base.json5"), base(",\n  \"prot\": 1", "")).unwrap();
    let checked = look(&lab, None);
    let unknown = checked.findings.iter().find(|finding| finding.code == "unknown_key").unwrap();
    assert!(unknown.file.as_ref().unwrap().ends_with("base.json5"));
    assert_eq!(unknown.line, 7);
}

fn small_schema() -> Schema {
    let schema = serde_json::json!({
        "type": "object", "additionalProperties": false, "required": [],
        "properties": {
            "gateway": {"type": "object", "additionalProperties": false, "properties": {
                "mode": {"anyOf": [{"type": "string", "const": "local"}, {"type": "string", "const": "remote"}]},
                "port": {"type": "integer", "minimum": 1, "maximum": 65535},
                "bind": {"enum": ["loopback", "lan"]},
                "auth": {"type": "object", "properties": {"mode": {"type": "string"}, "token": {"anyOf": [{"type": "string"},
                    {"oneOf": [{"type": "object", "properties": {"source": {"const": "env"}, "id": {"type": "string"}},
                        "required": ["source", "id"], "additionalProperties": false}]}]}}},
            }},
            "agents": {"type": "object", "additionalProperties": {"$ref": "#/$defs/agent"}},
        },
        "$defs": {"agent": {"type": "object", "required": ["name", "kind"], "properties": {"name": {"type": "string"},
            "kind": {"type": "string", "default": "plain"},
            "tags": {"type": "array", "items": {"type": "string"}}}, "additionalProperties": false}},
    });
    Schema::parse("2026.9.6", schema.to_string().as_bytes()).unwrap()
}

#[test]
fn the_installed_schema_decides_where_there_is_one() {
    let schema = small_schema();
    let codes = |text: String| {
        let lab = lab(text.as_bytes());
        let checked = look(&lab, Some(&schema));
        checked.findings.iter().map(|finding| format!("{} {}", finding.code, finding.message)).collect::<Vec<_>>()
    };
    assert_eq!(codes(base("", "")), [""; 0]);
    assert_eq!(
        codes(base(",\"prt\": 1", ",\"agents\": {\"a\": {\"tags\": [1]}}")),
        [
            "unknown_key gateway.prt is not a key that OpenClaw knows",
            "missing_key agents.a.name is missing",
            "wrong_type agents.a.tags must be a string, but is a number"
        ]
    );
    assert_eq!(
        codes(base("", "").replace("19801", "0").replace("loopback", "lna")),
        [
            "wrong_value gateway.port must be at least 1",
            "wrong_value gateway.bind must be one of \"loopback\", \"lan\""
        ]
    );
    assert_eq!(
        codes(base("", "").replace(&format!("\"{SECRET}\""), "7")),
        ["wrong_type gateway.auth.token must be a object or string, but is a number"]
    );
    assert!(Schema::parse("x", b"{}").is_none());
}

proptest::proptest! {
    /// Hostile text ends neither the check nor shows what it says.
    #[test]
    fn any_text_is_answered(text in "[\\PC\"'{}\\[\\]:,/*\\\\\n]{0,200}", line in 0u32..5, column in 0u32..300) {
        let _ = excerpt(&text, line, column);
        let _ = Places::of(&text);
        let _ = parse::parse(&text);
    }
}
