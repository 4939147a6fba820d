#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;

#[test]
fn the_rule_for_node_is_openclaws() {
    for (text, fits) in [
        ("v24.16.0\n", true),
        ("v24.15.9", false),
        ("v25.9.0", false),
        ("v26.0.1", false),
        ("v26.1.0", true),
        ("v20.20.2", false),
        ("", false),
        ("v24", false),
    ] {
        assert_eq!(node::is_new_enough(text), fits, "{text:?}");
    }
    assert!(matches!(Platform::of("freebsd", "x86_64"), Err(InstallError::UnsupportedPlatform { .. })));
}

#[test]
fn npms_failures_are_told_apart() {
    let place = Path::new("/nowhere");
    let classify = |said: &str| npm::classify(said, "openclaw@1", place);
    assert!(
        matches!(classify("npm error code ENOTFOUND\nnpm error syscall"), InstallError::NoNetwork { code } if code == "ENOTFOUND")
    );
    assert!(matches!(classify("npm ERR! code EAI_AGAIN\n"), InstallError::NoNetwork { .. }));
    assert!(matches!(classify("npm error code ENOSPC\n"), InstallError::NoSpace { .. }));
    let error = classify("npm error code E401\nnpm error _authToken=abcdef123456 is wrong");
    assert!(matches!(error, InstallError::Npm { .. }) && !error.to_string().contains("abcdef"), "{error}");
}

#[cfg(unix)]
mod with_a_stand_in_for_npm {
    use super::*;
    use crate::host::program::stand_in;
    use std::ffi::OsString;

    /// A program that does what npm does to the disk, or fails like it.
    fn npm(dir: &Path, script: &str) -> OsString {
        let bin = dir.join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        let file = bin.join("npm");
        stand_in::write(&file, &format!("#!/bin/sh\n{script}\n"));
        std::env::join_paths([bin, "/usr/bin".into(), "/bin".into()]).unwrap()
    }

    const GOOD: &str = r#"echo run >> "$(dirname "$0")/calls"
        for last; do :; done
        case "$last" in
          node-*) d="node_modules/${last%@*}/bin"; mkdir -p "$d"; : > "$d/node";;
          openclaw@*) mkdir -p node_modules/.bin; : > node_modules/.bin/openclaw;;
        esac"#;

    #[test]
    fn an_installation_is_whole_and_not_repeated() {
        let dir = tempfile::tempdir().unwrap();
        let (path, cache) = (npm(dir.path(), GOOD), dir.path().join("cache"));
        let mut phases = Vec::new();
        let tools = install(Some(&path), &cache, &mut |at| phases.push(at.phase)).unwrap();
        assert!(tools.openclaw.starts_with(cache.join("openclaw-2026.9.6")));
        assert!(phases.contains(&Phase::Node) && phases.contains(&Phase::OpenClaw));
        assert_eq!(install(Some(&path), &cache, &mut |_| ()).unwrap(), tools);
        assert_eq!(std::fs::read_to_string(dir.path().join("bin/calls")).unwrap().lines().count(), 2);
        assert_eq!(in_cache(&cache), Some(tools));
    }

    #[test]
    fn a_failure_or_a_killed_installer_leaves_nothing_that_counts() {
        let dir = tempfile::tempdir().unwrap();
        let cache = dir.path().join("cache");
        std::fs::create_dir_all(cache.join(".unfinished-1-node-24.21.0/node_modules")).unwrap();
        let path = npm(dir.path(), "mkdir -p node_modules/.bin; echo 'npm error code ENOTFOUND' >&2; exit 1");
        let error = install(Some(&path), &cache, &mut |_| ()).unwrap_err();
        assert!(matches!(error, InstallError::NoNetwork { .. }), "{error}");
        let left: Vec<_> = std::fs::read_dir(&cache).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(left, ["install.lock"]);
        assert_eq!(find(None, &cache), None);
    }

    #[test]
    fn two_installers_do_the_work_once() {
        let dir = tempfile::tempdir().unwrap();
        let (path, cache) = (npm(dir.path(), GOOD), dir.path().join("cache"));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| install(Some(&path), &cache, &mut |_| ()).unwrap());
            }
        });
        assert_eq!(std::fs::read_to_string(dir.path().join("bin/calls")).unwrap().lines().count(), 2);
    }

    #[test]
    fn without_npm_it_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let error = install(Some(dir.path().as_os_str()), &dir.path().join("c"), &mut |_| ()).unwrap_err();
        assert!(matches!(error, InstallError::NpmMissing), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn a_package_is_found_behind_the_link_to_its_program() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let package = root.join("lib/openclaw");
    std::fs::create_dir_all(package.join("dist")).unwrap();
    std::fs::write(package.join("openclaw.mjs"), "").unwrap();
    let link = root.join("openclaw");
    std::os::unix::fs::symlink(package.join("openclaw.mjs"), &link).unwrap();
    assert_eq!(package_of(&link), [link.clone(), package.join("dist")], "what is not there yet shows when it comes");
    std::fs::write(package.join("package.json"), "{}").unwrap();
    assert_eq!(package_of(&link), [link, package.join("package.json"), package.join("dist")]);
    assert_eq!(package_of(&root.join("none")), [root.join("none")]);
}
