//! Processes through `/proc`.

pub use super::sampler::Sampler;

use super::{cgroup, procfs};
use crate::host::{clock, printable};
use clawmend_core::gateway::Incarnation;
use std::collections::{HashMap, HashSet};
use std::io::Read;

/// A chain of parents longer than this is taken as endless (pid namespaces nest 32 deep, shells rarely 10).
const ANCESTORS_MAX: usize = 256;
/// The kernel's own limit lies at a quarter of the stack, usually 2 MiB.
const ENVIRON_MAX: u64 = 2 * 1024 * 1024;

/// Start times are clock ticks on the boot clock.
pub fn age_ms(life: &Incarnation, now: clawmend_core::time::Now) -> Option<u64> {
    let ticks_per_second = rustix::param::clock_ticks_per_second().max(1);
    Some(now.mono.0.saturating_sub(life.start.saturating_mul(1_000) / ticks_per_second))
}

/// See the facade.
pub fn incarnation_of(pid: u32) -> Option<Incarnation> {
    procfs::stat_of(pid).map(|stat| life(pid, stat.start))
}

pub(super) fn life(pid: u32, start: u64) -> Incarnation {
    Incarnation { pid, start, boot: clock::boot_id().to_owned() }
}

/// See the facade.
pub fn environ(of: &Incarnation) -> Vec<(String, String)> {
    let bytes = environ_bytes(of).unwrap_or_default();
    let entries = bytes.split(|byte| *byte == 0).filter_map(|entry| std::str::from_utf8(entry).ok()?.split_once('='));
    entries.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn environ_bytes(of: &Incarnation) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(format!("/proc/{}/environ", of.pid)).ok()?.take(ENVIRON_MAX).read_to_end(&mut bytes).ok()?;
    // Proven after the read: had the pid changed hands before, this start time would not be there now.
    (incarnation_of(of.pid).as_ref() == Some(of)).then_some(bytes)
}

/// See the facade.
pub fn environ_value(of: &Incarnation, key: &str) -> Option<String> {
    let bytes = environ_bytes(of)?;
    let value = bytes.split(|byte| *byte == 0).find_map(|entry| {
        let rest = entry.strip_prefix(key.as_bytes())?;
        rest.strip_prefix(b"=")
    })?;
    String::from_utf8(value.to_vec()).ok()
}

/// See the facade.
pub fn children(of: &Incarnation) -> Vec<Incarnation> {
    let found = procfs::all_stats().filter(|(_, stat)| stat.ppid == of.pid).map(|(pid, stat)| life(pid, stat.start));
    let found = found.collect();
    if incarnation_of(of.pid).as_ref() == Some(of) { found } else { Vec::new() }
}

/// See the facade.
pub fn descendants(of: &Incarnation) -> Vec<Incarnation> {
    let mut by_parent: HashMap<u32, Vec<Incarnation>> = HashMap::new();
    for (pid, stat) in procfs::all_stats() {
        by_parent.entry(stat.ppid).or_default().push(life(pid, stat.start));
    }
    if incarnation_of(of.pid).as_ref() != Some(of) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut seen = HashSet::from([of.pid]);
    let mut next = vec![of.pid];
    while let Some(parent) = next.pop() {
        for child in by_parent.remove(&parent).into_iter().flatten() {
            if seen.insert(child.pid) {
                next.push(child.pid);
                found.push(child);
            }
        }
    }
    found
}

/// See the facade.
pub fn cgroup_of(life: &Incarnation) -> Option<String> {
    let path = cgroup::scope_of(life.pid)?;
    (incarnation_of(life.pid).as_ref() == Some(life)).then_some(path)
}

/// See the facade.
pub fn in_same_group_or_cgroup(leader: &Incarnation, cgroup: Option<&str>) -> Vec<Incarnation> {
    if leader.boot != clock::boot_id() {
        return Vec::new();
    }
    // A new owner of the pid would lead a group of the same number: then that group is not the dead leader's.
    let group_is_theirs = incarnation_of(leader.pid).is_none_or(|now| now == *leader);
    let cgroup = cgroup.filter(|path| *path != "/" && !path.is_empty());
    let belongs = |pid: u32, stat: &procfs::Stat| {
        (group_is_theirs && stat.pgrp == leader.pid)
            || cgroup.is_some_and(|wanted| cgroup::scope_of(pid).is_some_and(|its| cgroup::is_within(&its, wanted)))
    };
    procfs::all_stats()
        .filter(|(pid, stat)| *pid != leader.pid && belongs(*pid, stat))
        .map(|(pid, stat)| life(pid, stat.start))
        .collect()
}

/// See the facade.
pub fn is_descendant(pid: u32, of: &Incarnation) -> bool {
    if incarnation_of(of.pid).as_ref() != Some(of) {
        return false;
    }
    descends(pid, of.pid) || shares_own_cgroup(pid, of.pid)
}

fn descends(pid: u32, ancestor: u32) -> bool {
    let mut current = pid;
    for _ in 0..ANCESTORS_MAX {
        if current == ancestor {
            return true;
        }
        match procfs::stat_of(current) {
            Some(stat) if stat.ppid != 0 => current = stat.ppid,
            Some(_) | None => return false,
        }
    }
    false
}

fn shares_own_cgroup(pid: u32, of: u32) -> bool {
    let Some(theirs) = cgroup::scope_of(of).filter(|path| path != "/") else { return false };
    let ours = cgroup::scope_of(std::process::id());
    let parents = procfs::stat_of(of).and_then(|stat| cgroup::scope_of(stat.ppid));
    is_made_for_it(&theirs, ours.as_deref(), parents.as_deref(), pid == std::process::id())
        && cgroup::scope_of(pid).is_some_and(|its| cgroup::is_within(&its, &theirs))
}

/// A cgroup tells membership only when it was made for the process: one that also holds us (a login session, a container)
/// would make everyone a member. A service's tells us also of ourselves, but not where it is the guard's own, which holds
/// the keeper that started the process, or us who look at others from beside it.
fn is_made_for_it(theirs: &str, ours: Option<&str>, parents: Option<&str>, of_ourselves: bool) -> bool {
    let holds = |path: Option<&str>| path.is_some_and(|path| cgroup::is_within(path, theirs));
    if theirs.ends_with(".service") {
        !holds(parents) && (of_ourselves || !holds(ours))
    } else {
        ours.is_some() && !holds(ours)
    }
}

/// See the facade.
pub fn name(pid: u32) -> String {
    std::fs::read(format!("/proc/{pid}/comm")).map(|comm| printable(&comm, 64)).unwrap_or_default()
}

/// Sets the name of the calling thread, which for the main thread is that of the process.
pub fn name_self(name: &std::ffi::CStr) {
    if let Err(error) = rustix::thread::set_name(name) {
        tracing::debug!(%error, "the process keeps its name");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    /// A shell in its own group with one `sleep` below it; returns once both run.
    fn family() -> std::process::Child {
        let mut shell = Command::new("sh")
            .args(["-c", "sleep 600 & echo up; wait"])
            .env("CLAWMEND_NONCE", "abc=1")
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut line = [0; 3];
        shell.stdout.as_mut().unwrap().read_exact(&mut line).unwrap();
        shell
    }

    #[test]
    fn a_family_is_found_by_parentage_and_by_group_and_never_by_an_old_life() {
        let mut shell = family();
        let parent = incarnation_of(shell.id()).unwrap();
        let below = descendants(&parent);
        assert_eq!(below.len(), 1);
        assert_eq!(children(&parent), below);
        assert_eq!(in_same_group_or_cgroup(&parent, None), below);
        assert!(is_descendant(below[0].pid, &parent));
        assert!(is_descendant(parent.pid, &parent));
        assert!(!is_descendant(std::process::id(), &parent));
        assert_eq!(environ_value(&below[0], "CLAWMEND_NONCE").as_deref(), Some("abc=1"));
        assert_eq!(environ_value(&below[0], "CLAWMEND"), None);
        assert!(environ(&below[0]).contains(&("CLAWMEND_NONCE".to_owned(), "abc=1".to_owned())));
        let mut old = parent.clone();
        old.start -= 1;
        assert!(descendants(&old).is_empty());
        assert!(!is_descendant(below[0].pid, &old));
        assert_eq!(environ_value(&old, "CLAWMEND_NONCE"), None);
        assert!(environ(&old).is_empty());

        shell.kill().unwrap();
        shell.wait().unwrap();
        assert_eq!(in_same_group_or_cgroup(&parent, None), below, "orphans keep the dead leader's group");
        let sent = crate::host::signal::send(&below[0], crate::host::signal::Signal::Kill);
        assert_eq!(sent.unwrap(), crate::host::signal::Sent::Delivered);
    }

    #[test]
    fn a_cgroup_that_holds_the_guard_or_the_keeper_makes_nobody_a_member() {
        let made =
            |theirs, ours, parents, of_ourselves| is_made_for_it(theirs, Some(ours), Some(parents), of_ourselves);
        let (openclaws, guards, login, init) =
            ("/u/openclaw.service", "/u/clawmend.service", "/u/login.scope", "/u/init");
        // OpenClaw's own service, seen by a guard elsewhere, and by a shell of the assistant.
        assert!(made(openclaws, login, init, false) && made(openclaws, openclaws, init, true));
        // A guard that is a service itself, with its keeper, or one whose keeper has died.
        assert!(!made(guards, guards, guards, false) && !made(guards, guards, init, false));
        assert!(!made(guards, guards, guards, true), "only the tree tells");
        // A login's.
        assert!(!made(login, login, login, false) && made("/u/other.scope", login, init, false));
        assert!(!is_made_for_it("/u/other.scope", None, None, false), "ours is not known");
    }

    #[test]
    fn our_own_parent_is_our_ancestor() {
        let parent = incarnation_of(std::os::unix::process::parent_id()).unwrap();
        assert!(is_descendant(std::process::id(), &parent));
    }
}
