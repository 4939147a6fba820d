//! The standby's side, when it steps back.

use crate::folders::*;
use clawmend::failover::workspace::{GaveBack, PushedTo};

fn gave(pair: &Pair) -> GaveBack {
    let before = on_disk(&pair.standby.folder);
    let main = git(&pair.remote(), &["rev-parse", "main"]);
    let gave = pair.standby.give_back().unwrap();
    assert_eq!(git(&pair.remote(), &["rev-parse", "main"]), main, "the main branch is the primary's");
    assert_eq!(on_disk(&pair.standby.folder), before);
    gave
}

#[test]
fn what_the_standby_wrote_goes_to_a_branch_of_its_own() {
    let pair = pair();
    pair.primary.push().unwrap();
    pair.standby.pull().unwrap();
    assert_eq!(gave(&pair).branch, None, "it wrote nothing");
    write(&pair.standby.folder, "memory/2026-11-26.md", "met Bob\n");
    write(&pair.standby.folder, ".env", "A=1\n");
    let first = gave(&pair);
    assert_eq!(first.branch.as_deref(), Some("clawmend/standby"));
    assert_eq!(first.left_out.len(), 1);
    assert_eq!(pair.files("clawmend/standby")["memory/2026-11-26.md"], "met Bob\n");
    assert!(!pair.files("clawmend/standby").contains_key(".env"));
    // A second try, such as after a lost answer, and more of the same takeover.
    assert_eq!(gave(&pair).branch.as_deref(), Some("clawmend/standby"));
    write(&pair.standby.folder, "more.md", "more\n");
    assert_eq!(gave(&pair).branch.as_deref(), Some("clawmend/standby"));
    // The next takeover begins from the primary's again; nobody merged the first one.
    write(&pair.primary.folder, "MEMORY.md", "new\n");
    pair.primary.push().unwrap();
    let kept = pair.standby.pull().unwrap().kept;
    assert!(kept.is_some());
    write(&pair.standby.folder, "second.md", "second\n");
    let second = gave(&pair).branch.unwrap();
    assert!(second.starts_with("clawmend/standby-20"), "{second}");
    assert!(pair.files("clawmend/standby").contains_key("more.md"));
    assert!(pair.files(&second).contains_key("second.md") && !pair.files(&second).contains_key("more.md"));
    // A person merges one; the primary has it with its next push.
    let person = pair.dir.path().join("person");
    git(pair.dir.path(), &["clone", "--quiet", "remote.git", "person"]);
    git(&person, &["merge", "--quiet", "--no-edit", "origin/clawmend/standby"]);
    git(&person, &["push", "--quiet", "origin", "main"]);
    write(&pair.primary.folder, "third.md", "third\n");
    assert_eq!(pair.primary.push().unwrap().to, PushedTo::Merged);
    assert!(pair.primary.folder.join("memory/2026-11-26.md").exists());
    // What is merged is nothing of the standby's own any more.
    assert!(pair.standby.pull().is_ok());
}

#[test]
fn what_cannot_be_given_now_is_given_later() {
    let pair = pair();
    pair.primary.push().unwrap();
    pair.standby.pull().unwrap();
    write(&pair.standby.folder, "a.md", "a\n");
    let away = pair.dir.path().join("away.git");
    std::fs::rename(pair.remote(), &away).unwrap();
    let before = on_disk(&pair.standby.folder);
    assert!(pair.standby.give_back().is_err());
    nothing_lost(&pair.standby.folder, &before);
    std::fs::rename(&away, pair.remote()).unwrap();
    assert_eq!(gave(&pair).branch.as_deref(), Some("clawmend/standby"));
    assert_eq!(pair.files("clawmend/standby")["a.md"], "a\n");
}

#[test]
fn a_standby_that_never_pulled_gives_what_it_has() {
    let pair = pair();
    pair.primary.push().unwrap();
    openclaw(&pair.standby.folder);
    write(&pair.standby.folder, "a.md", "a\n");
    assert_eq!(gave(&pair).branch.as_deref(), Some("clawmend/standby"));
    assert_eq!(pair.files("clawmend/standby").len(), 4);
}

#[test]
fn what_was_not_given_before_the_next_takeover_is_given_after_it() {
    let pair = pair();
    pair.primary.push().unwrap();
    pair.standby.pull().unwrap();
    write(&pair.standby.folder, "first.md", "first\n");
    let away = pair.dir.path().join("away.git");
    std::fs::rename(pair.remote(), &away).unwrap();
    assert!(pair.standby.give_back().is_err());
    std::fs::rename(&away, pair.remote()).unwrap();
    pair.standby.pull().unwrap();
    pair.standby.pull().unwrap();
    assert!(!pair.standby.folder.join("first.md").exists(), "the primary's files, and those only");
    write(&pair.standby.folder, "second.md", "second\n");
    let both = gave(&pair);
    assert_eq!(both.branch.as_deref(), Some("clawmend/standby"));
    let [earlier] = both.earlier.as_slice() else { panic!("{both:?}") };
    assert!(earlier.starts_with("clawmend/standby-20"), "{earlier}");
    assert_eq!(pair.files(earlier)["first.md"], "first\n");
    assert_eq!(pair.files("clawmend/standby")["second.md"], "second\n");
    // Once; and what was given is not given again by the next takeover.
    pair.standby.pull().unwrap();
    assert_eq!(gave(&pair).earlier, Vec::<String>::new());
    assert_eq!(pair.branches().len(), 3, "{:?}", pair.branches());
}

#[test]
fn what_the_remote_refuses_of_an_earlier_takeover_keeps_nothing_else_from_it() {
    let pair = pair();
    pair.primary.push().unwrap();
    let hook = pair.remote().join("hooks/update");
    let refuse = |what: &str| {
        std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
        std::fs::write(&hook, format!("#!/bin/sh\ncase \"$1\" in {what}) exit 1;; esac\n")).unwrap();
        git(&pair.remote(), &["config", "core.hooksPath", "hooks"]);
        std::process::Command::new("chmod").arg("755").arg(&hook).status().unwrap();
    };
    for name in ["first.md", "second.md"] {
        pair.standby.pull().unwrap();
        write(&pair.standby.folder, name, "x\n");
        refuse("*");
        assert!(pair.standby.give_back().is_err());
        refuse("none");
    }
    pair.standby.pull().unwrap();
    write(&pair.standby.folder, "third.md", "x\n");
    refuse("*-20*");
    let third = gave(&pair);
    assert!(third.failed.is_some() && third.earlier.is_empty(), "{third:?}");
    assert_eq!(third.branch.as_deref(), Some("clawmend/standby"));
    assert!(pair.files("clawmend/standby").contains_key("third.md"));
    refuse("none");
    let all = gave(&pair);
    assert_eq!((all.branch.as_deref(), &all.failed), (Some("clawmend/standby"), &None));
    let owed: Vec<_> = all.earlier.iter().map(|branch| pair.files(branch)).collect();
    let has = |name: &str| owed.iter().filter(|files| files.contains_key(name)).count();
    assert_eq!((owed.len(), has("first.md"), has("second.md")), (2, 1, 1), "{:?}", all.earlier);
}

#[test]
fn a_commit_with_a_credential_stays_on_the_standby_too() {
    let pair = pair();
    pair.primary.push().unwrap();
    pair.standby.pull().unwrap();
    write(&pair.standby.folder, "plain.md", "plain\n");
    write(&pair.standby.folder, "key.md", "apiKey: a1b2c3d4e5f6\n");
    git(&pair.standby.folder, &["add", "-A"]);
    git(&pair.standby.folder, &["commit", "--quiet", "-m", "all"]);
    let given = gave(&pair);
    assert_eq!(given.kept_back.unwrap().what.path, "key.md");
    let files = pair.files(given.branch.as_deref().unwrap());
    assert!(files.contains_key("plain.md") && !files.contains_key("key.md"), "{files:?}");
    assert!(!git(&pair.remote(), &["cat-file", "--batch-all-objects", "--batch"]).contains("a1b2c3d4e5f6"));
}
