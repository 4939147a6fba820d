//! What makes a start fail although the schema is content, and old forms.
//!
//! Facts: OpenClaw 2026.9.6, observed or read in its gateway's start.

use super::finding::{Finding, Severity};
use clawmend_core::generation::KeyPath;
use serde_json::Value;

/// Forms that OpenClaw 2026.9.6 refuses, and what replaced them.
const OLD_FORMS: [(&[&str], &str); 3] = [
    (&["models", "default"], "use agents.defaults.model"),
    (&["gateway", "token"], "use gateway.auth.token"),
    (&["gateway", "channelHealthCheckMinutes"], "remove it"),
];

/// Forms that it moves by itself at the next start.
const MOVED_FORMS: [(&[&str], &str); 1] = [(&["agents", "list"], "agents.entries")];

/// Keys at the root that OpenClaw 2026.9.6 knows.
const ROOT_KEYS: [&str; 44] = [
    "$schema",
    "meta",
    "env",
    "wizard",
    "diagnostics",
    "logging",
    "update",
    "telemetry",
    "browser",
    "ui",
    "secrets",
    "auth",
    "accessGroups",
    "acp",
    "models",
    "nodeHost",
    "agents",
    "worktreeRoot",
    "worktreeAcceleration",
    "tools",
    "security",
    "bindings",
    "broadcast",
    "attachments",
    "messages",
    "tts",
    "commands",
    "approvals",
    "session",
    "cron",
    "transcripts",
    "hooks",
    "channels",
    "discovery",
    "talk",
    "gateway",
    "cloudWorkers",
    "desktop",
    "memory",
    "mcp",
    "skills",
    "plugins",
    "surfaces",
    "proxy",
];

/// Keys of `gateway` that it knows.
const GATEWAY_KEYS: [&str; 21] = [
    "port",
    "mode",
    "bind",
    "customBindHost",
    "publicOrigin",
    "portals",
    "controlUi",
    "cliAgents",
    "terminal",
    "auth",
    "roles",
    "trustedProxies",
    "allowRealIpFallback",
    "tools",
    "tailscale",
    "remote",
    "reload",
    "tls",
    "http",
    "push",
    "nodes",
];

/// The version that both lists are of.
const KNOWN_VERSION: &str = "2026.9.6";

pub(super) fn path(keys: &[&str]) -> KeyPath {
    KeyPath::new(keys.iter().copied())
}

pub(super) fn get<'a>(config: &'a Value, keys: &[&str]) -> Option<&'a Value> {
    keys.iter().try_fold(config, |value, key| value.get(key))
}

fn error(code: &'static str, message: impl Into<String>) -> Finding {
    Finding::new(Severity::Error, code, message)
}

/// `gateway.mode`, and the root itself.
pub(super) fn mode(config: &Value, out: &mut Vec<Finding>) {
    if !config.is_object() {
        out.push(error("wrong_type", "the config is not an object"));
        return;
    }
    let at = path(&["gateway", "mode"]);
    match get(config, &["gateway", "mode"]).map(Value::as_str) {
        Some(Some("local")) => {}
        Some(Some("remote")) => out.push(
            error(
                "mode_remote",
                "gateway.mode is `remote`: this host is set up as a client, its gateway does not start",
            )
            .at(at),
        ),
        None => out.push(
            error("mode_missing", "gateway.mode is missing: the gateway refuses to start without it")
                .at(at)
                .hint("set gateway.mode to \"local\""),
        ),
        Some(_) => out.push(error("wrong_value", "gateway.mode is neither `local` nor `remote`").at(at)),
    }
}

/// Old forms, each with the new one.
pub(super) fn old_forms(config: &Value, out: &mut Vec<Finding>) {
    for (keys, new) in OLD_FORMS {
        if get(config, keys).is_some() {
            let at = path(keys);
            out.push(
                error("old_form", format!("{at} is an old form that OpenClaw {KNOWN_VERSION} refuses"))
                    .at(at)
                    .hint(new),
            );
        }
    }
    for (keys, new) in MOVED_FORMS {
        if get(config, keys).is_some() {
            let at = path(keys);
            let message = format!("{at} is an old form that OpenClaw {KNOWN_VERSION} moves to {new}");
            out.push(Finding::new(Severity::Warning, "old_form", message).at(at));
        }
    }
}

/// Without the installed version's schema: the keys and types that matter most. `version` is the installed one.
pub(super) fn small_table(config: &Value, version: Option<&str>, out: &mut Vec<Finding>) {
    // Another version may know other keys: then it is a guess.
    let severity = if version == Some(KNOWN_VERSION) { Severity::Error } else { Severity::Warning };
    for (keys, known) in [(&[][..], &ROOT_KEYS[..]), (&["gateway"][..], &GATEWAY_KEYS[..])] {
        let Some(object) = get(config, keys).and_then(Value::as_object) else { continue };
        for key in object.keys().filter(|key| !known.contains(&key.as_str())) {
            let at = path(keys).child(key);
            if out.iter().any(|other| other.path.as_ref() == Some(&at)) {
                continue;
            }
            let message = format!("{at} is not a key that OpenClaw {KNOWN_VERSION} knows");
            let mut finding = Finding::new(severity, "unknown_key", message).at(at);
            finding.hint = nearest(key, known).map(|near| format!("did you mean {near}?"));
            out.push(finding);
        }
    }
    if let Some(port) = get(config, &["gateway", "port"]) {
        let fits = port.as_u64().is_some_and(|port| (1..=65_535).contains(&port));
        if !fits {
            let what = if port.is_number() { "is not between 1 and 65535" } else { "is not a number" };
            let code = if port.is_number() { "wrong_value" } else { "wrong_type" };
            out.push(error(code, format!("gateway.port {what}")).at(path(&["gateway", "port"])));
        }
    }
    for keys in [&["gateway"][..], &["channels"], &["agents"], &["models"], &["gateway", "auth"]] {
        if get(config, keys).is_some_and(|value| !value.is_object()) {
            out.push(error("wrong_type", format!("{} is not an object", path(keys))).at(path(keys)));
        }
    }
    if let Some(bind) = get(config, &["gateway", "bind"]).and_then(Value::as_str)
        && !["auto", "lan", "loopback", "custom", "tailnet"].contains(&bind)
        && !bind.contains("${")
    {
        let at = path(&["gateway", "bind"]);
        out.push(error("wrong_value", "gateway.bind is none of auto, lan, loopback, custom, tailnet").at(at));
    }
}

/// A known key within two typing mistakes.
pub(super) fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let far = |name: &&str| distance(key, name);
    known.iter().copied().filter(|name| distance(key, name) <= 2 && name.len() > 3).min_by_key(far)
}

/// Typing mistakes between two words: insertions, deletions, replacements and swapped neighbours. Long words count as
/// far apart.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len() > 40 || a.len().abs_diff(b.len()) > 2 {
        return usize::MAX;
    }
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (rows[i][j + 1] + 1).min(row[j] + 1).min(rows[i][j] + usize::from(x != y));
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows.last().and_then(|row| row.last()).copied().unwrap_or(usize::MAX)
}

/// A door without a lock: OpenClaw refuses to start.
pub(super) fn bind(config: &Value, env: &dyn Fn(&str) -> Option<String>, out: &mut Vec<Finding>) {
    let text = |keys: &[&str]| get(config, keys).and_then(Value::as_str);
    let mode = text(&["gateway", "auth", "mode"]);
    let set = |name: &str| env(name).is_some_and(|value| !value.trim().is_empty());
    let given = |key: &str| match get(config, &["gateway", "auth", key]) {
        Some(Value::String(text)) => !text.trim().is_empty(),
        Some(Value::Object(_)) => true,
        _ => false,
    };
    let password = given("password") || set("OPENCLAW_GATEWAY_PASSWORD");
    let token = given("token") || set("OPENCLAW_GATEWAY_TOKEN");
    if mode == Some("password") && !password {
        let finding = error("password_missing", "gateway.auth.mode is `password`, but no password is configured");
        out.push(
            finding
                .at(path(&["gateway", "auth", "mode"]))
                .hint("set gateway.auth.password or OPENCLAW_GATEWAY_PASSWORD"),
        );
        return;
    }
    let locked = match mode {
        Some("trusted-proxy") => true,
        Some("none") => false,
        Some("password") => password,
        Some("token") => token,
        _ => token || password,
    };
    let bind = text(&["gateway", "bind"]);
    let host = text(&["gateway", "customBindHost"]).unwrap_or_default();
    let open = match bind {
        Some("lan" | "auto" | "tailnet") => true,
        Some("custom") => !(host.starts_with("127.") || matches!(host, "localhost" | "::1")),
        _ => false,
    };
    if open && !locked {
        let bind = bind.unwrap_or_default();
        out.push(
            error(
                "bind_without_auth",
                format!("gateway.bind is `{bind}`, but nobody has to prove who they are: it refuses to start"),
            )
            .at(path(&["gateway", "bind"]))
            .hint("set gateway.auth.mode and a token, or bind to loopback; clawmend never decides this for you"),
        );
    }
    if bind.is_none() && !locked {
        let message =
            "neither gateway.bind nor a token is set: in a container it would listen everywhere and refuse to start";
        out.push(Finding::new(Severity::Warning, "bind_unset", message).at(path(&["gateway"])));
    }
}

/// Keys of which one must be there for a channel to speak (channel plug-ins' own documentation, 2026.9).
const CREDENTIALS: [(&str, &[&[&str]]); 5] = [
    ("telegram", &[&["botToken"], &["tokenFile"]]),
    ("discord", &[&["token"]]),
    ("slack", &[&["botToken"]]),
    ("feishu", &[&["appId", "appSecret"]]),
    ("dingtalk", &[&["clientId", "clientSecret"]]),
];

/// Channels that are switched on and have nothing to prove themselves with.
pub(super) fn channels(config: &Value, env: &dyn Fn(&str) -> Option<String>, out: &mut Vec<Finding>) {
    let Some(channels) = config.get("channels").and_then(Value::as_object) else { return };
    for (name, ways) in CREDENTIALS {
        let Some(channel) = channels.get(name).and_then(Value::as_object) else { continue };
        if channel.get("enabled").and_then(Value::as_bool) == Some(false) {
            continue;
        }
        let has = |object: &serde_json::Map<String, Value>| {
            ways.iter().any(|keys| keys.iter().all(|key| object.get(*key).is_some_and(present)))
        };
        let accounts = channel.get("accounts").and_then(Value::as_object);
        let by_account = accounts.is_some_and(|all| all.values().filter_map(Value::as_object).any(has));
        let by_env = env(&format!("{}_BOT_TOKEN", name.to_uppercase())).is_some_and(|value| !value.is_empty());
        if !has(channel) && !by_account && !by_env {
            let keys = ways.iter().map(|keys| keys.join(" and ")).collect::<Vec<_>>().join(", or ");
            let message = format!("channel {name} is switched on and has no credentials");
            out.push(
                Finding::new(Severity::Warning, "credential_missing", message)
                    .at(path(&["channels", name]))
                    .hint(format!("set {keys}")),
            );
        }
    }
}

fn present(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.trim().is_empty(),
        Value::Object(_) => true,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => false,
    }
}
