//! A packet rule that shuts the gateway off unless the guard renews it.
//!
//! For a guard and a keeper that are both frozen while the machine runs: the kernel itself counts the time. The rule
//! drops what leaves the gateway's room ([`crate::host::egress`]) for other machines, connections that stand included,
//! unless a set holds the mark of a lease; the mark has a timeout, and renewing means setting it anew. Loopback stays,
//! so that the gateway can be looked at.
//!
//! Invariants: a new one is shut before it is first renewed, and each shuts without anybody's help; the timeout counts
//! from before it was computed, or the fence is shut. The kernel's timeouts stand still while the machine sleeps or is
//! paused: for that there is no fence on the machine itself.
//!
//! Rules are set through the `nft` program, by its standard input, beside the loop. Needs `CAP_NET_ADMIN` and root's
//! control groups.

use crate::host::egress::{NoRoom, Room};
use crate::host::program::{Bounds, NotRun, run};
use crate::host::{clock, printable};
use clawmend_core::gateway::Incarnation;
use clawmend_core::time::Moment;
use std::ffi::OsString;
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// `nft` answers within milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// Of what it says, for people, in bytes.
const WORDS_MAX: usize = 300;
/// Of what it says at all, in bytes.
const SAID_MAX: u64 = 16 * 1024;
/// Of a name, so that the control group can have it.
const NAME_MAX: usize = 48;

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
        nft("list tables\n".to_owned(), PATIENCE).await.map_err(|error| match error {
            EgressError::Failed(why) => EgressError::Unavailable(why),
            error @ (EgressError::Unavailable(_) | EgressError::TooSlow(_)) => error,
        })
    }

    /// Builds it, or takes up the one that an earlier guard has built: what that one had opened stays open until its
    /// moment, and shuts by itself. A new one is shut. `name` is for one gateway of this machine; characters that a
    /// table's name cannot have are replaced.
    ///
    /// # Errors
    /// Not available, or `nft` refused.
    pub async fn raise(name: &str) -> Result<Self, EgressError> {
        let name = plain(name);
        let egress = Self { room: Room::make(&name)?, table: table(&name) };
        egress.build().await?;
        Ok(egress)
    }

    /// Builds it anew where somebody has taken it away under us, as a reload of a firewall does.
    ///
    /// # Errors
    /// `nft` refused.
    pub async fn build(&self) -> Result<(), EgressError> {
        nft(rules(&self.table, &self.room.in_filter()), PATIENCE).await
    }

    /// Whether an earlier guard has left one of this name behind. Changes nothing.
    #[must_use]
    pub fn is_left(name: &str) -> bool {
        Room::is_there(&plain(name))
    }

    /// What `nft` calls its table.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.table
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
        let before = clock::now().mono;
        let left_ms = until.since(before);
        if left_ms == 0 {
            return self.shut().await;
        }
        // What comes later than it may be late is not to come at all.
        let set = nft(opening(&self.table, left_ms), Duration::from_millis(slack_ms)).await;
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
        nft(format!("flush set inet {} lease\n", self.table), PATIENCE).await
    }

    /// Takes it away: shared mode is over on this node, and nothing of the gateway runs under it any more.
    ///
    /// # Errors
    /// `nft` refused.
    pub async fn lower(&self) -> Result<(), EgressError> {
        // Added first, because deleting what is not there is refused.
        let table = &self.table;
        nft(format!("add table inet {table}\ndelete table inet {table}\n"), PATIENCE).await?;
        self.room.remove();
        Ok(())
    }
}

fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(NAME_MAX).collect()
}

fn table(plain: &str) -> String {
    format!("clawmend_{plain}")
}

/// All of it in one transaction: it never stands half. The set stays as it is where it is there.
fn rules(table: &str, from_the_room: &str) -> String {
    format!(
        "add table inet {table}\n\
         add set inet {table} lease {{ typeof meta nfproto; flags timeout; }}\n\
         add chain inet {table} gate\n\
         add chain inet {table} out {{ type filter hook output priority 0; policy accept; }}\n\
         flush chain inet {table} gate\n\
         flush chain inet {table} out\n\
         add rule inet {table} gate meta nfproto @lease return\n\
         add rule inet {table} gate counter drop\n\
         add rule inet {table} out oifname \"lo\" accept\n\
         add rule inet {table} out {from_the_room} jump gate\n"
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

/// Has `nft` carry out a script as one transaction, in a thread of its own: a guard whose other threads all wait for a
/// disk still renews. It is ended when its time is over, and when nobody waits for it any more.
async fn nft(script: String, limit: Duration) -> Result<(), EgressError> {
    let (done, said) = oneshot::channel();
    let until = Instant::now() + limit;
    let work = move || {
        let ran = carry_out(script, until, || !done.is_closed());
        // Whoever asked may be gone.
        drop(done.send(ran));
    };
    let thread = std::thread::Builder::new().name("nft".to_owned()).spawn(work);
    thread.map_err(|error| EgressError::Failed(format!("nft: no thread: {error}")))?;
    said.await.unwrap_or_else(|_| Err(EgressError::Failed("nft: its thread has ended".to_owned())))
}

fn carry_out(script: String, until: Instant, goes_on: impl FnMut() -> bool) -> Result<(), EgressError> {
    let mut command = Command::new("nft");
    command.args(["-f", "-"]).env_clear().env("PATH", search_path());
    let bounds = Bounds { until, output: SAID_MAX, messages: SAID_MAX };
    match run(&mut command, Some(script.into_bytes()), bounds, goes_on) {
        Ok(said) if said.code == 0 => Ok(()),
        Ok(said) => Err(EgressError::Failed(printable(said.messages.as_bytes(), WORDS_MAX))),
        Err(NotRun::Missing) => Err(EgressError::Unavailable("there is no program nft (nftables)".to_owned())),
        Err(error) => Err(EgressError::Failed(format!("nft: {error}"))),
    }
}

/// Root by way of `su` has no folders of root's programs in its path.
fn search_path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(if path.is_empty() { "/usr/sbin:/sbin" } else { ":/usr/sbin:/sbin" });
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_built_shut_at_once_and_a_renewal_sets_the_time_anew() {
        let built = rules("clawmend_x", "socket cgroupv2 level 2 \"clawmend/x\"");
        assert!(built.starts_with("add table inet clawmend_x\nadd set inet clawmend_x lease"), "{built}");
        assert!(!built.contains("element") && !built.contains("flush set"), "what stands open stays so: {built}");
        let order = ["oifname \"lo\" accept", "level 2 \"clawmend/x\" jump gate"].map(|part| built.find(part));
        assert!(order[0].is_some() && order[0] < order[1], "{built}");
        let opened = opening("clawmend_x", 1500);
        let begins: Vec<&str> = opened.lines().map(|line| &line[..line.find(' ').unwrap_or(0)]).collect();
        assert_eq!(begins, ["add", "delete", "add"]);
        assert_eq!(opened.matches("timeout 1500ms").count(), 4);
    }
}
