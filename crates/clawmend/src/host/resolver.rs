//! The name servers that this host asks.

use std::io::Read as _;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

/// Most that count.
const MOST: usize = 4;
/// Largest file that is read, in bytes.
const MAX: u64 = 64 * 1024;

/// Where they stand (resolv.conf(5)), and where those do that systemd-resolved asks, which names itself in the first
/// (systemd-resolved.service(8)).
const FILES: [&str; 2] = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/// Those beyond this host; none where no file names any.
#[must_use]
pub fn name_servers() -> Vec<SocketAddr> {
    first_of(FILES.map(Path::new))
}

/// Of the first file that names any.
fn first_of(files: [&Path; 2]) -> Vec<SocketAddr> {
    let read = |file: &Path| {
        let mut text = String::new();
        std::fs::File::open(file).and_then(|file| file.take(MAX).read_to_string(&mut text)).map(|_| text)
    };
    let mut found = files.into_iter().filter_map(|file| Some(parsed(&read(file).ok()?)));
    found.find(|servers| !servers.is_empty()).unwrap_or_default()
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
