//! The steps of a change of role, in order, and what follows where one of them fails.
//!
//! A cold standby's gateway is off while it stands by; a warm one runs, with its channels switched off in its config.
//! Invariants: whatever a guard that ended half-way had done, a new course from there comes to the same end; a gateway is
//! started to stand by only when its channels are known to be switched off; where the quick way fails, the sure one
//! follows, once. Start at [`Course::new`].

use crate::time::Moment;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// This node carries.
    Carry,
    /// It carries, and stands by from then on.
    StandBy,
    /// It stands by, and its gateway is not as a warm one is.
    BeWarm,
    /// It stands by warm, and somebody has switched a channel on. Whoever has stopped the gateway is not overruled.
    StayOff,
}

/// What is set for this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Its gateway runs while it stands by.
    pub warm: bool,
    /// The workspace is kept elsewhere.
    pub workspace: bool,
    /// Secrets are kept elsewhere.
    pub secrets: bool,
    /// They are taken away again. Never with `warm`: a gateway that runs has them in its memory, and needs them when it
    /// is started again.
    pub wipe: bool,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Bring the primary's files.
    BringWorkspace,
    /// Give what was written here to a branch.
    GiveBack,
    /// Bring the secrets.
    BringSecrets,
    /// Let a gateway that runs read them again.
    ReloadSecrets,
    /// Take them away.
    WipeSecrets,
    /// Let the gateway itself switch its channels.
    Patch {
        /// On, or off.
        on: bool,
    },
    /// Switch them in the config's file.
    Edit {
        /// On, or off.
        on: bool,
    },
    /// Have the gateway run, and see it serve.
    Start,
    /// Have it run, however long it takes to serve.
    Run,
    /// Let it finish what people have written to it: OpenClaw's own drain may end before an answer is sent (2026.9.6).
    Finish,
    /// End it in order.
    Stop,
    /// See the channels connected.
    Reach {
        /// The gateway has surely been started with its channels on: they get their time. Else it is started anew when
        /// none of them comes soon.
        started: bool,
    },
    /// See that none of them is at work any more.
    Silent,
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As it should.
    Done,
    /// Of several channels not all.
    Partly,
    /// Not.
    Failed,
}

/// A way to a goal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Course {
    goal: Goal,
    setting: Setting,
    ahead: VecDeque<Task>,
    failed: bool,
    warm: bool,
}

impl Course {
    /// From what is there: `runs`, whether the gateway has a process.
    #[must_use]
    pub fn new(goal: Goal, setting: Setting, runs: bool) -> Self {
        let ahead = match goal {
            Goal::Carry if setting.warm && runs => take_over_warm(setting),
            Goal::Carry => take_over_cold(setting),
            Goal::StandBy if setting.warm && runs => with_the_rest(quietly(), setting),
            // Its process may be about to come back with the config from before: the stop sees to that.
            Goal::StandBy if setting.warm => with_the_rest(surely(), setting),
            Goal::StandBy if runs => with_the_rest(vec![Task::Finish, Task::Stop], setting),
            Goal::StandBy => with_the_rest(vec![Task::Stop], setting),
            Goal::BeWarm | Goal::StayOff if runs => quietly(),
            Goal::StayOff => vec![Task::Edit { on: false }],
            Goal::BeWarm => setting.secrets.then_some(Task::BringSecrets).into_iter().chain(surely()).collect(),
        };
        let warm = setting.warm && (runs || goal == Goal::StayOff);
        Self { goal, setting, ahead: ahead.into(), failed: false, warm }
    }

    /// What is to be done now; `None`: it is over.
    pub fn take(&mut self) -> Option<Task> {
        self.ahead.pop_front()
    }

    /// It worked: this node is what it was to be. What only helps does not count.
    #[must_use]
    pub const fn worked(&self) -> bool {
        !self.failed
    }

    /// The gateway stands by warm: it was left to run, with its channels off.
    #[must_use]
    pub fn is_warm(&self) -> bool {
        match self.goal {
            Goal::Carry => false,
            Goal::StandBy | Goal::BeWarm => self.warm && !self.failed,
            Goal::StayOff => self.warm,
        }
    }

    /// How a task went that came from [`Course::take`].
    pub fn done(&mut self, task: Task, outcome: Outcome) {
        match (task, outcome) {
            (Task::Run, Outcome::Done) => self.warm = true,
            (Task::Run, Outcome::Failed) | (Task::Stop, Outcome::Done) => self.warm = false,
            (Task::Patch { on: true }, Outcome::Failed) => self.ahead = take_over_cold(self.setting).into(),
            (Task::Patch { on: false } | Task::Silent, Outcome::Failed) => self.be_sure(),
            (Task::Edit { on: false }, Outcome::Failed) if self.goal == Goal::StayOff && self.ahead.is_empty() => {
                self.failed = true;
            }
            (Task::Edit { on: false }, Outcome::Failed) => self.still_on(),
            (Task::Reach { started: false }, Outcome::Failed) => self.start_again(),
            // Nobody would hear it with its channels off.
            (Task::Start | Task::Stop | Task::Edit { on: true }, Outcome::Failed) => self.give_up(),
            (
                Task::BringWorkspace
                | Task::GiveBack
                | Task::BringSecrets
                | Task::ReloadSecrets
                | Task::WipeSecrets
                | Task::Patch { .. }
                | Task::Edit { .. }
                | Task::Start
                | Task::Run
                | Task::Finish
                | Task::Stop
                | Task::Reach { .. }
                | Task::Silent,
                _,
            ) => {}
        }
    }

    /// The gateway took the switch, and no channel of it came: it is started anew. Nobody was served by it yet.
    fn start_again(&mut self) {
        for task in [Task::Reach { started: true }, Task::Start, Task::Stop] {
            self.ahead.push_front(task);
        }
    }

    /// Whatever the gateway does with its config, one that has ended polls no more.
    fn be_sure(&mut self) {
        self.ahead = self.with_what_follows(surely());
    }

    /// The channels cannot be switched off: the gateway is not left to run.
    fn still_on(&mut self) {
        self.ahead = self.with_what_follows(vec![Task::Stop]);
    }

    fn with_what_follows(&self, tasks: Vec<Task>) -> VecDeque<Task> {
        match self.goal {
            Goal::BeWarm | Goal::StayOff => tasks.into(),
            Goal::Carry | Goal::StandBy => with_the_rest(tasks, self.setting).into(),
        }
    }

    fn give_up(&mut self) {
        self.failed = true;
        self.ahead.clear();
    }
}

/// Under a gateway that runs, and goes on.
fn quietly() -> Vec<Task> {
    vec![Task::Patch { on: false }, Task::Silent]
}

/// Through an end of its process.
fn surely() -> Vec<Task> {
    vec![Task::Edit { on: false }, Task::Stop, Task::Run]
}

/// The channels first: the files come while they connect, and what people wrote waits at the service.
fn take_over_warm(setting: Setting) -> Vec<Task> {
    let mut tasks = vec![Task::Patch { on: true }];
    tasks.extend(setting.workspace.then_some(Task::BringWorkspace));
    tasks.extend(setting.secrets.then_some([Task::BringSecrets, Task::ReloadSecrets]).into_iter().flatten());
    tasks.push(Task::Reach { started: false });
    tasks
}

/// The files first: the gateway starts with them. Channels that stand switched off from a time as a warm standby are
/// switched on; a warm one may have read its config just before that, so less is waited for.
fn take_over_cold(setting: Setting) -> Vec<Task> {
    let mut tasks = Vec::new();
    tasks.extend(setting.workspace.then_some(Task::BringWorkspace));
    tasks.extend(setting.secrets.then_some(Task::BringSecrets));
    tasks.extend([Task::Edit { on: true }, Task::Start, Task::Reach { started: !setting.warm }]);
    tasks
}

fn with_the_rest(mut tasks: Vec<Task>, setting: Setting) -> Vec<Task> {
    tasks.extend((setting.wipe && setting.secrets && !setting.warm).then_some(Task::WipeSecrets));
    tasks.extend(setting.workspace.then_some(Task::GiveBack));
    tasks
}

/// Whether a warm standby's gateway is to be made warm now, or again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Upkeep {
    /// When it was tried last.
    tried: Option<Moment>,
}

/// How a warm standby is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upkept {
    /// It stands by, and no change of role is under way.
    pub stands_by: bool,
    /// Its gateway was made warm before. Whoever has stopped it since is not overruled.
    pub was_warm: bool,
    /// Its config has channels switched on; `None`: it cannot be read.
    pub switched_on: Option<bool>,
}

impl Upkeep {
    /// It is; from now on that counts as tried. Between two tries are `pause_ms`.
    pub fn is_due(&mut self, now: Moment, pause_ms: u64, upkept: Upkept) -> bool {
        let wanted = upkept.stands_by && (!upkept.was_warm || upkept.switched_on == Some(true));
        let due = wanted && self.tried.is_none_or(|at| now.since(at) >= pause_ms);
        if due {
            self.tried = Some(now);
        }
        due
    }
}
