//! A lease store that gives no answer that counts, for long, and who hears of that.
//!
//! Without it nobody may own, and no node knows how the others fare. Who owned when it fell silent has ended its gateway
//! since: people may be left without an answer, which is as loud as it gets. Any other node cannot take over, which is
//! told later. A store that lets itself be read and takes no lease is as good as silent.
//!
//! Invariants: a silence is told once, also by several guards one after the other, and its end only where it was told; a
//! sleep is no silence. Start at [`Holder::tell_of_silence`].

use super::super::evidence::Answer;
use super::super::output::{Directive, Telling};
use super::super::record::View;
use super::Holder;
use crate::time::Moment;

/// No answer that counts has come since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Silence {
    since: Moment,
    /// It began with a question that was to change something: to read is not enough to end it.
    of_a_change: bool,
    /// The channels were this node's then.
    owned: bool,
}

impl Holder {
    /// A silence that an owner fell into is told after this, in milliseconds. A store that elects another leader, or is
    /// restarted, takes seconds.
    const OWNER_TELLS_MS: u64 = 60_000;
    /// Any other, in milliseconds.
    const CANDIDATE_TELLS_MS: u64 = 300_000;

    /// A question that left at `asked` has no answer that counts.
    pub(super) const fn store_is_silent(&mut self, asked: Moment, is_change: bool) {
        match &mut self.silence {
            Some(silence) => silence.of_a_change |= is_change,
            None => self.silence = Some(Silence { since: asked, of_a_change: is_change, owned: self.owned_last }),
        }
    }

    /// It has answered.
    pub(super) fn store_says(&mut self, answer: &Answer, out: &mut Vec<Directive>) {
        let ends = match answer {
            Answer::Unknown => false,
            Answer::Seen(view) => self.is_all_there_is(view),
            Answer::Acquired { .. } | Answer::Renewed { .. } | Answer::Released { .. } | Answer::Refused(_) => true,
        };
        if !ends {
            return;
        }
        self.silence = None;
        self.owned_last = matches!(answer, Answer::Acquired { .. } | Answer::Renewed { .. });
        if let Some(owned) = self.memory.store_lost.take() {
            out.extend([Directive::Persist, Directive::Tell(Telling::StoreBack { owned })]);
        }
    }

    /// Whether it is enough that it can be read: somebody else owns, this node would not take the lease, or waits for a
    /// person first, or what is read is told as another trouble.
    fn is_all_there_is(&self, view: &View) -> bool {
        let by_others = view.holder.is_some_and(|node| node != self.node.id);
        let reads_only = self.silence.is_none_or(|silence| !silence.of_a_change);
        let waits = view.holder.is_none() && self.unvouched(view).is_some();
        reads_only || by_others || waits || self.stays_out() || view.term < self.memory.seen
    }

    /// The machine or the guard has slept: nobody was asked meanwhile, and another node may own by now.
    pub(super) fn slept_through_silence(&mut self, now: Moment) {
        let slept_ms = self.ran.map_or(0, |at| now.since(at));
        // Who was away for a moment only is still the one who owned last.
        self.owned_last &= slept_ms < Self::OWNER_TELLS_MS;
        if let Some(silence) = &mut self.silence {
            silence.since = silence.since.plus(slept_ms);
            silence.owned &= self.owned_last;
        }
    }

    pub(super) fn tell_of_silence(&mut self, now: Moment, out: &mut Vec<Directive>) {
        let Some(silence) = self.silence.filter(|_| self.is_idle()) else { return };
        let (after, matters) =
            if silence.owned { (Self::OWNER_TELLS_MS, true) } else { (Self::CANDIDATE_TELLS_MS, !self.stays_out()) };
        // What was told as loud as it gets is not told again in a lower voice.
        let is_news = self.memory.store_lost.is_none_or(|owned| silence.owned && !owned);
        if matters && is_news && now.since(silence.since) >= after {
            self.memory.store_lost = Some(silence.owned);
            out.extend([Directive::Persist, Directive::Tell(Telling::StoreLost { owned: silence.owned })]);
        }
    }

    /// It has no lease, and nothing of its gateway that could speak is left.
    fn is_idle(&self) -> bool {
        self.lease.is_none() && self.leaving.is_none() && self.process.is_silent()
    }
}
