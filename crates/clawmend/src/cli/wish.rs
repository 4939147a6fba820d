//! What a person wants, brought to the guard; while none runs it is kept for the next one.

use super::context::{Context, no_guard, unexpected};
use super::error::{CliError, Kind};
use super::output;
use crate::api::{Answer, Request};
use crate::host::clock;
use crate::store::{WaitingWish, wishes};
use clawmend_core::wish::Wish;
use serde::Serialize;
use std::process::ExitCode;

/// Whether a wish has its full effect by being on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithoutGuard {
    /// Yes: there is nobody to hold back.
    Done,
    /// No: somebody must still act on the gateway.
    Recorded,
}

#[derive(Serialize)]
struct Told<'a> {
    schema: u32,
    done: bool,
    guard_running: bool,
    message: &'a str,
}

/// Brings it to the guard, and says what came of it.
pub fn bring(context: &Context, request: Request, kept: &Wish, alone: WithoutGuard) -> Result<ExitCode, CliError> {
    if let Some(answer) = context.ask(request.clone())? {
        return done(context, answer);
    }
    let gateway = context.one_gateway()?;
    let state = context.state_dir()?;
    wishes::add_waiting(&state, &gateway, WaitingWish { at: clock::now().wall, wish: kept.clone() }).map_err(
        |error| {
            CliError::new(Kind::Retry, format!("no guard is running, and the wish could not be written down: {error}"))
                .hint(format!("make {} writable, then say it again", state.display()))
        },
    )?;
    // A guard that began between the question and the note has read the notes already.
    if let Some(answer) = context.ask(request)? {
        let answered = done(context, answer)?;
        wishes::remove_waiting(&state, &gateway)?;
        return Ok(answered);
    }
    let message = format!("no guard is running; written down for `{}`, and the next guard obeys it", gateway.0);
    match alone {
        WithoutGuard::Done => {
            say(context, &message, false, true)?;
            Ok(ExitCode::SUCCESS)
        }
        WithoutGuard::Recorded => {
            if context.global.json {
                say(context, &message, false, false)?;
            }
            Err(CliError { message, ..no_guard() }.hint("until then nobody starts or stops the gateway for you"))
        }
    }
}

/// Says what the guard did.
pub fn done(context: &Context, answer: Answer) -> Result<ExitCode, CliError> {
    let Answer::Done { message } = answer else { return Err(unexpected()) };
    say(context, &message, true, true)?;
    Ok(ExitCode::SUCCESS)
}

fn say(context: &Context, message: &str, guard_running: bool, done: bool) -> Result<(), CliError> {
    if context.global.json {
        output::print_json(&Told { schema: crate::api::types::SCHEMA, done, guard_running, message })
    } else {
        output::tell(&output::clean(message, 1000));
        Ok(())
    }
}
