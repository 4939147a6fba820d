//! Changes of role of a warm and of a cold standby, against a modelled gateway whose guard dies after any step.

use clawmend_core::failover::course::{Course, Goal, Outcome, Setting, Task, Upkeep, Upkept};
use clawmend_core::time::Moment;

const WARM: Setting = Setting { warm: true, workspace: true, secrets: true, wipe: false };
const COLD: Setting = Setting { warm: false, workspace: true, secrets: true, wipe: true };

/// What does not work.
#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    /// The gateway takes no calls.
    deaf: bool,
    /// It takes them, and goes on as before until it is started anew.
    stubborn: bool,
    /// Its config cannot be written.
    read_only: bool,
    /// No host with files or secrets answers.
    stores: bool,
}

/// One gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct World {
    runs: bool,
    /// By the config on disk.
    on: bool,
    polls: bool,
    secrets: bool,
}

impl World {
    fn does(&mut self, task: Task, faults: Faults) -> Outcome {
        let worked = match task {
            Task::BringWorkspace | Task::GiveBack => !faults.stores,
            Task::BringSecrets => {
                self.secrets |= !faults.stores;
                !faults.stores
            }
            Task::ReloadSecrets => self.runs && !faults.deaf,
            Task::WipeSecrets => {
                self.secrets = false;
                true
            }
            Task::Patch { on } => {
                let takes = self.runs && !faults.deaf && !faults.read_only;
                if takes {
                    self.on = on;
                    self.polls = if faults.stubborn { self.polls } else { on };
                }
                takes
            }
            Task::Edit { on } => {
                if !faults.read_only {
                    self.on = on;
                    self.polls = if self.runs && !faults.stubborn && !faults.deaf { on } else { self.polls };
                }
                !faults.read_only || self.on == on
            }
            Task::Start | Task::Run => {
                if !self.runs {
                    (self.runs, self.polls) = (true, self.on);
                }
                true
            }
            Task::Finish => self.runs && !faults.deaf,
            Task::Stop => {
                (self.runs, self.polls) = (false, false);
                true
            }
            Task::Reach { .. } => self.polls,
            Task::Silent => !self.polls,
        };
        if worked { Outcome::Done } else { Outcome::Failed }
    }

    /// Until it is over, or the guard ends: after so many steps.
    fn goes(&mut self, course: &mut Course, faults: Faults, steps: usize) -> Vec<Task> {
        let mut done = Vec::new();
        while done.len() < steps {
            let Some(task) = course.take() else { break };
            let outcome = self.does(task, faults);
            done.push(task);
            if done.len() < steps {
                course.done(task, outcome);
            }
            assert!(done.len() < 20, "{done:?}");
        }
        done
    }
}

const STANDS_BY_WARM: World = World { runs: true, on: false, polls: false, secrets: true };
const STANDS_BY_COLD: World = World { runs: false, on: true, polls: false, secrets: false };
const CARRIES: World = World { runs: true, on: true, polls: true, secrets: true };

fn whole(goal: Goal, setting: Setting, mut world: World, faults: Faults) -> (World, Course, Vec<Task>) {
    let mut course = Course::new(goal, setting, world.runs);
    let done = world.goes(&mut course, faults, usize::MAX);
    (world, course, done)
}

#[test]
fn a_warm_standby_switches_first_and_brings_the_files_meanwhile() {
    let (world, course, done) = whole(Goal::Carry, WARM, STANDS_BY_WARM, Faults::default());
    assert_eq!(
        done,
        [
            Task::Patch { on: true },
            Task::BringWorkspace,
            Task::BringSecrets,
            Task::ReloadSecrets,
            Task::Reach { started: false }
        ]
    );
    assert!(world.polls && course.worked() && !course.is_warm());
    let (world, course, done) = whole(Goal::StandBy, WARM, world, Faults::default());
    assert_eq!(done, [Task::Patch { on: false }, Task::Silent, Task::GiveBack]);
    assert_eq!(world, STANDS_BY_WARM);
    assert!(course.worked() && course.is_warm());
}

#[test]
fn a_cold_standby_brings_the_files_first_and_ends_its_gateway() {
    let (world, course, done) = whole(Goal::Carry, COLD, STANDS_BY_COLD, Faults::default());
    let all =
        [Task::BringWorkspace, Task::BringSecrets, Task::Edit { on: true }, Task::Start, Task::Reach { started: true }];
    assert_eq!(done, all);
    assert!(world.polls && course.worked());
    let (world, course, done) = whole(Goal::StandBy, COLD, world, Faults::default());
    assert_eq!(done, [Task::Finish, Task::Stop, Task::WipeSecrets, Task::GiveBack]);
    assert_eq!(world, STANDS_BY_COLD);
    assert!(course.worked() && !course.is_warm());
}

/// Nobody would hear a gateway whose channels are off: it is tried again, and people are told.
#[test]
fn channels_that_cannot_be_switched_on_are_no_takeover() {
    let mut course = Course::new(Goal::Carry, COLD, false);
    let mut done = Vec::new();
    while let Some(task) = course.take() {
        done.push(task);
        course.done(task, if task == (Task::Edit { on: true }) { Outcome::Failed } else { Outcome::Done });
    }
    assert_eq!(done, [Task::BringWorkspace, Task::BringSecrets, Task::Edit { on: true }]);
    assert!(!course.worked());
}

#[test]
fn where_the_call_does_not_work_the_cold_way_follows() {
    let deaf = Faults { deaf: true, ..Faults::default() };
    let (world, course, done) = whole(Goal::Carry, WARM, STANDS_BY_WARM, deaf);
    assert!(done.starts_with(&[Task::Patch { on: true }, Task::BringWorkspace]), "{done:?}");
    // It runs already and has not seen the edit: it is started anew.
    let last = [Task::Edit { on: true }, Task::Start, Task::Reach { started: false }];
    let anew = [Task::Stop, Task::Start, Task::Reach { started: true }];
    assert!(done.ends_with(&[last, anew].concat()), "{done:?}");
    assert!(course.worked() && world.polls);
    let (world, course, done) = whole(Goal::StandBy, WARM, CARRIES, deaf);
    assert!(
        done.starts_with(&[Task::Patch { on: false }, Task::Edit { on: false }, Task::Stop, Task::Run]),
        "{done:?}"
    );
    assert_eq!(world, STANDS_BY_WARM);
    assert!(course.is_warm());
}

#[test]
fn a_gateway_that_takes_the_switch_and_does_nothing_is_started_anew_once() {
    let stubborn = Faults { stubborn: true, ..Faults::default() };
    let (world, course, done) = whole(Goal::Carry, WARM, STANDS_BY_WARM, stubborn);
    assert!(done.ends_with(&[Task::Stop, Task::Start, Task::Reach { started: true }]), "{done:?}");
    assert!(world.polls && course.worked());
    let (world, _, done) = whole(Goal::StandBy, WARM, CARRIES, stubborn);
    assert!(done.contains(&Task::Stop) && done.contains(&Task::Run), "{done:?}");
    assert_eq!(world, STANDS_BY_WARM);
    // One channel of two is there: nobody who uses it is interrupted.
    let mut course = Course::new(Goal::Carry, WARM, true);
    while let Some(task) = course.take() {
        assert!(!matches!(task, Task::Stop | Task::Start));
        course.done(task, if matches!(task, Task::Reach { .. }) { Outcome::Partly } else { Outcome::Done });
    }
}

#[test]
fn channels_that_cannot_be_switched_off_are_not_left_to_run() {
    let faults = Faults { read_only: true, ..Faults::default() };
    for goal in [Goal::StandBy, Goal::BeWarm, Goal::StayOff] {
        let (world, course, done) = whole(goal, WARM, CARRIES, faults);
        assert!(!world.runs && !course.is_warm() && !done.contains(&Task::Run), "{goal:?}: {done:?}");
    }
}

#[test]
fn a_stop_that_fails_leaves_the_rest_as_it_is() {
    let mut course = Course::new(Goal::StandBy, COLD, true);
    assert_eq!(course.take(), Some(Task::Finish));
    course.done(Task::Finish, Outcome::Failed);
    assert_eq!(course.take(), Some(Task::Stop), "nobody waits for what is never finished");
    course.done(Task::Stop, Outcome::Failed);
    assert_eq!(course.take(), None, "a gateway that still runs needs its secrets");
    assert!(!course.worked());
}

#[test]
fn a_gateway_that_somebody_has_stopped_is_not_started_to_stand_by() {
    let stopped = World { runs: false, polls: false, ..CARRIES };
    let (world, course, done) = whole(Goal::StayOff, WARM, stopped, Faults::default());
    assert_eq!(done, [Task::Edit { on: false }]);
    assert!(!world.runs && course.is_warm());
    let read_only = Faults { read_only: true, ..Faults::default() };
    let (_, course, done) = whole(Goal::StayOff, WARM, stopped, read_only);
    assert!(done.len() == 1 && !course.worked() && course.is_warm(), "it is tried again, and nothing else is done");
}

/// The guard dies after any step of a change, before it heard how that went; the next one begins it anew. Twice.
#[test]
fn a_guard_that_dies_after_any_step_comes_to_the_same_end() {
    let faults = [
        Faults::default(),
        Faults { deaf: true, ..Faults::default() },
        Faults { stubborn: true, ..Faults::default() },
        Faults { stores: true, ..Faults::default() },
    ];
    let mut ends = 0;
    for (goal, setting, from) in [
        (Goal::Carry, WARM, STANDS_BY_WARM),
        (Goal::Carry, WARM, World { runs: false, ..STANDS_BY_WARM }),
        (Goal::Carry, COLD, STANDS_BY_COLD),
        (Goal::Carry, COLD, World { runs: false, ..STANDS_BY_WARM }),
        (Goal::StandBy, WARM, CARRIES),
        (Goal::StandBy, WARM, World { runs: false, polls: false, ..CARRIES }),
        (Goal::StandBy, COLD, CARRIES),
        (Goal::BeWarm, WARM, CARRIES),
        (Goal::BeWarm, WARM, World { runs: false, polls: false, ..CARRIES }),
        (Goal::StayOff, WARM, CARRIES),
        (Goal::StayOff, WARM, World { runs: false, polls: false, ..CARRIES }),
    ] {
        for faults in faults {
            for (first, second) in (1..12).flat_map(|first| (1..12).map(move |second| (first, second))) {
                let mut world = from;
                let mut goal = goal;
                for steps in [first, second] {
                    let mut course = Course::new(goal, setting, world.runs);
                    // It is written down before the stop that the gateway is not warm any more.
                    if world.goes(&mut course, faults, steps).contains(&Task::Stop) && goal == Goal::StayOff {
                        goal = Goal::BeWarm;
                    }
                }
                let (world, course, _) = whole(goal, setting, world, faults);
                let what = format!("{goal:?} {setting:?} {faults:?} killed after {first} and {second}: {world:?}");
                assert!(course.worked(), "{what}");
                match goal {
                    Goal::Carry => assert!(world.runs && world.on && world.polls, "{what}"),
                    Goal::StayOff if !from.runs => assert!(!world.runs && !world.on && course.is_warm(), "{what}"),
                    Goal::StandBy | Goal::BeWarm | Goal::StayOff if setting.warm => {
                        assert!(world.runs && !world.on && !world.polls && course.is_warm(), "{what}");
                    }
                    Goal::StandBy | Goal::BeWarm | Goal::StayOff => assert!(!world.runs && !world.secrets, "{what}"),
                }
                ends += 1;
            }
        }
    }
    assert_eq!(ends, 11 * 4 * 121);
}

#[test]
fn a_standby_is_made_warm_when_it_is_not_and_not_all_the_time() {
    let mut upkeep = Upkeep::default();
    let cold = Upkept { stands_by: true, was_warm: false, switched_on: Some(true) };
    let warm = Upkept { was_warm: true, switched_on: Some(false), ..cold };
    assert!(!upkeep.is_due(Moment(1_000), 5_000, Upkept { stands_by: false, ..cold }), "it carries");
    assert!(upkeep.is_due(Moment(1_000), 5_000, cold));
    assert!(!upkeep.is_due(Moment(5_999), 5_000, cold), "it was just tried");
    assert!(upkeep.is_due(Moment(6_000), 5_000, cold));
    assert!(!upkeep.is_due(Moment(60_000), 5_000, warm));
    assert!(!upkeep.is_due(Moment(60_000), 5_000, Upkept { switched_on: None, ..warm }), "nobody knows");
    assert!(
        upkeep.is_due(Moment(60_000), 5_000, Upkept { switched_on: Some(true), ..warm }),
        "somebody switched it on"
    );
}
