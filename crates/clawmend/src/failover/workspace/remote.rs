//! Speaks to the remote: one fetch, one push, never by force.
//!
//! Invariant: of the remote's answers only those that git has words for are told apart; everything else needs a person.

use super::error::{Person, Retry, WorkspaceError};
use super::git::{Call, Git, Said, failed};
use super::names::{Branch, Remote};
use super::repo::{REMOTE, Repo};
use super::tree::fits;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::time::{Duration, Instant};

/// A branch that nobody makes.
const NO_BRANCH: &str = "refs/heads/clawmend/check/none";

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// The remote has it now.
    Taken,
    /// It had it.
    Known,
    /// Its branch has commits that we do not have.
    Diverged,
}

/// Whether the remote can be read, and has the branch.
pub(super) fn has(git: &Git, remote: &Remote, branch: &Branch) -> Result<bool, WorkspaceError> {
    let said = git.run(Call::new(["ls-remote", "--quiet", remote.as_str(), &branch.full()]))?;
    if said.code == 0 { Ok(!said.out.is_empty()) } else { Err(classify(&said)) }
}

/// Whether a remote that can be read lets this node write: it is asked to remove a branch that is not there, and does not do even that.
/// Needs a repository, and no files and no commit in it.
pub(super) fn takes(git: &Git, remote: &Remote) -> Result<(), WorkspaceError> {
    let said = git.run(Call::new(["push", "--dry-run", "--no-verify", remote.as_str(), &format!(":{NO_BRANCH}")]))?;
    if said.code == 0 || said.messages.contains("remote ref does not exist") {
        return Ok(());
    }
    let error = classify(&said);
    // It was read before this.
    if let WorkspaceError::Person(Person::Refused { detail }) = error {
        return Err(Person::ReadOnly { detail }.into());
    }
    Err(error)
}

/// Pushes a commit to a branch of the remote.
pub(super) fn send(repo: &Repo, remote: &Remote, commit: &str, branch: &str) -> Result<Sent, WorkspaceError> {
    let to = format!("{commit}:refs/heads/{branch}");
    let said = repo.git.run(Call::new(["push", "--porcelain", "--no-verify", "--no-thin", remote.as_str(), &to]))?;
    let answer = String::from_utf8_lossy(&said.out);
    let line = answer.lines().find(|line| line.contains(&to) || line.contains(&format!(":refs/heads/{branch}\t")));
    match (said.code, line) {
        (0, Some(line)) if line.starts_with('=') => Ok(Sent::Known),
        (0, _) => Ok(Sent::Taken),
        // `fetch first` and `non-fast-forward`; a push at the same time shows as a failed lock on the remote's ref.
        (_, Some(line)) if line.contains("[rejected]") || line.contains("failed to update ref") => Ok(Sent::Diverged),
        (_, Some(line)) if line.contains("cannot lock ref") || line.contains("reference already exists") => {
            Ok(Sent::Diverged)
        }
        (_, Some(line)) if line.contains("[remote rejected]") => {
            Err(Person::Refused { detail: crate::openclaw::redact::redact(line, 200) }.into())
        }
        _ => Err(classify(&said)),
    }
}

/// Fetches the branch into [`REMOTE`]; none where the remote does not have it. At most `most` bytes are taken,
/// and its files may not be larger together; `within` bounds its time more than that of the whole.
pub(super) fn fetch(
    repo: &Repo,
    remote: &Remote,
    branch: &Branch,
    most: u64,
    within: Option<Duration>,
) -> Result<Option<String>, WorkspaceError> {
    let packs = repo.dir.join("objects").join("pack");
    let unfinished = || -> BTreeSet<OsString> {
        let entries = std::fs::read_dir(&packs).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name()).filter(|name| name.to_string_lossy().starts_with("tmp_")).collect()
    };
    let before = unfinished();
    let from = format!("+{}:{REMOTE}", branch.full());
    let arguments = ["fetch", "--no-tags", "--no-write-fetch-head", "--refmap=", "--quiet", remote.as_str(), &from];
    let mut call = Call::new(arguments);
    call.bound = Some((&packs, most));
    call.until = within.map(|within| Instant::now() + within);
    let said = repo.git.run(call).inspect_err(|_| {
        // What a fetch that was ended has left is of no use to anybody.
        for name in unfinished().difference(&before) {
            drop(std::fs::remove_file(packs.join(name)));
        }
    })?;
    if said.code == 0 {
        repo.note_source(remote, branch)?;
        let commit = repo.commit_of(REMOTE)?;
        if let Some(commit) = &commit {
            fits(repo, commit, most)?;
        }
        return Ok(commit);
    }
    if said.messages.contains("couldn't find remote ref") { Ok(None) } else { Err(classify(&said)) }
}

/// Words of git 2.29 to 2.47, of ssh and of curl, in English (`LC_ALL=C`).
fn classify(said: &Said) -> WorkspaceError {
    const UNKNOWN_HOST: [&str; 2] = ["Host key verification failed", "REMOTE HOST IDENTIFICATION HAS CHANGED"];
    // Of a key that may only read: GitHub, GitLab, Gitea.
    const READ_ONLY: [&str; 4] =
        ["marked as read only", "not allowed to push", "allowed to upload code", "not authorized to write"];
    const REFUSED: [&str; 7] = [
        "Permission denied",
        "Authentication failed",
        "could not read Username",
        "could not read Password",
        "terminal prompts disabled",
        "returned error: 403",
        "access denied",
    ];
    const NO_REPOSITORY: [&str; 5] = [
        "does not appear to be a git repository",
        "not a git repository",
        "epository not found",
        "returned error: 404",
        "no such path",
    ];
    const UNREACHABLE: [&str; 11] = [
        "Could not resolve host",
        "unable to look up",
        "Connection refused",
        "Connection timed out",
        "Connection reset",
        "Connection closed",
        "Network is unreachable",
        "No route to host",
        "hung up unexpectedly",
        "unable to access",
        "early EOF",
    ];
    let has = |words: &[&str]| words.iter().any(|word| said.messages.contains(word));
    let detail = said.detail();
    if has(&["No space left on device", "Disk quota exceeded"]) {
        Person::NoSpace { detail }.into()
    } else if has(&UNKNOWN_HOST) {
        Person::UnknownHost { detail }.into()
    } else if has(&READ_ONLY) {
        Person::ReadOnly { detail }.into()
    } else if has(&REFUSED) {
        Person::Refused { detail }.into()
    } else if has(&NO_REPOSITORY) {
        Person::NoSuchRemote { detail }.into()
    } else if has(&UNREACHABLE) {
        Retry::Unreachable { detail }.into()
    } else {
        failed(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(messages: &str) -> WorkspaceError {
        classify(&Said { code: 128, out: Vec::new(), messages: messages.to_owned() })
    }

    #[test]
    fn answers_are_told_apart_by_what_can_be_done() {
        const LAST: &str = "fatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\nand the repository exists.";
        for text in [
            "ssh: connect to host x port 22: Connection refused",
            "ssh: Could not resolve hostname x: Name or service not known\nfatal: unable to look up x",
            "fatal: unable to access 'https://x/': Could not resolve host: x",
            "kex_exchange_identification: Connection closed by remote host",
        ] {
            assert!(
                matches!(of(&format!("{text}\n{LAST}")), WorkspaceError::Retry(Retry::Unreachable { .. })),
                "{text}"
            );
        }
        for text in [
            "git@x: Permission denied (publickey).",
            "fatal: could not read Username for 'https://x': terminal prompts disabled",
            "fatal: unable to access 'https://x/': The requested URL returned error: 403",
        ] {
            assert!(matches!(of(&format!("{text}\n{LAST}")), WorkspaceError::Person(Person::Refused { .. })), "{text}");
        }
        for text in [
            "fatal: '/srv/none' does not appear to be a git repository",
            "ERROR: Repository not found.",
            "fatal: repository 'https://x/' not found\nfatal: unable to access 'https://x/': The requested URL returned error: 404",
        ] {
            assert!(
                matches!(of(&format!("{text}\n{LAST}")), WorkspaceError::Person(Person::NoSuchRemote { .. })),
                "{text}"
            );
        }
        let unknown = of(&format!("Host key verification failed.\n{LAST}"));
        assert!(matches!(unknown, WorkspaceError::Person(Person::UnknownHost { .. })), "{unknown}");
        // As GitHub says it of a deploy key.
        let read_only =
            of(&format!("ERROR: The key you are authenticating with has been marked as read only.\n{LAST}"));
        assert!(matches!(read_only, WorkspaceError::Person(Person::ReadOnly { .. })), "{read_only}");
        assert!(matches!(
            of("error: unable to write file: No space left on device"),
            WorkspaceError::Person(Person::NoSpace { .. })
        ));
    }
}
