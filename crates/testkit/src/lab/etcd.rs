//! A real etcd of one member or of several, from Debian's `etcd-server`.

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
    /// Most bytes of its database; its own limit if left out.
    pub quota: Option<u64>,
}

/// One member among those that make a cluster.
#[derive(Clone, Debug)]
struct Member {
    name: String,
    /// Where the other members find it; `None`: there are none.
    peer_port: Option<u16>,
    /// All of them, as `--initial-cluster` wants it.
    all: String,
}

impl Member {
    fn alone() -> Self {
        Self { name: "lab".into(), peer_port: None, all: "lab=http://127.0.0.1:2380".into() }
    }
}

/// One member. It ends when it is dropped.
#[derive(Debug)]
pub struct RealEtcd {
    folder: tempfile::TempDir,
    options: EtcdOptions,
    member: Member,
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
        if let Err(reason) = installed() {
            return Ok(Err(reason));
        }
        let folder = tempfile::tempdir()?;
        let member = Member::alone();
        let mut last = None;
        for _ in 0..20 {
            let port = free_port()?;
            let launched = spawn(folder.path(), &options, &member, port).and_then(|(mut child, life)| {
                serving(folder.path(), &options, port, &mut child, life).map(|()| (child, life))
            });
            match launched {
                Ok((child, life)) => return Ok(Ok(Self { folder, options, member, child, life, port })),
                // Somebody else took the port in between.
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("no try")))
    }

    /// Starts a cluster of three; `Err` inside when etcd is not installed.
    ///
    /// # Errors
    /// It does not start.
    pub fn cluster() -> Result<Result<[Self; 3], Unavailable>> {
        if let Err(reason) = installed() {
            return Ok(Err(reason));
        }
        let peers = [free_port()?, free_port()?, free_port()?];
        let name = |port: u16| format!("lab-{port}");
        let all = peers.map(|port| format!("{}=http://127.0.0.1:{port}", name(port))).join(",");
        let mut members = Vec::new();
        for peer in peers {
            let (folder, options, port) = (tempfile::tempdir()?, EtcdOptions::default(), free_port()?);
            let member = Member { name: name(peer), peer_port: Some(peer), all: all.clone() };
            let (child, life) = spawn(folder.path(), &options, &member, port)?;
            members.push(Self { folder, options, member, child, life, port });
        }
        // None serves before most of them are there.
        for member in &mut members {
            serving(member.folder.path(), &member.options, member.port, &mut member.child, member.life)?;
        }
        let members = <[Self; 3]>::try_from(members);
        members.map(Ok).map_err(|_| anyhow::anyhow!("not three members"))
    }

    /// It leads its cluster, by its own word.
    ///
    /// # Errors
    /// No answer.
    pub fn leads(&self) -> Result<bool> {
        let status = self.call("/v3/maintenance/status", &serde_json::json!({}))?;
        Ok(status["leader"] == status["header"]["member_id"])
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
        (self.child, self.life) = spawn(self.folder.path(), &self.options, &self.member, self.port)?;
        serving(self.folder.path(), &self.options, self.port, &mut self.child, self.life)
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

fn installed() -> Result<(), Unavailable> {
    let there = Command::new("etcd").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if there.is_ok_and(|status| status.success()) {
        Ok(())
    } else {
        Err(Unavailable("etcd is not installed (Debian: etcd-server)".into()))
    }
}

fn spawn(folder: &Path, options: &EtcdOptions, member: &Member, port: u16) -> Result<(Child, Life)> {
    let scheme = if options.tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://127.0.0.1:{port}");
    // One member has no peers: any port does, and what it advertises is never used.
    let peer = format!("http://127.0.0.1:{}", member.peer_port.unwrap_or(0));
    let advertised = format!("http://127.0.0.1:{}", member.peer_port.unwrap_or(2_380));
    let mut command = Command::new("etcd");
    command
        .args(["--name", &member.name, "--data-dir"])
        .arg(folder.join("data"))
        .args(["--listen-client-urls", &url, "--advertise-client-urls", &url])
        .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &advertised])
        .args(["--initial-cluster", &member.all])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(folder.join("log"))?);
    if member.peer_port.is_none() {
        // The identity of a cluster is made of its members' addresses and of this.
        command.args(["--initial-cluster-token", &format!("lab-{port}")]);
    }
    if let Some((cert, key)) = &options.tls {
        command.arg("--cert-file").arg(cert).arg("--key-file").arg(key);
    }
    if let Some(quota) = options.quota {
        command.args(["--quota-backend-bytes", &quota.to_string()]);
    }
    let child = command.spawn().context("etcd")?;
    let life = Life::of(child.id())?;
    Ok((child, life))
}

/// Waits until it answers clients.
fn serving(folder: &Path, options: &EtcdOptions, port: u16, child: &mut Child, life: Life) -> Result<()> {
    let since = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(5).collect();
            bail!("etcd ended with {status}: {}", tail.join(" | "));
        }
        if serves(port, options) {
            return Ok(());
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
