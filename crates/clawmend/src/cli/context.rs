//! What every command needs: where things are, and how to ask the guard.

use super::args::Global;
use super::error::{CliError, Kind};
use crate::api::client::{self, AskError};
use crate::api::types::StatusReport;
use crate::api::{Answer, Question, Request};
use crate::host::{dirs, process};
use crate::store::{self, Reader};
use clawmend_core::gateway::GatewayId;
use std::path::PathBuf;

/// Where things are, and what was asked for.
#[derive(Debug)]
pub struct Context {
    pub global: Global,
}

impl Context {
    pub fn new(global: Global) -> Self {
        Self { global }
    }

    pub fn state_dir(&self) -> Result<PathBuf, CliError> {
        Ok(dirs::state_dir()?)
    }

    pub fn question(&self, request: Request) -> Question {
        Question { gateway: self.global.gateway.clone(), request }
    }

    /// Asks the guard; `None` when none runs.
    pub fn ask(&self, request: Request) -> Result<Option<Answer>, CliError> {
        match client::ask(&dirs::runtime_dir()?, &self.question(request)) {
            Ok(answer) => understood(answer).map(Some),
            Err(AskError::NoGuard) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The gateway's assistant has a shell under the same user: what is a person's is refused from inside of a gateway.
    pub fn refuse_from_inside(&self) -> Result<(), CliError> {
        let Some(report) = self.guard_status() else { return Ok(()) };
        for gateway in report.gateways {
            let Some(life) = gateway.incarnation.and_then(|life| process::incarnation_of(life.pid)) else { continue };
            if process::is_descendant(std::process::id(), &life) {
                let message = format!("this shell runs inside the gateway {}", gateway.id.0);
                return Err(CliError::new(Kind::Refused, message).hint("use a shell of your own"));
            }
        }
        Ok(())
    }

    /// What a guard says of all its gateways; `None` when none answers.
    pub fn guard_status(&self) -> Option<StatusReport> {
        let every = Question { gateway: None, request: Request::Status };
        match client::ask(&dirs::runtime_dir().ok()?, &every) {
            Ok(Answer::Status(report)) => Some(report),
            Ok(_) | Err(_) => None,
        }
    }

    /// Asks for many answers.
    pub fn stream(&self, request: Request) -> Result<client::Answers, CliError> {
        Ok(client::stream(&dirs::runtime_dir()?, &self.question(request))?)
    }

    /// The gateway that a wish is meant for while no guard runs: the one that was named, the only one that is
    /// known, or the one that OpenClaw's own variables name.
    pub fn one_gateway(&self) -> Result<GatewayId, CliError> {
        if let Some(gateway) = &self.global.gateway {
            return Ok(gateway.clone());
        }
        let state = self.state_dir()?;
        let mut known = store::known_gateways(&state, Reader::open(&state).ok().as_ref());
        if known.len() > 1 {
            let names = known.iter().map(|gateway| gateway.0.as_str()).collect::<Vec<_>>().join(", ");
            return Err(CliError::new(Kind::Usage, format!("there are several gateways here: {names}"))
                .hint("say which one with --gateway ID"));
        }
        let profile = std::env::var("OPENCLAW_PROFILE").ok().and_then(|name| crate::settings::gateway_id(&name).ok());
        Ok(known.pop().or(profile).unwrap_or_else(|| GatewayId("default".to_owned())))
    }
}

/// Turns the guard's refusals into errors.
pub fn understood(answer: Answer) -> Result<Answer, CliError> {
    match answer {
        Answer::Refused { why } => Err(CliError::new(Kind::Refused, format!("the guard refused: {why}"))),
        Answer::Failed { why } => Err(CliError::new(Kind::Retry, why)),
        Answer::NeedsPerson { why } => Err(CliError::new(Kind::NeedsPerson, why)),
        Answer::NotFound { what, known } => {
            let error = CliError::new(Kind::NotFound, what);
            Err(if known.is_empty() { error } else { error.hint(format!("known here: {}", known.join(", "))) })
        }
        Answer::BadRequest { why } => Err(AskError::NotUnderstood(why).into()),
        answer @ (Answer::Status(_)
        | Answer::Check(_)
        | Answer::Incidents(_)
        | Answer::Incident(_)
        | Answer::Done { .. }
        | Answer::Log { .. }
        | Answer::End) => Ok(answer),
    }
}

/// The guard answered something else than what was asked.
pub fn unexpected() -> CliError {
    AskError::NotUnderstood("it does not fit the question".to_owned()).into()
}

/// No guard runs.
pub fn no_guard() -> CliError {
    AskError::NoGuard.into()
}

/// How the guard of a pair's host or a group's node is begun: a plain `clawmend up` is not what its gateway needs.
pub const BEGIN_NODE: &str =
    "`systemctl --user start clawmend`, or the command that `clawmend standby init` has printed";

/// No guard runs on a host of a pair or of a group.
pub fn no_guard_of_node() -> CliError {
    CliError::new(Kind::NoGuard, AskError::NoGuard.to_string()).hint(format!("start it: {BEGIN_NODE}"))
}

#[cfg(test)]
mod tests {
    use super::super::exit;
    use super::*;

    #[test]
    fn a_no_has_its_exit_code() {
        let why = || "so it is".to_owned();
        for (answer, code) in [
            (Answer::Failed { why: why() }, exit::RETRY),
            (Answer::NeedsPerson { why: why() }, exit::NEEDS_PERSON),
            (Answer::Refused { why: why() }, exit::REFUSED),
        ] {
            assert_eq!(understood(answer).map_err(|error| error.kind.exit_code()), Err(code));
        }
        assert_eq!(understood(Answer::End).map_err(|error| error.kind.exit_code()), Ok(Answer::End));
    }
}
