//! An AI's word on an open incident: when it is asked for, and what may come of it.
//!
//! Invariants: once per incident, only when the doctor knows no case or a case's remedy did not help, and only where a
//! person has named an engine; an answer about another incident does nothing; its steps are tried once each, between
//! those of the ladder, as [`Origin::Ai`].

use super::Guardian;
use crate::check::Origin;
use crate::diagnosis::RefusalReason;
use crate::diagnosis::advice::Tier;
use crate::diagnosis::counsel::Counsel;
use crate::directive::Output;
use crate::incident::{Proposed, What};
use crate::time::Now;

impl Guardian {
    /// Asks an AI about the open incident, if that was not done and is allowed.
    pub(super) fn consult(&mut self, now: Now, out: &mut Vec<Output>) {
        let Some(incident) = self.memory.incident.as_ref().filter(|_| self.policy.ask_ai) else { return };
        let Some(cause) = incident.cause.clone() else { return };
        let question = Self::question(now, incident, cause);
        if self.examination.ask_for_counsel() {
            out.push(Output::Consult(question));
        }
    }

    /// The AI has answered.
    pub(super) fn counselled(&mut self, now: Now, counsel: &Counsel, out: &mut Vec<Output>) {
        let ours = self.memory.incident.as_ref().is_some_and(|incident| incident.id == counsel.incident);
        if !ours || !self.policy.ask_ai {
            return;
        }
        let steps =
            counsel.steps.iter().map(|step| Proposed { action: step.action, tier: step.tier, why: step.why.clone() });
        self.record(now, What::Advised { guess: counsel.guess.clone(), steps: steps.collect() }, out);
        let auto_heal = self.policy.ai_auto_heal;
        for step in counsel.steps.iter().filter(|step| !step.tier.runs_alone(auto_heal)) {
            let approvable = self.propose_counsel(now, step, out);
            let who = match (step.tier, approvable) {
                (Tier::Red, _) => "only a person can do it",
                (Tier::Green | Tier::Yellow, true) => "it waits for your approval",
                (Tier::Green | Tier::Yellow, false) => "it waits for a person",
            };
            let text = format!("an AI proposes: {} ({}); {who}", step.action.in_words(), step.why);
            self.tell(now, text, out);
        }
        let refused = self.memory.refusal.as_ref().filter(|refusal| refusal.reason == RefusalReason::Config);
        let refused = refused.map(|refusal| refusal.config);
        let actions = counsel.steps.iter().filter_map(|step| step.action(auto_heal, refused)).collect();
        self.examination.take_counsel(actions);
        self.quiet = false;
    }

    /// The next step of the AI's, where the ladder has none.
    pub(super) fn follow_counsel(&mut self, now: Now, out: &mut Vec<Output>) {
        if let Some(action) = self.examination.next_counsel() {
            self.issue(now, action, "an AI proposes it".to_owned(), Some(Origin::Ai), out);
        }
    }
}
