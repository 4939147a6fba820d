//! Files of the earlier iflow doctor (the four-level system): what they are, and what is taken from them.
//!
//! `cases.json` is read by [`super::share`], `records.json` by [`records`], `config.json` by [`config`]. Invariant:
//! commands and credentials in them are never run, kept or shown; nothing is changed by reading.

pub mod config;
pub mod records;

use serde_json::Value;

/// Which of them it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Its case library, or none of them.
    Cases,
    /// What became of its repairs.
    Records,
    /// Its settings.
    Config,
}

/// Looks at a text.
#[must_use]
pub fn kind(text: &str) -> Kind {
    let Ok(Value::Object(map)) = serde_json::from_str::<Value>(text) else { return Kind::Cases };
    if map.contains_key("cases") {
        Kind::Cases
    } else if map.contains_key("records") {
        Kind::Records
    } else if config::KNOWN.iter().any(|(name, _)| map.contains_key(name.split('.').next().unwrap_or(name))) {
        Kind::Config
    } else {
        Kind::Cases
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_known_by_what_it_holds() {
        assert_eq!(kind(r#"[{"id":"CASE-001","title":"x"}]"#), Kind::Cases);
        assert_eq!(kind(r#"{"cases":[]}"#), Kind::Cases);
        assert_eq!(kind(r#"{"version":"1.0.0","records":[]}"#), Kind::Records);
        assert_eq!(kind(r#"{"check_interval":180}"#), Kind::Config);
        assert_eq!(kind(r#"{"alert":{}}"#), Kind::Config);
        assert_eq!(kind("id = 'x'"), Kind::Cases);
        assert_eq!(kind("{}"), Kind::Cases);
    }
}
