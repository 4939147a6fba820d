//! A node's way to the store: a relay on the store's host that can be slow, or spoil what comes back.
//!
//! What is asked is carried out in any case. That is the hard one: the answer is missing, not the deed.

use super::STORE;
use super::etcd::STORE_PORT;
use anyhow::Result;
use clawmend_testkit::lab::Network;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Longer than a node waits for an answer (`Figures::steady().answer_ms`).
const SLOW: Duration = Duration::from_secs(3);
/// Neither of them is an answer of etcd.
const SPOILED: [&[u8]; 3] = [
    b"\x00\xff\x00garbage\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{\"lies\": true}",
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops",
];

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Way {
    /// What comes back comes back.
    Open,
    /// It comes later than anybody waits.
    Slow,
    /// Something else comes.
    Spoiled,
}

/// The relay. Its threads end with the lab's process.
pub struct Road(Arc<AtomicUsize>);

impl Road {
    /// It listens on this port of the store's host.
    pub fn start(network: &Network, port: u16) -> Result<Self> {
        let listener = network.listen(STORE, port)?;
        let store = network.address(STORE);
        let way = Arc::new(AtomicUsize::new(Way::Open as usize));
        let shared = Arc::clone(&way);
        // Threads stay on the host that they were made on.
        network.within(STORE, move || {
            std::thread::spawn(move || {
                for (count, client) in listener.incoming().flatten().enumerate() {
                    let way = Arc::clone(&shared);
                    std::thread::spawn(move || carry(client, store, &way, count));
                }
            });
        })?;
        Ok(Self(way))
    }

    /// How it is from now on.
    pub fn set(&self, way: Way) {
        self.0.store(way as usize, Ordering::Relaxed);
    }
}

/// One connection, until either end is over.
fn carry(client: TcpStream, store: Ipv4Addr, way: &AtomicUsize, count: usize) {
    let Ok(server) = TcpStream::connect((store, STORE_PORT)) else { return };
    let (Ok(from), Ok(to)) = (client.try_clone(), server.try_clone()) else { return };
    std::thread::spawn(move || relay(from, to, &AtomicUsize::new(Way::Open as usize), 0));
    relay(server, client, way, count);
}

fn relay(mut from: TcpStream, mut to: TcpStream, way: &AtomicUsize, count: usize) {
    let mut part = [0u8; 8192];
    while let Ok(length) = from.read(&mut part) {
        let now = way.load(Ordering::Relaxed);
        if now == Way::Spoiled as usize && length > 0 {
            let _ = to.write_all(SPOILED[count % SPOILED.len()]);
            break;
        }
        if now == Way::Slow as usize {
            std::thread::sleep(SLOW);
        }
        if length == 0 || to.write_all(&part[..length]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
