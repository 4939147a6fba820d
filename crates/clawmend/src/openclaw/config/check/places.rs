//! Where in a text each key stands.
//!
//! Invariant: bounded by the text; at most [`MAX_PLACES`] are kept.

use crate::openclaw::config::parse::grammar;
use clawmend_core::generation::KeyPath;
use jsonc_parser::ast::Value as Node;
use jsonc_parser::common::Ranged as _;
use jsonc_parser::{CollectOptions, parse_to_ast};
use std::collections::BTreeMap;

/// Most keys whose place is known.
const MAX_PLACES: usize = 50_000;

/// The places of one file.
#[derive(Debug, Default)]
pub struct Places {
    /// Byte offsets of each key's name. Of duplicate keys the last one, which is the one that counts.
    offsets: BTreeMap<KeyPath, usize>,
}

impl Places {
    /// Of a text that parses; of any other there are none.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut places = Self::default();
        if let Ok(tree) = parse_to_ast(text, &CollectOptions::default(), &grammar())
            && let Some(root) = &tree.value
        {
            places.collect(root, &KeyPath::default());
        }
        places
    }

    fn collect(&mut self, node: &Node<'_>, path: &KeyPath) {
        let Node::Object(object) = node else { return };
        for property in &object.properties {
            if self.offsets.len() >= MAX_PLACES {
                return;
            }
            let path = path.child(property.name.as_str());
            self.offsets.insert(path.clone(), property.range().start);
            self.collect(&property.value, &path);
        }
    }

    /// Line and column of the key, or of the nearest one above it; 1-based.
    #[must_use]
    pub fn find(&self, text: &str, path: &KeyPath) -> Option<(u32, u32)> {
        let keys = path.segments();
        let offset = (1..=keys.len()).rev().find_map(|n| self.offsets.get(&KeyPath::new(keys[..n].to_vec())))?;
        Some(line_and_column(text, *offset))
    }
}

/// Of a byte offset; 1-based.
#[must_use]
pub fn line_and_column(text: &str, offset: usize) -> (u32, u32) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}
