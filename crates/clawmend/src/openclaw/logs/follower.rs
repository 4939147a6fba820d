//! Follows the log of the day.
//!
//! Several gateways and every CLI call of a user write into one file, and a line does not say whose it is. So a line
//! counts for a gateway only when no other gateway of that user writes there, or when it names this gateway's own
//! port or state folder. Invariant: memory is constant, one call reads at most [`MAX_READ`] bytes, and a call
//! without news costs one `lstat`.

use super::signs::{MAX_LINE, of_line};
use crate::openclaw::discovery::Home;
use crate::openclaw::files;
use clawmend_core::observation::LogSign;
use std::fs::{File, Metadata};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Most that one call reads; the rest waits for the next call.
pub const MAX_READ: u64 = 1024 * 1024;
const CHUNK: usize = 16 * 1024;
/// Most signs of one call; a burst of equal lines says nothing more.
const MAX_SIGNS: usize = 64;

/// Who writes into the log besides this gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gateways {
    /// No other gateway of this user and profile lives on this host.
    Alone,
    /// At least one other does: only lines that name this port or state folder count.
    Several {
        /// The port that this gateway really owns.
        port: u16,
    },
}

/// Where the follower stands, to be kept over a restart of the guard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The file.
    pub path: PathBuf,
    /// The next byte to be read.
    pub offset: u64,
}

/// Reads what is new in the log of one gateway.
pub struct Follower {
    home: Home,
    uid: u32,
    tmp: PathBuf,
    /// `logging.file`: a fixed file instead of the log of the day.
    fixed: Option<PathBuf>,
    open: Option<Open>,
    /// The beginning of a line whose end was not written yet.
    partial: Vec<u8>,
    /// In the middle of a line that is too long.
    skipping: bool,
    /// A file that comes to light later is read from its beginning.
    from_start: bool,
    /// Where the log of a day may be, the preferred place first.
    places: Option<(jiff::civil::Date, Vec<PathBuf>)>,
}

struct Open {
    file: File,
    path: PathBuf,
    identity: (u64, u64),
    offset: u64,
}

impl Follower {
    /// Follows the log of the gateway of user `uid` from its present end, or from `position` when that file is still
    /// the same. `tmp` is the user's temporary folder, `day` the local date.
    #[must_use]
    pub fn new(
        home: &Home,
        uid: u32,
        tmp: &Path,
        fixed: Option<PathBuf>,
        day: jiff::civil::Date,
        position: Option<&Position>,
    ) -> Self {
        let mut follower = Self {
            home: home.clone(),
            uid,
            tmp: tmp.to_owned(),
            fixed,
            open: None,
            partial: Vec::new(),
            skipping: false,
            from_start: false,
            places: None,
        };
        if let Some((path, _)) = follower.log_of(day) {
            follower.open = Open::at_end(&path, uid);
        }
        if let (Some(open), Some(position)) = (&mut follower.open, position)
            && open.path == position.path
            && position.offset <= open.offset
        {
            open.offset = position.offset;
        }
        follower.from_start = true;
        follower
    }

    /// Where it stands.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.open.as_ref().map(|open| Position { path: open.path.clone(), offset: open.offset })
    }

    /// The signs in what was written since the last call. [`LogSign::Grew`] is the first one when this gateway wrote
    /// anything. Errors of the file system count as no news: the log is a help, never a proof.
    pub fn read_new(&mut self, day: jiff::civil::Date, gateways: Gateways) -> Vec<LogSign> {
        let Some((path, metadata)) = self.log_of(day) else { return Vec::new() };
        if self.open.as_ref().is_some_and(|open| open.is_read(&path, &metadata)) {
            return Vec::new();
        }
        let mut reader =
            Reader { budget: MAX_READ, signs: Vec::new(), grew: false, gateways, marks: self.marks(gateways) };
        self.keep_up(&path, &metadata, &mut reader);
        let mut signs = reader.signs;
        if reader.grew {
            signs.insert(0, LogSign::Grew);
        }
        signs
    }

    fn keep_up(&mut self, path: &Path, metadata: &Metadata, reader: &mut Reader) {
        if let Some(open) = self.open.as_mut().filter(|open| open.is(path, metadata)) {
            if metadata.len() < open.offset {
                open.offset = 0;
                self.partial.clear();
                self.skipping = false;
            }
            self.drain(reader);
            return;
        }
        // Midnight, rotation, or the first file: finish the old one, then take the new one from its beginning.
        self.drain(reader);
        self.partial.clear();
        self.skipping = false;
        self.open = if self.from_start { Open::at_start(path, self.uid) } else { Open::at_end(path, self.uid) };
        self.drain(reader);
    }

    /// Reads to the end of the open file, within the budget.
    fn drain(&mut self, reader: &mut Reader) {
        let Some(open) = &mut self.open else { return };
        if open.file.seek(SeekFrom::Start(open.offset)).is_err() {
            return;
        }
        let mut chunk = [0_u8; CHUNK];
        while reader.budget > 0 {
            let Ok(count) = open.file.read(&mut chunk) else { return };
            if count == 0 {
                return;
            }
            open.offset += count as u64;
            reader.budget = reader.budget.saturating_sub(count as u64);
            let mut rest = &chunk[..count];
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let (line, tail) = rest.split_at(end);
                if !std::mem::take(&mut self.skipping) {
                    self.partial.extend_from_slice(line);
                    reader.take(&self.partial);
                }
                self.partial.clear();
                rest = &tail[1..];
            }
            if !self.skipping {
                self.partial.extend_from_slice(rest);
                if self.partial.len() > MAX_LINE {
                    self.partial.clear();
                    self.skipping = true;
                }
            }
        }
    }

    /// The log to follow: the fixed one, or that of the day which belongs to our user.
    fn log_of(&mut self, day: jiff::civil::Date) -> Option<(PathBuf, Metadata)> {
        let seen = |path: &PathBuf| Some((path.clone(), std::fs::symlink_metadata(path).ok()?));
        if let Some(path) = &self.fixed {
            return seen(path);
        }
        if self.places.as_ref().is_none_or(|(of, _)| *of != day) {
            self.places = Some((day, self.home.log_candidates(self.uid, &self.tmp, day)));
        }
        let (_, places) = self.places.as_ref()?;
        let owned = |(_, data): &(PathBuf, Metadata)| data.is_file() && files::belongs_to(data, self.uid);
        places.iter().filter_map(seen).find(owned)
    }

    fn marks(&self, gateways: Gateways) -> [String; 2] {
        match gateways {
            Gateways::Alone => [String::new(), String::new()],
            Gateways::Several { port } => [format!(":{port} "), format!("{}/", self.home.state_dir.display())],
        }
    }
}

impl Open {
    fn is(&self, path: &Path, metadata: &Metadata) -> bool {
        self.path == path && self.identity == files::identity(metadata)
    }

    /// It is this file, and nothing in it is new.
    fn is_read(&self, path: &Path, metadata: &Metadata) -> bool {
        self.is(path, metadata) && self.offset == metadata.len()
    }

    fn at_start(path: &Path, uid: u32) -> Option<Self> {
        let (file, metadata) = files::open_owned(path, uid).ok()?;
        Some(Self { file, path: path.to_owned(), identity: files::identity(&metadata), offset: 0 })
    }

    fn at_end(path: &Path, uid: u32) -> Option<Self> {
        let mut open = Self::at_start(path, uid)?;
        open.offset = open.file.metadata().ok()?.len();
        Some(open)
    }
}

/// Collects the signs of one call.
struct Reader {
    budget: u64,
    signs: Vec<LogSign>,
    grew: bool,
    gateways: Gateways,
    marks: [String; 2],
}

impl Reader {
    fn take(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let ours = match self.gateways {
            Gateways::Alone => true,
            Gateways::Several { .. } => self.marks.iter().any(|mark| line.contains(mark.as_str())),
        };
        if !ours {
            return;
        }
        self.grew = true;
        if let Some(sign) = of_line(&line)
            && self.signs.len() < MAX_SIGNS
        {
            self.signs.push(sign);
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::openclaw::discovery::discover;
    use std::io::Write;
    use std::os::unix::fs::MetadataExt;

    const TODAY: jiff::civil::Date = jiff::civil::date(2026, 11, 20);
    const TOMORROW: jiff::civil::Date = jiff::civil::date(2026, 11, 21);

    struct Lab {
        dir: tempfile::TempDir,
        home: Home,
        uid: u32,
    }

    impl Lab {
        /// A profile of its own, so that no real log of this host takes part.
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let uid = std::fs::metadata(dir.path()).unwrap().uid();
            let profile = format!("test{}", dir.path().file_name().unwrap().to_str().unwrap().replace('.', ""));
            let home = discover(|name| (name == "OPENCLAW_PROFILE").then(|| profile.clone()), dir.path()).remove(0);
            std::fs::create_dir(dir.path().join(format!("openclaw-{uid}"))).unwrap();
            Self { dir, home, uid }
        }

        fn path(&self, day: jiff::civil::Date) -> PathBuf {
            self.home.log_candidates(self.uid, self.dir.path(), day)[1].clone()
        }

        fn write(&self, day: jiff::civil::Date, message: &str) {
            let mut file = File::options().append(true).create(true).open(self.path(day)).unwrap();
            let line = serde_json::json!({"0": "{\"subsystem\":\"gateway\"}", "1": message, "message": message});
            writeln!(file, "{line}").unwrap();
        }

        fn follower(&self) -> Follower {
            Follower::new(&self.home, self.uid, self.dir.path(), None, TODAY, None)
        }
    }

    #[test]
    fn only_new_lines_count_and_none_twice() {
        let lab = Lab::new();
        lab.write(TODAY, "received SIGTERM; shutting down");
        let mut follower = lab.follower();
        assert_eq!(follower.read_new(TODAY, Gateways::Alone), []);
        lab.write(TODAY, "restart mode: in-process restart (x)");
        assert_eq!(follower.read_new(TODAY, Gateways::Alone), [LogSign::Grew, LogSign::RestartInProcess]);
        assert_eq!(follower.read_new(TODAY, Gateways::Alone), []);
        let kept = follower.position().unwrap();
        lab.write(TODAY, "ready");
        lab.write(TODAY, "received SIGINT; shutting down");
        let mut next = Follower::new(&lab.home, lab.uid, lab.dir.path(), None, TODAY, Some(&kept));
        assert_eq!(next.read_new(TODAY, Gateways::Alone), [LogSign::Grew, LogSign::StopSignal]);
    }

    #[test]
    fn midnight_rotation_and_truncation_lose_nothing() {
        let lab = Lab::new();
        let mut follower = lab.follower();
        lab.write(TODAY, "received SIGTERM; shutting down");
        lab.write(TOMORROW, "restart-loop breaker tripped: 3");
        follower.read_new(TODAY, Gateways::Alone);
        lab.write(TODAY, "restart mode: full process restart (x)");
        assert_eq!(
            follower.read_new(TOMORROW, Gateways::Alone),
            [LogSign::Grew, LogSign::RestartByExit, LogSign::BreakerTripped]
        );
        lab.write(TOMORROW, "received SIGINT; shutting down");
        std::fs::rename(lab.path(TOMORROW), lab.dir.path().join("rotated")).unwrap();
        lab.write(TOMORROW, "restart mode: in-process restart (x)");
        assert_eq!(
            follower.read_new(TOMORROW, Gateways::Alone),
            [LogSign::Grew, LogSign::StopSignal, LogSign::RestartInProcess]
        );
        File::options().write(true).truncate(true).open(lab.path(TOMORROW)).unwrap();
        assert_eq!(follower.read_new(TOMORROW, Gateways::Alone), []);
        lab.write(TOMORROW, "received SIGTERM; shutting down");
        assert_eq!(follower.read_new(TOMORROW, Gateways::Alone), [LogSign::Grew, LogSign::StopSignal]);
    }

    #[test]
    fn a_shared_log_only_speaks_of_us_when_it_names_us() {
        let lab = Lab::new();
        let mut follower = lab.follower();
        lab.write(TODAY, "received SIGTERM; shutting down");
        lab.write(
            TODAY,
            "startup failed: listening on ws://127.0.0.1:19891 | EADDRINUSE. Process will stay alive; fix",
        );
        let several = |port| Gateways::Several { port };
        let kept = follower.position();
        assert_eq!(follower.read_new(TODAY, several(1989)), []);
        let mut again = Follower::new(&lab.home, lab.uid, lab.dir.path(), None, TODAY, kept.as_ref());
        // The log was empty when the first follower began, so the second must begin there, too.
        if kept.is_none() {
            again = Follower { from_start: true, open: None, ..again };
        }
        assert_eq!(again.read_new(TODAY, several(19891)), [LogSign::Grew, LogSign::StartupFailedAlive]);
    }

    #[test]
    fn endless_and_halved_lines_are_bounded() {
        let lab = Lab::new();
        let mut follower = lab.follower();
        let mut file = File::create(lab.path(TODAY)).unwrap();
        file.write_all(&vec![b'x'; 3 * MAX_LINE]).unwrap();
        follower.read_new(TODAY, Gateways::Alone);
        assert!(follower.partial.capacity() <= 4 * MAX_LINE);
        file.write_all(b"\n2026-11-20T10:24:13.417+00:00 [gateway] received SIG").unwrap();
        assert_eq!(follower.read_new(TODAY, Gateways::Alone), []);
        file.write_all(b"TERM; shutting down\n").unwrap();
        assert_eq!(follower.read_new(TODAY, Gateways::Alone), [LogSign::Grew, LogSign::StopSignal]);
    }

    #[test]
    fn a_link_in_a_shared_folder_is_not_followed() {
        let lab = Lab::new();
        let target = lab.dir.path().join("target");
        std::fs::write(&target, "").unwrap();
        std::os::unix::fs::symlink(&target, lab.path(TODAY)).unwrap();
        assert!(lab.follower().position().is_none());
    }
}
