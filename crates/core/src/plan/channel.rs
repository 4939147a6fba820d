//! Starting channels that OpenClaw's breaker left out, without touching the gateway.
//!
//! Invariant: a channel is started at most [`ChannelTries::PER_LIFE`] times in one life of the gateway, never one
//! that a person stopped, and never before the gateway has served for a while. A call that did not get through has
//! started nothing and is not one of them; such calls are bounded by [`ChannelTries::PUT_OFF_PER_LIFE`].

use super::{Next, View};
use crate::directive::Action;
use crate::health::life::Alive;
use crate::health::reasons::Reason;
use crate::time::Moment;

/// One channel start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Try {
    /// Which channel.
    pub channel: String,
    /// Which account.
    pub account: String,
    /// When it may be tried again.
    pub again: Moment,
    /// How often in this life, without what was put off.
    pub times: u32,
    /// How often it was put off in this life, because the gateway could not be asked.
    pub put_off: u32,
}

/// Channel starts in the present life. Bounded by the number of channel accounts the gateway names (≤ 256).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelTries(Vec<Try>);

impl ChannelTries {
    /// Starts of one channel account per life.
    pub const PER_LIFE: u32 = 3;
    /// Between two of them.
    pub const SPACING_MS: u64 = 60_000;
    /// Calls per life that did not get through and cost no start. With [`ChannelTries::PUT_OFF_MS`] between them they
    /// last until OpenClaw's own monitor starts the channel (300–600 s, OpenClaw 2026.9.6).
    pub const PUT_OFF_PER_LIFE: u32 = 20;
    /// After a call that did not get through.
    pub const PUT_OFF_MS: u64 = 30_000;
    const KEPT: usize = 256;

    /// Notes one.
    pub fn note(&mut self, channel: &str, account: &str, at: Moment) {
        let again = at.plus(Self::SPACING_MS);
        if let Some(known) = self.known(channel, account) {
            known.again = again;
            known.times += 1;
        } else if self.0.len() < Self::KEPT {
            let (channel, account) = (channel.to_owned(), account.to_owned());
            self.0.push(Try { channel, account, again, times: 1, put_off: 0 });
        }
    }

    /// The last one did not get through to the gateway.
    pub fn put_off(&mut self, channel: &str, account: &str, now: Moment) {
        if let Some(known) = self.known(channel, account).filter(|known| known.put_off < Self::PUT_OFF_PER_LIFE) {
            known.again = now.plus(Self::PUT_OFF_MS);
            known.times = known.times.saturating_sub(1);
            known.put_off += 1;
        }
    }

    fn known(&mut self, channel: &str, account: &str) -> Option<&mut Try> {
        self.0.iter_mut().find(|known| known.channel == channel && known.account == account)
    }

    /// Forgets all: a new life began.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// When this account may be started; `None`: not again in this life.
    fn allowed_at(&self, channel: &str, account: &str) -> Option<Moment> {
        match self.0.iter().find(|known| known.channel == channel && known.account == account) {
            // Beyond what is kept nothing could be counted.
            None => (self.0.len() < Self::KEPT).then_some(Moment(0)),
            Some(known) if known.times >= Self::PER_LIFE => None,
            Some(known) => Some(known.again),
        }
    }
}

pub(super) fn next(view: &View<'_>, life: &Alive) -> Next {
    let Some(ready) = life.ready.or(life.served) else { return Next::Nothing };
    if !view.reasons.iter().any(|reason| matches!(reason, Reason::ChannelSuppressed(_))) {
        return Next::Nothing;
    }
    // After ends by the gateway's own fault the channel itself is a suspect: give the new life longer to prove itself.
    let settle = view.policy.channel_settle_ms.saturating_mul(if view.own_fault { 6 } else { 1 });
    let safe_at = ready.plus(settle);
    if view.now.mono < safe_at {
        return Next::Wait(safe_at);
    }
    let mut earliest: Option<Moment> = None;
    for (channel, account) in suppressed(life) {
        match view.channels.allowed_at(channel, account) {
            Some(at) if at <= view.now.mono => {
                let action = Action::StartChannel { channel: channel.to_owned(), account: account.to_owned() };
                return Next::act(action, "OpenClaw's crash-loop breaker left it out");
            }
            Some(at) => earliest = Some(earliest.map_or(at, |known| known.min(at))),
            None => {}
        }
    }
    earliest.map_or(Next::Nothing, Next::Wait)
}

/// Suppressed accounts that nobody stopped on purpose. Where the subscription tells no accounts, the default one.
fn suppressed(life: &Alive) -> impl Iterator<Item = (&str, &str)> {
    let known = life
        .channels
        .iter()
        .filter(|account| account.wanted && !account.running && !account.stopped_by_person)
        .filter(|account| account.suppressed || life.readiness.suppressed.contains(&account.channel))
        .map(|account| (account.channel.as_str(), account.account.as_str()));
    let unknown = life
        .readiness
        .suppressed
        .iter()
        .filter(|channel| !life.channels.iter().any(|account| account.channel == **channel))
        .map(|channel| (channel.as_str(), "default"));
    known.chain(unknown)
}
