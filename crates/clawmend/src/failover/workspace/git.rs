//! Runs git: a child of our own, within bounds, and undisturbed by settings of the user.
//!
//! Invariants: no shell of ours, no prompt, no hook, no pager, no editor; its environment is what is listed here; it runs
//! within the bounds of [`crate::host::program`].

use super::Stop;
use super::error::{Person, Retry, WorkspaceError};
use crate::host::program::{self, Bounds, NotRun, Surroundings};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Most of what it prints that is read. Lists of files are the longest.
const MAX_OUTPUT: u64 = 32 * 1024 * 1024;
/// Most of its messages that is kept.
const MAX_MESSAGES: u64 = 64 * 1024;
/// How often a growing folder is measured.
const MEASURE: Duration = Duration::from_millis(200);

/// Variables that are passed on: what finds programs, keys and proxies.
const PASSED: [&str; 22] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SSH_AUTH_SOCK",
    "TMPDIR",
    "TEMP",
    "TMP",
    "SYSTEMROOT",
    "USERPROFILE",
    "APPDATA",
    "LOCALAPPDATA",
    "PROGRAMDATA",
    "COMSPEC",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// Settings that hold whatever the repository says: nothing runs beside git, nothing is signed, collected or rewritten,
/// what is written is on the disk, and a server that says nothing for a minute is given up, as by ssh's own ([`SSH`]).
const SETTINGS: [&str; 26] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.splitIndex=false",
    "index.sparse=false",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.autocrlf=false",
    "core.safecrlf=false",
    "core.askPass=",
    "core.fsync=all",
    "core.logAllRefUpdates=true",
    "http.lowSpeedLimit=100",
    "http.lowSpeedTime=60",
    "gc.auto=0",
    "maintenance.auto=false",
    "fetch.unpackLimit=1",
    "fetch.recurseSubmodules=false",
    "fetch.prune=false",
    "push.recurseSubmodules=no",
    "push.gpgSign=false",
    "push.followTags=false",
    "submodule.recurse=false",
    "commit.gpgSign=false",
    "advice.detachedHead=false",
    "advice.graftFileDeprecated=false",
];

/// `BatchMode`: a key with a passphrase, or a host that is not known, is a refusal and no question.
const SSH: &str = "ssh -oBatchMode=yes -oConnectTimeout=10 -oServerAliveInterval=5 -oServerAliveCountMax=3";

/// Git in one folder, until one point in time.
pub(super) struct Git {
    folder: PathBuf,
    until: Instant,
    time: Duration,
    stop: Stop,
    attributes: Option<String>,
    surroundings: Surroundings,
}

/// One call.
#[derive(Default)]
pub(super) struct Call<'a> {
    pub(super) arguments: Vec<OsString>,
    /// What it reads.
    pub(super) input: Option<Vec<u8>>,
    /// The index that it works on, instead of the user's.
    pub(super) index: Option<&'a Path>,
    /// A folder, and how many bytes of new files in it are too many.
    pub(super) bound: Option<(&'a Path, u64)>,
    /// It has only so much of the time that there is.
    pub(super) until: Option<Instant>,
    /// Attributes are those of the workspace, whatever [`Git::set_attributes`] says.
    pub(super) own_attributes: bool,
}

/// What came of it.
pub(super) struct Said {
    /// Its exit code; -1 where it has none.
    pub(super) code: i32,
    pub(super) out: Vec<u8>,
    pub(super) messages: String,
}

impl Said {
    /// The first line that it printed.
    pub(super) fn line(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.out);
        text.lines().next().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned)
    }

    /// What it printed, cut at the zeros.
    pub(super) fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.out.split(|b| *b == 0).filter(|part| !part.is_empty())
    }

    /// The end of what it said, for a person.
    pub(super) fn detail(&self) -> String {
        let lines: Vec<&str> = self.messages.lines().map(str::trim).filter(|line| !line.is_empty()).take(4).collect();
        let text = crate::openclaw::redact::redact(&lines.join(" | "), 300);
        if text.is_empty() { format!("exit {}", self.code) } else { text }
    }
}

impl<'a> Call<'a> {
    pub(super) fn new<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Self {
        let arguments = arguments.into_iter().map(|one| one.as_ref().to_owned()).collect();
        Self { arguments, ..Self::default() }
    }

    pub(super) fn index(mut self, index: &'a Path) -> Self {
        self.index = Some(index);
        self
    }

    pub(super) fn until(mut self, until: Instant) -> Self {
        self.until = Some(until);
        self
    }

    pub(super) fn input(mut self, input: Vec<u8>) -> Self {
        self.input = Some(input);
        self
    }

    pub(super) fn own_attributes(mut self) -> Self {
        self.own_attributes = true;
        self
    }
}

impl Git {
    /// Git in `folder`, for at most `time` in all.
    pub(super) fn new(folder: PathBuf, time: Duration, stop: Stop) -> Self {
        Self { folder, until: Instant::now() + time, time, stop, attributes: None, surroundings: Surroundings::Own }
    }

    /// The same with these variables.
    pub(super) fn within(self, surroundings: Surroundings) -> Self {
        Self { surroundings, ..self }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// From now on, attributes are those of this tree: of the empty one, so that files are taken and given byte by byte,
    /// and no filter program runs. Git 2.41 and later; an older one goes by the workspace's `.gitattributes`. A call
    /// may ask for those all the same.
    pub(super) fn set_attributes(&mut self, tree: String) {
        self.attributes = Some(tree);
    }

    /// When the time is over.
    pub(super) const fn ends(&self) -> Instant {
        self.until
    }

    /// There is time left.
    pub(super) fn in_time(&self) -> Result<(), WorkspaceError> {
        if Instant::now() < self.until { Ok(()) } else { Err(Retry::TooSlow(self.time).into()) }
    }

    /// Runs it, whatever its exit code.
    pub(super) fn run(&self, call: Call<'_>) -> Result<Said, WorkspaceError> {
        let mut command = self.command(&call);
        let until = call.until.map_or(self.until, |until| self.until.min(until));
        let bounds = Bounds { until, output: MAX_OUTPUT, messages: MAX_MESSAGES };
        let bound = call.bound;
        let before = bound.map_or(0, |(folder, _)| size_of(folder));
        let mut measured = Instant::now();
        let goes_on = || {
            if self.stop.is_set() {
                return false;
            }
            let Some((folder, most)) = bound.filter(|_| measured.elapsed() >= MEASURE) else { return true };
            measured = Instant::now();
            size_of(folder).saturating_sub(before) <= most
        };
        let said = program::run(&mut command, call.input, bounds, goes_on).map_err(|why| match why {
            NotRun::Missing => Person::NoGit.into(),
            NotRun::TooSlow => Retry::TooSlow(self.time).into(),
            NotRun::Stopped if self.stop.is_set() => Retry::Overtaken.into(),
            NotRun::Stopped => WorkspaceError::from(Person::TooLarge(bound.map_or(0, |(_, most)| most))),
            NotRun::Start(_) | NotRun::Follow(_) | NotRun::TooMuch | NotRun::Held => {
                Person::Git { detail: why.to_string() }.into()
            }
        })?;
        Ok(Said { code: said.code, out: said.output, messages: said.messages })
    }

    /// Runs it; another exit code than 0 is an error.
    pub(super) fn must(&self, call: Call<'_>) -> Result<Said, WorkspaceError> {
        let said = self.run(call)?;
        if said.code == 0 { Ok(said) } else { Err(failed(&said)) }
    }

    /// Runs it; its first line, or nothing where it fails.
    pub(super) fn ask<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<Option<String>, WorkspaceError> {
        let said = self.run(Call::new(arguments))?;
        Ok(if said.code == 0 { said.line() } else { None })
    }

    fn command(&self, call: &Call<'_>) -> Command {
        let mut command = Command::new("git");
        command.arg("--no-pager").arg("--literal-pathspecs").arg("--no-optional-locks");
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        command.args(&call.arguments).current_dir(&self.folder).env_clear();
        self.surroundings.pass(&PASSED, &mut command);
        command.env("LC_ALL", "C").env("LANG", "C").env("TZ", "UTC");
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_ATTR_NOSYSTEM", "1");
        command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_EDITOR", ":").env("GIT_SSH_COMMAND", SSH);
        // What is looked at is what is sent: no commit stands in for another.
        command.env("GIT_NO_REPLACE_OBJECTS", "1").env("GIT_GRAFT_FILE", "/dev/null");
        // No transport that runs a program by another name.
        command.env("GIT_ALLOW_PROTOCOL", "file:git:http:https:ssh");
        command.env("GIT_AUTHOR_NAME", "Clawmend").env("GIT_AUTHOR_EMAIL", "clawmend@localhost");
        command.env("GIT_COMMITTER_NAME", "Clawmend").env("GIT_COMMITTER_EMAIL", "clawmend@localhost");
        // The repository of a folder around the workspace is not the workspace's.
        if let Some(around) = self.folder.parent() {
            command.env("GIT_CEILING_DIRECTORIES", around);
        }
        if let Some(tree) = self.attributes.as_ref().filter(|_| !call.own_attributes) {
            command.env("GIT_ATTR_SOURCE", tree);
        }
        if let Some(index) = call.index {
            command.env("GIT_INDEX_FILE", index);
        }
        command
    }
}

/// What a failure means that has nothing to do with a remote.
pub(super) fn failed(said: &Said) -> WorkspaceError {
    let text = said.messages.as_str();
    let has = |part: &str| text.contains(part);
    let detail = said.detail();
    if has("No space left on device") || has("Disk quota exceeded") {
        Person::NoSpace { detail }.into()
    } else if has(".lock': File exists")
        || has("cannot lock ref")
        || has("not uptodate")
        || has("short read")
        || has("would be overwritten")
        || has("would lose untracked")
        || has("overwritten by merge")
    {
        Retry::Busy { detail }.into()
    } else if has("dubious ownership") || has("not a git repository") || has("corrupt") || has("bad object") {
        Person::BadRepository { detail }.into()
    } else {
        Person::Git { detail }.into()
    }
}

/// The sizes of the files in a folder, without those below it.
fn size_of(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).filter(std::fs::Metadata::is_file).map(|data| data.len()).sum()
}
