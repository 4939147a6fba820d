//! Rooms are control groups of version 2: a socket keeps the group that its process was in when it opened it.

use super::cgroup::Mounts;
use crate::host::egress::NoRoom;
use crate::host::process::is_alive;
use clawmend_core::gateway::Incarnation;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Below the root of the hierarchy, so that no service manager removes it with a service.
const PARENT: &str = "clawmend";
/// Where `nft` looks for control groups, whatever is mounted there.
const NFT_ROOT: &str = "/sys/fs/cgroup";
/// `PROC_CGROUP_INIT_INO`: the namespace of the machine itself (include/linux/proc_ns.h).
const FIRST_NAMESPACE: u64 = 0xEFFF_FFFB;

/// See the facade.
#[derive(Debug)]
pub struct Room {
    /// Its folder.
    dir: PathBuf,
    /// As `/proc/PID/cgroup` tells it.
    path: String,
    /// As `nft` is told it.
    in_nft: String,
}

impl Room {
    /// See the facade.
    pub fn possible() -> Result<(), NoRoom> {
        let root = root()?;
        // Inside of a container the kernel counts the levels from another root than we do: the rule would match nobody.
        let namespace = std::fs::metadata("/proc/self/ns/cgroup").map(|seen| seen.ino()).ok();
        if namespace != Some(FIRST_NAMESPACE) {
            return Err(NoRoom(
                "control groups are those of a container here, which packet rules cannot name".to_owned(),
            ));
        }
        let writable = rustix::fs::access(&root, rustix::fs::Access::WRITE_OK);
        writable.map_err(|error| NoRoom(format!("no control group can be made in {}: {error}", root.display())))
    }

    /// See the facade.
    pub fn make(name: &str) -> Result<Self, NoRoom> {
        Self::possible()?;
        let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !plain || name.len() > 64 {
            return Err(NoRoom(format!("{name:?} cannot name a control group")));
        }
        let root = root()?;
        let path = format!("/{PARENT}/{name}");
        let dir = root.join(PARENT).join(name);
        std::fs::create_dir_all(&dir).map_err(|error| NoRoom(format!("{}: {error}", dir.display())))?;
        let below = dir.strip_prefix(NFT_ROOT).ok().and_then(|below| below.to_str());
        let in_nft = below.ok_or_else(|| NoRoom(format!("{} is not below {NFT_ROOT}", dir.display())))?.to_owned();
        Ok(Self { dir, path, in_nft })
    }

    /// See the facade.
    pub fn is_there(name: &str) -> bool {
        root().is_ok_and(|root| root.join(PARENT).join(name).is_dir())
    }

    /// See the facade.
    pub fn take_in(&self, life: &Incarnation) -> Result<(), NoRoom> {
        let gone = || NoRoom(format!("process {} has ended", life.pid));
        if !is_alive(life) {
            return Err(gone());
        }
        let procs = self.dir.join("cgroup.procs");
        std::fs::write(&procs, life.pid.to_string()).map_err(|e| NoRoom(format!("{}: {e}", procs.display())))?;
        if self.holds(life) { Ok(()) } else { Err(gone()) }
    }

    /// See the facade.
    pub fn holds(&self, life: &Incarnation) -> bool {
        let text = std::fs::read_to_string(format!("/proc/{}/cgroup", life.pid)).unwrap_or_default();
        text.lines().any(|line| line.strip_prefix("0::") == Some(self.path.as_str())) && is_alive(life)
    }

    /// See the facade.
    pub fn in_filter(&self) -> String {
        // Two levels below the root of the hierarchy: the parent and the room.
        format!("socket cgroupv2 level 2 \"{}\"", self.in_nft)
    }

    /// See the facade.
    pub fn remove(&self) {
        // Refused while somebody is inside, and for the parent while there are other rooms.
        let _ = std::fs::remove_dir(&self.dir);
        let _ = self.dir.parent().map(std::fs::remove_dir);
    }
}

fn root() -> Result<PathBuf, NoRoom> {
    let root = Mounts::read().unified_root();
    root.ok_or_else(|| NoRoom("there are no control groups of version 2 here".to_owned()))
}
