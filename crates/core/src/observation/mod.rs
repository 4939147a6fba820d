//! Evidence: one fact about a gateway, from one source, at one time.
//!
//! Adapters produce it and make no choices; a failed probe is evidence, never an error. Everything a decision
//! may rest on is in [`Evidence`]; start there.

mod exit;
mod http;
mod process;
mod rpc;
mod service;
mod synthetic;

pub use exit::Exit;
pub use http::{Endpoint, EventLoop, HttpOutcome, HttpSeen, Readiness};
pub use process::{Held, Listener, ProcessSample, RunState};
pub use rpc::{ChannelState, RpcSeen};
pub use service::{ActiveState, Job, JobKind, Limits, ServiceSeen};
pub use synthetic::{SyntheticOutcome, SyntheticSeen};

use crate::approval::Decision;
use crate::diagnosis::counsel::Counsel;
use crate::diagnosis::opinion::Opinion;
use crate::directive::{ActionResult, Directive, DirectiveId};
use crate::gateway::Incarnation;
use crate::wish::Wish;
use serde::{Deserialize, Serialize};

/// One piece of evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "evidence", rename_all = "snake_case")]
pub enum Evidence {
    /// A process proven to be this gateway was seen running for the first time.
    Appeared(Appeared),
    /// That process has ended.
    Gone(Gone),
    /// The end of a life before the present one. It is booked if no guard has booked it yet, and changes nothing else.
    EndedEarlier(Gone),
    /// A kill that an earlier guard put on record, and whose end it did not.
    KillLeft(KillLeft),
    /// We looked, and there is no process of this gateway.
    NotThere,
    /// A look at the live process.
    Process(ProcessSample),
    /// Who listens on the gateway's port.
    Listener(Listener),
    /// An HTTP probe came back, or did not.
    Http(HttpSeen),
    /// A message through the gateway's chat endpoint came back, or did not.
    Synthetic(SyntheticSeen),
    /// Something on the standing RPC subscription.
    Rpc(RpcSeen),
    /// The service manager's view of the unit.
    Service(ServiceSeen),
    /// The service manager does not answer, or cannot be reached: what it told last is not to be relied on.
    ServiceUnseen,
    /// The service manager took up a job for the unit that is not ours: a person or another program.
    ForeignJob(JobKind),
    /// A line of the gateway's own log that means something to us.
    Log(LogSign),
    /// The config file changed, or was read for the first time.
    Config(ConfigSeen),
    /// A closer look at the config than [`Evidence::Config`] has doubts about it.
    ConfigDoubt(ConfigDoubt),
    /// Free space where the gateway keeps its state.
    Disk(DiskSeen),
    /// Another live process holds this gateway's lock.
    LockHolder(LockHolder),
    /// Something else the gateway needs has changed since it refused to start (package, disk, network, lock).
    Surroundings(Surroundings),
    /// The guard looked at itself.
    Guard(GuardSelf),
    /// A person said something.
    Person(Wish),
    /// The flag file that pauses is there (`true`) or gone.
    FlagFile(bool),
    /// What the doctor makes of the open incident.
    Examined(Opinion),
    /// What an AI proposes for the open incident.
    Counsel(Counsel),
    /// A person has decided on a proposal; that they may was proven before.
    Decision(Decision),
    /// An action that we issued has ended.
    Result {
        /// Which directive.
        directive: DirectiveId,
        /// How it ended.
        result: ActionResult,
    },
}

/// A gateway process came to light.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appeared {
    /// The life that began, or that we found.
    pub incarnation: Incarnation,
    /// Age of the process when we saw it.
    pub age_ms: u64,
    /// The directive that started it, when it was ours.
    pub by: Option<DirectiveId>,
    /// The manager started it as part of its own start-up (boot, login), so no person asked for it just now.
    pub at_boot: bool,
    /// It runs with `OPENCLAW_SUPERVISOR_MODE=external` or under a service: its own restart ends the process
    /// with 0. `false`: it restarts inside the process.
    pub restarts_by_exit: bool,
}

/// A gateway process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// The life that ended.
    pub incarnation: Incarnation,
    /// How, when anyone could tell.
    pub exit: Exit,
    /// How far back the end may lie; zero when the kernel told us at once.
    pub uncertainty_ms: u64,
}

/// What became of a kill that an earlier guard had put on record before it ended itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KillLeft {
    /// As it was recorded.
    pub directive: Directive,
    /// How long ago it was recorded. It was carried out after that, if at all.
    pub age_ms: u64,
    /// The life that it was meant for is over.
    pub ended: bool,
    /// The incident's record names the action already.
    pub recorded: bool,
}

/// Lines that change a decision. Their texts and versions are known in the adapter (`openclaw/logs`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "sign", rename_all = "snake_case")]
pub enum LogSign {
    /// The log grew: the process does something.
    Grew,
    /// "draining active work before stop with timeout N".
    Draining {
        /// The deadline that the gateway gave itself.
        timeout_ms: u64,
    },
    /// "restart mode: full process restart": the coming exit with 0 is planned.
    RestartByExit,
    /// "restart mode: in-process restart": the listener goes away for a while.
    RestartInProcess,
    /// "gateway startup failed: … Process will stay alive": it never listens again by itself.
    StartupFailedAlive,
    /// "restart-loop breaker tripped": channels are suppressed.
    BreakerTripped,
    /// "received SIGTERM" or SIGINT: someone asked it to stop.
    StopSignal,
    /// The reason it gave for refusing to start, redacted.
    Refused {
        /// What it said.
        text: String,
        /// What we make of it.
        reason: crate::diagnosis::RefusalReason,
    },
}

/// The config file as last seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigSeen {
    /// Hash of its bytes and of what it includes; zero when it is missing.
    pub fingerprint: u64,
    /// Whether the gateway could read it.
    pub validity: ConfigValidity,
}

/// What our own reading of the schema says against a config that parses. It warns, and proves nothing: only the
/// gateway's refusal does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigDoubt {
    /// Which config.
    pub fingerprint: u64,
    /// Where and what, redacted.
    pub detail: String,
}

/// Whether a config would be understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "validity", rename_all = "snake_case")]
pub enum ConfigValidity {
    /// It parses and has what a start needs.
    Valid,
    /// It does not.
    Invalid {
        /// 1-based; zero where no place applies.
        line: u32,
        /// 1-based; zero where no place applies.
        column: u32,
        /// One sentence, redacted.
        message: String,
    },
    /// There is no file.
    Missing,
    /// We may not read it, so we do not know.
    Unreadable {
        /// Why.
        message: String,
    },
}

/// Free space on the gateway's file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskSeen {
    /// Bytes that the gateway's user can still write.
    pub free_bytes: u64,
    /// Whether a small file could be written there just now.
    pub writable: bool,
}

/// Another process that owns what this gateway needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockHolder {
    /// The holder.
    pub pid: u32,
    /// Proven to be an OpenClaw gateway of the same home (lock file with a matching start time).
    pub same_home: bool,
    /// It answers `/healthz` as a gateway.
    pub healthy: bool,
    /// Its program, for people; never used to decide.
    pub name: String,
}

/// A change around the gateway that may have removed a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Surroundings {
    /// The installed package or runtime changed.
    Package,
    /// Space came free.
    DiskFreed,
    /// The lock that was held is free.
    LockFreed,
    /// The port on which somebody else listened is free.
    PortFreed,
    /// The network is back.
    Network,
}

/// What the guard knows of its own condition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardSelf {
    /// How much later than planned the guard woke up.
    pub late_ms: u64,
    /// How long the machine slept since the last look.
    pub slept_ms: u64,
    /// Share of time in which some task waited for CPU, in percent (pressure stall information), when known.
    pub cpu_pressure: Option<u8>,
    /// Likewise for memory.
    pub memory_pressure: Option<u8>,
}
