//! A lease store that says nothing for long, and who hears of that.
//!
//! Without it nobody may own, and no node knows how the others fare. Who owned when it fell silent has ended its gateway
//! since: people may be left without an answer, which is as loud as it gets. Any other node cannot take over, which is
//! told later.
//!
//! Invariants: a silence is told once, and its end only where it was told; a sleep is no silence. Start at
//! [`Holder::tell_of_silence`].

use super::super::output::{Directive, Telling};
use super::Holder;
use crate::time::Moment;

/// No answer that can be read has come since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Silence {
    since: Moment,
    /// This node counted on the lease then.
    owned: bool,
    told: bool,
}

impl Holder {
    /// A silence that an owner fell into is told after this, in milliseconds. A store that elects another leader, or is
    /// restarted, takes seconds.
    const OWNER_TELLS_MS: u64 = 60_000;
    /// Any other, in milliseconds.
    const CANDIDATE_TELLS_MS: u64 = 300_000;

    /// A question that left at `asked` has no answer.
    pub(super) fn store_is_silent(&mut self, asked: Moment) {
        let owned = self.lease.is_some();
        self.silence.get_or_insert(Silence { since: asked, owned, told: false });
    }

    /// It has answered.
    pub(super) fn store_speaks(&mut self, out: &mut Vec<Directive>) {
        if self.silence.take().is_some_and(|silence| silence.told) {
            out.push(Directive::Tell(Telling::StoreBack));
        }
    }

    /// The machine or the guard has slept: nobody was asked meanwhile.
    pub(super) const fn slept_through_silence(&mut self, now: Moment) {
        if let Some(silence) = &mut self.silence {
            silence.since = now;
        }
    }

    pub(super) fn tell_of_silence(&mut self, now: Moment, out: &mut Vec<Directive>) {
        let kept_out = self.stays_out();
        let Some(silence) = self.silence.as_mut().filter(|silence| !silence.told) else { return };
        let (after, matters) =
            if silence.owned { (Self::OWNER_TELLS_MS, true) } else { (Self::CANDIDATE_TELLS_MS, !kept_out) };
        if matters && self.lease.is_none() && now.since(silence.since) >= after {
            silence.told = true;
            out.push(Directive::Tell(Telling::StoreLost { owned: silence.owned }));
        }
    }
}
