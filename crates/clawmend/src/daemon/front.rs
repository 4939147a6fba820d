//! The control socket's front: which ward, which answer.
//!
//! Invariant: one question that waits does not hold up the others; what changes a gateway goes to that gateway's ward.

use super::heartbeat::Heart;
use super::news::News;
use super::setup::{self, Charge};
use super::ward::own_uid;
use super::{Context, Wards, desk, logs, news, told_to_end};
use crate::api::request::{Answer, Request};
use crate::api::server::{Call, Reply};
use crate::api::types::{CheckReport, GuardStatus, IncidentDetail, IncidentsReport, SCHEMA, StatusReport, store_note};
use crate::doctor::ai::collect;
use crate::store::{Cursor, Filter, Store};
use clawmend_core::failover::{Order, lease};
use clawmend_core::gateway::GatewayId;
use std::process::ExitCode;
use std::time::Duration;
use tokio::sync::mpsc;

impl Context {
    /// Answers until a signal says to end.
    pub(super) async fn serve(
        &self,
        mut asked: mpsc::Receiver<Call>,
        mut deaths: mpsc::Receiver<GatewayId>,
        charges: &[Charge],
        wards: &mut Wards,
    ) -> ExitCode {
        let mut end = std::pin::pin!(told_to_end());
        let mut heart = Heart::new(self.alerts.clone());
        loop {
            tokio::select! {
                call = asked.recv() => match call {
                    Some(call) => self.answer(call, wards, charges).await,
                    None => return ExitCode::FAILURE,
                },
                beat = heart.due() => {
                    tokio::task::spawn_local(beat.send(wards.clone()));
                }
                Some(id) = deaths.recv() => self.begin_anew(&id, charges, wards).await,
                () = &mut end => return ExitCode::SUCCESS,
            }
        }
    }

    /// A ward ended by a fault of ours. Its gateway goes on; a new ward takes it up after a breath.
    async fn begin_anew(&self, id: &GatewayId, charges: &[Charge], wards: &mut Wards) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let Some(charge) = charges.iter().find(|charge| charge.home.id == *id) else { return };
        match self.begin(charge.clone()).await {
            Ok(sender) => {
                if let Some((_, ward)) = wards.iter_mut().find(|(known, _)| known == id) {
                    *ward = sender;
                }
                self.known.send_replace(wards.clone());
            }
            Err(error) => tracing::error!(gateway = %id.0, %error, "the ward could not be begun anew"),
        }
    }

    async fn answer(&self, call: Call, wards: &[(GatewayId, news::Sender)], charges: &[Charge]) {
        let wanted = call.question.gateway.clone();
        if let Some(id) = &wanted
            && !wards.iter().any(|(known, _)| known == id)
        {
            let known = wards.iter().map(|(id, _)| id.0.clone()).collect();
            let _ = call.reply.send(Answer::NotFound { what: format!("gateway {}", id.0), known }.into());
            return;
        }
        let chosen: Vec<_> =
            wards.iter().filter(|(id, _)| wanted.as_ref().is_none_or(|wanted| wanted == id)).cloned().collect();
        let store = self.store.clone();
        match call.question.request.clone() {
            Request::Status => {
                let status = self.status(&chosen).await;
                let _ = call.reply.send(Answer::Status(status).into());
            }
            Request::Check => {
                let status = self.status(&chosen).await;
                let _ = call.reply.send(Answer::Check(CheckReport::from(&status)).into());
            }
            Request::Incidents { limit, cursor } => {
                tokio::task::spawn_local(async move {
                    let _ = call.reply.send(incidents(&store, wanted, limit, cursor).await.into());
                });
            }
            Request::Incident { id } => {
                tokio::task::spawn_local(async move {
                    let found = store.incident(wanted, id).await;
                    let answer = match found {
                        Ok(found) => Answer::Incident(
                            found.iter().map(|(record, events)| IncidentDetail::new(record, events)).collect(),
                        ),
                        Err(error) => Answer::Failed { why: error.to_string() },
                    };
                    let _ = call.reply.send(answer.into());
                });
            }
            Request::Logs { lines, follow } => {
                let stream = self.logs(&chosen, charges, lines, follow);
                let _ = call.reply.send(Reply::Stream(stream));
            }
            Request::Standby { order } => self.order(order, call),
            Request::Shared { order } => self.shared_order(order, call),
            Request::Pause { .. }
            | Request::Resume
            | Request::Stop
            | Request::EmergencyStop
            | Request::Start
            | Request::Decide { .. }
            | Request::Restart => match chosen.as_slice() {
                [(_, ward)] => {
                    let _ = ward.send(News::Call(call)).await;
                }
                [] => {
                    let _ = call.reply.send(Answer::Failed { why: "nothing is guarded".to_owned() }.into());
                }
                several => {
                    let known = several.iter().map(|(id, _)| id.0.clone()).collect();
                    let what = "a single gateway to do this to; say which one with --gateway ID".to_owned();
                    let _ = call.reply.send(Answer::NotFound { what, known }.into());
                }
            },
        }
    }

    /// What these gateways print.
    fn logs(&self, chosen: &Wards, charges: &[Charge], lines: u32, follow: bool) -> mpsc::Receiver<Answer> {
        let settings = self.settings.borrow();
        let home = |id: &GatewayId| charges.iter().map(|charge| &charge.home).find(|home| home.id == *id);
        let source = |(id, _): &(GatewayId, news::Sender)| logs::Source {
            folder: setup::log_dir(&self.place.state, id),
            unit: home(id).and_then(|home| setup::words_of(home, &settings.gateways)),
            uid: own_uid(),
        };
        let sources = chosen.iter().map(source).collect();
        let (ai, homes) = (settings.ai.clone(), charges.iter().map(|charge| charge.home.clone()).collect::<Vec<_>>());
        logs::stream(sources, move || collect::secrets(&ai, homes.iter()).mask(), lines, follow)
    }

    fn order(&self, order: Order, call: Call) {
        if let Some(why) = desk::inside_of_any(&call.peer) {
            let _ = call.reply.send(Answer::Refused { why }.into());
            return;
        }
        match &self.pair {
            Some(pair) => pair.order(order, call.reply),
            None => {
                let why = "the guard here runs for no pair; where clawmend.toml has a [standby], start the guard again, else `clawmend standby \
                     init` makes this host one of a pair"
                    .to_owned();
                let _ = call.reply.send(Answer::NeedsPerson { why }.into());
            }
        }
    }

    fn shared_order(&self, order: lease::Order, call: Call) {
        if let Some(why) = desk::inside_of_any(&call.peer) {
            let _ = call.reply.send(Answer::Refused { why }.into());
            return;
        }
        match &self.shared {
            Some(shared) => shared.order(order, call.reply),
            None => {
                let why = "the guard here runs for no shared group; where clawmend.toml has a [shared], start the guard again".to_owned();
                let _ = call.reply.send(Answer::NeedsPerson { why }.into());
            }
        }
    }

    async fn status(&self, wards: &[(GatewayId, news::Sender)]) -> StatusReport {
        let mut notes: Vec<String> = store_note(&self.store.health().borrow()).into_iter().collect();
        notes.extend(self.notes.borrow().iter().cloned());
        notes.extend(self.alerts.borrow().notes.iter().cloned());
        notes.extend(self.bot.borrow().iter().cloned());
        notes.extend(self.feishu.borrow().iter().cloned());
        notes.extend(self.dingtalk.borrow().iter().cloned());
        StatusReport {
            schema: SCHEMA,
            guard: GuardStatus {
                running: true,
                pid: Some(std::process::id()),
                version: Some(crate::version::VERSION.to_owned()),
                uptime_ms: u64::try_from(self.began.elapsed().as_millis()).ok(),
                notes,
            },
            gateways: desk::ask_all(wards).await,
            standby: self.pair.as_ref().map(|pair| Box::new(pair.report())),
            shared: self.shared.as_ref().map(|shared| Box::new(shared.report())),
        }
    }
}

async fn incidents(store: &Store, gateway: Option<GatewayId>, limit: u32, cursor: Option<String>) -> Answer {
    let after = match cursor.map(|text| text.parse::<Cursor>()).transpose() {
        Ok(after) => after,
        Err(error) => return Answer::BadRequest { why: error.to_string() },
    };
    match store.incidents(Filter { gateway, ..Filter::default() }, limit, after).await {
        Ok(page) => Answer::Incidents(IncidentsReport::from(page)),
        Err(error) => Answer::Failed { why: error.to_string() },
    }
}
