//! Changes single keys in the text of a config and leaves the rest of it, comments too, as it is.
//!
//! Invariant: what comes out parses to exactly the tree that was wanted; where the text cannot be changed in place it
//! is written anew.

use super::{parse, tree as to_tree, value as to_value};
use clawmend_core::generation::{Edit, KeyPath, Tree};
use jsonc_parser::cst::{CstInputValue, CstObject, CstRootNode};

/// The text after these edits; `wanted` is what it must say.
#[must_use]
pub fn edit(text: &str, edits: &[Edit], wanted: &Tree) -> String {
    let says = |text: &str| parse::parse(text).is_ok_and(|parsed| to_tree(&parsed.value) == *wanted);
    if let Some(changed) = in_place(text, edits).filter(|changed| says(changed)) {
        return changed;
    }
    let mut anew = serde_json::to_string_pretty(&to_value(wanted)).unwrap_or_default();
    anew.push('\n');
    anew
}

fn in_place(text: &str, edits: &[Edit]) -> Option<String> {
    if edits.is_empty() {
        return Some(text.to_owned());
    }
    let root = CstRootNode::parse(text.strip_prefix('\u{feff}').unwrap_or(text), &parse::grammar()).ok()?;
    for Edit { path, value } in edits {
        let (key, way) = path.segments().split_last()?;
        let Some(parent) = object_at(&root.object_value()?, way, value.is_some()) else {
            // There is nothing to take out.
            if value.is_none() {
                continue;
            }
            return None;
        };
        match (parent.get(key), value) {
            (Some(property), Some(value)) => property.set_value(input(value)),
            (Some(property), None) => property.remove(),
            (None, Some(value)) => {
                parent.append(key, input(value));
            }
            (None, None) => {}
        }
    }
    Some(root.to_string())
}

fn object_at(root: &CstObject, way: &[String], make: bool) -> Option<CstObject> {
    let mut at = root.clone();
    for key in way {
        at = if make { at.object_value_or_create(key)? } else { at.object_value(key)? };
    }
    Some(at)
}

fn input(tree: &Tree) -> CstInputValue {
    match tree {
        Tree::Null => CstInputValue::Null,
        Tree::Bool(value) => CstInputValue::Bool(*value),
        Tree::Number(text) => CstInputValue::Number(text.clone()),
        Tree::Text(text) => CstInputValue::String(text.clone()),
        Tree::List(items) => CstInputValue::Array(items.iter().map(input).collect()),
        Tree::Map(map) => CstInputValue::Object(map.iter().map(|(key, tree)| (key.clone(), input(tree))).collect()),
    }
}

/// The edits that a set of paths needs to lead from one tree to another.
#[must_use]
pub fn edits_for(paths: &[KeyPath], goal: &Tree) -> Vec<Edit> {
    paths.iter().map(|path| Edit { path: path.clone(), value: goal.get(path).cloned() }).collect()
}
