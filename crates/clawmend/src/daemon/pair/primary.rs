//! The side that answers: a primary its standbys, and knows when one asked last; a standby those that come after it.
//!
//! Invariant: a guard that lives answers within a look, also while its ward is busy with a repair: then by what the ward said
//! last, and after a while that it does not know.

use super::super::news::News;
use super::super::own_uid;
use super::Pair;
use super::missing::Watch;
use crate::api::types::{AskerReport, DesiredState, GatewayStatus, Time};
use crate::failover::key::PairKey;
use crate::failover::owned::{Reading, Seen};
use crate::failover::peer::server::{Answers, serve};
use crate::failover::peer::wire::{Question, StandsBy, Told};
use crate::failover::words;
use crate::host::clock;
use clawmend_core::failover::Sight;
use clawmend_core::health::Verdict;
use clawmend_core::observation::ChannelState;
use clawmend_core::time::Moment;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// A ward whose loop is turning answers in no time.
const WARD_LIMIT: Duration = Duration::from_secs(2);
/// Less than half of what the fastest look waits ([`Figures::look_ms`](clawmend_core::failover::Figures::look_ms)).
const WARD_QUICKLY: Duration = Duration::from_millis(150);
/// So long what a ward said last counts while it says nothing new, in milliseconds.
const SAID_LAST_MS: u64 = 10_000;

struct Answering {
    pair: Rc<Pair>,
    reading: RefCell<Reading>,
    /// Of a primary.
    standby: Option<Rc<Watch>>,
    said_last: RefCell<Option<SaidLast>>,
}

/// What the ward said of the gateway, and when.
struct SaidLast {
    at: Moment,
    status: GatewayStatus,
}

impl SaidLast {
    /// What is known is worth less the older it is. One that is not known to serve is being repaired, for a standby, and
    /// that has its bound.
    fn now(&self, now: Moment) -> GatewayStatus {
        let mut status = self.status.clone();
        if now.since(self.at) >= SAID_LAST_MS {
            status.verdict = Verdict::Unknown;
        }
        status
    }
}

/// Listens from now on.
pub async fn start(pair: Rc<Pair>, key: PairKey) -> Result<(), String> {
    let Some(listen) = pair.settings.listen else { return Err("[standby] has no `listen`".to_owned()) };
    let listener = bind(listen).await?;
    if let Some(settings) = pair.settings.workspace.clone() {
        super::workspace::push_regularly(Rc::clone(&pair), settings);
    }
    let standby = Some(Watch::begin(Rc::clone(&pair)));
    answer(listener, pair, key, standby);
    Ok(())
}

/// A standby answers those that come after it, where its settings say so. Gives the address.
pub async fn start_on_standby(pair: &Rc<Pair>, key: &PairKey) -> Result<Option<SocketAddr>, String> {
    let Some(listen) = pair.settings.listen else { return Ok(None) };
    let listener = bind(listen).await?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    answer(listener, Rc::clone(pair), key.clone(), None);
    Ok(Some(address))
}

async fn bind(listen: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(listen).await.map_err(|error| {
        format!("{listen} cannot be listened on: {error}; is it an address of this host, and is it up?")
    })
}

fn answer(listener: TcpListener, pair: Rc<Pair>, key: PairKey, standby: Option<Rc<Watch>>) {
    let reading = RefCell::new(Reading::new(pair.home.clone(), own_uid(), key.clone(), &pair.state));
    let said_last = RefCell::default();
    tokio::task::spawn_local(serve(listener, key, Rc::new(Answering { pair, reading, standby, said_last })));
}

impl Answers for Answering {
    async fn answer(&self, from: SocketAddr, question: Question) -> Option<Told> {
        let wall = clock::now().wall;
        if let Some(standby) = &self.standby {
            let mut report = self.pair.report.borrow_mut();
            let held = if question.held { ", held by a person" } else { "" };
            let says = format!("{}{held}", words::role(question.role));
            report.note_asker(AskerReport {
                address: from.ip().to_string(),
                says,
                held: question.held,
                seen_at: Time(wall),
            });
            report.problem = None;
            drop(report);
            standby.asked();
        }
        let status = self.status().await?;
        let Seen { owned: accounts, version: by_config, .. } = self.reading.borrow_mut().now();
        let openclaw = status.program.and_then(|program| program.openclaw).or(by_config);
        Some(Told {
            version: crate::version::VERSION.to_owned(),
            openclaw,
            wall,
            verdict: status.verdict,
            alive: status.incarnation.is_some(),
            stopped: status.desired == DesiredState::Stopped,
            accounts,
            standby: self.standby.is_none().then(|| stands_by(&self.pair)),
        })
    }
}

impl Answering {
    async fn status(&self) -> Option<GatewayStatus> {
        let now = clock::now().mono;
        match tokio::time::timeout(WARD_QUICKLY, status_of(&self.pair)).await {
            Ok(Some(status)) => {
                *self.said_last.borrow_mut() = Some(SaidLast { at: now, status: status.clone() });
                Some(status)
            }
            Ok(None) | Err(_) => self.said_last.borrow().as_ref().map(|last| last.now(now)),
        }
    }
}

/// What one that comes after this node is told of it.
fn stands_by(pair: &Pair) -> StandsBy {
    let kept = pair.kept.borrow();
    let would = !kept.memory.held && pair.report.borrow().armed == Some(true);
    let sees_primary = matches!(pair.sight.get(), Some(Sight::Serves | Sight::BeingRepaired));
    StandsBy { role: kept.memory.role, would, sees_primary }
}

/// What the ward says of the pair's gateway.
pub async fn status_of(pair: &Pair) -> Option<GatewayStatus> {
    let ward = pair.ward.borrow().clone()?;
    let (reply, answer) = oneshot::channel();
    ward.send(News::Report(reply)).await.ok()?;
    tokio::time::timeout(WARD_LIMIT, answer).await.ok()?.ok()
}

/// What the gateway said of its channels last; it is asked again at the same time.
pub async fn channels_of(pair: &Pair) -> Vec<ChannelState> {
    let Some(ward) = pair.ward.borrow().clone() else { return Vec::new() };
    let (reply, answer) = oneshot::channel();
    if ward.send(News::Channels(reply)).await.is_err() {
        return Vec::new();
    }
    tokio::time::timeout(WARD_LIMIT, answer).await.ok().and_then(Result::ok).unwrap_or_default()
}
