//! A real etcd of one member, from Debian's `etcd-server`.

use super::http::{Reply, free_port, get, request};
use super::permit::Unavailable;
use super::process::Life;
use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// It starts within a second on a quiet machine.
const START: Duration = Duration::from_secs(60);

/// How it is started.
#[derive(Clone, Debug, Default)]
pub struct EtcdOptions {
    /// Certificate and key in PEM form: it speaks TLS then.
    pub tls: Option<(PathBuf, PathBuf)>,
}

/// It ends when it is dropped.
#[derive(Debug)]
pub struct RealEtcd {
    folder: tempfile::TempDir,
    options: EtcdOptions,
    child: Child,
    life: Life,
    /// Where clients are answered, on loopback.
    pub port: u16,
}

impl RealEtcd {
    /// Starts one with a folder of its own; `Err` inside when etcd is not installed.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(options: EtcdOptions) -> Result<Result<Self, Unavailable>> {
        let there = Command::new("etcd").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !there.is_ok_and(|status| status.success()) {
            return Ok(Err(Unavailable("etcd is not installed (Debian: etcd-server)".into())));
        }
        let folder = tempfile::tempdir()?;
        let mut last = None;
        for _ in 0..20 {
            let port = free_port()?;
            match launch(folder.path(), &options, port) {
                Ok((child, life)) => return Ok(Ok(Self { folder, options, child, life, port })),
                // Somebody else took the port in between.
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("no try")))
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.options.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// Ends it as a crash would.
    ///
    /// # Errors
    /// It still runs.
    pub fn kill(&mut self) -> Result<()> {
        let _ = self.life.signal(Signal::KILL);
        self.child.wait().context("end of etcd").map(drop)
    }

    /// Starts it again, with its data and on its port.
    ///
    /// # Errors
    /// It does not start.
    pub fn restart(&mut self) -> Result<()> {
        (self.child, self.life) = launch(self.folder.path(), &self.options, self.port)?;
        Ok(())
    }

    /// It does not run on until [`Self::thaw`].
    ///
    /// # Errors
    /// It has ended.
    pub fn freeze(&self) -> Result<()> {
        self.life.signal(Signal::STOP)
    }

    /// It runs on.
    ///
    /// # Errors
    /// It has ended.
    pub fn thaw(&self) -> Result<()> {
        self.life.signal(Signal::CONT)
    }

    /// One call of its JSON gateway, without TLS or token.
    ///
    /// # Errors
    /// No answer, or another status than 200.
    pub fn call(&self, path: &str, body: &Value) -> Result<Value> {
        let reply = request(self.port, "POST", path, None, Some(body), Duration::from_secs(20))?;
        ensure!(reply.status == 200, "{path}: {} {}", reply.status, reply.body);
        reply.json()
    }
}

impl Drop for RealEtcd {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

fn launch(folder: &Path, options: &EtcdOptions, port: u16) -> Result<(Child, Life)> {
    let scheme = if options.tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://127.0.0.1:{port}");
    let log = File::create(folder.join("log"))?;
    let mut command = Command::new("etcd");
    command
        .args(["--name", "lab", "--data-dir"])
        .arg(folder.join("data"))
        .args(["--listen-client-urls", &url, "--advertise-client-urls", &url])
        // One member has no peers: any port does, and what it advertises is never used.
        .args(["--listen-peer-urls", "http://127.0.0.1:0", "--initial-advertise-peer-urls", "http://127.0.0.1:2380"])
        .args(["--initial-cluster", "lab=http://127.0.0.1:2380"])
        // The identity of a cluster is made of its members' addresses and of this.
        .args(["--initial-cluster-token", &format!("lab-{port}")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    if let Some((cert, key)) = &options.tls {
        command.arg("--cert-file").arg(cert).arg("--key-file").arg(key);
    }
    let mut child = command.spawn().context("etcd")?;
    let life = Life::of(child.id())?;
    let since = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(5).collect();
            bail!("etcd ended with {status}: {}", tail.join(" | "));
        }
        if serves(port, options) {
            return Ok((child, life));
        }
        if since.elapsed() > START {
            let _ = life.signal(Signal::KILL);
            let _ = child.wait();
            bail!("etcd does not serve after {START:?}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// With TLS it counts as serving when it takes connections: the lab's authority is none of ours.
fn serves(port: u16, options: &EtcdOptions) -> bool {
    if options.tls.is_some() {
        return std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
    }
    matches!(get(port, "/health"), Ok(Reply { status: 200, .. }))
}
