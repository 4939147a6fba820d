//! The JSON of `incidents` and `incidents show`.

use super::{CauseReport, SCHEMA, Time, cause_of};
use crate::store::IncidentRecord;
use clawmend_core::directive::{ActionResult, DirectiveId, IncidentId};
use clawmend_core::gateway::GatewayId;
use clawmend_core::incident::{IncidentEvent, Outcome, What};
use serde::{Deserialize, Serialize};

/// `incidents --json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentsReport {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Newest first.
    pub incidents: Vec<IncidentReport>,
    /// Where the next page begins; null at the end.
    pub next: Option<String>,
}

impl From<crate::store::Page> for IncidentsReport {
    fn from(page: crate::store::Page) -> Self {
        let incidents = page.incidents.iter().map(|(record, events)| IncidentReport::new(record, events)).collect();
        Self { schema: SCHEMA, incidents, next: page.next.map(|cursor| cursor.to_string()) }
    }
}

/// Whether an incident is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// Not over.
    Open,
    /// Over.
    Closed,
}

/// One incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentReport {
    /// Its name.
    pub id: IncidentId,
    /// Whose.
    pub gateway: GatewayId,
    /// Whether it is over.
    pub state: IncidentState,
    /// First suspicious evidence.
    pub opened_at: Time,
    /// When it was over.
    pub closed_at: Option<Time>,
    /// Best cause so far.
    pub cause: Option<CauseReport>,
    /// When the fault began.
    pub onset_at: Time,
    /// How far back that may lie.
    pub onset_uncertainty_ms: u64,
    /// From onset to the first suspicion.
    pub detected_after_ms: Option<u64>,
    /// From onset to the first start.
    pub start_issued_after_ms: Option<u64>,
    /// From onset to a life that serves.
    pub serving_after_ms: Option<u64>,
    /// How it ended; null while it is open.
    pub outcome: Option<Outcome>,
    /// What the guard did, in order.
    pub actions: Vec<ActionReport>,
}

/// One thing that the guard did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionReport {
    /// When.
    pub at: Time,
    /// What; stable names.
    pub action: String,
    /// Why.
    pub reason: String,
    /// `done`, `moot`, `retry` or `needs_person`, with the reason after a colon; null while it is not known.
    pub result: Option<String>,
}

/// `incidents show ID --json`: an incident with its events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentDetail {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The incident.
    pub incident: IncidentReport,
    /// Everything that was recorded, in order.
    pub events: Vec<EventReport>,
}

/// One event of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventReport {
    /// When.
    pub at: Time,
    /// From onset, negative before it.
    pub after_onset_ms: i64,
    /// What.
    #[serde(flatten, with = "what_json")]
    pub what: What,
}

/// An event's own times are numbers in the store and [`Time`]s for scripts.
mod what_json {
    use super::super::Time;
    use clawmend_core::incident::What;
    use clawmend_core::time::Wall;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
    use serde_json::Value;

    /// Where events hold times.
    const TIMES: [&str; 2] = ["/onset", "/proposal/until_wall"];

    pub fn serialize<S: Serializer>(what: &What, serializer: S) -> Result<S::Ok, S::Error> {
        let mut value = serde_json::to_value(what).map_err(S::Error::custom)?;
        for place in TIMES {
            if let Some(time) = value.pointer_mut(place)
                && let Some(ms) = time.as_i64()
            {
                *time = serde_json::to_value(Time(Wall(ms))).map_err(S::Error::custom)?;
            }
        }
        value.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<What, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        for place in TIMES {
            if let Some(time) = value.pointer_mut(place) {
                let read: Time = serde_json::from_value(time.take()).map_err(D::Error::custom)?;
                *time = Value::from(read.0.0);
            }
        }
        serde_json::from_value(value).map_err(D::Error::custom)
    }
}

impl IncidentDetail {
    /// Out of the store.
    #[must_use]
    pub fn new(record: &IncidentRecord, events: &[IncidentEvent]) -> Self {
        let report = |event: &IncidentEvent| EventReport {
            at: Time(event.wall),
            after_onset_ms: i64::try_from(record.since_onset(event)).unwrap_or(i64::MAX),
            what: event.what.clone(),
        };
        let incident = IncidentReport::new(record, events);
        Self { schema: SCHEMA, incident, events: events.iter().map(report).collect() }
    }
}

impl IncidentReport {
    /// Out of the store; `events` holds at least the actions and their results.
    #[must_use]
    pub fn new(record: &IncidentRecord, events: &[IncidentEvent]) -> Self {
        Self {
            id: record.id,
            gateway: record.gateway.clone(),
            state: if record.closed_at.is_some() { IncidentState::Closed } else { IncidentState::Open },
            opened_at: Time(record.opened_at),
            closed_at: record.closed_at.map(Time),
            cause: cause_of(record),
            onset_at: Time(record.onset_at),
            onset_uncertainty_ms: record.onset_uncertainty_ms,
            detected_after_ms: record.detected_after_ms,
            start_issued_after_ms: record.start_issued_after_ms,
            serving_after_ms: record.serving_after_ms,
            outcome: record.outcome,
            actions: actions(events),
        }
    }
}

fn actions(events: &[IncidentEvent]) -> Vec<ActionReport> {
    let mut actions: Vec<(DirectiveId, ActionReport)> = Vec::new();
    for event in events {
        if let What::Acted { directive, action, reason } = &event.what {
            let (at, action) = (Time(event.wall), action.name().to_owned());
            actions.push((*directive, ActionReport { at, action, reason: reason.clone(), result: None }));
        } else if let What::Result { directive, result } = &event.what
            && let Some((_, action)) = actions.iter_mut().rev().find(|(id, _)| id == directive)
        {
            action.result = Some(result_text(result));
        }
    }
    actions.into_iter().map(|(_, action)| action).collect()
}

/// How an action ended, in one stable word and its reason.
#[must_use]
pub fn result_text(result: &ActionResult) -> String {
    match result {
        ActionResult::Done => "done".to_owned(),
        ActionResult::Moot { reason } => format!("moot: {reason}"),
        ActionResult::Retry { reason } => format!("retry: {reason}"),
        ActionResult::Unknown { reason } => format!("unknown: {reason}"),
        ActionResult::NeedsPerson { reason } => format!("needs_person: {reason}"),
    }
}
