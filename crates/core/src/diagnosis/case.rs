//! A case: a known failure with its signature, its remedy and where it was seen.
//!
//! A case is data: no code runs because of it that is not in the closed lists here. Invariant: [`Case::check`] has
//! passed before a case takes part in a diagnosis. `cases/README.md` describes the files.

use super::class::{CauseCode, Class, HangClass};
use serde::{Deserialize, Serialize};

/// Version of the file format.
pub const SCHEMA: u32 = 1;
/// Most signs of one case.
const MAX_SIGNS: usize = 24;
/// Most example lines and symptoms of one case.
const MAX_EXAMPLES: usize = 24;
/// Longest single text of a case, in bytes.
const MAX_TEXT: usize = 2000;
/// Shortest text that may stand for a failure; shorter ones occur everywhere.
const MIN_SIGN: usize = 6;

/// A text in both languages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// English.
    pub en: String,
    /// Chinese.
    pub zh: String,
}

/// How much a sign proves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// It goes with this failure, and with others. Never enough alone.
    Hint,
    /// It nearly always means this failure.
    #[default]
    Strong,
    /// It names this failure.
    Proof,
}

/// What a line must hold to count for a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sign {
    /// A text that the line contains, capital letters or not. Without quotation marks, since the JSON log escapes
    /// them.
    pub text: String,
    /// What the line's message must match besides. Its first group becomes part of the cause's detail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    /// The line does not count when it holds one of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unless: Vec<String>,
    /// How much it proves.
    #[serde(default)]
    pub strength: Strength,
    /// Only OpenClaw writes this. Other texts count only in the log of a gateway.
    #[serde(default)]
    pub own: bool,
    /// The message begins with it.
    #[serde(default)]
    pub start: bool,
}

/// A fact that is not a line of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// It exited with this code.
    ExitCode(u8),
    /// This signal ended it.
    ExitSignal(u8),
    /// The config on disk.
    Config(ConfigState),
    /// The disk under the state folder has no room.
    DiskFull,
    /// The process is stopped by a signal (state `T`).
    Stopped,
    /// Its event loop never yields.
    Spinning,
    /// It lives, and no socket of it listens.
    NotListening,
    /// A channel is down or suppressed while the gateway serves.
    ChannelDown,
    /// The evidence of a hang says this.
    Hang(HangClass),
}

/// What our own look at the config found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfigState {
    /// There is none.
    Missing,
    /// It is empty.
    Empty,
    /// It is no JSON5.
    Unparseable,
    /// `gateway.mode` is missing.
    ModeMissing,
    /// It names a variable that the running gateway does not have.
    VariableUnset,
}

/// A fact that counts for a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FactSign {
    /// Which.
    pub is: Fact,
    /// How much it proves.
    #[serde(default)]
    pub strength: Strength,
}

/// What must be so besides the signs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Needs {
    /// So many lines; fewer are normal life. 0 and 1 mean one.
    #[serde(default)]
    pub count: u32,
    /// Within so many seconds, where the lines say when they were written; 0 for any time.
    #[serde(default)]
    pub within_s: u32,
    /// When the exit code is known, it must be one of these; empty for any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exit_codes: Vec<u8>,
}

/// Where a case stands between cause and effect. Causes come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// It is why the others happen.
    #[default]
    Root,
    /// It follows from something else, which may be unknown.
    Effect,
    /// Good to know; rarely the reason why people look.
    Aside,
}

/// What can be done, the smallest radius first. A closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemedyAction {
    /// Start one channel over RPC.
    StartChannel,
    /// Have the gateway resolve its secrets again, over RPC.
    ReloadSecrets,
    /// Put the newest proven config back.
    RestoreConfig,
    /// Delete old logs of OpenClaw and our own.
    FreeOwnLogs,
    /// Set a lock file aside whose owner is proven dead.
    QuarantineLock,
    /// Start the gateway.
    Start,
    /// Restart the gateway through whoever owns it.
    Restart,
    /// Say what a person must do.
    Tell,
}

impl RemedyAction {
    /// What it does, for people.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::StartChannel => "start a channel",
            Self::ReloadSecrets => "have its secrets read again",
            Self::RestoreConfig => "bring back the newest proven config",
            Self::FreeOwnLogs => "delete old logs",
            Self::QuarantineLock => "move a lock aside",
            Self::Start => "start the gateway",
            Self::Restart => "restart the gateway",
            Self::Tell => "a person's work",
        }
    }
}

/// One step of a remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remedy {
    /// What.
    pub action: RemedyAction,
    /// It may be done without asking, once every guard of the case holds.
    #[serde(default)]
    pub auto: bool,
}

/// What must be proven by a look of our own, not by a log, before an automatic step. A closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    /// The process is gone.
    ProcessGone,
    /// The lock's owner is dead: pid and start time.
    LockOwnerDead,
    /// The config on disk is broken.
    ConfigBroken,
    /// The disk has no room.
    DiskFull,
    /// The channel is down, and no person stopped it.
    ChannelDown,
    /// The kernel shows that it does not run.
    NotProgressing,
    /// It does not drain.
    NotDraining,
    /// No agent is at work.
    Idle,
    /// The host reaches the network.
    NetworkUp,
    /// The fault shows in memory or descriptors of this process, now.
    ResourceProven,
}

/// How success is proven. A closed list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verification {
    /// Own listener, `/healthz`, `/readyz`.
    #[default]
    Serving,
    /// The channel is ready.
    ChannelReady,
    /// The config passes the check.
    ConfigValid,
    /// There is room on the disk, and writing works.
    DiskRoom,
    /// The sign does not come back for ten minutes.
    SignGone,
    /// A person says so.
    Person,
}

/// How a step is taken back. A closed list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// Nothing was changed that could be taken back.
    #[default]
    Nothing,
    /// The rejected config was kept and can be put back.
    PutConfigBack,
    /// The lock was moved, not deleted, and can be put back.
    PutLockBack,
    /// The channel can be stopped again.
    StopChannel,
}

/// A known failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Version of the format: [`SCHEMA`].
    pub schema: u32,
    /// Lower-case words joined by hyphens; the file's name.
    pub id: String,
    /// The kind of failure.
    pub class: Class,
    /// Why, as a code.
    pub cause: CauseCode,
    /// What kind of refusal or trouble, before the deciding line in the cause's detail.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Cause or effect.
    #[serde(default)]
    pub level: Level,
    /// Cases that this one explains: they come behind it, whatever their confidence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beats: Vec<String>,
    /// What must hold before an automatic step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guards: Vec<Guard>,
    /// How success is proven.
    #[serde(default)]
    pub verify: Verification,
    /// How it is taken back.
    #[serde(default)]
    pub undo: Undo,
    /// Threads and observations that it comes from.
    pub source: Vec<String>,
    /// Lines that were seen, or that a thread quotes. Each must match.
    #[serde(default)]
    pub lines: Vec<String>,
    /// In a few words.
    pub title: Said,
    /// Why it happens.
    pub why: Said,
    /// What a person does.
    pub advice: Said,
    /// How people describe it.
    #[serde(default)]
    pub symptoms: Symptoms,
    /// What must be so besides.
    #[serde(default)]
    pub needs: Needs,
    /// What shows it in a log; one is enough.
    #[serde(default, rename = "sign")]
    pub signs: Vec<Sign>,
    /// What shows it beside the log.
    #[serde(default, rename = "fact")]
    pub facts: Vec<FactSign>,
    /// What is done, in order.
    #[serde(rename = "remedy")]
    pub remedies: Vec<Remedy>,
}

/// How people describe a failure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Symptoms {
    /// In English.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub en: Vec<String>,
    /// In Chinese.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zh: Vec<String>,
}

/// What is wrong with a case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaseError {
    /// Another format.
    #[error("schema is {0}, this version reads {SCHEMA}")]
    Schema(u32),
    /// The id has other characters, or is too long.
    #[error("id: lower-case letters, digits and hyphens, 3 to 64 of them")]
    Id,
    /// It can never be found.
    #[error("it has no sign, no fact and no symptom, so nothing can match it")]
    Nothing,
    /// Something is empty, too long, or there is too much of it.
    #[error("{0}")]
    Bounds(&'static str),
    /// The steps are out of order.
    #[error("remedy: the smallest radius comes first")]
    Order,
    /// An automatic step without proof.
    #[error("remedy: an automatic step needs a guard")]
    Unguarded,
    /// A step that only a person can take.
    #[error("remedy: `tell` is never automatic, it is always done")]
    Tell,
}

impl Case {
    /// Whether the values make sense together.
    ///
    /// # Errors
    /// The first thing that does not.
    pub fn check(&self) -> Result<(), CaseError> {
        if self.schema != SCHEMA {
            return Err(CaseError::Schema(self.schema));
        }
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(3..=64).contains(&self.id.len()) || !self.id.chars().all(fine) || self.id.starts_with('-') {
            return Err(CaseError::Id);
        }
        let symptoms = self.symptoms.en.len() + self.symptoms.zh.len();
        if self.signs.is_empty() && self.facts.is_empty() && symptoms == 0 {
            return Err(CaseError::Nothing);
        }
        self.check_bounds()?;
        self.check_remedies()
    }

    fn check_bounds(&self) -> Result<(), CaseError> {
        let texts = [&self.title, &self.why, &self.advice];
        if texts.iter().any(|said| said.en.trim().is_empty() || said.zh.trim().is_empty()) {
            return Err(CaseError::Bounds("title, why and advice are needed in both languages"));
        }
        if self.signs.len() > MAX_SIGNS || self.facts.len() > MAX_SIGNS {
            return Err(CaseError::Bounds("at most 24 signs and 24 facts"));
        }
        let examples = [self.lines.len(), self.symptoms.en.len(), self.symptoms.zh.len(), self.source.len()];
        if examples.iter().any(|count| *count > MAX_EXAMPLES) {
            return Err(CaseError::Bounds("at most 24 lines, symptoms and sources each"));
        }
        if self.source.is_empty() {
            return Err(CaseError::Bounds("source: say where it was seen"));
        }
        if !self.signs.is_empty() && self.lines.is_empty() {
            return Err(CaseError::Bounds("lines: a case with signs needs a line that was really seen"));
        }
        let long = texts.iter().flat_map(|said| [&said.en, &said.zh]).chain(&self.lines).chain(&self.source);
        let long = long.chain(&self.symptoms.en).chain(&self.symptoms.zh).chain([&self.kind]);
        if long.chain(&self.beats).any(|text| text.len() > MAX_TEXT) {
            return Err(CaseError::Bounds("a text is longer than 2000 bytes"));
        }
        for sign in &self.signs {
            if sign.text.len() < MIN_SIGN || sign.text.len() > MAX_TEXT || sign.text.contains(['"', '\n', '\\']) {
                return Err(CaseError::Bounds(
                    "sign: text is at least 6 bytes, without quotation marks, backslashes and line breaks",
                ));
            }
            if sign.regex.as_ref().is_some_and(|regex| regex.len() > MAX_TEXT) || sign.unless.len() > MAX_SIGNS {
                return Err(CaseError::Bounds("sign: regex or unless is too long"));
            }
        }
        Ok(())
    }

    fn check_remedies(&self) -> Result<(), CaseError> {
        if self.remedies.is_empty() || self.remedies.len() > MAX_SIGNS {
            return Err(CaseError::Bounds("remedy: at least one step, if only `tell`"));
        }
        if !self.remedies.is_sorted_by_key(|remedy| remedy.action) {
            return Err(CaseError::Order);
        }
        if self.remedies.iter().any(|remedy| remedy.auto && remedy.action == RemedyAction::Tell) {
            return Err(CaseError::Tell);
        }
        if self.guards.is_empty() && self.remedies.iter().any(|remedy| remedy.auto) {
            return Err(CaseError::Unguarded);
        }
        Ok(())
    }
}
