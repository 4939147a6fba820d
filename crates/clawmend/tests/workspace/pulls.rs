//! The standby's side, when it is promoted.

use crate::folders::*;
use crate::pushes::{conflict, encrypts};
use clawmend::failover::workspace::{Pulled, PulledTo, Remote, Retry, WorkspaceError};
use std::fs;
use std::net::TcpListener;
use std::time::Duration;

/// Pulls; the folder is what the remote has, and nothing of before is lost.
fn pulled(pair: &Pair) -> Pulled {
    let folder = &pair.standby.folder;
    let before = on_disk(folder);
    let pulled = pair.standby.pull().unwrap();
    nothing_lost(folder, &before);
    let disk = on_disk(folder);
    for (path, content) in pair.files("main") {
        assert_eq!(disk.get(&path).map(Vec::as_slice), Some(content.as_bytes()), "{path}");
    }
    assert_eq!(git(folder, &["rev-parse", "HEAD"]), git(&pair.remote(), &["rev-parse", "main"]));
    assert_eq!(git(folder, &["symbolic-ref", "HEAD"]), "refs/heads/main\n");
    // What the user's own attributes make of it is not asked.
    if !folder.join(".gitattributes").exists() {
        assert_eq!(git(folder, &["diff", "HEAD", "--name-only"]), "");
    }
    pulled
}

fn kept(pair: &Pair, pulled: &Pulled) -> std::collections::BTreeMap<String, String> {
    let branch = pulled.kept.as_deref().expect("nothing was kept");
    assert!(branch.starts_with("clawmend/local-20"), "{branch}");
    files_of(&pair.standby.folder, branch)
}

#[test]
fn a_folder_that_is_not_there_is_made() {
    let pair = pair();
    pair.primary.push().unwrap();
    let first = pulled(&pair);
    assert!(matches!(first.to, PulledTo::Brought(_)) && first.kept.is_none());
    let again = pulled(&pair);
    assert!(matches!(again.to, PulledTo::Known(_)) && again.kept.is_none());
    write(&pair.primary.folder, "MEMORY.md", "new\n");
    fs::remove_file(pair.primary.folder.join("SOUL.md")).unwrap();
    pair.primary.push().unwrap();
    let later = pulled(&pair);
    assert!(matches!(later.to, PulledTo::Brought(_)) && later.kept.is_none());
    assert!(!pair.standby.folder.join("SOUL.md").exists());
}

#[test]
fn an_empty_remote_changes_nothing() {
    let pair = pair();
    openclaw(&pair.standby.folder);
    let before = on_disk(&pair.standby.folder);
    assert_eq!(pair.standby.pull().unwrap(), Pulled { to: PulledTo::Nothing, kept: None, not_fetched: None });
    assert_eq!(on_disk(&pair.standby.folder), before);
}

#[test]
fn the_files_of_a_first_start_without_a_commit_are_kept_on_a_branch() {
    let pair = pair();
    write(&pair.primary.folder, "SOUL.md", "# Soul of the primary\n");
    pair.primary.push().unwrap();
    openclaw(&pair.standby.folder);
    write(&pair.standby.folder, "only-here.md", "mine\n");
    let pulled = pulled(&pair);
    let kept = kept(&pair, &pulled);
    assert_eq!((kept["SOUL.md"].as_str(), kept["only-here.md"].as_str()), ("# Soul\n", "mine\n"));
    assert!(!pair.standby.folder.join("only-here.md").exists());
}

#[test]
fn changes_commits_and_what_is_staged_are_kept() {
    let pair = pair();
    pair.primary.push().unwrap();
    pulled(&pair);
    let folder = &pair.standby.folder;
    write(folder, "commit.md", "in a commit\n");
    git(folder, &["add", "-A"]);
    git(folder, &["commit", "--quiet", "-m", "here"]);
    git(folder, &["checkout", "--quiet", "-b", "mine"]);
    write(folder, "branch.md", "on a branch\n");
    git(folder, &["add", "-A"]);
    git(folder, &["commit", "--quiet", "-m", "mine"]);
    write(folder, "staged.md", "staged\n");
    git(folder, &["add", "staged.md"]);
    write(folder, "staged.md", "on the disk\n");
    write(folder, "SOUL.md", "changed\n");
    fs::remove_file(folder.join("AGENTS.md")).unwrap();
    let pulled = pulled(&pair);
    let kept = kept(&pair, &pulled);
    assert_eq!(kept["staged.md"], "on the disk\n");
    assert_eq!(kept["SOUL.md"], "changed\n");
    assert!(kept.contains_key("commit.md") && kept.contains_key("branch.md") && !kept.contains_key("AGENTS.md"));
    nothing_lost(folder, &[("staged".to_owned(), b"staged\n".to_vec())].into());
    assert!(try_git(folder, &["rev-parse", "--verify", "refs/heads/mine"]));
    // The same again keeps nothing twice.
    let branches = git(folder, &["branch", "--list", "clawmend/*"]);
    assert_eq!(pair.standby.pull().unwrap().kept, None);
    assert_eq!(git(folder, &["branch", "--list", "clawmend/*"]), branches);
}

#[test]
fn a_merge_that_somebody_has_begun_is_kept_with_both_sides() {
    let pair = pair();
    pair.primary.push().unwrap();
    pulled(&pair);
    let folder = &pair.standby.folder;
    conflict(folder);
    write(&pair.primary.folder, "MEMORY.md", "new\n");
    pair.primary.push().unwrap();
    let pulled = pulled(&pair);
    assert!(kept(&pair, &pulled)["SOUL.md"].contains("<<<<<<<"));
    let sides = [("a", "# Soul, theirs\n"), ("b", "# Soul, ours\n")];
    nothing_lost(folder, &sides.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).into());
    assert!(!folder.join(".git/MERGE_HEAD").exists());
    assert_eq!(git(folder, &["status", "--porcelain"]), "");
}

#[test]
fn a_rebase_that_somebody_has_begun_is_kept_too() {
    let pair = pair();
    pair.primary.push().unwrap();
    pulled(&pair);
    let folder = &pair.standby.folder;
    git(folder, &["checkout", "--quiet", "-b", "topic"]);
    write(folder, "SOUL.md", "# Soul, topic\n");
    git(folder, &["commit", "--quiet", "-a", "-m", "topic"]);
    git(folder, &["checkout", "--quiet", "main"]);
    write(folder, "SOUL.md", "# Soul, main\n");
    git(folder, &["commit", "--quiet", "-a", "-m", "main"]);
    git(folder, &["checkout", "--quiet", "topic"]);
    assert!(!try_git(folder, &["rebase", "main"]), "it went through");
    let pulled = pulled(&pair);
    assert!(kept(&pair, &pulled)["SOUL.md"].contains("<<<<<<<"));
    let sides = [("a", "# Soul, topic\n"), ("b", "# Soul, main\n")];
    nothing_lost(folder, &sides.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).into());
    assert!(!folder.join(".git/rebase-merge").exists());
}

#[test]
fn a_detached_head_keeps_its_commits() {
    let pair = pair();
    pair.primary.push().unwrap();
    pulled(&pair);
    let folder = &pair.standby.folder;
    git(folder, &["checkout", "--quiet", "--detach"]);
    write(folder, "loose.md", "loose\n");
    git(folder, &["add", "-A"]);
    git(folder, &["commit", "--quiet", "-m", "loose"]);
    let pulled = pulled(&pair);
    assert_eq!(kept(&pair, &pulled)["loose.md"], "loose\n");
}

#[test]
fn ignored_files_and_secrets_stay_or_are_kept_where_the_remote_has_others() {
    let pair = pair();
    pair.primary.push().unwrap();
    // A person put things there that Clawmend would not have.
    pair.person("main", ".env", "A=theirs\n");
    pair.person("main", "build", "a file\n");
    pair.person("main", "log/x.log", "theirs\n");
    pair.person("main", "out/a/b", "theirs\n");
    openclaw(&pair.standby.folder);
    let folder = &pair.standby.folder;
    write(folder, ".gitignore", "*.log\nbuild/\nout\n");
    write(folder, ".env", "A=mine\n");
    write(folder, "build/inner/x", "below\n");
    write(folder, "log/x.log", "mine\n");
    write(folder, "out", "a file where the remote has a folder\n");
    write(folder, "mine.log", "stays\n");
    write(folder, "id.key", "stays\n");
    let pulled = pulled(&pair);
    let kept = kept(&pair, &pulled);
    assert_eq!(kept[".env"], "A=mine\n");
    assert_eq!(kept["build/inner/x"], "below\n");
    assert_eq!(kept["log/x.log"], "mine\n");
    assert_eq!(kept["out"], "a file where the remote has a folder\n");
    assert_eq!(fs::read_to_string(folder.join("mine.log")).unwrap(), "stays\n");
    assert_eq!(fs::read_to_string(folder.join("id.key")).unwrap(), "stays\n");
}

#[cfg(unix)]
#[test]
fn links_travel_as_links_and_lead_nowhere() {
    let pair = pair();
    std::os::unix::fs::symlink("/etc/hostname", pair.primary.folder.join("link")).unwrap();
    pair.primary.push().unwrap();
    let outside = pair.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    write(&outside, "2026-11-25.md", "outside\n");
    openclaw(&pair.standby.folder);
    fs::remove_dir_all(pair.standby.folder.join("memory")).unwrap();
    std::os::unix::fs::symlink(&outside, pair.standby.folder.join("memory")).unwrap();
    let before = on_disk(&pair.standby.folder);
    pair.standby.pull().unwrap();
    nothing_lost(&pair.standby.folder, &before);
    assert_eq!(fs::read_link(pair.standby.folder.join("link")).unwrap().to_str(), Some("/etc/hostname"));
    assert_eq!(fs::read_to_string(pair.standby.folder.join("memory/2026-11-25.md")).unwrap(), "met Ada\n");
    assert_eq!(fs::read_to_string(outside.join("2026-11-25.md")).unwrap(), "outside\n");
}

/// The remote may be lost together with the primary, or the line to it be slow.
#[test]
fn what_was_fetched_before_is_brought_where_the_remote_does_not_answer() {
    let mut pair = pair();
    pair.primary.push().unwrap();
    pair.standby.fetch().unwrap();
    assert!(on_disk(&pair.standby.folder).is_empty(), "a fetch touches no file");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    pair.standby.limits.time = Duration::from_secs(20);
    for (address, slow) in [(closed, false), (silent.local_addr().unwrap(), true)] {
        pair.standby.remote = Remote::parse(&format!("git://{address}/w.git")).unwrap();
        assert!(pair.standby.pull().is_err(), "what was fetched is another remote's");
        let source = format!("{}\nrefs/heads/main\n", pair.standby.remote);
        fs::write(pair.standby.folder.join(".git/clawmend/fetched-from"), source).unwrap();
        let pulled = pulled(&pair);
        let why = pulled.not_fetched.expect("it was not asked");
        assert_eq!(matches!(why, Retry::TooSlow(_)), slow, "{why:?}");
    }
}

#[test]
fn what_cannot_wait_ends_what_is_under_way() {
    let mut pair = pair();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    pair.standby.remote = Remote::parse(&format!("git://{}/w.git", silent.local_addr().unwrap())).unwrap();
    let (standby, stop) = (pair.standby.clone(), pair.standby.stop.clone());
    let fetches = std::thread::spawn(move || standby.fetch());
    let asked = silent.accept();
    stop.now();
    assert_eq!(fetches.join().unwrap(), Err(WorkspaceError::Retry(Retry::Overtaken)));
    drop(asked);
}

#[cfg(unix)]
#[test]
fn bytes_are_kept_whatever_the_attributes_say_and_no_filter_runs() {
    let pair = pair();
    let mark = pair.dir.path().join("it-ran");
    let filter = format!("touch {}; cat", mark.display());
    let text = "one\r\ntwo\n$Id$\n";
    openclaw(&pair.standby.folder);
    for folder in [&pair.primary.folder, &pair.standby.folder] {
        for key in ["filter.x.clean", "filter.x.smudge"] {
            git(folder, &["config", key, &filter]);
        }
        write(folder, ".gitattributes", "* text=auto eol=lf ident\n*.x filter=x\n");
        write(folder, "local.md", text);
        write(folder, "filtered.x", text);
    }
    write(&pair.primary.folder, "bytes.md", text);
    pair.primary.push().unwrap();
    assert_eq!(pair.files("main")["bytes.md"], text);
    assert!(!pair.files("main").contains_key("filtered.x"));
    write(&pair.standby.folder, "local.md", format!("{text}mine\r\n"));
    let pulled = pulled(&pair);
    assert_eq!(kept(&pair, &pulled)["local.md"], format!("{text}mine\r\n"));
    assert_eq!(fs::read_to_string(pair.standby.folder.join("bytes.md")).unwrap(), text);
    assert!(!mark.exists());
}

/// Unlocked by hand on the standby: what lies there is the plain text of what was committed.
#[cfg(unix)]
#[test]
fn what_a_filter_decrypted_stays_so_until_the_remote_has_another() {
    let pair = pair();
    let (primary, folder) = (&pair.primary.folder, &pair.standby.folder);
    encrypts(primary);
    write(primary, "diary.md", "plain\n");
    git(primary, &["add", "-A"]);
    git(primary, &["commit", "--quiet", "-m", "encrypted"]);
    pair.primary.push().unwrap();
    pair.standby.pull().unwrap();
    assert_eq!(fs::read_to_string(folder.join("diary.md")).unwrap(), "qmbjo\n", "no filter runs here");
    encrypts(folder);
    write(folder, "diary.md", "plain\n");
    write(primary, "other.md", "other\n");
    pair.primary.push().unwrap();
    let pulled = pair.standby.pull().unwrap();
    assert_eq!(pulled.kept, None);
    assert_eq!(fs::read_to_string(folder.join("diary.md")).unwrap(), "plain\n");
    assert_eq!(fs::read_to_string(folder.join("other.md")).unwrap(), "other\n");
    // It is replaced where it must be, and kept on this host then.
    write(primary, "diary.md", "plainer\n");
    git(primary, &["commit", "--quiet", "-a", "-m", "encrypted again"]);
    pair.primary.push().unwrap();
    let pulled = pair.standby.pull().unwrap();
    assert_eq!(kept(&pair, &pulled)["diary.md"], "plain\n");
    assert_eq!(fs::read_to_string(folder.join("diary.md")).unwrap(), "qmbjofs\n");
}
