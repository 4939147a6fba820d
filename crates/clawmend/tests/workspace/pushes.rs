//! The primary's side.

use crate::folders::*;
use clawmend::failover::workspace::{Apart, Pushed, PushedTo, Why, Workspace};
use std::fs;

fn pushed(node: &Workspace) -> PushedTo {
    let before = on_disk(&node.folder);
    let pushed = node.push().unwrap();
    nothing_lost(&node.folder, &before);
    pushed.to
}

#[test]
fn the_state_that_openclaw_leaves_is_pushed_and_then_each_change() {
    let pair = pair();
    assert_eq!(pushed(&pair.primary), PushedTo::Branch);
    assert_eq!(pair.files("main").len(), 3);
    assert_eq!(git(&pair.primary.folder, &["status", "--porcelain"]), "");
    assert_eq!(git(&pair.primary.folder, &["log", "--format=%an: %s"]), "Clawmend: Workspace of primary\n");
    assert_eq!(pushed(&pair.primary), PushedTo::Known);
    write(&pair.primary.folder, "MEMORY.md", "likes tea\n");
    write(&pair.primary.folder, "名字 \"a\"\n*.md", "odd name\n");
    fs::remove_file(pair.primary.folder.join("SOUL.md")).unwrap();
    fs::remove_dir_all(pair.primary.folder.join("memory")).unwrap();
    write(&pair.primary.folder, "memory", "a file where a folder was\n");
    assert_eq!(pushed(&pair.primary), PushedTo::Branch);
    let out = git(&pair.remote(), &["ls-tree", "-r", "-z", "--name-only", "main"]);
    assert_eq!(out.split('\0').collect::<Vec<_>>(), ["AGENTS.md", "MEMORY.md", "memory", "名字 \"a\"\n*.md", ""]);
    assert_eq!(git(&pair.primary.folder, &["status", "--porcelain"]), "");
}

#[test]
fn an_empty_workspace_is_nothing_to_push() {
    let pair = pair();
    fs::remove_dir_all(&pair.primary.folder).unwrap();
    fs::create_dir_all(&pair.primary.folder).unwrap();
    assert_eq!(pushed(&pair.primary), PushedTo::Nothing);
    assert!(pair.branches().is_empty());
}

#[test]
fn secrets_large_files_and_repositories_stay_here_and_are_named() {
    let mut pair = pair();
    pair.primary.limits.file = 1000;
    let folder = &pair.primary.folder;
    for (path, content) in [
        (".env", "A=1\n"),
        ("deep/.env", "A=1\n"),
        ("id.key", "x\n"),
        ("secrets-of-mine/a.md", "x\n"),
        ("notes.md", "the bot is 123456:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQ1\n"),
        ("fine.md", "see 3f2b8c1e-77aa-4c9e-9d00-0123456789ab\n"),
        (".gitignore", "*.tmp\n"),
        ("x.tmp", "ignored\n"),
    ] {
        write(folder, path, content);
    }
    write(folder, "large.bin", vec![0; 1001]);
    write(folder, "notes.db", b"SQLite format 3\0and what stands in it");
    write(folder, "project/a", "inner\n");
    git(&folder.join("project"), &["init", "--quiet"]);
    write(folder, "other/a", "inner\n");
    git(&folder.join("other"), &["init", "--quiet"]);
    git(&folder.join("other"), &["add", "-A"]);
    git(&folder.join("other"), &["commit", "--quiet", "-m", "x"]);
    let before = on_disk(folder);
    let pushed = pair.primary.push().unwrap();
    let named: Vec<(&str, Why)> = pushed.left_out.iter().map(|one| (one.path.as_str(), one.why)).collect();
    assert_eq!(
        named,
        [
            (".env", Why::Named),
            ("deep/.env", Why::Named),
            ("id.key", Why::Named),
            ("large.bin", Why::TooLarge),
            ("notes.db", Why::Database),
            ("notes.md", Why::HoldsSecret),
            ("other/", Why::Repository),
            ("project/", Why::Repository),
            ("secrets-of-mine/a.md", Why::Named),
        ]
    );
    let there: Vec<String> = pair.files("main").into_keys().collect();
    assert_eq!(there, [".gitignore", "AGENTS.md", "SOUL.md", "fine.md", "memory/2026-11-25.md"]);
    assert_eq!(on_disk(folder), before, "nothing of the user's is touched");
    // One that was clean before keeps its last clean state there.
    write(folder, "fine.md", "apiKey: a1b2c3d4e5f6\n");
    pair.primary.push().unwrap();
    assert!(pair.files("main")["fine.md"].contains("3f2b8c1e"));
    // No object of it went along, either.
    let all = git(&pair.remote(), &["cat-file", "--batch-all-objects", "--batch"]);
    assert!(!all.contains("a1b2c3d4e5f6") && !all.contains("AAbbCCdd"));
}

#[test]
fn what_the_remote_has_besides_is_merged_into_both() {
    let pair = pair();
    pair.primary.push().unwrap();
    pair.person("main", "from-person.md", "hello\n");
    write(&pair.primary.folder, "AGENTS.md", "# Agents, changed\n");
    assert_eq!(pushed(&pair.primary), PushedTo::Merged);
    assert_eq!(fs::read_to_string(pair.primary.folder.join("from-person.md")).unwrap(), "hello\n");
    assert_eq!(pair.files("main")["AGENTS.md"], "# Agents, changed\n");
    assert_eq!(pair.files("main")["from-person.md"], "hello\n");
    assert_eq!(git(&pair.primary.folder, &["status", "--porcelain"]), "");
    assert_eq!(pushed(&pair.primary), PushedTo::Known);
    // A remote that was begun by someone else has no commit in common.
    let fresh = crate::folders::pair();
    fresh.person("main", "README.md", "a new repository\n");
    assert_eq!(pushed(&fresh.primary), PushedTo::Merged);
    assert_eq!(fresh.files("main").len(), 4);
}

#[test]
fn what_does_not_merge_goes_to_one_side_branch_until_a_person_merges_it() {
    let pair = pair();
    pair.primary.push().unwrap();
    pair.person("main", "AGENTS.md", "# Agents of the person\n");
    write(&pair.primary.folder, "AGENTS.md", "# Agents of the assistant\n");
    let PushedTo::Side { branch, why } = pushed(&pair.primary) else { panic!("not aside") };
    assert!(branch.starts_with("clawmend/primary-20") && why == Apart::Conflict, "{branch}");
    assert_eq!(pair.files("main")["AGENTS.md"], "# Agents of the person\n");
    assert_eq!(pair.files(&branch)["AGENTS.md"], "# Agents of the assistant\n");
    assert_eq!(fs::read_to_string(pair.primary.folder.join("AGENTS.md")).unwrap(), "# Agents of the assistant\n");
    write(&pair.primary.folder, "later.md", "later\n");
    assert_eq!(pushed(&pair.primary), PushedTo::Side { branch: branch.clone(), why });
    assert_eq!(pair.branches(), [branch.as_str(), "main"]);
    assert_eq!(pair.files(&branch)["later.md"], "later\n");
    // A person merges it.
    let folder = pair.dir.path().join("person");
    git(&folder, &["fetch", "--quiet", "origin"]);
    git(&folder, &["merge", "--quiet", "-s", "ours", "-m", "mine", &format!("origin/{branch}")]);
    git(&folder, &["push", "--quiet", "origin", "main"]);
    write(&pair.primary.folder, "even-later.md", "x\n");
    assert_eq!(pushed(&pair.primary), PushedTo::Merged);
    assert_eq!(pair.files("main")["AGENTS.md"], "# Agents of the person\n");
    assert_eq!(pair.files("main")["even-later.md"], "x\n");
}

#[test]
fn a_file_that_git_does_not_keep_is_not_replaced_by_a_merge() {
    let pair = pair();
    write(&pair.primary.folder, ".gitignore", "private.md\n");
    write(&pair.primary.folder, "private.md", "mine\n");
    pair.primary.push().unwrap();
    pair.person("main", "private.md", "theirs\n");
    let PushedTo::Side { why: Apart::InTheWay, .. } = pushed(&pair.primary) else { panic!("merged") };
    assert_eq!(fs::read_to_string(pair.primary.folder.join("private.md")).unwrap(), "mine\n");
}

#[test]
fn a_detached_head_and_a_branch_of_the_users_are_left_as_they_are() {
    let pair = pair();
    let folder = &pair.primary.folder;
    pair.primary.push().unwrap();
    git(folder, &["checkout", "--quiet", "-b", "mine"]);
    write(folder, "a.md", "a\n");
    git(folder, &["add", "-A"]);
    git(folder, &["commit", "--quiet", "-m", "by hand"]);
    write(folder, "b.md", "b\n");
    assert_eq!(pushed(&pair.primary), PushedTo::Branch);
    assert_eq!(git(folder, &["symbolic-ref", "HEAD"]), "refs/heads/mine\n");
    assert_eq!(git(&pair.remote(), &["log", "--format=%an", "main"]), "Clawmend\nPerson\nClawmend\n");
    git(folder, &["checkout", "--quiet", "--detach"]);
    let head = git(folder, &["rev-parse", "HEAD"]);
    write(folder, "c.md", "c\n");
    let pushed = pair.primary.push().unwrap();
    assert_eq!((pushed.to, pushed.followed), (PushedTo::Branch, false));
    assert_eq!(git(folder, &["rev-parse", "HEAD"]), head);
    assert_eq!(pair.files("main")["c.md"], "c\n");
    write(folder, "d.md", "d\n");
    assert_eq!(pair.primary.push().unwrap().to, PushedTo::Branch);
    assert_eq!(pair.files("main").len(), 7);
}

#[test]
fn what_is_staged_otherwise_than_on_the_disk_stays_staged() {
    let pair = pair();
    let folder = &pair.primary.folder;
    pair.primary.push().unwrap();
    write(folder, "a.md", "staged\n");
    git(folder, &["add", "a.md"]);
    write(folder, "a.md", "on the disk\n");
    let pushed = pair.primary.push().unwrap();
    assert_eq!((pushed.to, pushed.followed), (PushedTo::Branch, false));
    assert_eq!(pair.files("main")["a.md"], "on the disk\n");
    assert_eq!(git(folder, &["show", ":a.md"]), "staged\n");
}

#[test]
fn a_merge_that_somebody_has_begun_goes_on() {
    let pair = pair();
    let folder = &pair.primary.folder;
    pair.primary.push().unwrap();
    conflict(folder);
    let before = (on_disk(folder), git(folder, &["status", "--porcelain"]));
    let pushed = pair.primary.push().unwrap();
    assert_eq!((pushed.to, pushed.unfinished, pushed.followed), (PushedTo::Branch, Some("merge"), false));
    assert!(pair.files("main")["SOUL.md"].contains("<<<<<<<"));
    assert_eq!((on_disk(folder), git(folder, &["status", "--porcelain"])), before);
    // With something new at the remote, it is not the moment to merge that as well.
    pair.person("main", "p.md", "p\n");
    write(folder, "q.md", "q\n");
    let PushedTo::Side { why: Apart::Unfinished, .. } = pushed_again(&pair) else { panic!("merged") };
}

fn pushed_again(pair: &Pair) -> PushedTo {
    pushed(&pair.primary)
}

/// Leaves the folder in the middle of a merge that conflicts.
pub fn conflict(folder: &std::path::Path) {
    let branch = git(folder, &["symbolic-ref", "--short", "HEAD"]);
    git(folder, &["checkout", "--quiet", "-b", "other"]);
    write(folder, "SOUL.md", "# Soul, theirs\n");
    git(folder, &["commit", "--quiet", "-a", "-m", "theirs"]);
    git(folder, &["checkout", "--quiet", branch.trim()]);
    write(folder, "SOUL.md", "# Soul, ours\n");
    git(folder, &["commit", "--quiet", "-a", "-m", "ours"]);
    assert!(!try_git(folder, &["merge", "other"]), "it merged");
    // So that only MERGE_HEAD holds that side.
    git(folder, &["branch", "--quiet", "-D", "other"]);
}

/// It stays here with what it holds now, and what else is written still leaves the machine.
#[test]
fn a_file_that_came_to_hold_a_secret_does_not_stop_the_pushes_when_the_remote_changes_it() {
    let pair = pair();
    write(&pair.primary.folder, "MEMORY.md", "one\n");
    pair.primary.push().unwrap();
    let secret = "one\nthe bot is 123456:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQ1\n";
    write(&pair.primary.folder, "MEMORY.md", secret);
    assert_eq!(pushed(&pair.primary), PushedTo::Known);
    pair.person("main", "MEMORY.md", "zero\none\n");
    write(&pair.primary.folder, "today.md", "work of a day\n");
    let PushedTo::Side { branch, why: Apart::InTheWay } = pushed(&pair.primary) else { panic!("merged") };
    assert_eq!(pair.files(&branch)["today.md"], "work of a day\n");
    assert_eq!(fs::read_to_string(pair.primary.folder.join("MEMORY.md")).unwrap(), secret);
    write(&pair.primary.folder, "MEMORY.md", "one\n");
    assert_eq!(pushed(&pair.primary), PushedTo::Merged);
    assert_eq!(pair.files("main")["MEMORY.md"], "zero\none\n");
    assert_eq!(pair.files("main")["today.md"], "work of a day\n");
}

/// What somebody committed, beside a file that is fine.
fn committed(pair: &Pair, path: &str, content: impl AsRef<[u8]>, message: &str) {
    write(&pair.primary.folder, path, content);
    git(&pair.primary.folder, &["add", "-A", "-f"]);
    git(&pair.primary.folder, &["commit", "--quiet", "-m", message]);
}

fn all_of_the_remote(pair: &Pair) -> String {
    let all = command(&pair.remote(), &["cat-file", "--batch-all-objects", "--batch"]).output().unwrap();
    String::from_utf8_lossy(&all.stdout).into_owned()
}

#[test]
fn commits_with_what_must_not_leave_stay_here_and_their_files_go() {
    const KEY: &str = "apiKey: a1b2c3d4e5f6\n";
    let cases: [(&str, &str, &str, &str, Why); 5] = [
        ("key.md", KEY, "x", "key.md", Why::HoldsSecret),
        (".env", "A=1\n", "x", ".env", Why::Named),
        ("large.md", &"x".repeat(1001), "x", "large.md", Why::TooLarge),
        ("notes.db", "SQLite format 3\0", "x", "notes.db", Why::Database),
        ("fine.md", "fine\n", "apiKey: a1b2c3d4e5f6", "the message of", Why::HoldsSecret),
    ];
    for (path, content, message, named, why) in cases {
        let mut pair = pair();
        pair.primary.limits.file = 1000;
        pushed(&pair.primary);
        committed(&pair, "before.md", "fine\n", "before");
        committed(&pair, path, content, message);
        // Taking it out again does not take it out of the history.
        fs::remove_file(pair.primary.folder.join(path)).unwrap();
        committed(&pair, "after.md", "fine\n", "after");
        let head = git(&pair.primary.folder, &["rev-parse", "HEAD"]);
        let first = pair.primary.push().unwrap();
        assert_eq!(first.to, PushedTo::Branch, "{path}");
        let kept_back = first.kept_back.clone().unwrap();
        assert_eq!(kept_back.commit, head.trim());
        assert!(kept_back.what.path.starts_with(named) && kept_back.what.why == why, "{kept_back:?}");
        let files = pair.files("main");
        assert!(files.contains_key("before.md") && files.contains_key("after.md"), "{files:?}");
        assert!(!files.contains_key(path));
        let all = all_of_the_remote(&pair);
        assert!(!all.contains("a1b2c3d4e5f6") && !all.contains("A=1") && !all.contains(&"x".repeat(1001)), "{path}");
        assert_eq!(git(&pair.primary.folder, &["rev-parse", "HEAD"]), head, "the user's branch is as it was");
        assert_eq!(pair.primary.push().unwrap(), Pushed { to: PushedTo::Known, ..first }, "nothing new, nothing made");
        // Out of the history it is no matter any more.
        git(&pair.primary.folder, &["reset", "--quiet", "--soft", "HEAD~3"]);
        git(&pair.primary.folder, &["commit", "--quiet", "--allow-empty", "-m", "all in one"]);
        let clean = pair.primary.push().unwrap();
        assert_eq!((clean.kept_back, clean.followed), (None, true), "{path}");
        assert!(git(&pair.remote(), &["log", "--format=%s", "main"]).contains("all in one"));
    }
}

#[test]
fn clean_commits_go_as_they_are_and_what_the_remote_has_is_no_matter() {
    let pair = pair();
    pushed(&pair.primary);
    committed(&pair, "名字 \"a\"\n*.md", "fine\n", "a commit of the assistant's");
    committed(&pair, "bytes.bin", [0, 159, 146, 150, b'\n', 0], "not text");
    pushed(&pair.primary);
    assert!(git(&pair.remote(), &["log", "--format=%s", "main"]).contains("a commit of the assistant's"));
    // The person pushes it, whatever it is: that is their word.
    committed(&pair, "key.md", "apiKey: a1b2c3d4e5f6\n", "mine");
    assert!(pair.primary.push().unwrap().kept_back.is_some());
    git(&pair.primary.folder, &["pull", "--quiet", "--no-edit", pair.remote().to_str().unwrap(), "main"]);
    git(&pair.primary.folder, &["push", "--quiet", pair.remote().to_str().unwrap(), "HEAD:main"]);
    write(&pair.primary.folder, "more.md", "more\n");
    let next = pair.primary.push().unwrap();
    assert_eq!((next.kept_back, next.to, next.followed), (None, PushedTo::Branch, true));
    assert_eq!(pair.files("main")["more.md"], "more\n");
    // So is what somebody else pushed and the user pulled.
    pair.person("main", "theirs.md", "apiKey: f6e5d4c3b2a1\n");
    git(&pair.primary.folder, &["pull", "--quiet", "--no-edit", pair.remote().to_str().unwrap(), "main"]);
    write(&pair.primary.folder, "more.md", "even more\n");
    let last = pair.primary.push().unwrap();
    assert_eq!((last.kept_back, last.to, last.followed), (None, PushedTo::Branch, true));
}

#[test]
fn a_workspace_that_was_cloned_goes_on_from_where_it_came() {
    let pair = pair();
    pair.primary.push().unwrap();
    pair.person("main", ".env", "A=1\n");
    fs::remove_dir_all(&pair.primary.folder).unwrap();
    let remote = pair.remote();
    git(pair.dir.path(), &["clone", "--quiet", remote.to_str().unwrap(), pair.primary.folder.to_str().unwrap()]);
    write(&pair.primary.folder, "AGENTS.md", "# Others\n");
    fs::remove_file(pair.primary.folder.join("SOUL.md")).unwrap();
    let first = pair.primary.push().unwrap();
    assert_eq!((first.kept_back, first.to, first.followed), (None, PushedTo::Branch, true));
    let files = pair.files("main");
    assert!(files["AGENTS.md"] == "# Others\n" && !files.contains_key("SOUL.md"), "{files:?}");
    assert!(!pair.primary.folder.join("SOUL.md").exists());
}

#[test]
fn while_commits_stay_here_the_files_go_as_the_user_has_them() {
    let pair = pair();
    let folder = &pair.primary.folder;
    write(folder, "diary.md", "mine\n");
    pushed(&pair.primary);
    // Not for others any more; and one that is for others, though a rule ignores it.
    write(folder, ".gitignore", "diary.md\n*.tmp\n");
    write(folder, "note.tmp", "for others\n");
    git(folder, &["rm", "--quiet", "--cached", "diary.md"]);
    git(folder, &["add", "--force", ".gitignore", "note.tmp"]);
    git(folder, &["commit", "--quiet", "-m", "rules"]);
    committed(&pair, "key.md", "apiKey: a1b2c3d4e5f6\n", "key");
    git(folder, &["rm", "--quiet", "--cached", "diary.md"]);
    git(folder, &["commit", "--quiet", "--amend", "--no-edit"]);
    write(folder, "diary.md", "mine alone\n");
    let first = pair.primary.push().unwrap();
    assert!(first.kept_back.is_some());
    let files = pair.files("main");
    assert_eq!(files.get("note.tmp").map(String::as_str), Some("for others\n"));
    assert!(!files.contains_key("diary.md") && !files.contains_key("key.md"), "{files:?}");
    // What others push meanwhile stays there, and comes here.
    pair.person("main", "theirs.md", "theirs\n");
    write(folder, "ours.md", "ours\n");
    assert_eq!(pair.primary.push().unwrap().to, PushedTo::Merged);
    write(folder, "ours.md", "ours again\n");
    assert_eq!(pair.primary.push().unwrap().to, PushedTo::Branch);
    let files = pair.files("main");
    assert!(files["theirs.md"] == "theirs\n" && files["ours.md"] == "ours again\n", "{files:?}");
    assert!(!all_of_the_remote(&pair).contains("a1b2c3d4e5f6"));
    assert_eq!(fs::read_to_string(folder.join("diary.md")).unwrap(), "mine alone\n");
}

#[test]
fn a_commit_that_another_one_stands_in_for_is_looked_through_as_it_is_sent() {
    let pair = pair();
    pushed(&pair.primary);
    committed(&pair, "key.md", "apiKey: a1b2c3d4e5f6\n", "key");
    fs::remove_file(pair.primary.folder.join("key.md")).unwrap();
    committed(&pair, "after.md", "fine\n", "after");
    git(&pair.primary.folder, &["replace", "--graft", "HEAD", "HEAD~2"]);
    assert!(pair.primary.push().unwrap().kept_back.is_some());
    assert!(!all_of_the_remote(&pair).contains("a1b2c3d4e5f6"));
}

/// With nothing pushed by us yet, and with files that both sides have changed.
#[test]
fn commits_that_stay_here_do_not_hide_what_the_remote_shares_with_them() {
    let pair = pair();
    pair.primary.push().unwrap();
    pair.person("main", "SOUL.md", "# Soul of others\n");
    fs::remove_dir_all(&pair.primary.folder).unwrap();
    let remote = pair.remote();
    git(pair.dir.path(), &["clone", "--quiet", remote.to_str().unwrap(), pair.primary.folder.to_str().unwrap()]);
    write(&pair.primary.folder, "SOUL.md", "# Soul of ours\n");
    fs::remove_file(pair.primary.folder.join("AGENTS.md")).unwrap();
    committed(&pair, "key.md", "apiKey: a1b2c3d4e5f6\n", "key");
    let first = pair.primary.push().unwrap();
    assert!(first.kept_back.is_some());
    assert_eq!(first.to, PushedTo::Branch, "it goes on from what the remote has");
    let files = pair.files("main");
    assert!(files["SOUL.md"] == "# Soul of ours\n" && !files.contains_key("AGENTS.md"), "{files:?}");
    assert!(!files.contains_key("key.md") && !pair.primary.folder.join("AGENTS.md").exists());
    // Both change the same place: what does not merge stays apart, and nothing that others have is taken from them.
    pair.person("main", "SOUL.md", "# Theirs again\n");
    pair.person("main", "kept.tmp", "theirs\n");
    write(&pair.primary.folder, ".gitignore", "*.tmp\n");
    write(&pair.primary.folder, "SOUL.md", "# Ours again\n");
    let apart = pair.primary.push().unwrap();
    assert!(matches!(apart.to, PushedTo::Side { why: Apart::Conflict, .. }), "{apart:?}");
    assert_eq!(pair.files("main")["kept.tmp"], "theirs\n");
    assert!(!all_of_the_remote(&pair).contains("a1b2c3d4e5f6"));
}

#[test]
fn where_both_sides_changed_a_file_the_one_on_the_disk_goes_and_no_marks_of_a_merge() {
    let pair = pair();
    let folder = &pair.primary.folder;
    write(folder, "diary.md", "mine\n");
    pushed(&pair.primary);
    committed(&pair, "key.md", "apiKey: a1b2c3d4e5f6\n", "key");
    write(folder, "SOUL.md", "# By the disk\n");
    write(folder, "diary.md", "mine, more\n");
    assert!(pair.primary.push().unwrap().kept_back.is_some());
    // HEAD and what we pushed both have another SOUL.md; and the diary is not for others any more.
    git(folder, &["rm", "--quiet", "--cached", "diary.md"]);
    write(folder, ".gitignore", "diary.md\n");
    git(folder, &["add", ".gitignore"]);
    write(folder, "SOUL.md", "# By HEAD\n");
    git(folder, &["commit", "--quiet", "--all", "-m", "both"]);
    write(folder, "diary.md", "mine alone\n");
    write(folder, "SOUL.md", "the bot is 123456:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQ1\n");
    let second = pair.primary.push().unwrap();
    let files = pair.files("main");
    assert_eq!(files["SOUL.md"], "# By the disk\n", "as it is known, while the one on the disk must not leave");
    assert!(!files.contains_key("diary.md"), "{files:?}");
    assert_eq!(pair.primary.push().unwrap().commit, second.commit, "nothing new, nothing made");
    write(folder, "SOUL.md", "# By HEAD\n");
    pair.primary.push().unwrap();
    assert_eq!(pair.files("main")["SOUL.md"], "# By HEAD\n");
    let all = all_of_the_remote(&pair);
    assert!(!all.contains("<<<<<<<") && !all.contains("mine alone") && !all.contains("a1b2c3d4e5f6"));
}

#[test]
fn when_nothing_keeps_commits_back_any_more_what_others_have_is_still_there() {
    let pair = pair();
    pushed(&pair.primary);
    write(&pair.primary.folder, ".gitignore", "*.tmp\n");
    committed(&pair, "key.md", "apiKey: a1b2c3d4e5f6\n", "key");
    assert!(pair.primary.push().unwrap().kept_back.is_some());
    pair.person("main", "kept.tmp", "theirs\n");
    write(&pair.primary.folder, "ours.md", "ours\n");
    assert_eq!(pair.primary.push().unwrap().to, PushedTo::Merged);
    fs::remove_file(pair.primary.folder.join("key.md")).unwrap();
    git(&pair.primary.folder, &["reset", "--quiet", "--soft", "HEAD~1"]);
    git(&pair.primary.folder, &["rm", "--quiet", "--cached", "key.md"]);
    git(&pair.primary.folder, &["commit", "--quiet", "-m", "clean"]);
    let clean = pair.primary.push().unwrap();
    assert_eq!((clean.kept_back, clean.to, clean.followed), (None, PushedTo::Branch, true));
    let files = pair.files("main");
    assert!(files["kept.tmp"] == "theirs\n" && files["ours.md"] == "ours\n", "{files:?}");
    assert!(!all_of_the_remote(&pair).contains("a1b2c3d4e5f6"));
}

#[cfg(unix)]
#[test]
fn a_folder_that_is_a_link_now_is_pushed_as_one() {
    let pair = pair();
    pushed(&pair.primary);
    let memory = pair.primary.folder.join("memory");
    let elsewhere = pair.dir.path().join("elsewhere");
    fs::rename(&memory, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &memory).unwrap();
    assert_eq!(pushed(&pair.primary), PushedTo::Branch);
    let list = git(&pair.remote(), &["ls-tree", "main", "memory"]);
    assert!(list.starts_with("120000 "), "{list}");
    assert_eq!(pushed(&pair.primary), PushedTo::Known);
}

/// As git-crypt does it: what the user's git commits is another file than the one on the disk.
#[cfg(unix)]
pub fn encrypts(folder: &std::path::Path) {
    git(folder, &["config", "filter.crypt.clean", "tr a-y b-z"]);
    git(folder, &["config", "filter.crypt.smudge", "tr b-z a-y"]);
    write(folder, ".gitattributes", "diary.md filter=crypt\n");
}

#[cfg(unix)]
#[test]
fn what_a_filter_encrypts_goes_as_it_was_committed_or_not_at_all() {
    let pair = pair();
    let folder = &pair.primary.folder;
    let left_out = |pushed: &Pushed| {
        let named: Vec<(String, Why)> = pushed.left_out.iter().map(|one| (one.path.clone(), one.why)).collect();
        assert_eq!(named, [("diary.md".to_owned(), Why::Filtered)]);
    };
    encrypts(folder);
    write(folder, "diary.md", "plain\n");
    left_out(&pair.primary.push().unwrap());
    assert!(!pair.files("main").contains_key("diary.md"));
    git(folder, &["add", "-A"]);
    git(folder, &["commit", "--quiet", "-m", "encrypted"]);
    left_out(&pair.primary.push().unwrap());
    assert_eq!(pair.files("main")["diary.md"], "qmbjo\n");
    assert_eq!(git(folder, &["status", "--porcelain"]), "");
    write(folder, "diary.md", "plainer\n");
    write(folder, "other.md", "other\n");
    left_out(&pair.primary.push().unwrap());
    let files = pair.files("main");
    assert!(files["diary.md"] == "qmbjo\n" && files["other.md"] == "other\n", "{files:?}");
    assert_eq!(fs::read_to_string(folder.join("diary.md")).unwrap(), "plainer\n");
    // Who takes it away takes it from both.
    fs::remove_file(folder.join("diary.md")).unwrap();
    assert!(pair.primary.push().unwrap().left_out.is_empty());
    assert!(!pair.files("main").contains_key("diary.md"));
    assert!(!all_of_the_remote(&pair).contains("plain"));
}
