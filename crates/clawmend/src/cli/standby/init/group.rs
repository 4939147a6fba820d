//! `clawmend standby init --shared`: this host as a node of a shared group.

use super::{Begin, InitArgs, Present};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::output;
use crate::failover::lease::FORGET;
use crate::settings::{SharedSettings, StoreSettings};
use clawmend_core::failover::lease::{Figures, PausePolicy};
use clawmend_core::gateway::GatewayId;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Of a shared group.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "A shared group")]
pub struct GroupArgs {
    /// What the group is called, the same on each node
    #[arg(long, value_name = "NAME", default_value = "openclaw", requires = "shared")]
    group: String,
    /// The name of this node
    #[arg(long, value_name = "NAME", requires = "shared")]
    node: Option<String>,
    /// The names of all nodes, in the order in which they take over, the same on each: attic,cellar,cloud
    #[arg(long, value_name = "NAMES", value_delimiter = ',', requires = "shared")]
    nodes: Vec<String>,
    /// Keep the lease in this etcd: the addresses of its members, best on a third host
    #[arg(long, value_name = "URLS", value_delimiter = ',', group = "store", requires = "shared")]
    etcd: Vec<String>,
    /// The authority of etcd's certificates, if this host does not trust it anyway
    #[arg(long, value_name = "FILE", requires = "etcd")]
    etcd_ca: Option<PathBuf>,
    /// The user of etcd
    #[arg(long, value_name = "NAME", requires = "etcd", requires = "etcd_password_file")]
    etcd_user: Option<String>,
    /// The file with its password, which only its owner can read
    #[arg(long, value_name = "FILE", requires = "etcd_user")]
    etcd_password_file: Option<PathBuf>,
    /// Keep the lease in the Kubernetes that this runs in
    #[arg(long, group = "store", requires = "shared")]
    kubernetes: bool,
    /// About a machine that may only be paused: wait for your word, or go on with, for a moment, two owners
    #[arg(long, value_enum, default_value_t, requires = "shared")]
    paused: PausedArg,
    /// Turn such a machine off with this program instead of waiting for your word
    #[arg(long, value_name = "PROGRAM", requires = "shared", conflicts_with = "paused")]
    fence: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum PausedArg {
    #[default]
    Manual,
    ResidualWindow,
}

pub(super) fn init(context: &Context, args: &InitArgs, present: &Present) -> Result<ExitCode, CliError> {
    let gateway = present.which(context)?;
    let whole = present.with(&section(&args.group, gateway.as_ref(), args.fast, args.warm))?;
    let settings = present.now(whole)?;
    let begin = Begin::prepare(context, &settings, !args.no_service)?;
    if let Some(shared) = &settings.shared {
        output::print(&guide(&args.group, shared, &begin))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn section(args: &GroupArgs, gateway: Option<&GatewayId>, fast: bool, warm: bool) -> String {
    let mut text = "[shared]\n".to_owned();
    let mut say = |name: &str, value: toml::Value| {
        let _ = writeln!(text, "{name} = {value}");
    };
    let path = |path: &PathBuf| toml::Value::from(path.display().to_string());
    if let Some(id) = gateway {
        say("gateway", id.0.as_str().into());
    }
    say("group", args.group.as_str().into());
    say("nodes", args.nodes.clone().into());
    say("node", args.node.clone().unwrap_or_default().into());
    if fast {
        say("timing", "fast".into());
    }
    if warm {
        say("warm", true.into());
    }
    match (&args.fence, args.paused) {
        (Some(program), _) => {
            say("paused", "external_fence".into());
            say("fence_command", vec![path(program)].into());
        }
        (None, PausedArg::Manual) => say("paused", "manual".into()),
        (None, PausedArg::ResidualWindow) => say("paused", "residual_window".into()),
    }
    if args.kubernetes {
        text.push_str("\n[shared.kubernetes]\n");
        return text;
    }
    text.push_str("\n[shared.etcd]\n");
    let mut say = |name: &str, value: toml::Value| {
        let _ = writeln!(text, "{name} = {value}");
    };
    say("endpoints", args.etcd.clone().into());
    let texts = [
        ("ca_file", args.etcd_ca.as_ref().map(path)),
        ("user", args.etcd_user.clone().map(toml::Value::from)),
        ("password_file", args.etcd_password_file.as_ref().map(path)),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            say(name, value);
        }
    }
    text
}

/// What is left for a person.
fn guide(args: &GroupArgs, settings: &SharedSettings, begin: &Begin) -> String {
    let (again, begin) = (begin.again(), begin.step());
    let group = &settings.group;
    let store = match &settings.store {
        StoreSettings::Etcd(etcd) => {
            let login = if etcd.login.is_some() {
                "Its user needs READWRITE on the keys from clawmend/ to clawmend0."
            } else {
                "It asks for no password, so whoever reaches it can take the lease."
            };
            format!(
                "Let only the nodes reach the lease store (firewall). With two nodes it best stands on a third host.\n     {login}\n     \
                 It must forget old revisions, or it is full after some months: start etcd with\n     {FORGET}"
            )
        }
        StoreSettings::Kubernetes(_) => {
            format!("Give this pod's service account get, create and update on the Lease clawmend-{group}.")
        }
    };
    let paused = match settings.paused {
        PausePolicy::Manual => {
            "Know that a machine that vanishes may only be paused. Nothing covers that but you: nobody takes over from it before \
             you\n     have seen that it is off and say `clawmend standby promote --off NODE`. With `paused = \
             \"external_fence\"` a program\n     of yours turns it off instead."
        }
        PausePolicy::ExternalFence => {
            "Try your program by hand: it gets the name of a machine and a number, and may end with 0 only when it has seen\n     \
             that the machine is off."
        }
        PausePolicy::ResidualWindow => {
            "Know that NOTHING covers a machine that is only paused: when it wakes there are two owners for a moment, which may\n     \
             answer the same message."
        }
    };
    let name = settings.name_of(settings.node).unwrap_or_default();
    let timed = if settings.warm {
        "\n     Its gateway runs also while another node owns: switch timed work off in its config (cron.enabled to false), or it is\n     \
         done on each node."
    } else {
        ""
    };
    format!(
        "\
What is left to do on this node, {name}:
  1. {store}
  2. Put the group's bot into this host's OpenClaw config, the same as on the other nodes. The guard switches its channels
     off, and on when this node owns them.{timed}
  3. {begin}
     {again}
     Clawmend's keeper runs the gateway. A unit of OpenClaw's own must go first: openclaw gateway uninstall
  4. {paused}
  5. Look whether all is ready: clawmend standby check
Then the same on each of the other nodes, with `nodes` in this very order (and files where they are there):
{}",
        others(args, settings)
    )
}

/// The commands for the other nodes, with all that was chosen here.
fn others(args: &GroupArgs, settings: &SharedSettings) -> String {
    let nodes = settings.nodes.join(",");
    let store = if args.kubernetes { "--kubernetes".to_owned() } else { format!("--etcd {}", args.etcd.join(",")) };
    let mut chosen = String::new();
    let mut say = |words: std::fmt::Arguments<'_>| {
        let _ = write!(chosen, " {words}");
    };
    if settings.figures == Figures::fast() {
        say(format_args!("--fast"));
    }
    if settings.warm {
        say(format_args!("--warm"));
    }
    match (&args.fence, args.paused) {
        (Some(program), _) => say(format_args!("--fence {}", program.display())),
        (None, PausedArg::ResidualWindow) => say(format_args!("--paused residual-window")),
        (None, PausedArg::Manual) => {}
    }
    if let Some(ca) = &args.etcd_ca {
        say(format_args!("--etcd-ca {}", ca.display()));
    }
    if let (Some(user), Some(file)) = (&args.etcd_user, &args.etcd_password_file) {
        say(format_args!("--etcd-user {user} --etcd-password-file {}", file.display()));
    }
    let mut text = String::new();
    for (_, name) in (1..).zip(&settings.nodes).filter(|(number, _)| *number != settings.node.0) {
        let group = &settings.group;
        let _ = writeln!(
            text,
            "  clawmend standby init --shared --group {group} --node {name} --nodes {nodes} {store}{chosen}"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::Parser;
    use std::path::Path;

    #[derive(Parser)]
    struct Line {
        #[arg(long)]
        shared: bool,
        #[command(flatten)]
        group: GroupArgs,
    }

    #[test]
    fn what_is_written_is_understood_and_what_is_left_is_said() {
        const ETCD: &str = "--etcd https://10.0.0.5:2379,https://10.0.0.6:2379";
        let lines = [
            format!("--node attic --nodes attic,cellar,cloud {ETCD}"),
            format!(
                "--group home --node cellar --nodes attic,cellar {ETCD} --etcd-ca /etc/ca.pem --etcd-user c --etcd-password-file \
                 /etc/p --fence /usr/local/sbin/off"
            ),
            "--node cloud --nodes attic,cloud --kubernetes --paused residual-window".to_owned(),
        ];
        let said = lines.map(|line| {
            let words = ["x", "--shared"].into_iter().chain(line.split_whitespace());
            let Line { group, shared } = Line::try_parse_from(words).unwrap();
            assert!(shared);
            let text = section(&group, None, group.fence.is_some(), group.kubernetes);
            let shared = crate::settings::parse(Path::new("x"), &text).unwrap().shared.unwrap();
            let [begin, _] = super::super::begin::tests::both();
            format!("{text}--\n{}", guide(&group, &shared, &begin))
        });
        insta::assert_snapshot!(said.join("==\n"));
    }
}
