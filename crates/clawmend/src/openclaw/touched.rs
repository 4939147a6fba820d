//! Who wrote a config last.

use super::config::read_tree;
use super::discovery::Home;

/// Longest version that is told, in characters.
const MAX: usize = 40;

/// OpenClaw's version, as the config says who wrote it last (`meta.lastTouchedVersion`, OpenClaw 2026.9.6).
#[must_use]
pub fn version(home: &Home) -> Option<String> {
    let tree = read_tree(home, &|_| None).ok()?;
    Some(tree.pointer("/meta/lastTouchedVersion")?.as_str()?.chars().take(MAX).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::openclaw::discovery::discover;

    #[test]
    fn it_is_read_from_the_config_or_not_known() {
        let version_in = |text: &str| {
            let user = tempfile::tempdir().unwrap();
            let home = discover(|_| None, user.path()).remove(0);
            std::fs::create_dir_all(&home.state_dir).unwrap();
            std::fs::write(&home.config_path, text).unwrap();
            version(&home)
        };
        let written = r#"{"meta": {"lastTouchedVersion": "2026.9.6"}}"#;
        assert_eq!(version_in(written).as_deref(), Some("2026.9.6"));
        for unknown in ["{}", r#"{"meta": {"lastTouchedVersion": 7}}"#, "{"] {
            assert_eq!(version_in(unknown), None, "{unknown}");
        }
    }
}
