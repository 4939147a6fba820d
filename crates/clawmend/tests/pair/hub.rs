//! The machine beyond both: a real sshd with the repository of the workspace and the host's secrets on it.

use super::workspace;
use anyhow::{Context, Result, ensure};
use clawmend_testkit::lab::{Guard, Life, Network, Unavailable};
use clawmend_testkit::sshd::Sshd;
use rustix::process::Signal;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// It answers as long as it is not paused or dropped.
pub struct Hub {
    sshd: Sshd,
    folder: PathBuf,
}

impl Hub {
    /// With an empty repository, in a folder that is there.
    pub fn start(network: &Network, folder: &Path) -> Result<Result<Self, Unavailable>> {
        let folder = folder.join("hub");
        std::fs::create_dir_all(folder.join("bin"))?;
        let sshd = match Sshd::start_on(network, 0, &folder)? {
            Ok(sshd) => sshd,
            Err(reason) => return Ok(Err(reason)),
        };
        let hub = Self { sshd, folder };
        let made = Command::new("git").args(["init", "--quiet", "--bare"]).arg(hub.repository()).status()?;
        ensure!(made.success(), "git init: {made}");
        hub.let_in()?;
        Ok(Ok(hub))
    }

    /// Who comes by ssh finds the key and knows the host, as by their own `~/.ssh`.
    fn let_in(&self) -> Result<()> {
        let Sshd { address, port, .. } = &self.sshd;
        let (known, config, ssh) =
            (self.folder.join("known_hosts"), self.folder.join("ssh_config"), self.programs().join("ssh"));
        std::fs::write(&known, format!("[{address}]:{port} {}", self.sshd.host_key()?))?;
        let lines = format!(
            "Host *\n IdentityFile {}\n IdentitiesOnly yes\n UserKnownHostsFile {}\n",
            self.sshd.identity().display(),
            known.display()
        );
        std::fs::write(&config, lines)?;
        std::fs::write(&ssh, format!("#!/bin/sh\nexec /usr/bin/ssh -F '{}' \"$@\"\n", config.display()))?;
        Ok(std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755))?)
    }

    /// To be looked for before all others.
    pub fn programs(&self) -> PathBuf {
        self.folder.join("bin")
    }

    /// The repository between the two.
    pub fn repository(&self) -> PathBuf {
        self.folder.join("workspace.git")
    }

    /// Its address, as the settings want it.
    pub fn remote(&self) -> String {
        format!("ssh://root@{}:{}{}", self.sshd.address, self.sshd.port, self.repository().display())
    }

    /// Settings of a standby whose secrets are kept here, with one secret. They go to `into`, and are taken away again.
    pub fn secrets(&self, into: &Path) -> Result<String> {
        let kept = self.folder.join("kept");
        std::fs::create_dir_all(&kept)?;
        std::fs::write(kept.join("model-key"), "the key of a model")?;
        Ok(format!(
            "[standby.secrets]\nfrom = \"root@{}:{}:{}\"\nhost_key = \"{}\"\nidentity_file = \"{}\"\ninto = \"{}\"\nwipe = true\n",
            self.sshd.address,
            self.sshd.port,
            kept.display(),
            self.sshd.host_key()?.trim(),
            self.sshd.identity().display(),
            into.display(),
        ))
    }

    /// It takes connections, and says nothing until [`Self::goes_on`].
    pub fn pause(&self) -> Result<()> {
        Life::of(self.sshd.pid())?.signal(Signal::STOP)
    }

    pub fn goes_on(&self) -> Result<()> {
        Life::of(self.sshd.pid())?.signal(Signal::CONT)
    }

    fn git(&self, words: &[&str]) -> Result<Output> {
        let output = Command::new("git").arg("--git-dir").arg(self.repository()).args(words).output()?;
        ensure!(output.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(output)
    }

    /// A file as a branch of the repository has it.
    pub fn pushed(&self, branch: &str, file: &str) -> Result<String> {
        Ok(String::from_utf8(self.git(&["show", &format!("{branch}:{file}")])?.stdout)?)
    }

    /// The branches that have exactly this file.
    pub fn branches_with(&self, file: &str, text: &str) -> Result<Vec<String>> {
        let said = self.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads"])?.stdout;
        let branches = String::from_utf8(said)?;
        let has = |branch: &&str| self.pushed(branch, file).is_ok_and(|there| there == text);
        Ok(branches.lines().filter(has).map(str::to_owned).collect())
    }
}

/// A person or the assistant writes a file on a host.
pub fn write(guard: &Guard, file: &str, text: &str) -> Result<()> {
    std::fs::create_dir_all(workspace(guard))?;
    std::fs::write(workspace(guard).join(file), text).with_context(|| file.to_owned())
}
