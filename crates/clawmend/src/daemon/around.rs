//! What is around the process and may change its fate: config, disk, locks, log, the flag file.
//!
//! Invariant: in the steady state a look costs a handful of `stat` calls and no allocation worth the name; files are
//! read only when they changed. A look reports changes, never the same state twice (the disk apart).

use super::senses::Expected;
use crate::host::socket::PortOwner;
use crate::host::{disk, process, socket};
use crate::openclaw::config::{self, ConfigRead, Token};
use crate::openclaw::discovery::Home;
use crate::openclaw::install;
use crate::openclaw::lock;
use crate::openclaw::logs::{Follower, Gateways};
use crate::probe::rpc::Credential;
use clawmend_core::gateway::Incarnation;
use clawmend_core::observation::{ConfigSeen, DiskSeen, Evidence, Listener, LockHolder, Surroundings};
use clawmend_core::time::{Moment, Now};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Between two looks at the disk while all is well.
const DISK_EVERY_MS: u64 = 30_000;
/// The same while the gateway does not serve.
const DISK_EVERY_DOWN_MS: u64 = 1_000;

/// What tells that a file changed.
/// Who may read it counts as much as what is in it.
type Stamp = Option<(SystemTime, u64, u32)>;

fn stamp(path: &Path) -> Stamp {
    let seen = std::fs::metadata(path).ok()?;
    Some((seen.modified().ok()?, seen.len(), mode(&seen)))
}

#[cfg(unix)]
fn mode(seen: &std::fs::Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::mode(seen)
}

#[cfg(not(unix))]
fn mode(seen: &std::fs::Metadata) -> u32 {
    u32::from(seen.permissions().readonly())
}

/// The surroundings of one gateway.
pub struct Around {
    home: Home,
    uid: u32,
    tmp: PathBuf,
    flag_file: PathBuf,
    /// The program, whose change may cure a refusal, and that of its package.
    program: Option<PathBuf>,
    package: Vec<Stamp>,
    /// How it was found changed at the last look, while that was not believed yet.
    package_changing: Option<Vec<Stamp>>,
    files: Vec<PathBuf>,
    stamps: Vec<Stamp>,
    unsettled: bool,
    config: Option<ConfigRead>,
    expected: Expected,
    follower: Option<Follower>,
    /// Asked for once: looking it up reads files.
    zone: jiff::tz::TimeZone,
    /// The local date, and the minute for which it was worked out. In every zone a day begins with a minute.
    day: Option<(i64, jiff::civil::Date)>,
    flag: bool,
    disk_at: Option<Moment>,
    holder: Option<Incarnation>,
    port_taken: bool,
}

impl Around {
    /// Of this home. Nothing is read yet.
    #[must_use]
    pub fn new(home: Home, uid: u32, flag_file: PathBuf, program: Option<PathBuf>) -> Self {
        let files = vec![home.config_path.clone()];
        let package = stamps_of_package(program.as_deref());
        Self {
            home,
            uid,
            tmp: std::env::temp_dir(),
            flag_file,
            program,
            package,
            package_changing: None,
            files,
            stamps: Vec::new(),
            unsettled: false,
            config: None,
            expected: Expected::default(),
            follower: None,
            zone: jiff::tz::TimeZone::system(),
            day: None,
            flag: false,
            disk_at: None,
            holder: None,
            port_taken: false,
        }
    }

    /// Where the gateway should listen, as far as files tell.
    #[must_use]
    pub const fn expected(&self) -> &Expected {
        &self.expected
    }

    /// The flag file's place.
    #[must_use]
    pub fn flag_file(&self) -> &Path {
        &self.flag_file
    }

    /// Where the gateway's log may be today, the preferred place first.
    #[must_use]
    pub fn logs(&self, now: Now) -> Vec<PathBuf> {
        let view = self.config.as_ref().and_then(|config| config.view.as_ref());
        if let Some(fixed) = view.and_then(|view| view.log_file.clone()) {
            return vec![fixed];
        }
        let Ok(timestamp) = jiff::Timestamp::from_millisecond(now.wall.0) else { return Vec::new() };
        self.home.log_candidates(self.uid, &self.tmp, timestamp.to_zoned(self.zone.clone()).date())
    }

    /// What authorises us at the gateway's RPC.
    #[must_use]
    pub fn credential(&self) -> Credential {
        match self.config.as_ref().and_then(|config| config.view.as_ref()).map(|view| &view.token) {
            Some(Token::Known(token)) => Credential::Token(token.clone()),
            Some(Token::NotNeeded) => Credential::NotNeeded,
            Some(Token::Unresolved(_)) | None => Credential::Unknown,
        }
    }

    /// One look. `down`: the gateway does not serve, so that what may cure it is looked at more often.
    pub fn look(&mut self, now: Now, down: bool, found: &mut Vec<Evidence>) {
        self.look_at_flag(found);
        self.look_at_config(found);
        self.look_at_log(now, found);
        let every = if down { DISK_EVERY_DOWN_MS } else { DISK_EVERY_MS };
        if self.disk_at.is_none_or(|at| now.mono.since(at) >= every) {
            self.disk_at = Some(now.mono);
            self.look_at_disk(found);
        }
        if down {
            self.look_at_package(found);
            self.look_at_holder(found);
            self.look_at_port(found);
        }
    }

    /// A flag file counts only when its owner may pause us: the gateway's user, or root.
    fn look_at_flag(&mut self, found: &mut Vec<Evidence>) {
        let there = std::fs::symlink_metadata(&self.flag_file).is_ok_and(|seen| may_pause(&seen, self.uid));
        if there != self.flag {
            self.flag = there;
            found.push(Evidence::FlagFile(there));
        }
    }

    fn look_at_config(&mut self, found: &mut Vec<Evidence>) {
        let changed = self.stamps.len() != self.files.len()
            || self.files.iter().zip(&self.stamps).any(|(path, before)| stamp(path) != *before);
        if changed {
            self.stamps = self.files.iter().map(|path| stamp(path)).collect();
            // An editor may be half-way through: believe what has stood still for one look. The first look counts.
            if self.config.is_some() && !self.unsettled {
                self.unsettled = true;
                return;
            }
        } else if !self.unsettled {
            return;
        }
        self.unsettled = false;
        self.read_config(found);
    }

    /// Reads the config now, whatever its stamp says.
    fn read_config(&mut self, found: &mut Vec<Evidence>) {
        let read = config::read(&self.home, |name| std::env::var(name).ok());
        self.files.clone_from(&read.files);
        self.stamps = self.files.iter().map(|path| stamp(path)).collect();
        if let Some(view) = &read.view {
            self.expected.config_port = self.home.port.or(view.port).or(Some(crate::openclaw::discovery::DEFAULT_PORT));
            self.expected.tls = view.tls;
        }
        let before: Option<&ConfigSeen> = self.config.as_ref().map(|config| &config.seen);
        if before != Some(&read.seen) {
            found.push(Evidence::Config(read.seen.clone()));
        }
        self.config = Some(read);
    }

    /// Reads now what may explain a refusal: the config, who has the home, and who has the port.
    pub fn look_after_refusal(&mut self, found: &mut Vec<Evidence>) {
        self.read_config(found);
        self.look_at_holder(found);
        let port = self.expected.lock_port.or(self.expected.config_port);
        if let Some(port) = port
            && let PortOwner::Process { pid, name } = socket::owner_of(port)
        {
            found.push(Evidence::Listener(Listener::Foreign { port, pid: Some(pid), name }));
        }
    }

    fn look_at_log(&mut self, now: Now, found: &mut Vec<Evidence>) {
        let Some(day) = self.date(now) else { return };
        if self.follower.is_some() {
            return self.follow(day, found);
        }
        let fixed = self.config.as_ref().and_then(|config| config.view.as_ref()).and_then(|view| view.log_file.clone());
        let (home, uid, tmp) = (&self.home, self.uid, &self.tmp);
        self.follower = Some(Follower::new(home, uid, tmp, fixed, day, None));
        self.follow(day, found);
    }

    fn follow(&mut self, day: jiff::civil::Date, found: &mut Vec<Evidence>) {
        let Some(follower) = &mut self.follower else { return };
        let gateways = match self.expected.lock_port.or(self.expected.config_port) {
            Some(port) => Gateways::Several { port },
            None => Gateways::Alone,
        };
        found.extend(follower.read_new(day, gateways).into_iter().map(Evidence::Log));
    }

    fn date(&mut self, now: Now) -> Option<jiff::civil::Date> {
        let minute = now.wall.0.div_euclid(60_000);
        if let Some((known, day)) = self.day
            && known == minute
        {
            return Some(day);
        }
        let timestamp = jiff::Timestamp::from_millisecond(now.wall.0).ok()?;
        let day = timestamp.to_zoned(self.zone.clone()).date();
        self.day = Some((minute, day));
        Some(day)
    }

    fn look_at_disk(&self, found: &mut Vec<Evidence>) {
        if let Ok(disk::Space { free_bytes, writable }) = disk::space(&self.home.state_dir) {
            found.push(Evidence::Disk(DiskSeen { free_bytes, writable }));
        }
    }

    /// An installer may be half-way through: believed is what has stood still for one look.
    fn look_at_package(&mut self, found: &mut Vec<Evidence>) {
        let stamps = stamps_of_package(self.program.as_deref());
        if stamps == self.package {
            self.package_changing = None;
        } else if self.package_changing.as_ref() == Some(&stamps) {
            self.package_changing = None;
            self.package = stamps;
            found.push(Evidence::Surroundings(Surroundings::Package));
        } else {
            self.package_changing = Some(stamps);
        }
    }

    /// A stranger on the gateway's port is seen to go as soon as it has gone.
    fn look_at_port(&mut self, found: &mut Vec<Evidence>) {
        let port = self.expected.lock_port.or(self.expected.config_port);
        let taken = port.and_then(socket::is_taken) == Some(true);
        if self.port_taken && !taken {
            found.push(Evidence::Surroundings(Surroundings::PortFreed));
        }
        self.port_taken = taken;
    }

    /// Who holds this home's lock, if that is a live process.
    fn look_at_holder(&mut self, found: &mut Vec<Evidence>) {
        let holder = self.lock_holder();
        if holder == self.holder {
            return;
        }
        match &holder {
            Some(life) => found.push(Evidence::LockHolder(LockHolder {
                pid: life.pid,
                same_home: true,
                healthy: true,
                name: process::name(life.pid),
            })),
            None => found.push(Evidence::Surroundings(Surroundings::LockFreed)),
        }
        self.holder = holder;
    }

    /// The live process that proves to hold this home's lock.
    #[must_use]
    pub fn lock_holder(&self) -> Option<Incarnation> {
        lock::find(&self.home, self.uid, &self.tmp)
            .iter()
            .filter(|file| file.is_of(&self.home))
            .find_map(|file| file.prove(process::incarnation_of))
    }

    /// Takes the port from the lock of this life.
    pub fn learn_port(&mut self, life: &Incarnation) {
        self.expected.lock_port = lock::find(&self.home, self.uid, &self.tmp)
            .iter()
            .filter(|file| file.is_of(&self.home) && file.pid == life.pid)
            .find_map(|file| file.port);
    }
}

fn stamps_of_package(program: Option<&Path>) -> Vec<Stamp> {
    program.map(install::package_of).unwrap_or_default().iter().map(|path| stamp(path)).collect()
}

#[cfg(unix)]
fn may_pause(seen: &std::fs::Metadata, uid: u32) -> bool {
    use std::os::unix::fs::MetadataExt;
    seen.is_file() && (seen.uid() == uid || seen.uid() == 0)
}

#[cfg(not(unix))]
fn may_pause(seen: &std::fs::Metadata, _uid: u32) -> bool {
    seen.is_file()
}
