//! Codex CLI 0.169.0 (`codex exec --help`, `codex features list`): prints the last message alone.
//!
//! Its sandbox is read-only, and the tools that it would run there are switched off besides.

use super::{Call, owned};
use crate::settings::AiSettings;
use secrecy::SecretString;

/// Tools and helpers that are on by default.
const OFF: [&str; 13] = [
    "shell_tool",
    "unified_exec",
    "apps",
    "plugins",
    "multi_agent",
    "image_generation",
    "view_image",
    "hooks",
    "browser_use",
    "computer_use",
    "goals",
    "tool_suggest",
    "skill_search",
];

pub(super) fn call(settings: &AiSettings, credential: &SecretString, question: String) -> Call {
    let mut arguments = owned([
        "exec",
        "--sandbox",
        "read-only",
        "--skip-git-repo-check",
        "--ephemeral",
        "--ignore-user-config",
        "--ignore-rules",
        "--color",
        "never",
        "-c",
        "approval_policy=\"never\"",
        "-c",
        "web_search=\"disabled\"",
        "-c",
        "project_doc_max_bytes=0",
    ]);
    arguments.extend(OFF.iter().flat_map(|feature| ["--disable".to_owned(), (*feature).to_owned()]));
    if let Some(url) = &settings.base_url {
        let provider = format!(
            "model_providers.clawmend={{name=\"clawmend\",base_url=\"{url}\",env_key=\"CODEX_API_KEY\",wire_api=\"responses\"}}"
        );
        arguments.extend(["-c".to_owned(), "model_provider=\"clawmend\"".to_owned(), "-c".to_owned(), provider]);
    }
    if let Some(model) = &settings.model {
        arguments.extend(["--model".to_owned(), model.clone()]);
    }
    // The question comes through standard input.
    arguments.push("-".to_owned());
    Call { arguments, secret: Some(("CODEX_API_KEY", credential.clone())), input: question, ..Call::default() }
}
