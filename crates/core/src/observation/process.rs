//! What the kernel says of the process.

use crate::gateway::Incarnation;
use serde::{Deserialize, Serialize};

/// Scheduler state of the main thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// On a CPU or waiting for one (Linux `R`).
    Running,
    /// Waiting for an event (`S`, `I`).
    Sleeping,
    /// In an uninterruptible wait (`D`).
    Blocked,
    /// Stopped by a signal (`T`).
    Stopped,
    /// Held by a tracer (`t`).
    Traced,
    /// Dead and not reaped (`Z`, `X`).
    Dead,
    /// The system does not tell.
    Unknown,
}

/// Someone else holds the process on purpose, so its silence is not ours to cure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// Its cgroup, or one above, is frozen.
    Frozen,
    /// A debugger is attached.
    Traced {
        /// Its pid.
        tracer: u32,
    },
    /// A client is connected to its Node inspector.
    Inspected,
}

/// One look at a live process. Counters only grow within an incarnation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessSample {
    /// Whom we looked at; its start time was checked in the same look.
    pub incarnation: Incarnation,
    /// Main thread's state.
    pub state: RunState,
    /// CPU used by all threads since its start.
    pub cpu_ms: u64,
    /// Voluntary context switches of the main thread.
    pub voluntary: u64,
    /// Involuntary context switches of the main thread.
    pub involuntary: u64,
    /// Resident memory.
    pub rss_kib: u64,
    /// Threads.
    pub threads: u32,
    /// Open descriptors, when counted in this look.
    pub descriptors: Option<u32>,
    /// Times its cgroup was throttled by a CPU quota, when known.
    pub throttled: Option<u64>,
    /// Someone holds it on purpose.
    pub held: Option<Held>,
}

/// Who listens where the gateway should.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "listener", rename_all = "snake_case")]
pub enum Listener {
    /// The gateway itself.
    Own {
        /// The port it really owns.
        port: u16,
        /// Connections that wait to be accepted: grows when the event loop does not turn.
        backlog: u32,
    },
    /// Nobody.
    Absent,
    /// Another process has the port.
    Foreign {
        /// The port.
        port: u16,
        /// The owner, when the system tells us.
        pid: Option<u32>,
        /// Its program, for people; never used to decide.
        name: String,
    },
    /// We may not see it.
    Unknown,
}
