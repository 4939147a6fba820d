//! One look at the primary, by the node that stands by.
//!
//! The primary's guard is asked, its gateway is probed where that is reachable, and a reference beyond both is connected
//! to, all at the same time and each within the limit. Invariant: "nobody there" is said only by a node that has just
//! reached something else; nothing is sent to the gateway or to the reference but a health probe without credentials.

use super::key::PairKey;
use super::peer::client::{NoAnswer, ask};
use super::peer::wire::{Question, Told};
use crate::host::resolver;
use crate::probe::connect::{Scheme, Target};
use crate::probe::http::{HttpProbe, Limits};
use clawmend_core::failover::Sight;
use clawmend_core::health::Verdict;
use clawmend_core::observation::{Endpoint, HttpOutcome};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// What one looks with.
#[derive(Clone, Debug)]
pub struct Eyes {
    /// Where the primary's guard answers.
    pub peer: SocketAddr,
    /// Where its gateway answers, if that can be reached from here.
    pub peer_gateway: Option<SocketAddr>,
    /// What answers when this node's own network is well; `None`: its name servers. Where there are none, this node cannot
    /// doubt itself.
    pub reference: Option<SocketAddr>,
    /// The pair's.
    pub key: PairKey,
    /// For all of it.
    pub limit: Duration,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// For the decision.
    pub sight: Sight,
    /// For people.
    pub why: String,
    /// All that the primary's guard said.
    pub told: Option<Told>,
}

impl Eyes {
    /// Looks once.
    pub async fn look(&self, question: &Question) -> Seen {
        let (told, gateway, reached) = tokio::join!(
            ask(self.peer, &self.key, question, self.limit),
            serves(self.peer_gateway, self.limit),
            self.reaches_a_reference(),
        );
        match told {
            Ok(told) => {
                let (sight, why) = sight_of(&told);
                Seen { sight, why, told: Some(told) }
            }
            Err(NoAnswer::Unclear(why)) => Seen { sight: Sight::Unclear, why, told: None },
            Err(NoAnswer::Silent(why)) if gateway => {
                Seen { sight: Sight::Serves, why: format!("its gateway answers, though {why}"), told: None }
            }
            Err(NoAnswer::Silent(why)) if reached => Seen { sight: Sight::Silent, why, told: None },
            Err(NoAnswer::Silent(why)) => {
                let why = format!("this node reaches nobody else either, so it may be its own network: {why}");
                Seen { sight: Sight::Blind, why, told: None }
            }
        }
    }

    async fn reaches_a_reference(&self) -> bool {
        let references = references(self.reference);
        if references.is_empty() {
            return true;
        }
        let mut tries = futures_util::stream::FuturesUnordered::new();
        tries.extend(references.into_iter().map(|one| reaches(one, self.limit)));
        while let Some(reached) = futures_util::StreamExt::next(&mut tries).await {
            if reached {
                return true;
            }
        }
        false
    }
}

/// What answers when a node's own network is well, as it is now; the first that does counts.
#[must_use]
pub fn references(wanted: Option<SocketAddr>) -> Vec<SocketAddr> {
    wanted.map_or_else(resolver::name_servers, |one| vec![one])
}

/// A refusal is an answer, too.
pub async fn reaches(address: SocketAddr, limit: Duration) -> bool {
    match tokio::time::timeout(limit, TcpStream::connect(address)).await {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        Err(_) => false,
    }
}

async fn serves(gateway: Option<SocketAddr>, limit: Duration) -> bool {
    let Some(address) = gateway else { return false };
    let mut probe = HttpProbe::new(Target { address, scheme: Scheme::Plain });
    let limits = Limits { late_after: limit, timeout: limit };
    matches!(probe.probe(Endpoint::Healthz, limits, |_| {}).await.outcome, HttpOutcome::Ok)
}

/// In words for people.
pub const IS_A_STANDBY: &str =
    "a standby answers at `peer`: name the primary there, and a standby that comes before this one in `after`";

/// What the primary's guard says, as a standby takes it. While a pause hides the verdict, the process tells.
/// Another standby is nobody's primary, whatever it carries: its accounts are not those that must be apart.
fn sight_of(told: &Told) -> (Sight, String) {
    if told.standby.is_some() {
        return (Sight::Unclear, IS_A_STANDBY.to_owned());
    }
    let sight = match told.verdict {
        _ if told.stopped => Sight::Stopped,
        Verdict::Healthy | Verdict::Degraded | Verdict::Suspect => Sight::Serves,
        Verdict::Stopped => Sight::Stopped,
        Verdict::Paused if told.alive => Sight::Serves,
        Verdict::Paused => Sight::Stopped,
        Verdict::Starting | Verdict::Draining | Verdict::Down | Verdict::Unknown => Sight::BeingRepaired,
    };
    (sight, format!("its guard says: {}", told.verdict.name()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failover::peer::wire::StandsBy;
    use clawmend_core::failover::Role;
    use clawmend_core::failover::ownership::Owned;
    use clawmend_core::time::Wall;

    fn told(verdict: Verdict, alive: bool, stopped: bool) -> Told {
        Told {
            version: "1".into(),
            openclaw: None,
            wall: Wall(0),
            verdict,
            alive,
            stopped,
            accounts: Owned::Known(Vec::new()),
            standby: None,
        }
    }

    #[test]
    fn what_a_guard_says_is_taken_for_what_it_means() {
        for (verdict, alive, stopped, sight) in [
            (Verdict::Healthy, true, false, Sight::Serves),
            (Verdict::Degraded, true, false, Sight::Serves),
            (Verdict::Suspect, true, false, Sight::Serves),
            (Verdict::Down, false, false, Sight::BeingRepaired),
            (Verdict::Unknown, true, false, Sight::BeingRepaired),
            (Verdict::Starting, true, false, Sight::BeingRepaired),
            (Verdict::Paused, true, false, Sight::Serves),
            (Verdict::Paused, false, false, Sight::Stopped),
            (Verdict::Stopped, false, true, Sight::Stopped),
            (Verdict::Down, false, true, Sight::Stopped),
        ] {
            assert_eq!(sight_of(&told(verdict, alive, stopped)).0, sight, "{verdict:?} {alive} {stopped}");
        }
    }

    /// Whatever it says of its gateway, which is off while it stands by.
    #[test]
    fn another_standby_is_nobodys_primary() {
        for verdict in [Verdict::Healthy, Verdict::Stopped, Verdict::Down] {
            let standby = Some(StandsBy { role: Role::Watching, would: true, sees_primary: true });
            let told = Told { standby, ..told(verdict, false, true) };
            assert_eq!(sight_of(&told).0, Sight::Unclear, "{verdict:?}");
        }
    }
}
