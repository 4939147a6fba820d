//! The keeper as a process: its session, its name, its folder.

use super::lab::{Lab, PROGRAM, until};
use clawmend::host::process::incarnation_of;
use clawmend::keeper::client::Keeper;
use std::path::{Path, PathBuf};
use std::process::Command;

#[tokio::test(flavor = "current_thread")]
async fn two_keepers_never_share_a_folder() {
    let mut lab = Lab::new();
    let first = lab.keeper().await.hello().await.unwrap().pid;
    let second = Command::new(PROGRAM).args(["keeper", "--dir"]).arg(lab.keeper_dir()).output().unwrap();
    assert_eq!(second.status.code(), Some(75));
    assert!(String::from_utf8_lossy(&second.stdout).contains(&format!("pid {first}")));
    assert_eq!(lab.keeper().await.hello().await.unwrap().pid, first);
}

#[tokio::test(flavor = "current_thread")]
async fn the_keeper_has_a_session_of_its_own_and_is_nobodys_child() {
    let mut lab = Lab::new();
    let mut keeper = lab.keeper().await;
    let pid = keeper.hello().await.unwrap().pid;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    assert_eq!(fields[3], pid.to_string(), "session");
    assert_ne!(fields[1], std::process::id().to_string(), "parent");
    for fd in 0..3 {
        let target = std::fs::read_link(format!("/proc/{pid}/fd/{fd}")).unwrap();
        assert_eq!(target, Path::new("/dev/null"));
    }
    let spawned = lab.spawn(&mut keeper, 1, "exec sleep 600").await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", spawned.incarnation.pid)).unwrap();
    // 32 and 33 belong to the C library, which lets nobody change them.
    for name in ["SigBlk:\t", "SigIgn:\t"] {
        let mask = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        assert_eq!(u64::from_str_radix(mask, 16).unwrap() & !(0b11 << 31), 0, "{status}");
    }
    // What the shell or cargo left open in us is inherited by all; nothing that the keeper opened may be.
    let targets = |pid: u32| -> Vec<PathBuf> {
        let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
        fds.filter(|fd| fd.file_name().to_str().is_some_and(|name| name.len() > 1 || name > "2"))
            .filter_map(|fd| std::fs::read_link(fd.path()).ok())
            .collect()
    };
    let inherited = targets(std::process::id());
    // A program that has just been executed has files of its own open for a moment, such as its locale's.
    let leaks = || targets(spawned.incarnation.pid).iter().any(|fd| !inherited.contains(fd));
    until("the child to have nothing open that the keeper opened", || !leaks()).await;
}

#[tokio::test(flavor = "current_thread")]
async fn the_keeper_goes_by_its_name_and_not_by_that_of_the_link_it_was_started_through() {
    let mut lab = Lab::new();
    let pid = lab.keeper().await.hello().await.unwrap().pid;
    assert_eq!(std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap(), "clawmend-keeper\n");
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    assert!(line.starts_with(b"clawmend\0keeper\0"), "{}", String::from_utf8_lossy(&line));
}

#[tokio::test(flavor = "current_thread")]
async fn a_folder_with_a_long_name_works() {
    let mut lab = Lab::new();
    let long = lab.dir.path().join("x".repeat(120));
    let mut keeper = Keeper::start_program(Path::new(PROGRAM), &long).await.unwrap();
    let state = keeper.hello().await.unwrap();
    lab.lives.push(incarnation_of(state.pid).unwrap());
    keeper.quit().await.unwrap();
}
