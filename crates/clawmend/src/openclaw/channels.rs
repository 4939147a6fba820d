//! Turns `channels.status` and `health` payloads into channel states.
//!
//! The payload does not carry OpenClaw's mark for "a person stopped it"; it is read from what only such a stop leaves
//! behind (observed on 2026.9.6). Invariant: in doubt a stopped channel counts as stopped by a person, so that we do
//! not start what someone wanted silent. Start at [`Reader::read`].

use super::redact::redact;
use clawmend_core::observation::ChannelState;
use serde::Deserialize;
use std::collections::BTreeMap;

/// At most this many accounts are kept.
pub const MAX_ACCOUNTS: usize = 256;
const MAX_NAME: usize = 64;
const MAX_ERROR: usize = 200;
/// What the breaker writes as the last error of a channel that it did not start.
const BREAKER: &str = "restart-loop breaker tripped";
/// What Telegram's channel has as its last error while somebody else polls with the same token.
const RIVAL: &str = "getUpdates conflict";

/// Somebody else reads the same bot's messages, by the channel's own word.
#[must_use]
pub fn has_rival(state: &ChannelState) -> bool {
    state.error.as_ref().is_some_and(|error| error.contains(RIVAL))
}

/// `channels.status`, what matters of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusPayload {
    #[serde(default)]
    channel_accounts: BTreeMap<String, Vec<Account>>,
}

/// The `health` event, what matters of it.
#[derive(Debug, Deserialize)]
pub struct HealthPayload {
    #[serde(default)]
    channels: BTreeMap<String, HealthChannel>,
}

#[derive(Debug, Deserialize)]
struct HealthChannel {
    #[serde(default)]
    accounts: BTreeMap<String, Account>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Account {
    account_id: String,
    enabled: Option<bool>,
    configured: Option<bool>,
    linked: Option<bool>,
    running: bool,
    connected: Option<bool>,
    lifecycle: Option<String>,
    health_state: Option<String>,
    last_error: Option<String>,
    last_start_at: Option<f64>,
    last_stop_at: Option<f64>,
    restart_pending: Option<bool>,
    reconnect_attempts: Option<f64>,
    terminal_disconnect: Option<bool>,
}

impl Account {
    fn wanted(&self) -> bool {
        self.enabled != Some(false) && self.configured != Some(false) && self.linked != Some(false)
    }

    fn suppressed(&self) -> bool {
        !self.running && self.last_error.as_deref().is_some_and(|error| error.contains(BREAKER))
    }

    fn terminal(&self) -> bool {
        !self.running
            && (self.terminal_disconnect == Some(true)
                || self.lifecycle.as_deref() == Some("blocked")
                || matches!(self.health_state.as_deref(), Some("terminal-disconnect" | "blocked")))
    }

    /// A stop in order, without an error and without a retry to come: no fault of a channel ends like this, each one
    /// leaves an error ("channel exited without an error" is one, too), a retry, or the terminal mark.
    fn stopped_in_order(&self) -> bool {
        !self.running
            && self.last_stop_at.is_some()
            && self.restart_pending != Some(true)
            && self.reconnect_attempts.unwrap_or(0.0) == 0.0
            && !self.terminal()
            && (self.last_error.is_none() || self.suppressed())
    }
}

/// Reads payloads one after the other; it remembers ends, because a person's stop of a channel that had already
/// ended shows only as a later `lastStopAt` of the same life.
#[derive(Debug, Default)]
pub struct Reader {
    ends: BTreeMap<(String, String), End>,
}

#[derive(Clone, Copy, Debug)]
struct End {
    started: Option<f64>,
    stopped: Option<f64>,
    by_person: bool,
}

impl Reader {
    /// The states in a `channels.status` payload.
    pub fn read(&mut self, payload: StatusPayload) -> Vec<ChannelState> {
        self.states(
            payload
                .channel_accounts
                .into_iter()
                .flat_map(|(channel, accounts)| accounts.into_iter().map(move |account| (channel.clone(), account))),
        )
    }

    /// The states in a `health` event, which names accounts by key.
    pub fn read_health(&mut self, payload: HealthPayload) -> Vec<ChannelState> {
        self.states(payload.channels.into_iter().flat_map(|(channel, of)| {
            of.accounts.into_iter().map(move |(id, account)| (channel.clone(), Account { account_id: id, ..account }))
        }))
    }

    fn states(&mut self, accounts: impl Iterator<Item = (String, Account)>) -> Vec<ChannelState> {
        let mut ends = BTreeMap::new();
        let mut states: Vec<ChannelState> = accounts
            .take(MAX_ACCOUNTS)
            .map(|(channel, account)| {
                let key = (redact(&channel, MAX_NAME), redact(&account.account_id, MAX_NAME));
                let by_person = self.stopped_by_person(&key, &account);
                let end = End { started: account.last_start_at, stopped: account.last_stop_at, by_person };
                if !account.running {
                    ends.insert(key.clone(), end);
                }
                ChannelState {
                    channel: key.0,
                    account: key.1,
                    wanted: account.wanted(),
                    running: account.running,
                    connected: account.connected,
                    suppressed: account.suppressed(),
                    stopped_by_person: by_person,
                    terminal: account.terminal(),
                    error: account.last_error.as_deref().map(|error| redact(error, MAX_ERROR)),
                }
            })
            .collect();
        self.ends = ends;
        states.sort();
        states
    }

    fn stopped_by_person(&self, key: &(String, String), account: &Account) -> bool {
        if account.running {
            return false;
        }
        if account.stopped_in_order() {
            return true;
        }
        let Some(before) = self.ends.get(key).filter(|end| end.started == account.last_start_at) else { return false };
        // Nothing but a person stops a channel that has ended for good: OpenClaw's own monitor leaves it alone.
        before.by_person || (account.terminal() && account.last_stop_at > before.stopped)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn read(reader: &mut Reader, text: &str) -> ChannelState {
        let mut states = reader.read(serde_json::from_str(text).unwrap());
        assert_eq!(states.len(), 1);
        states.remove(0)
    }

    macro_rules! payload {
        ($name:literal) => {
            include_str!(concat!("../../tests/fixtures/openclaw/channels-", $name, ".json"))
        };
    }

    #[test]
    fn real_payloads_are_told_apart() {
        let flags = |text: &str| {
            let state = read(&mut Reader::default(), text);
            assert_eq!((state.channel.as_str(), state.account.as_str(), state.wanted), ("telegram", "default", true));
            (state.running, state.suppressed, state.stopped_by_person, state.terminal)
        };
        assert_eq!(flags(payload!("healthy")), (true, false, false, false));
        assert_eq!(flags(payload!("starting")), (true, false, false, false));
        assert_eq!(flags(payload!("suppressed")), (false, true, false, false));
        assert_eq!(flags(payload!("stopped-by-person")), (false, false, true, false));
        assert_eq!(flags(payload!("terminal")), (false, false, false, true));
    }

    #[test]
    fn a_stop_of_a_dead_channel_is_noticed_and_remembered_until_it_runs_again() {
        let mut reader = Reader::default();
        assert!(!read(&mut reader, payload!("terminal")).stopped_by_person);
        assert!(!read(&mut reader, payload!("terminal")).stopped_by_person);
        assert!(read(&mut reader, payload!("terminal-then-stopped")).stopped_by_person);
        assert!(read(&mut reader, payload!("terminal-then-stopped")).stopped_by_person);
        assert!(!read(&mut reader, payload!("healthy")).stopped_by_person);
        assert!(!read(&mut reader, payload!("terminal")).stopped_by_person);
    }

    #[test]
    fn a_failed_or_retrying_channel_is_not_a_persons_stop() {
        for (name, value) in [
            ("lastError", serde_json::json!("channel exited without an error")),
            ("restartPending", serde_json::json!(true)),
            ("reconnectAttempts", serde_json::json!(3)),
        ] {
            let mut payload: serde_json::Value = serde_json::from_str(payload!("stopped-by-person")).unwrap();
            payload["channelAccounts"]["telegram"][0][name] = value;
            let state = read(&mut Reader::default(), &payload.to_string());
            assert!(!state.stopped_by_person && !state.running, "{name}");
        }
    }

    #[test]
    fn switched_off_or_without_credentials_is_not_wanted() {
        for name in ["enabled", "configured", "linked"] {
            let mut payload: serde_json::Value = serde_json::from_str(payload!("healthy")).unwrap();
            payload["channelAccounts"]["telegram"][0][name] = false.into();
            assert!(!read(&mut Reader::default(), &payload.to_string()).wanted, "{name}");
        }
    }
}
