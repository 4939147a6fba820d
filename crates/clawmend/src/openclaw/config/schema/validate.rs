//! The part of JSON Schema (draft 7) that OpenClaw's schema consists of.
//!
//! Invariant: what is not understood counts as fitting, so that only certain faults are told; bounded in depth, in
//! violations and in work. Patterns, formats, `not` and `if` are not looked at.

use clawmend_core::generation::KeyPath;
use serde_json::Value;

/// Most violations that are named.
pub const MAX_VIOLATIONS: usize = 50;
/// Deepest nesting of schemas and values.
const MAX_DEPTH: usize = 120;
/// Most steps of one validation.
const MAX_STEPS: usize = 2_000_000;

/// What does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The object does not know this key.
    UnknownKey {
        /// The keys that it knows.
        known: Vec<String>,
    },
    /// Another type is needed.
    WrongType {
        /// Such as `number`.
        expected: String,
        /// Such as `string`.
        found: &'static str,
    },
    /// A key is needed.
    MissingKey,
    /// The value is not among those allowed, or out of its range.
    WrongValue {
        /// What would fit, in words.
        expected: String,
    },
}

/// One place that does not fit. Holds no value of the config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Where.
    pub path: KeyPath,
    /// What.
    pub kind: Kind,
}

pub(super) fn validate(schema: &Value, config: &Value) -> Vec<Violation> {
    let mut validator = Validator { root: schema, steps: 0 };
    let mut out = Vec::new();
    validator.go(schema, config, &KeyPath::default(), 0, &mut out);
    out.truncate(MAX_VIOLATIONS);
    out
}

struct Validator<'a> {
    root: &'a Value,
    steps: usize,
}

impl<'a> Validator<'a> {
    fn go(&mut self, schema: &'a Value, value: &Value, path: &KeyPath, depth: usize, out: &mut Vec<Violation>) {
        self.steps += 1;
        if depth > MAX_DEPTH || self.steps > MAX_STEPS || out.len() >= MAX_VIOLATIONS {
            return;
        }
        let Some(rules) = schema.as_object() else { return };
        if let Some(reference) = rules.get("$ref").and_then(Value::as_str) {
            if let Some(target) = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer)) {
                self.go(target, value, path, depth + 1, out);
            }
            return;
        }
        if let Some(expected) = rules.get("type")
            && !fits_type(expected, value)
        {
            let expected = words(expected);
            out.push(Violation { path: path.clone(), kind: Kind::WrongType { expected, found: type_of(value) } });
            return;
        }
        if let Some(expected) = fixed(rules, value) {
            out.push(Violation { path: path.clone(), kind: Kind::WrongValue { expected } });
            return;
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(branches) = rules.get(key).and_then(Value::as_array) {
                self.any(branches, value, path, depth, out);
            }
        }
        for branch in rules.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            self.go(branch, value, path, depth + 1, out);
        }
        match value {
            Value::Object(object) => self.object(rules, object, path, depth, out),
            Value::Array(items) => {
                if let Some(schema) = rules.get("items").filter(|schema| schema.is_object()) {
                    items.iter().for_each(|item| self.go(schema, item, path, depth + 1, out));
                }
            }
            Value::Number(_) => range(rules, value, path, out),
            Value::Null | Value::Bool(_) | Value::String(_) => {}
        }
    }

    /// One branch must fit; if none does, the one that came closest tells why.
    fn any(&mut self, branches: &'a [Value], value: &Value, path: &KeyPath, depth: usize, out: &mut Vec<Violation>) {
        let mut failed: Vec<Vec<Violation>> = Vec::new();
        for branch in branches {
            let mut found = Vec::new();
            self.go(branch, value, path, depth + 1, &mut found);
            if found.is_empty() {
                return;
            }
            failed.push(found);
        }
        let here = |found: &[Violation]| found.iter().any(|one| one.path == *path);
        let deeper: Option<&Vec<Violation>> =
            failed.iter().filter(|found| !here(found)).min_by_key(|found| found.len());
        if let Some(found) = deeper {
            out.extend(found.iter().cloned());
            return;
        }
        let unknown = |found: &&Vec<Violation>| found.iter().all(|one| !matches!(one.kind, Kind::WrongType { .. }));
        match failed.iter().filter(unknown).min_by_key(|found| found.len()) {
            Some(found) if failed.iter().filter(unknown).count() == 1 => out.extend(found.iter().cloned()),
            Some(_) | None => out.push(Violation { path: path.clone(), kind: merged(&failed, path, value) }),
        }
    }

    fn object(
        &mut self,
        rules: &'a serde_json::Map<String, Value>,
        object: &serde_json::Map<String, Value>,
        path: &KeyPath,
        depth: usize,
        out: &mut Vec<Violation>,
    ) {
        let known = rules.get("properties").and_then(Value::as_object);
        let other = rules.get("additionalProperties");
        for (key, value) in object {
            let below = path.child(key);
            match (known.and_then(|known| known.get(key)), other) {
                (Some(schema), _) => self.go(schema, value, &below, depth + 1, out),
                (None, Some(Value::Bool(false))) if rules.get("patternProperties").is_none() => {
                    let known = known.map(|known| known.keys().take(200).cloned().collect()).unwrap_or_default();
                    out.push(Violation { path: below, kind: Kind::UnknownKey { known } });
                }
                (None, Some(schema)) => self.go(schema, value, &below, depth + 1, out),
                (None, None) => {}
            }
        }
        for key in rules.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            // OpenClaw's schema tells what comes out of its parser: a key with a default need not be there.
            let filled = known.and_then(|known| known.get(key)).is_some_and(|schema| schema.get("default").is_some());
            if !object.contains_key(key) && !filled {
                out.push(Violation { path: path.child(key), kind: Kind::MissingKey });
            }
        }
    }
}

/// All branches failed at the place itself.
fn merged(failed: &[Vec<Violation>], path: &KeyPath, value: &Value) -> Kind {
    let here = failed.iter().flatten().filter(|one| one.path == *path);
    let (mut types, mut values) = (Vec::new(), Vec::new());
    for one in here {
        match &one.kind {
            Kind::WrongType { expected, .. } => types.push(expected.clone()),
            Kind::WrongValue { expected } => values.push(expected.clone()),
            Kind::UnknownKey { .. } | Kind::MissingKey => {}
        }
    }
    let list = |mut all: Vec<String>| {
        all.sort();
        all.dedup();
        all.truncate(12);
        all.join(", ")
    };
    if values.is_empty() && !types.is_empty() {
        return Kind::WrongType { expected: list(types).replace(", ", " or "), found: type_of(value) };
    }
    let expected = if values.is_empty() { "another form".to_owned() } else { format!("one of {}", list(values)) };
    Kind::WrongValue { expected: expected.replace("one of one of ", "one of ") }
}

fn fits_type(expected: &Value, value: &Value) -> bool {
    match expected {
        Value::String(name) => is_type(name, value),
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(|name| is_type(name, value)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => true,
    }
}

fn is_type(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => true,
    }
}

const fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

fn words(expected: &Value) -> String {
    let plain = |name: &str| if name == "array" { "list".to_owned() } else { name.to_owned() };
    match expected {
        Value::String(name) => plain(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).map(plain).collect::<Vec<_>>().join(" or "),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => String::new(),
    }
}

/// `const` and `enum`; a text with a variable in it is only known at run time.
fn fixed(rules: &serde_json::Map<String, Value>, value: &Value) -> Option<String> {
    if value.as_str().is_some_and(|text| text.contains("${")) {
        return None;
    }
    if let Some(only) = rules.get("const")
        && only != value
    {
        return Some(only.to_string());
    }
    let all = rules.get("enum").and_then(Value::as_array)?;
    if all.contains(value) {
        return None;
    }
    let shown: Vec<String> = all.iter().take(12).map(Value::to_string).collect();
    Some(format!("one of {}", shown.join(", ")))
}

fn range(rules: &serde_json::Map<String, Value>, value: &Value, path: &KeyPath, out: &mut Vec<Violation>) {
    let Some(number) = value.as_f64() else { return };
    let limit = |name: &str| rules.get(name).and_then(Value::as_f64);
    let low = limit("minimum").is_some_and(|least| number < least)
        || limit("exclusiveMinimum").is_some_and(|least| number <= least);
    let high = limit("maximum").is_some_and(|most| number > most);
    if !low && !high {
        return;
    }
    let text = |name: &str| rules.get(name).map(Value::to_string);
    let least =
        text("minimum").map(|n| format!("at least {n}")).or(text("exclusiveMinimum").map(|n| format!("more than {n}")));
    let most = text("maximum").filter(|_| high).map(|n| format!("at most {n}"));
    let expected = if low { least } else { most }.unwrap_or_default();
    out.push(Violation { path: path.clone(), kind: Kind::WrongValue { expected } });
}
