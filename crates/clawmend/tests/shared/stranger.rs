//! A second reader of the same bot that is none of the group's nodes.

use super::{BOT_PORT, STORE};
use anyhow::Result;
use clawmend_testkit::lab::Network;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// It asks for updates again and again, from the store's host, until it is dropped.
pub struct Stranger(Arc<AtomicBool>);

impl Stranger {
    /// It begins.
    pub fn start(network: &Network) -> Result<Self> {
        let over = Arc::new(AtomicBool::new(false));
        let (shared, service) = (Arc::clone(&over), network.address(0));
        network.within(STORE, move || {
            std::thread::spawn(move || {
                while !shared.load(Ordering::Relaxed) {
                    let _ = poll(service, &shared);
                }
            });
        })?;
        Ok(Self(over))
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// One long poll; it is given up when the stranger is over.
fn poll(service: Ipv4Addr, over: &AtomicBool) -> std::io::Result<()> {
    let mut stream = TcpStream::connect((service, BOT_PORT))?;
    let body = "{\"timeout\": 30}";
    write!(
        stream,
        "POST /bot1:stranger/getUpdates HTTP/1.1\r\nHost: bot\r\nContent-Type: application/json\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    stream.set_read_timeout(Some(Duration::from_millis(100)))?;
    while !over.load(Ordering::Relaxed) {
        match stream.read(&mut [0; 4096]) {
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            // An answer or the end: then it asks anew.
            _ => break,
        }
    }
    Ok(())
}
