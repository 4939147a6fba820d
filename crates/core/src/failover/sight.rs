//! What a standby learns: of the primary, of itself, and from people.

use super::own::Own;
use super::senior::Senior;
use serde::{Deserialize, Serialize};

/// One look at the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sight {
    /// Its gateway serves: it said so, or its guard did.
    Serves,
    /// Its guard answers and is at work on the gateway: the host is there, only the gateway is not.
    BeingRepaired,
    /// Its guard answers, and a person has stopped the gateway: nobody carries the channels.
    Stopped,
    /// Nobody there answered in time.
    Silent,
    /// Somebody answered there, and not as a peer does: another key, an older protocol, garbage. Nothing follows from it.
    Unclear,
    /// This node could not look: it reaches neither its own gateway's port, nor a name server, nor the reference host.
    Blind,
}

/// Whether the standby may be promoted at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Armed {
    /// Both configs were compared, and no account is owned by both.
    Yes,
    /// They were not, or one is, or one could not be resolved.
    No {
        /// For people, without secrets.
        why: String,
    },
}

/// What a person says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Carry on, and go on until I say otherwise.
    Promote,
    /// Step back, and stay there until I say otherwise.
    Demote,
    /// Stay as you are.
    Hold,
    /// Decide by yourself again.
    Release,
    /// Carry on for a while, to see that you can, and step back by yourself. Whoever asked may be gone by then.
    Drill,
}

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// A look at the primary.
    Look(Sight),
    /// A look at the standbys that come before this one, in their order; told before the look at the primary.
    Seniors(Vec<Senior>),
    /// The comparison of the configs.
    Armed(Armed),
    /// A person's word.
    Person(Order),
    /// This node's own gateway, while it carries or takes over.
    Own(Own),
    /// The change of role that was asked for is done, or could not be.
    Done {
        /// It worked: the standby carries, or does not any more.
        worked: bool,
    },
}
