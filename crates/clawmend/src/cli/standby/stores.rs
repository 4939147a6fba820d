//! `clawmend standby check`: whether this node reaches what the pair keeps elsewhere, its workspace and its secrets.
//!
//! Invariant: it only looks; nothing is pushed, brought or changed.

use super::super::context::Context;
use super::super::error::CliError;
use super::Pair;
use super::check::{Level, Line};
use crate::failover::secrets::SecretsError;
use crate::failover::workspace::{Branch, Limits, Node, Workspace, WorkspaceError};
use crate::openclaw::discovery::Home;
use crate::openclaw::workspace;
use std::time::Duration;

/// A person waits for it.
const LIMIT: Duration = Duration::from_secs(15);

/// Both, as far as they are set.
pub(super) fn check(
    context: &Context,
    pair: &Pair,
    home: Option<&Home>,
    lines: &mut Vec<Line>,
) -> Result<(), CliError> {
    if let (Some(settings), Some(home)) = (&pair.standby.workspace, home) {
        let branch = settings.branch.clone().map_or_else(|| Branch::parse("main"), Ok);
        // A name is for what is written, and nothing is.
        if let (Ok(branch), Ok(node)) = (branch, Node::parse("check")) {
            let limits = Limits { time: LIMIT, ..Limits::default() };
            let folder = workspace::folder(home);
            let looked = Workspace { folder, remote: settings.remote.clone(), branch, node, limits }.look();
            lines.push(git(&settings.remote.to_string(), pair.is_standby(), looked));
        }
    }
    if let Some(settings) = pair.standby.secrets.as_ref().filter(|_| pair.is_standby()) {
        let work = context.state_dir()?.join("secrets-check");
        let looked = settings.secrets(&work, LIMIT).look();
        // What ssh needed to read. It holds no secret, and the next look makes it anew.
        drop(std::fs::remove_dir_all(work));
        lines.push(secrets(&settings.from.to_string(), looked));
    }
    Ok(())
}

fn git(remote: &str, standby: bool, looked: Result<bool, WorkspaceError>) -> Line {
    let (level, text) = match looked {
        Ok(true) => (Level::Good, format!("{remote} can be read")),
        Ok(false) if standby => {
            (Level::Warning, format!("{remote} can be read, and the primary has not pushed anything yet"))
        }
        Ok(false) => (Level::Good, format!("{remote} can be read, and is empty yet")),
        // A takeover goes on without it.
        Err(why) => (Level::Bad, why.to_string()),
    };
    Line { check: "workspace", level, text }
}

fn secrets(from: &str, looked: Result<usize, SecretsError>) -> Line {
    let (level, text) = match looked {
        Ok(0) => (Level::Warning, format!("{from} can be read, and has no files that are brought")),
        Ok(files) => (Level::Good, format!("{files} files can be brought from {from}")),
        Err(why) => (Level::Bad, why.to_string()),
    };
    Line { check: "secrets", level, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_is_said() {
        let detail = "ssh: connect to host 10.0.0.9 port 22: Connection refused".to_owned();
        let lines = [
            git("git@host:workspace.git", true, Ok(true)),
            git("git@host:workspace.git", true, Ok(false)),
            git("git@host:workspace.git", false, Ok(false)),
            secrets("claw@10.0.0.9:/srv/secrets", Ok(3)),
            secrets("claw@10.0.0.9:/srv/secrets", Ok(0)),
            secrets("claw@10.0.0.9:/srv/secrets", Err(SecretsError::Unreachable { detail })),
            secrets("claw@10.0.0.9:/srv/secrets", Err(SecretsError::OtherKey)),
        ];
        insta::assert_snapshot!(super::super::check::render(&lines, false, super::super::super::output::Style::PLAIN));
    }
}
