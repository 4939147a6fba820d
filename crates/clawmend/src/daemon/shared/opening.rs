//! A gateway that ran mute is opened: its channels are switched on in its config, and it takes that up while it runs.
//!
//! Invariants: nothing is switched on from `not_after` on; it is said to be open only when the gateway itself says that a
//! channel of it is at work; whoever waits for an end of this process does not wait for this. Start at [`run`].

use super::gate::Gate;
use super::heard::{Heard, Ward};
use super::switching::Switching;
use clawmend_core::failover::lease::{ActId, Evidence, Gateway};
use clawmend_core::gateway::Incarnation;
use clawmend_core::time::Moment;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc;

/// A channel that was switched on is at work within this, or the gateway has not taken it up: it took 0.8 to 2.7 s.
const AT_WORK: Duration = Duration::from_secs(12);
/// Between two questions how the channels are. The gateway tells of itself, too.
const ASK_EVERY: Duration = Duration::from_millis(300);

/// What it needs.
pub struct Opening {
    pub act: ActId,
    pub not_after: Moment,
    pub switches: Switching,
    pub ward: Rc<Ward>,
    pub gate: Rc<Gate>,
    pub heard: mpsc::Sender<Heard>,
}

/// Opens it, and tells.
pub async fn run(opening: Opening) {
    let opened = open(&opening).await;
    if let Err(why) = &opened {
        tracing::error!("the channels of the gateway that ran already could not be switched on: {why}");
    }
    let act = opening.act;
    let told = if opened.is_ok() { Gateway::Opened { act } } else { Gateway::NotOpened { act } };
    let _ = opening.heard.send(Heard::Evidence(Evidence::Gateway(told))).await;
}

async fn open(opening: &Opening) -> Result<(), String> {
    let life = opening.ward.life().ok_or("nothing runs")?;
    opening.switches.on_before(opening.not_after).await?;
    match tokio::time::timeout(AT_WORK, at_work(opening, &life)).await {
        Ok(()) => Ok(()),
        Err(_) => Err(format!("no channel is at work after {} s", AT_WORK.as_secs())),
    }
}

async fn at_work(opening: &Opening, life: &Incarnation) {
    let mut word = opening.gate.word();
    loop {
        if word.borrow_and_update().as_ref().is_some_and(|word| word.at_work && word.life == *life) {
            return;
        }
        let _ = tokio::time::timeout(ASK_EVERY, word.changed()).await;
        opening.ward.wants_word();
    }
}
