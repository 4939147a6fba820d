//! Remotes that are down, wrong or too large; locks, hooks and repositories that are not what they should be.

use crate::folders::*;
use clawmend::failover::workspace::{Person, PushedTo, Remote, Retry, Workspace, WorkspaceError};
use clawmend::host::program::Surroundings;
use clawmend_testkit::lab::{Unavailable, free_port, skipped, until};
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// All three, each of which must fail alike and change no file.
fn all(node: &Workspace, right: impl Fn(&WorkspaceError) -> bool) {
    let before = on_disk(&node.folder);
    for error in [node.push().map(drop), node.pull().map(drop), node.give_back().map(drop)] {
        let error = error.unwrap_err();
        assert!(right(&error), "{error:?}");
        let text = error.to_string();
        assert!(text.len() < 700 && !text.contains('\n'), "{text}");
        assert_eq!(on_disk(&node.folder), before);
    }
}

#[test]
fn a_remote_that_is_down_is_tried_again() {
    let mut pair = pair();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for scheme in ["git", "http"] {
        pair.primary.remote = Remote::parse(&format!("{scheme}://127.0.0.1:{port}/w.git")).unwrap();
        all(&pair.primary, |error| matches!(error, WorkspaceError::Retry(Retry::Unreachable { .. })) && error.passes());
    }
}

#[test]
fn a_remote_that_never_answers_costs_its_time_and_no_more() {
    let mut pair = pair();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    pair.primary.remote = Remote::parse(&format!("git://{}/w.git", silent.local_addr().unwrap())).unwrap();
    pair.primary.limits.time = Duration::from_secs(3);
    let life = clawmend::host::process::incarnation_of(std::process::id()).unwrap();
    let before = clawmend::host::process::children(&life);
    let error = pair.primary.pull().unwrap_err();
    assert_eq!(error, WorkspaceError::Retry(Retry::TooSlow(Duration::from_secs(3))));
    // Git of other tests may have come and gone; this one's stood in this folder.
    let folder = pair.primary.folder.canonicalize().unwrap();
    // A kill takes the kernel a moment.
    until("git to be gone", Duration::from_secs(30), || {
        let stays = clawmend::host::process::children(&life)
            .into_iter()
            .filter(|child| !before.contains(child))
            .any(|child| fs::read_link(format!("/proc/{}/cwd", child.pid)).is_ok_and(|cwd| cwd == folder));
        !stays
    })
    .unwrap();
}

#[test]
fn a_wrong_remote_needs_a_person() {
    let mut pair = pair();
    let (nothing, no_repository) = (pair.dir.path().join("none"), pair.dir.path().join("folder"));
    fs::create_dir(&no_repository).unwrap();
    for path in [&nothing, &no_repository] {
        pair.primary.remote = Remote::parse(path.to_str().unwrap()).unwrap();
        all(&pair.primary, |error| matches!(error, WorkspaceError::Person(Person::NoSuchRemote { .. })));
    }
}

#[cfg(unix)]
#[test]
fn a_remote_that_refuses_the_push_needs_a_person() {
    use std::os::unix::fs::PermissionsExt;
    let pair = pair();
    let hook = pair.remote().join("hooks/pre-receive");
    write(&pair.remote(), "hooks/pre-receive", "#!/bin/sh\nexit 1\n");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let error = pair.primary.push().unwrap_err();
    assert!(matches!(error, WorkspaceError::Person(Person::Refused { .. })), "{error:?}");
}

#[test]
fn a_remote_that_is_too_large_is_not_taken() {
    let mut pair = pair();
    pair.primary.push().unwrap();
    openclaw(&pair.standby.folder);
    pair.standby.limits.fetch = 1 << 20;
    // Of zeros: a thousand times smaller on the way than on the disk.
    pair.person("main", "zeros.bin", &"\0".repeat(8 << 20));
    let too_large = |error: &WorkspaceError| *error == WorkspaceError::Person(Person::TooLarge(1 << 20));
    let before = on_disk(&pair.standby.folder);
    assert!(too_large(&pair.standby.pull().unwrap_err()));
    // Of noise: ended while it comes.
    let mut noise = vec![0_u8; 96 << 20];
    let mut state = 88_172_645_463_325_252_u64;
    for part in noise.chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        part.copy_from_slice(&state.to_le_bytes()[..part.len()]);
    }
    let folder = pair.dir.path().join("person");
    write(&folder, "noise.bin", &noise);
    git(&folder, &["-c", "core.compression=0", "add", "-A"]);
    git(&folder, &["commit", "--quiet", "-m", "large"]);
    git(&folder, &["push", "--quiet", "origin", "main"]);
    assert!(too_large(&pair.standby.pull().unwrap_err()));
    assert_eq!(on_disk(&pair.standby.folder), before);
    let packs = fs::read_dir(pair.standby.folder.join(".git/objects/pack")).unwrap();
    let left: Vec<_> = packs.flatten().map(|entry| entry.file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with("tmp_")), "{left:?}");
}

/// A lock that a git holds now, or held until it died.
fn lock(folder: &Path, name: &str, age: Duration) {
    let file = File::create(folder.join(".git").join(name)).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

#[test]
fn a_lock_of_a_living_git_is_respected_and_one_of_a_dead_git_is_set_aside() {
    let pair = pair();
    pair.primary.push().unwrap();
    // The primary goes round it.
    lock(&pair.primary.folder, "index.lock", Duration::from_secs(3600));
    write(&pair.primary.folder, "a.md", "a\n");
    let pushed = pair.primary.push().unwrap();
    assert_eq!((pushed.to, pushed.followed), (PushedTo::Branch, false));
    assert!(pair.primary.folder.join(".git/index.lock").exists());
    // The standby waits for a living one.
    openclaw(&pair.standby.folder);
    lock(&pair.standby.folder, "index.lock", Duration::ZERO);
    let before = on_disk(&pair.standby.folder);
    let error = pair.standby.pull().unwrap_err();
    assert!(matches!(error, WorkspaceError::Retry(Retry::Busy { .. })), "{error:?}");
    assert_eq!(on_disk(&pair.standby.folder), before);
    for name in ["index.lock", "HEAD.lock", "refs/heads/main.lock", "config.lock"] {
        lock(&pair.standby.folder, name, Duration::from_secs(600));
    }
    assert!(pair.standby.pull().unwrap().kept.is_some());
    assert!(pair.standby.folder.join(".git/clawmend/dead-index.lock").exists());
    assert_eq!(git(&pair.standby.folder, &["status", "--porcelain"]), "");
}

#[test]
fn one_clawmend_works_on_it_at_a_time() {
    let pair = pair();
    pair.primary.push().unwrap();
    let held = File::options().write(true).open(pair.primary.folder.join(".git/clawmend/lock")).unwrap();
    held.lock().unwrap();
    all(&pair.primary, |error| matches!(error, WorkspaceError::Retry(Retry::Busy { .. })));
    drop(held);
    assert!(pair.primary.push().is_ok());
}

#[cfg(unix)]
#[test]
fn hooks_and_settings_of_the_repository_run_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let pair = pair();
    pair.primary.push().unwrap();
    openclaw(&pair.standby.folder);
    let mark = pair.dir.path().join("it-ran");
    let script = pair.dir.path().join("script");
    fs::write(&script, format!("#!/bin/sh\necho \"$0\" >> {}\n", mark.display())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    for folder in [&pair.primary.folder, &pair.standby.folder] {
        fs::create_dir_all(folder.join(".git/hooks")).unwrap();
        for hook in
            ["pre-commit", "post-checkout", "pre-push", "reference-transaction", "post-index-change", "post-merge"]
        {
            fs::copy(&script, folder.join(".git/hooks").join(hook)).unwrap();
        }
        for key in ["core.fsmonitor", "core.sshCommand", "core.askPass", "core.editor", "core.pager", "gpg.program"] {
            git(folder, &["config", key, script.to_str().unwrap()]);
        }
        git(folder, &["config", "commit.gpgSign", "true"]);
    }
    write(&pair.primary.folder, "a.md", "a\n");
    pair.primary.push().unwrap();
    pair.standby.pull().unwrap();
    write(&pair.standby.folder, "b.md", "b\n");
    pair.standby.give_back().unwrap();
    assert!(!mark.exists(), "{}", fs::read_to_string(&mark).unwrap_or_default());
}

#[test]
fn a_repository_around_the_workspace_is_not_touched() {
    let pair = pair();
    let around = pair.primary.folder.parent().unwrap().to_owned();
    fs::remove_dir_all(pair.primary.folder.join(".git")).unwrap();
    git(&around, &["init", "--quiet"]);
    assert_eq!(pair.primary.push().unwrap().to, PushedTo::Branch);
    assert!(!try_git(&around, &["rev-parse", "--verify", "HEAD"]));
    assert_eq!(pair.files("main").len(), 3);
}

#[test]
fn what_is_no_repository_of_the_folder_needs_a_person() {
    let pair = pair();
    let bad = |error: &WorkspaceError| matches!(error, WorkspaceError::Person(Person::BadRepository { .. }));
    git(&pair.primary.folder, &["config", "core.sparseCheckout", "true"]);
    all(&pair.primary, bad);
    git(&pair.primary.folder, &["config", "core.sparseCheckout", "false"]);
    fs::write(pair.primary.folder.join(".git/HEAD"), "garbage\n").unwrap();
    all(&pair.primary, bad);
    let error = pair.standby.push().unwrap_err();
    assert!(matches!(error, WorkspaceError::Person(Person::NoWorkspace { .. })), "{error:?}");
}

#[test]
fn a_look_writes_nothing_and_needs_no_folder() {
    let pair = pair();
    let work = pair.dir.path().join("work");
    let look = |workspace: &Workspace| workspace.look(&work, Surroundings::Service);
    assert_eq!((look(&pair.standby), look(&pair.primary)), (Ok(false), Ok(false)));
    pair.primary.push().unwrap();
    assert_eq!((look(&pair.standby), look(&pair.primary)), (Ok(true), Ok(true)));
    assert_eq!(pair.branches(), ["main"]);
    assert!(!work.exists() && !pair.standby.folder.exists());
}

/// Such as with a deploy key that nobody allowed to write: it would be found at the step back only.
#[test]
fn a_remote_that_only_lets_read_is_found_before_it_is_needed() {
    let mut pair = pair();
    pair.primary.push().unwrap();
    let port = free_port().unwrap();
    let program = Path::new(git(&pair.remote(), &["--exec-path"]).trim()).join("git-daemon");
    let mut command = std::process::Command::new(program);
    command.args(["--listen=127.0.0.1", "--export-all", "--reuseaddr", &format!("--port={port}")]);
    command.arg(format!("--base-path={}", pair.dir.path().display())).stderr(std::process::Stdio::null());
    let Ok(daemon) = command.spawn() else {
        return skipped("a remote that only lets read", &Unavailable("git-daemon is not installed".into()));
    };
    let mut daemon = Ended(daemon);
    until("git's daemon to answer", Duration::from_secs(30), || {
        assert!(daemon.0.try_wait().unwrap().is_none(), "it has ended");
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    })
    .unwrap();
    pair.standby.remote = Remote::parse(&format!("git://127.0.0.1:{port}/remote.git")).unwrap();
    pair.standby.pull().unwrap();
    let looked = pair.standby.look(&pair.dir.path().join("work"), Surroundings::Own);
    assert!(matches!(looked, Err(WorkspaceError::Person(Person::ReadOnly { .. }))), "{looked:?}");
}

/// A program of a test's own.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
