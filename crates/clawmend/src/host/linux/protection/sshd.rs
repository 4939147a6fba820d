//! Whether the OpenSSH server takes passwords, by its settings (sshd_config(5)).
//!
//! The first value of a keyword counts; a `Match` block holds to the end of its file. In doubt, passwords are taken.

use super::{files_of, read};
use crate::host::protection::Logins;
use std::path::{Path, PathBuf};

/// Files that include files, at most.
const DEPTH_MAX: usize = 3;

/// What was said so far; `None`: nothing.
#[derive(Default)]
struct Said {
    passwords: Option<bool>,
    keyboard: Option<bool>,
    pam: Option<bool>,
    /// For some users or addresses.
    passwords_for_some: bool,
    /// It could not be read, and might have said something.
    unread: Option<PathBuf>,
}

impl Said {
    const fn is_whole(&self) -> bool {
        self.passwords.is_some() && self.keyboard.is_some()
    }
}

pub(super) fn logins(root: &Path) -> Logins {
    if !root.join("usr/sbin/sshd").exists() {
        return Logins::NoServer;
    }
    let mut said = Said::default();
    take(root, &root.join("etc/ssh/sshd_config"), DEPTH_MAX, &mut said);
    if let Some(path) = said.unread {
        return Logins::Unreadable { path };
    }
    // Without PAM there is nobody who would ask for a password at the keyboard.
    let keyboard = said.keyboard.unwrap_or(true) && said.pam.unwrap_or(false);
    if said.passwords.unwrap_or(true) || keyboard || said.passwords_for_some { Logins::Passwords } else { Logins::Keys }
}

fn take(root: &Path, path: &Path, depth: usize, said: &mut Said) {
    let Ok(text) = read(path) else {
        if !said.is_whole() && said.unread.is_none() {
            said.unread = Some(path.to_owned());
        }
        return;
    };
    let mut for_some = false;
    for line in text.lines() {
        let line = line.trim();
        let (keyword, value) = line.split_once(|c: char| c.is_whitespace() || c == '=').unwrap_or((line, ""));
        let value = value.trim_start_matches(|c: char| c.is_whitespace() || c == '=').trim().trim_matches('"');
        let yes = value.eq_ignore_ascii_case("yes");
        match keyword.to_ascii_lowercase().as_str() {
            "match" => for_some = !value.eq_ignore_ascii_case("all"),
            "include" if depth > 0 => {
                for pattern in value.split_whitespace() {
                    included(root, pattern).iter().for_each(|path| take(root, path, depth - 1, said));
                }
            }
            "passwordauthentication" if for_some => said.passwords_for_some |= yes,
            "passwordauthentication" => drop(said.passwords.get_or_insert(yes)),
            "kbdinteractiveauthentication" | "challengeresponseauthentication" if !for_some => {
                said.keyboard.get_or_insert(yes);
            }
            "usepam" if !for_some => drop(said.pam.get_or_insert(yes)),
            _ => {}
        }
    }
}

/// The files of a pattern such as `/etc/ssh/sshd_config.d/*.conf`.
fn included(root: &Path, pattern: &str) -> Vec<PathBuf> {
    let path = root.join("etc/ssh").join(pattern.trim_start_matches("/etc/ssh/").trim_matches('"'));
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Vec::new();
    };
    let Some((before, after)) = name.split_once('*') else {
        return if path.exists() { vec![path] } else { Vec::new() };
    };
    let fits = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
    };
    files_of(folder).into_iter().filter(fits).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn with(main: &str, included: Option<&str>) -> Logins {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("usr/sbin")).unwrap();
        std::fs::write(root.join("usr/sbin/sshd"), "").unwrap();
        std::fs::create_dir_all(root.join("etc/ssh/sshd_config.d")).unwrap();
        std::fs::write(root.join("etc/ssh/sshd_config"), main).unwrap();
        if let Some(text) = included {
            std::fs::write(root.join("etc/ssh/sshd_config.d/50-cloud.conf"), text).unwrap();
            std::fs::write(root.join("etc/ssh/sshd_config.d/README"), "PasswordAuthentication no\n").unwrap();
        }
        logins(root)
    }

    #[test]
    fn the_first_word_counts_and_in_doubt_passwords_are_taken() {
        const INCLUDE: &str = "Include /etc/ssh/sshd_config.d/*.conf\n";
        const NO: &str = "PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM yes\n";
        for (main, included, found) in [
            ("", None, Logins::Passwords),
            ("#PasswordAuthentication no\n", None, Logins::Passwords),
            (NO, None, Logins::Keys),
            ("passwordauthentication=no\n", None, Logins::Keys),
            ("PasswordAuthentication no\nUsePAM yes\n", None, Logins::Passwords),
            ("PasswordAuthentication yes\nPasswordAuthentication no\n", None, Logins::Passwords),
            (&format!("{INCLUDE}{NO}"), Some("PasswordAuthentication yes\n"), Logins::Passwords),
            (&format!("{INCLUDE}PasswordAuthentication yes\n"), Some(NO), Logins::Keys),
            (&format!("{NO}Match User guest\n  PasswordAuthentication yes\n"), None, Logins::Passwords),
            (&format!("Match User git\n  PasswordAuthentication no\nMatch all\n{NO}"), None, Logins::Keys),
        ] {
            assert_eq!(with(main, included), found, "{main} {included:?}");
        }
    }

    #[test]
    fn no_server_and_settings_that_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        assert_eq!(logins(root), Logins::NoServer);
        std::fs::create_dir_all(root.join("usr/sbin")).unwrap();
        std::fs::write(root.join("usr/sbin/sshd"), "").unwrap();
        assert_eq!(logins(root), Logins::Unreadable { path: root.join("etc/ssh/sshd_config") });
    }
}
