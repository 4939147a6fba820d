//! `[ai]`: which AI the doctor may ask, and how much that may cost.
//!
//! Nothing is asked unless an engine is named here. The credential itself never stands in the settings, only where it
//! is found.

mod base_url;

pub use base_url::{BadUrl, BaseUrl};

use serde::{Deserialize, Deserializer, de::Error as _};
use std::path::PathBuf;

/// `[ai]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Said")]
pub struct AiSettings {
    /// Whom to ask.
    pub engine: Engine,
    /// The engine's program, absolute; `None`: the first on `PATH`.
    pub program: Option<PathBuf>,
    /// The model; `None`: the engine's own choice. Never begins with `-`.
    pub model: Option<String>,
    /// The service behind the engine; `None`: the engine's own.
    pub base_url: Option<BaseUrl>,
    /// Where the credential is.
    pub credential: Option<CredentialSource>,
    /// A call that takes longer is ended.
    pub timeout_ms: u64,
    /// Calls in one day (UTC).
    pub calls_per_day: u64,
    /// What all calls of one day may cost, in millionths of a US dollar.
    pub cost_per_day_micro_usd: u64,
    /// What a call counts as when the engine does not tell its cost, in millionths of a US dollar.
    pub cost_per_call_micro_usd: u64,
    /// Longest prompt.
    pub max_prompt_bytes: u64,
    /// Steps that can be taken back and stay within the gateway run without asking.
    pub auto_heal: bool,
}

/// Whom to ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// Nobody.
    #[default]
    None,
    /// iFlow CLI.
    Iflow,
    /// Claude Code.
    Claude,
    /// Codex CLI.
    Codex,
    /// Gemini CLI.
    Gemini,
    /// A service that speaks OpenAI's chat completions.
    Openai,
}

impl Engine {
    /// The engines that are programs.
    pub const PROGRAMS: [Self; 4] = [Self::Iflow, Self::Claude, Self::Codex, Self::Gemini];

    /// Its name in the settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Iflow => "iflow",
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::Openai => "openai",
        }
    }
}

/// Where a credential is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialSource {
    /// In this variable of our own environment.
    Variable(String),
    /// In this file, which holds nothing else. Absolute.
    File(PathBuf),
}

impl Default for AiSettings {
    fn default() -> Self {
        Self {
            engine: Engine::None,
            program: None,
            model: None,
            base_url: None,
            credential: None,
            timeout_ms: 120_000,
            calls_per_day: 10,
            cost_per_day_micro_usd: 1_000_000,
            cost_per_call_micro_usd: 100_000,
            max_prompt_bytes: 24 * 1024,
            auto_heal: false,
        }
    }
}

/// The section as it stands in the file.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Said {
    engine: Engine,
    program: Option<PathBuf>,
    #[serde(deserialize_with = "model")]
    model: Option<String>,
    #[serde(deserialize_with = "base_url")]
    base_url: Option<BaseUrl>,
    #[serde(deserialize_with = "variable")]
    credential_env: Option<String>,
    credential_file: Option<PathBuf>,
    #[serde(deserialize_with = "between::<5_000, 600_000, _>")]
    timeout_ms: Option<u64>,
    #[serde(deserialize_with = "between::<1, 1_000, _>")]
    calls_per_day: Option<u64>,
    #[serde(deserialize_with = "dollars")]
    cost_per_day_usd: Option<u64>,
    #[serde(deserialize_with = "dollars")]
    cost_per_call_usd: Option<u64>,
    #[serde(deserialize_with = "between::<12_288, 98_304, _>")]
    max_prompt_bytes: Option<u64>,
    auto_heal: bool,
}

impl TryFrom<Said> for AiSettings {
    type Error = String;

    fn try_from(said: Said) -> Result<Self, String> {
        let credential = match (said.credential_env, said.credential_file) {
            (Some(_), Some(_)) => return Err("credential_env and credential_file are both set, expected one".into()),
            (Some(name), None) => Some(CredentialSource::Variable(name)),
            (None, Some(path)) => Some(CredentialSource::File(absolute("credential_file", path)?)),
            (None, None) => None,
        };
        if said.engine == Engine::Openai && (said.base_url.is_none() || said.model.is_none()) {
            return Err("engine `openai` needs base_url and model".into());
        }
        let usual = Self::default();
        Ok(Self {
            engine: said.engine,
            program: said.program.map(|path| absolute("program", path)).transpose()?,
            model: said.model,
            base_url: said.base_url,
            credential,
            timeout_ms: said.timeout_ms.unwrap_or(usual.timeout_ms),
            calls_per_day: said.calls_per_day.unwrap_or(usual.calls_per_day),
            cost_per_day_micro_usd: said.cost_per_day_usd.unwrap_or(usual.cost_per_day_micro_usd),
            cost_per_call_micro_usd: said.cost_per_call_usd.unwrap_or(usual.cost_per_call_micro_usd),
            max_prompt_bytes: said.max_prompt_bytes.unwrap_or(usual.max_prompt_bytes),
            auto_heal: said.auto_heal,
        })
    }
}

fn absolute(setting: &str, path: PathBuf) -> Result<PathBuf, String> {
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(format!("{setting} is {}, expected an absolute path", path.display()))
    }
}

fn between<'de, const MIN: u64, const MAX: u64, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let figure = u64::deserialize(from)?;
    if (MIN..=MAX).contains(&figure) {
        Ok(Some(figure))
    } else {
        Err(D::Error::custom(format!("{figure} is out of range, expected {MIN} to {MAX}")))
    }
}

/// Dollars as millionths.
fn dollars<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let figure = f64::deserialize(from)?;
    if !(0.0..=1000.0).contains(&figure) {
        return Err(D::Error::custom(format!("{figure} is out of range, expected 0 to 1000 US dollars")));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 10⁹, checked above")]
    Ok(Some((figure * 1e6).round() as u64))
}

/// A model's name becomes an argument of a program, so it must not look like an option.
fn model<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let name = String::deserialize(from)?;
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b':' | b'/' | b'@');
    if !(1..=128).contains(&name.len()) || name.starts_with('-') || !name.bytes().all(fine) {
        return Err(D::Error::custom("expected a model's name: 1 to 128 letters, digits and . _ - : / @"));
    }
    Ok(Some(name))
}

fn base_url<'de, D: Deserializer<'de>>(from: D) -> Result<Option<BaseUrl>, D::Error> {
    String::deserialize(from)?.parse().map(Some).map_err(D::Error::custom)
}

fn variable<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let name = String::deserialize(from)?;
    let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if !(1..=128).contains(&name.len()) || name.starts_with(|c: char| c.is_ascii_digit()) || !name.bytes().all(fine) {
        return Err(D::Error::custom("expected the name of an environment variable, not the credential itself"));
    }
    Ok(Some(name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::settings::parse;
    use std::path::Path;

    fn read(text: &str) -> Result<AiSettings, String> {
        parse(Path::new("clawmend.toml"), text).map(|settings| settings.ai).map_err(|error| error.to_string())
    }

    #[test]
    fn nobody_is_asked_unless_a_person_says_so() {
        assert_eq!(read("").unwrap().engine, Engine::None);
        assert_eq!(read("[ai]\n").unwrap(), AiSettings::default());
    }

    #[test]
    fn a_whole_section_is_understood() {
        let text = r#"
            [ai]
            engine = "openai"
            model = "deepseek/chat:v3"
            base_url = "https://models.example.com/v1/"
            credential_env = "DEEPSEEK_API_KEY"
            timeout_ms = 30000
            calls_per_day = 3
            cost_per_day_usd = 0.5
            cost_per_call_usd = 1
            max_prompt_bytes = 16384
        "#;
        let settings = read(text).unwrap();
        assert_eq!(settings.engine, Engine::Openai);
        assert_eq!(settings.base_url.unwrap().to_string(), "https://models.example.com/v1");
        assert_eq!(settings.credential, Some(CredentialSource::Variable("DEEPSEEK_API_KEY".into())));
        assert_eq!((settings.cost_per_day_micro_usd, settings.cost_per_call_micro_usd), (500_000, 1_000_000));
        let file = read("[ai]\nengine = \"claude\"\ncredential_file = \"/run/secrets/key\"\n").unwrap();
        assert_eq!(file.credential, Some(CredentialSource::File("/run/secrets/key".into())));
    }

    #[test]
    fn a_credential_in_the_wrong_place_is_not_repeated() {
        for line in
            ["credential_env = \"sk-ant-api03-canary0123456789\"", "base_url = \"https://u:canary0123456789abcdef@x\""]
        {
            let error = parse(Path::new("clawmend.toml"), &format!("[ai]\n{line}\n")).unwrap_err();
            assert!(!format!("{error:?} {error}").contains("canary"), "{error:?}");
        }
    }

    #[test]
    fn errors_say_what_was_expected() {
        let lines = [
            "engine = \"gpt\"",
            "engine = \"openai\"",
            "program = \"claude\"",
            "model = \"--dangerously-skip-permissions\"",
            "model = \"a b\"",
            "base_url = \"http://models.example.com/v1\"",
            "base_url = \"https://user:pass@models.example.com\"",
            "credential_env = \"sk-ant-1234\"",
            "credential_env = \"A\"\ncredential_file = \"/b\"",
            "credential_file = \"key\"",
            "timeout_ms = 1",
            "calls_per_day = 0",
            "cost_per_day_usd = -1.0",
            "max_prompt_bytes = 1000000",
            "api_key = \"sk-1\"",
        ];
        insta::assert_snapshot!(lines.map(|line| read(&format!("[ai]\n{line}\n")).unwrap_err()).join("\n"));
    }
}
