//! Starts, ends and switches of a node's gateway, one after the other, in the order in which they were decided.
//!
//! Invariants: a start opens the gate for the ward, which starts it as it always does; an end is a SIGKILL of everything
//! that the gateway is, said to be proven only when the keeper sees nothing of it and nobody is on the way with a start.
//! What takes its time under a gateway that runs ([`Beside`]) holds up no end, and changes nothing once one was ordered.
//! Nothing here decides. Start at [`Hands::run`].

use super::fence::Fence;
use super::gate::{Gate, Grant};
use super::heard::{Heard, Ward};
use super::opening::{self, Opening};
use super::quiet::{self, Quieting};
use super::switching::Switching;
use crate::host::process;
use crate::host::signal::{self, Signal};
use crate::keeper::client::{Keeper, KeeperError};
use clawmend_core::failover::lease::{ActId, Evidence, Gateway};
use clawmend_core::gateway::Incarnation;
use clawmend_core::time::Moment;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What waits to be done at most. What does not fit is decided again.
pub const ACTS: usize = 16;
/// How long a start that is on its way may take to say what became of it, before an end goes on without.
const SETTLING: Duration = Duration::from_secs(1);
/// How long the keeper may take to answer an order to kill.
const KILLING: Duration = Duration::from_secs(1);
/// Between two looks at what is left of a gateway.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Looks at what is left, before the end is left to the next order.
const LOOKS: u32 = 50;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Switch the channels in the config, on or off as it says, and let the ward start the gateway.
    Start(Grant),
    /// Switch them on under a gateway that runs.
    Open {
        /// Its name.
        act: ActId,
        /// From then on nothing may be switched on.
        not_after: Moment,
    },
    /// End all of it.
    End(ActId),
    /// This life has ended, which this act had made: see that nothing of it is left.
    Prove(ActId),
    /// Switch the channels off in the config, and let the ward start nothing.
    Disable,
    /// Let a gateway that runs finish its work, and switch them off: it takes no new work then.
    Quiesce {
        /// Later it is of no use.
        until: Moment,
    },
}

/// What is under way beside the orders.
#[derive(Debug)]
pub struct Beside(JoinHandle<()>);

impl Drop for Beside {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Does it.
pub struct Hands {
    /// The gate.
    pub gate: Rc<Gate>,
    /// The keeper's folder.
    pub dir: PathBuf,
    /// The gateway's own folder.
    pub state_dir: PathBuf,
    /// The switches in the config.
    pub switches: Switching,
    /// The gateway's ward.
    pub ward: Rc<Ward>,
    /// Where facts go.
    pub heard: mpsc::Sender<Heard>,
    /// The egress fence, where there is one.
    pub fence: Option<Rc<Fence>>,
    /// Our connection.
    pub keeper: Option<Keeper>,
    /// The last order to start or to end.
    pub last: ActId,
    /// What is under way beside the orders.
    pub beside: Option<Beside>,
}

impl Hands {
    /// Until nobody orders any more.
    pub async fn run(mut self, mut acts: mpsc::Receiver<Act>) {
        while let Some(act) = acts.recv().await {
            match act {
                Act::Start(grant) => self.start(grant).await,
                Act::Open { act, not_after } => self.open(act, not_after),
                Act::End(act) => self.end(act).await,
                Act::Prove(after) if after >= self.last => self.prove(after).await,
                // An order that came later sees to it.
                Act::Prove(_) => {}
                Act::Disable => self.disable().await,
                Act::Quiesce { until } => self.quiesce(until),
            }
        }
    }

    async fn start(&mut self, grant: Grant) {
        self.last = grant.act;
        self.nothing_beside();
        let mute = grant.limit.mute;
        let switched = if mute { self.switches.off().await } else { self.switches.on(grant.limit.not_after).await };
        // Last before the gate: nobody else becomes the keeper in between.
        let opened = switched.is_ok() && self.bring_in().await && self.gate.open(grant);
        if let Err(why) = switched {
            let how = if mute { "off" } else { "on" };
            tracing::error!("the channels could not be switched {how} in the config, so nothing is started: {why}");
            if mute {
                self.tell(Evidence::Disabled { worked: false }).await;
            }
        }
        if opened {
            if self.gate.was_lifted() {
                self.ward.say_anew();
            }
            self.ward.carry(true);
        } else {
            self.tell(Evidence::Gateway(Gateway::NotStarted { act: grant.act })).await;
        }
    }

    /// The keeper is behind the egress fence before it starts anything, where there is a fence.
    async fn bring_in(&self) -> bool {
        let Some(fence) = &self.fence else { return true };
        let brought = fence.bring_in(&self.dir).await;
        if let Err(why) = &brought {
            tracing::error!("the keeper could not be brought behind the egress fence, so nothing is started: {why}");
        }
        brought.is_ok()
    }

    async fn end(&mut self, act: ActId) {
        self.last = act;
        self.nothing_beside();
        self.gate.close();
        // At once, whatever the keeper is doing; and its ward hears of it before the end, which is no crash.
        self.kill_what_is_known();
        self.ward.carry(false);
        let killed = self.kill_all().await;
        let settled = tokio::time::timeout(SETTLING, self.gate.settled()).await.is_ok();
        if settled && (killed || self.kill_all().await) {
            self.tell(Evidence::Gateway(Gateway::Ended { after: act })).await;
        }
    }

    /// Answers whether nothing is left, proven by whoever would have started it.
    async fn kill_all(&mut self) -> bool {
        for _ in 0..LOOKS {
            match self.kill().await {
                Ok(0) => return !self.gate.is_taken(),
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(%error, "the keeper did not end the gateway");
                    self.keeper = None;
                    return false;
                }
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        false
    }

    /// How many processes the keeper still sees.
    async fn kill(&mut self) -> Result<u32, KeeperError> {
        let asked = async {
            if self.keeper.is_none() {
                self.keeper = Some(Keeper::start(&self.dir).await?);
            }
            match &mut self.keeper {
                Some(keeper) => Ok(keeper.kill().await?.left),
                None => Err(KeeperError::Absent { dir: self.dir.clone() }),
            }
        };
        tokio::time::timeout(KILLING, asked).await.unwrap_or_else(|_| Err(KeeperError::Lost("it is slow".to_owned())))
    }

    /// What is known to run. It proves nothing: only the keeper can tell that nothing is left.
    fn kill_what_is_known(&self) {
        let Some(life) = self.ward.life() else { return };
        let below = process::descendants(&life);
        for one in std::iter::once(&life).chain(&below) {
            if let Err(error) = signal::send(one, Signal::Kill) {
                tracing::error!(%error, pid = one.pid, "a process of the gateway could not be ended");
            }
        }
    }

    /// What fails is tried once more, over another connection; then whoever sees that nothing runs orders it again.
    async fn prove(&mut self, after: ActId) {
        if self.kill_all().await || self.kill_all().await {
            self.tell(Evidence::Gateway(Gateway::Ended { after })).await;
        }
    }

    async fn disable(&mut self) {
        self.nothing_beside();
        self.ward.carry(false);
        let off = self.switches.off().await;
        if let Err(why) = &off {
            tracing::error!("the channels could not be switched off in the config: {why}");
        }
        self.tell(Evidence::Disabled { worked: off.is_ok() }).await;
    }

    /// What is under way switches nothing from here on.
    fn nothing_beside(&mut self) {
        self.switches.abandon();
        self.beside = None;
    }

    fn open(&mut self, act: ActId, not_after: Moment) {
        self.nothing_beside();
        let (switches, ward, gate, heard) =
            (self.switches.clone(), Rc::clone(&self.ward), Rc::clone(&self.gate), self.heard.clone());
        let state_dir = self.state_dir.clone();
        let opening = Opening { act, not_after, state_dir, switches, ward, gate, heard };
        self.beside = Some(Beside(tokio::task::spawn_local(opening::run(opening))));
    }

    fn quiesce(&mut self, until: Moment) {
        self.nothing_beside();
        let (switches, ward, gate, heard) =
            (self.switches.clone(), Rc::clone(&self.ward), Rc::clone(&self.gate), self.heard.clone());
        let state_dir = self.state_dir.clone();
        let quieting = Quieting { until, state_dir, switches, ward, gate, heard };
        self.beside = Some(Beside(tokio::task::spawn_local(quiet::run(quieting))));
    }

    async fn tell(&self, evidence: Evidence) {
        let _ = self.heard.send(Heard::Evidence(evidence)).await;
    }
}

/// The process that the keeper has.
pub async fn child_of(keeper: &mut Keeper) -> Result<Option<Incarnation>, KeeperError> {
    Ok(keeper.hello().await?.child.map(|child| child.incarnation))
}
