//! iFlow CLI: `iflow -p "PROMPT"`, and its documented settings, each of which may also be a variable `IFLOW_…`.
//!
//! It takes the question as an argument, which other users of this host can see while it runs. There is nothing secret in
//! it. Its `plan` mode reads only; that no tool is offered comes on top.

use super::Call;
use crate::settings::AiSettings;
use secrecy::SecretString;

pub(super) fn call(settings: &AiSettings, credential: &SecretString, question: String) -> Call {
    let service = if settings.base_url.is_some() { "openai-compatible" } else { "iflow" };
    let text = format!(
        r#"{{"selectedAuthType":"{service}","approvalMode":"plan","coreTools":[],"disableAutoUpdate":true,"disableTelemetry":true}}"#
    );
    let mut variables = vec![("IFLOW_approvalMode", "plan".to_owned()), ("IFLOW_disableAutoUpdate", "true".to_owned())];
    variables.extend(settings.base_url.iter().map(|url| ("IFLOW_baseUrl", url.to_string())));
    variables.extend(settings.model.iter().map(|model| ("IFLOW_modelName", model.clone())));
    Call {
        arguments: vec!["-p".to_owned(), question],
        variables,
        secret: Some(("IFLOW_apiKey", credential.clone())),
        // The empty file: it looks for one in every folder above, and takes the first.
        files: vec![(".iflow/settings.json", text), (".iflow/.env", String::new())],
        input: String::new(),
    }
}
