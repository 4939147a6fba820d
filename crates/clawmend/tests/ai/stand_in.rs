//! Programs that stand in for the engines' CLIs. Each is as strict as the real one: another flag than those it knows, a
//! variable too many, a file in its folder, and it refuses. What it saw is written beside it.
#![allow(dead_code, reason = "two test targets use it, each a part of it")]

use clawmend::doctor::ai::Surroundings;
use clawmend::settings::{AiSettings, CredentialSource, Engine};
use secrecy::SecretString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The credential of all tests. It must turn up in the engine's own variable and nowhere else.
pub const CREDENTIAL: &str = "sk-ant-canary-credential-0123456789";
/// An answer that is taken.
pub const GOOD: &str = r#"{"hypotheses":[{"title":"The disk is full","why":"Line 1 says so.","cause":"disk_full","class":"fd-disk","confidence":0.8,"evidence":[1]}],"plan":[{"action":"free_own_logs","why":"makes room","evidence":[1]},{"action":"restart","why":"takes it up"},{"action":"tell","about":"outside","why":"Look what fills the disk."}]}"#;

/// A folder with a stand-in, and a state folder of our own.
pub struct Bench {
    folder: tempfile::TempDir,
    pub engine: Engine,
}

/// Flags and variables that the real programs know and need (`--help` of each, see `lab_ai.rs`).
fn contract(engine: Engine) -> (&'static str, &'static str) {
    match engine {
        Engine::Claude => (
            r#"need --print; need "--output-format json"; need "--tools "; need --restricted; need --safe-mode
               need --strict-mcp-config; need "--permission-mode plan"; need "--permission-prompts none"
               need --no-session-persistence; question=$(cat)"#,
            "ANTHROPIC_API_KEY CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC CLAUDE_CODE_MAX_OUTPUT_TOKENS CLAUDE_CODE_MAX_RETRIES DISABLE_AUTOUPDATER ANTHROPIC_BASE_URL",
        ),
        Engine::Codex => (
            r#"[ "$1" = exec ] || refuse "no exec"; need "--sandbox read-only"; need --skip-git-repo-check
               need --ephemeral; need --ignore-user-config; need "--disable shell_tool"; need 'approval_policy="never"'
               need 'web_search="disabled"'; for last; do :; done; [ "$last" = - ] || refuse "no question on stdin"
               question=$(cat)"#,
            "CODEX_API_KEY",
        ),
        Engine::Gemini => (
            r#"need "--prompt "; need "--output-format json"; need "--approval-mode plan"; need "--extensions none"
               grep -q '"deny"' "$HOME/.gemini/policies/no-tool.toml" || refuse "a tool is allowed"
               grep -qF "\"$PWD\":\"TRUST_FOLDER\"" "$HOME/.gemini/trustedFolders.json" || refuse "not a trusted folder"
               question=$(cat)"#,
            "GEMINI_API_KEY GOOGLE_GEMINI_BASE_URL",
        ),
        Engine::Iflow => (
            r#"[ "$1" = -p ] && [ $# = 2 ] || refuse "usage: iflow -p PROMPT"; question=$2
               [ "$IFLOW_approvalMode" = plan ] || refuse "not in plan mode"
               grep -q '"approvalMode":"plan"' "$HOME/.iflow/settings.json" || refuse "not in plan mode""#,
            "IFLOW_apiKey IFLOW_approvalMode IFLOW_disableAutoUpdate IFLOW_baseUrl IFLOW_modelName",
        ),
        Engine::None | Engine::Openai => ("refuse 'no program'", ""),
    }
}

impl Bench {
    /// With a stand-in for `engine` that does `then` (shell; `$question` is what it was asked) when all is in order.
    pub fn new(engine: Engine, then: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let seen = folder.path().join("seen");
        std::fs::create_dir(&seen).unwrap();
        std::fs::create_dir(folder.path().join("bin")).unwrap();
        let (checks, variables) = contract(engine);
        let script = format!(
            r#"#!/bin/sh
refuse() {{ echo "stand-in: $1" >&2; exit 97; }}
need() {{ case " $all " in *" $1 "*) ;; *) refuse "$1 is missing" ;; esac; }}
all="$*"
case "$all" in *dangerous*|*yolo*|*bypass*|*full-access*|*full-auto*|*auto_edit*) refuse "a permission is skipped" ;; esac
[ -z "$(ls -A .)" ] || refuse "the folder is not empty"
case "$PWD" in */ai/room-*/work) ;; *) refuse "not in a room: $PWD" ;; esac
for name in $(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p'); do
    case " PATH HOME USERPROFILE XDG_CONFIG_HOME XDG_DATA_HOME XDG_STATE_HOME XDG_CACHE_HOME TMPDIR TEMP TMP LANG NO_COLOR TERM PWD OLDPWD SHLVL _ {variables} " in
        *" $name "*) ;; *) refuse "inherited $name" ;;
    esac
done
case "$all" in *{CREDENTIAL}*) refuse "the credential is an argument" ;; esac
case "$(env)" in *{CREDENTIAL}*) ;; *) refuse "no credential" ;; esac
{checks}
printf '%s' "$question" > "{seen}/question"
printf '%s\n' "$all" > "{seen}/arguments"
echo $$ > "{seen}/pid"
{then}
"#,
            seen = seen.display(),
        );
        let bench = Self { folder, engine };
        let program = bench.program();
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        bench
    }

    /// The stand-in prints `answer` as the real engine would.
    pub fn answering(engine: Engine, answer: &str) -> Self {
        let printed = match engine {
            Engine::Claude => serde_json::json!({
                "type": "result", "subtype": "success", "is_error": false, "result": answer, "total_cost_usd": 0.0125,
            })
            .to_string(),
            Engine::Gemini => serde_json::json!({"session_id": "x", "response": answer, "stats": {}}).to_string(),
            Engine::Codex | Engine::Iflow | Engine::None | Engine::Openai => answer.to_owned(),
        };
        let bench = Self::new(engine, "");
        let file = bench.folder.path().join("answer");
        std::fs::write(&file, printed).unwrap();
        let mut script = std::fs::read_to_string(bench.program()).unwrap();
        script.push_str(&format!("cat '{}'\n", file.display()));
        std::fs::write(bench.program(), script).unwrap();
        bench
    }

    pub fn program(&self) -> PathBuf {
        self.folder.path().join("bin").join(self.engine.name())
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the stand-in wrote down.
    pub fn seen(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join("seen").join(name)).unwrap_or_default()
    }

    pub fn settings(&self) -> AiSettings {
        AiSettings {
            engine: self.engine,
            credential: Some(CredentialSource::Variable("THE_KEY".into())),
            timeout_ms: 120_000,
            calls_per_day: 100,
            ..AiSettings::default()
        }
    }

    pub fn around(&self) -> Surroundings {
        let bin = self.folder.path().join("bin");
        let path = std::env::join_paths([bin.as_path(), Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
        let credential = Some(SecretString::from(CREDENTIAL.to_owned()));
        Surroundings { path: Some(path), credential, ..Surroundings::default() }
    }

    /// Nothing of a call is left behind.
    pub fn assert_tidy(&self) {
        let left: Vec<_> = std::fs::read_dir(self.state().join("ai"))
            .map(|entries| entries.flatten().map(|entry| entry.file_name().into_string().unwrap()).collect())
            .unwrap_or_default();
        let kept = |name: &String| ["lock", "spent.json"].contains(&name.as_str());
        assert!(left.iter().all(kept), "{left:?}");
    }
}
