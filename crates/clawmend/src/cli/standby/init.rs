//! `clawmend standby init`: settings, key, and what is left to do. Here for one of a pair; [`group`] is for a node of a
//! shared group.
//!
//! Invariant: settings of a person are added to, never replaced; a key that is there stays. Said again, it changes nothing
//! and tells once more what is left to do.

mod begin;
mod channel;
mod group;

use begin::{Begin, shell};
pub(super) use channel::ChannelArgs;
pub(super) use group::GroupArgs;

use super::super::context::Context;
use super::super::error::{CliError, Kind};
use super::super::output;
use super::{InitArgs, SideArg};
use crate::daemon::setup;
use crate::failover::key::{self, KeyError, PairKey};
use crate::host::dirs;
use crate::host::files::{Durability, private_dir, write_atomic};
use crate::openclaw::minimal::Channel;
use crate::settings::{self, Settings, SettingsError};
use clawmend_core::gateway::GatewayId;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The settings as they are, and where.
struct Present {
    path: PathBuf,
    text: String,
    settings: Settings,
}

impl Present {
    fn read(context: &Context) -> Result<Self, CliError> {
        let path = match &context.global.config {
            Some(path) => path.clone(),
            None => dirs::config_file()?,
        };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(CliError::new(Kind::NeedsPerson, format!("{} cannot be read: {error}", path.display())));
            }
        };
        let settings = settings::parse(&path, &text)?;
        Ok(Self { path, text, settings })
    }

    /// Which gateway it is about, where that must be said: the guard would not begin otherwise.
    ///
    /// # Errors
    /// The one that a person named is not here.
    fn which(&self, context: &Context) -> Result<Option<GatewayId>, CliError> {
        let wanted = context.global.gateway.as_ref();
        if wanted.is_none() && (self.settings.standby.is_some() || self.settings.shared.is_some()) {
            // It stands there, or need not.
            return Ok(None);
        }
        let homes = match setup::homes_here(wanted, &self.settings) {
            Err(error) if wanted.is_some() => return Err(error.into()),
            found => found.unwrap_or_default(),
        };
        let [first, others @ ..] = homes.as_slice() else { return Ok(None) };
        if wanted.is_none() && !others.is_empty() {
            output::tell(&format!(
                "there are {} gateways here, and this is about {}; `clawmend --gateway ID standby init` names another one",
                homes.len(),
                first.id.0
            ));
        }
        Ok((wanted.is_some() || !others.is_empty()).then(|| first.id.clone()))
    }

    /// With one more section, which is understood together with what is there; nothing where it is there already.
    ///
    /// # Errors
    /// Another section is in its place, or this one is not understood.
    fn with(&self, section: &str) -> Result<Option<String>, CliError> {
        let asked = self.understood(section)?;
        let taken = match (&self.settings.standby, &self.settings.shared) {
            (None, None) => return self.added(section).map(Some),
            (Some(_), _) => "[standby]",
            (None, Some(_)) => "[shared]",
        };
        let path = self.path.display();
        if says_the_same(&self.settings, &asked) {
            output::tell(&format!("{path} says so already; it stays as it is"));
            return Ok(None);
        }
        Err(CliError::new(Kind::Usage, format!("{path} has a {taken} section already, which says something else"))
            .hint("change it there, or take it out and say this again"))
    }

    /// It stands in no file yet, so what is wrong with it was said on the command line.
    fn understood(&self, section: &str) -> Result<Settings, CliError> {
        settings::parse(&self.path, section).map_err(|error| match error {
            SettingsError::Invalid { message, .. } => CliError::new(Kind::Usage, message),
            other @ (SettingsError::Missing { .. }
            | SettingsError::Unreadable { .. }
            | SettingsError::TooLarge { .. }) => other.into(),
        })
    }

    fn added(&self, section: &str) -> Result<String, CliError> {
        let before = self.text.trim_end();
        let whole = if before.is_empty() { section.to_owned() } else { format!("{before}\n\n{section}") };
        settings::parse(&self.path, &whole)?;
        Ok(whole)
    }

    /// Writes what is new. The settings that hold now.
    fn now(&self, whole: Option<String>) -> Result<Settings, CliError> {
        match whole {
            Some(whole) => {
                self.write(&whole)?;
                Ok(settings::parse(&self.path, &whole)?)
            }
            None => Ok(self.settings.clone()),
        }
    }

    fn write(&self, whole: &str) -> Result<(), CliError> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        write_atomic(&self.path, whole.as_bytes(), Durability::Durable)?;
        output::tell(&format!("written to {}", self.path.display()));
        Ok(())
    }
}

/// In all that `init` has words for; what a person added since is theirs.
fn says_the_same(there: &Settings, asked: &Settings) -> bool {
    let pair = |of: &Settings| {
        let standby = of.standby.as_ref()?;
        Some((standby.side, standby.listen, standby.peer, standby.after.clone(), standby.timing, standby.warm))
    };
    let group = |of: &Settings| {
        let shared = of.shared.as_ref()?;
        let (names, store) = ((shared.group.clone(), shared.nodes.clone(), shared.node), shared.store.clone());
        Some((names, store, shared.figures, shared.paused, shared.fence.clone(), shared.warm))
    };
    let gateway = |of: &Settings| {
        let of_pair = of.standby.as_ref().and_then(|standby| standby.gateway.clone());
        of_pair.or_else(|| of.shared.as_ref().and_then(|shared| shared.gateway.clone()))
    };
    let other_gateway = gateway(asked).is_some_and(|asked| gateway(there) != Some(asked));
    !other_gateway && (pair(there), group(there)) == (pair(asked), group(asked))
}

pub(super) fn init(context: &Context, args: &InitArgs) -> Result<ExitCode, CliError> {
    context.refuse_from_inside()?;
    can_be_a_node()?;
    let present = Present::read(context)?;
    match args.side {
        Some(side) => pair(context, args, side, &present),
        None => group::init(context, args, &present),
    }
}

/// Whoever takes over must be able to start and end a gateway.
fn can_be_a_node() -> Result<(), CliError> {
    if cfg!(target_os = "linux") {
        return Ok(());
    }
    Err(CliError::new(Kind::Usage, "both hosts of a pair, and each node of a group, run Linux: elsewhere Clawmend looks at a gateway, and cannot start or end one yet")
        .hint("on this system: `clawmend run` looks, and tells you"))
}

fn pair(context: &Context, args: &InitArgs, side: SideArg, present: &Present) -> Result<ExitCode, CliError> {
    if side == SideArg::Primary && args.peer.is_some() {
        return Err(CliError::new(Kind::Usage, "--peer is for the standby: it asks, and the primary answers"));
    }
    let whole = present.with(&section(args, side, present.which(context)?.as_ref()))?;
    let channel = args.channel.channel()?;
    let openclaw = args.channel.write_for(context, side, &present.settings, whole.is_none())?;
    let state = context.state_dir()?;
    private_dir(&state).map_err(|error| CliError::new(Kind::NeedsPerson, error.to_string()))?;
    let own_key = present.settings.standby.as_ref().and_then(|standby| standby.key_file.clone());
    let key_path = own_key.unwrap_or_else(|| state.join(key::FILE));
    if side == SideArg::Primary {
        PairKey::load_or_make(&key_path).map_err(of)?;
    }
    if let Some(channel::Written { home, text }) = &openclaw {
        private_dir(&home.state_dir).map_err(|error| CliError::new(Kind::NeedsPerson, error.to_string()))?;
        write_atomic(&home.config_path, text.as_bytes(), Durability::Durable)?;
        output::tell(&format!("written to {}", home.config_path.display()));
    }
    let begin = Begin::prepare(context, &present.now(whole)?, !args.no_service)?;
    output::print(&guide(args, side, channel.as_ref(), &key_path, &begin))?;
    Ok(ExitCode::SUCCESS)
}

fn of(error: KeyError) -> CliError {
    let kind = match error {
        KeyError::NoEntropy | KeyError::Io { .. } => Kind::Retry,
        KeyError::Missing { .. } | KeyError::Open { .. } | KeyError::Garbled { .. } => Kind::NeedsPerson,
    };
    CliError::new(kind, error.to_string())
}

fn section(args: &InitArgs, side: SideArg, gateway: Option<&GatewayId>) -> String {
    let mut text = "[standby]\n".to_owned();
    if let Some(id) = gateway {
        let _ = writeln!(text, "gateway = \"{}\"", id.0);
    }
    let (side, peer) = match side {
        SideArg::Primary => ("primary", None),
        SideArg::Standby => ("standby", args.peer),
    };
    let _ = writeln!(text, "side = \"{side}\"");
    for (name, address) in [("listen", args.listen), ("peer", peer)] {
        if let Some(address) = address {
            let _ = writeln!(text, "{name} = \"{address}\"");
        }
    }
    if !args.after.is_empty() {
        let after: Vec<String> = args.after.iter().map(|one| format!("\"{one}\"")).collect();
        let _ = writeln!(text, "after = [{}]", after.join(", "));
    }
    if args.fast {
        text.push_str("timing = \"fast\"\n");
    }
    if args.warm {
        text.push_str("warm = true\n");
    }
    text
}

/// What is left for a person.
fn guide(args: &InitArgs, side: SideArg, channel: Option<&Channel>, key: &Path, begin: &Begin) -> String {
    let typed = shell(&key.display().to_string());
    let (key, again, begin) = (key.display(), begin.again(), begin.step());
    let config = config_step(channel);
    let kept =
        if args.warm { "this host's gateway running, with its channels off," } else { "this host's gateway off" };
    let order = in_order(args);
    let fast = if args.fast { " --fast" } else { "" };
    match (side, args.listen, args.peer) {
        (SideArg::Primary, Some(listen), _) => format!(
            "\
What is left to do on this host, the primary:
  1. Let only the standby reach {listen}; the private network hides what is said there. By the firewall:
     ufw allow from STANDBY to any port {port} proto tcp
     With Tailscale by the access rules of your tailnet: what comes that way passes ufw.
  2. {begin}
     {again}
  3. Take the standby's channel out of this host's OpenClaw config. Each channel has one owner.
  4. On the other host:
     clawmend standby init --side standby --peer {listen}{fast}
  5. Copy the key to the other host, by a way that you trust, to where that has said. Here it is:
     {key}
     It is a secret: whoever has it can speak as this pair.
",
            port = listen.port()
        ),
        (SideArg::Standby, _, Some(peer)) => format!(
            "\
What is left to do on this host, the standby:
  1. Put the key that the primary made into
     {key}
     and keep it to yourself: chmod 600 {typed}
{config}
  3. {begin}
     {again}
     From then on it keeps {kept} until the primary at {peer} is lost.
     A gateway that runs here now is stopped in order.
  4. Say where you are told of a takeover, for the primary cannot tell you then: clawmend notify set, clawmend notify test
     A bot can write only to whoever has written to it: write to this host's bot once.
  5. Look whether all is ready: clawmend standby check
{order}"
        ),
        (SideArg::Primary | SideArg::Standby, ..) => String::new(),
    }
}

/// What is left to do with its OpenClaw config.
fn config_step(channel: Option<&Channel>) -> String {
    let Some(channel) = channel else {
        return "  2. Give this host's OpenClaw a config of its own, with a channel that the primary does not have, and without
     timed work: \"cron\": {\"enabled\": false}, and agents.defaults.heartbeat.every \"0m\"."
            .to_owned();
    };
    let plugin = channel
        .plugin()
        .map(|package| format!("Install the channel's plugin: `openclaw plugins install {package}`.\n     "))
        .unwrap_or_default();
    format!(
        "  2. {plugin}Add a model to this host's OpenClaw config: `openclaw configure`, or the `models` and `agents` of the primary's.
     Its channel, and that nothing in it acts by itself, are written."
    )
}

/// Where there are several standbys.
fn in_order(args: &InitArgs) -> String {
    let mut text = String::new();
    for one in &args.after {
        let _ = writeln!(
            text,
            "The standby at {one} comes before this one. It answers there when its [standby] has `listen = \"{one}\"`, and has\nthe same key."
        );
    }
    if let Some(listen) = args.listen {
        let _ = writeln!(text, "Let only the standbys that come after this one reach {listen} (firewall).");
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn args(side: SideArg) -> InitArgs {
        let address = Some("100.64.0.1:18790".parse().unwrap());
        match side {
            SideArg::Primary => InitArgs { listen: address, fast: true, ..none(side) },
            SideArg::Standby => {
                let after = vec!["100.64.0.2:18790".parse().unwrap()];
                InitArgs { peer: address, warm: true, after, ..none(side) }
            }
        }
    }

    fn none(side: SideArg) -> InitArgs {
        InitArgs {
            side: Some(side),
            shared: false,
            group: GroupArgs::default(),
            listen: None,
            peer: None,
            after: Vec::new(),
            fast: false,
            warm: false,
            no_service: false,
            channel: ChannelArgs::default(),
        }
    }

    #[test]
    fn what_is_written_is_understood() {
        for side in [SideArg::Primary, SideArg::Standby] {
            let parsed = settings::parse(Path::new("x"), &section(&args(side), side, None)).unwrap().standby.unwrap();
            assert_eq!(parsed.listen.is_some(), side == SideArg::Primary);
            assert_eq!(parsed.after.len(), usize::from(side == SideArg::Standby));
            assert_eq!((parsed.peer.is_some(), parsed.warm), (side == SideArg::Standby, side == SideArg::Standby));
        }
    }

    #[test]
    fn the_guides() {
        let key = Path::new("/home/user/.local/state/clawmend/pair.key");
        let [unit, by_hand] = begin::tests::both();
        let both = [SideArg::Primary, SideArg::Standby].map(|side| guide(&args(side), side, None, key, &unit));
        let written = [channel::tests::telegram(), channel::tests::feishu()].map(|said| {
            let args = InitArgs { warm: false, channel: said, ..args(SideArg::Standby) };
            guide(&args, SideArg::Standby, args.channel.channel().unwrap().as_ref(), key, &by_hand)
        });
        insta::assert_snapshot!([both, written].concat().join("--\n"));
    }
}
