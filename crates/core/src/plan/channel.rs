//! Starting channels that do not run, without touching the gateway: those that OpenClaw's breaker left out, and those
//! that have given up for good.
//!
//! Invariant: never one that a person stopped, and never before the gateway has served for a while. A channel that was
//! left out is started at most [`ChannelTries::PER_LIFE`] times in one life of the gateway. A deaf one is tried for
//! ever, ever more slowly: nothing but a try tells whether its provider accepts it again, and OpenClaw's own monitor
//! leaves it alone (`terminal-disconnect`, 2026.9.6). A call that did not get through has started nothing and is not
//! counted; such calls are bounded by [`ChannelTries::PUT_OFF_PER_LIFE`].

use super::{Next, View};
use crate::directive::Action;
use crate::health::life::Alive;
use crate::health::reasons::Reason;
use crate::policy::Policy;
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

/// Why a channel account does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// OpenClaw's breaker left it out.
    LeftOut,
    /// It has given up.
    Deaf,
}

/// Channel starts in the present life. Bounded by the number of channel accounts the gateway names (≤ 256).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelTries(Vec<Try>);

impl ChannelTries {
    /// Starts of one channel account per life.
    pub const PER_LIFE: u32 = 3;
    /// Between two of them.
    pub const SPACING_MS: u64 = 60_000;
    /// The wait between two starts of a deaf channel doubles, up to so many times the first.
    pub const LONGEST_TIMES: u64 = 20;
    /// Calls per life that did not get through and cost no start. With [`ChannelTries::PUT_OFF_MS`] between them they
    /// last until OpenClaw's own monitor starts the channel (300–600 s, OpenClaw 2026.9.6).
    pub const PUT_OFF_PER_LIFE: u32 = 20;
    /// After a call that did not get through.
    pub const PUT_OFF_MS: u64 = 30_000;
    const KEPT: usize = 256;

    /// Notes one. `again`: when it may be tried again.
    pub fn note(&mut self, channel: &str, account: &str, again: Moment) {
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

    /// All channels have been well for a while: what is due again begins anew. One that falls silent faster than its
    /// wait goes on where it was.
    pub fn proven_well(&mut self, now: Moment) {
        self.0.retain(|known| known.again > now);
    }

    /// The wait after the next start of a deaf account; it grows with the starts so far.
    #[must_use]
    pub fn deaf_wait(&self, channel: &str, account: &str, first_ms: u64) -> u64 {
        let times = self.times(channel, account);
        first_ms.saturating_mul((1 << times.min(10)).min(Self::LONGEST_TIMES))
    }

    /// Starts of this account so far, as far as they still count.
    #[must_use]
    pub fn times(&self, channel: &str, account: &str) -> u32 {
        self.find(channel, account).map_or(0, |known| known.times)
    }

    fn find(&self, channel: &str, account: &str) -> Option<&Try> {
        self.0.iter().find(|known| known.channel == channel && known.account == account)
    }

    /// When this account may be started; `None`: not again in this life.
    fn allowed_at(&self, channel: &str, account: &str, why: Why) -> Option<Moment> {
        match self.find(channel, account) {
            // Beyond what is kept nothing could be counted.
            None => (self.0.len() < Self::KEPT).then_some(Moment(0)),
            Some(known) if why == Why::LeftOut && known.times >= Self::PER_LIFE => None,
            Some(known) => Some(known.again),
        }
    }
}

pub(super) fn next(view: &View<'_>, life: &Alive) -> Next {
    let Some(ready) = life.ready.or(life.served) else { return Next::Nothing };
    let mut earliest: Option<Moment> = None;
    for (channel, account, why) in silent(view, life) {
        let Some(allowed) = view.channels.allowed_at(channel, account, why) else { continue };
        let at = allowed.max(settled_at(view, ready, why));
        if at <= view.now.mono {
            let action = Action::StartChannel { channel: channel.to_owned(), account: account.to_owned() };
            return Next::act(action, reason(why));
        }
        earliest = Some(earliest.map_or(at, |known| known.min(at)));
    }
    earliest.map_or(Next::Nothing, Next::Wait)
}

/// From when on a start is safe.
fn settled_at(view: &View<'_>, ready: Moment, why: Why) -> Moment {
    match why {
        Why::LeftOut => {
            // After ends by the gateway's own fault the channel itself is a suspect: give the new life longer to prove
            // itself.
            let settle = view.policy.channel_settle_ms.saturating_mul(if view.own_fault { 6 } else { 1 });
            ready.plus(settle)
        }
        // OpenClaw may still be about to say that it tries again.
        Why::Deaf => ready.max(view.down_since).plus(view.policy.channel_deaf_ms),
    }
}

const fn reason(why: Why) -> &'static str {
    match why {
        Why::LeftOut => "OpenClaw's crash-loop breaker left it out",
        Why::Deaf => "it has given up by itself; nothing but a start tells whether it is accepted again",
    }
}

/// Accounts that do not run although they should, and that nobody stopped on purpose. Where the subscription tells no
/// accounts of a channel that was left out, the default one.
fn silent<'a>(view: &View<'_>, life: &'a Alive) -> impl Iterator<Item = (&'a str, &'a str, Why)> {
    let left_out = view.reasons.iter().any(|reason| matches!(reason, Reason::ChannelSuppressed(_)));
    let known = life
        .channels
        .iter()
        .filter(|account| account.wanted && !account.running && !account.stopped_by_person)
        .filter_map(move |account| {
            let why = if left_out && (account.suppressed || life.readiness.suppressed.contains(&account.channel)) {
                Why::LeftOut
            } else if account.terminal {
                Why::Deaf
            } else {
                return None;
            };
            Some((account.channel.as_str(), account.account.as_str(), why))
        });
    let unknown = life
        .readiness
        .suppressed
        .iter()
        .filter(move |channel| left_out && !life.channels.iter().any(|account| account.channel == **channel))
        .map(|channel| (channel.as_str(), "default", Why::LeftOut));
    known.chain(unknown)
}

/// The wait after a start of this account that is being issued now.
#[must_use]
pub fn wait_after(tries: &ChannelTries, life: &Alive, policy: &Policy, channel: &str, account: &str) -> u64 {
    let deaf = life
        .channels
        .iter()
        .any(|known| known.channel == channel && known.account == account && known.terminal && !known.suppressed);
    if deaf { tries.deaf_wait(channel, account, policy.channel_retry_ms) } else { ChannelTries::SPACING_MS }
}
