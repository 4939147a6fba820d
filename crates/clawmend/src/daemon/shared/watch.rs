//! What a node sees of its gateway's process and hears of the store beside its loop, and the deadman that it arms.
//!
//! Invariant: each of these runs for itself and only tells; one that waits for a keeper that does not answer holds up
//! nobody.

use super::fence::Fence;
use super::gate::{Gate, Grant, Outcome};
use super::hands::{Act, child_of};
use super::heard::{Heard, Ward};
use crate::failover::lease::LeaseStore;
use crate::host::clock;
use crate::host::pidfd::{ExitWatch, WatchError};
use crate::host::process;
use crate::keeper::client::{Keeper, KeeperError};
use crate::keeper::protocol::State;
use clawmend_core::failover::lease::{ActId, Evidence, Fenced, Figures, Gateway};
use clawmend_core::gateway::Incarnation;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Between two looks at what cannot be watched, or does not answer.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// Between two questions what the keeper has.
const CHILD_EVERY: Duration = Duration::from_secs(2);
/// How long the keeper may take to arm its deadman.
const ARMING: Duration = Duration::from_secs(1);

/// What the keeper has, as soon as one answers: what the guard before us had ordered has been carried out by then.
pub async fn found(dir: &Path) -> State {
    loop {
        let heard = async { Keeper::start(dir).await?.hello().await };
        match heard.await {
            Ok(state) => return state,
            Err(error) => tracing::error!(%error, "no keeper tells what runs, so this node waits"),
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Tells when this life has ended, which this act had made.
pub fn its_end(life: Incarnation, made_by: ActId, acts: mpsc::Sender<Act>) {
    tokio::task::spawn_local(async move {
        match ExitWatch::new(&life) {
            Ok(watch) => watch.ended().await,
            Err(WatchError::Gone { .. }) => {}
            Err(error @ WatchError::CannotWatch { .. }) => {
                tracing::debug!(%error, "no watch on the process; it is looked at instead");
                while process::is_alive(&life) {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            }
        }
        let _ = acts.send(Act::Prove(made_by)).await;
    });
}

/// Tells what the keeper has, again and again: a process that nobody here has started must not stay unseen.
pub fn children(dir: PathBuf, heard: mpsc::Sender<Heard>) {
    tokio::task::spawn_local(async move {
        let mut keeper = None;
        while !heard.is_closed() {
            tokio::time::sleep(CHILD_EVERY).await;
            if keeper.is_none() {
                keeper = Keeper::start(&dir).await.ok();
            }
            let Some(asked) = &mut keeper else { continue };
            match child_of(asked).await {
                Ok(child) => {
                    let _ = heard.send(Heard::Child(child)).await;
                }
                Err(_) => keeper = None,
            }
        }
    });
}

/// Tells when a person has paused or stopped what this node would start, and when that is over.
pub fn hindrance(ward: Rc<Ward>, heard: mpsc::Sender<Heard>) {
    tokio::task::spawn_local(async move {
        let mut told = false;
        while !heard.is_closed() {
            // A ward that gives no answer has said nothing new.
            let hindered = ward.is_hindered().await.unwrap_or(told);
            if std::mem::replace(&mut told, hindered) != hindered {
                let _ = heard.send(Heard::Evidence(Evidence::Hindered(hindered))).await;
            }
            tokio::time::sleep(CHILD_EVERY).await;
        }
    });
}

/// Tells when the store says that the lease is free, at most once in `look_ms`.
pub fn store(store: Rc<LeaseStore>, figures: Figures, heard: mpsc::Sender<Heard>) {
    let (least, most) = (Duration::from_millis(figures.look_ms), Duration::from_millis(figures.retry_ms));
    tokio::task::spawn_local(async move {
        let mut wait = least;
        loop {
            let told = tokio::select! {
                () = heard.closed() => return,
                told = store.freed() => told,
            };
            match told {
                Ok(()) => {
                    wait = least;
                    let _ = heard.send(Heard::Evidence(Evidence::Freed)).await;
                }
                Err(trouble) => {
                    tracing::debug!(%trouble, "no word from the lease store; it is looked at");
                    wait = wait.saturating_mul(2).min(most).max(least);
                }
            }
            tokio::time::sleep(wait).await;
        }
    });
}

/// Whether a keeper has a process, or may have one: one that does not answer has.
pub async fn has_child(dir: &Path) -> bool {
    let asked = async { child_of(&mut Keeper::connect(dir).await?).await };
    match tokio::time::timeout(ARMING, asked).await {
        Ok(Ok(child)) => child.is_some(),
        Ok(Err(KeeperError::Absent { .. })) => false,
        Ok(Err(_)) | Err(_) => true,
    }
}

/// Finds out what became of a start whose outcome is unknown: a process that runs is it, since none ran before; and none
/// is to come once its moment has passed.
pub fn resolve(grant: Grant, gate: Rc<Gate>, dir: PathBuf) {
    tokio::task::spawn_local(async move {
        loop {
            let late = clock::now().mono > grant.limit.not_after;
            let child = async { child_of(&mut Keeper::start(&dir).await?).await };
            match child.await {
                Ok(Some(life)) => return gate.resolve(Outcome::Started(grant.act, life)),
                Ok(None) if late => return gate.resolve(Outcome::NotStarted(grant.act)),
                Ok(None) | Err(_) => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
    });
}

/// Arms the deadman with whatever was asked for last, and renews the egress fence with it; with nothing, shuts that.
pub fn deadman(
    dir: PathBuf,
    mut wanted: watch::Receiver<Option<Fenced>>,
    fence: Option<Rc<Fence>>,
    heard: mpsc::Sender<Heard>,
) {
    tokio::task::spawn_local(async move {
        let mut keeper = None;
        while wanted.changed().await.is_ok() {
            let now_wanted = *wanted.borrow_and_update();
            let Some(fenced) = now_wanted else {
                if let Some(fence) = &fence {
                    fence.shut().await;
                }
                continue;
            };
            let armed = async {
                // Another keeper may have taken the place of the one that this connection led to.
                if let Some(asked) = &mut keeper
                    && let Ok(stands) = arm(asked, fenced).await
                {
                    return Ok(stands);
                }
                let asked = keeper.insert(Keeper::start(&dir).await.map_err(|error| error.to_string())?);
                arm(asked, fenced).await.map_err(|error| error.to_string())
            };
            let armed = tokio::time::timeout(ARMING, armed).await.unwrap_or_else(|_| Err("it is slow".to_owned()));
            let evidence = match armed {
                Ok(stands) => match &fence {
                    Some(fence) if !fence.renew(stands.until).await => Evidence::Unfenced,
                    Some(_) | None => Evidence::Armed(stands),
                },
                Err(why) => {
                    tracing::error!("the deadman could not be armed: {why}");
                    keeper = None;
                    Evidence::NotArmed
                }
            };
            if heard.send(Heard::Evidence(evidence)).await.is_err() {
                return;
            }
        }
    });
}

/// Arms it. A deadman that stands there under a higher term is from a lease that this node does not count on any more: the
/// store has lost its memory, or it is another one. Where nothing runs it only stands in the way; the keeper takes it away
/// at no other time.
async fn arm(keeper: &mut Keeper, fenced: Fenced) -> Result<Fenced, KeeperError> {
    let refused = match keeper.arm(fenced).await {
        Err(KeeperError::Refused(refusal)) => KeeperError::Refused(refusal),
        other => return other,
    };
    let state = keeper.hello().await?;
    match state.fenced().filter(|before| before.term > fenced.term && state.child.is_none()) {
        Some(before) => {
            tracing::info!(term = before.term.0, "a deadman of an earlier lease is taken away; nothing runs");
            keeper.disarm(before.term).await?;
            keeper.arm(fenced).await
        }
        None => Err(refused),
    }
}

/// As the core knows it.
#[must_use]
pub fn evidence_of(state: &State, orphan: Option<Incarnation>) -> Gateway {
    let life = state.child.as_ref().map(|child| child.incarnation.clone()).or(orphan);
    Gateway::Found { life, fenced: state.fenced() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::settings::parse;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::task::LocalSet;

    const FREED: &str = concat!(
        r#"{"result":{"header":{"cluster_id":"1","revision":"2"},"created":true}}"#,
        "\n",
        r#"{"result":{"header":{"cluster_id":"1","revision":"3"},"events":[{"type":"DELETE"}]}}"#,
        "\n",
    );

    /// The first watch breaks off; each after it hears that the lease is free.
    async fn etcd(listener: TcpListener) {
        for body in std::iter::once("").chain(std::iter::repeat(FREED)) {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"}}") {
                assert!(stream.read_buf(&mut asked).await.unwrap() > 0, "{}", String::from_utf8_lossy(&asked));
            }
            assert!(asked.starts_with(b"POST /v3/watch "), "{}", String::from_utf8_lossy(&asked));
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(body.as_bytes()).await.unwrap();
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_the_store_says_reaches_the_loop_also_after_trouble() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let text = format!(
            "[shared]\ngroup = \"home\"\nnodes = [\"a\", \"b\"]\nnode = \"a\"\n[shared.etcd]\nendpoints = [\"http://{}\"]\n",
            listener.local_addr().unwrap()
        );
        let settings = parse(Path::new("clawmend.toml"), &text).unwrap().shared.unwrap();
        let figures = Figures { look_ms: 1, retry_ms: 1, ..settings.figures };
        let (heard, mut hears) = mpsc::channel(1);
        LocalSet::new()
            .run_until(async {
                tokio::task::spawn_local(etcd(listener));
                store(Rc::new(LeaseStore::open(&settings).unwrap()), figures, heard);
                for _ in 0..2 {
                    let told = tokio::time::timeout(Duration::from_secs(60), hears.recv()).await.unwrap();
                    assert!(matches!(told, Some(Heard::Evidence(Evidence::Freed))), "{told:?}");
                }
            })
            .await;
    }
}
