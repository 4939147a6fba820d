//! Resolves what OpenClaw calls a SecretInput, without running anything.
//!
//! Invariant: a text, `${VAR}`, `$VAR`, a reference to a variable or to a file; never a command, never OpenClaw's own
//! store. Files are read with a bound, and only ordinary ones. As OpenClaw 2026.9.6 does it (`coerceSecretRef`,
//! `resolveEnvRefs`, `resolveFileRefs`); the DingTalk plugin 3.6.7 has rules of its own (`secret-input.ts`).

use super::{FileProblem, Reason};
use crate::openclaw::config::{substitute, variable, variables};
use crate::openclaw::files;
use secrecy::SecretString;
use serde_json::{Map, Value};
use std::io;
use std::path::{Path, PathBuf};

/// Longest secret, in bytes.
const MAX_SECRET: usize = 4096;
/// Largest file with one secret (`DEFAULT_SECRET_FILE_MAX_BYTES`).
const MAX_TOKEN_FILE: u64 = 16 * 1024;
/// Largest file of a file provider (`DEFAULT_FILE_MAX_BYTES`).
const MAX_PROVIDER_FILE: u64 = 1024 * 1024;
/// Longest name of a variable (`ENV_SECRET_REF_ID_RE`).
const MAX_VARIABLE: usize = 128;
/// What an older OpenClaw wrote for a variable; a newer one refuses it.
const OLD_MARKS: [&str; 2] = ["secretref-env:", "__env__:"];

/// What secrets are resolved with.
pub(in crate::openclaw) struct Secrets<'a> {
    pub(in crate::openclaw) config: &'a Value,
    pub(in crate::openclaw) env: &'a dyn Fn(&str) -> Option<String>,
    pub(in crate::openclaw) user_home: &'a Path,
    pub(in crate::openclaw) uid: u32,
}

/// Who resolves references.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::openclaw) enum Rules {
    /// OpenClaw, with `secrets.providers`.
    OpenClaw,
    /// The DingTalk plugin: the id of a file reference is its path, and providers do not matter.
    DingTalk,
}

impl Secrets<'_> {
    /// The value of a variable, as the gateway has it.
    pub(in crate::openclaw) fn variable(&self, name: &str) -> Option<String> {
        variable(self.config, self.env, name)
    }

    /// The secret of a setting; none where it is empty.
    pub(in crate::openclaw) fn secret(
        &self,
        value: &Value,
        key: &str,
        rules: Rules,
    ) -> Result<Option<SecretString>, Reason> {
        Ok(self.text(value, key, rules)?.map(SecretString::from))
    }

    /// A setting that is not secret, and may yet be a reference.
    pub(in crate::openclaw) fn text(&self, value: &Value, key: &str, rules: Rules) -> Result<Option<String>, Reason> {
        let text = match value {
            Value::Null => return Ok(None),
            Value::String(raw) => self.plain(raw, key)?,
            Value::Object(reference) => self.reference(reference, key, rules)?,
            Value::Bool(_) | Value::Number(_) | Value::Array(_) => return Err(malformed(key)),
        };
        let text = text.trim();
        if text.len() > MAX_SECRET {
            return Err(malformed(key));
        }
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    /// What the file of `tokenFile` holds.
    pub(in crate::openclaw) fn token_file(&self, path: &str, key: &str) -> Result<SecretString, Reason> {
        let text = self.read(path, key, MAX_TOKEN_FILE)?;
        let text = text.trim();
        if text.is_empty() || text.len() > MAX_SECRET {
            return Err(Reason::SecretFile { key: key.to_owned(), problem: FileProblem::Content });
        }
        Ok(SecretString::from(text))
    }

    fn plain(&self, raw: &str, key: &str) -> Result<String, Reason> {
        let raw = raw.trim();
        if raw.len() > MAX_SECRET {
            return Err(malformed(key));
        }
        if OLD_MARKS.iter().any(|mark| raw.starts_with(mark)) {
            return Err(Reason::SecretReference { key: key.to_owned(), source_kind: "secretref-env" });
        }
        if let Some(name) = raw.strip_prefix('$').filter(|name| is_variable(name)) {
            return self.variable(name).ok_or_else(|| unset(key, name));
        }
        substitute(raw, &|name| self.variable(name)).map_err(|_| {
            let names = variables(raw);
            let name = names.iter().find(|name| self.variable(name).is_none());
            unset(key, name.map_or("", String::as_str))
        })
    }

    fn reference(&self, reference: &Map<String, Value>, key: &str, rules: Rules) -> Result<String, Reason> {
        let text = |name: &str| reference.get(name).and_then(Value::as_str).map(str::trim).unwrap_or_default();
        let (source, id) = (text("source"), text("id"));
        if id.is_empty() || id.len() > MAX_SECRET {
            return Err(malformed(key));
        }
        let default = || self.config.pointer(&format!("/secrets/defaults/{source}")).and_then(Value::as_str);
        let provider = match text("provider") {
            "" => default().unwrap_or("default"),
            named => named,
        };
        match source {
            "env" => self.of_variable(provider, id, key, rules),
            "file" if rules == Rules::DingTalk => self.read(id, key, MAX_TOKEN_FILE),
            "file" => self.of_provider(provider, id, key),
            "exec" => Err(Reason::SecretReference { key: key.to_owned(), source_kind: "exec" }),
            "store" => Err(Reason::SecretReference { key: key.to_owned(), source_kind: "store" }),
            _ => Err(malformed(key)),
        }
    }

    fn of_variable(&self, provider: &str, id: &str, key: &str, rules: Rules) -> Result<String, Reason> {
        if !is_variable(id) {
            return Err(malformed(key));
        }
        if rules == Rules::OpenClaw && !self.allows(provider, id) {
            return Err(Reason::SecretProvider { key: key.to_owned() });
        }
        self.variable(id).ok_or_else(|| unset(key, id))
    }

    /// The provider hands out this variable: one of `secrets.providers` by its list, else the built-in one.
    fn allows(&self, provider: &str, id: &str) -> bool {
        match self.provider(provider).filter(|settings| settings.get("source").and_then(Value::as_str) == Some("env")) {
            Some(settings) => match settings.get("allowlist") {
                None | Some(Value::Null) => true,
                Some(list) => list.as_array().is_some_and(|list| list.iter().any(|name| name.as_str() == Some(id))),
            },
            None => {
                let default = self.config.pointer("/secrets/defaults/env").and_then(Value::as_str);
                provider == default.unwrap_or("default")
            }
        }
    }

    fn of_provider(&self, provider: &str, id: &str, key: &str) -> Result<String, Reason> {
        let unknown = || Reason::SecretProvider { key: key.to_owned() };
        let settings = self.provider(provider).ok_or_else(unknown)?;
        let text = |name: &str| settings.get(name).and_then(Value::as_str);
        let path = text("path").filter(|_| text("source") == Some("file")).ok_or_else(unknown)?;
        let content = self.read(path, key, MAX_PROVIDER_FILE)?;
        let content = content.strip_prefix('\u{feff}').unwrap_or(&content);
        let found = match text("mode") {
            Some("singleValue") => (id == "value").then(|| content.to_owned()),
            _ => serde_json::from_str::<Value>(content)
                .ok()
                .and_then(|json| json.pointer(id).and_then(Value::as_str).map(str::to_owned)),
        };
        found.ok_or_else(|| Reason::SecretFile { key: key.to_owned(), problem: FileProblem::Content })
    }

    fn provider(&self, name: &str) -> Option<&Map<String, Value>> {
        self.config.get("secrets")?.get("providers")?.get(name)?.as_object()
    }

    /// What a file holds that the config names.
    pub(in crate::openclaw) fn read(&self, path: &str, key: &str, max: u64) -> Result<String, Reason> {
        let failed = |problem| Reason::SecretFile { key: key.to_owned(), problem };
        let path = self.absolute(path.trim()).ok_or_else(|| failed(FileProblem::Relative))?;
        let bytes = files::read_named(&path, self.uid, max).map_err(|error| failed(problem(&error)))?;
        String::from_utf8(bytes).map_err(|_| failed(FileProblem::Content))
    }

    fn absolute(&self, path: &str) -> Option<PathBuf> {
        let path = match path.strip_prefix("~/").or_else(|| path.strip_prefix("~\\")) {
            Some(rest) => self.user_home.join(rest),
            None => PathBuf::from(path),
        };
        path.is_absolute().then_some(path)
    }
}

fn problem(error: &io::Error) -> FileProblem {
    let kind = error.kind();
    if matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
        FileProblem::Missing
    } else if kind == io::ErrorKind::PermissionDenied {
        FileProblem::Forbidden
    } else if matches!(kind, io::ErrorKind::InvalidInput | io::ErrorKind::IsADirectory) {
        FileProblem::NotOrdinary
    } else if kind == io::ErrorKind::FileTooLarge {
        FileProblem::TooLarge
    } else {
        FileProblem::Failed
    }
}

fn malformed(key: &str) -> Reason {
    Reason::Malformed { key: key.to_owned() }
}

fn unset(key: &str, name: &str) -> Reason {
    Reason::VariableUnset { key: key.to_owned(), name: name.chars().take(MAX_VARIABLE).collect() }
}

/// OpenClaw's form of a variable in a reference.
fn is_variable(name: &str) -> bool {
    name.len() <= MAX_VARIABLE
        && name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}
