//! The command line.

use super::{
    approve, bundle, cases, check, completions, config, doctor, drill, duration, help, incidents, keeper, logs, notify,
    pair, pause, run, standby, stop, up,
};
use clap::{Parser, Subcommand};
use clawmend_core::gateway::GatewayId;
use std::path::PathBuf;

/// Keeps OpenClaw gateways working: sees a fault in a second, mends it, and tells you what it did.
///
/// The first time: `clawmend up` guards the gateway that is here, `clawmend up --sandbox` shows all of it on a
/// throwaway gateway.
#[derive(Debug, Parser)]
#[command(
    name = "clawmend",
    version = crate::version::VERSION,
    disable_help_subcommand = true,
    after_help = "Exit codes are explained by `clawmend help exit-codes`.",
    max_term_width = 100
)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
}

/// Options of every command.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Global {
    /// Only this gateway: `default`, or the name of its OpenClaw profile
    #[arg(long, global = true, value_name = "ID", value_parser = crate::settings::gateway_id)]
    pub gateway: Option<GatewayId>,
    /// Answer in JSON, for scripts
    #[arg(long, global = true)]
    pub json: bool,
    /// Use these settings instead of the usual clawmend.toml
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Guard what is here, and tell what happens
    Up(up::Args),
    /// Run the guard in the foreground, for a service or a container
    Run(run::Args),
    /// Show how the gateways are, and what the guard does next
    Status,
    /// Take one look; the exit code says what was found
    Check(check::Args),
    /// Restart the gateway in order, now
    Restart,
    /// Keep the guard's hands off, until `resume` or for a time
    Pause(pause::Args),
    /// End a pause; what you stopped stays stopped
    Resume,
    /// Stop the gateway and keep it stopped
    Stop(stop::Args),
    /// Let the gateway run again after a stop
    Start,
    /// List what went wrong and what was done
    Incidents(incidents::Args),
    /// Find out what is wrong: from your words, a log, or the gateway here
    Doctor(doctor::Args),
    /// Show and extend what the doctor knows
    Cases(cases::Args),
    /// Write the redacted evidence of an incident, or of now, for a person
    Bundle(bundle::Args),
    /// Show the gateway's log
    Logs(logs::Args),
    /// Approve what waits for your word, or show it
    Approve(approve::Args),
    /// Deny what waits for your word
    Deny(approve::Args),
    /// Set the passphrase that `approve` asks for, or pair the guard's own bot with you
    Pair(pair::Args),
    /// Say who is told of trouble, and try whether it arrives
    Notify(notify::Args),
    /// Have another host carry on when this one is lost
    Standby(standby::Args),
    /// Try for real what must work one day
    Drill(drill::Args),
    /// Check, keep, compare and bring back the gateway's config
    Config(config::Args),
    /// Print a completion script for your shell
    Completions(completions::Args),
    /// Explain a command, or the exit codes
    Help(help::Args),
    /// Hold a supervised gateway (started by the guard itself)
    #[command(hide = true)]
    Keeper(keeper::KeeperArgs),
    /// Be PID 1 of a container: hold the gateway, keep the guard running
    #[command(hide = true)]
    Init(keeper::InitArgs),
}

pub(super) fn duration_value(text: &str) -> Result<u64, String> {
    duration::parse(text)
}
