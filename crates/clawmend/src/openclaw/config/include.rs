//! `$include`: one config spread over several files.
//!
//! Invariant: at most [`MAX_FILES`] files are read, none larger than [`MAX_INCLUDE_BYTES`], nested at most
//! [`MAX_DEPTH`] deep, and only inside the config's folder or a folder of `OPENCLAW_INCLUDE_ROOTS`
//! (OpenClaw 2026.9.6's own limits on size and place).

use super::fingerprint::Fingerprint;
use super::parse::{Problem, parse};
use crate::openclaw::files;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// Largest included file, as in OpenClaw.
const MAX_INCLUDE_BYTES: u64 = 2 * 1024 * 1024;
const MAX_FILES: usize = 64;
const MAX_DEPTH: usize = 10;
const KEY: &str = "$include";

pub(super) struct Includes<'a> {
    /// Real paths of the folders that files may come from.
    pub(super) roots: Vec<PathBuf>,
    pub(super) fingerprint: &'a mut Fingerprint,
    /// The files read, in order, the config itself excluded.
    pub(super) files: Vec<PathBuf>,
    pub(super) duplicates: &'a mut Vec<String>,
    /// Read these instead of the disk, and nothing else: a config as it was.
    pub(super) instead: Option<&'a BTreeMap<PathBuf, Vec<u8>>>,
}

impl Includes<'_> {
    /// Replaces every `$include` in `value` by what it names. `folder` is that of the file that `value` came from.
    pub(super) fn resolve(&mut self, value: Value, folder: &Path, depth: usize) -> Result<Value, Problem> {
        match value {
            Value::Object(object) => self.resolve_object(object, folder, depth),
            Value::Array(items) => {
                let items: Result<_, _> = items.into_iter().map(|item| self.resolve(item, folder, depth)).collect();
                Ok(Value::Array(items?))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(value),
        }
    }

    fn resolve_object(&mut self, object: Map<String, Value>, folder: &Path, depth: usize) -> Result<Value, Problem> {
        let mut own = Map::new();
        let mut included: Option<Value> = None;
        for (key, value) in object {
            if key == KEY {
                included = Some(self.named(&value, folder, depth)?);
            } else {
                own.insert(key, self.resolve(value, folder, depth)?);
            }
        }
        match included {
            None => Ok(Value::Object(own)),
            Some(base) if own.is_empty() => Ok(base),
            Some(base @ Value::Object(_)) => Ok(merge(base, Value::Object(own))),
            Some(_) => Err(Problem::without_place("keys beside $include need an included object")),
        }
    }

    fn named(&mut self, names: &Value, folder: &Path, depth: usize) -> Result<Value, Problem> {
        match names {
            Value::String(name) => self.read(name, folder, depth),
            Value::Array(items) => {
                let mut merged = Value::Object(Map::new());
                for item in items {
                    let name = item.as_str().ok_or_else(|| Problem::without_place("$include names no file"))?;
                    merged = merge(merged, self.read(name, folder, depth)?);
                }
                Ok(merged)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
                Err(Problem::without_place("$include names no file"))
            }
        }
    }

    fn read(&mut self, name: &str, folder: &Path, depth: usize) -> Result<Value, Problem> {
        if depth >= MAX_DEPTH || self.files.len() >= MAX_FILES {
            return Err(Problem::without_place("$include is nested too deep or in a circle"));
        }
        let failed = |why: &str| Problem::without_place(format!("an included file {why}"));
        let (path, bytes) = match self.instead {
            None => {
                let path = folder.join(name).canonicalize().map_err(|_| failed("is missing or cannot be read"))?;
                if !self.roots.iter().any(|root| path.starts_with(root)) {
                    return Err(failed("lies outside of the config's folder"));
                }
                let bytes = files::read_bounded(&path, MAX_INCLUDE_BYTES).map_err(|_| failed("cannot be read"))?;
                (path, bytes)
            }
            Some(kept) => {
                let path = lexical(&folder.join(name));
                let bytes = kept.get(&path).cloned().ok_or_else(|| failed("was not kept"))?;
                (path, bytes)
            }
        };
        self.fingerprint.add(&bytes);
        let text = std::str::from_utf8(&bytes).map_err(|_| failed("is not UTF-8"))?;
        let parsed = parse(text)
            .map_err(|problem| Problem { message: format!("in an included file: {}", problem.message), ..problem })?;
        self.duplicates.extend(parsed.duplicates);
        self.files.push(path.clone());
        let folder = path.parent().map_or_else(|| folder.to_owned(), Path::to_owned);
        self.resolve(parsed.value, &folder, depth + 1)
    }
}

/// Without `.` and `..`, and without looking at the disk.
fn lexical(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => out.push(part),
        }
    }
    out
}

/// Objects merge key by key, lists are appended, anything else is replaced: as OpenClaw does.
fn merge(base: Value, over: Value) -> Value {
    match (base, over) {
        (Value::Object(mut base), Value::Object(over)) => {
            for (key, value) in over {
                let merged = match base.remove(&key) {
                    Some(old) => merge(old, value),
                    None => value,
                };
                base.insert(key, merged);
            }
            Value::Object(base)
        }
        (Value::Array(mut base), Value::Array(over)) => {
            base.extend(over);
            Value::Array(base)
        }
        (_, over) => over,
    }
}
