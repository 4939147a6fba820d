//! `clawmend standby check`: whether a node of a shared group has the group's bot in its config, and switched as it should
//! be.
//!
//! The nodes of a group do not talk to each other, so a person compares: the same letters are the same bot. Invariant:
//! what is shown of a credential is a few letters of a keyed hash of it.

use super::{BEGIN_NODE, Level, Line};
use crate::daemon::own_uid;
use crate::failover::switches::as_if_on;
use crate::openclaw::config::read_tree;
use crate::openclaw::discovery::Home;
use crate::openclaw::environ::Environ;
use crate::openclaw::owners::Place;
use crate::openclaw::ownership::{owned_in, switched_on};
use crate::openclaw::redact::redact;
use clawmend_core::failover::ownership::{Account, Identity};
use ring::hmac;
use std::path::Path;

/// Of a fingerprint. Enough to tell a few bots apart, and of no use to anybody else.
const LETTERS: usize = 8;
/// Accounts and channels that are named at most.
const NAMED: usize = 8;

/// What the config on disk has.
#[derive(Debug)]
pub(super) struct Channels {
    /// The accounts that this node opens when it owns.
    accounts: Vec<Account>,
    /// The channels that are on now.
    on: Vec<String>,
}

/// Reads it, the channels included that are switched off here for as long as another node owns.
///
/// # Errors
/// In words for people: the config cannot be read.
pub(super) fn read(home: &Home, group: &str, state: &Path) -> Result<Channels, String> {
    let environ = Environ::of(home, own_uid());
    let env = |name: &str| environ.get(name);
    let place = Place { home, env: &env, uid: own_uid() };
    let mut tree = read_tree(home, &env).map_err(|problem| problem.message)?;
    let on = switched_on(&tree, &place);
    as_if_on(&mut tree, state, &home.id);
    Ok(Channels { accounts: owned_in(&tree, &place, &key_of(group)), on })
}

/// The same on all nodes. No secret: tokens cannot be guessed, and only a few letters are shown.
fn key_of(group: &str) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"clawmend shared group"), group.as_bytes());
    let mut key = [0; 32];
    key.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
    key
}

/// `owns`: this node owns the channels, as the lease store says; `None`: it does not say.
pub(super) fn lines(found: &Result<Channels, String>, owns: Option<bool>) -> Vec<Line> {
    match found {
        Ok(found) => vec![bots(&found.accounts), switches(&found.on, owns)],
        Err(why) => vec![Line { check: "bots", level: Level::Bad, text: why.clone() }],
    }
}

fn bots(accounts: &[Account]) -> Line {
    let check = "bots";
    if accounts.is_empty() {
        let text = "no channel is in this host's OpenClaw config, so there is nothing that this node could carry: put the \
                    group's bot there, as on the other nodes";
        return Line { check, level: Level::Warning, text: text.to_owned() };
    }
    let known = accounts.iter().all(|one| matches!(one.identity, Identity::Known(_)));
    let more = accounts.len().saturating_sub(NAMED);
    let names: Vec<String> = accounts.iter().take(NAMED).map(shown).collect();
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    let rest = if known {
        "compare it with the other nodes: the same letters are the same bot"
    } else {
        "what is not known cannot be compared with the other nodes"
    };
    let level = if known { Level::Good } else { Level::Warning };
    Line { check, level, text: format!("{}{more}; {rest}", names.join(", ")) }
}

fn shown(account: &Account) -> String {
    let named = format!("{}/{}", redact(&account.channel, 64), redact(&account.account, 64));
    match &account.identity {
        Identity::Known(all) => {
            let letters: Vec<&str> = all.iter().filter_map(|one| one.as_str().get(..LETTERS)).collect();
            format!("{named} {}", letters.join("+"))
        }
        Identity::Indistinct { why } | Identity::Unknown { why } => {
            format!("{named} (not known: {})", redact(why, 120))
        }
    }
}

fn switches(on: &[String], owns: Option<bool>) -> Line {
    let names: Vec<String> = on.iter().take(NAMED).map(|name| redact(name, 64)).collect();
    let names = names.join(", ");
    let (level, text) = match (owns, on.is_empty()) {
        (Some(true), false) => (Level::Good, format!("{names} on: this node owns the channels")),
        (Some(true), true) => (
            Level::Warning,
            "all are off, although this node owns them: those that you had switched off yourself stay off".to_owned(),
        ),
        (Some(false) | None, true) => (Level::Good, "all are off here until this node owns them".to_owned()),
        (Some(false), false) => (
            Level::Bad,
            format!(
                "{names} on in this host's OpenClaw config, although this node does not own the channels: a gateway that is \
                 started by hand would be a second owner; the guard switches them off when it begins: {BEGIN_NODE}"
            ),
        ),
        (None, false) => (
            Level::Unknown,
            format!("{names} on in this host's OpenClaw config; whether this node owns the channels is not known"),
        ),
    };
    Line { check: "channels", level, text }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::openclaw::discovery::discover;
    use clawmend_core::failover::ownership::Fingerprint;

    pub fn every_line() -> Vec<Line> {
        let account =
            |channel: &str, identity| Account { channel: channel.into(), account: "default".into(), identity };
        let known = || account("telegram", Identity::Known(vec![Fingerprint::new(&[0x1f; 32])]));
        let two = Identity::Known(vec![Fingerprint::new(&[0xa0; 32]), Fingerprint::new(&[0x0b; 32])]);
        let unknown = account("slack", Identity::Unknown { why: "its token is in a program's hands".into() });
        let on = || vec!["telegram".to_owned()];
        let cases = [
            (vec![known()], on(), Some(true)),
            (vec![known(), account("feishu", two)], Vec::new(), Some(true)),
            (vec![known(), unknown], Vec::new(), Some(false)),
            (Vec::new(), on(), Some(false)),
            (vec![known(); 9], on(), None),
        ];
        let said = cases.into_iter().flat_map(|(accounts, on, owns)| lines(&Ok(Channels { accounts, on }), owns));
        said.chain(lines(&Err("openclaw.json is missing".into()), None)).collect()
    }

    #[test]
    fn the_same_bot_has_the_same_letters_on_every_node_and_its_token_is_not_shown() {
        const TOKEN: &str = "100000001:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let said = |token: &str, enabled: bool, group: &str| {
            let folder = tempfile::tempdir().unwrap();
            let home = discover(|_| None, folder.path()).remove(0);
            std::fs::create_dir_all(&home.state_dir).unwrap();
            let config = serde_json::json!({"channels": {"telegram": {"botToken": token, "enabled": enabled}}});
            std::fs::write(&home.config_path, config.to_string()).unwrap();
            std::fs::write(
                folder.path().join("channels-off-default.json"),
                serde_json::json!({"telegram": true}).to_string(),
            )
            .unwrap();
            let found = read(&home, group, folder.path()).unwrap();
            assert_eq!(found.on.is_empty(), !enabled);
            bots(&found.accounts).text
        };
        let owner = said(TOKEN, true, "home");
        assert!(owner.starts_with("telegram/default ") && !owner.contains("AAAA"), "{owner}");
        assert_eq!(owner, said(TOKEN, false, "home"), "off here, and the same bot");
        assert_ne!(owner, said(&TOKEN.replace("100000001", "100000002"), true, "home"));
        assert_ne!(owner, said(TOKEN, true, "office"));
    }
}
