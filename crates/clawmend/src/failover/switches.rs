//! The channels of a gateway's config, switched off while this node does not carry them, and on again before it does: in
//! shared mode, and for a warm standby.
//!
//! Invariants: only `channels.NAME.enabled` is changed, in place, so that the rest stays as it is, `meta` above all: a
//! config without it is taken for damaged and replaced by an older one (OpenClaw 2026.9.6). Which channels were switched
//! off here is on the disk before that is done, and only these are switched on again: what a person had switched off
//! stays off. A config that somebody changes meanwhile is left to them. What was done is read back, with everything that
//! the config includes. Each function may wait for the disk.
//! Start at [`Switches::off`]; where a gateway that runs is to change its config itself, at [`Switches::plan_off`].

use crate::generations::{Target, replace};
use crate::host::files::{Durability, write_atomic};
use crate::openclaw::config::{self, edit, read_tree};
use crate::openclaw::discovery::Home;
use crate::openclaw::environ::Environ;
use crate::openclaw::owners::Place;
use crate::openclaw::ownership;
use crate::openclaw::redact::redact;
use clawmend_core::gateway::GatewayId;
use clawmend_core::generation::{Edit, KeyPath, Tree};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Largest record that is read, in bytes.
const MAX_RECORD: u64 = 256 * 1024;
/// Channels that are taken care of at most.
const MAX_CHANNELS: usize = 256;

/// What `enabled` said before it was switched off here; `None`: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct Record(BTreeMap<String, Option<bool>>);

/// In our own state folder. A gateway's id is safe in a name.
fn record_of(state: &Path, gateway: &GatewayId) -> PathBuf {
    state.join(format!("channels-off-{}.json", gateway.0))
}

/// The config as it is with the channels on that were switched off here.
pub fn as_if_on(config: &mut Value, state: &Path, gateway: &GatewayId) {
    for (name, before) in Record::read(&record_of(state, gateway)).0 {
        let channel = config.get_mut("channels").and_then(|channels| channels.get_mut(&name));
        let Some(channel) = channel.and_then(Value::as_object_mut) else { continue };
        if channel.get("enabled") == Some(&Value::Bool(false)) {
            match before {
                Some(before) => channel.insert("enabled".to_owned(), before.into()),
                None => channel.remove("enabled"),
            };
        }
    }
}

/// What is to be changed: for each channel what its `enabled` is to say; `None`: nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan(Vec<(String, Option<bool>)>);

impl Plan {
    /// For whoever watches, without what a person wrote.
    #[must_use]
    pub fn names(&self) -> String {
        let names: Vec<String> = self.0.iter().take(8).map(|(name, _)| redact(name, 64)).collect();
        names.join(", ")
    }

    /// As a merge patch (RFC 7396), where a null takes a key out.
    #[must_use]
    pub fn patch(&self) -> Value {
        let channels: Map<String, Value> =
            self.0.iter().map(|(name, enabled)| (name.clone(), json!({"enabled": enabled}))).collect();
        json!({"channels": channels})
    }
}

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
        let record = record_of(state, &home.id);
        Self { home, uid, record }
    }

    /// All channels off. Answers what was switched, `None` where nothing was on.
    ///
    /// # Errors
    /// In words for people; some may be on.
    pub fn off(&self) -> Result<Option<Plan>, String> {
        let plan = self.plan_off()?;
        if let Some(plan) = &plan {
            self.edit(plan)?;
            self.are_off()?;
        }
        Ok(plan)
    }

    /// What must be changed so that all are off; it is remembered, durably.
    ///
    /// # Errors
    /// In words for people; nothing is changed.
    pub fn plan_off(&self) -> Result<Option<Plan>, String> {
        let on = self.switched_on()?;
        if on.len() > MAX_CHANNELS {
            return Err(format!("the config has more than {MAX_CHANNELS} channels"));
        }
        if on.is_empty() {
            return Ok(None);
        }
        let raw = self.raw()?;
        let mut record = Record::read(&self.record);
        record.0.extend(on.iter().map(|name| (name.clone(), raw.channel(name))));
        self.remember(&record)?;
        Ok(Some(Plan(on.into_iter().map(|name| (name, Some(false))).collect())))
    }

    /// Reads back that none is on.
    ///
    /// # Errors
    /// One is, or it cannot be read.
    pub fn are_off(&self) -> Result<(), String> {
        match self.switched_on()?.as_slice() {
            [] => Ok(()),
            [name, ..] => Err(format!("channels.{} is still on", redact(name, 64))),
        }
    }

    /// Whether any is on.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn any_on(&self) -> Result<bool, String> {
        self.switched_on().map(|on| !on.is_empty())
    }

    /// Those on again that were switched off here. Answers what was switched.
    ///
    /// # Errors
    /// In words for people; some may be off.
    pub fn on(&self) -> Result<Option<Plan>, String> {
        let plan = self.plan_on()?;
        if let Some(plan) = &plan {
            self.edit(plan)?;
        }
        self.are_on()?;
        Ok(plan)
    }

    /// What must be changed so that those are on again.
    ///
    /// # Errors
    /// In words for people; nothing is changed.
    pub fn plan_on(&self) -> Result<Option<Plan>, String> {
        let record = Record::read(&self.record);
        if record.0.is_empty() {
            return Ok(None);
        }
        let raw = self.raw()?;
        let plan: Vec<_> = record.0.into_iter().filter(|(name, _)| raw.channel(name) == Some(false)).collect();
        Ok((!plan.is_empty()).then_some(Plan(plan)))
    }

    /// Reads back that they are on, and forgets them. A disk that does not take that makes them no less on: the record is
    /// emptied the next time.
    ///
    /// # Errors
    /// One is not, or it cannot be read.
    pub fn are_on(&self) -> Result<(), String> {
        let record = Record::read(&self.record);
        if record.0.is_empty() {
            return Ok(());
        }
        let now = self.raw()?;
        if record.0.iter().any(|(name, before)| *before != Some(false) && now.channel(name) == Some(false)) {
            return Err("the channels could not be switched on in the config".to_owned());
        }
        if let Err(why) = self.remember(&Record::default()) {
            tracing::warn!("the channels are on; that cannot be written down: {why}");
        }
        Ok(())
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

    /// In the file.
    fn edit(&self, plan: &Plan) -> Result<(), String> {
        Self::write(&self.raw()?, plan)
    }

    fn write(raw: &Raw, plan: &Plan) -> Result<(), String> {
        let edits: Vec<Edit> = plan.0.iter().map(|(name, enabled)| edit_of(name, *enabled)).collect();
        let mut wanted = config::tree(&raw.value);
        for Edit { path, value } in &edits {
            put(&mut wanted, path.segments(), value.clone());
        }
        let text = edit::edit(&raw.text, &edits, &wanted);
        // What is taken out of it stands in the record, so nothing is lost without a copy beside it.
        replace(&raw.target, text.as_bytes(), None).map(drop).map_err(|error| error.to_string())
    }

    fn remember(&self, record: &Record) -> Result<(), String> {
        let bytes = serde_json::to_vec(record).map_err(|error| error.to_string())?;
        write_atomic(&self.record, &bytes, Durability::Durable)
            .map_err(|error| format!("which channels were switched off cannot be written down: {}", error.kind()))
    }
}

impl Record {
    /// One that cannot be read is as good as none.
    fn read(path: &Path) -> Self {
        let read = || -> Option<Self> {
            let mut text = String::new();
            std::fs::File::open(path).ok()?.take(MAX_RECORD).read_to_string(&mut text).ok()?;
            serde_json::from_str(&text).ok()
        };
        read().unwrap_or_default()
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

    struct Case {
        folder: tempfile::TempDir,
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
        Case { folder, config, switches }
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
        // To whoever asks what this node would own, they are on.
        let mut would = config::parsed(&off).unwrap();
        as_if_on(&mut would, case.folder.path(), &GatewayId("default".into()));
        assert_eq!(would, config::parsed(CONFIG).unwrap());
        let mut other = config::parsed(&off).unwrap();
        as_if_on(&mut other, case.folder.path(), &GatewayId("other".into()));
        assert_eq!(other, config::parsed(&off).unwrap(), "another gateway's channels are its own");
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

    /// What a gateway that runs is told to change by itself, done here by hand.
    #[test]
    fn a_plan_is_remembered_before_it_is_done_and_says_all_that_is_to_change() {
        let case = case(CONFIG);
        let apply = |plan: &Plan| {
            let mut config = config::parsed(&std::fs::read_to_string(&case.config).unwrap()).unwrap();
            for (name, change) in plan.patch()["channels"].as_object().unwrap() {
                let channel = config["channels"][name].as_object_mut().unwrap();
                if change["enabled"].is_null() {
                    channel.remove("enabled");
                } else {
                    channel.insert("enabled".into(), change["enabled"].clone());
                }
            }
            std::fs::write(&case.config, config.to_string()).unwrap();
        };
        let plan = case.switches.plan_off().unwrap().unwrap();
        assert_eq!(plan.names(), "discord, telegram");
        assert!(case.switches.are_off().unwrap_err().contains("still on"));
        // The guard ends here; the next one plans the same.
        assert_eq!(case.switches.plan_off().unwrap().as_ref(), Some(&plan));
        apply(&plan);
        case.switches.are_off().unwrap();
        assert_eq!(case.switches.plan_off().unwrap(), None);
        let plan = case.switches.plan_on().unwrap().unwrap();
        assert_eq!(plan.patch(), json!({"channels": {"discord": {"enabled": null}, "telegram": {"enabled": true}}}));
        assert!(case.switches.are_on().is_err());
        apply(&plan);
        // The guard ends here, before it has forgotten.
        assert_eq!(case.switches.plan_on().unwrap(), None);
        case.switches.are_on().unwrap();
        assert_eq!(
            config::parsed(&std::fs::read_to_string(&case.config).unwrap()).unwrap(),
            config::parsed(CONFIG).unwrap()
        );
    }

    #[test]
    fn a_config_that_somebody_changes_meanwhile_is_left_to_them() {
        let case = case(CONFIG);
        let raw = case.switches.raw().unwrap();
        let theirs = CONFIG.replace("// mine", "// mine, and more");
        std::fs::write(&case.config, &theirs).unwrap();
        let plan = Plan(vec![("telegram".to_owned(), Some(false))]);
        assert!(Switches::write(&raw, &plan).is_err());
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
