//! The egress fence around a node's gateway, where the settings want one.
//!
//! Invariants: it is renewed only together with the deadman, and never longer than the lease lasts; a fence that cannot be
//! renewed is shut, and its gateway ended; nothing here waits in a node's loop. Start at [`Fence::raise`].

use crate::api::types::{EgressReport, Time};
use crate::failover::fence::egress::{Egress, EgressError};
use crate::host::clock;
use crate::host::process::incarnation_of;
use crate::keeper::client::{Keeper, KeeperError};
use crate::openclaw::discovery::Home;
use crate::settings::SharedSettings;
use clawmend_core::failover::lease::{Figures, Why};
use clawmend_core::gateway::Incarnation;
use clawmend_core::time::{Moment, Now};
use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How long a keeper may take to say who it is.
const ASKING: Duration = Duration::from_secs(1);
/// How long everything at the end of a guard may take.
const LEAVING: Duration = Duration::from_secs(5);
/// What a dead gateway had still to send stays in the kernel at most for so long (`tcp_orphan_retries`, 8 by default), in
/// milliseconds: that long a fence that was shut on it stays.
const LINGER_MS: u64 = 180_000;
/// Of a gateway's id in the fence's name.
const ID_MAX: usize = 31;

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    /// As the guard before us had left it: open until its moment, or shut.
    AsLeft,
    /// Open until then.
    Open(Moment),
    Shut,
}

/// The fence of this node.
#[derive(Debug)]
pub struct Fence {
    egress: Arc<Egress>,
    figures: Figures,
    stands: Cell<Stands>,
    shut_at: Cell<Option<Moment>>,
    problem: RefCell<Option<String>>,
    /// The guard ends: nobody is brought in any more.
    over: Cell<bool>,
}

impl Fence {
    /// Raises it, or takes up the one of the guard before us, which stays as open as that had left it.
    ///
    /// # Errors
    /// In words for people: it is wanted, and cannot be here.
    pub async fn raise(settings: &SharedSettings, home: &Home) -> Result<Option<Rc<Self>>, String> {
        if !settings.egress_fence {
            return Ok(None);
        }
        let name = name(home);
        let stands = Cell::new(if Egress::is_left(&name) { Stands::AsLeft } else { Stands::Shut });
        let raised = async {
            Egress::available().await?;
            Egress::raise(&name).await
        };
        let egress = raised.await.map_err(|error| wanted(&error))?;
        Ok(Some(Rc::new(Self {
            egress: Arc::new(egress),
            figures: settings.figures,
            stands,
            shut_at: Cell::new(None),
            problem: RefCell::default(),
            over: Cell::new(false),
        })))
    }

    /// Brings the keeper in that is about to start the gateway.
    ///
    /// # Errors
    /// In words for people; nothing may be started then.
    pub async fn bring_in(&self, keeper: &Path) -> Result<(), String> {
        let asked = async { Keeper::start(keeper).await?.hello().await };
        let asked = tokio::time::timeout(ASKING, asked).await;
        let asked = asked.unwrap_or_else(|_| Err(KeeperError::Lost("it is slow".to_owned())));
        let pid = asked.map_err(|error| error.to_string())?.pid;
        let life = incarnation_of(pid).ok_or("the keeper has ended")?;
        if !self.egress.holds(&life) {
            let egress = Arc::clone(&self.egress);
            // The kernel may take a moment to move a process.
            let moved = tokio::task::spawn_blocking(move || egress.take_in(&life)).await;
            moved.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        }
        if self.over.get() { Err("the guard ends".to_owned()) } else { Ok(()) }
    }

    /// Whether this life is inside; one that is not cannot be shut off.
    pub fn holds(&self, life: &Incarnation) -> bool {
        let inside = self.egress.holds(life);
        if !inside {
            self.fails("the gateway that ran had been started outside of it".to_owned());
        }
        inside
    }

    /// Lets the gateway speak for as long as the lease lasts. Answers whether it may go on.
    ///
    /// It is given a part of the kill budget beyond the deadline: a gateway that is ended at its deadline can still close
    /// its connections, so that the channel's service does not take it for a second reader.
    pub async fn renew(&self, deadline: Moment) -> bool {
        let slack_ms = self.figures.kill_ms / 2;
        let until = deadline.plus(self.figures.kill_ms.saturating_sub(slack_ms));
        let patience = Duration::from_millis(self.figures.usable_ms() / 2);
        let renewed = tokio::time::timeout(patience, self.renew_twice(until, slack_ms)).await;
        match renewed {
            Ok(Ok(())) => {
                self.stands.set(Stands::Open(until));
                *self.problem.borrow_mut() = None;
                true
            }
            Ok(Err(error)) => {
                self.fails(error.to_string());
                self.shut().await;
                false
            }
            Err(_) => {
                self.fails("setting it took too long".to_owned());
                self.shut().await;
                false
            }
        }
    }

    /// A firewall that was loaded anew has taken it away, and a busy machine is late now and then: both once.
    async fn renew_twice(&self, until: Moment, slack_ms: u64) -> Result<(), EgressError> {
        let Err(error) = self.egress.renew(until, slack_ms).await else { return Ok(()) };
        tracing::warn!(%error, "the egress fence is built anew");
        self.egress.build().await?;
        self.egress.renew(until, slack_ms).await
    }

    /// Shuts it: the lease is lost, or the gateway has ended.
    pub async fn shut(&self) {
        if let Err(error) = self.egress.shut().await {
            // It shuts at its moment, without our help.
            tracing::error!(%error, "the egress fence could not be shut at once");
        }
        // One that was shut already holds nothing back that was on its way.
        if !matches!(self.stands.replace(Stands::Shut), Stands::Shut) {
            self.shut_at.set(Some(clock::now().mono));
        }
    }

    /// The guard ends in order, and nothing of its gateway is left: takes it away. A fence that was shut a moment ago
    /// stays: what the dead gateway had still to send must not leave after all.
    pub async fn lower(&self) {
        let now = clock::now().mono;
        if self.shut_at.get().is_some_and(|at| now.since(at) < LINGER_MS) {
            tracing::info!("the egress fence {} stays for the next guard", self.egress.table());
            return;
        }
        match tokio::time::timeout(LEAVING, self.egress.lower()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the egress fence {} stays", self.egress.table()),
            Err(_) => tracing::error!("the egress fence {} stays: nft is slow", self.egress.table()),
        }
    }

    /// Nobody is brought in any more, so nothing is started.
    pub fn is_over(&self) {
        self.over.set(true);
    }

    fn fails(&self, why: String) {
        tracing::error!("the egress fence failed: {why}");
        *self.problem.borrow_mut() = Some(why);
    }

    /// For `status`.
    pub fn report(&self, now: &Now) -> EgressReport {
        let (state, until) = match self.stands.get() {
            Stands::Open(until) if now.mono < until => ("open", Some(until)),
            Stands::Open(_) | Stands::Shut => ("shut", None),
            Stands::AsLeft => ("as_left", None),
        };
        EgressReport {
            state: state.to_owned(),
            until: until.map(|until| Time(now.wall_of(until))),
            table: self.egress.table().to_owned(),
            problem: self.problem.borrow().clone(),
        }
    }
}

/// Takes away what an earlier guard had raised around a gateway that has no fence now: shut, it would be mute.
///
/// # Errors
/// In words for people.
pub async fn clear_away(home: &Home) -> Result<(), String> {
    let name = name(home);
    if !Egress::is_left(&name) {
        return Ok(());
    }
    let cleared = async { Egress::raise(&name).await?.lower().await };
    cleared.await.map_err(|error| {
        format!(
            "an egress fence of an earlier guard stands around the gateway {} and may keep it mute: {error}; take it away \
             with `nft delete table inet clawmend_{name}`",
            home.id.0
        )
    })
}

/// Whether the fence is shut before the gateway has ended: others may own already, or nobody knows what runs. Otherwise
/// it closes its connections first, so that the channel's service sees it go.
pub const fn at_once(why: Why) -> bool {
    match why {
        Why::Taken | Why::Woke | Why::Unproven | Why::NotOurs | Why::SplitBrain | Why::Unfenced | Why::SwitchedOn => {
            true
        }
        Why::CannotOpen
        | Why::RanOut
        | Why::Person
        | Why::CannotStart
        | Why::NotCleared
        | Why::NoDeadman
        | Why::GuardEnds => false,
    }
}

fn wanted(error: &EgressError) -> String {
    let why = match error {
        EgressError::Unavailable(reason) => reason.clone(),
        EgressError::Failed(_) | EgressError::TooSlow(_) => error.to_string(),
    };
    format!(
        "egress_fence is true, but there can be no egress fence here: {why}. It needs Linux, root, the program nft \
         (nftables) and control groups of version 2 that are not a container's; see to that, or set egress_fence = false"
    )
}

/// Of one gateway of this machine: two homes may call theirs the same.
fn name(home: &Home) -> String {
    let id: String = home.id.0.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(ID_MAX).collect();
    format!("{id}_{:016x}", super::super::premises::mark_of(home))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clawmend_core::gateway::GatewayId;
    use std::collections::BTreeSet;

    #[test]
    fn where_it_is_wanted_and_cannot_be_one_sentence_says_why_and_what_to_do() {
        let reasons = ["there is no program nft (nftables)", "control groups are those of a container here"];
        let told = reasons.map(|why| wanted(&EgressError::Unavailable(why.to_owned())));
        let refused = wanted(&EgressError::Failed("Error: Could not process rule".to_owned()));
        let told = [&told[0], &told[1], &refused].map(String::as_str);
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn two_homes_that_call_their_gateway_the_same_have_two_fences() {
        let home = |folder: &str| Home {
            id: GatewayId("default".to_owned()),
            profile: None,
            user_home: folder.into(),
            state_dir: folder.into(),
            config_path: folder.into(),
            port: None,
        };
        let names: BTreeSet<String> = ["/a/.openclaw", "/b/.openclaw"].map(|folder| name(&home(folder))).into();
        assert_eq!(names.len(), 2);
        assert!(names.iter().all(|name| name.len() <= 48), "{names:?}");
    }
}
