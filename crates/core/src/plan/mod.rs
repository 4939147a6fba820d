//! From a belief to the next smallest step.
//!
//! A reconciler: it is asked again after every change, looks only at what is so now, and names one step, a time to
//! wait for, or nothing. So a guard that was killed half-way simply goes on. It never executes; what it names still
//! has to pass [`crate::check`]. Start at [`next`].

mod case;
mod channel;
mod disk;
mod end;
mod start;

pub use case::{SPACING_MS as CASE_SPACING_MS, TRIES as CASE_TRIES};
pub use channel::{ChannelTries, Try, wait_after};
pub use disk::{LONGEST_MS as LOGS_LONGEST_MS, SPACING_MS as LOGS_SPACING_MS};
pub use start::{Refusal, Restored};

use crate::budget::{Pace, Window};
use crate::diagnosis::Cause;
use crate::diagnosis::case::RemedyAction;
use crate::diagnosis::opinion::Suspicion;
use crate::directive::Action;
use crate::gateway::Form;
use crate::guardian::Profile;
use crate::health::judge::Judgement;
use crate::health::life::{Alive, Life};
use crate::health::reasons::Reason;
use crate::observation::{ActiveState, ConfigSeen, ServiceSeen};
use crate::policy::Policy;
use crate::time::{Moment, Now};
use crate::wish::{Desired, Standing};

/// When a remedy of a case may be tried again; `None`: not in this incident.
pub type CaseTries<'a> = &'a dyn Fn(RemedyAction) -> Option<Moment>;

/// Everything a step may depend on.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// Present time.
    pub now: Now,
    /// Whose gateway.
    pub profile: &'a Profile,
    /// Figures.
    pub policy: &'a Policy,
    /// What people said.
    pub standing: &'a Standing,
    /// Is there a process?
    pub life: &'a Life,
    /// What we believe of it.
    pub belief: &'a Judgement,
    /// Named reasons while it serves.
    pub reasons: &'a [Reason],
    /// The unit, in service form.
    pub service: Option<&'a ServiceSeen>,
    /// We have shortened the restart delay of the invocation that [`View::service`] shows.
    pub hastened: bool,
    /// A person stopped the unit through the service manager.
    pub unit_stopped: bool,
    /// It was brought up again after that by a start of ours that came too late.
    pub revived_by_us: bool,
    /// A person asked for a restart that has not happened yet.
    pub restart_wished: bool,
    /// A person asked for a start that has not happened yet.
    pub start_wished: bool,
    /// Configs that were restored, or tried to be, since it was last well.
    pub restored: &'a Restored,
    /// Why it refused to start, while it does.
    pub refusal: Option<&'a Refusal>,
    /// Another gateway of this home is seen alive: its end will be seen, too.
    pub rival_seen: bool,
    /// Starts so far.
    pub pace: &'a Pace,
    /// Unclean ends so far, by whatever hand.
    pub unclean: &'a Window,
    /// Restarts of a silent gateway in a row that did not help.
    pub futile_restarts: u32,
    /// When the first of the present row of failures was seen: the base of the presets' waits.
    pub down_since: Moment,
    /// The remains of the last life have been swept.
    pub swept: bool,
    /// Channel starts so far.
    pub channels: &'a ChannelTries,
    /// The last end was by the gateway's own fault (its exit code, an abort), not by an outside signal.
    pub own_fault: bool,
    /// The config on disk, as last seen.
    pub config: Option<&'a ConfigSeen>,
    /// The disk has less room than the policy wants, or cannot be written.
    pub disk_low: bool,
    /// When old logs may be looked for again, once they were.
    pub logs_again: Option<Moment>,
    /// What the doctor takes the open incident for.
    pub suspicion: Option<&'a Suspicion>,
    /// How often and when the remedies of cases were tried.
    pub case_tries: CaseTries<'a>,
}

/// The next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// All is as it should be, or not ours to change.
    Nothing,
    /// Nothing before that time.
    Wait(Moment),
    /// This.
    Act(Action, String),
    /// Only a person can help.
    Tell(String),
}

impl Next {
    fn act(action: Action, reason: impl Into<String>) -> Self {
        Self::Act(action, reason.into())
    }
}

/// Names the next step.
#[must_use]
pub fn next(view: &View<'_>) -> Next {
    if wants_it_down(view) {
        return end::by_wish(view);
    }
    if view.unit_stopped && view.revived_by_us {
        return end::undo_late_start(view);
    }
    if view.standing.disabled_by_us && !view.standing.emergency {
        return Next::act(Action::EnableUnit { on: true }, "the emergency stop is over");
    }
    if view.standing.hands_off() {
        return Next::Nothing;
    }
    match view.life {
        Life::Unknown => Next::Nothing,
        Life::Absent(absent) => start::next(view, absent),
        Life::Alive(life) => alive(view, life),
    }
}

/// The ladder's step comes first; what only a case asks for fills its pauses.
fn or_case(ladder: Next, view: &View<'_>) -> Next {
    match (ladder, case::next(view)) {
        // What a person must hear does not wait for a remedy.
        (first @ (Next::Act(..) | Next::Tell(_)), _) => first,
        (_, act @ Next::Act(..)) => act,
        (Next::Wait(one), Next::Wait(other)) => Next::Wait(one.min(other)),
        (Next::Nothing, other) => other,
        (ladder, _) => ladder,
    }
}

/// A person stopped it through us and it is, or may come, up.
fn wants_it_down(view: &View<'_>) -> bool {
    view.standing.emergency || view.standing.desired == Desired::Stopped
}

fn alive(view: &View<'_>, life: &Alive) -> Next {
    if life.killed.is_some() {
        return Next::Nothing;
    }
    if let Some(asked) = life.asked_to_end {
        return end::escalate(view, life, asked);
    }
    if view.restart_wished {
        return end::restart_by_wish(view);
    }
    let ladder = match &view.belief.cause {
        Some(cause) => cure(view, life, cause),
        None => channel::next(view, life),
    };
    or_case(ladder, view)
}

/// A remedy by cause, smallest step first.
fn cure(view: &View<'_>, life: &Alive, cause: &Cause) -> Next {
    match cause {
        Cause::CgroupFrozen => tell("its cgroup is frozen; it is left alone until it is thawed"),
        Cause::Traced => tell("a debugger is attached; it is left alone until the debugger lets go"),
        Cause::Inspected => tell("a client is connected to its inspector; it is left alone until that client leaves"),
        Cause::PortStolen { owner } => tell(format!("its port is taken by {owner}; free the port, and it comes back")),
        // A restart changes nothing about a provider or a disk, and ends turns that may still go through.
        Cause::DiskFull => tell("its disk is full and its turns fail; make room, and it works again"),
        Cause::ProviderFailing { detail } => tell(format!(
            "the provider of its model fails ({detail}); look at the provider's address and status page, and at the fallback models"
        )),
        Cause::ProviderSlow { detail } => tell(format!(
            "its model is too slow ({detail}); it may need a faster model or a fallback, or is busy with long turns"
        )),
        Cause::ProviderQuota { detail } => {
            tell(format!("the quota or credit at its model's provider is used up ({detail}); wait, or top up"))
        }
        Cause::CredentialsRejected { detail } => {
            tell(format!("the provider of its model refuses the credentials ({detail}); set a valid key"))
        }
        // It works, only badly: whether a restart is worth the turns that it ends is for a person to say.
        Cause::SlowAnswers { detail } => tell(format!(
            "its answers take too long ({detail}), again and again; `clawmend doctor` looks at what holds it up, and it is \
             not restarted for that"
        )),
        Cause::MemoryHigh { detail } => tell(format!(
            "it takes too much memory ({detail}) and may be growing until it dies; restart it at a time that suits you, \
             with `clawmend restart`"
        )),
        Cause::Frozen => end::wake_and_end(view),
        Cause::NotListening => end::in_order(view, life, "it lives but listens nowhere"),
        Cause::Spinning => end::by_force(view, "its event loop has not turned for its whole budget"),
        Cause::Stuck => end::by_force(view, "it has not answered for its whole budget"),
        Cause::BootStuck => end::by_force(view, "its start neither progresses nor ends"),
        Cause::DrainStuck => end::past_deadline(view),
        Cause::Crashed { .. }
        | Cause::Exited
        | Cause::PlannedRestart
        | Cause::RefusedToStart { .. }
        | Cause::Stalled
        | Cause::Unknown => Next::Nothing,
        // It serves: whatever else is not well, channels that were left out are started.
        Cause::ChannelsSuppressed
        | Cause::ChannelDeaf { .. }
        | Cause::ConfigInvalid { .. }
        | Cause::NotReady { .. } => channel::next(view, life),
        Cause::DiskNearlyFull => match disk::next(view) {
            Next::Nothing => channel::next(view, life),
            step @ (Next::Wait(_) | Next::Act(..) | Next::Tell(_)) => step,
        },
    }
}

fn tell(text: impl Into<String>) -> Next {
    Next::Tell(text.into())
}

/// The gateway's process belongs to a service manager.
const fn serviced(form: Form) -> bool {
    matches!(form, Form::Systemd | Form::Launchd | Form::ScheduledTask)
}

/// The unit is coming up or going to: a stop must be said to the manager, there is nothing to signal yet.
fn unit_pending(service: Option<&ServiceSeen>) -> bool {
    service.is_some_and(|seen| matches!(seen.state, ActiveState::AutoRestart | ActiveState::Activating))
}
