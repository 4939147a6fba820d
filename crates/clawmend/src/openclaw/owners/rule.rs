//! Who the owner of an account is.
//!
//! The rule: the people that `commands.ownerAllowFrom` names for the channel, at most [`MAX_RECIPIENTS`]; else the first
//! person in the account's `allowFrom`; else the first sender that was approved by pairing. OpenClaw goes by the same
//! order: its command owners are `commands.ownerAllowFrom`, and the first pairing approved on its command line becomes
//! one. Others that may write to the bot are no owners, and an alert shows more than they should see.
//!
//! Invariant: `*` is nobody, a group never counts, and every list is read up to [`MAX_ENTRIES`] entries.

use super::account::{Account, Setting};
use super::found::{Kind, Recipient, Source};
use super::pairing::{Pairing, Unreadable};
use super::person::{self, Entry};
use super::{MAX_RECIPIENTS, Reason};
use crate::openclaw::redact::redact;
use serde_json::Value;

/// Most entries of a list that are looked at.
const MAX_ENTRIES: usize = 1_000;
/// Most access groups of a list that are looked into.
const MAX_GROUPS: usize = 8;
/// Longest shown name of an access group, in characters.
const MAX_NAME: usize = 64;

/// The owners of an account; never an empty list.
pub(super) fn owners(account: &Account<'_>, config: &Value, pairing: &Pairing) -> Result<Vec<Recipient>, Reason> {
    let mut seen = Seen::default();
    let allowed = allowed(account, config, &mut seen);
    let approved = approved(account, pairing, &mut seen);
    let mut owners = command_owners(account.kind, config, &[&allowed[..], &approved[..]].concat());
    if owners.is_empty() {
        owners = allowed;
        owners.extend(approved);
        owners.truncate(1);
    }
    if owners.is_empty() { Err(seen.reason(account.kind)) } else { Ok(owners) }
}

/// What stands in the lists besides people.
#[derive(Default)]
struct Seen {
    everyone: bool,
    others: bool,
    unreadable: bool,
}

impl Seen {
    fn reason(&self, kind: Kind) -> Reason {
        if self.unreadable {
            Reason::PairingUnreadable
        } else if self.others {
            Reason::NoPersonalId { channel: kind.key() }
        } else if self.everyone {
            Reason::OnlyEveryone { channel: kind.key() }
        } else {
            Reason::NoOwner { channel: kind.key() }
        }
    }
}

/// `commands.ownerAllowFrom`. An entry that names no channel counts where its form can only be of this one, or where
/// the account knows that id (`known`): digits alone may be somebody else elsewhere.
fn command_owners(kind: Kind, config: &Value, known: &[Recipient]) -> Vec<Recipient> {
    let list = config.pointer("/commands/ownerAllowFrom").and_then(Value::as_array);
    let mut owners: Vec<Recipient> = Vec::new();
    for entry in list.into_iter().flatten().take(MAX_ENTRIES) {
        let (Entry::Person { id, kind: id_kind }, named) = person::read(kind, entry) else { continue };
        let here = named || person::is_unmistakable(kind, &id, id_kind) || known.iter().any(|one| one.id == id);
        if here && owners.iter().all(|one| one.id != id) {
            owners.push(Recipient { id, kind: id_kind, source: Source::CommandOwner });
        }
        if owners.len() == MAX_RECIPIENTS {
            break;
        }
    }
    owners
}

/// The people in the lists of the account.
fn allowed(account: &Account<'_>, config: &Value, seen: &mut Seen) -> Vec<Recipient> {
    let lists = match account.kind {
        // Older versions had the list of those who may write directly in `dm`.
        Kind::Discord | Kind::Slack => vec![account.setting("allowFrom"), in_dm(account, "allowFrom")],
        // Where an account allows everyone and the channel names people, those count (`preserveRootAllowFrom`).
        Kind::Telegram => vec![account.setting("allowFrom"), account.root("allowFrom")],
        Kind::Feishu | Kind::DingTalk => vec![account.setting("allowFrom")],
    };
    for (list, path) in lists.into_iter().flatten() {
        let (mut found, mut groups) = (Vec::new(), 0);
        for entry in list.as_array().into_iter().flatten().take(MAX_ENTRIES) {
            let entry = person::read(account.kind, entry).0;
            if let Entry::Group(name) = &entry
                && groups < MAX_GROUPS
            {
                groups += 1;
                found.extend(group(account.kind, config, name, seen));
            } else {
                found.extend(recipient(entry, &Source::AllowFrom(path.clone()), seen));
            }
        }
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

/// What older versions had in `dm`, for Discord and Slack.
fn in_dm<'a>(account: &Account<'a>, name: &str) -> Option<Setting<'a>> {
    if !matches!(account.kind, Kind::Discord | Kind::Slack) {
        return None;
    }
    let inner = |(dm, path): Setting<'a>| Some((dm.get(name)?, format!("{path}.{name}")));
    account.own("dm").and_then(inner).or_else(|| account.root("dm").and_then(inner))
}

/// The members of `accessGroups.NAME` for this channel; a group inside of a group does not count.
fn group(kind: Kind, config: &Value, name: &str, seen: &mut Seen) -> Vec<Recipient> {
    let Some(group) = config.get("accessGroups").and_then(|groups| groups.get(name)) else { return Vec::new() };
    if group.get("type").and_then(Value::as_str) != Some("message.senders") {
        return Vec::new();
    }
    let source = Source::AllowFrom(format!("accessGroups.{}", redact(name, MAX_NAME)));
    let members = group.get("members").and_then(|members| members.get(kind.key())).and_then(Value::as_array);
    let entries = members.into_iter().flatten().take(MAX_ENTRIES);
    entries.filter_map(|entry| recipient(person::read(kind, entry).0, &source, seen)).collect()
}

/// The approved senders, where OpenClaw lets them in: under `dmPolicy` `pairing`, which the DingTalk plugin 3.6.7 does
/// not keep anyone by.
fn approved(account: &Account<'_>, pairing: &Pairing, seen: &mut Seen) -> Vec<Recipient> {
    let policy = account.setting("dmPolicy").map(|(policy, _)| policy).or_else(|| Some(in_dm(account, "policy")?.0));
    let policy = policy.and_then(Value::as_str).unwrap_or("pairing");
    if account.kind == Kind::DingTalk || policy != "pairing" {
        return Vec::new();
    }
    match pairing.of(account.kind, &account.id) {
        Ok((entries, source)) => entries
            .iter()
            .take(MAX_ENTRIES)
            .filter_map(|entry| recipient(person::read(account.kind, entry).0, &source, seen))
            .collect(),
        Err(Unreadable) => {
            seen.unreadable = true;
            Vec::new()
        }
    }
}

fn recipient(entry: Entry, source: &Source, seen: &mut Seen) -> Option<Recipient> {
    match entry {
        Entry::Person { id, kind } => return Some(Recipient { id, kind, source: source.clone() }),
        Entry::Everyone => seen.everyone = true,
        Entry::Group(_) | Entry::Other => seen.others = true,
    }
    None
}
