//! `org.freedesktop.Notifications` on the session bus, after the
//! [Desktop Notifications Specification](https://specifications.freedesktop.org/notification-spec/latest/) 1.2.

use crate::host::desktop::{NotShown, Note, Urgency};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use zbus::{Connection, Variant};

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";
/// As long as the desktop thinks fit.
const EXPIRES: i32 = -1;

pub async fn show(bus: Option<&str>, note: &Note) -> Result<u32, NotShown> {
    let connection = connect(bus).await?;
    let body = if reads_markup(&connection).await? { &note.marked_body } else { &note.plain_body };
    let urgency: u8 = match note.urgency {
        Urgency::Low => 0,
        Urgency::Normal => 1,
        Urgency::Critical => 2,
    };
    let hints = BTreeMap::from([("urgency", Variant::from(urgency))]);
    let actions: &[&str] = &[];
    let arguments = ("Clawmend", note.replaces, "", note.summary.as_str(), body.as_str(), actions, hints, EXPIRES);
    let answer = connection
        .call_method(Some(NAME), PATH, Some(NAME), "Notify", &arguments)
        .await
        .map_err(|error| refused(&error).unwrap_or_else(|| NotShown::NoAnswer(error.to_string())))?;
    answer.body().deserialize().map_err(|error| NotShown::NoAnswer(error.to_string()))
}

/// Where a desktop session's bus may be, in this order.
fn candidates() -> Vec<String> {
    let socket = |path: PathBuf| format!("unix:path={}", path.display());
    let mut found: Vec<String> = std::env::var("DBUS_SESSION_BUS_ADDRESS").into_iter().collect();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    found.extend(runtime.map(|path| socket(path.join("bus"))));
    let uid = rustix::process::getuid().as_raw();
    found.push(socket(Path::new("/run/user").join(uid.to_string()).join("bus")));
    found.dedup();
    found
}

async fn connect(bus: Option<&str>) -> Result<Connection, NotShown> {
    let addresses = bus.map_or_else(candidates, |bus| vec![bus.to_owned()]);
    let mut told = String::new();
    for address in addresses {
        match zbus::connection::Builder::address(address.as_str()).build().await {
            Ok(connection) => return Ok(connection),
            Err(error) => told = error.to_string(),
        }
    }
    Err(NotShown::NoDesktop(format!("there is no bus of a desktop session ({told})")))
}

/// Nothing has been shown when this fails.
async fn reads_markup(connection: &Connection) -> Result<bool, NotShown> {
    let answer = connection
        .call_method(Some(NAME), PATH, Some(NAME), "GetCapabilities", &())
        .await
        .map_err(|error| refused(&error).unwrap_or_else(|| NotShown::NoDesktop(error.to_string())))?;
    let body = answer.body();
    let capabilities: Vec<&str> = body.deserialize().map_err(|error| NotShown::NoDesktop(error.to_string()))?;
    Ok(capabilities.contains(&"body-markup"))
}

/// The bus, or whoever shows notifications, said no.
fn refused(error: &zbus::Error) -> Option<NotShown> {
    let zbus::Error::MethodError(name, _, _) = error else { return None };
    // It went away over the question: it may have shown it before.
    if name.ends_with(".NoReply") || name.ends_with(".Timeout") {
        return None;
    }
    Some(NotShown::NoDesktop(format!("no desktop shows notifications here ({name})")))
}
