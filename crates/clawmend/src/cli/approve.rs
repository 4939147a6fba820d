//! `clawmend approve` and `clawmend deny`: a person's word on what waits for it.
//!
//! Invariant: code and passphrase come from a terminal or standard input, never from arguments.

use super::context::{Context, unexpected};
use super::error::{CliError, Kind};
use super::output::{self, clean};
use super::secret::ask_hidden;
use super::words;
use crate::api::request::Passphrase;
use crate::api::types::{GatewayStatus, SCHEMA};
use crate::api::{Answer, Request};
use jiff::tz::TimeZone;
use serde_json::json;
use std::fmt::Write as _;
use std::process::ExitCode;

/// Options of `approve` and `deny`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Which proposal; without it, what waits is shown
    id: Option<u64>,
}

pub(super) fn approve(context: &Context, args: &Args) -> Result<ExitCode, CliError> {
    decide(context, args, true)
}

pub(super) fn deny(context: &Context, args: &Args) -> Result<ExitCode, CliError> {
    decide(context, args, false)
}

fn decide(context: &Context, args: &Args, approve: bool) -> Result<ExitCode, CliError> {
    let waiting = waiting(context)?;
    let Some(proposal) = args.id else { return list(context, &waiting) };
    let known: Vec<u64> = waiting.iter().flat_map(|one| one.approvals.iter().map(|proposal| proposal.id)).collect();
    if !known.contains(&proposal) {
        let known: Vec<String> = known.iter().map(u64::to_string).collect();
        let error = CliError::new(Kind::NotFound, format!("nothing waits under the number {proposal}"));
        return Err(if known.is_empty() { error } else { error.hint(format!("what waits: {}", known.join(", "))) });
    }
    let code = ask_hidden("code of the message")?;
    let passphrase = ask_hidden("passphrase")?;
    let request = Request::Decide {
        proposal,
        approve,
        code: secrecy::ExposeSecret::expose_secret(&code).to_owned(),
        passphrase: Passphrase(passphrase),
    };
    match context.ask(request)? {
        Some(Answer::Done { message }) => {
            if context.global.json {
                output::print_json(&json!({"schema": SCHEMA, "done": true, "message": message}))?;
            } else {
                output::tell(&clean(&message, 300));
            }
            Ok(ExitCode::SUCCESS)
        }
        Some(_) => Err(unexpected()),
        None => Err(super::context::no_guard()),
    }
}

fn waiting(context: &Context) -> Result<Vec<GatewayStatus>, CliError> {
    match context.ask(Request::Status)? {
        Some(Answer::Status(report)) => Ok(report.gateways),
        Some(_) => Err(unexpected()),
        None => Err(super::context::no_guard()),
    }
}

fn list(context: &Context, waiting: &[GatewayStatus]) -> Result<ExitCode, CliError> {
    if context.global.json {
        let all: Vec<_> = waiting
            .iter()
            .flat_map(|one| one.approvals.iter().map(|proposal| json!({"gateway": one.id.0, "proposal": proposal})))
            .collect();
        output::print_json(&json!({"schema": SCHEMA, "waiting": all}))?;
        return Ok(ExitCode::SUCCESS);
    }
    let zone = TimeZone::system();
    let mut text = String::new();
    for (gateway, proposal) in waiting.iter().flat_map(|one| one.approvals.iter().map(move |proposal| (one, proposal)))
    {
        let pid = proposal.pid.map_or_else(String::new, |pid| format!(", process {pid}"));
        let _ = writeln!(
            text,
            "{}  {}: {} ({}){pid}, until {}",
            proposal.id,
            gateway.id.0,
            clean(&proposal.action, 64).replace('_', " "),
            clean(&proposal.reason, 300),
            words::time(proposal.until, &zone)
        );
    }
    if text.is_empty() {
        text.push_str("nothing waits for your word\n");
    }
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}
