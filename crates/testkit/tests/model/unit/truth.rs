//! What must never be so.

use super::state::{Call, State};
use clawmend_core::observation::ActiveState;

impl State {
    /// It runs although a person stopped it, and nothing that is on its way or allowed will change that.
    pub fn revived(&self) -> bool {
        // Hands off is hands off: a pause also keeps the guard from taking back a start of its own.
        let undo = self.unit_stopped && !self.unheard && !self.wishes.paused;
        let wished_down = undo || self.wishes.stopped || self.wishes.emergency;
        self.quiet() && wished_down && self.unit.main.is_some() && !self.choices().contains(&Call::Stop)
    }

    /// It should run, and neither the manager nor anything that is allowed will start it.
    pub fn stranded(&self) -> bool {
        let wishes = self.wishes;
        let may_run = !wishes.stopped && !wishes.emergency && !wishes.paused && !self.unit_stopped && self.config_ok;
        let down = self.unit.main.is_none() && self.unit.state != ActiveState::AutoRestart;
        // Settled inactive without a word from anyone is what a stop that nobody saw leaves.
        let spoken = self.unit.state == ActiveState::Failed || wishes.start;
        let enabling = self.choices().contains(&Call::Enable(true));
        self.quiet() && may_run && down && spoken && !enabling && !self.choices().contains(&Call::Start)
    }
}
