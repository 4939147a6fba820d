//! What we may do to a unit, and how a person can allow it.
//!
//! Invariant: the manager itself is asked, with a call that changes nothing: an empty list of properties to set. It
//! is allowed by the same action of polkit, with the same details, as the calls that act (`manage-units`; read in
//! systemd 252, `bus_unit_method_set_properties`), so a rule for this unit alone shows, too.

use super::super::{Manager, Restriction, UnitName};
use super::bus::{MANAGER, SYSTEMD, SYSTEMD_PATH, call};
use crate::host::accounts;
use zbus::{Message, Variant};

/// Whether calls need no permission of their own: one's own manager, or root.
pub fn acts_without_asking(manager: &Manager) -> bool {
    *manager != Manager::SystemdSystem || rustix::process::geteuid().is_root()
}

/// The call that only tells whether a call would be allowed.
pub fn question(unit: &str) -> zbus::Result<Message> {
    let nothing: Vec<(&str, Variant<'_>)> = Vec::new();
    call(SYSTEMD, SYSTEMD_PATH, MANAGER, "SetUnitProperties", &(unit, true, nothing))
}

/// Whether an error says that we may not.
pub fn denies(error: &str) -> bool {
    let name = error.rsplit_once('.').map_or(error, |(_, name)| name);
    matches!(name, "AccessDenied" | "InteractiveAuthorizationRequired" | "AuthFailed")
}

/// Why we may only look, and what a person can do.
pub fn restriction(manager: &Manager, unit: &UnitName) -> Restriction {
    let unit = unit.as_str();
    if *manager != Manager::SystemdSystem {
        return Restriction { reason: format!("not allowed to manage {unit} in this user's systemd"), rule: None };
    }
    let user = accounts::name_of(rustix::process::geteuid().as_raw());
    Restriction {
        reason: format!("{unit} belongs to the system's systemd, and no polkit rule lets {user} manage it"),
        rule: Some(polkit_rule(unit, &user)),
    }
}

/// Contents for a file such as `/etc/polkit-1/rules.d/50-clawmend.rules` (polkit 0.106 and later).
fn polkit_rule(unit: &str, user: &str) -> String {
    let (unit, user) = (quoted(unit), quoted(user));
    format!(
        "polkit.addRule(function(action, subject) {{\n    \
         if (action.id == \"org.freedesktop.systemd1.manage-units\" &&\n        \
         action.lookup(\"unit\") == {unit} && subject.user == {user}) {{\n        \
         return polkit.Result.YES;\n    }}\n}});\n"
    )
}

/// As a string of JavaScript.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for char in text.chars().filter(|char| !char.is_control()) {
        if matches!(char, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(char);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_names_one_unit_and_one_user() {
        insta::assert_snapshot!(polkit_rule("openclaw-gateway.service", "claw"), @r#"
        polkit.addRule(function(action, subject) {
            if (action.id == "org.freedesktop.systemd1.manage-units" &&
                action.lookup("unit") == "openclaw-gateway.service" && subject.user == "claw") {
                return polkit.Result.YES;
            }
        });
        "#);
        assert!(polkit_rule("a\\x2db.service", "x\"y").contains(r#""a\\x2db.service" && subject.user == "x\"y""#));
    }

    #[test]
    fn a_denial_is_known_by_its_name() {
        assert!(denies("org.freedesktop.DBus.Error.AccessDenied"));
        assert!(denies("org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"));
        assert!(!denies("org.freedesktop.systemd1.NoSuchUnit"));
    }
}
