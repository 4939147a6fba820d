//! Control groups, both versions.
//!
//! Invariant: paths out of `/proc/PID/cgroup` are only followed where a mount of this namespace really shows them.

use std::fs::File;
use std::path::{Path, PathBuf};

/// The kernel allows deeper trees; nobody builds them.
const DEPTH_MAX: usize = 32;

/// One line of `/proc/PID/cgroup`: `ID:controllers:path`.
fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        Some((parts.next()?, parts.next()?))
    })
}

/// The path that tells which service or session a process belongs to: the v2 path, or where v1 rules the one of
/// systemd's own hierarchy.
pub fn scope_of(pid: u32) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let named = |wanted: &str| lines(&text).find(|(names, _)| *names == wanted).map(|(_, path)| path);
    let unified = named("");
    let path = match (unified, named("name=systemd")) {
        (Some(path), _) if path != "/" => path,
        (_, Some(path)) => path,
        (Some(path), None) => path,
        (None, None) => return None,
    };
    Some(path.to_owned())
}

/// `path` is `scope` or below it.
pub fn is_within(path: &str, scope: &str) -> bool {
    path.strip_prefix(scope).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Where the kernel shows the hierarchies that we look at.
#[derive(Clone, Debug, Default)]
pub struct Mounts {
    unified: Option<Mount>,
    freezer: Option<Mount>,
    cpu: Option<Mount>,
    memory: Option<Mount>,
}

#[derive(Clone, Debug)]
struct Mount {
    /// Part of the hierarchy that is mounted.
    root: String,
    point: PathBuf,
}

impl Mounts {
    /// Reads `/proc/self/mountinfo`.
    pub fn read() -> Self {
        std::fs::read_to_string("/proc/self/mountinfo").map(|text| Self::parse(&text)).unwrap_or_default()
    }

    /// The folder of the root group of version 2, if this mount shows the whole hierarchy.
    pub fn unified_root(&self) -> Option<PathBuf> {
        self.unified.as_ref().filter(|mount| mount.root == "/").map(|mount| mount.point.clone())
    }

    /// `ID parent major:minor root point options [tags] - type source super-options`.
    fn parse(text: &str) -> Self {
        let mut mounts = Self::default();
        for line in text.lines() {
            let Some((before, after)) = line.split_once(" - ") else { continue };
            let mut left = before.split(' ').skip(3);
            let (Some(root), Some(point)) = (left.next(), left.next()) else { continue };
            let mount = || Some(Mount { root: root.to_owned(), point: PathBuf::from(point) });
            let mut right = after.split(' ');
            let kind = right.next();
            let has =
                |name: &str| after.rsplit(' ').next().is_some_and(|options| options.split(',').any(|o| o == name));
            match kind {
                Some("cgroup2") if mounts.unified.is_none() => mounts.unified = mount(),
                Some("cgroup") if has("freezer") && mounts.freezer.is_none() => mounts.freezer = mount(),
                Some("cgroup") if has("cpu") && mounts.cpu.is_none() => mounts.cpu = mount(),
                Some("cgroup") if has("memory") && mounts.memory.is_none() => mounts.memory = mount(),
                Some(_) | None => {}
            }
        }
        mounts
    }
}

impl Mount {
    /// Folder of a cgroup path, if this mount shows it.
    fn folder(&self, path: &str) -> Option<PathBuf> {
        if path.contains("/..") {
            return None;
        }
        let below = if self.root == "/" { path } else { path.strip_prefix(self.root.as_str())? };
        Some(self.point.join(below.trim_start_matches('/')))
    }

    /// Folders from the cgroup up to the mount.
    fn lineage(&self, path: &str) -> Vec<PathBuf> {
        let Some(own) = self.folder(path) else { return Vec::new() };
        own.ancestors().take_while(|dir| dir.starts_with(&self.point)).take(DEPTH_MAX).map(Path::to_path_buf).collect()
    }
}

/// The files of one process's cgroups that say what is done to it. Valid while it stays where it is.
#[derive(Debug, Default)]
pub struct Files {
    /// Effective: also told when a cgroup above is frozen.
    frozen: Vec<(Freezer, File)>,
    cpu_stats: Vec<PathBuf>,
    memory_limits: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Freezer {
    /// `freezer.state`: THAWED, FREEZING, FROZEN.
    State,
    /// `cgroup.events`: a line `frozen 1`.
    Events,
}

impl Files {
    /// Opens what there is for the content of `/proc/PID/cgroup`.
    pub fn open(mounts: &Mounts, text: &str) -> Self {
        let mut files = Self::default();
        for (names, path) in lines(text) {
            if names.is_empty() {
                files.add_freezer(mounts.unified.as_ref(), path, Freezer::Events);
                files.add_cpu(mounts.unified.as_ref(), path);
                files.add_memory(mounts.unified.as_ref(), path, "memory.max");
            } else if names.split(',').any(|name| name == "freezer") {
                files.add_freezer(mounts.freezer.as_ref(), path, Freezer::State);
            } else if names.split(',').any(|name| name == "cpu") {
                files.add_cpu(mounts.cpu.as_ref(), path);
            } else if names.split(',').any(|name| name == "memory") {
                files.add_memory(mounts.memory.as_ref(), path, "memory.limit_in_bytes");
            }
        }
        files
    }

    /// The root cgroup has no such file and cannot be frozen.
    fn add_freezer(&mut self, mount: Option<&Mount>, path: &str, kind: Freezer) {
        let name = match kind {
            Freezer::State => "freezer.state",
            Freezer::Events => "cgroup.events",
        };
        let file = mount.and_then(|mount| mount.folder(path)).and_then(|dir| File::open(dir.join(name)).ok());
        self.frozen.extend(file.map(|file| (kind, file)));
    }

    fn add_cpu(&mut self, mount: Option<&Mount>, path: &str) {
        let dirs = mount.map(|mount| mount.lineage(path)).unwrap_or_default();
        self.cpu_stats.extend(dirs.into_iter().map(|dir| dir.join("cpu.stat")));
    }

    fn add_memory(&mut self, mount: Option<&Mount>, path: &str, name: &str) {
        let dirs = mount.map(|mount| mount.lineage(path)).unwrap_or_default();
        self.memory_limits.extend(dirs.into_iter().map(|dir| dir.join(name)));
    }

    /// The least memory that it or a cgroup above may use, in bytes, if any has a limit.
    pub fn memory_limit(&self) -> Option<u64> {
        let limits = self.memory_limits.iter().filter_map(|path| parse_limit(&std::fs::read_to_string(path).ok()?));
        limits.min()
    }

    /// How long a CPU quota held it, or a cgroup above, in microseconds: the longest of them.
    pub fn throttled_us(&self) -> Option<u64> {
        let times = self.cpu_stats.iter().filter_map(|path| parse_throttled_us(&std::fs::read_to_string(path).ok()?));
        times.max()
    }

    /// Its cgroup or one above is frozen, or about to be.
    pub fn is_frozen(&self) -> bool {
        let mut buffer = [0; 256];
        self.frozen.iter().any(|(kind, file)| match super::procfs::read_at_start(file, &mut buffer) {
            Ok(text) => says_frozen(*kind, text),
            Err(_) => false,
        })
    }

    /// How often a CPU quota held it or a cgroup above, if any has one.
    pub fn throttled(&self) -> Option<u64> {
        let counts = self.cpu_stats.iter().filter_map(|path| parse_throttled(&std::fs::read_to_string(path).ok()?));
        counts.reduce(u64::saturating_add)
    }
}

fn says_frozen(kind: Freezer, text: &[u8]) -> bool {
    match kind {
        Freezer::State => text.starts_with(b"FR"),
        Freezer::Events => text.split(|byte| *byte == b'\n').any(|line| line == b"frozen 1"),
    }
}

/// Version 1 writes a figure near the end of its range where version 2 writes `max`.
fn parse_limit(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|bytes| *bytes < 1 << 60)
}

/// Microseconds in version 2, nanoseconds in version 1.
fn parse_throttled_us(text: &str) -> Option<u64> {
    let find = |name: &str| text.lines().find_map(|line| line.strip_prefix(name))?.trim().parse::<u64>().ok();
    find("throttled_usec ").or_else(|| find("throttled_time ").map(|ns| ns / 1000))
}

fn parse_throttled(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("nr_throttled "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MIXED: &str = "\
30 23 0:26 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755
31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
33 30 0:29 /docker/x /sys/fs/cgroup/freezer rw shared:9 - cgroup cgroup rw,freezer
35 30 0:31 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct
";

    #[test]
    fn a_path_is_followed_only_where_a_mount_shows_it() {
        let mounts = Mounts::parse(MIXED);
        let freezer = mounts.freezer.unwrap();
        assert_eq!(freezer.folder("/docker/x/a").unwrap(), Path::new("/sys/fs/cgroup/freezer/a"));
        assert_eq!(freezer.folder("/other"), None);
        assert_eq!(freezer.folder("/../x"), None);
        let cpu = mounts.cpu.unwrap();
        let dirs = cpu.lineage("/a/b");
        assert_eq!(dirs.len(), 3);
        assert_eq!(dirs[0], Path::new("/sys/fs/cgroup/cpu/a/b"));
        assert_eq!(mounts.unified.unwrap().folder("/").unwrap(), Path::new("/sys/fs/cgroup/unified"));
    }

    #[test]
    fn what_the_kernel_writes_is_understood() {
        assert!(says_frozen(Freezer::State, b"FROZEN\n"));
        assert!(says_frozen(Freezer::State, b"FREEZING\n"));
        assert!(!says_frozen(Freezer::State, b"THAWED\n"));
        assert!(says_frozen(Freezer::Events, b"populated 1\nfrozen 1\n"));
        assert!(!says_frozen(Freezer::Events, b"populated 1\nfrozen 0\n"));
        assert_eq!(parse_throttled("nr_periods 9\nnr_throttled 4\nthrottled_time 1\n"), Some(4));
        assert_eq!(parse_throttled("usage_usec 9\n"), None);
        assert_eq!(parse_throttled_us("nr_throttled 4\nthrottled_time 9000\n"), Some(9));
        assert_eq!(parse_throttled_us("nr_throttled 4\nthrottled_usec 7\n"), Some(7));
        assert_eq!(parse_limit("max\n"), None);
        assert_eq!(parse_limit("9223372036854771712\n"), None);
        assert_eq!(parse_limit("1073741824\n"), Some(1 << 30));
    }

    #[test]
    fn a_neighbour_with_a_longer_name_is_not_within() {
        assert!(is_within("/a/b.service/sub", "/a/b.service"));
        assert!(is_within("/a/b.service", "/a/b.service"));
        assert!(!is_within("/a/b.service2", "/a/b.service"));
    }
}
