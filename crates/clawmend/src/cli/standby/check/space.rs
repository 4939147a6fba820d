//! Whether there is room for what a node of a pair writes: our own state, and OpenClaw's.

use super::{Level, Line};
use crate::host::disk;
use crate::openclaw::discovery::Home;
use std::path::Path;

const MIB: u64 = 1024 * 1024;
/// A gateway with its packages, sessions and logs wants this much.
const ROOM: u64 = 2 * 1024 * MIB;
/// With less OpenClaw does not start for sure, and a role cannot be written down.
const NONE: u64 = 200 * MIB;

pub(super) fn lines(state: &Path, home: Option<&Home>) -> Vec<Line> {
    let folders = [Some(state), home.map(|home| home.state_dir.as_path())];
    folders.into_iter().flatten().map(|folder| line(folder, disk::space(folder))).collect()
}

fn line(folder: &Path, space: std::io::Result<disk::Space>) -> Line {
    let folder = folder.display();
    let (level, text) = match space {
        Ok(space) if space.free_bytes < NONE => (
            Level::Bad,
            format!(
                "only {} MiB are free for {folder}: nothing can be taken over there; make room",
                space.free_bytes / MIB
            ),
        ),
        Ok(disk::Space { writable: false, .. }) => (Level::Bad, format!("{folder} cannot be written into")),
        Ok(space) if space.free_bytes < ROOM => (
            Level::Warning,
            format!("{} MiB are free for {folder}; a gateway wants {} MiB", space.free_bytes / MIB, ROOM / MIB),
        ),
        Ok(space) => (Level::Good, format!("{} MiB are free for {folder}", space.free_bytes / MIB)),
        // It is made by the first start.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            (Level::Unknown, format!("{folder} is not there yet"))
        }
        Err(error) => (Level::Unknown, format!("how much is free for {folder}: {error}")),
    };
    Line { check: "disk", level, text }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::host::disk::Space;

    pub fn every_line() -> Vec<Line> {
        let folder = Path::new("/home/ana/.openclaw");
        let free = |free_bytes, writable| line(folder, Ok(Space { free_bytes, writable }));
        let error = |kind: std::io::ErrorKind| line(folder, Err(kind.into()));
        vec![
            free(0, false),
            free(NONE, false),
            free(NONE, true),
            free(ROOM, true),
            error(std::io::ErrorKind::NotFound),
            error(std::io::ErrorKind::PermissionDenied),
        ]
    }
}
