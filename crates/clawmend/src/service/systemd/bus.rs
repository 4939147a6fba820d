//! Where the bus is, and the messages that we send over it.
//!
//! Invariant: every message is built for one fixed destination, path and interface; nothing from outside becomes a
//! part of a match rule or path without being escaped.

use super::super::Manager;
use std::path::{Path, PathBuf};
use zbus::Message;
use zbus::wire::DynamicType;

pub const SYSTEMD: &str = "org.freedesktop.systemd1";
pub const MANAGER: &str = "org.freedesktop.systemd1.Manager";
pub const UNIT: &str = "org.freedesktop.systemd1.Unit";
pub const SERVICE: &str = "org.freedesktop.systemd1.Service";
pub const JOB: &str = "org.freedesktop.systemd1.Job";
pub const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
pub const DBUS: &str = "org.freedesktop.DBus";
pub const SYSTEMD_PATH: &str = "/org/freedesktop/systemd1";

/// Addresses to try, in this order.
fn candidates(manager: &Manager) -> Vec<String> {
    let socket = |path: PathBuf| format!("unix:path={}", path.display());
    match manager {
        Manager::SystemdAt(address) => vec![address.clone()],
        Manager::SystemdSystem => vec![
            std::env::var("DBUS_SYSTEM_BUS_ADDRESS").unwrap_or_else(|_| "unix:path=/run/dbus/system_bus_socket".into()),
        ],
        // The runtime folder first: in a desktop session the address may be a bus without a systemd on it.
        Manager::SystemdUser => {
            let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
            let uid = rustix::process::getuid().as_raw();
            let mut found: Vec<String> = runtime.map(|path| socket(path.join("bus"))).into_iter().collect();
            found.extend(std::env::var("DBUS_SESSION_BUS_ADDRESS"));
            found.push(socket(Path::new("/run/user").join(uid.to_string()).join("bus")));
            found.dedup();
            found
        }
        Manager::Launchd | Manager::TaskScheduler => Vec::new(),
    }
}

/// Connects to the first bus that answers.
pub async fn connect(manager: &Manager) -> Result<zbus::Connection, String> {
    let mut told = String::from("no address of a bus is known");
    for address in candidates(manager) {
        match zbus::connection::Builder::address(address.as_str()).build().await {
            Ok(connection) => return Ok(connection),
            Err(error) => told = format!("{address}: {error}"),
        }
    }
    Err(told)
}

/// Path of a unit's object: every byte that is not a letter or digit becomes `_xx` (`bus_label_escape`).
pub fn unit_path(name: &str) -> String {
    use std::fmt::Write as _;
    let mut path = format!("{SYSTEMD_PATH}/unit/");
    for (at, byte) in name.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (at > 0 && byte.is_ascii_digit()) {
            path.push(char::from(byte));
        } else {
            let _ = write!(path, "_{byte:02x}");
        }
    }
    path
}

/// Rules for the signals that concern one unit; the bus wakes us for nothing else.
pub fn match_rules(name: &str, path: &str) -> Vec<String> {
    let from_manager =
        |rest: &str| format!("type='signal',sender='{SYSTEMD}',interface='{MANAGER}',path='{SYSTEMD_PATH}',{rest}");
    let mut rules = vec![
        format!("type='signal',sender='{SYSTEMD}',interface='{PROPERTIES}',member='PropertiesChanged',path='{path}'"),
        format!("type='signal',sender='{DBUS}',interface='{DBUS}',member='NameOwnerChanged',arg0='{SYSTEMD}'"),
    ];
    // A backslash is kept as it is inside quotes, and no unit name has a quote.
    for member in ["JobNew", "JobRemoved"] {
        rules.push(from_manager(&format!("member='{member}',arg2='{name}'")));
    }
    rules.push(from_manager(&format!("member='UnitNew',arg0='{name}'")));
    rules.push(from_manager(&format!("member='UnitRemoved',arg0='{name}'")));
    for member in ["Reloading", "UnitFilesChanged", "StartupFinished"] {
        rules.push(from_manager(&format!("member='{member}'")));
    }
    rules
}

/// A method call.
pub fn call<B>(destination: &str, path: &str, interface: &str, member: &str, body: &B) -> zbus::Result<Message>
where
    B: serde::Serialize + DynamicType,
{
    Message::method_call(path, member).destination(destination).interface(interface).build(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_paths_are_escaped_as_systemd_does() {
        assert_eq!(
            unit_path("openclaw-gateway.service"),
            "/org/freedesktop/systemd1/unit/openclaw_2dgateway_2eservice"
        );
        assert_eq!(unit_path("7x.service"), "/org/freedesktop/systemd1/unit/_37x_2eservice");
    }
}
