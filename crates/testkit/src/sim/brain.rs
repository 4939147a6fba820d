//! What is under test: the real [`Guardian`], or a stand-in that shows that the oracle can fail.

use super::Setting;
use clawmend_core::directive::{Cadence, Output};
use clawmend_core::gateway::GatewayId;
use clawmend_core::guardian::{Guardian, Memory, Profile};
use clawmend_core::observation::Evidence;
use clawmend_core::policy::Policy;
use clawmend_core::time::{Moment, Now};

/// Something that decides for one gateway.
pub trait Brain: Sized {
    /// What survives its death.
    type Saved: Clone + Default;
    /// Begins, or goes on from what was saved.
    fn born(setting: Setting, saved: Self::Saved, now: Now) -> Self;
    /// What must survive.
    fn save(&self, now: Now) -> Self::Saved;
    /// Takes evidence.
    fn observe(&mut self, now: Now, evidence: &Evidence, out: &mut Vec<Output>);
    /// Lets time pass.
    fn poll(&mut self, now: Now, out: &mut Vec<Output>);
    /// When to poll at the latest.
    fn next_wake(&self) -> Option<Moment>;
    /// How closely to look.
    fn cadence(&self) -> Cadence;
}

impl Brain for Guardian {
    type Saved = Memory;

    fn born(setting: Setting, saved: Memory, now: Now) -> Self {
        let Setting { form, control } = setting;
        let profile = Profile { id: GatewayId("default".to_owned()), form, control };
        Self::new(profile, Policy::default(), saved, now)
    }

    fn save(&self, _now: Now) -> Memory {
        self.memory().clone()
    }

    fn observe(&mut self, now: Now, evidence: &Evidence, out: &mut Vec<Output>) {
        Self::observe(self, now, evidence, out);
    }

    fn poll(&mut self, now: Now, out: &mut Vec<Output>) {
        Self::poll(self, now, out);
    }

    fn next_wake(&self) -> Option<Moment> {
        Self::next_wake(self)
    }

    fn cadence(&self) -> Cadence {
        Self::cadence(self)
    }
}
