//! Whether somebody debugs the process through Node's inspector.
//!
//! The inspector listens on loopback, by default on 9229 (`--inspect`, or SIGUSR1 in Node); with several processes
//! people count upwards. OpenClaw rewrites its command line, so a port given there may be invisible to us, and its
//! other loopback ports have clients of their own: only ports in the inspector's role count.

use super::tcp::{self, Descriptors, Row};
use std::io::Read;
use std::ops::RangeInclusive;

const USUAL_PORTS: RangeInclusive<u16> = 9229..=9249;
const COMMAND_LINE_MAX: u64 = 64 * 1024;

/// A client is connected to it now.
pub fn has_client(pid: u32, descriptors: &Descriptors, gateway_port: Option<u16>) -> bool {
    let Some(rows) = tcp::rows(&pid.to_string()) else { return false };
    let own = |row: &&Row| descriptors.sockets.contains_key(&row.inode);
    let listeners = rows.iter().filter(own).filter(|row| row.state == tcp::LISTEN && row.local.ip().is_loopback());
    let mut ports: Vec<u16> =
        listeners.map(|row| row.local.port()).filter(|port| Some(*port) != gateway_port).collect();
    if ports.is_empty() {
        return false;
    }
    let told = told_ports(pid);
    ports.retain(|port| USUAL_PORTS.contains(port) || told.contains(port));
    rows.iter().filter(own).any(|row| row.state == tcp::ESTABLISHED && ports.contains(&row.local.port()))
}

/// Ports named by `--inspect…` on the command line or in `NODE_OPTIONS`.
fn told_ports(pid: u32) -> Vec<u16> {
    let read = |name: &str| {
        let mut bytes = Vec::new();
        let file = std::fs::File::open(format!("/proc/{pid}/{name}")).ok()?;
        file.take(COMMAND_LINE_MAX).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    };
    let line = read("cmdline").unwrap_or_default();
    let environment = read("environ").unwrap_or_default();
    let options = environment.split(|byte| *byte == 0).filter_map(|entry| entry.strip_prefix(b"NODE_OPTIONS="));
    let words = options.flat_map(|options| options.split(|byte| *byte == b' ')).chain(line.split(|byte| *byte == 0));
    words.filter_map(|word| inspect_port(std::str::from_utf8(word).ok()?)).collect()
}

/// `--inspect=[host:]port`, `--inspect-brk=…`, `--inspect-wait=…`, `--inspect-port=…`, `--debug-port=…`.
fn inspect_port(word: &str) -> Option<u16> {
    let (option, value) = word.split_once('=')?;
    let known = matches!(option, "--inspect" | "--inspect-brk" | "--inspect-wait" | "--inspect-port" | "--debug-port");
    if !known {
        return None;
    }
    value.rsplit(':').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_from_the_options_that_node_knows() {
        assert_eq!(inspect_port("--inspect=9333"), Some(9333));
        assert_eq!(inspect_port("--inspect-brk=127.0.0.1:9444"), Some(9444));
        assert_eq!(inspect_port("--inspect-port=[::1]:9555"), Some(9555));
        assert_eq!(inspect_port("--inspect"), None);
        assert_eq!(inspect_port("--port=18789"), None);
    }
}
