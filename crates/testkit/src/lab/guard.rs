//! The `clawmend` program over a real gateway, seen only from outside: its commands, its JSON, its processes.

use super::gateway::openclaw_command;
use super::guard_dirs::{Answer, GuardDirs};
use super::home::{Home, HomeOptions};
use super::permit::{Permit, Unavailable, lab, skipped};
use super::process::{Life, NONCE_VARIABLE, RUN_VARIABLE, new_nonce, sweep};
use super::secrets::{VARIABLE, secrets};
use super::wait::until_some;
use crate::systemd_lab::SystemdLab;
use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Who owns the gateway's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A child of the guard's keeper.
    Child,
    /// The unit that OpenClaw installs, of a real systemd user manager.
    Unit,
}

/// A user manager with OpenClaw's unit. The folder goes after the manager.
#[derive(Debug)]
pub struct Manager {
    /// The manager.
    pub systemd: SystemdLab,
    /// The file of the gateway's unit.
    pub unit_file: PathBuf,
    /// Why what its units print is kept nowhere; `None`: it is in a journal of the lab's own.
    pub no_journal: Option<Unavailable>,
    /// Where its processes are listed; more than one place where the machine has more than one cgroup hierarchy.
    cgroups: Vec<PathBuf>,
    _folder: TempDir,
}

impl Manager {
    /// The unit's cgroup is known, and has no process.
    pub(super) fn holds_nothing(&self) -> bool {
        let empty = |list: &PathBuf| std::fs::read_to_string(list).is_ok_and(|pids| pids.trim().is_empty());
        !self.cgroups.is_empty() && self.cgroups.iter().all(|list| !list.exists() || empty(list))
    }

    /// `ControlGroup` of the unit, in every hierarchy in which it has a process now.
    fn find_cgroups(&mut self, control_group: &str) {
        let bases = ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
        let inside = control_group.trim_start_matches('/');
        let lists = bases.iter().map(|base| Path::new(base).join(inside).join("cgroup.procs"));
        let used = |list: &PathBuf| std::fs::read_to_string(list).is_ok_and(|pids| !pids.trim().is_empty());
        self.cgroups = lists.filter(|list| !inside.is_empty() && used(list)).collect();
    }
}

/// The name of the unit that OpenClaw installs for its default profile.
pub const UNIT: &str = "openclaw-gateway.service";

/// A guard, its keeper and its gateway. All are ended when it is dropped; a secret that got out fails the lab then.
#[derive(Debug)]
pub struct Guard {
    permit: Permit,
    program: PathBuf,
    /// The gateway's home.
    pub home: Home,
    /// The guard's folders.
    pub dirs: GuardDirs,
    nonce: String,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    child: Option<Child>,
    predecessors: Vec<Child>,
    /// The user manager, in the unit's form.
    pub manager: Option<Manager>,
}

impl Guard {
    /// Prepares a guard that supervises `openclaw gateway run` as a child; [`Guard::start`] starts it.
    ///
    /// # Errors
    /// When its folders cannot be made.
    pub fn over_child(permit: Permit, program: &str, home: Home) -> Result<Self> {
        Self::with_arguments(permit, program, home, &["run", "--", "openclaw", "gateway", "run"])
    }

    /// Prepares a guard with other arguments.
    ///
    /// # Errors
    /// When its folders cannot be made.
    pub fn with_arguments(permit: Permit, program: &str, home: Home, arguments: &[&str]) -> Result<Self> {
        Ok(Self {
            permit,
            program: PathBuf::from(program),
            home,
            dirs: GuardDirs::new()?,
            nonce: new_nonce(),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            variables: vec![(VARIABLE.to_owned(), secrets().environment.clone())],
            child: None,
            predecessors: Vec::new(),
            manager: None,
        })
    }

    /// Prepares a guard of a gateway that runs as a unit. OpenClaw's own command installs and starts the unit.
    ///
    /// # Errors
    /// When the home cannot be made.
    pub fn over_unit(permit: Permit, program: &str, options: HomeOptions) -> Result<Result<Self, Unavailable>> {
        let folder = tempfile::Builder::new().prefix("cml-").tempdir_in("/tmp")?;
        let mut systemd = match SystemdLab::start(folder.path()) {
            Ok(systemd) => systemd,
            Err(reason) => return Ok(Err(Unavailable(reason.0))),
        };
        if !systemd.is_own() {
            // Here the unit's name is the user's own gateway's.
            return Ok(Err(Unavailable("needs root, for a user manager of the lab's own".into())));
        }
        // Before the unit's first start: what a process prints goes where it did when it began.
        let no_journal = systemd.start_journal().err().map(|reason| Unavailable(reason.0));
        let home = Home::at(systemd.home(), options)?;
        let mut guard = Self::with_arguments(permit, program, home, &["run"])?;
        let unit_file = systemd.home().join(".config/systemd/user").join(UNIT);
        guard.manager = Some(Manager { systemd, unit_file, no_journal, cgroups: Vec::new(), _folder: folder });
        let port = guard.home.port;
        let installed = guard.manager.as_mut().map(|manager| manager.systemd.install_openclaw(port));
        if let Some(Err(reason)) = installed {
            return Ok(Err(Unavailable(reason.0)));
        }
        let control_group = guard.property("ControlGroup")?;
        if let Some(manager) = &mut guard.manager {
            manager.find_cgroups(&control_group);
        }
        Ok(Ok(guard))
    }

    /// A guard of a healthy gateway in this form. `None` when it cannot run here; then the lab was named as skipped.
    ///
    /// # Errors
    /// When it does not come so far.
    pub fn healthy_in(form: Form, name: &str, program: &str, options: HomeOptions) -> Result<Option<(Self, Life)>> {
        let Some(mut guard) = Self::prepared_in(form, name, program, options)? else { return Ok(None) };
        guard.start()?;
        let life = guard.healthy()?;
        Ok(Some((guard, life)))
    }

    /// The same before the guard is started.
    ///
    /// # Errors
    /// When it does not come so far.
    pub fn prepared_in(form: Form, name: &str, program: &str, options: HomeOptions) -> Result<Option<Self>> {
        let Some(permit) = lab(name)? else { return Ok(None) };
        let guard = match form {
            Form::Child => Ok(Self::over_child(permit, program, Home::new(options)?)?),
            Form::Unit => Self::over_unit(permit, program, options)?,
        };
        Ok(guard.map_err(|reason| skipped(name, &reason)).ok())
    }

    /// Whose process the gateway is.
    #[must_use]
    pub const fn form(&self) -> Form {
        if self.manager.is_some() { Form::Unit } else { Form::Child }
    }

    /// Runs `systemctl --user` with these arguments, and returns what it printed.
    ///
    /// # Errors
    /// When there is no manager, or the command fails.
    pub fn systemctl(&self, arguments: &[&str]) -> Result<String> {
        let manager = self.manager.as_ref().context("this lab has no service manager")?;
        let output = manager.systemd.systemctl(arguments)?;
        let messages = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "systemctl {}: {messages}", arguments.join(" "));
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// One property of the gateway's unit.
    ///
    /// # Errors
    /// As [`Guard::systemctl`].
    pub fn property(&self, name: &str) -> Result<String> {
        self.systemctl(&["show", "-P", name, UNIT])
    }

    /// One more variable for the guard, its commands and what they start.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Uses another build of the program from the next start on.
    pub fn set_program(&mut self, program: PathBuf) {
        self.program = program;
    }

    /// The lab's permit.
    #[must_use]
    pub const fn permit(&self) -> &Permit {
        &self.permit
    }

    /// Marks all processes of this lab.
    #[must_use]
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// A `clawmend` command for this guard.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = self.surroundings(&self.program);
        command
            .env("CLAWMEND_STATE_DIR", self.dirs.state())
            .env("CLAWMEND_RUNTIME_DIR", self.dirs.runtime())
            .env("CLAWMEND_CONFIG", self.dirs.config())
            .env("NO_COLOR", "1")
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// An `openclaw` command in the gateway's home.
    #[must_use]
    pub fn openclaw(&self) -> Command {
        let mut command = self.surroundings(&self.permit.cache.openclaw());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// A command in the lab's namespace and home, with nothing of the host but what is named here.
    fn surroundings(&self, program: &Path) -> Command {
        let Some(manager) = &self.manager else {
            let mut command = openclaw_command(&self.permit, &self.home, program.to_path_buf());
            command.env(NONCE_VARIABLE, &self.nonce);
            return command;
        };
        let mut command = manager.systemd.command(program);
        let named: Vec<_> = command
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_os_string(), value?.to_os_string())))
            .chain(std::env::var_os(RUN_VARIABLE).map(|mark| (RUN_VARIABLE.into(), mark)))
            .collect();
        command
            .env_clear()
            .envs(named)
            .env("PATH", self.permit.cache.path_variable())
            .env("LANG", "C.UTF-8")
            .env("OPENCLAW_NO_AUTO_UPDATE", "1")
            .env(NONCE_VARIABLE, &self.nonce)
            .stdin(Stdio::null());
        command
    }

    /// Starts the guard; does not wait for anything.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(&mut self) -> Result<()> {
        let output = File::options().append(true).create(true).open(self.dirs.output())?;
        let mut command = self.command();
        let child = command
            .args(&self.arguments)
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("starting {}", self.program.display()))?;
        self.predecessors.extend(self.child.replace(child));
        Ok(())
    }

    /// The guard's own life.
    ///
    /// # Errors
    /// When it is not running.
    pub fn life(&self) -> Result<Life> {
        Life::of(self.child.as_ref().context("the guard was not started")?.id())
    }

    /// Ends the guard, and only it, by SIGKILL.
    ///
    /// # Errors
    /// When it is not running.
    pub fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the guard was not started")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Asks the guard, and only it, to end, and returns its exit code.
    ///
    /// # Errors
    /// When it does not end.
    pub fn terminate(&mut self) -> Result<Option<i32>> {
        self.life()?.signal(Signal::TERM)?;
        let mut child = self.child.take().context("the guard was not started")?;
        let ended = until_some("the guard to end after SIGTERM", Duration::from_secs(60), || Ok(child.try_wait()?));
        if ended.is_err() {
            self.child = Some(child);
        }
        Ok(ended?.0.code())
    }

    /// Waits until the guard ends by itself, and returns its exit code.
    ///
    /// # Errors
    /// When it does not end.
    pub fn ended(&mut self, bound: Duration) -> Result<Option<i32>> {
        let child = self.child.as_mut().context("the guard was not started")?;
        let (status, _) = until_some("the guard to end", bound, || Ok(child.try_wait()?))?;
        self.child = None;
        Ok(status.code())
    }

    /// Whether the guard runs.
    pub fn running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().is_ok_and(|ended| ended.is_none()))
    }

    /// Runs one `clawmend` command.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn say(&self, arguments: &[&str]) -> Result<Answer> {
        let output = self.command().args(arguments).output().context("running clawmend")?;
        self.look_through(arguments, &[&output.stdout, &output.stderr]);
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let code = output.status.code().unwrap_or(-1);
        Ok(Answer { code, stdout: text(output.stdout), stderr: text(output.stderr) })
    }

    /// Runs a `clawmend` command that must succeed.
    ///
    /// # Errors
    /// When it does not.
    pub fn order(&self, arguments: &[&str]) -> Result<Answer> {
        let answer = self.say(arguments)?;
        ensure!(answer.code == 0, "clawmend {} failed: {answer:?}", arguments.join(" "));
        Ok(answer)
    }

    /// The last lines of what the guard wrote.
    #[must_use]
    pub fn output_tail(&self) -> String {
        let text = std::fs::read_to_string(self.dirs.output()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        format!("the guard's last lines:\n{}", lines[lines.len().saturating_sub(30)..].join("\n"))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        sweep(&self.nonce);
        for child in self.child.iter_mut().chain(&mut self.predecessors) {
            let _ = child.kill();
            let _ = child.wait();
        }
        self.end_without_leaks();
    }
}
