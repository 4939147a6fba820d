//! Families of processes through `/proc`.

use super::process::{environ_value, incarnation_of, life};
use super::procfs::{Stat, all_stats};
use crate::host::clock;
use crate::host::family::Family;
use clawmend_core::gateway::Incarnation;
use std::collections::{BTreeMap, BTreeSet};

/// The process table at one look.
struct Table {
    stats: BTreeMap<u32, Stat>,
    children: BTreeMap<u32, Vec<u32>>,
}

impl Table {
    fn read() -> Self {
        let stats: BTreeMap<u32, Stat> = all_stats().collect();
        let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (pid, stat) in &stats {
            children.entry(stat.ppid).or_default().push(*pid);
        }
        Self { stats, children }
    }

    /// With all that they started.
    fn with_descendants(&self, roots: impl IntoIterator<Item = u32>) -> BTreeSet<u32> {
        let mut found: BTreeSet<u32> = roots.into_iter().collect();
        let mut next: Vec<u32> = found.iter().copied().collect();
        while let Some(parent) = next.pop() {
            let new = self.children.get(&parent).into_iter().flatten().filter(|child| found.insert(**child));
            next.extend(new);
        }
        found
    }

    fn group(&self, leader: &Incarnation) -> impl Iterator<Item = u32> {
        // A new owner of the pid would lead a group of the same number.
        let theirs = leader.boot == clock::boot_id() && incarnation_of(leader.pid).is_none_or(|now| now == *leader);
        self.stats.iter().filter(move |(_, stat)| theirs && stat.pgrp == leader.pid).map(|(pid, _)| *pid)
    }

    fn life(&self, pid: u32) -> Option<Incarnation> {
        self.stats.get(&pid).map(|stat| life(pid, stat.start))
    }

    /// It has ended with all its threads, and only waits to be reaped.
    fn is_dead(&self, pid: u32) -> bool {
        self.stats.get(&pid).is_none_or(|stat| matches!(stat.state, b'Z' | b'X') && stat.threads <= 1)
    }
}

/// See the facade.
pub fn members(of: &Family) -> Vec<Incarnation> {
    let table = Table::read();
    // Proven after the look: had a pid changed hands before, this start time would not be there now.
    let still = |life: &&Incarnation| incarnation_of(life.pid).as_ref() == Some(*life);
    let mut spared = table.with_descendants(of.spared.iter().filter(still).map(|life| life.pid));
    spared.insert(std::process::id());

    let leader = of.leader.as_ref();
    let mut roots: BTreeSet<u32> = leader.into_iter().filter(still).map(|life| life.pid).collect();
    roots.extend(leader.into_iter().flat_map(|leader| table.group(leader)));
    roots.extend(of.above.iter().filter(still).flat_map(|above| table.children.get(&above.pid)).flatten());
    if let Some((name, value)) = &of.mark {
        let carries = |pid: &u32| {
            let life = table.life(*pid);
            life.and_then(|life| environ_value(&life, name)).as_ref() == Some(value)
        };
        let unknown = table.stats.keys().filter(|pid| !roots.contains(pid) && !spared.contains(pid));
        let marked: Vec<u32> = unknown.copied().filter(carries).collect();
        roots.extend(marked);
    }
    let roots = roots.into_iter().filter(|pid| !spared.contains(pid));
    let all = table.with_descendants(roots);
    let alive = all.into_iter().filter(|pid| !spared.contains(pid) && !table.is_dead(*pid));
    alive.filter_map(|pid| table.life(pid)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::host::signal::{Signal, send};
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command, Stdio};

    /// Prints the pids of: one in a session of its own, that one's child, and one that also forgot the mark.
    const SCRIPT: &str = "setsid sh -c 'sleep 600 & echo $! $$; exec sleep 600' & \
        setsid env -i /bin/sh -c 'echo $$; exec sleep 600' & wait";

    fn scattered(mark: &str) -> (Child, Incarnation, BTreeSet<u32>) {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT])
            .env("CLAWMEND_NONCE", mark)
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let leader = incarnation_of(shell.id()).unwrap();
        let mut lines = BufReader::new(shell.stdout.take().unwrap()).lines();
        let text = format!("{} {}", lines.next().unwrap().unwrap(), lines.next().unwrap().unwrap());
        let pids = text.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
        (shell, leader, pids)
    }

    fn pids(of: &Family) -> BTreeSet<u32> {
        members(of).iter().map(|life| life.pid).collect()
    }

    #[test]
    fn who_moved_away_is_found_by_parentage_and_after_that_by_the_mark() {
        let (mut shell, leader, far) = scattered("family-test-1");
        let all = members(&Family { leader: Some(leader.clone()), ..Family::default() });
        let mark = Some(("CLAWMEND_NONCE".to_owned(), "family-test-1".to_owned()));
        let family = Family { leader: Some(leader.clone()), mark, ..Family::default() };
        let found: BTreeSet<u32> = all.iter().map(|life| life.pid).collect();
        assert_eq!(far.len(), 3);
        assert!(found.contains(&leader.pid) && far.is_subset(&found), "{far:?} in {found:?}");
        assert!(!found.contains(&std::process::id()));
        let spared = all.iter().filter(|life| far.contains(&life.pid)).cloned().collect();
        assert_eq!(pids(&Family { spared, ..family.clone() }), &found - &far);
        let other = Some(("CLAWMEND_NONCE".to_owned(), "family-test-".to_owned()));
        assert!(pids(&Family { mark: other, ..Family::default() }).is_empty());

        shell.kill().unwrap();
        shell.wait().unwrap();
        // One forgot the mark and has no parent of ours any more: nothing proves it.
        assert_eq!((&far & &pids(&family)).len(), 2);
        all.iter().for_each(|life| drop(send(life, Signal::Kill)));
    }

    #[test]
    fn below_one_who_takes_in_orphans_everybody_belongs_to_it() {
        let (mut shell, leader, far) = scattered("family-test-2");
        let family = Family { above: Some(leader.clone()), ..Family::default() };
        let found = pids(&family);
        assert!(far.is_subset(&found) && !found.contains(&leader.pid), "{far:?} in {found:?}");
        let mut old = leader;
        old.start -= 1;
        assert!(pids(&Family { leader: Some(old.clone()), above: Some(old), ..Family::default() }).is_empty());
        members(&family).iter().for_each(|life| drop(send(life, Signal::Kill)));
        shell.kill().unwrap();
        shell.wait().unwrap();
    }
}
