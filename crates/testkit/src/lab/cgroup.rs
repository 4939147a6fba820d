//! Cgroups of a lab's own: a freezer and a CPU quota, for version 1 hierarchies and for version 2.
//!
//! A process is moved into a folder of the lab's own and back when the folder is dropped.

use super::permit::Unavailable;
use super::process::{Life, new_nonce};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A folder in one hierarchy, with what was moved into it.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    root: PathBuf,
    /// Where the processes came from, below the root.
    origin: PathBuf,
    moved: Vec<Life>,
    version: u8,
}

impl Folder {
    fn make(controller: &str, probe: &str) -> Result<Self, Unavailable> {
        let version1 = PathBuf::from("/sys/fs/cgroup").join(controller);
        let version2 = [PathBuf::from("/sys/fs/cgroup"), PathBuf::from("/sys/fs/cgroup/unified")];
        let mut roots = vec![(version1, 1)];
        roots
            .extend(version2.into_iter().filter(|root| root.join("cgroup.controllers").exists()).map(|root| (root, 2)));
        let mut reason = String::from("no cgroup hierarchy");
        for (root, version) in roots.into_iter().filter(|(root, _)| root.exists()) {
            if version == 2 {
                // Refused where the controller is bound to a version 1 hierarchy; the probe below tells.
                let _ = std::fs::write(root.join("cgroup.subtree_control"), format!("+{controller}"));
            }
            let path = root.join(format!("clawmend-lab-{}", new_nonce()));
            if let Err(error) = std::fs::create_dir(&path) {
                reason = format!("{}: {error}", path.display());
                continue;
            }
            let folder = Self { path, root, origin: PathBuf::new(), moved: Vec::new(), version };
            let name = if version == 1 { probe.to_owned() } else { probe_of_version2(probe).to_owned() };
            if folder.path.join(name).exists() {
                return Ok(folder);
            }
            reason = format!("{} has no {controller}", folder.root.display());
        }
        Err(Unavailable(format!("cgroup {controller}: {reason} (needs root)")))
    }

    fn take(&mut self, life: Life, controller: &str) -> Result<()> {
        ensure!(life.alive(), "{life:?} has ended");
        if self.moved.is_empty() {
            self.origin = origin(life.pid, self.version, controller).unwrap_or_default();
        }
        std::fs::write(self.path.join("cgroup.procs"), life.pid.to_string())
            .context("moving a process into a cgroup")?;
        self.moved.push(life);
        Ok(())
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        std::fs::write(self.path.join(name), text).with_context(|| format!("{} of {}", name, self.path.display()))
    }
}

/// The file of version 2 that stands for one of version 1.
fn probe_of_version2(probe: &str) -> &str {
    match probe {
        "freezer.state" => "cgroup.freeze",
        "cpu.cfs_quota_us" => "cpu.max",
        other => other,
    }
}

/// The cgroup that a process is in, relative to its hierarchy's root.
fn origin(pid: u32, version: u8, controller: &str) -> Option<PathBuf> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let line = text.lines().find(|line| match version {
        1 => line.split(':').nth(1).is_some_and(|names| names.split(',').any(|name| name == controller)),
        _ => line.starts_with("0::"),
    })?;
    Some(Path::new(line.splitn(3, ':').nth(2)?.trim_start_matches('/')).to_path_buf())
}

impl Drop for Folder {
    fn drop(&mut self) {
        let home = self.root.join(&self.origin).join("cgroup.procs");
        let members = std::fs::read_to_string(self.path.join("cgroup.procs")).unwrap_or_default();
        for member in members.lines() {
            let _ = std::fs::write(&home, member);
        }
        for _try in 0..100 {
            if std::fs::remove_dir(&self.path).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A cgroup freezer. Thawed and removed when it is dropped.
#[derive(Debug)]
pub struct Freezer(Folder);

impl Freezer {
    /// Makes one.
    ///
    /// # Errors
    /// When this machine or user cannot.
    pub fn new() -> Result<Self, Unavailable> {
        Folder::make("freezer", "freezer.state").map(Self)
    }

    /// Takes a process in and freezes it; returns when the kernel says that it is frozen.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn freeze(&mut self, life: Life) -> Result<()> {
        self.0.take(life, "freezer")?;
        self.set(true)
    }

    /// Lets the frozen processes go on.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn thaw(&mut self) -> Result<()> {
        self.set(false)
    }

    fn set(&self, frozen: bool) -> Result<()> {
        let state = |name: &str| std::fs::read_to_string(self.0.path.join(name)).unwrap_or_default();
        if self.0.version == 1 {
            let wanted = if frozen { "FROZEN" } else { "THAWED" };
            self.0.write("freezer.state", wanted)?;
            super::until(wanted, Duration::from_secs(10), || state("freezer.state").trim() == wanted)?;
        } else {
            self.0.write("cgroup.freeze", if frozen { "1" } else { "0" })?;
            let wanted = format!("frozen {}", u8::from(frozen));
            super::until(&wanted, Duration::from_secs(10), || state("cgroup.events").contains(&wanted))?;
        }
        Ok(())
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        let _ = self.set(false);
    }
}

/// A limit on the CPU time of some processes. Lifted when it is dropped.
#[derive(Debug)]
pub struct CpuQuota(Folder);

impl CpuQuota {
    /// Makes one that gives `percent` of one core.
    ///
    /// # Errors
    /// When this machine or user cannot.
    pub fn new(percent: u32) -> Result<Self, Unavailable> {
        let folder = Folder::make("cpu", "cpu.cfs_quota_us")?;
        let (period, quota) = (100_000, u64::from(percent) * 1000);
        let written = if folder.version == 1 {
            folder
                .write("cpu.cfs_period_us", &period.to_string())
                .and_then(|()| folder.write("cpu.cfs_quota_us", &quota.to_string()))
        } else {
            folder.write("cpu.max", &format!("{quota} {period}"))
        };
        written.map_err(|error| Unavailable(format!("{error:#}")))?;
        Ok(Self(folder))
    }

    /// Takes a process in; what it starts from now on is in it, too.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn take(&mut self, life: Life) -> Result<()> {
        self.0.take(life, "cpu")
    }
}
