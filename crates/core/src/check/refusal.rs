//! Why an action was not let through.

use crate::directive::DirectiveId;
use crate::observation::{ActiveState, Held};
use serde::{Deserialize, Serialize};

/// Why the check refused. Codes are stable ([`Refusal::code`]); the text is one sentence for the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "refusal", rename_all = "snake_case")]
pub enum Refusal {
    /// We have no right to act.
    #[error("we may only look at this gateway")]
    ObserveOnly,
    /// The action does not exist for this owner of the process.
    #[error("this action does not apply to the way this gateway is run")]
    WrongForm,
    /// Nobody would start it again.
    #[error("nobody would start this gateway again after its end")]
    NobodyStartsIt,
    /// The directive was meant for another life.
    #[error("the process that this was meant for is not the one that lives now")]
    StaleTarget,
    /// There is nothing to act on.
    #[error("there is nothing to act on: it is already so")]
    NothingToDo,
    /// It runs already.
    #[error("the gateway already has a process")]
    AlreadyAlive,
    /// We cannot tell whether it runs.
    #[error("it is not known whether the gateway has a process")]
    LifeUnknown,
    /// An emergency stop is in force.
    #[error("an emergency stop is in force until a person says start")]
    EmergencyStop,
    /// A pause is in force.
    #[error("a person paused the guard")]
    Paused,
    /// A person stopped it.
    #[error("a person stopped this gateway")]
    StoppedByPerson,
    /// A stop by another hand was seen.
    #[error("the unit was stopped by a hand other than ours")]
    ForeignStop,
    /// Only a person's wish to stop allows this.
    #[error("no person asked for this gateway to be stopped")]
    NoStopWish,
    /// A channel that a person stopped.
    #[error("a person stopped this channel")]
    ChannelStopped,
    /// Another remedy is under way.
    #[error("directive {} is still under way", .outstanding.0)]
    OneAtATime {
        /// Which.
        outstanding: DirectiveId,
    },
    /// Someone holds the process.
    #[error("someone holds the process on purpose ({})", held_name(.held))]
    Held {
        /// Who.
        held: Held,
    },
    /// It starts and makes progress.
    #[error("the gateway is starting and makes progress")]
    BootInProgress,
    /// It ends in order.
    #[error("the gateway is ending in order and within its deadline")]
    DrainInProgress,
    /// It serves.
    #[error("the gateway answers")]
    Serving,
    /// It does not serve yet.
    #[error("the gateway does not answer")]
    NotServing,
    /// The deadline of an orderly stop is not over.
    #[error("the deadline of the orderly stop is not over")]
    StopDeadline,
    /// OpenClaw would start deaf.
    #[error("this would be the third unclean end within five minutes, and OpenClaw would start without channels")]
    ThirdUncleanEnd,
    /// Our budget of starts is used up.
    #[error("the starts of this hour are used up")]
    StartBudget,
    /// The manager's limit is near.
    #[error("this start would use up the service manager's own start limit")]
    ManagerStartLimit,
    /// The unit's state is not known.
    #[error("the state of the unit is not known")]
    ServiceUnseen,
    /// The unit is not in a state in which this is safe.
    #[error("the unit is {}, where this is not safe", state_name(.state))]
    UnitState {
        /// Its state.
        state: ActiveState,
    },
    /// The unit's state may be a passing one.
    #[error("the state of the unit has not settled")]
    NotSettled,
    /// The manager works on the unit.
    #[error("the service manager already works on a job for the unit")]
    JobUnderWay,
    /// The guard cannot trust its own eyes.
    #[error("the guard cannot see well enough to use force")]
    ObserverImpaired,
}

impl Refusal {
    /// Stable name for records, JSON and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ObserveOnly => "observe_only",
            Self::WrongForm => "wrong_form",
            Self::NobodyStartsIt => "nobody_starts_it",
            Self::StaleTarget => "stale_target",
            Self::NothingToDo => "nothing_to_do",
            Self::AlreadyAlive => "already_alive",
            Self::LifeUnknown => "life_unknown",
            Self::EmergencyStop => "emergency_stop",
            Self::Paused => "paused",
            Self::StoppedByPerson => "stopped_by_person",
            Self::ForeignStop => "foreign_stop",
            Self::NoStopWish => "no_stop_wish",
            Self::ChannelStopped => "channel_stopped",
            Self::OneAtATime { .. } => "one_at_a_time",
            Self::Held { .. } => "held",
            Self::BootInProgress => "boot_in_progress",
            Self::DrainInProgress => "drain_in_progress",
            Self::Serving => "serving",
            Self::NotServing => "not_serving",
            Self::StopDeadline => "stop_deadline",
            Self::ThirdUncleanEnd => "third_unclean_end",
            Self::StartBudget => "start_budget",
            Self::ManagerStartLimit => "manager_start_limit",
            Self::ServiceUnseen => "service_unseen",
            Self::UnitState { .. } => "unit_state",
            Self::NotSettled => "not_settled",
            Self::JobUnderWay => "job_under_way",
            Self::ObserverImpaired => "observer_impaired",
        }
    }
}

/// How the holder is called in a sentence.
const fn held_name(held: &Held) -> &'static str {
    match held {
        Held::Frozen => "its cgroup is frozen",
        Held::Traced { .. } => "a debugger is attached",
        Held::Inspected => "a client is connected to its inspector",
    }
}

/// How the state is called in a sentence.
const fn state_name(state: &ActiveState) -> &'static str {
    match state {
        ActiveState::Active => "active",
        ActiveState::Activating => "activating",
        ActiveState::AutoRestart => "waiting for its automatic restart",
        ActiveState::Deactivating => "deactivating",
        ActiveState::Inactive => "inactive",
        ActiveState::Failed => "failed",
        ActiveState::NotFound => "not found",
    }
}
