//! A config on trial that nobody confirmed.
//!
//! Invariant: what somebody else has changed since is left as it is. Start at [`Bookkeeper::roll_back`].

use super::{Bookkeeper, Pending, Room, Snapshot};
use crate::generations::{ApplyError, RoomError, WriteError, apply};
use clawmend_core::time::Wall;
use std::path::PathBuf;

impl Bookkeeper {
    /// Nobody confirmed it in time: the config before it comes back, unless somebody has changed it since.
    pub(super) fn roll_back(&self, pending: &Pending, now: Wall) {
        let _alone = self.alone();
        let gateway = &self.home.id.0;
        if Pending::read(&self.state, &self.home.id).as_ref() != Some(pending) {
            return;
        }
        let done = Room::open(&self.state, &self.home.id).map_err(ApplyError::from).and_then(|room| {
            let (applied, previous) = (room.load(&pending.applied)?, room.load(&pending.previous)?);
            let present = self.snapshot();
            let main = |snapshot: &Snapshot| snapshot.files.first().map(|file| file.bytes.clone());
            if present.as_ref().and_then(main) != main(&applied.snapshot) {
                return Ok(false);
            }
            let files = previous.snapshot.files.into_iter().filter(|file| file.inside);
            let mut files: Vec<(PathBuf, Vec<u8>)> = files.map(|file| (file.path, file.bytes)).collect();
            files.reverse();
            apply(&room, present.as_ref(), &files, Some("unconfirmed"), now)?;
            Ok(true)
        });
        match done {
            Ok(true) => tracing::warn!(%gateway, "nobody confirmed the config on trial; the one before it is back"),
            Ok(false) => {
                tracing::warn!(%gateway, "the config on trial was changed by somebody else; it is left as it is")
            }
            Err(ApplyError::Write(WriteError::Io { .. }) | ApplyError::Room(RoomError::Locked(_))) => return,
            Err(error) => {
                tracing::error!(%gateway, %error, "the config before the one on trial could not be brought back")
            }
        }
        if let Err(error) = Pending::clear(&self.state, &self.home.id) {
            tracing::warn!(%gateway, %error, "the note of the trial could not be removed");
        }
    }
}
