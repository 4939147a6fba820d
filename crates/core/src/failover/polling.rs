//! Whether a node that carries can be reached: by what its gateway says of each channel, not by its health alone.
//!
//! Invariant: an account of which nothing was said is not connected. Start at [`judge`].

use super::ownership::Account;
use crate::observation::ChannelState;

/// Accounts that are named at most.
const NAMED: usize = 5;

/// What the channels of this node do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Polling {
    /// Each account is connected.
    All {
        /// For people.
        who: String,
    },
    /// Some, or none of them.
    NotAll {
        /// For people: which not, and its last error.
        why: String,
        /// Not a single one is.
        none: bool,
    },
    /// This node has no account to be reached on.
    NoAccount,
}

/// By the gateway's own words. A channel that does not say whether it is connected counts by whether it runs.
#[must_use]
pub fn judge(mine: &[Account], states: &[ChannelState]) -> Polling {
    if mine.is_empty() {
        return Polling::NoAccount;
    }
    let missing: Vec<String> = mine.iter().filter_map(|account| missing(account, states)).collect();
    if missing.is_empty() {
        let names: Vec<String> = mine.iter().map(name).collect();
        return Polling::All { who: listed(&names) };
    }
    Polling::NotAll { why: listed(&missing), none: missing.len() == mine.len() }
}

/// Which of these accounts still work, for people; `None`: none of them. One of which nothing is said is gone: a channel
/// that is switched off may not be told of at all.
#[must_use]
pub fn at_work(mine: &[Account], states: &[ChannelState]) -> Option<String> {
    let of = |account: &Account| {
        states.iter().any(|state| {
            state.channel == account.channel
                && state.account == account.account
                && (state.running || state.connected == Some(true))
        })
    };
    let busy: Vec<String> = mine.iter().filter(|account| of(account)).map(name).collect();
    (!busy.is_empty()).then(|| listed(&busy))
}

fn missing(account: &Account, states: &[ChannelState]) -> Option<String> {
    let state = states.iter().find(|state| state.channel == account.channel && state.account == account.account);
    match state {
        None => Some(format!("{} is not known to the gateway yet", name(account))),
        Some(state) if state.running && state.connected != Some(false) => None,
        Some(ChannelState { error: Some(error), .. }) => Some(format!("{} is not connected: {error}", name(account))),
        Some(_) => Some(format!("{} is not connected", name(account))),
    }
}

fn name(account: &Account) -> String {
    format!("{} account `{}`", account.channel, account.account)
}

fn listed(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMED);
    let named = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
    if more == 0 { named } else { format!("{named}; and {more} more") }
}
