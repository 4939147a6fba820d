//! `clawmend standby init`: settings, key, and what is left to do.
//!
//! Invariant: settings of a person are added to, never replaced; a key that is there stays.

use super::super::context::Context;
use super::super::error::{CliError, Kind};
use super::super::output;
use super::{InitArgs, SideArg};
use crate::failover::key::{self, KeyError, PairKey};
use crate::host::dirs;
use crate::host::files::{Durability, private_dir, write_atomic};
use crate::settings;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

pub(super) fn init(context: &Context, args: &InitArgs) -> Result<ExitCode, CliError> {
    context.refuse_from_inside()?;
    let path = match &context.global.config {
        Some(path) => path.clone(),
        None => dirs::config_file()?,
    };
    let present = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => {
            return Err(CliError::new(Kind::NeedsPerson, format!("{} cannot be read: {error}", path.display())));
        }
    };
    if settings::parse(&path, &present)?.standby.is_some() {
        return Err(CliError::new(Kind::Usage, format!("{} has a [standby] section already", path.display()))
            .hint("change it there, or take it out and say this again"));
    }
    let section = section(args);
    let whole = if present.is_empty() { section } else { format!("{}\n\n{section}", present.trim_end()) };
    settings::parse(&path, &whole)?;
    let state = context.state_dir()?;
    private_dir(&state).map_err(|error| CliError::new(Kind::NeedsPerson, error.to_string()))?;
    let key_path = state.join(key::FILE);
    if args.side == SideArg::Primary {
        PairKey::load_or_make(&key_path).map_err(of)?;
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    write_atomic(&path, whole.as_bytes(), Durability::Durable)?;
    output::tell(&format!("written to {}", path.display()));
    output::print(&guide(args, &key_path))?;
    Ok(ExitCode::SUCCESS)
}

fn of(error: KeyError) -> CliError {
    let kind = match error {
        KeyError::NoEntropy | KeyError::Io { .. } => Kind::Retry,
        KeyError::Missing { .. } | KeyError::Open { .. } | KeyError::Garbled { .. } => Kind::NeedsPerson,
    };
    CliError::new(kind, error.to_string())
}

fn section(args: &InitArgs) -> String {
    let mut text = "[standby]\n".to_owned();
    let (side, name, address) = match args.side {
        SideArg::Primary => ("primary", "listen", args.listen),
        SideArg::Standby => ("standby", "peer", args.peer),
    };
    let _ = writeln!(text, "side = \"{side}\"");
    if let Some(address) = address {
        let _ = writeln!(text, "{name} = \"{address}\"");
    }
    if args.fast {
        text.push_str("timing = \"fast\"\n");
    }
    text
}

/// What is left for a person.
fn guide(args: &InitArgs, key: &Path) -> String {
    let key = key.display();
    match (args.side, args.listen, args.peer) {
        (SideArg::Primary, Some(listen), _) => format!(
            "\
What is left to do on this host, the primary:
  1. Let only the standby reach {listen} (firewall); the private network hides what is said there.
  2. Start the guard again, so that it answers: clawmend up
  3. Take the standby's channel out of this host's OpenClaw config. Each channel has one owner.
  4. Copy the key to the other host, by a way that you trust, into the same place there:
     {key}
     It is a secret: whoever has it can speak as this pair.
Then, on the other host:
  clawmend standby init --side standby --peer {listen}
"
        ),
        (SideArg::Standby, _, Some(peer)) => format!(
            "\
What is left to do on this host, the standby:
  1. Put the key that the primary made into
     {key}
     and keep it to yourself: chmod 600 {key}
  2. Give this host's OpenClaw a config of its own, with a channel that the primary does not have, and without
     timed work: \"cron\": {{\"enabled\": false}}, and agents.defaults.heartbeat.every \"0m\".
  3. Start the guard: clawmend up. From then on it keeps this host's gateway off until the primary at
     {peer} is lost. A gateway that runs here now is stopped in order.
  4. Look whether all is ready: clawmend standby check
"
        ),
        (SideArg::Primary | SideArg::Standby, ..) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn args(side: SideArg) -> InitArgs {
        let address = Some("100.64.0.1:18790".parse().unwrap());
        match side {
            SideArg::Primary => InitArgs { side, listen: address, peer: None, fast: true },
            SideArg::Standby => InitArgs { side, listen: None, peer: address, fast: false },
        }
    }

    #[test]
    fn what_is_written_is_understood() {
        for side in [SideArg::Primary, SideArg::Standby] {
            let parsed = settings::parse(Path::new("x"), &section(&args(side))).unwrap().standby.unwrap();
            assert_eq!(parsed.listen.is_some(), side == SideArg::Primary);
            assert_eq!(parsed.peer.is_some(), side == SideArg::Standby);
        }
    }

    #[test]
    fn the_guides() {
        let key = Path::new("/home/user/.local/state/clawmend/pair.key");
        let both = [SideArg::Primary, SideArg::Standby].map(|side| guide(&args(side), key));
        insta::assert_snapshot!(both.join("--\n"));
    }
}
