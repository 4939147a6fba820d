//! The channels of a gateway's config, switched off while this node does not own them, and on again before it does.
//!
//! Invariants: only `channels.NAME.enabled` is changed, in place, so that the rest stays as it is, `meta` above all: a
//! config without it is taken for damaged and replaced by an older one (OpenClaw 2026.9.6). Which channels were switched
//! off here is on the disk before that is done, and only these are switched on again: what a person had switched off
//! stays off. A config that somebody changes meanwhile is left to them. What was done is read back, with everything that the config includes. Each function may wait for the disk.

use crate::generations::{Target, replace};
use crate::host::files::{Durability, write_atomic};
use crate::openclaw::config::{self, edit, read_tree};
use crate::openclaw::discovery::Home;
use crate::openclaw::environ::Environ;
use crate::openclaw::owners::Place;
use crate::openclaw::ownership;
use crate::openclaw::redact::redact;
use clawmend_core::generation::{Edit, KeyPath, Tree};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// In our own state folder.
const FILE: &str = "shared-channels.json";
/// Largest record that is read, in bytes.
const MAX_RECORD: u64 = 256 * 1024;
/// Channels that are taken care of at most.
const MAX_CHANNELS: usize = 256;

/// What `enabled` said before it was switched off here; `None`: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct Record(BTreeMap<String, Option<bool>>);

/// The switches of one gateway.
#[derive(Clone, Debug)]
pub struct Switches {
    home: Home,
    uid: u32,
    record: PathBuf,
}

impl Switches {
    /// Of this home; what was done is remembered in our own state folder.
    #[must_use]
    pub fn new(home: Home, uid: u32, state: &Path) -> Self {
        Self { home, uid, record: state.join(FILE) }
    }

    /// All channels off.
    ///
    /// # Errors
    /// In words for people; some may be on.
    pub fn off(&self) -> Result<(), String> {
        let on = self.switched_on()?;
        if on.len() > MAX_CHANNELS {
            return Err(format!("the config has more than {MAX_CHANNELS} channels"));
        }
        if on.is_empty() {
            return Ok(());
        }
        let raw = self.raw()?;
        let mut record = self.record();
        record.0.extend(on.iter().map(|name| (name.clone(), raw.channel(name))));
        self.remember(&record)?;
        let edits: Vec<Edit> = on.iter().map(|name| edit_of(name, Some(false))).collect();
        self.write(&raw, &edits)?;
        match self.switched_on()?.as_slice() {
            [] => Ok(()),
            [name, ..] => Err(format!("channels.{} is still on", redact(name, 64))),
        }
    }

    /// Those on again that were switched off here.
    ///
    /// # Errors
    /// In words for people; some may be off.
    pub fn on(&self) -> Result<(), String> {
        let record = self.record();
        if record.0.is_empty() {
            return Ok(());
        }
        let raw = self.raw()?;
        let ours = record.0.iter().filter(|(name, _)| raw.channel(name) == Some(false));
        let edits: Vec<Edit> = ours.map(|(name, before)| edit_of(name, *before)).collect();
        self.write(&raw, &edits)?;
        let now = self.raw()?;
        if record.0.iter().any(|(name, before)| *before != Some(false) && now.channel(name) == Some(false)) {
            return Err("the channels could not be switched on in the config".to_owned());
        }
        self.remember(&Record::default())
    }

    /// Channels that the gateway would open, with what the config includes.
    fn switched_on(&self) -> Result<Vec<String>, String> {
        let environ = Environ::of(&self.home, self.uid);
        let env = |name: &str| environ.get(name);
        let tree = read_tree(&self.home, &env).map_err(|problem| problem.message)?;
        Ok(ownership::switched_on(&tree, &Place { home: &self.home, env: &env, uid: self.uid }))
    }

    fn raw(&self) -> Result<Raw, String> {
        let (target, bytes) = Target::look(&self.home.config_path).map_err(|error| error.to_string())?;
        let bytes = bytes.ok_or("there is no config")?;
        let text = String::from_utf8(bytes).map_err(|_| "the config is not UTF-8".to_owned())?;
        let value = config::parsed(&text).map_err(|problem| problem.message)?;
        Ok(Raw { target, text, value })
    }

    fn write(&self, raw: &Raw, edits: &[Edit]) -> Result<(), String> {
        let mut wanted = config::tree(&raw.value);
        for Edit { path, value } in edits {
            put(&mut wanted, path.segments(), value.clone());
        }
        let text = edit::edit(&raw.text, edits, &wanted);
        // What is taken out of it stands in the record, so nothing is lost without a copy beside it.
        replace(&raw.target, text.as_bytes(), None).map(drop).map_err(|error| error.to_string())
    }

    fn record(&self) -> Record {
        let read = || -> Option<Record> {
            let mut text = String::new();
            std::fs::File::open(&self.record).ok()?.take(MAX_RECORD).read_to_string(&mut text).ok()?;
            serde_json::from_str(&text).ok()
        };
        read().unwrap_or_default()
    }

    fn remember(&self, record: &Record) -> Result<(), String> {
        let bytes = serde_json::to_vec(record).map_err(|error| error.to_string())?;
        write_atomic(&self.record, &bytes, Durability::Durable)
            .map_err(|error| format!("which channels were switched off cannot be written down: {}", error.kind()))
    }
}

/// The config's own file, without what it includes.
struct Raw {
    target: Target,
    text: String,
    value: Value,
}

impl Raw {
    fn channel(&self, name: &str) -> Option<bool> {
        self.value.get("channels")?.get(name)?.get("enabled")?.as_bool()
    }
}

fn edit_of(name: &str, enabled: Option<bool>) -> Edit {
    Edit { path: KeyPath::new(["channels", name, "enabled"]), value: enabled.map(Tree::Bool) }
}

/// The same in a tree. Where a part of the way is no map, one is put there.
fn put(tree: &mut Tree, way: &[String], value: Option<Tree>) {
    let Some((key, rest)) = way.split_first() else {
        if let Some(value) = value {
            *tree = value;
        }
        return;
    };
    if !matches!(tree, Tree::Map(_)) {
        *tree = Tree::Map(BTreeMap::new());
    }
    let Tree::Map(map) = tree else { return };
    if rest.is_empty() && value.is_none() {
        map.remove(key);
    } else {
        put(map.entry(key.clone()).or_insert(Tree::Null), rest, value);
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clawmend_core::gateway::GatewayId;

    struct Case {
        _folder: tempfile::TempDir,
        config: PathBuf,
        switches: Switches,
    }

    fn case(text: &str) -> Case {
        let folder = tempfile::tempdir().unwrap();
        let home = Home {
            id: GatewayId("default".into()),
            profile: None,
            user_home: folder.path().to_owned(),
            state_dir: folder.path().to_owned(),
            config_path: folder.path().join("openclaw.json"),
            port: None,
        };
        std::fs::write(&home.config_path, text).unwrap();
        let config = home.config_path.clone();
        let switches = Switches::new(home, crate::daemon::own_uid(), folder.path());
        Case { _folder: folder, config, switches }
    }

    const CONFIG: &str = r#"{
  // mine
  "meta": {"lastTouchedVersion": "2026.9.6"},
  "channels": {
    "telegram": {"botToken": "1:x", "enabled": true},
    "discord": {"token": "y"},
    "slack": {"botToken": "z", "enabled": false},
    "defaults": {}
  }
}
"#;

    #[test]
    fn what_was_switched_off_here_is_switched_on_again_and_nothing_else() {
        let case = case(CONFIG);
        case.switches.off().unwrap();
        let off = std::fs::read_to_string(&case.config).unwrap();
        assert!(off.contains("// mine") && off.contains("lastTouchedVersion"), "{off}");
        let enabled = |text: &str, name: &str| -> Option<bool> {
            config::parsed(text).unwrap()["channels"][name]["enabled"].as_bool()
        };
        for name in ["telegram", "discord", "slack"] {
            assert_eq!(enabled(&off, name), Some(false), "{name}");
        }
        // Twice is once.
        case.switches.off().unwrap();
        assert_eq!(std::fs::read_to_string(&case.config).unwrap(), off);
        case.switches.on().unwrap();
        let on = std::fs::read_to_string(&case.config).unwrap();
        assert_eq!((enabled(&on, "telegram"), enabled(&on, "slack")), (Some(true), Some(false)));
        assert_eq!(enabled(&on, "discord"), None);
        assert!(on.contains("// mine"), "{on}");
        // A person switches one off: it stays so.
        std::fs::write(&case.config, on.replace("true", "false")).unwrap();
        case.switches.on().unwrap();
        assert_eq!(enabled(&std::fs::read_to_string(&case.config).unwrap(), "telegram"), Some(false));
    }

    #[test]
    fn a_config_that_somebody_changes_meanwhile_is_left_to_them() {
        let case = case(CONFIG);
        let raw = case.switches.raw().unwrap();
        let theirs = CONFIG.replace("// mine", "// mine, and more");
        std::fs::write(&case.config, &theirs).unwrap();
        assert!(case.switches.write(&raw, &[edit_of("telegram", Some(false))]).is_err());
        assert_eq!(std::fs::read_to_string(&case.config).unwrap(), theirs);
    }

    #[test]
    fn what_cannot_be_switched_off_is_said() {
        let broken = case("{\"channels\": {");
        assert!(broken.switches.off().is_err());
        let gone = case("{}");
        std::fs::remove_file(&gone.config).unwrap();
        assert!(gone.switches.off().is_err());
        assert!(gone.switches.on().is_ok(), "nothing was switched off");
    }
}
