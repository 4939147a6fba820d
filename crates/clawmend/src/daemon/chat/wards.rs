//! What the chat asks of the wards.
//!
//! Invariant: every question has its end, and a ward that does not answer holds up nobody but who asked it.

use super::super::news::{News, Sender};
use super::super::{Wards, desk};
use crate::api::request::Answer;
use crate::api::server::Reply;
use crate::api::types::GatewayStatus;
use clawmend_core::approval::{Decision, Proposal};
use clawmend_core::gateway::GatewayId;
use clawmend_core::wish::Wish;
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// For what a ward knows at once.
const SHORT: Duration = Duration::from_secs(10);
/// For a restart, which may drain and boot.
const LONG: Duration = Duration::from_secs(900);

/// What became of what was asked.
#[derive(Debug, PartialEq, Eq)]
pub enum Done {
    /// It was obeyed.
    Yes,
    /// It was not, with the guard's own words.
    No(String),
    /// Nobody answered in time.
    NoAnswer,
}

/// All wards, as they are now.
pub struct Asking<'a>(pub &'a watch::Receiver<Wards>);

impl Asking<'_> {
    fn now(&self) -> Wards {
        self.0.borrow().clone()
    }

    /// The names of the gateways.
    pub fn names(&self) -> Vec<GatewayId> {
        self.now().into_iter().map(|(id, _)| id).collect()
    }

    /// How they are.
    pub async fn status(&self) -> Vec<GatewayStatus> {
        desk::ask_all(&self.now()).await
    }

    /// What has been proposed, however it stands, with the gateway of each.
    pub async fn proposals(&self) -> Vec<(GatewayId, Proposal)> {
        let mut all = Vec::new();
        for (id, ward) in self.now() {
            let (reply, answer) = oneshot::channel();
            let asked = async {
                ward.send(News::Proposals(reply)).await.ok()?;
                answer.await.ok()
            };
            let known = tokio::time::timeout(SHORT, asked).await.ok().flatten().unwrap_or_default();
            all.extend(known.into_iter().map(|proposal| (id.clone(), proposal)));
        }
        all
    }

    /// Gives a decision on, after it was proven who decides.
    pub async fn decide(&self, gateway: &GatewayId, decision: Decision) -> Done {
        match self.ward(gateway) {
            Some(ward) => ask(&ward, |reply| News::Decision(decision, reply), SHORT).await,
            None => Done::NoAnswer,
        }
    }

    /// Gives a wish on, after it was proven whose it is.
    pub fn wish(&self, gateway: &GatewayId, wish: Wish) -> impl Future<Output = Done> + 'static {
        let ward = self.ward(gateway);
        let limit = if wish == Wish::Restart { LONG } else { SHORT };
        async move {
            match ward {
                Some(ward) => ask(&ward, |reply| News::Wish(wish, reply), limit).await,
                None => Done::NoAnswer,
            }
        }
    }

    fn ward(&self, gateway: &GatewayId) -> Option<Sender> {
        self.now().into_iter().find(|(id, _)| id == gateway).map(|(_, ward)| ward)
    }
}

async fn ask(ward: &Sender, news: impl FnOnce(oneshot::Sender<Reply>) -> News, limit: Duration) -> Done {
    let (reply, answer) = oneshot::channel();
    let asked = async {
        ward.send(news(reply)).await.ok()?;
        answer.await.ok()
    };
    let Ok(Some(Reply::Once(answer))) = tokio::time::timeout(limit, asked).await else { return Done::NoAnswer };
    match *answer {
        Answer::Done { .. } => Done::Yes,
        Answer::Failed { why } | Answer::NeedsPerson { why } | Answer::Refused { why } | Answer::BadRequest { why } => {
            Done::No(why)
        }
        Answer::NotFound { what, .. } => Done::No(format!("there is no {what}")),
        Answer::Status(_)
        | Answer::Check(_)
        | Answer::Incidents(_)
        | Answer::Incident(_)
        | Answer::Log { .. }
        | Answer::End => Done::NoAnswer,
    }
}
