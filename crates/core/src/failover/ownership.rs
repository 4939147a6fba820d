//! Which channel accounts a node owns, and whether two nodes own one twice.
//!
//! Invariant: two nodes count as apart only when every account of both is known, and no two of them share an
//! identity; in doubt they are not. An identity is compared as a keyed fingerprint, so no credential comes here.
//! What another node sends is bounded while it is parsed. Start at [`compare`].

use super::sight::Armed;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most accounts of one node that are compared.
pub const MAX_ACCOUNTS: usize = 256;
/// Most identities of one account.
pub const MAX_IDENTITIES: usize = 8;
/// Longest name of a channel or an account, in characters.
pub const MAX_NAME: usize = 64;
/// Longest reason, in characters.
pub const MAX_WHY: usize = 300;
/// Most findings in one answer; the others are counted.
const MAX_FINDINGS: usize = 3;
/// Letters of a fingerprint: an HMAC-SHA256 in hexadecimal.
const HEX_LETTERS: usize = 64;

/// A keyed hash (HMAC-SHA256, in small hexadecimal letters) of what names an account at its provider.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(String);

/// It is no fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint has 64 small hexadecimal letters")]
pub struct NoFingerprint;

impl Fingerprint {
    /// Of the bytes of an HMAC-SHA256.
    #[must_use]
    pub fn new(tag: &[u8; 32]) -> Self {
        const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
        let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or_default();
        Self(tag.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect())
    }

    /// Its letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = NoFingerprint;

    fn try_from(text: String) -> Result<Self, NoFingerprint> {
        let fits = text.len() == HEX_LETTERS && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if fits { Ok(Self(text)) } else { Err(NoFingerprint) }
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.0
    }
}

/// Who an account is at its provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// Each of these names it, such as the id of an app and a token.
    Known(Vec<Fingerprint>),
    /// It is a login of that machine that says nothing of whose it is. It cannot be told from another one of the same
    /// channel; where the other node has none of that channel, there is nothing to mistake it for.
    Indistinct {
        /// For people, without secrets.
        why: String,
    },
    /// It is not known, so it may be any.
    Unknown {
        /// For people, without secrets.
        why: String,
    },
}

/// The channel accounts of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owned {
    /// These.
    Known(Vec<Account>),
    /// Its config could not be read.
    Unknown {
        /// Why, without secrets.
        why: String,
    },
}

/// An account that a node's gateway opens when it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Account {
    /// Its key in `channels`, such as `telegram`.
    pub channel: String,
    /// Its id, `default` where the channel has just one.
    pub account: String,
    /// Who it is.
    pub identity: Identity,
}

/// An account as another node sends it.
#[derive(Deserialize)]
struct Raw {
    channel: String,
    account: String,
    identity: Identity,
}

/// An account that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAccount {
    /// A name or a reason is empty, too long or not plain text.
    #[error("a name or a reason of an account is empty, too long, or has control characters")]
    Text,
    /// It has no identity, or too many.
    #[error("a known account has 1 to {MAX_IDENTITIES} fingerprints")]
    Identities,
}

impl TryFrom<Raw> for Account {
    type Error = BadAccount;

    fn try_from(raw: Raw) -> Result<Self, BadAccount> {
        let text = |text: &str, most: usize| {
            let plain = !text.is_empty() && text.chars().count() <= most && !text.chars().any(char::is_control);
            if plain { Ok(()) } else { Err(BadAccount::Text) }
        };
        text(&raw.channel, MAX_NAME)?;
        text(&raw.account, MAX_NAME)?;
        match &raw.identity {
            Identity::Known(all) if (1..=MAX_IDENTITIES).contains(&all.len()) => {}
            Identity::Known(_) => return Err(BadAccount::Identities),
            Identity::Indistinct { why } | Identity::Unknown { why } => text(why, MAX_WHY)?,
        }
        Ok(Self { channel: raw.channel, account: raw.account, identity: raw.identity })
    }
}

/// Whether no account of `mine`, those of this node, is one of `theirs`.
#[must_use]
pub fn compare(mine: &[Account], theirs: &[Account]) -> Armed {
    for (side, accounts) in [("this node", mine), ("the other node", theirs)] {
        if accounts.len() > MAX_ACCOUNTS {
            return Armed::No { why: format!("{side} has more than {MAX_ACCOUNTS} channel accounts to compare") };
        }
    }
    let mut findings = shared(mine, theirs);
    findings.extend(mine.iter().filter_map(|account| unknown(account, "here")));
    findings.extend(theirs.iter().filter_map(|account| unknown(account, "on the other node")));
    findings.extend(indistinct(mine, theirs));
    if findings.is_empty() {
        return Armed::Yes;
    }
    let more = findings.len().saturating_sub(MAX_FINDINGS);
    findings.truncate(MAX_FINDINGS);
    let mut why = findings.join("; ");
    if more > 0 {
        why.push_str(&format!("; and {more} more"));
    }
    Armed::No { why }
}

/// Each account of ours that is one of theirs.
fn shared(mine: &[Account], theirs: &[Account]) -> Vec<String> {
    let mut owners: BTreeMap<&Fingerprint, &Account> = BTreeMap::new();
    for account in theirs {
        for fingerprint in fingerprints(account) {
            owners.entry(fingerprint).or_insert(account);
        }
    }
    let twin = |account: &&Account| fingerprints(account).iter().find_map(|one| owners.get(one).copied());
    mine.iter()
        .filter_map(|account| {
            let other = twin(&account)?;
            let (ours, others) = (name(account), name(other));
            Some(format!("{ours} here and {others} on the other node are the same; switch it off on one of them"))
        })
        .collect()
}

fn unknown(account: &Account, place: &str) -> Option<String> {
    let why = match &account.identity {
        Identity::Unknown { why } => why.as_str(),
        Identity::Known(all) if all.is_empty() => "it has no identity",
        Identity::Known(_) | Identity::Indistinct { .. } => return None,
    };
    Some(format!("it is not known who {} {place} is: {why}", name(account)))
}

/// Channels of which both nodes have an account, and one of these cannot be told from the other.
fn indistinct(mine: &[Account], theirs: &[Account]) -> Vec<String> {
    let reason = |account: &Account| match &account.identity {
        Identity::Indistinct { why } => Some(why.clone()),
        Identity::Known(_) | Identity::Unknown { .. } => None,
    };
    let mut found: BTreeMap<&str, String> = BTreeMap::new();
    for ours in mine {
        for other in theirs.iter().filter(|other| other.channel == ours.channel) {
            if let Some(why) = reason(ours).or_else(|| reason(other)) {
                found.entry(&ours.channel).or_insert_with(|| {
                    format!("{} here and {} on the other node may be the same: {why}", name(ours), name(other))
                });
            }
        }
    }
    found.into_values().collect()
}

fn fingerprints(account: &Account) -> &[Fingerprint] {
    match &account.identity {
        Identity::Known(all) => all,
        Identity::Indistinct { .. } | Identity::Unknown { .. } => &[],
    }
}

fn name(account: &Account) -> String {
    format!("{} account `{}`", account.channel, account.account)
}
