//! A small network of hosts on this machine: a network namespace each, joined by a bridge in one of their own.
//!
//! Nothing outside of these namespaces is changed, and none of it reaches beyond them. All are removed when the network is
//! dropped. Needs root and `ip` (iproute2).

use super::permit::Unavailable;
use anyhow::{Context, Result, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A link-layer address that nobody has.
const NOBODY: &str = "02:00:00:00:00:fe";

/// The network. Host 0 is the hub, which stands for the internet; the others are 1, 2, …
#[derive(Debug)]
pub struct Network {
    name: String,
    hosts: u8,
}

impl Network {
    /// The hub and so many hosts, all reaching each other.
    ///
    /// # Errors
    /// When it cannot be set up although it should; [`Unavailable`] where this machine cannot.
    pub fn start(hosts: u8) -> Result<Result<Self, Unavailable>> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if !rustix::process::geteuid().is_root() {
            return Ok(Err(Unavailable("needs root, for network namespaces of its own".into())));
        }
        if Command::new("ip").arg("-V").output().is_err() {
            return Ok(Err(Unavailable("needs `ip`: apt-get install iproute2".into())));
        }
        let name = format!("cml{}n{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let network = Self { name, hosts };
        let hub = network.namespace(0);
        if let Err(error) = ip(&["netns", "add", &hub]) {
            return Ok(Err(Unavailable(format!("no network namespaces here: {error:#}"))));
        }
        ip(&["-n", &hub, "link", "set", "lo", "up"])?;
        ip(&["-n", &hub, "link", "add", "br0", "type", "bridge"])?;
        ip(&["-n", &hub, "address", "add", &format!("{}/24", network.address(0)), "dev", "br0"])?;
        ip(&["-n", &hub, "link", "set", "br0", "up"])?;
        for host in 1..=hosts {
            network.join(host)?;
        }
        Ok(Ok(network))
    }

    fn join(&self, host: u8) -> Result<()> {
        let (hub, own, port) = (self.namespace(0), self.namespace(host), format!("p{host}"));
        ip(&["netns", "add", &own])?;
        ip(&["-n", &own, "link", "set", "lo", "up"])?;
        ip(&["-n", &hub, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &own])?;
        ip(&["-n", &hub, "link", "set", &port, "master", "br0", "up"])?;
        ip(&["-n", &own, "address", "add", &format!("{}/24", self.address(host)), "dev", "eth0"])?;
        ip(&["-n", &own, "link", "set", "eth0", "up"])
    }

    fn namespace(&self, host: u8) -> String {
        format!("{}h{host}", self.name)
    }

    /// A host's address.
    #[must_use]
    pub const fn address(&self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 213, 7, host + 1)
    }

    /// Cuts a host off: its cable is pulled.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn cut(&self, host: u8) -> Result<()> {
        ip(&["-n", &self.namespace(0), "link", "set", &format!("p{host}"), "down"])
    }

    /// Puts the cable back.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn mend(&self, host: u8) -> Result<()> {
        ip(&["-n", &self.namespace(0), "link", "set", &format!("p{host}"), "up"])
    }

    /// What `from` sends to `to` is lost from now on; the other way goes on.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn lose(&self, from: u8, to: u8) -> Result<()> {
        let (own, to) = (self.namespace(from), self.address(to).to_string());
        ip(&["-n", &own, "neighbour", "replace", &to, "lladdr", NOBODY, "nud", "permanent", "dev", "eth0"])
    }

    /// Ends [`Network::lose`].
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn find_again(&self, from: u8, to: u8) -> Result<()> {
        let (own, to) = (self.namespace(from), self.address(to).to_string());
        ip(&["-n", &own, "neighbour", "delete", &to, "dev", "eth0"])
    }

    /// Listens on a host's address, for a part of the lab that runs in this very process.
    ///
    /// # Errors
    /// When the namespace cannot be entered or the port is taken.
    pub fn listen(&self, host: u8, port: u16) -> Result<TcpListener> {
        self.listen_at(host, SocketAddr::from((self.address(host), port)))
    }

    /// Listens on a host's loopback, for a part of the lab that runs in this very process.
    ///
    /// # Errors
    /// As [`Self::listen`].
    pub fn listen_within(&self, host: u8, port: u16) -> Result<TcpListener> {
        self.listen_at(host, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    /// A socket stays in the namespace that it was made in.
    fn listen_at(&self, host: u8, address: SocketAddr) -> Result<TcpListener> {
        Ok(self.within(host, move || TcpListener::bind(address))??)
    }

    /// Does something on a host, in a thread of its own, which ends with it.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    pub fn within<T: Send + 'static>(&self, host: u8, does: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let path = Path::new("/run/netns").join(self.namespace(host));
        let entered = std::thread::spawn(move || -> Result<T> {
            let namespace = File::open(&path).with_context(|| path.display().to_string())?;
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            Ok(does())
        });
        entered.join().map_err(|_| anyhow::anyhow!("the thread on a host panicked"))?
    }

    /// A program that runs `program` on a host, with all its arguments.
    ///
    /// # Errors
    /// When it cannot be written into `folder`.
    pub fn program_on(&self, host: u8, program: &str, folder: &Path) -> Result<PathBuf> {
        use std::os::unix::fs::PermissionsExt as _;
        let path = folder.join(format!("on-host-{host}"));
        let text = format!("#!/bin/sh\nexec nsenter --net=/run/netns/{} -- '{program}' \"$@\"\n", self.namespace(host));
        std::fs::write(&path, text)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
        Ok(path)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for host in 0..=self.hosts {
            let _ = ip(&["netns", "delete", &self.namespace(host)]);
        }
    }
}

fn ip(arguments: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(arguments).output().context("running ip")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {}: {}", arguments.join(" "), said.trim());
    Ok(())
}
