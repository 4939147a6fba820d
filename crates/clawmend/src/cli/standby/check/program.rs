//! What the guard here would start: a program that is found, and the same OpenClaw as on the other host.

use super::{Level, Line};
use crate::api::types::ProgramReport;

/// That it is found, with the environment that the guard gives it. A unit's is the service manager's matter.
pub(super) fn line(program: &ProgramReport) -> Option<Line> {
    let name = &program.name;
    let lacks = match program {
        ProgramReport { path: None, .. } => name,
        ProgramReport { lacks: Some(lacks), .. } => lacks,
        ProgramReport { openclaw, .. } => {
            let text = format!("the guard here starts OpenClaw {}", openclaw.as_ref()?);
            return Some(Line { check: "program", level: Level::Good, text });
        }
    };
    let text = if lacks.contains('/') {
        format!(
            "there is no {lacks}, which the guard here would start: install it, or start the guard with another command"
        )
    } else {
        format!(
            "the guard here does not find {lacks} on the PATH that it was started with, so it could not start `{name}`: \
             install it, or start the guard with a PATH that has it (in its unit: Environment=PATH=…)"
        )
    };
    Some(Line { check: "program", level: Level::Bad, text })
}

/// Whether both hosts have the same OpenClaw, as far as it is known.
pub(super) fn versions(theirs: Option<&str>, mine: Option<&str>) -> Line {
    let (level, text) = match (theirs, mine) {
        (Some(theirs), Some(mine)) if theirs == mine => (Level::Good, format!("OpenClaw {mine} on both")),
        (Some(theirs), Some(mine)) => (
            Level::Warning,
            format!(
                "OpenClaw is {theirs} there and {mine} here: what one of them writes, the other may not understand"
            ),
        ),
        (None, _) => (Level::Unknown, "which OpenClaw runs there is not known".to_owned()),
        (_, None) => (Level::Unknown, "which OpenClaw runs here is not known".to_owned()),
    };
    Line { check: "versions", level, text }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn every_line() -> Vec<Line> {
        let program = |name: &str, path: Option<&str>, openclaw: Option<&str>, lacks: Option<&str>| {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            line(&ProgramReport {
                name: name.into(),
                path: owned(path),
                openclaw: owned(openclaw),
                lacks: owned(lacks),
            })
        };
        let (here, version) = (Some("/usr/bin/openclaw"), Some("2026.9.6"));
        let found = [
            program("openclaw", here, version, None),
            program("openclaw", None, None, None),
            program("/opt/openclaw", None, None, None),
            program("openclaw", here, version, Some("node")),
            program("./mine", here, None, None),
        ];
        let pairs = [(version, version), (Some("2026.8.1"), version), (None, version), (version, None)];
        found.into_iter().flatten().chain(pairs.map(|(theirs, mine)| versions(theirs, mine))).collect()
    }
}
