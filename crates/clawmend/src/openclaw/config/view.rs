//! The few settings of a config that a guard needs, typed.
//!
//! Invariant: the token is only ever held as a `SecretString`; what cannot be resolved without running something
//! stays unresolved, with the reason.

use secrecy::SecretString;
use serde_json::Value;
use std::path::PathBuf;

/// At most this many channels are kept.
const MAX_CHANNELS: usize = 64;

/// What the guard reads from a valid config.
#[derive(Debug)]
pub struct ConfigView {
    /// `gateway.port`.
    pub port: Option<u16>,
    /// `gateway.bind`, such as `loopback`.
    pub bind: Option<String>,
    /// `gateway.customBindHost`.
    pub custom_bind_host: Option<String>,
    /// `gateway.tls.enabled`.
    pub tls: bool,
    /// `gateway.auth.mode`, such as `token`.
    pub auth_mode: Option<String>,
    /// The token for the gateway's RPC.
    pub token: Token,
    /// Channels in the config, with whether each is switched on.
    pub channels: Vec<(String, bool)>,
    /// `logging.file`, when the gateway does not use the log of the day.
    pub log_file: Option<PathBuf>,
    /// Keys that occur twice; the gateway takes the last one silently.
    pub duplicate_keys: Vec<String>,
}

/// What is known of the gateway's token.
#[derive(Debug)]
pub enum Token {
    /// Here it is.
    Known(SecretString),
    /// The gateway asks for none (`gateway.auth.mode` is `none`).
    NotNeeded,
    /// It cannot be had without running something or asking someone.
    Unresolved(NoToken),
}

/// Why there is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoToken {
    /// Neither config nor environment has one.
    #[error("no token is configured")]
    Missing,
    /// A `${VAR}` that is not in the environment we know of.
    #[error("the token names an environment variable that is not set")]
    VariableUnset,
    /// A secret reference to a file, a store or a command.
    #[error("the token is a reference to a secret store")]
    Reference,
    /// The gateway uses a password or a proxy instead.
    #[error("the gateway does not use a token")]
    OtherMode,
}

/// What a start needs besides valid JSON5 (OpenClaw 2026.7 to 2026.9: exit 78 otherwise).
pub(super) fn start_rule(config: &Value) -> Result<(), String> {
    let gateway = config.as_object().and_then(|root| root.get("gateway"));
    match gateway.and_then(|gateway| gateway.get("mode")) {
        Some(Value::String(mode)) if mode == "local" => Ok(()),
        Some(Value::String(mode)) if mode == "remote" => {
            Err("gateway.mode is `remote`: this host is set up as a client, so its gateway does not start".into())
        }
        Some(Value::Null) | None => Err("gateway.mode is missing: the gateway refuses to start without it".into()),
        Some(_) => Err("gateway.mode is neither `local` nor `remote`".into()),
    }
}

pub(super) fn view(config: &Value, duplicate_keys: Vec<String>, env: &dyn Fn(&str) -> Option<String>) -> ConfigView {
    let text = |pointer: &str| {
        config
            .pointer(pointer)
            .and_then(Value::as_str)
            .and_then(|raw| substitute(raw, env).ok())
            .filter(|s| !s.is_empty())
    };
    let channels = config.pointer("/channels").and_then(Value::as_object);
    ConfigView {
        port: config
            .pointer("/gateway/port")
            .and_then(Value::as_u64)
            .and_then(|p| u16::try_from(p).ok())
            .filter(|p| *p != 0),
        bind: text("/gateway/bind"),
        custom_bind_host: text("/gateway/customBindHost"),
        tls: config.pointer("/gateway/tls/enabled").and_then(Value::as_bool).unwrap_or(false),
        auth_mode: text("/gateway/auth/mode"),
        token: token(config, env),
        channels: channels
            .into_iter()
            .flatten()
            .filter(|(name, value)| value.is_object() && name.as_str() != "defaults")
            .map(|(name, value)| (name.clone(), value.get("enabled").and_then(Value::as_bool).unwrap_or(true)))
            .take(MAX_CHANNELS)
            .collect(),
        log_file: text("/logging/file").map(PathBuf::from),
        duplicate_keys,
    }
}

/// The config's token first, then `OPENCLAW_GATEWAY_TOKEN`: the gateway's own order.
fn token(config: &Value, env: &dyn Fn(&str) -> Option<String>) -> Token {
    match config.pointer("/gateway/auth/mode").and_then(Value::as_str) {
        Some("none") => return Token::NotNeeded,
        Some("password" | "trusted-proxy") => return Token::Unresolved(NoToken::OtherMode),
        Some(_) | None => {}
    }
    let from_env =
        || env("OPENCLAW_GATEWAY_TOKEN").map(|token| token.trim().to_owned()).filter(|token| !token.is_empty());
    let known = |token: String| Token::Known(SecretString::from(token));
    match config.pointer("/gateway/auth/token") {
        Some(Value::String(raw)) if !raw.trim().is_empty() => match substitute(raw.trim(), env) {
            Ok(token) => known(token),
            // The gateway starts with a random token then (observed on 2026.9.6), unless the environment has one.
            Err(reason) => from_env().map_or(Token::Unresolved(reason), known),
        },
        Some(Value::Object(reference)) => {
            let is = |key: &str, value: &str| reference.get(key).and_then(Value::as_str) == Some(value);
            let named = reference.get("id").and_then(Value::as_str).filter(|_| is("source", "env"));
            match named.map(env) {
                Some(Some(token)) if !token.is_empty() => known(token),
                Some(_) => Token::Unresolved(NoToken::VariableUnset),
                None => Token::Unresolved(NoToken::Reference),
            }
        }
        Some(_) | None => from_env().map_or(Token::Unresolved(NoToken::Missing), known),
    }
}

/// Puts the environment's values for `${VAR}`; `$${VAR}` stays as `${VAR}`.
pub(in crate::openclaw) fn substitute(raw: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, NoToken> {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find("${") {
        let (before, after) = rest.split_at(at);
        let Some((name, tail)) = after[2..].split_once('}').filter(|(name, _)| is_variable(name)) else {
            out.push_str(before);
            out.push_str("${");
            rest = &after[2..];
            continue;
        };
        if let Some(escaped) = before.strip_suffix('$') {
            out.push_str(escaped);
            out.push_str(&format!("${{{name}}}"));
        } else {
            out.push_str(before);
            let value = env(name).filter(|value| !value.is_empty());
            out.push_str(&value.ok_or(NoToken::VariableUnset)?);
        }
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

/// The variables that a text names, escaped ones excluded.
pub(in crate::openclaw) fn variables(raw: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = raw;
    while let Some(at) = rest.find("${") {
        let (before, after) = rest.split_at(at);
        match after[2..].split_once('}').filter(|(name, _)| is_variable(name)) {
            Some((name, tail)) => {
                if !before.ends_with('$') {
                    names.push(name.to_owned());
                }
                rest = tail;
            }
            None => rest = &after[2..],
        }
    }
    names
}

/// The value that the gateway has for a variable: its environment's, else the one that the config sets (`env.vars`, or
/// `env` itself).
pub(in crate::openclaw) fn variable(
    config: &Value,
    env: &dyn Fn(&str) -> Option<String>,
    name: &str,
) -> Option<String> {
    let vars = config.pointer("/env/vars").or_else(|| config.get("env"));
    let vars = || vars.and_then(|vars| vars.get(name)).and_then(Value::as_str).map(str::to_owned);
    env(name).or_else(vars).filter(|value| !value.is_empty())
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
        && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}
