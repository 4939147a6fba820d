//! Where the assistant's own files are.

use super::config::read_tree;
use super::discovery::Home;
use serde_json::Value;
use std::path::PathBuf;

/// `agents.defaults.workspace`, else `workspace` in the state folder (OpenClaw 2026.9.6). A config that cannot be read
/// says nothing else.
#[must_use]
pub fn folder(home: &Home) -> PathBuf {
    let tree = read_tree(home, &|_| None).unwrap_or(Value::Null);
    let set = tree.pointer("/agents/defaults/workspace").and_then(Value::as_str).unwrap_or_default();
    let path = match set.strip_prefix("~/") {
        Some(inside) => home.user_home.join(inside),
        None => PathBuf::from(set),
    };
    if path.is_absolute() { path } else { home.state_dir.join("workspace") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::openclaw::discovery::discover;

    #[test]
    fn the_setting_counts_where_it_is_a_place() {
        let folder_of = |workspace: &str| {
            let user = tempfile::tempdir().unwrap();
            let home = discover(|_| None, user.path()).remove(0);
            std::fs::create_dir_all(&home.state_dir).unwrap();
            let config = serde_json::json!({"agents": {"defaults": {"workspace": workspace}}});
            std::fs::write(&home.config_path, config.to_string()).unwrap();
            folder(&home).strip_prefix(user.path()).map_or_else(|_| folder(&home), std::path::Path::to_owned)
        };
        assert_eq!(folder_of("/srv/assistant"), PathBuf::from("/srv/assistant"));
        assert_eq!(folder_of("~/assistant"), PathBuf::from("assistant"));
        assert_eq!(folder_of(""), PathBuf::from(".openclaw/workspace"));
        assert_eq!(folder_of("relative"), PathBuf::from(".openclaw/workspace"));
    }
}
