//! Between the parser's values and the core's trees.

use clawmend_core::generation::Tree;
use serde_json::Value;

/// For the core.
#[must_use]
pub fn tree(value: &Value) -> Tree {
    match value {
        Value::Null => Tree::Null,
        Value::Bool(value) => Tree::Bool(*value),
        Value::Number(number) => Tree::Number(number.to_string()),
        Value::String(text) => Tree::Text(text.clone()),
        Value::Array(items) => Tree::List(items.iter().map(tree).collect()),
        Value::Object(map) => Tree::Map(map.iter().map(|(key, value)| (key.clone(), tree(value))).collect()),
    }
}

/// From the core.
#[must_use]
pub fn value(tree: &Tree) -> Value {
    match tree {
        Tree::Null => Value::Null,
        Tree::Bool(value) => Value::Bool(*value),
        // It came from a number; what is none any more is kept as text.
        Tree::Number(text) => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone())),
        Tree::Text(text) => Value::String(text.clone()),
        Tree::List(items) => Value::Array(items.iter().map(value).collect()),
        Tree::Map(map) => Value::Object(map.iter().map(|(key, tree)| (key.clone(), value(tree))).collect()),
    }
}
