//! The real etcd of the group, on a host of its own: ended, frozen, thawed, put back, or forgetful.

use super::STORE;
use anyhow::{Context, Result};
use clawmend_testkit::lab::{Life, Network, until};
use rustix::process::Signal;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Where clients are answered.
pub const STORE_PORT: u16 = 2_379;

/// The etcd. It ends when it is dropped.
pub struct Etcd {
    program: PathBuf,
    client: String,
    folder: PathBuf,
    child: Option<Child>,
}

impl Drop for Etcd {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

impl Etcd {
    /// It serves on its host.
    pub fn start(network: &Network, folder: &Path) -> Result<Self> {
        let program = network.program_on(STORE, "etcd", folder)?;
        let client = format!("http://{}:{STORE_PORT}", network.address(STORE));
        let mut etcd = Self { program, client, folder: folder.to_owned(), child: None };
        etcd.begin(network)?;
        Ok(etcd)
    }

    /// Starts it with the data that it has.
    pub fn begin(&mut self, network: &Network) -> Result<()> {
        let peer = "http://127.0.0.1:2380";
        let log = std::fs::File::options().create(true).append(true).open(self.folder.join("etcd.log"))?;
        let child = Command::new(&self.program)
            .args(["--name", "lab", "--data-dir"])
            .arg(self.data())
            .args(["--listen-client-urls", &self.client, "--advertise-client-urls", &self.client])
            .args(["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer])
            .arg(format!("--initial-cluster=lab={peer}"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("starting etcd")?;
        self.child = Some(child);
        let answers =
            || network.within(STORE, move || TcpStream::connect(("127.0.0.1", 2_380)).is_ok()).unwrap_or(false);
        until("etcd to listen", Duration::from_secs(60), answers).map(drop)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("etcd")
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let _ = child.kill();
        child.wait().context("the end of etcd").map(drop)
    }

    /// An etcd that has ended loses all that it kept.
    pub fn forget(&self) -> Result<()> {
        std::fs::remove_dir_all(self.data()).context("the data of etcd")
    }

    /// It takes requests into its socket, and answers nothing until [`Self::thaw`].
    pub fn freeze(&self) -> Result<()> {
        self.life()?.signal(Signal::STOP)
    }

    /// It goes on, with the requests that have waited.
    pub fn thaw(&self) -> Result<()> {
        self.life()?.signal(Signal::CONT)
    }

    fn life(&self) -> Result<Life> {
        Life::of(self.child.as_ref().context("etcd was not started")?.id())
    }
}
