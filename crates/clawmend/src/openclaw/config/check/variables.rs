//! `${VAR}` and secret references that lead nowhere.
//!
//! Invariant: nothing is run, and no value is kept.

use super::finding::{Finding, Severity};
use crate::openclaw::config::view::{variable, variables};
use clawmend_core::generation::KeyPath;
use serde_json::Value;
use std::path::Path;

/// Most findings of this kind.
const MAX: usize = 50;

/// Everything the config asks of its surroundings. `known`: the environment is really the gateway's.
pub(super) fn unresolved(
    config: &Value,
    env: &dyn Fn(&str) -> Option<String>,
    known: bool,
    user_home: &Path,
    out: &mut Vec<Finding>,
) {
    let own = |name: &str| variable(config, env, name);
    let mut walk = Walk { env: &own, known, user_home, config, out, left: MAX };
    walk.go(config, &KeyPath::default());
}

struct Walk<'a> {
    env: &'a dyn Fn(&str) -> Option<String>,
    known: bool,
    user_home: &'a Path,
    config: &'a Value,
    out: &'a mut Vec<Finding>,
    left: usize,
}

impl Walk<'_> {
    fn go(&mut self, value: &Value, path: &KeyPath) {
        match value {
            Value::String(text) => {
                for name in variables(text) {
                    if (self.env)(&name).is_none() {
                        self.say("unresolved_variable", format!("{path} names ${{{name}}}, which is not set"), path);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.go(item, path)),
            Value::Object(map) => {
                if let Some(source) = reference(map) {
                    self.reference(map, source, path);
                    return;
                }
                for (key, value) in map {
                    self.go(value, &path.child(key));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// `{source, provider, id}`: what can be seen without running anything.
    fn reference(&mut self, map: &serde_json::Map<String, Value>, source: &str, path: &KeyPath) {
        let id = map.get("id").and_then(Value::as_str).unwrap_or_default();
        let provider = map.get("provider").and_then(Value::as_str).unwrap_or("default");
        match source {
            "env" if (self.env)(id).is_none() => {
                self.say("secret_unresolved", format!("{path} takes its secret from {id}, which is not set"), path);
            }
            "file" => {
                let file = self.config.pointer(&format!("/secrets/providers/{provider}/path")).and_then(Value::as_str);
                let Some(file) = file else { return };
                let file = match file.strip_prefix("~/") {
                    Some(rest) => self.user_home.join(rest),
                    None => Path::new(file).to_owned(),
                };
                if file.is_absolute() && !file.exists() {
                    self.say(
                        "secret_unresolved",
                        format!("{path} takes its secret from a file that is not there"),
                        path,
                    );
                }
            }
            _ => {}
        }
    }

    fn say(&mut self, code: &'static str, message: String, path: &KeyPath) {
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        // OpenClaw 2026.9.6 starts nevertheless: with a random token, or with a channel that cannot speak.
        let (severity, hint) = if self.known {
            (Severity::Warning, "set it in the environment of the gateway, or in the .env of its state folder")
        } else {
            (Severity::Note, "the gateway does not run, so its environment is not known: this is about your own")
        };
        self.out.push(Finding::new(severity, code, message).at(path.clone()).hint(hint));
    }
}

fn reference(map: &serde_json::Map<String, Value>) -> Option<&str> {
    let fits = map.len() <= 3 && map.keys().all(|key| matches!(key.as_str(), "source" | "provider" | "id"));
    let source = map.get("source").and_then(Value::as_str)?;
    (fits && matches!(source, "env" | "file" | "exec" | "store") && map.contains_key("id")).then_some(source)
}
