//! What can be asked, and what can be answered.

use super::types::{CheckReport, IncidentDetail, IncidentsReport, StatusReport};
use clawmend_core::directive::IncidentId;
use clawmend_core::failover::{Order, lease};
use clawmend_core::gateway::GatewayId;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A question to the guard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Which gateway; `None`: all of them, or the only one.
    #[serde(default)]
    pub gateway: Option<GatewayId>,
    /// What.
    pub request: Request,
}

/// A passphrase on its way to the guard over the control socket, which is ours alone. Never shown.
#[derive(Clone)]
pub struct Passphrase(pub SecretString);

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

impl PartialEq for Passphrase {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl Eq for Passphrase {}

impl Serialize for Passphrase {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.0.expose_secret())
    }
}

impl<'de> Deserialize<'de> for Passphrase {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|text| Self(SecretString::from(text)))
    }
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// [`Answer::Status`].
    Status,
    /// One fresh look: [`Answer::Check`].
    Check,
    /// Hands off: [`Answer::Done`].
    Pause {
        /// For how long; `None`: until `resume`.
        for_ms: Option<u64>,
        /// Why.
        reason: Option<String>,
    },
    /// End of a pause: [`Answer::Done`].
    Resume,
    /// Stop the gateway in order and keep it stopped: [`Answer::Done`] when it has stopped.
    Stop,
    /// Stop it in order, and keep hands off, over reboots too: [`Answer::Done`] when it has stopped.
    EmergencyStop,
    /// End of a stop: [`Answer::Done`].
    Start,
    /// Restart in order: [`Answer::Done`].
    Restart,
    /// A person decides on a proposal: [`Answer::Done`].
    Decide {
        /// Which.
        proposal: u64,
        /// Do it.
        approve: bool,
        /// From the message that asked.
        code: String,
        /// What a person has set with `clawmend pair`.
        passphrase: Passphrase,
    },
    /// A person's word to a standby: [`Answer::Done`].
    Standby {
        /// Which.
        order: Order,
    },
    /// A person's word to a node of a shared group: [`Answer::Done`].
    Shared {
        /// Which.
        order: lease::Order,
    },
    /// [`Answer::Incidents`].
    Incidents {
        /// At most so many.
        limit: u32,
        /// From an earlier answer's `next`.
        cursor: Option<String>,
    },
    /// [`Answer::Incident`].
    Incident {
        /// Which.
        id: IncidentId,
    },
    /// The gateway's log: one [`Answer::Log`] per line, then [`Answer::End`].
    Logs {
        /// The last so many lines.
        lines: u32,
        /// Then every new line.
        follow: bool,
    },
}

impl Request {
    /// It changes what the guard or the gateway does, so it is refused from the gateway's own process tree.
    #[must_use]
    pub const fn changes_state(&self) -> bool {
        match self {
            Self::Pause { .. }
            | Self::Resume
            | Self::Stop
            | Self::EmergencyStop
            | Self::Start
            | Self::Restart
            | Self::Standby { .. }
            | Self::Shared { .. }
            | Self::Decide { .. } => true,
            Self::Status | Self::Check | Self::Incidents { .. } | Self::Incident { .. } | Self::Logs { .. } => false,
        }
    }
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", content = "with", rename_all = "snake_case")]
pub enum Answer {
    /// To [`Request::Status`].
    Status(StatusReport),
    /// To [`Request::Check`].
    Check(CheckReport),
    /// To [`Request::Incidents`].
    Incidents(IncidentsReport),
    /// To [`Request::Incident`]: one per gateway that has an incident of that name.
    Incident(Vec<IncidentDetail>),
    /// It is done, or on its way; a sentence for people.
    Done {
        /// What was done.
        message: String,
    },
    /// One line of a log.
    Log {
        /// Without its line end.
        line: String,
    },
    /// No more lines.
    End,
    /// A person must change something first, or say it elsewhere; saying it again does not help.
    NeedsPerson {
        /// What.
        why: String,
    },
    /// The caller may not ask this.
    Refused {
        /// Why.
        why: String,
    },
    /// There is no such thing (gateway, incident, cursor).
    NotFound {
        /// What.
        what: String,
        /// What there is, such as the known gateways.
        known: Vec<String>,
    },
    /// It did not work.
    Failed {
        /// Why.
        why: String,
    },
    /// The line was not understood.
    BadRequest {
        /// Why.
        why: String,
    },
}
