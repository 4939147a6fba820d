//! Drafts a case from an incident that a person mended: what was different when it worked again.
//!
//! Invariants: a draft passes [`Case::check`] and only tells; it names keys of a config, never their values; it says in
//! its title that it is a draft. Start at [`draft`].

use super::case::{
    Case, Level, Needs, Remedy, RemedyAction, SCHEMA, Said, Sign, Strength, Symptoms, Undo, Verification,
};
use super::class::{CauseCode, Class};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error;

/// Most signs of a draft.
const MAX_SIGNS: usize = 5;
/// Most keys that are named.
const MAX_KEYS: usize = 6;
/// Longest key that is named, in characters: all of them fit into a case's text, in any script.
const MAX_KEY: usize = 60;
/// Longest version, in characters.
const MAX_VERSION: usize = 40;
/// Longest part of a text that comes from outside, in characters.
const MAX_SAID: usize = 300;
/// Longest line that becomes an example, in bytes: a case holds no longer text.
const MAX_LINE: usize = 2000;
/// Shortest text that may become a sign: shorter ones occur in other failures, too.
const MIN_SIGN: usize = 12;

/// What is known of an incident that a person mended. All texts are redacted already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mended {
    /// Its number.
    pub incident: u64,
    /// Whose.
    pub gateway: String,
    /// The day, `2026-11-25`.
    pub day: String,
    /// Stable code of the cause that was recorded, and its detail.
    pub cause: Option<(String, String)>,
    /// Keys of the config that differ between the fault and the recovery, each with how: `gateway.port (changed)`.
    pub keys: Vec<String>,
    /// OpenClaw at the fault and at the recovery, when they differ.
    pub versions: Option<(String, String)>,
    /// Error lines of that time that no case knows: the pattern with `<*>`, and the first line.
    pub patterns: Vec<(String, String)>,
}

/// The draft.
#[must_use]
pub fn draft(of: &Mended) -> Case {
    let signs: Vec<(Sign, String)> = of.patterns.iter().filter_map(|(pattern, line)| sign(pattern, line)).collect();
    let (signs, lines): (Vec<Sign>, Vec<String>) = signs.into_iter().take(MAX_SIGNS).unzip();
    let (code, detail) = of.cause.clone().unwrap_or_else(|| ("unknown".to_owned(), String::new()));
    let named =
        if detail.is_empty() { code.replace('_', " ") } else { format!("{}: {detail}", code.replace('_', " ")) };
    let named = cut(&named);
    Case {
        schema: SCHEMA,
        id: id(of),
        class: class(of, &code),
        cause: CauseCode::deserialize(IntoDeserializer::<Error>::into_deserializer(code.as_str()))
            .unwrap_or(CauseCode::Unknown),
        kind: String::new(),
        level: Level::Root,
        beats: Vec::new(),
        guards: Vec::new(),
        verify: Verification::Person,
        undo: Undo::Nothing,
        source: vec![format!("incident {} of {}, {}: mended by a person", of.incident, of.gateway, of.day)],
        lines,
        title: Said {
            en: format!("Draft of incident {}: {named}", of.incident),
            zh: format!("草稿，来自故障 {}：{named}", of.incident),
        },
        why: why(of),
        advice: advice(of),
        symptoms: Symptoms { en: vec![named.clone()], zh: vec![named] },
        needs: Needs::default(),
        signs,
        facts: Vec::new(),
        remedies: vec![Remedy { action: RemedyAction::Tell, auto: false }],
    }
}

/// The id that the draft of an incident has: letters, digits and hyphens, whatever the gateway is called.
#[must_use]
pub fn id(of: &Mended) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let gateway: String = of.gateway.chars().map(plain).take(24).collect();
    format!("draft-{gateway}-{}", of.incident)
}

fn why(of: &Mended) -> Said {
    let (mut en, mut zh) = (Vec::new(), Vec::new());
    if !of.keys.is_empty() {
        let keys = keys(of);
        en.push(format!("When it worked again, these keys of the config were different: {keys}."));
        zh.push(format!("恢复时，配置中这些键不同：{keys}。"));
    }
    if let Some((before, after)) = versions(of) {
        en.push(format!("OpenClaw was {before} at the fault and {after} when it worked again."));
        zh.push(format!("故障时 OpenClaw 为 {before}，恢复时为 {after}。"));
    }
    if en.is_empty() {
        en.push("Neither the config nor the version of OpenClaw was different when it worked again.".to_owned());
        zh.push("恢复时，配置和 OpenClaw 版本都没有变化。".to_owned());
    }
    en.push("To be completed: say why.".to_owned());
    zh.push("待补充：请写明原因。".to_owned());
    Said { en: en.join(" "), zh: zh.join("") }
}

fn advice(of: &Mended) -> Said {
    let (en, zh) = match (of.keys.is_empty(), versions(of)) {
        (false, _) => (format!("Look at {}.", keys(of)), format!("检查 {}。", keys(of))),
        (true, Some((_, after))) => (format!("Use OpenClaw {after}."), format!("使用 OpenClaw {after}。")),
        (true, None) => (String::new(), String::new()),
    };
    let said = |todo: &str, rest: &str| if todo.is_empty() { rest.to_owned() } else { format!("{todo} {rest}") };
    Said {
        en: said(&en, "To be completed: say what you did."), zh: said(&zh, "待补充：请写明您做了什么。")
    }
}

fn versions(of: &Mended) -> Option<(String, String)> {
    let short = |text: &str| cut(text).chars().take(MAX_VERSION).collect();
    of.versions.as_ref().map(|(before, after)| (short(before), short(after)))
}

fn keys(of: &Mended) -> String {
    let short = |key: &String| cut(key).chars().take(MAX_KEY).collect();
    let named: Vec<String> = of.keys.iter().take(MAX_KEYS).map(short).collect();
    let more = of.keys.len().saturating_sub(MAX_KEYS);
    let more = if more > 0 { format!(", + {more}") } else { String::new() };
    format!("{}{more}", named.join(", "))
}

fn class(of: &Mended, code: &str) -> Class {
    match code {
        "channel_deaf" | "channels_suppressed" => Class::ChannelGeneric,
        "port_stolen" => Class::PortLock,
        "disk_nearly_full" => Class::FdDisk,
        "spinning" => Class::EventLoop,
        _ if !of.keys.is_empty() || code == "config_invalid" => Class::Config,
        _ if of.versions.is_some() => Class::Update,
        "crashed" => Class::Crash,
        _ => Class::Lifecycle,
    }
}

/// The longest part of a pattern that does not differ from line to line, and the line that it was seen in.
fn sign(pattern: &str, line: &str) -> Option<(Sign, String)> {
    let fixed = |part: &&str| part.len() >= MIN_SIGN && line.contains(*part) && part.chars().any(char::is_alphabetic);
    // Masked secrets, and what a case file cannot hold, are no part of it either.
    let parts = pattern.split("<*>").flat_map(|part| part.split("***")).flat_map(|part| part.split(['"', '\\', '…']));
    let text = parts.map(str::trim).filter(fixed).max_by_key(|part| part.len())?;
    let text: String = text.chars().take(MAX_SAID).collect();
    let sign = Sign { text, regex: None, unless: Vec::new(), strength: Strength::Strong, own: false, start: false };
    (line.len() <= MAX_LINE).then(|| (sign, line.to_owned()))
}

fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_SAID).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mended() -> Mended {
        Mended {
            incident: 7,
            gateway: "Work.Box_1".into(),
            day: "2026-11-25".into(),
            cause: Some(("crashed".into(), "exit 1".into())),
            ..Mended::default()
        }
    }

    #[test]
    fn what_was_different_is_named_and_the_rest_is_left_to_a_person() {
        let case = draft(&Mended {
            keys: vec!["models.providers.p.baseUrl (changed)".into(), "hooks (removed)".into()],
            versions: Some(("2026.9.6".into(), "2026.9.7".into())),
            patterns: vec![
                (
                    "[office] proxy <*> gave up after <*> tries: \"***\"".into(),
                    "[office] proxy 3 gave up after 5 tries: \"***\"".into(),
                ),
                ("<*> <*> short <*>".into(), "1 2 short 3".into()),
            ],
            ..mended()
        });
        assert_eq!(case.check(), Ok(()));
        assert_eq!(
            (case.id.as_str(), case.class, case.cause),
            ("draft-work-box-1-7", Class::Config, CauseCode::Crashed)
        );
        assert!(case.title.en.starts_with("Draft ") && case.why.en.contains("hooks (removed)"));
        assert!(case.why.zh.contains("2026.9.7") && case.advice.en.contains("To be completed"));
        let texts: Vec<&str> = case.signs.iter().map(|sign| sign.text.as_str()).collect();
        assert_eq!(texts, ["[office] proxy"], "the longest part that stays the same");
        assert_eq!(case.remedies, [Remedy { action: RemedyAction::Tell, auto: false }]);
    }

    #[test]
    fn a_draft_of_nothing_and_one_of_too_much_are_cases_too() {
        let nothing = draft(&Mended::default());
        assert_eq!(nothing.check(), Ok(()), "{nothing:?}");
        assert_eq!(nothing.cause, CauseCode::Unknown);
        let long = "word ".repeat(4000);
        let much = draft(&Mended {
            cause: Some(("cgroup_frozen".into(), long.clone())),
            keys: vec![long.clone(); 500],
            patterns: vec![(long.clone(), long); 50],
            ..mended()
        });
        assert_eq!(much.check(), Ok(()));
        assert_eq!(much.cause, CauseCode::Unknown);
    }
}
