//! What is written, as statements. Every write can be repeated without harm, apart from events, which are only
//! written once because a failed transaction is rolled back as a whole.

use super::record::IncidentRecord;
use super::wishes::Mirror;
use super::{Introduction, outbox, read};
use clawmend_core::directive::{Directive, DirectiveId};
use clawmend_core::gateway::GatewayId;
use clawmend_core::incident::{IncidentEvent, What};
use clawmend_core::time::Wall;
use rusqlite::{Connection, Transaction, params};
use serde::Serialize;

/// Longest event in bytes of JSON; adapters bound their texts far below.
const MAX_EVENT: usize = 32 * 1024;
/// Intents that are kept after they were settled.
const KEPT_INTENTS: u32 = 1000;

/// One thing to write.
#[derive(Clone, Debug)]
pub enum Write {
    /// Events of incidents, in order.
    Events { gateway: GatewayId, events: Vec<IncidentEvent> },
    /// What a person said.
    Standing { gateway: GatewayId, mirror: Mirror },
    /// What the state machine must remember.
    Memory { gateway: GatewayId, json: String },
    /// An action that must be on record before it happens.
    Intent { gateway: GatewayId, directive: Box<Directive>, at: Wall },
    /// An intended action has ended.
    Settled { gateway: GatewayId, directive: DirectiveId },
    /// A gateway that is guarded.
    Introduction(Introduction),
    /// What people are told, and what became of it.
    Outbox(Box<outbox::Change>),
}

impl Write {
    /// It must survive a power failure before anybody goes on.
    pub fn must_be_synced(&self) -> bool {
        match self {
            Self::Standing { .. } | Self::Intent { .. } => true,
            Self::Outbox(change) => change.must_be_synced(),
            Self::Events { .. } | Self::Memory { .. } | Self::Settled { .. } | Self::Introduction(_) => false,
        }
    }

    fn closes_an_incident(&self) -> bool {
        matches!(self, Self::Events { events, .. } if events.iter().any(|e| matches!(e.what, What::Closed { .. })))
    }
}

/// Writes all or nothing. Says whether an incident was closed.
pub fn commit(connection: &mut Connection, writes: &[Write]) -> rusqlite::Result<bool> {
    let level = if writes.iter().any(Write::must_be_synced) { "FULL" } else { "NORMAL" };
    connection.pragma_update(None, "synchronous", level)?;
    let transaction = connection.transaction()?;
    for write in writes {
        apply(&transaction, write)?;
    }
    transaction.commit()?;
    Ok(writes.iter().any(Write::closes_an_incident))
}

fn apply(transaction: &Transaction<'_>, write: &Write) -> rusqlite::Result<()> {
    match write {
        Write::Events { gateway, events } => events.iter().try_for_each(|event| append(transaction, gateway, event)),
        Write::Standing { gateway, mirror } => transaction
            .prepare_cached("INSERT OR REPLACE INTO standing(gateway, revision, payload) VALUES(?1, ?2, ?3)")?
            .execute(params![gateway.0, signed(mirror.revision), json(&mirror.standing)?])
            .map(drop),
        Write::Memory { gateway, json } => transaction
            .prepare_cached("INSERT OR REPLACE INTO memory(gateway, payload) VALUES(?1, ?2)")?
            .execute(params![gateway.0, json])
            .map(drop),
        Write::Intent { gateway, directive, at } => intend(transaction, gateway, directive, *at),
        Write::Settled { gateway, directive } => transaction
            .prepare_cached("UPDATE intents SET settled = 1 WHERE gateway = ?1 AND directive = ?2")?
            .execute(params![gateway.0, signed(directive.0)])
            .map(drop),
        Write::Introduction(it) => transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO gateways(id, state_dir, url, control, seen_at) VALUES(?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![it.gateway.0, it.state_dir, it.url, name_of(&it.control)?, it.at.0])
            .map(drop),
        Write::Outbox(change) => outbox::apply(transaction, change),
    }
}

fn append(transaction: &Transaction<'_>, gateway: &GatewayId, event: &IncidentEvent) -> rusqlite::Result<()> {
    let mut value = serde_json::to_value(&event.what).map_err(not_json)?;
    let mut payload = value.to_string();
    if payload.len() > MAX_EVENT {
        let text = format!("an event of {} bytes was too large to keep", payload.len());
        value = serde_json::to_value(What::Evidence { text }).map_err(not_json)?;
        payload = value.to_string();
    }
    let kind = value.get("event").and_then(serde_json::Value::as_str).unwrap_or("unknown");
    transaction
        .prepare_cached(
            "INSERT INTO incident_events(gateway, incident, mono, wall, kind, payload) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![gateway.0, signed(event.incident.0), signed(event.mono.0), event.wall.0, kind, payload])?;
    let mut record =
        read::record(transaction, gateway, event.incident)?.unwrap_or_else(|| IncidentRecord::begin(gateway, event));
    record.apply(event);
    put(transaction, &record)
}

fn put(transaction: &Transaction<'_>, record: &IncidentRecord) -> rusqlite::Result<()> {
    let (code, detail) = record.cause.clone().unzip();
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO incidents(gateway, id, opened_at, opened_mono, closed_at, onset_at,
             onset_uncertainty_ms, cause_code, cause_detail, detected_after_ms, start_issued_after_ms,
             serving_after_ms, outcome) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute(params![
            record.gateway.0,
            signed(record.id.0),
            record.opened_at.0,
            signed(record.opened_mono.0),
            record.closed_at.map(|wall| wall.0),
            record.onset_at.0,
            signed(record.onset_uncertainty_ms),
            code,
            detail,
            record.detected_after_ms.map(signed),
            record.start_issued_after_ms.map(signed),
            record.serving_after_ms.map(signed),
            record.outcome.as_ref().map(name_of).transpose()?,
        ])
        .map(drop)
}

fn intend(transaction: &Transaction<'_>, gateway: &GatewayId, directive: &Directive, at: Wall) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("INSERT INTO intents(gateway, directive, at, payload) VALUES(?1, ?2, ?3, ?4)")?
        .execute(params![gateway.0, signed(directive.id.0), at.0, json(directive)?])?;
    transaction
        .prepare_cached("DELETE FROM intents WHERE seq <= (SELECT max(seq) FROM intents) - ?1")?
        .execute([KEPT_INTENTS])
        .map(drop)
}

fn json<T: Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(not_json)
}

/// The stable name of a fieldless enum's value.
fn name_of<T: Serialize>(value: &T) -> rusqlite::Result<String> {
    let value = serde_json::to_value(value).map_err(not_json)?;
    Ok(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

fn not_json(error: serde_json::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}

/// SQLite keeps signed numbers; ours stay far below the limit.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
