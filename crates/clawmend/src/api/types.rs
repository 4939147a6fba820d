//! What scripts see: the JSON of `status`, `check` and `incidents`, schema 1.
//!
//! Invariant: a field never changes its meaning within a schema number; new fields may be added. Times are RFC 3339
//! in UTC with milliseconds ([`Time`]), durations end in `_ms`.

mod incidents;
mod shared;
mod standby;

pub use incidents::{
    ActionReport, EventReport, IncidentDetail, IncidentReport, IncidentState, IncidentsReport, result_text,
};

pub use shared::{EgressReport, GivingUpReport, SharedReport, VouchReport};
pub use standby::{
    AskerReport, ChangeReport, NOT_FETCHED, NOT_GIVEN_BACK, NOT_PUSHED, ProvenReport, SeniorReport, StandbyReport,
};

use crate::store::{IncidentRecord, StoreHealth};
use clawmend_core::directive::IncidentId;
use clawmend_core::gateway::{Control, Form, GatewayId, Incarnation};
use clawmend_core::health::Verdict;
use clawmend_core::health::weight::Growth;
use clawmend_core::time::Wall;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Schema of every report.
pub const SCHEMA: u32 = 1;

/// A point in time for scripts: `2026-11-20T13:00:00.000Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Wall);

impl Time {
    /// As a timestamp; times outside of what can be written become the nearest that can.
    #[must_use]
    pub fn timestamp(self) -> jiff::Timestamp {
        let nearest = if self.0.0 < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
        jiff::Timestamp::from_millisecond(self.0.0).unwrap_or(nearest)
    }
}

impl From<Wall> for Time {
    fn from(wall: Wall) -> Self {
        Self(wall)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.3}", self.timestamp()))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let timestamp: jiff::Timestamp = text.parse().map_err(D::Error::custom)?;
        Ok(Self(Wall(timestamp.as_millisecond())))
    }
}

/// `status --json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatusReport {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The guard.
    pub guard: GuardStatus,
    /// The gateways, by id.
    pub gateways: Vec<GatewayStatus>,
    /// This host as one of a pair; absent where it is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standby: Option<Box<StandbyReport>>,
    /// This host as one of a shared group; absent where it is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<Box<SharedReport>>,
}

/// The guard itself. Everything but `running` is null while none runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardStatus {
    /// A guard answers on the control socket.
    pub running: bool,
    /// Its process.
    pub pid: Option<u32>,
    /// Its version.
    pub version: Option<String>,
    /// For how long it runs.
    pub uptime_ms: Option<u64>,
    /// What is wrong with the guard itself (records, settings), for people; empty: nothing.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// A step that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposalReport {
    /// For `clawmend approve ID`.
    pub id: u64,
    /// Stable name of the action.
    pub action: String,
    /// Why.
    pub reason: String,
    /// The process that it is meant for; null: none runs.
    pub pid: Option<u32>,
    /// When it lapses.
    pub until: Time,
}

/// One gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GatewayStatus {
    /// Its name.
    pub id: GatewayId,
    /// `OPENCLAW_STATE_DIR`; empty while it is not known.
    pub state_dir: String,
    /// What the guard believes.
    pub verdict: Verdict,
    /// Why.
    pub cause: Option<CauseReport>,
    /// Named reasons of a degraded verdict.
    pub reasons: Vec<String>,
    /// What the guard works towards.
    pub desired: DesiredState,
    /// What the guard may do.
    pub control: Control,
    /// Why it may only look, for people; null while it may act.
    #[serde(default)]
    pub control_reason: Option<String>,
    /// The polkit rule that would let it act, where one would; for a file in `/etc/polkit-1/rules.d`.
    #[serde(default)]
    pub polkit_rule: Option<String>,
    /// The life of its process.
    pub incarnation: Option<IncarnationReport>,
    /// Where it listens.
    pub url: Option<String>,
    /// Since when the verdict holds.
    pub since: Option<Time>,
    /// The open incident.
    pub incident: Option<IncidentId>,
    /// The last incident that ended with a life that serves.
    pub last_recovery: Option<LastRecovery>,
    /// Who owns the process.
    #[serde(default)]
    pub form: Option<Form>,
    /// What waits for a person's word.
    #[serde(default)]
    pub approvals: Vec<ProposalReport>,
    /// An emergency stop is in force.
    #[serde(default)]
    pub emergency: bool,
    /// A pause is in force.
    #[serde(default)]
    pub pause: Option<PauseReport>,
    /// What the guard does next, in words for people.
    #[serde(default)]
    pub next: Option<String>,
    /// Its memory now and half an hour before; null while that is not known.
    #[serde(default)]
    pub memory: Option<MemoryReport>,
    /// What its command starts, looked at within the last half minute; null where that is not known, as for a unit.
    #[serde(default)]
    pub program: Option<ProgramReport>,
}

/// What a command line starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramReport {
    /// Its first word.
    pub name: String,
    /// Where that is; null: nowhere, such as not on the gateway's `PATH`.
    pub path: Option<String>,
    /// The version of OpenClaw that it belongs to; null: another program, or none.
    pub openclaw: Option<String>,
    /// What it needs besides and is not on the gateway's `PATH`: `node`, where its first line asks for that.
    pub lacks: Option<String>,
}

/// The least that a process took within five minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryReport {
    /// In the last five minutes that are over, in MiB.
    pub mib: u64,
    /// Half an hour before that, in MiB.
    pub half_hour_before_mib: u64,
}

impl MemoryReport {
    /// What it has grown by, as a share of what it had.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn growth(self) -> f64 {
        self.mib as f64 / self.half_hour_before_mib.max(1) as f64 - 1.0
    }
}

impl From<Growth> for MemoryReport {
    fn from(growth: Growth) -> Self {
        Self { mib: growth.to_kib / 1024, half_hour_before_mib: growth.from_kib / 1024 }
    }
}

/// What the guard works towards, as scripts see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DesiredState {
    /// It should run.
    #[default]
    Running,
    /// A person stopped it.
    Stopped,
    /// A person paused the guard.
    Paused,
}

/// A cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CauseReport {
    /// Stable.
    pub code: String,
    /// For people; empty where the code says it all.
    pub detail: String,
}

impl From<&clawmend_core::diagnosis::Cause> for CauseReport {
    fn from(cause: &clawmend_core::diagnosis::Cause) -> Self {
        Self { code: cause.code().to_owned(), detail: cause.detail().to_owned() }
    }
}

/// A life of the gateway's process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncarnationReport {
    /// Process id.
    pub pid: u32,
    /// When it began; null where that is not known.
    pub started_at: Option<Time>,
    /// Which boot of the machine.
    pub boot_id: String,
}

impl IncarnationReport {
    /// With the wall time of its start, which the incarnation itself does not hold.
    #[must_use]
    pub fn new(incarnation: &Incarnation, started_at: Option<Wall>) -> Self {
        Self { pid: incarnation.pid, started_at: started_at.map(Time), boot_id: incarnation.boot.clone() }
    }
}

/// A pause in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseReport {
    /// When it began; null for the flag file.
    pub since: Option<Time>,
    /// When it ends by itself.
    pub until: Option<Time>,
    /// Why.
    pub reason: Option<String>,
    /// The flag file that pauses, when it is the one.
    pub flag_file: Option<String>,
}

/// The last incident that ended well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRecovery {
    /// Its name.
    pub incident: IncidentId,
    /// Its cause.
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
}

impl From<&IncidentRecord> for LastRecovery {
    fn from(record: &IncidentRecord) -> Self {
        Self {
            incident: record.id,
            cause: cause_of(record),
            onset_at: Time(record.onset_at),
            onset_uncertainty_ms: record.onset_uncertainty_ms,
            detected_after_ms: record.detected_after_ms,
            start_issued_after_ms: record.start_issued_after_ms,
            serving_after_ms: record.serving_after_ms,
        }
    }
}

/// `check --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The worst verdict of all gateways; unknown when there is none.
    pub verdict: Verdict,
    /// One per gateway.
    pub gateways: Vec<CheckedGateway>,
}

/// One gateway in a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedGateway {
    /// Its name.
    pub id: GatewayId,
    /// What the guard believes.
    pub verdict: Verdict,
    /// Why.
    pub cause: Option<CauseReport>,
    /// Named reasons.
    pub reasons: Vec<String>,
}

impl CheckReport {
    /// Of these gateways.
    #[must_use]
    pub fn new(gateways: Vec<CheckedGateway>) -> Self {
        let worst = gateways.iter().map(|gateway| gateway.verdict).max_by_key(|verdict| badness(*verdict));
        Self { schema: SCHEMA, verdict: worst.unwrap_or(Verdict::Unknown), gateways }
    }
}

impl From<&StatusReport> for CheckReport {
    fn from(status: &StatusReport) -> Self {
        let one = |gateway: &GatewayStatus| CheckedGateway {
            id: gateway.id.clone(),
            verdict: gateway.verdict,
            cause: gateway.cause.clone(),
            reasons: gateway.reasons.clone(),
        };
        Self::new(status.gateways.iter().map(one).collect())
    }
}

/// Order of the aggregate: the worst of several gateways has the highest figure.
#[must_use]
pub const fn badness(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Healthy => 0,
        Verdict::Stopped | Verdict::Paused => 1,
        Verdict::Starting => 2,
        Verdict::Draining => 3,
        Verdict::Degraded => 4,
        Verdict::Suspect => 5,
        Verdict::Unknown => 6,
        Verdict::Down => 7,
    }
}

/// What to tell of the records' health in [`GuardStatus::notes`]; `None` when all is well.
#[must_use]
pub fn store_note(health: &StoreHealth) -> Option<String> {
    match health {
        StoreHealth::Ok => None,
        StoreHealth::Damaged { moved_to } => {
            Some(format!("the database was damaged; it lies at {}, a fresh one is in use", moved_to.display()))
        }
        StoreHealth::Newer { found, left_at } => Some(format!(
            "the database {} belongs to a newer clawmend (schema {found}); it was left alone, a fresh one is in use",
            left_at.display()
        )),
        StoreHealth::DiskFull { held, dropped } => {
            Some(format!("the disk is full; {held} events wait in memory, {dropped} were dropped"))
        }
        StoreHealth::Unwritable { reason, held, dropped } => Some(format!(
            "the database cannot be written ({reason}); {held} events wait in memory, {dropped} were dropped"
        )),
    }
}

fn cause_of(record: &IncidentRecord) -> Option<CauseReport> {
    record.cause.clone().map(|(code, detail)| CauseReport { code, detail })
}
