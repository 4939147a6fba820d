//! `clawmend standby check`: whether this node reaches what the pair keeps elsewhere, its workspace and its secrets.
//!
//! Invariant: it only looks; nothing is pushed, brought or changed.

use super::super::context::Context;
use super::super::error::CliError;
use super::Pair;
use super::check::{Level, Line};
use crate::daemon::own_uid;
use crate::failover::secrets::{Brought, SecretsError};
use crate::failover::workspace::{Branch, Limits, Node, Stays, Stop, Workspace, WorkspaceError};
use crate::host::program::Surroundings;
use crate::openclaw::discovery::Home;
use crate::openclaw::environ::Environ;
use crate::openclaw::redact::redact;
use crate::openclaw::workspace::{Elsewhere, Workspaces, workspaces};
use crate::settings::WorkspaceSettings;
use std::time::Duration;

/// A person waits for it.
const LIMIT: Duration = Duration::from_secs(15);
/// Agents that are named at most.
const NAMED: usize = 5;
/// Longest part of a line that names one, in characters.
const MAX_SHOWN: usize = 80;

/// Both, as far as they are set.
pub(super) fn check(
    context: &Context,
    pair: &Pair,
    home: Option<&Home>,
    lines: &mut Vec<Line>,
) -> Result<(), CliError> {
    if let (Some(settings), Some(home)) = (&pair.standby.workspace, home) {
        lines.extend(workspace(context, pair, settings, home)?);
    }
    if let Some(settings) = pair.standby.secrets.as_ref().filter(|_| pair.is_standby()) {
        let work = context.state_dir()?.join("secrets-check");
        let look = |surroundings| settings.secrets(&work, LIMIT).look(surroundings);
        let (looked, whose) = as_a_service(look);
        // What ssh needed to read. It holds no secret, and the next look makes it anew.
        drop(std::fs::remove_dir_all(&work));
        lines.push(whose.of(secrets(&settings.from.to_string(), looked)));
    }
    Ok(())
}

fn workspace(context: &Context, pair: &Pair, settings: &WorkspaceSettings, home: &Home) -> Result<Vec<Line>, CliError> {
    let environ = Environ::of(home, own_uid());
    let env = |name: &str| environ.get(name);
    let (state, secrets) = (context.state_dir()?, pair.standby.secrets.as_ref());
    let stays = Stays { home, state: &state, secrets: secrets.map(|secrets| secrets.into.as_path()) };
    let found = workspaces(home, &env).and_then(|found| stays.apart_from(&found.folder).map(|()| found));
    let Workspaces { folder, elsewhere } = match found {
        Ok(found) => found,
        Err(text) => return Ok(vec![Line { check: "workspace", level: Level::Bad, text }]),
    };
    let mut lines = Vec::new();
    let branch = settings.branch.clone().map_or_else(|| Branch::parse("main"), Ok);
    // A name is for what is written, and nothing is.
    if let (Ok(branch), Ok(node)) = (branch, Node::parse("check")) {
        let limits = Limits { time: LIMIT, ..Limits::default() };
        let (remote, stop) = (settings.remote.clone(), Stop::default());
        let workspace = Workspace { folder, remote, branch, node, limits, stop };
        let (looked, whose) = as_a_service(|surroundings| workspace.look(&state.join("workspace-check"), surroundings));
        lines.push(whose.of(git(&settings.remote.to_string(), pair.is_standby(), looked)));
    }
    lines.extend(stay_here(&elsewhere));
    Ok(lines)
}

/// By whose keys and way out it worked, or did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// Those that a service has, too.
    Anybodys,
    /// Those of this login only.
    Logins,
}

impl Whose {
    fn of(self, line: Line) -> Line {
        match self {
            Self::Anybodys => line,
            Self::Logins => Line {
                level: Level::Warning,
                text: format!(
                    "{}, but only with the ssh agent or the proxy of this login, which a guard that is a service does not have: \
                     give it a key without a passphrase",
                    line.text
                ),
                ..line
            },
        }
    }
}

/// The guard may be a service, and this is a login.
fn as_a_service<T, E>(look: impl Fn(Surroundings) -> Result<T, E>) -> (Result<T, E>, Whose) {
    match look(Surroundings::Service) {
        Err(why) if Surroundings::differ() => match look(Surroundings::Own) {
            Err(_) => (Err(why), Whose::Anybodys),
            // It may be that it works again only now.
            Ok(done) => (Ok(done), if look(Surroundings::Service).is_ok() { Whose::Anybodys } else { Whose::Logins }),
        },
        looked => (looked, Whose::Anybodys),
    }
}

/// One folder is carried, and an agent of its own has another one.
fn stay_here(others: &[Elsewhere]) -> Option<Line> {
    let named = others.iter().take(NAMED).map(|one| {
        let place = one.folder.as_ref().map(|folder| format!(" ({})", folder.display())).unwrap_or_default();
        redact(&format!("{}{place}", one.agent), MAX_SHOWN)
    });
    let named: Vec<String> = named.collect();
    let more = match others.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let text = format!("only the default agent's workspace is carried, and not those of {}{more}", named.join(", "));
    (!others.is_empty()).then_some(Line { check: "workspace", level: Level::Warning, text })
}

fn git(remote: &str, standby: bool, looked: Result<bool, WorkspaceError>) -> Line {
    let (level, text) = match looked {
        Ok(true) => (Level::Good, format!("{remote} can be read and written")),
        Ok(false) if standby => {
            (Level::Warning, format!("{remote} can be read and written, and the primary has not pushed anything yet"))
        }
        Ok(false) => (Level::Good, format!("{remote} can be read and written, and is empty yet")),
        // A takeover goes on without it.
        Err(why) => (Level::Bad, why.to_string()),
    };
    Line { check: "workspace", level, text }
}

fn secrets(from: &str, looked: Result<Brought, SecretsError>) -> Line {
    let (level, text) = match looked {
        Ok(Brought { files: 0, .. }) => {
            (Level::Warning, format!("{from} can be read, and has no files that are brought"))
        }
        Ok(Brought { files, .. }) => (Level::Good, format!("{files} files can be brought from {from}")),
        Err(why) => (Level::Bad, why.to_string()),
    };
    Line { check: "secrets", level, text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failover::workspace::Person;

    #[test]
    fn agents_whose_files_stay_here_are_named() {
        let text = |others: &[Elsewhere]| stay_here(others).map(|line| (line.level, line.text));
        assert_eq!(text(&[]), None);
        let of = |agent: &str, folder: Option<&str>| Elsewhere { agent: agent.into(), folder: folder.map(Into::into) };
        let two = [of("work", Some("/home/me/.openclaw/workspace-work")), of("off", None)];
        let wanted = "only the default agent's workspace is carried, and not those of work \
                      (/home/me/.openclaw/workspace-work), off";
        assert_eq!(text(&two), Some((Level::Warning, wanted.to_owned())));
        let seven = ["a", "b", "c", "d", "e", "f", "g"].map(|agent| of(agent, Some("/srv/a1b2c3d4e5f6a1b2c3d4e5f6")));
        let (_, seven) = text(&seven).unwrap_or((Level::Bad, String::new()));
        assert!(seven.ends_with("d (/srv/***), e (/srv/***) and 2 more"), "{seven}");
    }

    #[test]
    fn what_is_found_is_said() {
        let detail = "ssh: connect to host 10.0.0.9 port 22: Connection refused".to_owned();
        let brought = |files| Brought { files, bytes: 99 };
        let unknown = Person::UnknownHost { detail: "Host key verification failed.".into() }.into();
        let read_only = Person::ReadOnly { detail: "ERROR: The key … has been marked as read only.".into() }.into();
        let lines = [
            git("git@host:workspace.git", true, Ok(true)),
            git("git@host:workspace.git", true, Ok(false)),
            git("git@host:workspace.git", false, Ok(false)),
            git("git@host:workspace.git", true, Err(unknown)),
            git("git@host:workspace.git", true, Err(read_only)),
            Whose::Logins.of(secrets("claw@10.0.0.9:/srv/secrets", Ok(brought(3)))),
            secrets("claw@10.0.0.9:/srv/secrets", Ok(brought(3))),
            secrets("claw@10.0.0.9:/srv/secrets", Ok(brought(0))),
            secrets("claw@10.0.0.9:/srv/secrets", Err(SecretsError::Unreachable { detail })),
            secrets("claw@10.0.0.9:/srv/secrets", Err(SecretsError::OtherKey)),
        ];
        insta::assert_snapshot!(super::super::check::render(&lines, false, super::super::super::output::Style::PLAIN));
    }
}
