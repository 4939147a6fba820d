//! What differs between two configs, without showing a secret.
//!
//! Invariant: at most [`MAX_CHANGES`] entries; the text of a value is bounded, and masked where [`is_secret`] says so.

use super::guarded::is_secret;
use super::path::KeyPath;
use super::tree::Tree;
use std::collections::BTreeSet;

/// Most differences that are named; the rest is counted only.
pub const MAX_CHANGES: usize = 1_000;
/// Characters of a value that are shown.
const SHOWN_CHARS: usize = 60;

/// How a key differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Only the new one has it.
    Added,
    /// Only the old one has it.
    Removed,
    /// Both have it, with other values.
    Changed,
}

/// One key that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which.
    pub path: KeyPath,
    /// How.
    pub change: Change,
    /// Its value before, masked.
    pub old: Option<String>,
    /// Its value after, masked.
    pub new: Option<String>,
}

/// The keys that differ, in order of their paths, and how many more there are.
#[must_use]
pub fn differences(old: &Tree, new: &Tree) -> (Vec<Difference>, usize) {
    let paths = changed_paths(old, new);
    let more = paths.len().saturating_sub(MAX_CHANGES);
    let named = paths.into_iter().take(MAX_CHANGES).map(|path| {
        let (before, after) = (old.get(&path), new.get(&path));
        let change = match (before, after) {
            (None, _) => Change::Added,
            (Some(_), None) => Change::Removed,
            (Some(_), Some(_)) => Change::Changed,
        };
        let show = |tree: &Tree| shown(&path, tree);
        Difference { change, old: before.map(show), new: after.map(show), path: path.clone() }
    });
    (named.collect(), more)
}

/// The smallest paths at which two trees differ. Objects on both sides are gone into, all else is compared whole.
pub(super) fn changed_paths(old: &Tree, new: &Tree) -> Vec<KeyPath> {
    let mut found = Vec::new();
    walk(&KeyPath::default(), Some(old), Some(new), &mut found);
    found
}

fn walk(path: &KeyPath, old: Option<&Tree>, new: Option<&Tree>, found: &mut Vec<KeyPath>) {
    if old == new {
        return;
    }
    let (before, after) = (old.and_then(Tree::as_map), new.and_then(Tree::as_map));
    let (Some(before), Some(after)) = (before, after) else {
        found.push(path.clone());
        return;
    };
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for key in keys {
        walk(&path.child(key), before.get(key), after.get(key), found);
    }
}

/// A value as it may be shown: a reference to a variable stays readable, a secret does not.
#[must_use]
pub fn shown(path: &KeyPath, tree: &Tree) -> String {
    let text = match tree {
        Tree::Null => "null".to_owned(),
        Tree::Bool(value) => value.to_string(),
        Tree::Number(text) if !is_secret(path) => text.clone(),
        Tree::Text(text) if is_reference(text) || (!is_secret(path) && !looks_secret(text)) => format!("{text:?}"),
        Tree::Number(_) | Tree::Text(_) => "\"***\"".to_owned(),
        Tree::List(items) => list(path, items),
        Tree::Map(map) => {
            let keys: Vec<&str> = map.keys().map(String::as_str).take(8).collect();
            let more = if map.len() > keys.len() { ", …" } else { "" };
            format!("{{{}{more}}}", keys.join(", "))
        }
    };
    if text.chars().count() <= SHOWN_CHARS {
        return text;
    }
    text.chars().take(SHOWN_CHARS.saturating_sub(1)).chain(['…']).collect()
}

/// A few plain values are told; anything deeper is only counted.
fn list(path: &KeyPath, items: &[Tree]) -> String {
    let plain = items.len() <= 6 && items.iter().all(|item| !matches!(item, Tree::List(_) | Tree::Map(_)));
    if plain {
        let items: Vec<String> = items.iter().map(|item| shown(path, item)).collect();
        format!("[{}]", items.join(", "))
    } else {
        format!("[{} entries]", items.len())
    }
}

/// Nothing but one `${VAR}`.
fn is_reference(text: &str) -> bool {
    text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    })
}

/// A long run of letters and digits, a URL with a user in it: whatever the key is called.
fn looks_secret(text: &str) -> bool {
    if text.split_once("://").is_some_and(|(_, rest)| rest.split('/').next().is_some_and(|host| host.contains('@'))) {
        return true;
    }
    text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))).any(|run| {
        let (digits, letters) = run
            .bytes()
            .fold((0, 0), |(d, l), b| (d + u32::from(b.is_ascii_digit()), l + u32::from(b.is_ascii_alphabetic())));
        (run.len() >= 20 && digits > 0 && letters > 0) || (run.len() >= 12 && run.starts_with("sk-"))
    })
}
