//! A real systemd *system* manager for tests, also where PID 1 is not systemd: PID 1 of a pid namespace, with a
//! system bus, polkit, and accounts of the lab's own.
//!
//! Invariant: everything that it starts lives in its pid namespace and ends with it. Processes inside have other pids
//! inside than outside, so whatever looks at them runs inside, too. Start with [`SystemLab::start`].

use super::{Unavailable, unavailable};
use crate::lab::{Cache, Life, until};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::time::Duration;

/// Far more than it needs (0.5 s).
const READY_LIMIT: Duration = Duration::from_secs(60);
/// Targets that an empty machine needs, so that nothing of the real one is started.
const TARGETS: [&str; 8] =
    ["basic", "sysinit", "sockets", "shutdown", "multi-user", "local-fs", "network-online", "graphical"];
const SYSTEM_UNITS: [&str; 3] = ["dbus.socket", "dbus.service", "polkit.service"];

/// An account that exists only inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Account {
    /// The machine's administrator.
    Root,
    /// Whose gateway it is; its home is `/run/lab/home`.
    Owner,
    /// Somebody else.
    Stranger,
}

impl Account {
    /// Name and number.
    #[must_use]
    pub const fn name_and_id(self) -> (&'static str, u32) {
        match self {
            Self::Root => ("root", 0),
            Self::Owner => ("clawlab", 61_234),
            Self::Stranger => ("clawother", 61_235),
        }
    }
}

/// The machine.
#[derive(Debug)]
pub struct SystemLab {
    root: PathBuf,
    init: Life,
    holder: Child,
    orders: Option<ChildStdin>,
}

impl SystemLab {
    /// The gateway's home, as it is called inside.
    pub const HOME: &'static str = "/run/lab/home";

    /// Starts it with its files below `root` (made by the caller, readable by everybody).
    ///
    /// # Errors
    /// Says why this machine cannot run the lab.
    pub fn start(root: &Path, cache: &Cache) -> Result<Self, Unavailable> {
        if !rustix::process::geteuid().is_root() {
            return Err(unavailable("needs root, for a system manager of the lab's own"));
        }
        for program in ["/usr/lib/polkit-1/polkitd", "/usr/bin/dbus-daemon"] {
            if !Path::new(program).exists() {
                return Err(unavailable(format!("not installed: {program}")));
            }
        }
        let root = fs::canonicalize(root).map_err(unavailable)?;
        furnish(&root).map_err(unavailable)?;
        let id = format!("clawmend-syslab-{}", std::process::id());
        let mut holder = Command::new("sh")
            .args(["-c", include_str!("system.sh"), "system.sh", &id])
            .arg(&root)
            .arg(cache.root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(root.join("lab.log")).map_err(unavailable)?)
            .spawn()
            .map_err(unavailable)?;
        let orders = holder.stdin.take();
        let mut line = String::new();
        if let Some(answers) = holder.stdout.take() {
            let _ = BufReader::new(answers).read_line(&mut line);
        }
        let outside = line.trim().strip_prefix("up ").and_then(|pid| pid.parse::<u32>().ok());
        let Some(init) = outside.and_then(first_process) else {
            drop(orders);
            let _ = holder.wait();
            let log = fs::read_to_string(root.join("lab.log")).unwrap_or_default();
            return Err(unavailable(format!("no namespaces: {}", log.lines().last().unwrap_or_default())));
        };
        let lab = Self { root, init, holder, orders };
        let up = until("the system manager", READY_LIMIT, || {
            lab.systemctl(&["is-system-running"])
                .is_ok_and(|told| String::from_utf8_lossy(&told.stdout).trim() == "running")
        });
        up.map_err(|_| {
            let log = |name: &str| fs::read_to_string(lab.root.join(name)).unwrap_or_default();
            unavailable(format!("the system manager did not come up: {} {}", log("lab.log"), log("manager.log")))
        })?;
        Ok(lab)
    }

    /// A command inside, as this account, with nothing of the outside in its environment.
    #[must_use]
    pub fn command(&self, account: Account, program: &str) -> Command {
        let (name, id) = account.name_and_id();
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--pid", "--cgroup", "-t", &self.init.pid.to_string(), "--wd=/", "--"]);
        command.args(["setpriv", "--reuid", &id.to_string(), "--regid", &id.to_string(), "--clear-groups", program]);
        command
            .env_clear()
            .env("PATH", "/run/lab/node/node_modules/.bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", if account == Account::Owner { Self::HOME } else { "/run/lab/elsewhere" })
            .env("USER", name)
            .env("LANG", "C.UTF-8")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    /// Runs `systemctl` as root.
    ///
    /// # Errors
    /// When it cannot be run; its own failure is in the output's status.
    pub fn systemctl(&self, arguments: &[&str]) -> std::io::Result<Output> {
        self.command(Account::Root, "systemctl").args(arguments).output()
    }

    /// Writes a unit file and loads it.
    ///
    /// # Errors
    /// When it cannot be written or loaded.
    pub fn add_unit(&self, name: &str, text: &str) -> std::io::Result<()> {
        fs::write(self.root.join("units").join(name), text)?;
        let output = self.systemctl(&["daemon-reload"])?;
        if output.status.success() {
            return Ok(());
        }
        Err(std::io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    /// Puts a rule for polkit in place, or takes it away; polkit sees that by itself.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn set_polkit_rule(&self, rule: Option<&str>) -> std::io::Result<()> {
        let file = self.root.join("rules/50-clawmend.rules");
        match rule {
            Some(rule) => fs::write(file, rule),
            None => fs::remove_file(file),
        }
    }

    /// A file or folder of `/run/lab`, as it is called outside.
    #[must_use]
    pub fn outside(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}

impl Drop for SystemLab {
    fn drop(&mut self) {
        // The end of its input makes the holder end the namespace.
        drop(self.orders.take());
        let _ = self.holder.wait();
    }
}

/// The first process of the namespace, as it is called outside: the only child of `unshare`.
fn first_process(unshare: u32) -> Option<Life> {
    let mut found = None;
    let _ = until("the namespace's first process", READY_LIMIT, || {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        found = pids.filter_map(|pid| Life::of(pid).ok()).find(|life| life.parent() == Some(unshare));
        // It is a shell until all is mounted.
        found.is_some_and(|life| life.name().as_deref() == Some("systemd")) || Life::of(unshare).is_err()
    });
    found.filter(Life::alive)
}

fn furnish(root: &Path) -> std::io::Result<()> {
    for folder in ["units", "rules", "home", "elsewhere", "node", "openclaw"] {
        fs::create_dir_all(root.join(folder))?;
    }
    for folder in [root.to_path_buf(), root.join("rules"), root.join("units")] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    }
    let (mut passwd, mut group) = (fs::read_to_string("/etc/passwd")?, fs::read_to_string("/etc/group")?);
    for (account, home) in [(Account::Owner, "home"), (Account::Stranger, "elsewhere")] {
        let (name, id) = account.name_and_id();
        passwd.push_str(&format!("{name}:x:{id}:{id}::/run/lab/{home}:/bin/sh\n"));
        group.push_str(&format!("{name}:x:{id}:\n"));
        chown(root.join(home), Some(id), Some(id))?;
    }
    fs::write(root.join("passwd"), passwd)?;
    fs::write(root.join("group"), group)?;
    let bare = |text: &str| format!("[Unit]\nDefaultDependencies=no\n{text}");
    for target in TARGETS {
        fs::write(root.join(format!("units/{target}.target")), bare(""))?;
    }
    let wants = "Wants=dbus.socket dbus.service\nAfter=dbus.socket\n";
    fs::write(root.join("units/default.target"), bare(wants))?;
    for unit in SYSTEM_UNITS {
        let found = ["/lib/systemd/system", "/usr/lib/systemd/system"].map(|folder| Path::new(folder).join(unit));
        let file = found.iter().find(|file| file.exists());
        let file = file.ok_or_else(|| std::io::Error::other(format!("{unit} is not installed")))?;
        fs::copy(file, root.join("units").join(unit))?;
    }
    Ok(())
}
