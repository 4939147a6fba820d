//! Gemini CLI 0.61.0 (`gemini --help`): prints one JSON object.
//!
//! Its plan mode alone is not enough: without a person at the terminal it approves the end of the plan itself and goes on
//! to carry it out. So a policy denies every tool, which also takes them out of what the model sees. It runs only in a
//! folder that is trusted: the empty one is, by name.

use super::super::room::WORK;
use super::{Call, owned};
use crate::settings::AiSettings;
use secrecy::SecretString;

/// Nothing that sends anything besides the question, and one turn.
const SETTINGS: &str = r#"{"security":{"auth":{"selectedType":"gemini-api-key"}},"general":{"enableAutoUpdate":false},"privacy":{"usageStatisticsEnabled":false},"telemetry":{"enabled":false},"model":{"maxSessionTurns":1}}"#;
const NO_TOOL: &str = "[[rule]]\ntoolName = \"*\"\ndecision = \"deny\"\npriority = 999\n";

pub(super) fn call(settings: &AiSettings, credential: &SecretString, question: String) -> Call {
    let mut arguments =
        owned(["--prompt", "", "--output-format", "json", "--approval-mode", "plan", "--extensions", "none"]);
    if let Some(model) = &settings.model {
        arguments.extend(["--model".to_owned(), model.clone()]);
    }
    let variables = settings.base_url.iter().map(|url| ("GOOGLE_GEMINI_BASE_URL", url.to_string())).collect();
    let files = vec![
        (".gemini/settings.json", SETTINGS.to_owned()),
        (".gemini/trustedFolders.json", format!("{{\"{}\":\"TRUST_FOLDER\"}}", WORK)),
        (".gemini/policies/no-tool.toml", NO_TOOL.to_owned()),
        // It looks for one in every folder above, and takes the first.
        (".gemini/.env", String::new()),
    ];
    Call { arguments, variables, secret: Some(("GEMINI_API_KEY", credential.clone())), files, input: question }
}
