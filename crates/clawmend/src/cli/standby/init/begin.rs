//! How the guard of this host is begun: by hand, or as a service whose unit is written here.

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::output;
use crate::daemon::setup;
use crate::openclaw::discovery::Home;
use crate::service::own_unit::{self, OwnUnit, Written};
use crate::settings::Settings;
use std::path::Path;

/// Variables that say where things are, and in which language people are told. A service does not have those of a login.
const WHERE: [&str; 13] = [
    "PATH",
    "LANG",
    "LC_ALL",
    "LC_MESSAGES",
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
    "CLAWMEND_CONFIG",
    "CLAWMEND_STATE_DIR",
    "CLAWMEND_RUNTIME_DIR",
    "OPENCLAW_HOME",
    "OPENCLAW_PROFILE",
    "OPENCLAW_STATE_DIR",
    "OPENCLAW_CONFIG_PATH",
];

/// For the guide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begin {
    /// What a person types.
    by_hand: String,
    /// There is a unit for it.
    has_unit: bool,
}

impl Begin {
    /// Sees what this host has, and writes the unit where that is wanted and a systemd could run it.
    ///
    /// # Errors
    /// The name of this program is not known.
    pub fn prepare(context: &Context, settings: &Settings, wanted: bool) -> Result<Self, CliError> {
        let home =
            setup::homes_here(context.global.gateway.as_ref(), settings).ok().and_then(|all| all.into_iter().next());
        let runs_it = settings.shared.is_some() || !home.as_ref().is_some_and(|home| has_service(home, settings));
        let profile = home.as_ref().and_then(|home| home.profile.as_deref());
        let arguments = arguments(context.global.config.as_deref(), runs_it, profile);
        let said = home.as_ref().filter(|_| runs_it).map(|home| said_of(home, settings)).unwrap_or_default();
        let mut begin = Self { by_hand: by_hand(&said, &arguments), has_unit: false };
        if let Some(home) = home.filter(|_| wanted && own_unit::is_possible()) {
            begin.has_unit = true;
            match own_unit::write(&home.user_home, &unit(said, &arguments)?) {
                Ok(Written::New(path)) => output::tell(&format!("written to {}", path.display())),
                Ok(Written::Before(path)) => output::tell(&format!("{} is there already, and stays", path.display())),
                // The settings are written by then, and the guide is needed all the more.
                Err(error) => {
                    begin.has_unit = false;
                    output::tell(&format!("the guard's unit cannot be written, so it is begun by hand: {error}"));
                }
            }
        }
        Ok(begin)
    }

    /// A step of a guide, without its number.
    pub fn step(&self) -> String {
        let by_hand = &self.by_hand;
        if !self.has_unit {
            return format!("Start the guard: {by_hand}");
        }
        format!(
            "\
Start the guard, now and whenever this host starts; logged in as this user, not by `su`:
     loginctl enable-linger
     systemctl --user daemon-reload && systemctl --user enable --now clawmend
     The first one lets it run while you are not logged in. By hand it is: {by_hand}"
        )
    }

    /// Where one may run already, which does not know its new settings yet.
    pub fn again(&self) -> &'static str {
        if self.has_unit {
            "One that runs already needs its new settings: systemctl --user restart clawmend, or Ctrl-C and its command once \
             more.\n     The gateway goes on meanwhile."
        } else {
            "One that runs already needs its new settings: Ctrl-C, and this once more. The gateway goes on meanwhile."
        }
    }
}

/// OpenClaw has a service of its own here, which the guard finds and keeps.
fn has_service(home: &Home, settings: &Settings) -> bool {
    let entry = settings.gateways.iter().find(|entry| entry.id == home.id);
    setup::unit_of(home, entry).is_some()
}

/// Where a person's `[[gateway]]` says that it is. A guard that is given the gateway's command looks there, and not into
/// its settings.
fn said_of(home: &Home, settings: &Settings) -> Vec<(String, String)> {
    let Some(entry) = settings.gateways.iter().find(|entry| entry.id == home.id) else { return Vec::new() };
    let said = [("OPENCLAW_STATE_DIR", &entry.state_dir), ("OPENCLAW_CONFIG_PATH", &entry.config)];
    said.into_iter().filter_map(|(name, path)| Some((name.to_owned(), path.as_ref()?.display().to_string()))).collect()
}

/// `profile`: another one than OpenClaw's default.
fn arguments(config: Option<&Path>, runs_it: bool, profile: Option<&str>) -> Vec<String> {
    let mut arguments = Vec::new();
    if let Some(config) = config {
        let config = std::path::absolute(config).unwrap_or_else(|_| config.to_owned());
        arguments.extend(["--config".to_owned(), config.display().to_string()]);
    }
    arguments.push("run".to_owned());
    if runs_it {
        arguments.extend(["--", "openclaw"].map(str::to_owned));
        arguments.extend(profile.into_iter().flat_map(|profile| ["--profile".to_owned(), profile.to_owned()]));
        arguments.extend(["gateway", "run"].map(str::to_owned));
    }
    arguments
}

fn by_hand(said: &[(String, String)], arguments: &[String]) -> String {
    let said = said.iter().map(|(name, value)| format!("{name}={}", shell(value)));
    let words: Vec<String> =
        said.chain(std::iter::once("clawmend".to_owned())).chain(arguments.iter().map(|word| shell(word))).collect();
    words.join(" ")
}

/// As a shell takes it.
pub fn shell(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-:=,+@".contains(letter);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

fn unit(said: Vec<(String, String)>, arguments: &[String]) -> Result<OwnUnit, CliError> {
    let program = std::env::current_exe()?.display().to_string();
    let variable =
        |name: &&str| Some(((*name).to_owned(), std::env::var(name).ok().filter(|value| !value.is_empty())?));
    let is_said = |name: &&&str| said.iter().any(|(known, _)| known == **name);
    let mut variables: Vec<(String, String)> =
        WHERE.iter().filter(|name| !is_said(name)).filter_map(variable).collect();
    variables.extend(said);
    Ok(OwnUnit { command: std::iter::once(program).chain(arguments.iter().cloned()).collect(), variables })
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// On a host with a systemd and no service of OpenClaw's, and on one without.
    pub fn both() -> [Begin; 2] {
        let by_hand = by_hand(&[], &arguments(None, true, None));
        [true, false].map(|has_unit| Begin { by_hand: by_hand.clone(), has_unit })
    }

    #[test]
    fn what_is_typed_is_taken_as_it_is() {
        let arguments = arguments(Some(Path::new("/a b/it's.toml")), false, Some("work"));
        assert_eq!(by_hand(&[], &arguments), r"clawmend --config '/a b/it'\''s.toml' run");
    }

    #[test]
    fn the_gateway_of_the_settings_is_the_one_that_is_run() {
        let text = "[[gateway]]\nid = \"work\"\nstate_dir = \"/data/claw of mine\"\n";
        let settings = crate::settings::parse(Path::new("clawmend.toml"), text).unwrap();
        let home = setup::homes_here(None, &settings).unwrap().remove(0);
        let said = said_of(&home, &settings);
        let typed = by_hand(&said, &arguments(None, true, home.profile.as_deref()));
        assert_eq!(
            typed,
            "OPENCLAW_STATE_DIR='/data/claw of mine' clawmend run -- openclaw --profile work gateway run"
        );
        let unit = unit(said, &[]).unwrap();
        assert!(unit.variables.contains(&("OPENCLAW_STATE_DIR".to_owned(), "/data/claw of mine".to_owned())));
    }
}
