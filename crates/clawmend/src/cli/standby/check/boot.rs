//! `clawmend standby check`: whether the service manager starts the gateway by itself.
//!
//! A gateway that comes up with its host carries before anybody has decided that it should: beside a primary that lives,
//! or without a lease.

use super::{Level, Line};
use crate::openclaw::discovery::Home;
use crate::service::at_boot::{Enabled, enabled};
use crate::service::{Manager, ServiceError};

/// OpenClaw's own unit for any profile (`openclaw gateway install`), and the one of the failover-gateway document.
const OF_OPENCLAW: (&str, &str) = ("openclaw-gateway", "openclaw.service");

/// What this host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A standby whose gateway is off while it stands by.
    Cold,
    /// A standby whose gateway runs with its channels off.
    Warm,
    /// A node of a shared group.
    Node,
}

/// `unit`: what the settings call the unit of this gateway.
pub(super) fn look(home: &Home, unit: Option<&str>, part: Part) -> Line {
    let own = unit.map_or_else(|| home.systemd_unit(), str::to_owned);
    let is_gateway = |name: &str| {
        let of_profile = name.starts_with(OF_OPENCLAW.0) && name.ends_with(".service");
        name == own || name == OF_OPENCLAW.1 || of_profile
    };
    line(enabled(&home.user_home, &is_gateway), &own, part)
}

fn line(found: Result<Vec<Enabled>, ServiceError>, own: &str, part: Part) -> Line {
    let check = "boot";
    let Ok(found) = found else {
        let text = "what starts with a boot or a login is not looked at on this system: see that no gateway does";
        return Line { check, level: Level::Unknown, text: text.to_owned() };
    };
    // One of another profile may be meant to run here; the document's has no profile.
    let ours = |one: &&Enabled| one.unit.as_str() == own || one.unit.as_str() == OF_OPENCLAW.1;
    let Some(first) = found.iter().find(ours).or(found.first()) else {
        return Line { check, level: Level::Good, text: "no gateway starts with this host by itself".to_owned() };
    };
    let (name, stop) = (first.unit.as_str(), disabling(first));
    let (level, text) = match part {
        Part::Warm if ours(&first) => {
            (Level::Good, format!("{name} starts with this host, with its channels off, for this standby is warm"))
        }
        Part::Node if ours(&first) => (
            Level::Bad,
            format!("{name} starts with this host, without a lease: a second owner of the same channels; {stop}"),
        ),
        Part::Cold if ours(&first) => (
            Level::Bad,
            format!("{name} starts with this host, although a standby's gateway is off until it takes over; {stop}"),
        ),
        Part::Cold | Part::Warm | Part::Node => {
            (Level::Warning, format!("{name} starts with this host; if it has the same channels, {stop}"))
        }
    };
    Line { check, level, text }
}

fn disabling(one: &Enabled) -> String {
    let user = if one.manager == Manager::SystemdUser { "--user " } else { "" };
    format!("`systemctl {user}disable {}`", one.unit.as_str())
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::service::{UnitName, launchd};

    pub fn every_line() -> Vec<Line> {
        let own = "openclaw-gateway.service";
        let one = |name: &str, manager| Enabled { unit: UnitName::parse(name).unwrap(), manager };
        let own_one = || vec![one(own, Manager::SystemdUser)];
        let other = || vec![one("openclaw-gateway-work.service", Manager::SystemdSystem)];
        let both = || vec![other().remove(0), one("openclaw.service", Manager::SystemdSystem)];
        vec![
            line(Ok(Vec::new()), own, Part::Cold),
            line(Ok(own_one()), own, Part::Cold),
            line(Ok(own_one()), own, Part::Warm),
            line(Ok(own_one()), own, Part::Node),
            line(Ok(other()), own, Part::Cold),
            line(Ok(other()), own, Part::Node),
            line(Ok(both()), own, Part::Cold),
            line(Err(launchd::unsupported()), own, Part::Cold),
        ]
    }
}
