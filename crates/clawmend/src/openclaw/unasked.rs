//! What a gateway does without being asked: timed work, and heartbeats, which message their owner.
//!
//! Keys as OpenClaw 2026.9.6 reads them. Invariant: in doubt it is on. Start at [`unasked`].

use serde_json::Value;

/// What is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unasked {
    /// Timed work. Without it there are no heartbeats on a schedule either.
    pub cron: bool,
    /// Of any agent.
    pub heartbeats: bool,
}

/// By this config, and the environment of the gateway.
#[must_use]
pub fn unasked(config: &Value, env: &dyn Fn(&str) -> Option<String>) -> Unasked {
    let skipped = env("OPENCLAW_SKIP_CRON").is_some_and(|value| ["1", "true", "yes", "on"].contains(&value.trim()));
    let cron = !skipped && config.pointer("/cron/enabled") != Some(&Value::Bool(false));
    let of_all = config.pointer("/agents/defaults/heartbeat/every");
    let entries = config.pointer("/agents/entries").and_then(Value::as_object);
    let of_one = entries.into_iter().flat_map(|entries| entries.values()).map(|one| one.pointer("/heartbeat/every"));
    let any = of_all.is_none_or(beats) || of_one.flatten().any(beats);
    Unasked { cron, heartbeats: cron && any }
}

/// Every so often; `0m` is never.
fn beats(every: &Value) -> bool {
    match every {
        Value::String(text) => text.chars().any(|c| c.is_ascii_digit() && c != '0') || !text.contains('0'),
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_not_switched_off_is_on() {
        let off = json!({"cron": {"enabled": false}});
        let silent = json!({"agents": {"defaults": {"heartbeat": {"every": "0m"}}}});
        let one = json!({"agents": {"defaults": {"heartbeat": {"every": "0m"}}, "entries": {"a": {"heartbeat": {"every": "30m"}}}}});
        let none = |_: &str| None;
        for (config, cron, heartbeats) in [
            (json!({}), true, true),
            (off.clone(), false, false),
            (json!({"cron": {"enabled": true}}), true, true),
            (silent.clone(), true, false),
            (one, true, true),
            (json!({"agents": {"defaults": {"heartbeat": {"every": "1h"}}}}), true, true),
        ] {
            assert_eq!(unasked(&config, &none), Unasked { cron, heartbeats }, "{config}");
        }
        let skips = |name: &str| (name == "OPENCLAW_SKIP_CRON").then(|| "1".to_owned());
        assert_eq!(unasked(&json!({}), &skips), Unasked { cron: false, heartbeats: false });
    }
}
