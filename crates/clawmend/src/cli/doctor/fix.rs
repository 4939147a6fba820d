//! `doctor --fix`: has done what the found case allows, and says whether it helped.
//!
//! Invariant: a person says yes to the very step first, in a shell outside of the gateway; what is done goes the way of
//! the command that does it alone (`restart`, `start`, `config restore`), through the same check; what a person has
//! stopped or paused stays so. Start at [`fix`].

use super::super::config;
use super::super::consent;
use super::super::context::{Context, no_guard, unexpected};
use super::super::error::{CliError, Kind};
use super::super::output::{self, clean};
use super::{Found, of};
use crate::api::types::GatewayStatus;
use crate::api::{Answer, Request};
use crate::doctor::report::{FixReport, name};
use crate::openclaw::discovery::Home;
use clawmend_core::diagnosis::case::RemedyAction;
use clawmend_core::health::Verdict;
use std::time::{Duration, Instant};

/// How long a gateway may take until it serves: boots of minutes were seen on small servers.
const PATIENCE: Duration = Duration::from_secs(300);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// What a person's own command can do. The smaller steps are the guard's: it knows when they are safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Start,
    Restart,
    RestoreConfig,
}

impl Step {
    const fn of(action: RemedyAction) -> Option<Self> {
        match action {
            RemedyAction::Start => Some(Self::Start),
            RemedyAction::Restart => Some(Self::Restart),
            RemedyAction::RestoreConfig => Some(Self::RestoreConfig),
            RemedyAction::StartChannel
            | RemedyAction::ReloadSecrets
            | RemedyAction::FreeOwnLogs
            | RemedyAction::QuarantineLock
            | RemedyAction::Tell => None,
        }
    }

    const fn action(self) -> RemedyAction {
        match self {
            Self::Start => RemedyAction::Start,
            Self::Restart => RemedyAction::Restart,
            Self::RestoreConfig => RemedyAction::RestoreConfig,
        }
    }
}

/// Does the first step of the first cause that a person's command can do, and waits until the gateway is judged.
///
/// # Errors
/// Nothing was found or can be done ([`Kind::NeedsPerson`]), the person did not say yes ([`Kind::Refused`]), or it did
/// not help in time ([`Kind::Retry`]).
pub(super) fn fix(context: &Context, yes: bool, found: &Found<'_>) -> Result<FixReport, CliError> {
    context.refuse_from_inside()?;
    let (home, seen) = the_gateway(context, found)?;
    let id = clean(&home.id.0, 64);
    match seen.verdict {
        Verdict::Healthy => {
            output::tell(&format!("{id} is healthy; nothing is done"));
            return Ok(FixReport { action: None, done: false, verdict: Some(seen.verdict) });
        }
        Verdict::Stopped | Verdict::Paused => {
            let how = if seen.verdict == Verdict::Paused { "clawmend resume" } else { "clawmend start" };
            let message = format!("{id} is {}, by a person's wish", seen.verdict.name());
            return Err(CliError::new(Kind::Refused, message).hint(format!("`{how}` ends that")));
        }
        Verdict::Starting
        | Verdict::Draining
        | Verdict::Degraded
        | Verdict::Suspect
        | Verdict::Down
        | Verdict::Unknown => {}
    }
    let step = step_of(found)?;
    confirm(step, &id, yes)?;
    carry_out(context, home, step)?;
    let verdict = judged(context, home)?;
    Ok(FixReport { action: Some(name(&step.action())), done: true, verdict: Some(verdict) })
}

/// The one gateway that is meant, as a guard sees it: without one nobody would prove that it helped.
fn the_gateway<'a>(context: &'a Context, found: &'a Found<'_>) -> Result<(&'a Home, &'a GatewayStatus), CliError> {
    let mut wanted = found.around.wanted(context);
    let Some((home, seen)) = wanted.next() else {
        return Err(CliError::new(Kind::NotFound, "no OpenClaw gateway was found here"));
    };
    if wanted.next().is_some() {
        let error = CliError::new(Kind::Usage, "there are several gateways here");
        return Err(error.hint("say which one with --gateway ID"));
    }
    let hint = "it mends by itself what is safe; `clawmend config restore` works without a guard";
    Ok((home, seen.ok_or_else(|| no_guard().hint(hint))?))
}

fn step_of(found: &Found<'_>) -> Result<Step, CliError> {
    let Some(first) = found.diagnosis.causes.first() else {
        let error = CliError::new(Kind::NeedsPerson, "no known cause was found, so nothing was done");
        return Err(error.hint("`clawmend doctor --ai` asks an AI that you have named"));
    };
    let remedies = found.library.cases.get(first.case).map_or(&[][..], |case| &case.remedies);
    if let Some(step) = remedies.iter().find_map(|remedy| Step::of(remedy.action)) {
        return Ok(step);
    }
    if remedies.iter().any(|remedy| remedy.action != RemedyAction::Tell) {
        let message = "the guard does what this case allows by itself, once it is safe; nothing more was done";
        return Err(CliError::new(Kind::NeedsPerson, message).hint("`clawmend approve` shows what waits for your word"));
    }
    Err(CliError::new(Kind::NeedsPerson, "only a person can mend this; what to do is said above"))
}

/// A yes to this very step.
fn confirm(step: Step, id: &str, yes: bool) -> Result<(), CliError> {
    let what = step.action().in_words();
    consent::ask(&format!("{id}: {what}"), &format!("it would: {what}"), yes)
}

fn carry_out(context: &Context, home: &Home, step: Step) -> Result<(), CliError> {
    let request = match step {
        Step::RestoreConfig => return config::restore_proven(context, home.clone()),
        Step::Restart => Request::Restart,
        Step::Start => Request::Start,
    };
    let Answer::Done { message } = context.ask(request)?.ok_or_else(no_guard)? else { return Err(unexpected()) };
    output::tell(&clean(&message, 1000));
    Ok(())
}

/// Waits until the guard calls it healthy.
fn judged(context: &Context, home: &Home) -> Result<Verdict, CliError> {
    let begun = Instant::now();
    let mut last = Verdict::Unknown;
    output::tell("waiting until the guard has seen it well …");
    while begun.elapsed() < PATIENCE {
        // A pause comes first: what was asked for takes effect at the guard's next turn.
        std::thread::sleep(PAUSE);
        let Some(Answer::Status(status)) = context.ask(Request::Status)? else { return Err(no_guard()) };
        last = of(&status, home).map_or(Verdict::Unknown, |seen| seen.verdict);
        if last == Verdict::Healthy {
            let id = clean(&home.id.0, 64);
            output::tell(&format!("{id} is healthy, {:.0} s after the step", begun.elapsed().as_secs_f64()));
            return Ok(last);
        }
    }
    let message = format!("it was done, and the gateway is {} after {} s", last.name(), PATIENCE.as_secs());
    Err(CliError::new(Kind::Retry, message).hint("`clawmend doctor` looks again; `clawmend incidents` has the record"))
}
