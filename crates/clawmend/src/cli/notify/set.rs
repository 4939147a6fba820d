//! `clawmend notify set` and `remove`: places in `notify.toml`.
//!
//! Invariants: secrets come from a terminal or standard input, never from arguments; what would not be understood is not
//! written; the rest of the file stays as it is, comments included, and the file is readable by its owner only.

use super::super::context::Context;
use super::super::error::{CliError, Kind};
use super::super::output;
use super::{Here, no_such_place};
use crate::host::files::{Durability, private_dir, write_atomic};
use crate::notify::file::{self, NotifyFile};
use std::io::{IsTerminal as _, Read as _};
use std::path::Path;
use std::process::ExitCode;

/// Longest input.
const MAX_INPUT: u64 = 16 * 1024;

/// What a person wants.
pub(super) struct Wanted<'a> {
    pub kind: &'a str,
    pub name: Option<&'a str>,
    pub backup: bool,
    pub at_least: Option<&'a str>,
}

/// What each kind needs: the keys that must be there, with what they are.
const KINDS: [(&str, &str); 15] = [
    (
        "feishu_bot",
        "webhook = \"https://open.feishu.cn/open-apis/bot/v2/hook/…\"\nsecret = \"…\"  # if signatures are on",
    ),
    ("feishu_app", "app_id = \"cli_…\"\napp_secret = \"…\"\nto = [\"ou_…\"]"),
    (
        "dingtalk_bot",
        "webhook = \"https://oapi.dingtalk.com/robot/send?access_token=…\"\nsecret = \"SEC…\"  # if signatures are on",
    ),
    ("dingtalk_app", "client_id = \"ding…\"\nclient_secret = \"…\"\nto = [\"…\"]"),
    ("wecom_bot", "webhook = \"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=…\""),
    ("telegram", "bot_token = \"123456:…\"\nto = \"123456789\""),
    ("discord_webhook", "url = \"https://discord.com/api/webhooks/…\""),
    ("discord_bot", "token = \"…\"\nto = \"123456789012345678\""),
    ("slack_webhook", "url = \"https://hooks.slack.com/services/…\""),
    ("slack_bot", "bot_token = \"xoxb-…\"\nto = \"U0123456789\""),
    (
        "email",
        "host = \"smtp.example.com\"\nfrom = \"guard@example.com\"\nto = \"me@example.com\"\nuser = \"guard@example.com\"\npassword = \"…\"",
    ),
    ("ntfy", "topic = \"my-topic\""),
    ("pagerduty", "routing_key = \"…\""),
    ("webhook", "url = \"https://hooks.example.com/…\"\nsecret = \"…\"  # if it is to be signed"),
    ("desktop", ""),
];

pub(super) fn set(context: &Context, wanted: &Wanted<'_>) -> Result<ExitCode, CliError> {
    if wanted.kind == "help" {
        output::print(&help())?;
        return Ok(ExitCode::SUCCESS);
    }
    let Some((kind, example)) = KINDS.iter().find(|(kind, _)| *kind == wanted.kind) else {
        let known: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
        let message = format!("`{}` is no kind of place", output::clean(wanted.kind, 64));
        return Err(CliError::new(Kind::Usage, message).hint(format!("expected one of {}", known.join(", "))));
    };
    context.refuse_from_inside()?;
    let here = Here::of(context)?;
    let path = &here.premises.file;
    let name = wanted.name.unwrap_or(kind);
    let before = text_of(path)?;
    let given = if example.is_empty() { String::new() } else { ask(kind, example)? };
    let mut section = format!("[[to]]\nname = \"{name}\"\nkind = \"{kind}\"\n");
    if wanted.backup {
        section.push_str("backup = true\n");
    }
    if let Some(level) = wanted.at_least {
        section.push_str(&format!("at_least = \"{level}\"\n"));
    }
    section.push_str(given.trim_end());
    section.push('\n');
    check(path, &section)?;
    let kept = without(path, &before, name)?;
    let gap = if kept.is_empty() || kept.ends_with("\n\n") { "" } else { "\n" };
    write(path, &format!("{kept}{gap}{section}"))?;
    output::tell(&format!("`{name}` is set in {}; `clawmend notify test {name}` tries it", path.display()));
    Ok(ExitCode::SUCCESS)
}

pub(super) fn remove(context: &Context, name: &str) -> Result<ExitCode, CliError> {
    context.refuse_from_inside()?;
    let here = Here::of(context)?;
    let path = &here.premises.file;
    let before = text_of(path)?;
    let after = without(path, &before, name)?;
    if after == before {
        let known: Vec<String> = understood(path, &before)?.to.into_iter().map(|entry| entry.name).collect();
        return Err(no_such_place(name, &known));
    }
    write(path, &after)?;
    output::tell(&format!("`{name}` is taken out of {}", path.display()));
    Ok(ExitCode::SUCCESS)
}

fn help() -> String {
    let mut text = String::from("Each kind, and what it asks for:\n");
    for (kind, example) in KINDS {
        text.push_str(&format!("\n{kind}\n"));
        for line in example.lines() {
            text.push_str(&format!("  {line}\n"));
        }
    }
    text
}

/// Lines of settings, from a terminal or a file.
fn ask(kind: &str, example: &str) -> Result<String, CliError> {
    let input = std::io::stdin();
    if input.is_terminal() {
        output::tell(&format!("Write the settings of this {kind}, such as:"));
        for line in example.lines() {
            output::tell(&format!("  {line}"));
        }
        output::tell("and end with an empty line.");
        let mut text = String::new();
        for line in input.lines() {
            let line = line?;
            if line.trim().is_empty() || text.len() as u64 > MAX_INPUT {
                break;
            }
            text.push_str(&line);
            text.push('\n');
        }
        return Ok(text);
    }
    let mut text = String::new();
    input.lock().take(MAX_INPUT).read_to_string(&mut text)?;
    Ok(text)
}

fn text_of(path: &Path) -> Result<String, CliError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(CliError::new(Kind::NeedsPerson, format!("{} cannot be read: {error}", path.display()))),
    }
}

fn understood(path: &Path, text: &str) -> Result<NotifyFile, CliError> {
    file::parse(path, text).map_err(|error| {
        CliError::new(Kind::NeedsPerson, error.to_string()).hint("correct the file first; nothing was changed")
    })
}

/// The new section must be understood as it stands, alone.
fn check(path: &Path, section: &str) -> Result<(), CliError> {
    let refused = |why: &str| {
        CliError::new(Kind::Usage, format!("nothing was changed: {why}"))
            .hint("`clawmend notify set help` shows what each kind needs")
    };
    let parsed = file::parse(path, section).map_err(|error| refused(&error.to_string()))?;
    match parsed.problems.first() {
        Some(problem) => Err(refused(problem)),
        None if parsed.to.len() == 1 && parsed.heartbeat.is_none() && parsed.proxy.is_none() => Ok(()),
        None => Err(refused("expected settings of one place")),
    }
}

/// The text without the section of this name: from its head to the next section.
fn without(path: &Path, text: &str, name: &str) -> Result<String, CliError> {
    understood(path, text)?;
    let mut kept = String::new();
    let mut section = String::new();
    let mut flush = |section: &mut String| {
        let named = file::parse(path, section).is_ok_and(|one| {
            one.to.iter().any(|entry| entry.name == name)
                || one.problems.iter().any(|problem| problem.contains(&format!("`{name}`")))
        });
        if !(section.trim_start().starts_with("[[to]]") && named) {
            kept.push_str(section);
        }
        section.clear();
    };
    for line in text.split_inclusive('\n') {
        // A multi-line text could hold such a line; what comes out is checked as a whole below.
        if line.trim_start().starts_with('[') {
            flush(&mut section);
        }
        section.push_str(line);
    }
    flush(&mut section);
    understood(path, &kept)?;
    Ok(kept)
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    if let Some(folder) = path.parent() {
        private_dir(folder).map_err(|error| CliError::new(Kind::NeedsPerson, error.to_string()))?;
    }
    write_atomic(path, text.as_bytes(), Durability::Durable)
        .map_err(|error| CliError::new(Kind::NeedsPerson, format!("{} cannot be written: {error}", path.display())))
}
