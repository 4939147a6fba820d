//! What the check needs to know, and nothing else.

use crate::directive::DirectiveId;
use crate::gateway::{Control, Form, Incarnation};
use crate::health::Verdict;
use crate::observation::{Held, ServiceSeen};
use crate::wish::Standing;
use serde::{Deserialize, Serialize};

/// Where a plan comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The guard's own ladder for a cause.
    Ladder,
    /// A wish of a person that is being carried out now.
    Person,
    /// The remedy of a known case.
    Case,
    /// A proposal of an AI.
    Ai,
    /// A change of role: promotion, demotion, fence.
    Failover,
}

/// Whether the gateway has a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life<'a> {
    /// Its end was seen, or there never was one.
    Absent,
    /// This process lives and was proven to be the gateway.
    Alive(&'a Incarnation),
    /// We cannot tell.
    Unknown,
}

/// Where the process is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It starts: for the first time, or again inside its process.
    Booting {
        /// It used CPU, wrote a log line or answered within the policy's idle limit, and was not stopped by a signal.
        progressing: bool,
        /// It has not used more than the budget learned from earlier boots.
        within_budget: bool,
    },
    /// It answers.
    Serving,
    /// It ends in order, or was asked to.
    Draining {
        /// The deadline that it gave itself (else the policy's) is over.
        deadline_passed: bool,
    },
    /// It lives and has not answered for longer than evidence and policy allow.
    Silent,
    /// No process.
    Gone,
}

/// A stop of the unit that is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForeignStop {
    /// None since the last start.
    None,
    /// Its job is under way.
    Job,
    /// Its job came at some time since the unit was last started.
    Since,
    /// Its job came before a start of ours that overtook it: it is honoured after the fact.
    Overtaken,
}

/// All that [`super::permit`] rests on. Built by the guardian for one directive.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// Who owns the process.
    pub form: Form,
    /// What we may do.
    pub control: Control,
    /// What people have said.
    pub standing: &'a Standing,
    /// Whether there is a process.
    pub life: Life<'a>,
    /// The life that the directive is meant for.
    pub target: Option<&'a Incarnation>,
    /// The unit, as last seen.
    pub service: Option<&'a ServiceSeen>,
    /// A stop by another hand.
    pub foreign_stop: ForeignStop,
    /// Where the process is in its life.
    pub phase: Phase,
    /// Someone else holds the process on purpose.
    pub held: Option<Held>,
    /// What the guard believes: [`Verdict::Unknown`] forbids force.
    pub verdict: Verdict,
    /// Lives that ended uncleanly within the last [`super::UNCLEAN_WINDOW_MS`], by whatever hand.
    pub unclean_ends: u32,
    /// Starts within the last hour by our hand.
    pub starts_in_hour: u32,
    /// Most of them that the policy allows.
    pub starts_limit: u32,
    /// Starts of the unit within its own `StartLimitIntervalSec`, by any hand.
    pub starts_in_interval: u32,
    /// A directive whose result is still awaited.
    pub outstanding: Option<DirectiveId>,
    /// The config that the gateway refused to start with, while it does; zero: there was none.
    pub refused_config: Option<u64>,
    /// A person stopped the channel that the directive would start.
    pub channel_stopped: bool,
    /// The disk has less room than the policy wants, or cannot be written.
    pub disk_low: bool,
}
