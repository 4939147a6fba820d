//! A gateway that runs without a lease is looked at, whether it is mute: what its config says, and what it says itself.
//!
//! OpenClaw may put an older config back at a start, and a person may switch a channel on by hand. Either shows in the
//! config seconds before a channel is at work.
//!
//! Invariants: it is said to be mute only when both say so, its own word being of this process; that it is not, whichever
//! says so. A config that cannot be read says neither. Start at [`watch`].

use super::gate::{Gate, Word};
use super::heard::{Heard, Ward};
use super::switching::Switching;
use clawmend_core::failover::lease::{Evidence, Gateway};
use clawmend_core::gateway::Incarnation;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Between two looks whether the config's file is another one: shorter than a gateway takes to take a change up.
const LOOK: Duration = Duration::from_millis(200);
/// It is read after so many looks in any case: it may include others.
const READ_AFTER: u32 = 10;

/// What is looked at.
pub struct Watched {
    pub life: Incarnation,
    pub config: PathBuf,
    pub switches: Switching,
    pub ward: Rc<Ward>,
    pub gate: Rc<Gate>,
    pub heard: mpsc::Sender<Heard>,
}

/// Ends with this.
#[derive(Debug)]
pub struct Watch(JoinHandle<()>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Looks, and tells.
pub fn watch(watched: Watched) -> Watch {
    Watch(tokio::task::spawn_local(async move {
        let mut looks = Looks::default();
        let mut word = watched.gate.word();
        while !watched.heard.is_closed() {
            let own = |word: &Word| (word.life == watched.life).then_some(word.at_work);
            let said = word.borrow_and_update().as_ref().and_then(own);
            if let Some(gateway) = looks.next(&watched, said).await {
                let _ = watched.heard.send(Heard::Evidence(Evidence::Gateway(gateway))).await;
            }
            let _ = tokio::time::timeout(LOOK, word.changed()).await;
        }
    }))
}

/// What was seen.
#[derive(Debug, Default)]
struct Looks {
    count: u32,
    stamp: Option<Stamp>,
    /// By the config: a channel is on.
    on: Option<bool>,
    told: bool,
}

/// Another one for another file.
type Stamp = (Option<SystemTime>, u64);

impl Looks {
    /// What there is to tell. `said`: by its own word a channel is at work.
    async fn next(&mut self, watched: &Watched, said: Option<bool>) -> Option<Gateway> {
        let stamp = stamp(&watched.config);
        if self.count % READ_AFTER == 0 || stamp != self.stamp || stamp.is_none() {
            self.on = watched.switches.any_on().await.ok();
        }
        if said.is_none() && self.count % READ_AFTER == 0 {
            watched.ward.wants_word();
        }
        self.count = self.count.wrapping_add(1);
        self.stamp = stamp;
        let life = watched.life.clone();
        match (said, self.on) {
            // Told again and again until it has ended.
            (Some(true), _) | (_, Some(true)) => Some(Gateway::Speaks { life }),
            (Some(false), Some(false)) if !self.told => {
                self.told = true;
                Some(Gateway::Mute { life })
            }
            (Some(false) | None, Some(false) | None) => None,
        }
    }
}

/// A look at a local file's entry, which waits for nothing.
fn stamp(config: &Path) -> Option<Stamp> {
    let found = std::fs::metadata(config).ok()?;
    Some((found.modified().ok(), found.len()))
}
