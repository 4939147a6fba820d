//! Alerts, as the daemon brings them up: who is told what of these gateways.
//!
//! Invariant: a guard without alerts guards all the same.

use super::setup::Charge;
use super::ward;
use crate::notify::file;
use crate::notify::outbox::{self, Condition, Inbox, Parts};
use crate::notify::places::Premises;
use crate::settings::Settings;
use crate::store::Store;
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use tokio::sync::watch;

/// What they need.
pub struct Needs<'a> {
    /// What is guarded.
    pub charges: &'a [Charge],
    /// Our own settings, as last read.
    pub settings: &'a Rc<RefCell<Settings>>,
    /// Where those stand.
    pub settings_path: &'a Path,
    /// The records.
    pub store: &'a Store,
    /// Our own state folder.
    pub state: &'a Path,
    /// How they are.
    pub condition: watch::Sender<Condition>,
}

/// Starts the outbox. Events are handed to what comes back.
pub fn start(needs: Needs<'_>) -> Inbox {
    outbox::start(Parts {
        settings: Rc::clone(needs.settings),
        premises: Premises {
            file: file::beside(needs.settings_path),
            homes: needs.charges.iter().map(|charge| charge.home.clone()).collect(),
            state: needs.state.to_owned(),
            uid: ward::own_uid(),
        },
        templates: needs.settings_path.with_file_name("templates"),
        store: needs.store.clone(),
        condition: needs.condition,
        uid: ward::own_uid(),
    })
}
