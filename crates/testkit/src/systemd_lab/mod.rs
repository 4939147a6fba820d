//! A real systemd user manager for tests, also where PID 1 is not systemd.
//!
//! Invariant: the lab ends exactly what it started: everything below its own cgroup folders, which it made itself,
//! and nothing else. It does so when it is dropped, and also when the test that owns it is killed.
//!
//! As root the lab makes a mount namespace, cgroup folders, a home and a runtime folder of its own, and runs
//! `systemd --user` in them ([`lab.sh`](../../src/systemd_lab/lab.sh)). Without root it borrows the user's own
//! manager, if there is one, with unit names of the lab's own. Start with [`SystemdLab::start`].

mod openclaw;
mod system;

pub use openclaw::{LAB_TOKEN, openclaw_path};
pub use system::{Account, SystemLab};

use crate::lab::{Life, lives_with};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a manager may take to come up. Far more than it needs (0.3 s), for busy machines.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// Longest folder that still leaves room for socket names (`sun_path` holds 108 bytes).
const LONGEST_ROOT: usize = 72;

/// Why the lab cannot run on this machine. A test then prints `skipped: reason` and ends.
#[derive(Clone, Debug)]
pub struct Unavailable(pub String);

impl std::fmt::Display for Unavailable {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Unavailable {}

fn unavailable(reason: impl std::fmt::Display) -> Unavailable {
    Unavailable(reason.to_string())
}

/// A unit that the lab installed.
#[derive(Clone, Debug)]
pub struct LabUnit {
    /// Its full name, such as `openclaw-gateway.service`.
    pub name: String,
    /// Its file.
    pub file: PathBuf,
}

/// A user manager and its surroundings.
#[derive(Debug)]
pub struct SystemdLab {
    home: PathBuf,
    runtime: PathBuf,
    id: String,
    kind: Kind,
    units: Vec<LabUnit>,
}

#[derive(Debug)]
enum Kind {
    /// Our own manager in our own namespace.
    Own(Box<Namespace>),
    /// The manager of the user who runs the test.
    Borrowed,
}

#[derive(Debug)]
struct Namespace {
    /// `lab.sh`: the process that holds the namespace.
    holder: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// Every `READY=1` that a manager sent.
    ready: Mutex<Receiver<()>>,
    /// Ends the reader of the managers' messages.
    notify: UnixDatagram,
    log: PathBuf,
    has_system: bool,
    has_journal: bool,
}

impl SystemdLab {
    /// Starts a user manager whose home and runtime folders lie below `root` (absolute, short, made by the caller).
    ///
    /// # Errors
    /// Says why this machine cannot run the lab.
    pub fn start(root: &Path) -> Result<Self, Unavailable> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let id = format!("clawmend-lab-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let root = fs::canonicalize(root).map_err(|error| unavailable(format!("{}: {error}", root.display())))?;
        if !rustix::process::geteuid().is_root() {
            return Self::borrow_users_own(id);
        }
        if root.as_os_str().len() > LONGEST_ROOT {
            return Err(unavailable(format!("the lab's folder is too long for socket names: {}", root.display())));
        }
        let mut namespace = Namespace::open(&id, &root)?;
        namespace.start_manager("user")?;
        let lab = Self {
            home: root.join("user/home"),
            runtime: root.join("user/run"),
            id,
            kind: Kind::Own(Box::new(namespace)),
            units: Vec::new(),
        };
        lab.settle()?;
        Ok(lab)
    }

    /// Waits until the manager's start-up is through, with everything that is enabled.
    fn settle(&self) -> Result<(), Unavailable> {
        self.systemctl(["is-system-running", "--wait"]).map(drop).map_err(unavailable)
    }

    fn borrow_users_own(id: String) -> Result<Self, Unavailable> {
        let home = std::env::var_os("HOME").map(PathBuf::from).ok_or_else(|| unavailable("HOME is not set"))?;
        let runtime = std::env::var_os("XDG_RUNTIME_DIR")
            .map_or_else(|| PathBuf::from(format!("/run/user/{}", rustix::process::getuid().as_raw())), PathBuf::from);
        let lab = Self { home, runtime, id, kind: Kind::Borrowed, units: Vec::new() };
        let asked = lab.command("systemctl").args(["--user", "show-environment"]).output();
        match asked {
            Ok(output) if output.status.success() => Ok(lab),
            Ok(output) => Err(unavailable(format!(
                "not root, and no user manager answers: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            ))),
            Err(error) => Err(unavailable(format!("not root, and systemctl cannot be run: {error}"))),
        }
    }

    /// A command that runs beside the lab's units: same namespace, home and bus. `program` is an absolute path or
    /// found on `PATH`; the working folder is the lab's home.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = match &self.kind {
            Kind::Own(namespace) => {
                let mut command = Command::new("nsenter");
                command.arg("-m").arg("-t").arg(namespace.holder.id().to_string());
                command.arg(format!("--wd={}", self.home.display())).arg("--").arg(program.as_ref());
                command
            }
            Kind::Borrowed => Command::new(program.as_ref()),
        };
        command
            .env("HOME", &self.home)
            .env("XDG_RUNTIME_DIR", &self.runtime)
            .env("DBUS_SESSION_BUS_ADDRESS", self.bus_address())
            .env_remove("NOTIFY_SOCKET")
            .env_remove("SUDO_USER");
        command
    }

    /// Runs `systemctl --user` with these arguments to its end.
    ///
    /// # Errors
    /// When the program cannot be run; its own failure is in the output's status.
    pub fn systemctl<I, S>(&self, arguments: I) -> std::io::Result<Output>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<std::ffi::OsStr>,
    {
        self.command("systemctl").arg("--user").args(arguments).stdin(Stdio::null()).output()
    }

    /// Address of the user's bus; reachable from inside and outside of the lab's namespace.
    #[must_use]
    pub fn bus_address(&self) -> String {
        format!("unix:path={}/bus", self.runtime.display())
    }

    /// The home of the lab's user.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// `XDG_RUNTIME_DIR` of the lab's user.
    #[must_use]
    pub fn runtime_dir(&self) -> &Path {
        &self.runtime
    }

    /// The manager is our own: it can be rebooted, and its unit names are free.
    #[must_use]
    pub const fn is_own(&self) -> bool {
        matches!(self.kind, Kind::Own(_))
    }

    /// The process of the lab's own user manager. `None` when it is borrowed: nobody stops that one.
    #[must_use]
    pub fn manager(&self) -> Option<Life> {
        let Kind::Own(namespace) = &self.kind else { return None };
        let holder = namespace.holder.id();
        lives_with("XDG_RUNTIME_DIR", &self.runtime.display().to_string())
            .into_iter()
            .find(|life| life.parent() == Some(holder) && life.name().as_deref() == Some("systemd"))
    }

    /// Writes a unit file and loads it. `stem` becomes part of a name that no other unit has.
    ///
    /// # Errors
    /// When the file cannot be written or the manager does not reload.
    pub fn add_unit(&mut self, stem: &str, text: &str) -> std::io::Result<LabUnit> {
        let name = format!("{stem}-{}.service", self.id);
        let folder = self.home.join(".config/systemd/user");
        fs::create_dir_all(&folder)?;
        let unit = LabUnit { file: folder.join(&name), name };
        fs::write(&unit.file, text)?;
        self.units.push(unit.clone());
        let output = self.systemctl(["daemon-reload"])?;
        if !output.status.success() {
            return Err(std::io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        Ok(unit)
    }

    /// Ends the user manager in order, as at the end of the last session or a shutdown, and starts it again with
    /// the same home: enabled units start.
    ///
    /// # Errors
    /// When the manager is borrowed, or does not come back.
    pub fn reboot_user_manager(&mut self) -> Result<(), Unavailable> {
        let Kind::Own(namespace) = &mut self.kind else {
            return Err(unavailable("the user's own manager is not rebooted by a test"));
        };
        namespace.order("stop-user")?;
        namespace.await_answer("stopped")?;
        namespace.start_manager("user")?;
        self.settle()
    }

    /// Starts a real journald for the lab, so that what units print from their next start on is kept for `journalctl`
    /// inside. Its files go with the lab.
    ///
    /// # Errors
    /// When it does not come up, or the manager is borrowed: its journal is the machine's own.
    pub fn start_journal(&mut self) -> Result<(), Unavailable> {
        let Kind::Own(namespace) = &mut self.kind else {
            return Err(unavailable("needs root, for a journal of the lab's own"));
        };
        if !namespace.has_journal {
            namespace.start_journal()?;
        }
        Ok(())
    }

    /// Starts the stand-in for the system manager (a second user manager behind `/run/dbus/system_bus_socket`),
    /// for programs that ask the system manager about a unit. It knows none of the user's units.
    ///
    /// # Errors
    /// When it does not come up. A borrowed manager has the machine's own beside it.
    pub fn start_system_manager(&mut self) -> Result<(), Unavailable> {
        let Kind::Own(namespace) = &mut self.kind else { return Ok(()) };
        if namespace.has_system {
            return Ok(());
        }
        namespace.start_manager("system")?;
        namespace.has_system = true;
        Ok(())
    }
}

impl Drop for SystemdLab {
    fn drop(&mut self) {
        match &mut self.kind {
            Kind::Own(namespace) => {
                // The end of its input makes the holder end the lab's cgroup and remove its folders.
                drop(namespace.orders.take());
                let _ = namespace.holder.wait();
            }
            Kind::Borrowed => {
                for unit in &self.units {
                    let _ = self.systemctl(["disable", "--now", &unit.name]);
                    let _ = self.systemctl(["reset-failed", &unit.name]);
                    let _ = fs::remove_file(&unit.file);
                }
                let _ = self.systemctl(["daemon-reload"]);
            }
        }
    }
}

/// Reads what the managers tell, for as long as they live: a manager tells of every change of its state, and one
/// whose messages nobody takes blocks for ever once the socket's queue is full (ten by default).
fn read_messages(notify: UnixDatagram) -> Receiver<()> {
    let (sender, ready) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut message = [0_u8; 4096];
        while let Ok(length @ 1..) = notify.recv(&mut message) {
            let text = String::from_utf8_lossy(&message[..length]);
            if text.lines().any(|line| line == "READY=1") && sender.send(()).is_err() {
                return;
            }
        }
    });
    ready
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.notify.shutdown(std::net::Shutdown::Both);
    }
}

impl Namespace {
    fn open(id: &str, root: &Path) -> Result<Self, Unavailable> {
        let systemd = ["/lib/systemd/systemd", "/usr/lib/systemd/systemd"]
            .into_iter()
            .find(|path| Path::new(path).exists())
            .ok_or_else(|| unavailable("systemd is not installed"))?;
        let inside = |name: &str| root.join(name);
        for name in ["user", "system"] {
            fs::create_dir_all(inside(name)).map_err(unavailable)?;
        }
        let socket = inside("ready");
        let _ = fs::remove_file(&socket);
        let notify = UnixDatagram::bind(&socket).map_err(unavailable)?;
        let ready = Mutex::new(read_messages(notify.try_clone().map_err(unavailable)?));
        let log = inside("lab.log");
        let mut holder = Command::new("unshare")
            .args(["-m", "--propagation", "private", "sh", "-c", include_str!("lab.sh"), "lab.sh", id])
            .arg(root)
            .arg(&socket)
            .env("SYSTEMD", systemd)
            .env("JOURNALD", format!("{systemd}-journald"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&log).map_err(unavailable)?)
            .spawn()
            .map_err(|error| unavailable(format!("unshare: {error}")))?;
        let orders = holder.stdin.take();
        let answers = holder.stdout.take().ok_or_else(|| unavailable("the lab has no output"))?;
        Ok(Self {
            holder,
            orders,
            answers: BufReader::new(answers),
            ready,
            notify,
            log,
            has_system: false,
            has_journal: false,
        })
    }

    fn order(&mut self, line: &str) -> Result<(), Unavailable> {
        let sent = self.orders.as_mut().map(|orders| writeln!(orders, "{line}"));
        match sent {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => Err(self.failure("the lab's namespace could not be made")),
        }
    }

    fn await_answer(&mut self, wanted: &str) -> Result<(), Unavailable> {
        let mut line = String::new();
        match self.answers.read_line(&mut line) {
            Ok(_) if line.trim() == wanted => Ok(()),
            Ok(_) | Err(_) => Err(self.failure("the lab ended early")),
        }
    }

    fn start_manager(&mut self, which: &str) -> Result<(), Unavailable> {
        // A manager sends READY=1 more than once; what an earlier one sent must not count for this one.
        while self.ready_signals().try_recv().is_ok() {}
        self.order(which)?;
        self.await_ready(&format!("the {which} manager"))
    }

    fn start_journal(&mut self) -> Result<(), Unavailable> {
        while self.ready_signals().try_recv().is_ok() {}
        self.order("journal")?;
        self.await_ready("journald")?;
        self.has_journal = true;
        Ok(())
    }

    /// Waits for `READY=1`, which a manager sends when its basic units are up.
    fn await_ready(&mut self, who: &str) -> Result<(), Unavailable> {
        let until = Instant::now() + READY_LIMIT;
        loop {
            // Short waits, so that a manager that ended at once is not waited for in vain.
            match self.ready_signals().recv_timeout(Duration::from_millis(500)) {
                Ok(()) => return Ok(()),
                Err(_) if Instant::now() > until => return Err(self.failure(&format!("{who} did not come up"))),
                Err(_) => {
                    if !matches!(self.holder.try_wait(), Ok(None)) {
                        return Err(self.failure("the lab's namespace could not be made"));
                    }
                }
            }
        }
    }

    fn ready_signals(&mut self) -> &mut Receiver<()> {
        self.ready.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    fn failure(&self, what: &str) -> Unavailable {
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        let mut told = read(&self.log);
        if let Some(root) = self.log.parent() {
            told.push_str(&read(&root.join("user/manager.log")));
        }
        let tail: Vec<&str> = told.lines().rev().take(4).collect();
        Unavailable(format!("{what}: {}", tail.into_iter().rev().collect::<Vec<_>>().join(" | ")))
    }
}

#[cfg(test)]
mod tests;
