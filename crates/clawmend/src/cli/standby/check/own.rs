//! What `standby check` says of the channels of a pair: whose they are.

use super::{Level, Line};
use crate::failover::owned::armed;
use crate::openclaw::redact::redact;
use clawmend_core::failover::Armed;
use clawmend_core::failover::ownership::{Account, Identity, Owned};

/// Accounts that are named at most.
const NAMED: usize = 4;

/// On a standby, against what the primary says.
pub(super) fn compared(mine: &Owned, theirs: &Owned) -> Line {
    let (level, text) = match armed("the primary", mine, theirs) {
        Armed::Yes if *mine == Owned::Known(Vec::new()) => (
            Level::Bad,
            "no channel is on in this host's OpenClaw config, so a takeover could reach nobody: give it a channel of its own"
                .to_owned(),
        ),
        Armed::Yes => (Level::Good, "no account has two owners".to_owned()),
        Armed::No { why } => (Level::Bad, why),
    };
    Line { check: "channels", level, text }
}

/// On a primary, by itself.
pub(super) fn of_a_primary(mine: &Owned) -> Line {
    let (level, text) = match mine {
        Owned::Unknown { why } => (Level::Bad, why.clone()),
        Owned::Known(accounts) if accounts.is_empty() => {
            (Level::Warning, "no channel is on in this host's OpenClaw config".to_owned())
        }
        Owned::Known(accounts) => match unknown(accounts).as_slice() {
            [] => (
                Level::Good,
                format!("{} channel accounts; `clawmend standby check` on the standby compares them", accounts.len()),
            ),
            some => (
                Level::Bad,
                format!("it is not known who these are, so no standby would take over: {}", some.join("; ")),
            ),
        },
    };
    Line { check: "channels", level, text }
}

fn unknown(accounts: &[Account]) -> Vec<String> {
    let named = accounts.iter().filter_map(|account| match &account.identity {
        Identity::Unknown { why } => {
            let (channel, name) = (redact(&account.channel, 64), redact(&account.account, 64));
            Some(format!("{channel} account `{name}` ({})", redact(why, 120)))
        }
        Identity::Known(_) | Identity::Indistinct { .. } => None,
    });
    named.take(NAMED).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use clawmend_core::failover::ownership::Fingerprint;

    pub fn every_line() -> Vec<Line> {
        let account = |name: &str, identity| Account { channel: "telegram".into(), account: name.into(), identity };
        let of = |key: u8, name: &str| account(name, Identity::Known(vec![Fingerprint::new(&[key; 32])]));
        let doubtful = account("sales", Identity::Unknown { why: "${TOKEN} is not set".into() });
        let none = Owned::Known(Vec::new());
        let unread = Owned::Unknown { why: "line 3: a comma is missing".into() };
        vec![
            compared(&Owned::Known(vec![of(1, "a")]), &Owned::Known(vec![of(1, "b")])),
            compared(&Owned::Known(vec![of(1, "a")]), &Owned::Known(vec![of(1, "a")])),
            compared(&none, &Owned::Known(vec![of(1, "a")])),
            compared(&none, &unread),
            of_a_primary(&none),
            of_a_primary(&unread),
            of_a_primary(&Owned::Known(vec![of(1, "a"), of(1, "b")])),
            of_a_primary(&Owned::Known(vec![of(1, "a"), doubtful])),
        ]
    }
}
