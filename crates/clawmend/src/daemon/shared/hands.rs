//! Starts, ends and switches of a node's gateway, one after the other, in the order in which they were decided.
//!
//! Invariants: a start opens the gate for the ward, which starts it as it always does; an end is a SIGKILL of everything
//! that the gateway is, said to be proven only when the keeper sees nothing of it and nobody is on the way with a start.
//! Nothing here decides. Start at [`Hands::run`].

use super::fence::Fence;
use super::gate::{Gate, Grant};
use super::heard::{Heard, Ward};
use crate::failover::switches::Switches;
use crate::host::process;
use crate::host::signal::{self, Signal};
use crate::keeper::client::{Keeper, KeeperError};
use clawmend_core::failover::lease::{ActId, Evidence, Gateway};
use clawmend_core::gateway::Incarnation;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc;

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
    /// Switch the channels on in the config, and let the ward start the gateway.
    Start(Grant),
    /// End all of it.
    End(ActId),
    /// This life has ended, which this act had made: see that nothing of it is left.
    Prove(ActId),
    /// Switch the channels off in the config, and let the ward start nothing.
    Disable,
    /// Switch them off under a gateway that runs: it takes no new work then.
    Quiesce,
}

/// Does it.
pub struct Hands {
    /// The gate.
    pub gate: Rc<Gate>,
    /// The keeper's folder.
    pub dir: PathBuf,
    /// The switches in the config.
    pub switches: Switches,
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
}

impl Hands {
    /// Until nobody orders any more.
    pub async fn run(mut self, mut acts: mpsc::Receiver<Act>) {
        while let Some(act) = acts.recv().await {
            match act {
                Act::Start(grant) => self.start(grant).await,
                Act::End(act) => self.end(act).await,
                Act::Prove(after) if after >= self.last => self.prove(after).await,
                // An order that came later sees to it.
                Act::Prove(_) => {}
                Act::Disable => self.disable().await,
                Act::Quiesce => self.quiesce().await,
            }
        }
    }

    async fn start(&mut self, grant: Grant) {
        self.last = grant.act;
        let switches = self.switches.clone();
        let on = blocking(move || switches.on()).await;
        // Last before the gate: nobody else becomes the keeper in between.
        let opened = on.is_ok() && self.bring_in().await && self.gate.open(grant);
        if let Err(why) = on {
            tracing::error!("the channels could not be switched on in the config, so nothing is started: {why}");
        }
        if opened {
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

    async fn prove(&mut self, after: ActId) {
        if self.kill_all().await {
            self.tell(Evidence::Gateway(Gateway::Ended { after })).await;
        }
    }

    async fn disable(&self) {
        self.ward.carry(false);
        let switches = self.switches.clone();
        let off = blocking(move || switches.off()).await;
        if let Err(why) = &off {
            tracing::error!("the channels could not be switched off in the config: {why}");
        }
        self.tell(Evidence::Disabled { worked: off.is_ok() }).await;
    }

    async fn quiesce(&self) {
        let switches = self.switches.clone();
        if let Err(why) = blocking(move || switches.off()).await {
            tracing::warn!("the channels could not be switched off before a planned switch: {why}");
        }
    }

    async fn tell(&self, evidence: Evidence) {
        let _ = self.heard.send(Heard::Evidence(evidence)).await;
    }
}

/// What may wait for the disk, beside the loops.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(error.to_string()))
}

/// The process that the keeper has.
pub async fn child_of(keeper: &mut Keeper) -> Result<Option<Incarnation>, KeeperError> {
    Ok(keeper.hello().await?.child.map(|child| child.incarnation))
}
