//! The name servers that this host asks.

use std::net::{IpAddr, SocketAddr};

/// Most that count.
const MOST: usize = 4;
/// Largest file that is read, in bytes.
const MAX: u64 = 64 * 1024;

/// Those beyond this host, from `/etc/resolv.conf` (resolv.conf(5)); none where there is no such file.
#[must_use]
pub fn name_servers() -> Vec<SocketAddr> {
    use std::io::Read as _;
    let mut text = String::new();
    let read = std::fs::File::open("/etc/resolv.conf").and_then(|file| file.take(MAX).read_to_string(&mut text));
    if read.is_err() {
        return Vec::new();
    }
    parsed(&text)
}

fn parsed(text: &str) -> Vec<SocketAddr> {
    let servers = text.lines().filter_map(|line| line.strip_prefix("nameserver")?.split_whitespace().next());
    let addresses = servers.filter_map(|server| server.split('%').next()?.parse::<IpAddr>().ok());
    // One of this host answers whatever the network is like.
    addresses.filter(|ip| !ip.is_loopback()).take(MOST).map(|ip| SocketAddr::new(ip, 53)).collect()
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
    }
}
