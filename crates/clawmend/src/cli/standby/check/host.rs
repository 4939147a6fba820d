//! `clawmend standby check`: how well this host is guarded against others. Nothing of it makes a pair not ready.

use super::{Level, Line};
use crate::daemon::own_uid;
use crate::host::protection::{self, Firewall, Logins, Protection, Updates};
use crate::host::{Unsupported, accounts};
use std::net::SocketAddr;

/// Looks, as this user, without asking for rights.
pub(super) fn look(listen: Option<SocketAddr>) -> Vec<Line> {
    let user = cfg!(unix).then(|| (own_uid() == 0, accounts::name_of(own_uid())));
    lines(user, &protection::look(), listen)
}

/// `user`: whether it is root, and its name; `listen`: where others of the pair must reach this host.
fn lines(
    user: Option<(bool, String)>,
    found: &Result<Protection, Unsupported>,
    listen: Option<SocketAddr>,
) -> Vec<Line> {
    let mut lines = vec![account(user)];
    match found {
        Ok(found) => lines.extend([firewall(found.firewall, listen), logins(found), updates(found.updates)]),
        Err(error) => {
            let text = format!("{error}: look at this host's firewall, logins and updates yourself");
            lines.push(Line { check: "host", level: Level::Unknown, text });
        }
    }
    lines
}

fn account(user: Option<(bool, String)>) -> Line {
    let (level, text) = match user {
        Some((true, _)) => (
            Level::Warning,
            "this runs as root, and so does whatever the assistant runs: give it a user of its own (`adduser openclaw`)"
                .to_owned(),
        ),
        Some((false, name)) => (Level::Good, format!("this runs as {name}, not as root")),
        None => (Level::Unknown, "whether this runs as an administrator is not looked at on this system".to_owned()),
    };
    Line { check: "user", level, text }
}

fn firewall(found: Firewall, listen: Option<SocketAddr>) -> Line {
    let first = listen.map(|listen| format!("`ufw allow from STANDBY to any port {} proto tcp`, ", listen.port()));
    let (level, text) = match found {
        Firewall::Active { by } => (Level::Good, format!("{by} is active")),
        Firewall::Open => (
            Level::Warning,
            format!(
                "nothing on this host refuses what comes in: {}`ufw allow 22/tcp`, then `ufw enable` (what a provider has in \
                 front of it is not seen)",
                first.unwrap_or_default()
            ),
        ),
        Firewall::Unreadable => (
            Level::Unknown,
            "only root can read this host's rules: `sudo nft list ruleset`, or `sudo ufw status`".to_owned(),
        ),
    };
    Line { check: "firewall", level, text }
}

fn logins(found: &Protection) -> Line {
    let (level, text) = match (&found.logins, found.guesses_stopped_by) {
        (Logins::NoServer, _) => (Level::Good, "no OpenSSH server is here".to_owned()),
        (Logins::Keys, _) => (Level::Good, "logins by ssh take a key and no password".to_owned()),
        (Logins::Passwords | Logins::Unreadable { .. }, Some(name)) => {
            (Level::Good, format!("{name} shuts out who guesses passwords"))
        }
        (Logins::Passwords, None) => (
            Level::Warning,
            "logins by ssh take passwords, and nothing stops guessing: `PasswordAuthentication no` and \
             `KbdInteractiveAuthentication no` in /etc/ssh/sshd_config, or install fail2ban"
                .to_owned(),
        ),
        (Logins::Unreadable { path }, None) => (
            Level::Unknown,
            format!(
                "{} cannot be read as this user: see that `sudo sshd -T` says passwordauthentication no",
                path.display()
            ),
        ),
    };
    Line { check: "ssh", level, text }
}

fn updates(found: Updates) -> Line {
    let (level, text) = match found {
        Updates::On { by } => (Level::Good, format!("{by} installs the system's updates")),
        Updates::Off { would: "dnf-automatic" } => (
            Level::Warning,
            "the system's updates do not come by themselves: `dnf install dnf-automatic`, then `systemctl enable --now \
             dnf-automatic-install.timer`"
                .to_owned(),
        ),
        Updates::Off { would } => (
            Level::Warning,
            format!("the system's updates do not come by themselves: `apt install {would}`, then `dpkg-reconfigure {would}`"),
        ),
        Updates::Unknown => {
            (Level::Unknown, "whether this system's updates come by themselves is not known here".to_owned())
        }
    };
    Line { check: "updates", level, text }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn every_line() -> Vec<Line> {
        let good = Protection {
            firewall: Firewall::Active { by: "ufw" },
            logins: Logins::Keys,
            guesses_stopped_by: None,
            updates: Updates::On { by: "unattended-upgrades" },
        };
        let open = Protection {
            firewall: Firewall::Open,
            logins: Logins::Passwords,
            guesses_stopped_by: None,
            updates: Updates::Off { would: "unattended-upgrades" },
        };
        let guarded = Protection {
            firewall: Firewall::Active { by: "nftables" },
            guesses_stopped_by: Some("fail2ban"),
            updates: Updates::Off { would: "dnf-automatic" },
            ..open.clone()
        };
        let unread = Protection {
            firewall: Firewall::Unreadable,
            logins: Logins::Unreadable { path: "/etc/ssh/sshd_config.d/50-cloud-init.conf".into() },
            guesses_stopped_by: None,
            updates: Updates::Unknown,
        };
        let none = Protection { logins: Logins::NoServer, ..good.clone() };
        let user = |root| Some((root, "claw".to_owned()));
        let mut all = Vec::new();
        for found in [good, open, guarded, unread, none] {
            all.extend(lines(user(found.firewall == Firewall::Open), &Ok(found), None));
        }
        all.push(firewall(Firewall::Open, Some(SocketAddr::from(([100, 64, 0, 1], 18_790)))));
        all.extend(lines(None, &Err(Unsupported { what: "looking at firewall, logins and updates" }), None));
        all
    }
}
