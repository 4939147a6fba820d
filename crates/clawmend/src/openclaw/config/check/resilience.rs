//! What a config says of waiting: time limits, models to fall back to, how much runs side by side.
//!
//! Invariant: everything in here is a note. The gateway starts, and some of it is a matter of taste. Facts: OpenClaw
//! 2026.9.6, its schema and its own documentation. It has no setting for how often a model is tried again, for a
//! breaker in front of a provider, or for the size of connection pools, so nothing is said of these.

use super::finding::{Finding, Severity};
use super::rules::{get, path};
use clawmend_core::generation::KeyPath;
use serde_json::Value;

/// Longer than a person waits for a sign of life: OpenClaw's own limit for self-hosted models. In seconds.
const PATIENCE_S: u64 = 300;
/// Providers of which something is said; a config with more is not made by hand.
const MAX_PROVIDERS: usize = 32;

fn note(code: &'static str, message: impl Into<String>, at: KeyPath) -> Finding {
    Finding::new(Severity::Note, code, message).at(at)
}

/// All of it.
pub(super) fn notes(config: &Value, out: &mut Vec<Finding>) {
    providers(config, out);
    fallbacks(config, out);
    turns(config, out);
}

/// `models.providers.<id>.timeoutSeconds`: connection, headers and the whole answer of one request, and how long a
/// model may be silent.
fn providers(config: &Value, out: &mut Vec<Finding>) {
    let Some(providers) = get(config, &["models", "providers"]).and_then(Value::as_object) else { return };
    let turn =
        get(config, &["agents", "defaults", "timeoutSeconds"]).and_then(Value::as_u64).filter(|limit| *limit > 0);
    for (id, provider) in providers.iter().take(MAX_PROVIDERS).filter(|(_, provider)| provider.is_object()) {
        let own = path(&["models", "providers", id]);
        let at = own.child("timeoutSeconds");
        match provider.get("timeoutSeconds").map(Value::as_u64) {
            None => out.push(
                note(
                    "provider_timeout_unset",
                    format!("{at} is not set: a silent model is given up after 120 s, a self-hosted one after 300 s"),
                    own,
                )
                .hint("set it to what you wait for; it bounds the whole answer, so leave room for long ones"),
            ),
            Some(Some(limit)) if turn.is_some_and(|turn| limit >= turn) => out.push(
                note(
                    "provider_timeout_beyond_turn",
                    format!("{at} is not below agents.defaults.timeoutSeconds: a silent model uses up the whole turn"),
                    at,
                )
                .hint("set it lower, so that a fallback still gets its turn"),
            ),
            Some(Some(limit)) if limit > PATIENCE_S => out.push(
                note("provider_timeout_long", format!("{at} is longer than a person waits for a first word"), at)
                    .hint("120 is usual for a hosted model, 300 for a self-hosted one"),
            ),
            // The schema says what is wrong with other values.
            Some(Some(_) | None) => {}
        }
    }
}

/// `agents.defaults.model`: what answers when the first one does not.
fn fallbacks(config: &Value, out: &mut Vec<Finding>) {
    let keys = ["agents", "defaults", "model"];
    let Some(model) = get(config, &keys) else { return };
    let primary = model.as_str().or_else(|| model.get("primary").and_then(Value::as_str));
    let Some(primary) = primary.filter(|name| !name.trim().is_empty()) else { return };
    let others: Vec<&str> =
        model.get("fallbacks").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let provider = |name: &str| name.split_once('/').map(|(provider, _)| provider.to_owned());
    if others.is_empty() {
        out.push(
            note(
                "fallback_missing",
                "agents.defaults.model has no fallbacks: when its provider fails, so does every turn",
                path(&keys),
            )
            .hint("name a model of another provider in agents.defaults.model.fallbacks"),
        );
    } else if let Some(first) = provider(primary)
        && others.iter().all(|other| provider(other).as_ref() == Some(&first))
    {
        out.push(
            note(
                "fallback_same_provider",
                "every fallback of agents.defaults.model is of the same provider: when that fails, so does every turn",
                path(&keys).child("fallbacks"),
            )
            .hint("name a model of another provider as well"),
        );
    }
}

/// `agents.defaults.timeoutSeconds` and `maxConcurrent`: what one turn may hold up.
fn turns(config: &Value, out: &mut Vec<Finding>) {
    let figure = |key: &str| get(config, &["agents", "defaults", key]).and_then(Value::as_u64);
    if figure("timeoutSeconds") == Some(0) {
        out.push(
            note(
                "turn_timeout_off",
                "agents.defaults.timeoutSeconds is 0: a turn that hangs holds its session for ever",
                path(&["agents", "defaults", "timeoutSeconds"]),
            )
            .hint("an hour is enough for most turns; without the key it is 48 hours"),
        );
    }
    if figure("maxConcurrent") == Some(1) {
        out.push(
            note(
                "one_turn_at_a_time",
                "agents.defaults.maxConcurrent is 1: one slow turn makes every other session wait",
                path(&["agents", "defaults", "maxConcurrent"]),
            )
            .hint("without the key it is at least 8"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(config: &Value) -> Vec<&'static str> {
        let mut out = Vec::new();
        notes(config, &mut out);
        assert!(out.iter().all(|finding| finding.severity == Severity::Note));
        out.iter().map(|finding| finding.code).collect()
    }

    fn provider(limit: &Value) -> Value {
        json!({"models": {"providers": {"a": {"baseUrl": "http://h/v1", "timeoutSeconds": limit}}}})
    }

    fn defaults(defaults: &Value) -> Value {
        json!({"agents": {"defaults": defaults}})
    }

    #[test]
    fn a_config_that_says_nothing_of_models_is_left_in_peace() {
        assert!(told(&json!({"gateway": {"mode": "local"}})).is_empty());
        assert!(told(&json!([])).is_empty());
        for odd in [json!({"models": 1}), json!({"models": {"providers": {"a": 7}}}), defaults(&json!({"model": 3}))] {
            assert!(told(&odd).is_empty(), "{odd}");
        }
    }

    #[test]
    fn a_limit_is_missing_long_or_right() {
        let unset = json!({"models": {"providers": {"a": {}, "b": {"timeoutSeconds": 60}}}});
        assert_eq!(told(&unset), ["provider_timeout_unset"]);
        assert!(told(&provider(&json!(300))).is_empty());
        assert_eq!(told(&provider(&json!(301))), ["provider_timeout_long"]);
        assert!(told(&provider(&json!("60"))).is_empty(), "the schema says that");
        let mut both = provider(&json!(60));
        both["agents"] = json!({"defaults": {"timeoutSeconds": 60}});
        assert_eq!(told(&both), ["provider_timeout_beyond_turn"]);
        both["agents"] = json!({"defaults": {"timeoutSeconds": 600}});
        assert!(told(&both).is_empty());
    }

    #[test]
    fn a_fallback_of_another_provider_is_enough() {
        let with = |fallbacks: Value| defaults(&json!({"model": {"primary": "a/x", "fallbacks": fallbacks}}));
        assert_eq!(told(&defaults(&json!({"model": "a/x"}))), ["fallback_missing"]);
        assert_eq!(told(&with(json!([]))), ["fallback_missing"]);
        assert_eq!(told(&with(json!(["a/y", "a/z"]))), ["fallback_same_provider"]);
        assert!(told(&with(json!(["a/y", "b/z"]))).is_empty());
        // An alias does not say whose it is.
        assert!(told(&with(json!(["fast"]))).is_empty());
    }

    #[test]
    fn turns_without_an_end_or_without_company_are_noted() {
        assert_eq!(told(&defaults(&json!({"timeoutSeconds": 0}))), ["turn_timeout_off"]);
        assert_eq!(told(&defaults(&json!({"maxConcurrent": 1}))), ["one_turn_at_a_time"]);
        assert!(told(&defaults(&json!({"timeoutSeconds": 3600, "maxConcurrent": 4}))).is_empty());
    }
}
