//! A real sshd on loopback or on a host of a lab's network, with keys of its own, which lets this test's user in.
//!
//! Needs `sshd`, `ssh-keygen` (openssh-server, openssh-client). Whoever starts it ends it: when it is dropped.

use crate::lab::{Network, Unavailable, free_port, until};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// sshd wants to be called by its whole path.
const SSHD: &str = "/usr/sbin/sshd";

/// The server.
#[derive(Debug)]
pub struct Sshd {
    child: Child,
    folder: PathBuf,
    /// Where it answers.
    pub address: Ipv4Addr,
    /// Its port.
    pub port: u16,
}

impl Sshd {
    /// Starts it with what it needs in `folder`, which must be there.
    ///
    /// # Errors
    /// When it cannot be set up although it should; [`Unavailable`] where it is not installed.
    pub fn start(folder: &Path) -> Result<Result<Self, Unavailable>> {
        Self::run(folder, Path::new(SSHD), Ipv4Addr::LOCALHOST)
    }

    /// The same on a host of a network.
    ///
    /// # Errors
    /// As [`Sshd::start`].
    pub fn start_on(network: &Network, host: u8, folder: &Path) -> Result<Result<Self, Unavailable>> {
        Self::run(folder, &network.program_on(host, SSHD, folder)?, network.address(host))
    }

    fn run(folder: &Path, program: &Path, address: Ipv4Addr) -> Result<Result<Self, Unavailable>> {
        if !Path::new(SSHD).exists() {
            return Ok(Err(Unavailable("needs sshd: apt-get install openssh-server".into())));
        }
        // As root it changes into that folder, and refuses to begin without (Debian makes it at boot).
        if rustix::process::geteuid().is_root() {
            fs::create_dir_all("/run/sshd")?;
        }
        let port = free_port()?;
        for key in ["host", "client"] {
            if !folder.join(key).exists() {
                new_key(&folder.join(key))?;
            }
        }
        fs::copy(folder.join("client.pub"), folder.join("authorized"))?;
        let at = folder.display();
        let config = format!(
            "ListenAddress {address}\nPort {port}\nHostKey {at}/host\nAuthorizedKeysFile {at}/authorized\nPidFile none\n\
             StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             PermitRootLogin prohibit-password\nPrintMotd no\n"
        );
        fs::write(folder.join("sshd_config"), config)?;
        let log = fs::File::create(folder.join("sshd.log"))?;
        let child = Command::new(program)
            .args(["-D", "-e", "-f"])
            .arg(folder.join("sshd_config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let sshd = Self { child, folder: folder.to_owned(), address, port };
        // It may be out of this process's reach, so its own word counts.
        until("sshd to answer", Duration::from_secs(30), || sshd.log().contains("Server listening on"))
            .with_context(|| sshd.log())?;
        Ok(Ok(sshd))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("sshd.log")).unwrap_or_default()
    }

    /// Its public key, in one line.
    ///
    /// # Errors
    /// Its file cannot be read.
    pub fn host_key(&self) -> Result<String> {
        Ok(fs::read_to_string(self.folder.join("host.pub"))?)
    }

    /// The private key that it lets in.
    #[must_use]
    pub fn identity(&self) -> PathBuf {
        self.folder.join("client")
    }

    /// The process, to be stopped and woken.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A key pair: `path` and `path.pub`.
///
/// # Errors
/// `ssh-keygen` is missing or fails.
pub fn new_key(path: &Path) -> Result<()> {
    drop(fs::remove_file(path));
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f"])
        .arg(path)
        .output()
        .context("ssh-keygen: apt-get install openssh-client")?;
    ensure!(made.status.success(), "ssh-keygen: {}", String::from_utf8_lossy(&made.stderr));
    Ok(())
}
