//! Limits through `/proc/PID/limits` and the files of its cgroups.

use super::{cgroup, procfs};
use crate::host::limits::Limits;
use clawmend_core::gateway::Incarnation;

/// See the facade.
pub fn of(life: &Incarnation) -> Limits {
    let file = |name: &str| std::fs::read_to_string(format!("/proc/{}/{name}", life.pid)).unwrap_or_default();
    let (limits, groups) = (file("limits"), file("cgroup"));
    let files = cgroup::Files::open(&cgroup::Mounts::read(), &groups);
    let seen = Limits {
        descriptors: open_files(&limits),
        memory_bytes: files.memory_limit(),
        throttled_us: files.throttled_us(),
    };
    // Proven after the reads: had the pid changed hands before, this start time would not be there now.
    let same = life.boot == crate::host::clock::boot_id()
        && procfs::stat_of(life.pid).is_some_and(|stat| stat.start == life.start);
    if same { seen } else { Limits::default() }
}

/// `Max open files            1024                 1048576              files`
fn open_files(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::host::process::incarnation_of;

    #[test]
    fn the_soft_limit_is_read_and_no_limit_is_none() {
        let text = "Limit  Soft Limit  Hard Limit  Units\nMax open files            64     128    files     \n";
        assert_eq!(open_files(text), Some(64));
        assert_eq!(open_files("Max open files            unlimited     unlimited    files"), None);
        assert_eq!(open_files(""), None);
    }

    #[test]
    fn another_life_of_a_pid_has_no_limits_of_ours() {
        let life = incarnation_of(std::process::id()).unwrap();
        assert!(of(&life).descriptors.is_some());
        let other = Incarnation { start: life.start + 1, ..life };
        assert_eq!(of(&other), Limits::default());
    }
}
