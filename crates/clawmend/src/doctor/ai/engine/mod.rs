//! How each engine is asked, as a list of arguments, variables and files.
//!
//! Invariants: no engine gets a tool, and none a flag that skips a permission; the question goes through standard input
//! where the program takes it there; a version that does not know a flag refuses to run, and that is right. Flags and
//! variables are those of the versions named in each file, tried against a model on loopback (`tests/lab_ai.rs`).

mod claude;
mod codex;
mod gemini;
mod iflow;

use crate::settings::{AiSettings, Engine};
use secrecy::SecretString;

/// One call of a program.
#[derive(Debug, Default)]
pub struct Call {
    /// Its arguments; never a secret.
    pub arguments: Vec<String>,
    /// Its own variables.
    pub variables: Vec<(&'static str, String)>,
    /// The variable with the credential.
    pub secret: Option<(&'static str, SecretString)>,
    /// Files in its home; `{work}` stands for the folder that it stands in.
    pub files: Vec<(&'static str, String)>,
    /// Its standard input.
    pub input: String,
}

/// The call of the engine in `settings`; `None` when that engine is no program. `may_cost_micro_usd` goes to engines
/// that can hold a limit themselves.
#[must_use]
pub fn call(
    settings: &AiSettings,
    credential: &SecretString,
    question: String,
    may_cost_micro_usd: u64,
) -> Option<Call> {
    match settings.engine {
        Engine::Claude => Some(claude::call(settings, credential, question, may_cost_micro_usd)),
        Engine::Codex => Some(codex::call(settings, credential, question)),
        Engine::Gemini => Some(gemini::call(settings, credential, question)),
        Engine::Iflow => Some(iflow::call(settings, credential, question)),
        Engine::None | Engine::Openai => None,
    }
}

fn owned<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use secrecy::ExposeSecret as _;
    use std::fmt::Write as _;

    fn settings(engine: Engine, whole: bool) -> AiSettings {
        let base_url = whole.then(|| "http://127.0.0.1:9/v1".parse().unwrap());
        AiSettings { engine, base_url, model: whole.then(|| "model-1".into()), ..AiSettings::default() }
    }

    #[test]
    fn how_each_engine_is_asked() {
        let mut told = String::new();
        for engine in Engine::PROGRAMS {
            for whole in [false, true] {
                let secret = SecretString::from("sk-canary".to_owned());
                let call = call(&settings(engine, whole), &secret, "QUESTION".into(), 250_000).unwrap();
                let (name, value) = call.secret.as_ref().unwrap();
                assert_eq!(value.expose_secret(), "sk-canary");
                writeln!(told, "{} {}", engine.name(), call.arguments.join(" ⏐ ")).unwrap();
                call.variables.iter().for_each(|(name, value)| writeln!(told, "  {name}={value}").unwrap());
                call.files.iter().for_each(|(name, text)| writeln!(told, "  {name}: {text:?}").unwrap());
                writeln!(told, "  {name}=…, input {:?}\n", call.input).unwrap();
            }
        }
        assert!(!told.contains("canary"));
        insta::assert_snapshot!(told);
    }

    #[test]
    fn no_engine_may_skip_a_permission() {
        for engine in Engine::PROGRAMS {
            let call = call(&settings(engine, true), &"sk".to_owned().into(), "QUESTION".into(), 1).unwrap();
            let files = call.files.iter().map(|(_, text)| text.as_str());
            let all =
                call.arguments.iter().map(String::as_str).chain(files).collect::<Vec<_>>().join(" ").to_lowercase();
            for word in
                ["dangerous", "yolo", "bypass", "skip-permission", "full-access", "full-auto", "auto_edit", "accept"]
            {
                assert!(!all.contains(word), "{engine:?}: {word}");
            }
        }
    }

    #[test]
    fn a_subscription_of_claude_goes_into_its_own_variable() {
        let secret = SecretString::from("sk-ant-oat01-abc".to_owned());
        let call = call(&settings(Engine::Claude, false), &secret, String::new(), 1).unwrap();
        assert_eq!(call.secret.unwrap().0, "CLAUDE_CODE_OAUTH_TOKEN");
    }
}
