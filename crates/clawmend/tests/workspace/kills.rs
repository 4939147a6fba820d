//! A guard that is killed at any point, and the next one: nothing is lost, and the work is done in the end.
//!
//! The guard is this very program, started again as a worker. A script in the place of git counts the calls, and at one
//! of them ends its own parent, which is the worker, before git runs or while it does.

use crate::folders::*;
use clawmend::failover::workspace::{Workspace, WorkspaceError};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

/// Most calls of git that one piece of work may make.
const MOST_CALLS: usize = 80;

#[derive(Clone, Copy, Debug)]
enum Work {
    Push,
    Pull,
    GiveBack,
}

impl Work {
    const ALL: [Self; 3] = [Self::Push, Self::Pull, Self::GiveBack];

    fn of(self, pair: &Pair) -> &Workspace {
        match self {
            Self::Push => &pair.primary,
            Self::Pull | Self::GiveBack => &pair.standby,
        }
    }

    fn run(self, pair: &Pair) -> Result<(), WorkspaceError> {
        let node = self.of(pair);
        match self {
            Self::Push => node.push().map(drop),
            Self::Pull => node.pull().map(drop),
            Self::GiveBack => node.give_back().map(drop),
        }
    }

    /// What the folder has before that must never be lost.
    fn scene(self) -> Pair {
        let pair = pair();
        pair.primary.push().unwrap();
        match self {
            Self::Push => {
                // So that it is merged, too.
                pair.person("main", "person.md", "of a person\n");
                write(&pair.primary.folder, "MEMORY.md", "new\n");
                fs::remove_file(pair.primary.folder.join("AGENTS.md")).unwrap();
            }
            Self::Pull => {
                pair.standby.pull().unwrap();
                write(&pair.standby.folder, "commit.md", "in a commit\n");
                git(&pair.standby.folder, &["add", "-A"]);
                git(&pair.standby.folder, &["commit", "--quiet", "-m", "here"]);
                write(&pair.standby.folder, "SOUL.md", "changed here\n");
                write(&pair.standby.folder, "new.md", "new here\n");
                for n in 0..40 {
                    write(&pair.primary.folder, &format!("many/{n}.md"), format!("{n}\n"));
                }
                fs::remove_file(pair.primary.folder.join("AGENTS.md")).unwrap();
                pair.primary.push().unwrap();
            }
            Self::GiveBack => {
                pair.standby.pull().unwrap();
                write(&pair.standby.folder, "new.md", "new here\n");
            }
        }
        pair
    }

    fn done(self, pair: &Pair, before: &BTreeMap<String, Vec<u8>>) {
        let folder = &self.of(pair).folder;
        nothing_lost(folder, before);
        let text = |files: &BTreeMap<String, String>, name: &str| files.get(name).cloned().unwrap_or_default();
        match self {
            Self::Push => {
                let main = pair.files("main");
                assert_eq!(
                    (text(&main, "MEMORY.md"), text(&main, "person.md")),
                    ("new\n".into(), "of a person\n".into())
                );
                assert!(!main.contains_key("AGENTS.md"));
            }
            Self::Pull => {
                let (disk, main) = (on_disk(folder), pair.files("main"));
                assert!(disk.iter().all(|(path, bytes)| main.get(path).is_some_and(|text| text.as_bytes() == bytes)));
                assert_eq!(disk.len(), main.len());
            }
            Self::GiveBack => assert_eq!(text(&pair.files("clawmend/standby"), "new.md"), "new here\n"),
        }
        assert!(try_git(folder, &["fsck", "--strict", "--no-dangling"]), "the repository is not whole");
    }
}

/// The worker. It does something only where the tests below start it.
#[test]
#[ignore = "started by the other tests of this file"]
fn worker() {
    let (Some(dir), Ok(work)) = (std::env::var_os("WORKSPACE_DIR"), std::env::var("WORKSPACE_WORK")) else { return };
    let pair = at(Path::new(&dir));
    let work = Work::ALL.into_iter().find(|one| format!("{one:?}") == work).unwrap();
    work.run(&pair).unwrap();
}

/// The nodes of a pair that another process has made.
fn at(dir: &Path) -> Pair {
    let mut pair = pair();
    let remote = clawmend::failover::workspace::Remote::parse(dir.join("remote.git").to_str().unwrap()).unwrap();
    for node in [&mut pair.primary, &mut pair.standby] {
        node.folder = dir.join(node.node.as_str()).join("workspace");
        node.remote = remote.clone();
    }
    pair
}

/// A folder with a script named `git` that ends the worker at its call number `at` of those with `call` among their
/// arguments: before git runs, or a while after it began.
fn shim(dir: &Path, call: &str, at: usize, after: Option<&str>) -> PathBuf {
    let folder = dir.join("shim");
    fs::create_dir_all(&folder).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    let real = std::env::split_paths(&path).map(|folder| folder.join("git")).find(|file| file.is_file()).unwrap();
    let real = real.display();
    let end = match after {
        None => "kill -9 $PPID; exit 1".to_owned(),
        Some(after) => format!("{real} \"$@\" <&0 & git=$!; sleep {after}; kill -9 $git $PPID; exit 1"),
    };
    let count = "read -r n < \"${0%/*}/count\"; n=$((n+1)); echo $n > \"${0%/*}/count\"";
    let script = format!(
        "#!/bin/sh\nn=0\ncase \" $*\" in *\" {call}\"*) {count};; esac\nif [ $n = {at} ]; then {end}; fi\nexec {real} \"$@\"\n"
    );
    fs::write(folder.join("count"), "0\n").unwrap();
    fs::write(folder.join("git"), script).unwrap();
    fs::set_permissions(folder.join("git"), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// Starts the worker; true when it did its work.
fn start(pair: &Pair, work: Work, shim: &Path) -> bool {
    let path = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths(std::iter::once(shim.to_owned()).chain(std::env::split_paths(&path))).unwrap();
    let mut worker = Command::new(std::env::current_exe().unwrap());
    worker.args(["kills::worker", "--exact", "--ignored", "--nocapture"]).env("PATH", path);
    worker.env("WORKSPACE_DIR", pair.dir.path()).env("WORKSPACE_WORK", format!("{work:?}"));
    worker.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
}

/// The next guard comes when locks of the dead are old.
fn again(pair: &Pair, work: Work) {
    for _ in 0..200 {
        age_locks(&work.of(pair).folder.join(".git"));
        age_locks(&pair.remote());
        match work.run(pair) {
            Ok(()) => return,
            // A git that outlived its guard may still be at it.
            Err(WorkspaceError::Retry(_)) => std::thread::yield_now(),
            Err(error) => panic!("{work:?}: {error}"),
        }
    }
    panic!("{work:?} never got done");
}

fn age_locks(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            age_locks(&path);
        } else if path.extension().is_some_and(|end| end == "lock") && path.starts_with(folder) {
            let old = SystemTime::now() - Duration::from_secs(600);
            if folder.to_string_lossy().contains("remote.git") {
                // The remote is not ours to mend; its keeper removes what a dead git left.
                drop(fs::remove_file(&path));
            } else if let Ok(file) = fs::File::options().write(true).open(&path) {
                drop(file.set_modified(old));
            }
        }
    }
}

/// A pull changes files: there each call counts.
#[test]
fn a_pull_that_is_killed_before_any_call_of_git_loses_nothing_and_the_next_guard_ends_it() {
    killed_before_calls(Work::Pull, 1);
}

#[test]
fn a_push_that_is_killed_before_a_call_of_git_loses_nothing_and_the_next_guard_ends_it() {
    killed_before_calls(Work::Push, 3);
}

#[test]
fn a_gift_that_is_killed_before_a_call_of_git_loses_nothing_and_the_next_guard_ends_it() {
    killed_before_calls(Work::GiveBack, 3);
}

fn killed_before_calls(work: Work, step: usize) {
    let mut done = false;
    for at in (1..=MOST_CALLS).step_by(step) {
        let pair = work.scene();
        let before = on_disk(&work.of(&pair).folder);
        let shim = shim(pair.dir.path(), "", at, None);
        done = start(&pair, work, &shim);
        nothing_lost(&work.of(&pair).folder, &before);
        if done {
            work.done(&pair, &before);
            assert!(at > 10, "{work:?} was killed {at} times only");
            break;
        }
        again(&pair, work);
        work.done(&pair, &before);
    }
    assert!(done, "{work:?} takes more than {MOST_CALLS} calls");
}

#[test]
fn a_push_that_is_killed_with_git_in_the_middle_loses_nothing_and_the_next_guard_ends_it() {
    killed_in_calls(Work::Push, &["read-tree -m", "update-ref", "push"]);
}

#[test]
fn a_pull_that_is_killed_with_git_in_the_middle_loses_nothing_and_the_next_guard_ends_it() {
    killed_in_calls(Work::Pull, &["fetch", "update-index -z", "read-tree -m", "update-ref", "symbolic-ref -m"]);
}

#[test]
fn a_gift_that_is_killed_with_git_in_the_middle_loses_nothing_and_the_next_guard_ends_it() {
    killed_in_calls(Work::GiveBack, &["push"]);
}

fn killed_in_calls(work: Work, calls: &[&str]) {
    for call in calls {
        for after in ["0", "0.002", "0.006"] {
            let pair = work.scene();
            let before = on_disk(&work.of(&pair).folder);
            let shim = shim(pair.dir.path(), call, 1, Some(after));
            assert!(!start(&pair, work, &shim), "{work:?} makes no call of {call}");
            nothing_lost(&work.of(&pair).folder, &before);
            again(&pair, work);
            work.done(&pair, &before);
        }
    }
}
