//! A packet rule that shuts the gateway off unless the guard renews it.
//!
//! For a guard and a keeper that are both frozen while the machine runs: the kernel itself counts the time. The rule
//! drops what leaves the gateway's room ([`crate::host::egress`]) for other machines, connections that stand included,
//! unless a set holds the mark of a lease; the mark has a timeout, and renewing means setting it anew. Loopback stays,
//! so that the gateway can be looked at.
//!
//! Invariants: it is shut before it is first renewed, and shuts without anybody's help; the timeout counts from before
//! it was computed, or the fence is shut. The kernel's timeouts stand still while the machine sleeps or is paused: for
//! that there is no fence on the machine itself.
//!
//! Rules are set through the `nft` program, by its standard input. Needs `CAP_NET_ADMIN` and root's control groups.

use crate::host::egress::{NoRoom, Room};
use crate::host::{clock, printable};
use clawmend_core::gateway::Incarnation;
use clawmend_core::time::Moment;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

/// `nft` answers within milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// Of what it says, for people.
const WORDS_MAX: usize = 300;

/// Why there is no egress fence, or it may not be as it should.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// Not on this machine, or not with these rights; needs a person.
    #[error("no egress fence: {0}")]
    Unavailable(String),
    /// It could not be set; what was set before stands, and shuts by itself.
    #[error("the egress fence could not be set: {0}")]
    Failed(String),
    /// Setting it took so long that it would have shut too late; it is shut now.
    #[error("setting the egress fence took {0} ms; it was shut instead")]
    TooSlow(u64),
}

impl From<NoRoom> for EgressError {
    fn from(reason: NoRoom) -> Self {
        Self::Unavailable(reason.0)
    }
}

/// The fence of one gateway.
#[derive(Debug)]
pub struct Egress {
    table: String,
    room: Room,
}

impl Egress {
    /// Whether there can be one here. Changes nothing.
    ///
    /// # Errors
    /// Why not, in one sentence.
    pub async fn available() -> Result<(), EgressError> {
        Room::possible()?;
        // Listing needs the same right as changing.
        nft("list tables\n").await.map_err(|error| EgressError::Unavailable(error.to_string()))
    }

    /// Builds it, shut. `gateway` is the gateway's id; characters that a table's name cannot have are replaced.
    ///
    /// # Errors
    /// Not available, or `nft` refused.
    pub async fn raise(gateway: &str) -> Result<Self, EgressError> {
        let name: String = gateway.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(48).collect();
        let egress = Self { room: Room::make(&name)?, table: format!("clawmend_{name}") };
        nft(&rules(&egress.table, &egress.room.in_filter())).await?;
        Ok(egress)
    }

    /// Brings the keeper in, before it starts the gateway: so the gateway is inside from its first instruction on.
    ///
    /// # Errors
    /// It has ended, or the system refused.
    pub fn take_in(&self, keeper: &Incarnation) -> Result<(), EgressError> {
        Ok(self.room.take_in(keeper)?)
    }

    /// Whether this life is inside. A gateway that is not must be ended: its packets are not ours to hold back.
    #[must_use]
    pub fn holds(&self, life: &Incarnation) -> bool {
        self.room.holds(life)
    }

    /// Lets the gateway speak until `until`, or at most `slack_ms` longer.
    ///
    /// # Errors
    /// `nft` refused, or took too long; then it is shut, or shuts at its earlier moment.
    pub async fn renew(&self, until: Moment, slack_ms: u64) -> Result<(), EgressError> {
        // What is left is computed when the program is there and only waits for it.
        let nft = Nft::start()?;
        let before = clock::now().mono;
        let left_ms = until.since(before);
        if left_ms == 0 {
            drop(nft);
            return self.shut().await;
        }
        let set = nft.carry_out(&opening(&self.table, left_ms)).await;
        // The kernel began to count at some moment in between, and not at all while the machine slept.
        let took_ms = clock::now().mono.since(before);
        if took_ms > slack_ms {
            self.shut().await?;
            return Err(EgressError::TooSlow(took_ms));
        }
        set
    }

    /// Shuts it now.
    ///
    /// # Errors
    /// `nft` refused; it shuts at its earlier moment.
    pub async fn shut(&self) -> Result<(), EgressError> {
        nft(&format!("flush set inet {} lease\n", self.table)).await
    }

    /// Takes it away: shared mode is over on this node, and nothing of the gateway runs under it any more.
    ///
    /// # Errors
    /// `nft` refused.
    pub async fn lower(self) -> Result<(), EgressError> {
        nft(&format!("delete table inet {}\n", self.table)).await?;
        self.room.remove();
        Ok(())
    }
}

/// All of it in one transaction: it never stands half.
fn rules(table: &str, from_the_room: &str) -> String {
    format!(
        "add table inet {table}\n\
         delete table inet {table}\n\
         table inet {table} {{\n\
         \x20 set lease {{ typeof meta nfproto; flags timeout; }}\n\
         \x20 chain gate {{ meta nfproto @lease return; counter drop; }}\n\
         \x20 chain out {{\n\
         \x20   type filter hook output priority 0; policy accept;\n\
         \x20   oifname \"lo\" accept\n\
         \x20   {from_the_room} jump gate\n\
         \x20 }}\n\
         }}\n"
    )
}

/// Adding an element that is there does not renew its timeout on older kernels; so it is taken out in between, within
/// one transaction. It is added first because taking out what is not there is refused.
fn opening(table: &str, left_ms: u64) -> String {
    let marks = format!("{{ ipv4 timeout {left_ms}ms, ipv6 timeout {left_ms}ms }}");
    format!(
        "add element inet {table} lease {marks}\n\
         delete element inet {table} lease {{ ipv4, ipv6 }}\n\
         add element inet {table} lease {marks}\n"
    )
}

/// Has `nft` carry out a script as one transaction.
async fn nft(script: &str) -> Result<(), EgressError> {
    Nft::start()?.carry_out(script).await
}

/// The program, waiting for its script. Dropped, it is ended.
struct Nft(Child);

impl Nft {
    fn start() -> Result<Self, EgressError> {
        let mut command = Command::new("nft");
        command.args(["-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.kill_on_drop(true).spawn().map(Self).map_err(|error| {
            if error.kind() == std::io::ErrorKind::NotFound {
                EgressError::Unavailable("there is no program nft (nftables)".to_owned())
            } else {
                EgressError::Failed(format!("nft: {error}"))
            }
        })
    }

    async fn carry_out(mut self, script: &str) -> Result<(), EgressError> {
        let talk = async {
            if let Some(mut stdin) = self.0.stdin.take() {
                stdin.write_all(script.as_bytes()).await?;
            }
            self.0.wait_with_output().await
        };
        let output = tokio::time::timeout(PATIENCE, talk).await;
        let output = output.map_err(|_| EgressError::Failed("nft does not answer".to_owned()))?;
        let output = output.map_err(|error| EgressError::Failed(format!("nft: {error}")))?;
        if output.status.success() {
            return Ok(());
        }
        Err(EgressError::Failed(printable(&output.stderr, WORDS_MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_built_shut_at_once_and_a_renewal_sets_the_time_anew() {
        let built = rules("clawmend_x", "socket cgroupv2 level 2 \"clawmend/x\"");
        assert!(built.starts_with("add table inet clawmend_x\ndelete table inet clawmend_x\n"), "{built}");
        assert!(!built.contains("elements"), "{built}");
        let order = ["oifname \"lo\" accept", "level 2 \"clawmend/x\" jump gate"].map(|part| built.find(part));
        assert!(order[0].is_some() && order[0] < order[1], "{built}");
        let opened = opening("clawmend_x", 1500);
        let begins: Vec<&str> = opened.lines().map(|line| &line[..line.find(' ').unwrap_or(0)]).collect();
        assert_eq!(begins, ["add", "delete", "add"]);
        assert_eq!(opened.matches("timeout 1500ms").count(), 4);
    }
}
