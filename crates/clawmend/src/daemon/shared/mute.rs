//! A gateway that runs without a lease is looked at, whether it is mute: what its config says, and what it says itself.
//!
//! OpenClaw may put an older config back at a start, and a person may switch a channel on by hand. Either shows in the
//! config seconds before a channel is at work.
//!
//! Invariants: it is said to be mute only when both say so, its own word being of this process; that it is not, whichever
//! says so. A config that cannot be read says neither. Start at [`watch`].

use super::super::news::AskGateway;
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

/// So long the first reading of its config may take a gateway.
const WARMING_UP: Duration = Duration::from_secs(10);

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
        // Ends with this.
        let mut beside = Vec::new();
        while !watched.heard.is_closed() {
            let own = |word: &Word| (word.life == watched.life).then_some(word.at_work);
            let said = word.borrow_and_update().as_ref().and_then(own);
            if let Some(gateway) = looks.next(&watched, said).await {
                let is_mute = matches!(gateway, Gateway::Mute { .. });
                let _ = watched.heard.send(Heard::Evidence(Evidence::Gateway(gateway))).await;
                if is_mute {
                    // Said once in a life.
                    beside.push(Watch(tokio::task::spawn_local(warm_up(Rc::clone(&watched.ward)))));
                }
            }
            let _ = tokio::time::timeout(LOOK, word.changed()).await;
        }
    }))
}

/// So that it is opened sooner when the time comes.
async fn warm_up(ward: Rc<Ward>) {
    if let Ok(Err(why)) = tokio::time::timeout(WARMING_UP, ward.ask(AskGateway::ReadConfig)).await {
        tracing::debug!(why, "the gateway did not read its config");
    }
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
        if self.count.is_multiple_of(READ_AFTER) || stamp != self.stamp || stamp.is_none() {
            self.on = watched.switches.any_on().await.ok();
        }
        if said.is_none() && self.count.is_multiple_of(READ_AFTER) {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::super::switching::tests::{switched, switching};
    use super::*;
    use clawmend_core::observation::ChannelState;
    use tokio::task::LocalSet;

    fn life(pid: u32) -> Incarnation {
        Incarnation { pid, start: 8, boot: "b".into() }
    }

    fn at_work() -> ChannelState {
        ChannelState {
            channel: "telegram".into(),
            account: "default".into(),
            wanted: true,
            running: true,
            connected: None,
            suppressed: false,
            stopped_by_person: false,
            terminal: false,
            error: None,
        }
    }

    async fn told(heard: &mut mpsc::Receiver<Heard>) -> Gateway {
        match tokio::time::timeout(Duration::from_secs(60), heard.recv()).await {
            Ok(Some(Heard::Evidence(Evidence::Gateway(gateway)))) => gateway,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn it_is_mute_when_its_config_and_its_own_word_say_so_and_not_when_either_says_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("openclaw.json");
        LocalSet::new()
            .run_until(async {
                for by_its_word in [false, true] {
                    switched(folder.path(), false);
                    let (outcomes, _kept) = mpsc::channel(4);
                    let (heard, mut hears) = mpsc::channel(4);
                    let gate = Gate::new(outcomes);
                    // An earlier life said so.
                    gate.channels_say(Some(&life(6)), &[]);
                    let _watch = watch(Watched {
                        life: life(7),
                        config: config.clone(),
                        switches: switching(folder.path()),
                        ward: Ward::new(Rc::default()),
                        gate: Rc::clone(&gate),
                        heard,
                    });
                    let early = tokio::time::timeout(LOOK * 3, hears.recv()).await;
                    assert!(early.is_err(), "nothing was said by this life: {early:?}");
                    gate.channels_say(Some(&life(7)), &[]);
                    assert_eq!(told(&mut hears).await, Gateway::Mute { life: life(7) });
                    if by_its_word {
                        gate.channels_say(Some(&life(7)), &[at_work()]);
                    } else {
                        switched(folder.path(), true);
                    }
                    assert_eq!(told(&mut hears).await, Gateway::Speaks { life: life(7) });
                }
            })
            .await;
    }
}
