//! Claude Code 2.1.329 (`claude --help`): prints one JSON object, with its cost.

use super::{Call, owned};
use crate::settings::AiSettings;
use secrecy::{ExposeSecret as _, SecretString};

/// Longest answer that is asked for, in tokens.
const MAX_ANSWER_TOKENS: &str = "8192";
/// Tokens of a subscription (`claude setup-token`) begin with this; they go into a variable of their own.
const SUBSCRIPTION: &str = "sk-ant-oat";

pub(super) fn call(
    settings: &AiSettings,
    credential: &SecretString,
    question: String,
    may_cost_micro_usd: u64,
) -> Call {
    let mut arguments = owned([
        "--print",
        "--output-format",
        "json",
        "--tools",
        "",
        "--restricted",
        "--safe-mode",
        "--strict-mcp-config",
        "--disable-slash-commands",
        "--permission-mode",
        "plan",
        "--permission-prompts",
        "none",
        "--no-session-persistence",
        "--no-chrome",
    ]);
    if may_cost_micro_usd > 0 {
        let limit = format!("{}.{:06}", may_cost_micro_usd / 1_000_000, may_cost_micro_usd % 1_000_000);
        arguments.extend(["--max-budget-usd".to_owned(), limit]);
    }
    if let Some(model) = &settings.model {
        arguments.extend(["--model".to_owned(), model.clone()]);
    }
    let mut variables = vec![
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1".to_owned()),
        ("CLAUDE_CODE_MAX_OUTPUT_TOKENS", MAX_ANSWER_TOKENS.to_owned()),
        ("CLAUDE_CODE_MAX_RETRIES", "1".to_owned()),
        ("DISABLE_AUTOUPDATER", "1".to_owned()),
    ];
    if let Some(url) = &settings.base_url {
        variables.push(("ANTHROPIC_BASE_URL", url.to_string()));
    }
    let subscribed = credential.expose_secret().starts_with(SUBSCRIPTION);
    let name = if subscribed { "CLAUDE_CODE_OAUTH_TOKEN" } else { "ANTHROPIC_API_KEY" };
    Call { arguments, variables, secret: Some((name, credential.clone())), files: Vec::new(), input: question }
}
