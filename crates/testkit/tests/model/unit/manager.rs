//! The service manager: what a call, an end of the main process or a reboot does to the unit.

use super::state::{Call, Foreign, News, State};
use clawmend_core::observation::{ActiveState, JobKind};

impl State {
    pub fn tell(&mut self) {
        if self.up {
            self.news.push(News::Unit(self.unit));
        }
    }

    pub fn exec(&mut self) {
        self.lives += 1;
        self.passing = false;
        self.unit.job = None;
        self.unit.state = ActiveState::Active;
        self.unit.main = Some(self.lives);
        self.unit.refused = false;
        self.tell();
    }

    /// The main process ended, in one of three ways.
    pub fn main_ends(&mut self, refused: bool) {
        self.unit.main = None;
        self.frozen = false;
        self.unit.refused = refused;
        match (self.unit.state, self.unit.job) {
            (ActiveState::Deactivating, Some((JobKind::Restart, _))) => return self.exec(),
            (ActiveState::Deactivating, _) => {
                self.unit.job = None;
                self.unit.state = ActiveState::Inactive;
            }
            (_, _) if refused => self.unit.state = ActiveState::Failed,
            (_, _) => {
                // Shown for up to 2 ms before auto-restart.
                self.unit.state = ActiveState::Failed;
                self.passing = true;
            }
        }
        self.tell();
    }

    pub fn stop(&mut self, ours: bool) {
        match self.unit.state {
            ActiveState::Active | ActiveState::Activating | ActiveState::Deactivating => {
                self.unit.state = ActiveState::Deactivating;
                self.unit.job = Some((JobKind::Stop, ours));
                // SIGTERM, then SIGCONT.
                self.frozen = false;
            }
            ActiveState::AutoRestart => self.unit.state = ActiveState::Inactive,
            ActiveState::Failed if self.passing => {
                self.passing = false;
                self.unit.state = ActiveState::Inactive;
            }
            ActiveState::Inactive | ActiveState::Failed | ActiveState::NotFound => {}
        }
        self.tell();
    }

    pub fn land(&mut self, call: Call) {
        match (call, self.unit.state) {
            (Call::TryRestart, ActiveState::AutoRestart) => self.exec(),
            (Call::TryRestart, ActiveState::Active) if self.unit.job.is_none() => {
                self.unit.state = ActiveState::Deactivating;
                self.unit.job = Some((JobKind::Restart, true));
                self.frozen = false;
                self.tell();
            }
            // Mode `fail`: a stop job in the way refuses it; a stopped unit is not touched.
            (Call::TryRestart, _) => {}
            (Call::Start, ActiveState::Failed | ActiveState::Inactive) if !self.passing => self.exec(),
            (Call::Start, _) => {}
            (Call::Restart, ActiveState::Deactivating) => {
                self.unit.job = Some((JobKind::Restart, true));
                self.tell();
            }
            (Call::Restart, ActiveState::Failed | ActiveState::Inactive | ActiveState::AutoRestart) => self.exec(),
            (Call::Restart, _) => {}
            (Call::Stop, _) => self.stop(true),
            (Call::Enable(on), _) => {
                self.unit.enabled = on;
                self.wishes.disabled_by_us = !on;
                self.tell();
            }
            (Call::Kill(pid), _) if self.unit.main == Some(pid) => self.main_ends(false),
            (Call::Kill(_), _) => {}
        }
    }

    /// The manager starts anew: everything of it is gone, and it starts what is enabled.
    pub fn reboot(&mut self) {
        self.reboots -= 1;
        self.calls.clear();
        self.news.clear();
        self.up = false;
        self.silent = false;
        self.frozen = false;
        self.passing = false;
        self.unit.main = None;
        self.unit.job = None;
        self.unit.state = ActiveState::Inactive;
        // `systemctl stop` never outlived a reboot; an emergency stop must.
        self.unit_stopped = !self.unit.enabled && self.unit_stopped;
        self.foreign = Foreign::None;
        self.started = false;
        if self.unit.enabled {
            self.exec();
        }
    }
}
