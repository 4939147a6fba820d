//! What reaches a ward from outside of its loop. One bounded queue, in order of arrival.

use crate::api::server::{Call, Reply};
use crate::keeper::protocol::{Event, State};
use crate::service::ServiceEvent;
use clawmend_core::approval::{Decision, Proposal};
use clawmend_core::gateway::Incarnation;
use clawmend_core::observation::{ChannelState, Evidence};
use clawmend_core::wish::Wish;
use tokio::sync::mpsc;

/// News that may wait. Senders wait when it is full, so nothing is lost; probes are bounded in number.
pub const QUEUE: usize = 256;

/// One piece of news.
#[derive(Debug)]
pub enum News {
    /// Evidence, ready for the state machine.
    Evidence(Evidence),
    /// A person, over the control socket.
    Call(Call),
    /// The service manager.
    Service(ServiceEvent),
    /// The keeper.
    Keeper(Event),
    /// The keeper was found or started; all that it knows.
    KeeperState(State),
    /// No keeper answers any more.
    KeeperLost,
    /// A person decides on a proposal; that they may has been proven.
    Decision(Decision, tokio::sync::oneshot::Sender<Reply>),
    /// This host, as one of a pair, is to carry its gateway or to stand by.
    Role {
        /// Carry it.
        carry: bool,
        /// Answered when it is obeyed.
        reply: tokio::sync::oneshot::Sender<Reply>,
    },
    /// The chat wants to know what was proposed, however it stands.
    Proposals(tokio::sync::oneshot::Sender<Vec<Proposal>>),
    /// A person, over the chat; that it is they has been proven.
    Wish(Wish, tokio::sync::oneshot::Sender<Reply>),
    /// The group wants to know whether a person's pause or stop would have it refuse to carry.
    IsHindered(tokio::sync::oneshot::Sender<bool>),
    /// Somebody wants to know how things are.
    Report(tokio::sync::oneshot::Sender<crate::api::types::GatewayStatus>),
    /// The pair wants to know what the gateway said of its channels last; it is asked again.
    Channels(tokio::sync::oneshot::Sender<Vec<ChannelState>>),
    /// The pair wants the gateway itself to do something, beside the loop.
    Gateway(AskGateway, tokio::sync::oneshot::Sender<Result<(), String>>),
    /// New figures from changed settings.
    Policy(Box<clawmend_core::policy::Policy>),
    /// The keeper is not needed any more; told when it has heard it, or cannot.
    Dismiss(tokio::sync::oneshot::Sender<()>),
    /// What a gateway that refused to start said last.
    LastWords {
        /// Whose.
        life: Incarnation,
        /// The end of its output; empty when the keeper did not answer.
        text: String,
    },
    /// A process that outlived its keeper has ended before a new one had it: this is all that the keeper knows.
    NotAdopted(State),
    /// The kernel says that this life has ended.
    Ended(Incarnation),
}

/// What a pair asks of a gateway that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskGateway {
    /// Change its config by this merge patch.
    PatchConfig(String),
    /// Say what its config is. Nothing comes of it but that the next change of it is quicker: the first reading of a
    /// process took OpenClaw 2026.9.6 more than a second, later ones a tenth.
    ReadConfig,
    /// Read its secrets again.
    ReloadSecrets,
    /// Start this channel account, also where its own crash-loop breaker keeps it from starting.
    StartChannel { channel: String, account: String },
}

/// Where news is sent.
pub type Sender = mpsc::Sender<News>;
