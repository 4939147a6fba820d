//! `clawmend standby check`: what covers a machine that is paused as a whole, by the present setting.
//!
//! Nothing on the machine itself does: its guard, its keeper and the kernel's timers stand still with the gateway. So where
//! nothing covers it, that is said plainly.

use super::{Level, Line};
use crate::host::Unsupported;
use crate::host::trust::{Flaw, flaw_of};
use crate::settings::{FenceHook, SharedSettings};
use clawmend_core::failover::lease::PausePolicy;

pub(super) fn look(settings: &SharedSettings) -> Line {
    let hook = settings.fence.as_ref().map(|hook| (hook, flaw_of(&hook.program)));
    let (level, text) = match (settings.paused, hook) {
        (PausePolicy::ExternalFence, Some((hook, flaw))) => with_hook(hook, flaw),
        // The settings do not parse like that.
        (PausePolicy::ExternalFence, None) => (Level::Bad, "no fence_command is set".to_owned()),
        (PausePolicy::Manual, _) => (Level::Good, MANUAL.to_owned()),
        (PausePolicy::ResidualWindow, _) => (Level::Warning, RESIDUAL.to_owned()),
    };
    Line { check: "paused", level, text }
}

const MANUAL: &str = "a machine that is paused as a whole is covered by you: nobody takes over from one that never gave its lease \
     back, until you have seen that it is off and say `clawmend standby promote --off NODE`";
const RESIDUAL: &str = "NOTHING covers a machine that is paused as a whole: another node takes over all the same, and when the first \
     one wakes there are two owners for a moment, which may answer the same message; `paused = \"manual\"` waits for your word \
     instead, \"external_fence\" for a hook that turns the machine off";

fn with_hook(hook: &FenceHook, flaw: Result<Option<Flaw>, Unsupported>) -> (Level, String) {
    let program = hook.program.display();
    let flaw = match flaw {
        Ok(flaw) => flaw,
        Err(error) => return (Level::Unknown, format!("{program} turns a paused machine off, and {error}")),
    };
    let wrong = match flaw {
        None => {
            let seconds = hook.timeout_ms.div_ceil(1_000);
            let text = format!(
                "a machine that is paused as a whole is covered by {program}: nobody takes over before it has said, within \
                 {seconds} s, that the machine is off; whether it does is only known when it was tried"
            );
            return (Level::Good, text);
        }
        Some(Flaw::Missing) => "is not there".to_owned(),
        Some(Flaw::NoFile) => "is no file".to_owned(),
        Some(Flaw::NotExecutable) => "cannot be run as this user: `chmod u+x` it".to_owned(),
        Some(Flaw::Open { path }) => format!(
            "could be replaced by others, who may then turn machines off: give {} to root or to this user, and \
             `chmod go-w` it",
            path.display()
        ),
    };
    (
        Level::Bad,
        format!("{program}, which is to turn a paused machine off, {wrong}; until then nobody takes over from one"),
    )
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::settings::parse;
    use std::path::Path;

    pub fn settings(more: &str) -> SharedSettings {
        let text = format!(
            "[shared]\ngroup = \"home\"\nnodes = [\"attic\", \"cellar\", \"cloud\"]\nnode = \"cellar\"\n{more}\n\
             [shared.etcd]\nendpoints = [\"http://10.0.0.3:2379\"]\n"
        );
        parse(Path::new("clawmend.toml"), &text).unwrap().shared.unwrap()
    }

    pub fn every_line() -> Vec<Line> {
        let hook = settings("paused = \"external_fence\"\nfence_command = [\"/usr/local/sbin/off\"]").fence.unwrap();
        let flaws = [
            Ok(None),
            Ok(Some(Flaw::Missing)),
            Ok(Some(Flaw::NoFile)),
            Ok(Some(Flaw::NotExecutable)),
            Ok(Some(Flaw::Open { path: "/usr/local/sbin".into() })),
            Err(Unsupported { what: "looking at who may change a program" }),
        ];
        let said = flaws.map(|flaw| with_hook(&hook, flaw)).map(|(level, text)| Line { check: "paused", level, text });
        let by_setting = ["", "paused = \"residual_window\""].map(|paused| look(&settings(paused)));
        by_setting.into_iter().chain(said).collect()
    }
}
