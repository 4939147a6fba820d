//! The name servers that this host asks.
//!
//! They are something beyond this host that a node which doubts itself can try to reach. Invariant: none of them is this
//! host itself, which answers whatever the network is like. They change while a host runs: read them when they are needed.

use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;

/// Most that count.
const MOST: usize = 4;
/// Largest file that is read, in bytes.
const MAX: u64 = 64 * 1024;

/// Where they stand (resolv.conf(5)), and where those do that systemd-resolved asks, which names itself in the first
/// (systemd-resolved.service(8)).
const FILES: [&str; 2] = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/// Tailscale's own (MagicDNS), which its program answers on this host, by TCP as well
/// (`wgengine/netstack/netstack.go`, `handleLocalPackets`).
const TAILSCALE: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 100)),
    IpAddr::V6(Ipv6Addr::new(0xfd7a, 0x115c, 0xa1e0, 0, 0, 0, 0, 0x53)),
];

/// Those beyond this host; none where no file names any.
#[must_use]
pub fn name_servers() -> Vec<SocketAddr> {
    first_of(FILES.map(Path::new))
}

/// An address of this host: who talks to it has it, too. Nothing is sent.
fn is_own(ip: IpAddr) -> bool {
    let any: IpAddr = if ip.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let towards = || {
        let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
        socket.connect(SocketAddr::new(ip, 53))?;
        socket.local_addr()
    };
    towards().is_ok_and(|own| own.ip() == ip)
}

/// Of the first file that names any.
fn first_of(files: [&Path; 2]) -> Vec<SocketAddr> {
    let read = |file: &Path| {
        let mut text = String::new();
        std::fs::File::open(file).and_then(|file| file.take(MAX).read_to_string(&mut text)).map(|_| text)
    };
    let beyond = |file: &Path| -> Option<Vec<SocketAddr>> {
        let servers = parsed(&read(file).ok()?);
        Some(servers.into_iter().filter(|server| !is_own(server.ip())).collect())
    };
    let mut found = files.into_iter().filter_map(beyond);
    found.find(|servers| !servers.is_empty()).unwrap_or_default()
}

fn parsed(text: &str) -> Vec<SocketAddr> {
    let servers = text.lines().filter_map(|line| line.strip_prefix("nameserver")?.split_whitespace().next());
    let addresses = servers.filter_map(|server| server.split('%').next()?.parse::<IpAddr>().ok());
    addresses
        .filter(|ip| !ip.is_loopback() && !TAILSCALE.contains(ip))
        .take(MOST)
        .map(|ip| SocketAddr::new(ip, 53))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn servers_beyond_this_host_are_found() {
        let text = "# one\nnameserver 127.0.0.53\nnameserver 10.0.0.2 # comment\nnameserver\t2001:db8::1\nnameserver fe80::1%eth0\nsearch x\nnameserver nonsense\n";
        let found = parsed(text);
        let wanted: Vec<SocketAddr> =
            ["10.0.0.2:53", "[2001:db8::1]:53", "[fe80::1]:53"].iter().map(|one| one.parse().unwrap()).collect();
        assert_eq!(found, wanted);
        assert!(parsed("").is_empty());
        assert!(
            parsed("nameserver 100.100.100.100\nnameserver fd7a:115c:a1e0::53\n").is_empty(),
            "Tailscale's is this host"
        );
    }

    #[test]
    fn an_address_of_this_host_is_known() {
        assert!(is_own(Ipv4Addr::LOCALHOST.into()));
        // For documentation (RFC 5737): nobody has it.
        assert!(!is_own(Ipv4Addr::new(192, 0, 2, 1).into()));
    }

    #[test]
    fn behind_one_of_this_host_those_that_it_asks_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
        assert!(first_of([&one, &other]).is_empty());
        std::fs::write(&one, "nameserver 127.0.0.53\n").unwrap();
        std::fs::write(&other, "nameserver 10.0.0.2\n").unwrap();
        assert_eq!(first_of([&one, &other]), ["10.0.0.2:53".parse().unwrap()]);
        std::fs::write(&one, "nameserver 10.0.0.1\n").unwrap();
        assert_eq!(first_of([&one, &other]), ["10.0.0.1:53".parse().unwrap()]);
    }
}
