//! When a message through the gateway's own chat endpoint is worth its price, and what is made of the answer.
//!
//! Invariant: nothing in here leads to an action. An answer that comes while the gateway does not serve, or while the
//! guard doubts itself, says nothing.

use super::Guardian;
use crate::diagnosis::Cause;
use crate::directive::Output;
use crate::health::Verdict;
use crate::health::life::Life;
use crate::health::reasons::Reason;
use crate::observation::SyntheticSeen;
use crate::time::Now;

impl Guardian {
    /// How often to ask, in milliseconds; `None` while the probe is off.
    #[must_use]
    pub fn synthetic_every(&self) -> Option<u64> {
        Some(self.policy.synthetic_ms).filter(|every| *every > 0)
    }

    /// A question now would tell something: the gateway serves, nobody wants it otherwise, and it takes questions.
    #[must_use]
    pub fn synthetic_wanted(&self) -> bool {
        let Life::Alive(life) = &self.life else { return false };
        let well = matches!(self.shown, Verdict::Healthy | Verdict::Degraded);
        // What was refused once is not shown again: each refusal counts as an attack there.
        let refused = matches!(self.around.rpc, Some(Reason::RpcUnauthorized));
        well && life.answering() && life.asked_to_end.is_none() && !self.around.synthetic.closed() && !refused
    }

    pub(super) fn synthetic_seen(&mut self, now: Now, seen: &SyntheticSeen, out: &mut Vec<Output>) {
        let serves = matches!(self.belief.verdict, Verdict::Healthy | Verdict::Degraded);
        if self.policy.synthetic_ms == 0 || !serves || now.mono < self.doubt_until {
            return;
        }
        self.around.synthetic.take(seen, self.around.disk, &self.policy);
        if self.memory.synthetic.as_ref() != self.around.synthetic.named() {
            self.memory.synthetic = self.around.synthetic.named().cloned();
            out.push(Output::Persist);
        }
        self.quiet = false;
    }

    /// How far back the beginning of what is believed now may lie, where answers of the model tell of it.
    pub(super) fn synthetic_uncertainty(&self) -> Option<u64> {
        let by_answers = matches!(
            self.belief.cause,
            Some(
                Cause::ProviderFailing { .. }
                    | Cause::ProviderSlow { .. }
                    | Cause::ProviderQuota { .. }
                    | Cause::CredentialsRejected { .. }
                    | Cause::DiskFull
            )
        );
        by_answers.then(|| self.policy.synthetic_ms.saturating_mul(u64::from(self.policy.synthetic_failures)))
    }
}
