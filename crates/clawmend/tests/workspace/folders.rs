//! A primary, a standby and a remote, as folders; and git beside the one under test, undisturbed by this machine.

use clawmend::failover::workspace::{Branch, Limits, Node, Remote, Stop, Workspace};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

pub struct Pair {
    pub dir: tempfile::TempDir,
    pub primary: Workspace,
    pub standby: Workspace,
}

/// A primary as OpenClaw leaves it: files, and a repository without a commit. The standby has no folder yet.
pub fn pair() -> Pair {
    let dir = tempfile::tempdir().unwrap();
    let remote = dir.path().join("remote.git");
    fs::create_dir(&remote).unwrap();
    git(&remote, &["init", "--quiet", "--bare", "--initial-branch=main"]);
    let node = |name: &str| Workspace {
        folder: dir.path().join(name).join("workspace"),
        remote: Remote::parse(remote.to_str().unwrap()).unwrap(),
        branch: Branch::parse("main").unwrap(),
        node: Node::parse(name).unwrap(),
        limits: Limits { time: Duration::from_secs(120), ..Limits::default() },
        stop: Stop::default(),
    };
    let (primary, standby) = (node("primary"), node("standby"));
    openclaw(&primary.folder);
    Pair { dir, primary, standby }
}

/// What OpenClaw makes at its first start.
pub fn openclaw(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    git(folder, &["init", "--quiet"]);
    write(folder, "AGENTS.md", "# Agents\n");
    write(folder, "SOUL.md", "# Soul\n");
    write(folder, "memory/2026-11-25.md", "met Ada\n");
}

impl Pair {
    pub fn remote(&self) -> PathBuf {
        self.dir.path().join("remote.git")
    }

    /// A person pushes to a branch of the remote from elsewhere.
    pub fn person(&self, branch: &str, path: &str, content: &str) {
        let folder = self.dir.path().join("person");
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        git(self.dir.path(), &["clone", "--quiet", self.remote().to_str().unwrap(), "person"]);
        git(&folder, &["checkout", "--quiet", "-B", branch]);
        write(&folder, path, content);
        git(&folder, &["add", "-A", "-f"]);
        git(&folder, &["commit", "--quiet", "-m", "person"]);
        git(&folder, &["push", "--quiet", "origin", branch]);
    }

    /// The files of a branch of the remote.
    pub fn files(&self, branch: &str) -> BTreeMap<String, String> {
        files_of(&self.remote(), branch)
    }

    pub fn branches(&self) -> Vec<String> {
        let text = git(&self.remote(), &["for-each-ref", "--format=%(refname:short)", "refs/heads"]);
        text.lines().map(str::to_owned).collect()
    }
}

pub fn files_of(repository: &Path, rev: &str) -> BTreeMap<String, String> {
    let list = git(repository, &["ls-tree", "-r", "--name-only", rev]);
    list.lines().map(|path| (path.to_owned(), git(repository, &["show", &format!("{rev}:{path}")]))).collect()
}

pub fn write(folder: &Path, path: &str, content: impl AsRef<[u8]>) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// The files of a folder, without its repository.
pub fn on_disk(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(&at).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            if entry.file_name() == ".git" {
                continue;
            }
            if path.is_symlink() {
                found.insert(name, fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes());
            } else if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// Everything that is in `before` is still on the disk, or in a commit that a branch of the workspace holds.
pub fn nothing_lost(folder: &Path, before: &BTreeMap<String, Vec<u8>>) {
    let now = on_disk(folder);
    let objects = git(folder, &["rev-list", "--objects", "--branches"]);
    let held: std::collections::BTreeSet<&str> = objects.lines().filter_map(|line| line.split(' ').next()).collect();
    for (path, bytes) in before.iter().filter(|(path, bytes)| now.get(*path) != Some(*bytes)) {
        let blob = git_with(folder, &["hash-object", "--no-filters", "--stdin"], Some(bytes));
        assert!(held.contains(blob.trim()), "{path} is lost: {:?}", String::from_utf8_lossy(bytes));
    }
}

pub fn git(folder: &Path, arguments: &[&str]) -> String {
    git_with(folder, arguments, None)
}

/// Whatever its exit code.
pub fn try_git(folder: &Path, arguments: &[&str]) -> bool {
    command(folder, arguments).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
}

fn git_with(folder: &Path, arguments: &[&str], input: Option<&[u8]>) -> String {
    let mut command = command(folder, arguments);
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("git");
    if let (Some(mut pipe), Some(input)) = (child.stdin.take(), input) {
        pipe.write_all(input).unwrap();
    }
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.args(arguments).current_dir(folder);
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null").env("LC_ALL", "C");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "Person").env(format!("GIT_{who}_EMAIL"), "person@example.org");
    }
    command
}
