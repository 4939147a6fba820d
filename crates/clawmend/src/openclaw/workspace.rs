//! Where the assistant's own files are, and those of a gateway's other agents.
//!
//! Invariant: a folder is the one that OpenClaw 2026.9.6 takes, or none is named. Where it cannot be known there is an
//! error and no guess: what lies elsewhere is not the assistant's. Start at [`workspaces`].

use super::config::{read_tree, substitute, variable};
use super::discovery::{Home, expand};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The agent that is there where none is configured.
const MAIN: &str = "main";
/// Longest id of an agent.
const MAX_ID: usize = 64;
/// Stands in for OpenClaw's own default folder.
const VARIABLE: &str = "OPENCLAW_WORKSPACE_DIR";

/// The workspaces of a gateway's agents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspaces {
    /// The default agent's.
    pub folder: PathBuf,
    /// Those of other agents that are not in it.
    pub elsewhere: Vec<Elsewhere>,
}

/// An agent whose workspace is not in the default agent's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// Its id, in OpenClaw's form.
    pub agent: String,
    /// Its workspace, where that can be known.
    pub folder: Option<PathBuf>,
}

/// The default agent's workspace. `env` answers like the environment of the gateway.
///
/// # Errors
/// As [`workspaces`].
pub fn folder(home: &Home, env: &dyn Fn(&str) -> Option<String>) -> Result<PathBuf, String> {
    workspaces(home, env).map(|found| found.folder)
}

/// The default agent's workspace, and those that lie elsewhere. `env` answers like the environment of the gateway.
///
/// # Errors
/// In words for people: the config cannot be read, names no default agent, or does not say where the folder is.
pub fn workspaces(home: &Home, env: &dyn Fn(&str) -> Option<String>) -> Result<Workspaces, String> {
    let unknown = |why: String| format!("it is not known which folder is the assistant's workspace: {why}");
    let config = read_tree(home, env).map_err(|problem| unknown(problem.message))?;
    let fleet = Fleet::of(config.get("agents"));
    let places = Places { home, env, config: &config, heir: fleet.heir.as_deref() };
    let default = fleet.default().map_err(unknown)?;
    let folder = places.of(default).map_err(unknown)?;
    let root = real(&folder);
    let mut elsewhere = Vec::new();
    for agent in fleet.agents.iter().filter(|agent| agent.id != default.id) {
        let place = places.of(agent).ok();
        let in_it = |place: &PathBuf| place.starts_with(&folder) || real(place).starts_with(&root);
        if place.as_ref().is_none_or(|place| !in_it(place)) {
            elsewhere.push(Elsewhere { agent: agent.id.clone(), folder: place });
        }
    }
    Ok(Workspaces { folder, elsewhere })
}

/// It may not be there yet.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

struct Agent {
    id: String,
    /// `workspace` of its entry.
    workspace: Option<String>,
    /// `default: true`, as earlier versions wrote it.
    marked: bool,
}

impl Agent {
    fn of(id: &str, entry: &Map<String, Value>) -> Self {
        let marked = entry.get("default") == Some(&Value::Bool(true));
        Self { id: agent_id(id), workspace: entry.get("workspace").and_then(text), marked }
    }
}

/// The agents of a config.
struct Fleet {
    agents: Vec<Agent>,
    /// The one whose workspace is the default folder itself, and none that is named after the agent.
    heir: Option<String>,
    /// `agents.defaults.systemAgent.agentId`.
    system: Option<String>,
}

impl Fleet {
    /// `agents.entries`, else `agents.list` of earlier versions, which 2026.9.6 takes as well.
    fn of(section: Option<&Value>) -> Self {
        let get = |key: &str| section.and_then(|section| section.get(key));
        let (entries, list) = (get("entries"), get("list"));
        let explicit = get("ownership").and_then(Value::as_str) == Some("explicit");
        let listed = entries.is_none() && list.is_some();
        let mut agents = if listed { in_list(list) } else { in_entries(entries) };
        let mut seen = BTreeSet::new();
        agents.retain(|agent| seen.insert(agent.id.clone()));
        if agents.is_empty() && !explicit {
            agents.push(Agent { id: MAIN.to_owned(), workspace: None, marked: false });
        }
        let marked: Vec<&Agent> = agents.iter().filter(|agent| agent.marked).collect();
        let heir = match (marked.as_slice(), agents.as_slice()) {
            ([one], _) if !explicit => Some(one.id.clone()),
            (_, [only]) => Some(only.id.clone()),
            // A list has an order, and its first agent was the default one.
            ([], [first, ..]) if listed && !explicit => Some(first.id.clone()),
            _ => None,
        };
        let system = section.and_then(|section| section.pointer("/defaults/systemAgent/agentId")).and_then(text);
        Self { agents, heir, system: system.map(|id| agent_id(&id)) }
    }

    /// Of several agents that are said to be equal, the one that OpenClaw itself would take for what belongs to none;
    /// its `doctor` takes `main` for that.
    fn default(&self) -> Result<&Agent, String> {
        let named = |id: &str| self.agents.iter().find(|agent| agent.id == id);
        let default = self.heir.as_deref().and_then(named).or_else(|| self.system.as_deref().and_then(named));
        default.or_else(|| named(MAIN)).ok_or_else(|| {
            "OpenClaw has several agents and no default one; name it: \
             `openclaw config set agents.defaults.systemAgent.agentId ID`"
                .to_owned()
        })
    }
}

fn in_entries(entries: Option<&Value>) -> Vec<Agent> {
    let entries = entries.and_then(Value::as_object).into_iter().flatten();
    entries.filter_map(|(id, entry)| Some(Agent::of(id, entry.as_object()?))).collect()
}

fn in_list(list: Option<&Value>) -> Vec<Agent> {
    let entries = list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object);
    entries.map(|entry| Agent::of(entry.get("id").and_then(Value::as_str).unwrap_or_default(), entry)).collect()
}

/// What a place follows from.
struct Places<'a> {
    home: &'a Home,
    env: &'a dyn Fn(&str) -> Option<String>,
    config: &'a Value,
    heir: Option<&'a str>,
}

impl Places<'_> {
    /// The workspace of an agent.
    fn of(&self, agent: &Agent) -> Result<PathBuf, String> {
        if let Some(own) = &agent.workspace {
            return self.set(own, &format!("`workspace` of the agent {}", agent.id));
        }
        let inherits = self.heir == Some(agent.id.as_str());
        match self.config.pointer("/agents/defaults/workspace").and_then(text) {
            Some(shared) => {
                let root = self.set(&shared, "`agents.defaults.workspace`")?;
                Ok(if inherits { root } else { root.join(&agent.id) })
            }
            None if inherits => self.built_in(),
            None => Ok(self.home.state_dir.join(format!("workspace-{}", agent.id))),
        }
    }

    /// In this variable, `~` is a name like any other.
    fn built_in(&self) -> Result<PathBuf, String> {
        let set = variable(self.config, self.env, VARIABLE).map(|value| value.trim().to_owned());
        match set.filter(|value| !value.is_empty()) {
            Some(value) if !Path::new(&value).is_absolute() => Err(relative(VARIABLE)),
            Some(value) => Ok(expand(&value, &self.home.user_home)),
            None => Ok(self.home.state_dir.join("workspace")),
        }
    }

    /// A folder that the config names.
    fn set(&self, raw: &str, setting: &str) -> Result<PathBuf, String> {
        let variables = |name: &str| variable(self.config, self.env, name);
        let value = substitute(raw, &variables).map_err(|_| format!("{setting} names a variable that is not set"))?;
        let value = value.trim().replace('\0', "");
        let in_home = value == "~" || value.starts_with("~/") || value.starts_with("~\\");
        if in_home || Path::new(&value).is_absolute() {
            Ok(expand(&value, &self.home.user_home))
        } else {
            Err(relative(setting))
        }
    }
}

fn relative(setting: &str) -> String {
    format!("{setting} is no absolute path, so it depends on where OpenClaw was started; write it as a whole")
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// As it stands in names of folders.
fn agent_id(raw: &str) -> String {
    let id = raw.trim().to_lowercase();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if id.len() <= MAX_ID && !id.starts_with(['_', '-']) && !id.is_empty() && id.chars().all(plain) {
        return id;
    }
    let (mut out, mut between) = (String::new(), false);
    for c in id.chars() {
        if plain(c) {
            out.push(c);
        } else if !between {
            out.push('-');
        }
        between = !plain(c);
    }
    let out: String = out.trim_matches('-').chars().take(MAX_ID).collect();
    if out.is_empty() { MAIN.to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::openclaw::discovery::discover;
    use serde_json::json;

    /// By this section `agents`, below the user's home where it lies there.
    fn found(agents: &Value, env: &[(&str, &str)]) -> Result<Workspaces, String> {
        let user = tempfile::tempdir().unwrap();
        let env = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let home = discover(env, user.path()).remove(0);
        std::fs::create_dir_all(&home.state_dir).unwrap();
        std::fs::write(&home.config_path, json!({"agents": agents}).to_string()).unwrap();
        let found = workspaces(&home, &env)?;
        let below = |path: PathBuf| path.strip_prefix(user.path()).map_or(path.clone(), Path::to_owned);
        let elsewhere = found.elsewhere.into_iter();
        let elsewhere =
            elsewhere.map(|one| Elsewhere { agent: one.agent, folder: one.folder.map(below) }).collect::<Vec<_>>();
        Ok(Workspaces { folder: below(found.folder), elsewhere })
    }

    fn folder_of(agents: &Value, env: &[(&str, &str)]) -> Result<PathBuf, String> {
        found(agents, env).map(|found| found.folder)
    }

    fn elsewhere(agent: &str, folder: &str) -> Elsewhere {
        Elsewhere { agent: agent.into(), folder: Some(folder.into()) }
    }

    #[test]
    fn one_agent_has_the_folder_that_is_set_or_openclaws_own() {
        let workspace = |set: &str| json!({"defaults": {"workspace": set}});
        for (set, wanted) in [
            ("/srv/assistant", "/srv/assistant"),
            (" /srv/a/../assistant/ ", "/srv/assistant"),
            ("~/assistant", "assistant"),
            ("~", ""),
            ("", ".openclaw/workspace"),
            ("${PLACE}/assistant", "/srv/assistant"),
        ] {
            assert_eq!(folder_of(&workspace(set), &[("PLACE", "/srv")]), Ok(wanted.into()), "{set}");
        }
        for set in ["relative", "~other/x", "${UNSET}/x"] {
            let why = folder_of(&workspace(set), &[]).unwrap_err();
            assert!(why.starts_with("it is not known") && why.contains("`agents.defaults.workspace`"), "{why}");
        }
        assert_eq!(folder_of(&Value::Null, &[]), Ok(".openclaw/workspace".into()));
        assert_eq!(folder_of(&json!({"entries": {}}), &[]), Ok(".openclaw/workspace".into()));
        let own = json!({"entries": {"me": {"workspace": "~/mine"}}, "defaults": {"workspace": "/srv/all"}});
        assert_eq!(folder_of(&own, &[]), Ok("mine".into()));
        let only = json!({"ownership": "explicit", "entries": {"me": {}}, "defaults": {"workspace": "/srv/all"}});
        assert_eq!(folder_of(&only, &[]), Ok("/srv/all".into()), "a sole agent inherits it");
    }

    #[test]
    fn the_environment_stands_in_for_the_built_in_default_alone() {
        let set = [("OPENCLAW_WORKSPACE_DIR", " /srv/by-env ")];
        assert_eq!(folder_of(&json!({}), &set), Ok("/srv/by-env".into()));
        assert_eq!(folder_of(&json!({"defaults": {"workspace": "/srv/set"}}), &set), Ok("/srv/set".into()));
        assert!(folder_of(&json!({}), &[("OPENCLAW_WORKSPACE_DIR", "~/x")]).is_err());
        let profile = [("OPENCLAW_PROFILE", "work")];
        assert_eq!(folder_of(&json!({}), &profile), Ok(".openclaw-work/workspace".into()));
    }

    #[test]
    fn of_several_agents_the_default_one_counts_and_the_others_are_named() {
        let marked = json!({"entries": {"main": {}, "Work": {"default": true}, "off": {"workspace": "relative"}}});
        let by_mark = found(&marked, &[]).unwrap();
        assert_eq!(by_mark.folder, Path::new(".openclaw/workspace"));
        let off = Elsewhere { agent: "off".into(), folder: None };
        assert_eq!(by_mark.elsewhere, [elsewhere("main", ".openclaw/workspace-main"), off]);
        let inside = json!({
            "entries": {"a": {"default": true}, "b": {}, "c": {"workspace": "/srv/all"}, "d": {"workspace": "/srv/d"}},
            "defaults": {"workspace": "/srv/all"},
        });
        let inside = found(&inside, &[]).unwrap();
        assert_eq!((inside.folder, inside.elsewhere), ("/srv/all".into(), vec![elsewhere("d", "/srv/d")]));
    }

    #[test]
    fn a_fleet_without_a_default_one_inherits_nothing() {
        let fleet = |set: Value, all: Value| json!({"ownership": "explicit", "defaults": set, "entries": all});
        let named = fleet(json!({"systemAgent": {"agentId": "Ops"}}), json!({"main": {}, "ops": {}}));
        let named = found(&named, &[("OPENCLAW_WORKSPACE_DIR", "/srv/by-env")]).unwrap();
        assert_eq!(named.folder, Path::new(".openclaw/workspace-ops"));
        assert_eq!(named.elsewhere, [elsewhere("main", ".openclaw/workspace-main")]);
        let main = fleet(json!({"workspace": "/srv/all"}), json!({"a": {}, "main": {}}));
        assert_eq!(folder_of(&main, &[]), Ok("/srv/all/main".into()));
        let none = folder_of(&fleet(json!({}), json!({"a": {}, "b": {}})), &[]).unwrap_err();
        assert!(none.contains("agents.defaults.systemAgent.agentId"), "{none}");
    }

    #[test]
    fn the_list_of_earlier_versions_is_read_and_its_first_agent_is_the_default_one() {
        let first = found(&json!({"list": [{"id": "a b"}, {"id": "c"}]}), &[]).unwrap();
        assert_eq!(first.folder, Path::new(".openclaw/workspace"));
        assert_eq!(first.elsewhere, [elsewhere("c", ".openclaw/workspace-c")]);
        let marked = json!({"list": [{"id": "a"}, {"id": "c", "default": true, "workspace": "~/c"}]});
        let marked = found(&marked, &[]).unwrap();
        assert_eq!((marked.folder, marked.elsewhere), ("c".into(), vec![elsewhere("a", ".openclaw/workspace-a")]));
        assert_eq!(
            folder_of(&json!({"list": [{"id": "a"}], "entries": {"e": {"workspace": "/e"}}}), &[]),
            Ok("/e".into())
        );
    }

    #[test]
    fn a_config_that_cannot_be_read_names_no_folder() {
        let user = tempfile::tempdir().unwrap();
        let home = discover(|_| None, user.path()).remove(0);
        std::fs::create_dir_all(&home.state_dir).unwrap();
        assert!(folder(&home, &|_| None).unwrap_err().contains("the config cannot be read"));
        std::fs::write(&home.config_path, "{\"agents\": ").unwrap();
        assert!(folder(&home, &|_| None).unwrap_err().contains("not valid JSON5"));
    }

    #[test]
    fn an_id_has_openclaws_form() {
        for (raw, id) in
            [("Work", "work"), (" My Bot! ", "my-bot"), ("a-", "a-"), ("_x", "_x"), ("助手", "main"), ("", "main")]
        {
            assert_eq!(agent_id(raw), id, "{raw}");
        }
        assert_eq!(agent_id(&"x".repeat(70)).len(), MAX_ID);
    }
}
