//! `clawmend standby`: this host as one of a pair.

mod check;
mod init;
mod shared;
mod show;
mod stores;

pub(super) use check::hindrance;
pub(super) use shared::page as shared_page;
pub(super) use show::render as page;

use super::config::settings;
use super::context::{Context, no_guard_of_node};
use super::error::{CliError, Kind};
use super::wish;
use crate::api::Request;
use crate::failover::key;
use crate::settings::{Side, StandbySettings, private_address};
use clawmend_core::failover::Order;
use init::{ChannelArgs, GroupArgs};
use shared::Said;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Options of `standby`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum What {
    /// Show this node's role, and what it sees of the other one
    Status,
    /// Look whether all is ready, that no channel has two owners, and how this host is guarded against others
    Check,
    /// Make this host one of a pair, or a node of a shared group: write the settings, say what is left to do
    Init(Box<InitArgs>),
    /// Take over now, and go on until `release`; in a shared group: as soon as the lease is free
    Promote(PromoteArgs),
    /// In a shared group: finish the work, and hand the channels over to another node
    Handover(HandoverArgs),
    /// Step back now, and stay there until `release`
    Demote,
    /// Stay as you are until `release`
    Hold,
    /// Decide by yourself again
    Release,
}

#[derive(Clone, Debug, clap::Args)]
pub struct PromoteArgs {
    /// In a shared group: I have seen to it that this machine is off. Once for each that `standby status` names
    #[arg(long, value_name = "NODE")]
    off: Vec<String>,
}

#[derive(Clone, Debug, clap::Args)]
pub struct HandoverArgs {
    /// To this node; else to whichever comes first
    #[arg(long, value_name = "NODE")]
    to: Option<String>,
}

#[derive(Clone, Debug, clap::Args)]
pub struct InitArgs {
    /// Which of the two this host is
    #[arg(long, value_enum, required_unless_present = "shared", conflicts_with = "shared")]
    side: Option<SideArg>,
    /// On the primary: the address of the private network that its guard answers on, such as 100.64.0.1:18790; on a standby
    /// that others come after: the same
    #[arg(long, value_name = "ADDRESS", required_if_eq("side", "primary"), conflicts_with = "shared", value_parser = address)]
    listen: Option<SocketAddr>,
    /// On the standby: the primary's address
    #[arg(long, value_name = "ADDRESS", required_if_eq("side", "standby"), conflicts_with = "shared", value_parser = address)]
    peer: Option<SocketAddr>,
    /// On a standby: it takes over only where the standby that answers at this address does not. Once for each
    #[arg(long, value_name = "ADDRESS", requires = "peer", value_parser = address)]
    after: Vec<SocketAddr>,
    /// Look every half second instead of every 10 s; with --shared: a lease of 5 s instead of 15 s
    #[arg(long)]
    fast: bool,
    /// On the standby, or on a node with --shared: its gateway runs while it stands by, with its channels off; quicker, and
    /// about 1 GB of memory
    #[arg(long)]
    warm: bool,
    /// Write no unit for the guard; without this, a user's systemd gets one, which is not enabled by it
    #[arg(long)]
    no_service: bool,
    #[command(flatten)]
    channel: ChannelArgs,
    /// Make this host a node of a shared group instead: the same channels on whichever node holds a lease
    #[arg(long, requires = "node", requires = "nodes", requires = "store")]
    shared: bool,
    #[command(flatten)]
    group: GroupArgs,
}

/// As the settings take it.
fn address(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse().map_err(|_| {
        "an address and a port are needed, such as 100.64.0.1:18790; a name is not enough, for the name server may be lost \
         together with the other host"
            .to_owned()
    })?;
    private_address(address)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum SideArg {
    Primary,
    Standby,
}

pub(super) fn standby(context: &Context, args: &Args) -> Result<ExitCode, CliError> {
    match &args.what {
        None | Some(What::Status) => show::show(context),
        Some(What::Check) => check::check(context),
        Some(What::Init(args)) => init::init(context, args),
        Some(What::Promote(args)) => say(context, &Said::Promote(&args.off), Some(Order::Promote)),
        Some(What::Handover(args)) => say(context, &Said::HandOver(args.to.as_deref()), None),
        Some(What::Demote) => say(context, &Said::Demote, Some(Order::Demote)),
        Some(What::Hold) => say(context, &Said::Hold, Some(Order::Hold)),
        Some(What::Release) => say(context, &Said::Release, Some(Order::Release)),
    }
}

/// To the node of a shared group, or to the standby of a pair.
fn say(context: &Context, said: &Said<'_>, to_a_pair: Option<Order>) -> Result<ExitCode, CliError> {
    let settings = settings(context)?;
    if let Some(group) = settings.shared {
        return shared::say(context, &group, said);
    }
    match (said, to_a_pair) {
        (Said::HandOver(_), _) if settings.standby.is_none() => Err(none()),
        (Said::Promote(off), _) if !off.is_empty() => Err(not_for_a_pair("--off is for a shared group")),
        (_, Some(wanted)) => order(context, wanted),
        (_, None) => Err(not_for_a_pair("a pair hands over by itself")),
    }
}

fn not_for_a_pair(why: &str) -> CliError {
    CliError::new(Kind::Usage, format!("{why}, and the settings have no [shared]"))
}

fn order(context: &Context, order: Order) -> Result<ExitCode, CliError> {
    match context.ask(Request::Standby { order })? {
        Some(answer) => wish::done(context, answer),
        None => Err(no_guard_of_node()),
    }
}

/// What is set, and where its key is.
struct Pair {
    standby: StandbySettings,
    key: PathBuf,
}

impl Pair {
    fn of(context: &Context) -> Result<Self, CliError> {
        let Some(standby) = settings(context)?.standby else { return Err(none()) };
        let state = context.state_dir()?;
        let key = standby.key_file.clone().unwrap_or_else(|| state.join(key::FILE));
        Ok(Self { standby, key })
    }

    fn is_standby(&self) -> bool {
        self.standby.side == Side::Standby
    }
}

/// The settings say so, and the guard that runs does not know it.
pub(in crate::cli) fn began_before(what: &str) -> CliError {
    CliError::new(Kind::NeedsPerson, format!("the guard here began before this host was {what}"))
        .hint("start it again: `systemctl --user restart clawmend`, or Ctrl-C and its command once more")
        .hint("the gateway goes on meanwhile")
}

/// This host is not one of a pair.
fn none() -> CliError {
    CliError::new(Kind::NotFound, "this host is not one of a pair")
        .hint("`clawmend standby init --side primary --listen ADDRESS` on the one that has everything")
        .hint("`clawmend standby init --side standby --peer ADDRESS` on the one that stands by")
        .hint(
            "`clawmend standby init --shared --node NAME --nodes NAME,NAME --etcd URL` on each node of a shared group",
        )
}
