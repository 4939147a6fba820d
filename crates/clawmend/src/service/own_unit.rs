//! The guard as a service of this user's own systemd.
//!
//! Invariant: a unit that is there is a person's, and stays as it is; nothing is enabled or started here. The unit ends
//! the guard alone (`KillMode=process`, systemd.kill(5)): keeper and gateway outlive it, as they outlive a guard that was
//! started by hand. Start at [`write`].

use super::ServiceError;
use super::{Manager, at_boot};
use crate::host::files::{Durability, write_atomic};
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

/// Its name.
pub const NAME: &str = "clawmend.service";
/// The user's manager has this in `$XDG_RUNTIME_DIR`.
const USER_MANAGER: &str = "systemd/private";
/// The machine was booted with systemd (sd_booted(3)).
const BOOTED: &str = "/run/systemd/system";

/// What is to be run, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnUnit {
    /// This program, then its arguments.
    pub command: Vec<String>,
    /// Variables that say where things are. No secrets: the file can be read by others.
    pub variables: Vec<(String, String)>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// There.
    New(PathBuf),
    /// One was there already, and stays.
    Before(PathBuf),
}

/// Whether this user has a systemd that could run it.
#[must_use]
pub fn is_possible() -> bool {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let has_manager = || runtime.is_some_and(|folder| folder.join(USER_MANAGER).exists());
    cfg!(target_os = "linux") && (Path::new(BOOTED).exists() || has_manager())
}

/// Writes it into the user's own folder of units, and enables nothing.
///
/// # Errors
/// The folder cannot be written to, or a value has characters that no unit file can hold.
pub fn write(user_home: &Path, unit: &OwnUnit) -> io::Result<Written> {
    let folders = at_boot::folders(&Manager::SystemdUser, user_home);
    if let Some(before) = folders.iter().map(|folder| folder.join(NAME)).find(|path| path.symlink_metadata().is_ok()) {
        return Ok(Written::Before(before));
    }
    let folder = folders.first().ok_or(io::ErrorKind::NotFound)?;
    let text = unit.text().map_err(io::Error::other)?;
    std::fs::create_dir_all(folder)?;
    let path = folder.join(NAME);
    write_atomic(&path, text.as_bytes(), Durability::Durable)?;
    Ok(Written::New(path))
}

impl OwnUnit {
    /// The unit file.
    ///
    /// # Errors
    /// A value has a line break or another control character.
    pub fn text(&self) -> Result<String, ServiceError> {
        let mut environment = String::new();
        for (name, value) in &self.variables {
            let _ = writeln!(environment, "Environment={}", quoted(&format!("{name}={value}"), false)?);
        }
        // In the program's own name a `$` is one.
        let words = self.command.iter().enumerate().map(|(number, word)| quoted(word, number > 0));
        let command: Result<Vec<String>, ServiceError> = words.collect();
        Ok(format!(
            "\
[Unit]
Description=Clawmend keeps OpenClaw alive
# Whatever fails here is tried again for ever.
StartLimitIntervalSec=0

[Service]
Type=notify
{environment}ExecStart={}
Restart=always
RestartSec=1
WatchdogSec=30
# The guard alone is ended: the gateway goes on.
KillMode=process
# OpenClaw takes this for the time that it has to finish its work when it ends.
TimeoutStopSec=330

[Install]
WantedBy=default.target
",
            command?.join(" ")
        ))
    }
}

/// One word of a setting (systemd.syntax(7), systemd.unit(5) on `%`); in a command `$` stands for a variable, too
/// (systemd.service(5)).
fn quoted(text: &str, in_command: bool) -> Result<String, ServiceError> {
    if text.chars().any(char::is_control) {
        return Err(ServiceError::BadValue);
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '%' => quoted.push_str("%%"),
            '$' if in_command => quoted.push_str("$$"),
            _ => quoted.push(letter),
        }
    }
    quoted.push('"');
    Ok(quoted)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn unit() -> OwnUnit {
        OwnUnit {
            command: ["/home/a b/$x/50%/clawmend", "run", "--", "open$claw"].map(str::to_owned).into(),
            variables: vec![("PATH".to_owned(), r#"/opt/n"o\de/100%/$bin:/usr/bin"#.to_owned())],
        }
    }

    #[test]
    fn the_file() {
        insta::assert_snapshot!(unit().text().unwrap());
        let broken = OwnUnit { command: vec!["x\nExecStartPre=/bin/evil".to_owned()], variables: Vec::new() };
        assert!(broken.text().is_err());
    }

    #[cfg(unix)]
    #[test]
    fn one_that_is_there_stays() {
        let home = tempfile::tempdir().unwrap();
        // Where the tests themselves have XDG_CONFIG_HOME, the folder is that one's.
        let folder = at_boot::folders(&Manager::SystemdUser, home.path()).remove(0);
        if !folder.starts_with(home.path()) {
            return;
        }
        let Written::New(path) = write(home.path(), &unit()).unwrap() else { unreachable!() };
        assert_eq!(path, folder.join(NAME));
        std::fs::write(&path, "mine").unwrap();
        assert_eq!(write(home.path(), &unit()).unwrap(), Written::Before(path.clone()));
        assert_eq!(std::fs::read_to_string(path).unwrap(), "mine");
    }
}
