//! A parsed config.

use super::path::KeyPath;
use std::collections::BTreeMap;

/// A value of a config. Numbers keep their text, so that comparing and writing them back loses nothing.
#[derive(Clone, PartialEq, Eq)]
pub enum Tree {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// Any number, as its text.
    Number(String),
    /// A string.
    Text(String),
    /// A list.
    List(Vec<Tree>),
    /// An object.
    Map(BTreeMap<String, Tree>),
}

/// Only the shape: values may be secrets.
impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(_) => f.write_str("number"),
            Self::Text(_) => f.write_str("text"),
            Self::List(items) => f.debug_list().entries(items).finish(),
            Self::Map(map) => f.debug_map().entries(map).finish(),
        }
    }
}

impl Tree {
    /// An empty object.
    #[must_use]
    pub const fn empty() -> Self {
        Self::Map(BTreeMap::new())
    }

    /// The object, if it is one.
    #[must_use]
    pub const fn as_map(&self) -> Option<&BTreeMap<String, Self>> {
        match self {
            Self::Map(map) => Some(map),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::List(_) => None,
        }
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::List(_) | Self::Map(_) => None,
        }
    }

    /// What lies at `path`.
    #[must_use]
    pub fn get(&self, path: &KeyPath) -> Option<&Self> {
        path.segments().iter().try_fold(self, |tree, key| tree.as_map()?.get(key))
    }

    /// Sets what lies at `path`. Returns whether the parent was there; nothing is created on the way.
    pub fn set(&mut self, path: &KeyPath, value: Self) -> bool {
        match self.parent_of(path) {
            Some((parent, key)) => {
                parent.insert(key, value);
                true
            }
            None => false,
        }
    }

    /// Removes what lies at `path`, if anything.
    pub fn remove(&mut self, path: &KeyPath) {
        if let Some((parent, key)) = self.parent_of(path) {
            parent.remove(&key);
        }
    }

    fn parent_of(&mut self, path: &KeyPath) -> Option<(&mut BTreeMap<String, Self>, String)> {
        let (key, way) = path.segments().split_last()?;
        let mut at = self;
        for step in way {
            let Self::Map(map) = at else { return None };
            at = map.get_mut(step)?;
        }
        match at {
            Self::Map(map) => Some((map, key.clone())),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::List(_) => None,
        }
    }
}
