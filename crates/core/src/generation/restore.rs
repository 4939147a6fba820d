//! What a restore writes.
//!
//! Invariant: roles, security, credentials and OpenClaw's own notes come from the newest config that says something
//! sound about them, never from the generation that is restored, unless nobody else says anything. So a restore
//! cannot switch a channel on, open a door or bring back a revoked key.

use super::diff::changed_paths;
use super::guarded::{Guarded, guarded, is_secret, is_speaker};
use super::path::KeyPath;
use super::tree::Tree;
use std::collections::{BTreeMap, BTreeSet};

/// A config that is newer than the generation to be restored, and could be parsed.
#[derive(Clone, Copy, Debug)]
pub struct Witness<'a> {
    /// What it says.
    pub tree: &'a Tree,
}

impl Witness<'_> {
    /// A key that is missing was taken out on purpose. Not so in a config that has lost its `gateway.mode`: that is
    /// what a clobbered file looks like (OpenClaw itself calls it suspicious, 2026.9.6).
    fn whole(&self) -> bool {
        self.tree.get(&KeyPath::new(["gateway", "mode"])).is_some_and(|mode| mode.as_text().is_some())
    }
}

/// One change to a config's text. `None` takes the key out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Where.
    pub path: KeyPath,
    /// What it becomes.
    pub value: Option<Tree>,
}

/// A key that the restore leaves as it is now, although the generation says something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Which.
    pub path: KeyPath,
    /// Why.
    pub why: Guarded,
}

/// A restore, planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restore {
    /// What the config will say.
    pub tree: Tree,
    /// How to get there from the generation.
    pub edits: Vec<Edit>,
    /// What is not brought back.
    pub held: Vec<Held>,
}

/// What a config says about a key.
enum Look<'a> {
    Found(&'a Tree),
    Absent,
    /// Something on the way is no object: the config says nothing.
    Silent,
}

/// What the key will be.
enum Decision {
    Value(Tree),
    Absent,
    /// Nobody newer says anything sound: as in the generation.
    Unsaid,
}

/// Plans the restore of `proven`. `witnesses` are newest first: the present config, if it parses, then the newest
/// earlier one that did.
#[must_use]
pub fn restore(proven: &Tree, witnesses: &[Witness<'_>]) -> Restore {
    let mut out = Restore { tree: proven.clone(), edits: Vec::new(), held: Vec::new() };
    let trees: Vec<&Tree> = std::iter::once(proven).chain(witnesses.iter().map(|witness| witness.tree)).collect();
    let mut speakers = Vec::new();
    let mut paths = Vec::new();
    collect(&KeyPath::default(), &trees, &mut paths, &mut speakers);
    for path in speakers {
        if gone(&path, witnesses) {
            apply(&mut out, path, Guarded::Role, None);
        }
    }
    for (path, why) in paths {
        match decide(&path, why, proven, witnesses) {
            Decision::Value(value) => apply(&mut out, path, why, Some(value)),
            Decision::Absent => apply(&mut out, path, why, None),
            Decision::Unsaid => {}
        }
    }
    out
}

/// The present config with only these keys taken from `goal`.
#[must_use]
pub fn revert(present: &Tree, goal: &Tree, paths: &[KeyPath]) -> (Tree, Vec<Edit>) {
    let mut tree = present.clone();
    let mut edits = Vec::new();
    for path in paths {
        let value = goal.get(path).cloned();
        if path.segments().is_empty() {
            return (goal.clone(), vec![Edit { path: path.clone(), value }]);
        }
        match &value {
            Some(value) => {
                tree.set(path, value.clone());
            }
            None => tree.remove(path),
        }
        edits.push(Edit { path: path.clone(), value });
    }
    (tree, edits)
}

/// The keys in which the two differ, as [`revert`] takes them.
#[must_use]
pub(super) fn candidates(present: &Tree, goal: &Tree) -> Vec<KeyPath> {
    changed_paths(present, goal)
}

/// Every guarded path in any of the trees, and every channel and account.
fn collect(path: &KeyPath, trees: &[&Tree], paths: &mut Vec<(KeyPath, Guarded)>, speakers: &mut Vec<KeyPath>) {
    if let Some(why) = guarded(path).or_else(|| holds_secret(path, trees)) {
        paths.push((path.clone(), why));
        return;
    }
    if is_speaker(path) {
        speakers.push(path.clone());
    }
    let maps: Vec<&BTreeMap<String, Tree>> = trees.iter().filter_map(|tree| tree.as_map()).collect();
    let keys: BTreeSet<&String> = maps.iter().flat_map(|map| map.keys()).collect();
    for key in keys {
        let below: Vec<&Tree> = maps.iter().filter_map(|map| map.get(key)).collect();
        collect(&path.child(key), &below, paths, speakers);
    }
}

/// A list changes as a whole: it is held when an entry has a credential or a right in it.
fn holds_secret(path: &KeyPath, trees: &[&Tree]) -> Option<Guarded> {
    let inside = |tree: &&Tree| matches!(tree, Tree::List(items) if items.iter().any(|item| sensitive(path, item)));
    trees.iter().any(inside).then_some(Guarded::Credential)
}

fn sensitive(path: &KeyPath, tree: &Tree) -> bool {
    match tree {
        Tree::List(items) => items.iter().any(|item| sensitive(path, item)),
        Tree::Map(map) => map.iter().any(|(key, value)| {
            let path = path.child(key);
            is_secret(&path) || guarded(&path).is_some() || sensitive(&path, value)
        }),
        Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::Text(_) => false,
    }
}

/// The newest config that says anything says that the channel or account is not there.
fn gone(path: &KeyPath, witnesses: &[Witness<'_>]) -> bool {
    for witness in witnesses {
        match look(witness.tree, path) {
            Look::Found(_) => return false,
            Look::Absent if witness.whole() => return true,
            Look::Absent | Look::Silent => {}
        }
    }
    false
}

fn decide(path: &KeyPath, why: Guarded, proven: &Tree, witnesses: &[Witness<'_>]) -> Decision {
    for witness in witnesses {
        match look(witness.tree, path) {
            Look::Found(value) if sound(path, why, value, proven.get(path)) => return Decision::Value(value.clone()),
            Look::Absent if witness.whole() => return Decision::Absent,
            Look::Found(_) | Look::Absent | Look::Silent => {}
        }
    }
    Decision::Unsaid
}

fn look<'a>(tree: &'a Tree, path: &KeyPath) -> Look<'a> {
    let mut at = tree;
    for key in path.segments() {
        match at.as_map() {
            Some(map) => match map.get(key) {
                Some(next) => at = next,
                None => return Look::Absent,
            },
            None => return Look::Silent,
        }
    }
    Look::Found(at)
}

/// The value can be what it claims to be; a mistyped one is perhaps the very fault that is being repaired.
fn sound(path: &KeyPath, why: Guarded, value: &Tree, proven: Option<&Tree>) -> bool {
    let kind = |tree: &Tree| std::mem::discriminant(tree);
    let words = |known: &[&str]| value.as_text().is_some_and(|text| known.contains(&text));
    let keys: Vec<&str> = path.segments().iter().map(String::as_str).collect();
    match (why, keys.as_slice()) {
        (_, [.., "enabled"]) => matches!(value, Tree::Bool(_)),
        (_, ["gateway", "bind"]) => words(&["auto", "lan", "loopback", "custom", "tailnet"]),
        (_, ["gateway", "auth", "mode"]) => words(&["none", "token", "password", "trusted-proxy"]),
        (Guarded::Meta, _) => matches!(value, Tree::Map(_)),
        (Guarded::Credential, _) => match value {
            Tree::Text(text) => !text.trim().is_empty(),
            Tree::Map(_) | Tree::List(_) => true,
            Tree::Null | Tree::Bool(_) | Tree::Number(_) => proven.is_some_and(|proven| kind(proven) == kind(value)),
        },
        (Guarded::Role | Guarded::Security, _) => proven.is_none_or(|proven| kind(proven) == kind(value)),
    }
}

fn apply(out: &mut Restore, path: KeyPath, why: Guarded, value: Option<Tree>) {
    if out.tree.get(&path) == value.as_ref() {
        return;
    }
    match &value {
        Some(value) => {
            if !make_way(&mut out.tree, &path) {
                return;
            }
            out.tree.set(&path, value.clone());
        }
        None => out.tree.remove(&path),
    }
    out.held.push(Held { path: path.clone(), why });
    out.edits.push(Edit { path, value });
}

/// Objects whose keys are names that people give: an entry that the generation does not have stays away.
const COLLECTIONS: [&str; 12] = [
    "channels",
    "accounts",
    "entries",
    "providers",
    "servers",
    "groups",
    "topics",
    "direct",
    "profiles",
    "byProvider",
    "toolsBySender",
    "definitions",
];

/// Makes the objects on the way to `path`, unless one of them is an entry of its own.
fn make_way(tree: &mut Tree, path: &KeyPath) -> bool {
    let Some((_, way)) = path.segments().split_last() else { return true };
    let plugin = matches!(path.segments(), [a, b, _, d] if a == "plugins" && b == "entries" && d == "enabled");
    let mut at = KeyPath::default();
    let mut missing = Vec::new();
    for key in way {
        let entry = at.last().is_some_and(|last| COLLECTIONS.contains(&last)) && !plugin;
        at = at.child(key);
        match tree.get(&at) {
            Some(Tree::Map(_)) => {}
            Some(_) => return false,
            None if entry => return false,
            None => missing.push(at.clone()),
        }
    }
    missing.iter().all(|path| tree.set(path, Tree::empty()))
}
