//! The systemd form: a unit with `Restart=always`, its manager, people, and a guard that sees late and may die.

use clawmend_core::check::{ForeignStop, Life, Origin, Phase, Situation, permit};
use clawmend_core::directive::{Action as Act, DirectiveId};
use clawmend_core::gateway::{Control, Form, Incarnation};
use clawmend_core::health::Verdict;
use clawmend_core::observation::{ActiveState, Exit, Job, JobKind, Limits, ServiceSeen};
use clawmend_core::wish::{Desired, Pause, Standing};
use stateright::{Model, Property};

pub const STAYS_STOPPED: &str = "what a person stopped stays stopped";

/// Bounds of the exploration.
#[derive(Clone, Debug)]
pub struct Unit {
    pub people: u8,
    pub faults: u8,
    pub deaths: u8,
    pub reboots: u8,
}

/// The same with a guard that calls `RestartUnit` in mode `replace` on a unit that waits, and asks nobody.
#[derive(Clone, Debug)]
pub struct Lawless(pub Unit);

/// The unit as anyone can see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Look {
    state: ActiveState,
    /// Kind and whether ours.
    job: Option<(JobKind, bool)>,
    main: Option<u8>,
    refused: bool,
    enabled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum News {
    Unit(Look),
    ForeignStop,
}

/// A call on its way to the manager or the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    TryRestart,
    Start,
    Stop,
    Enable(bool),
    Kill(u8),
    /// Only the lawless: `RestartUnit`, mode `replace`.
    Restart,
}

/// What people want. The guard's copy of it is durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Wishes {
    stopped: bool,
    emergency: bool,
    paused: bool,
    disabled_by_us: bool,
    start: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    unit: Look,
    /// On its way to auto-restart it shows a passing state.
    passing: bool,
    frozen: bool,
    config_ok: bool,
    lives: u8,
    calls: Vec<Call>,
    news: Vec<News>,
    up: bool,
    seen: Look,
    foreign: Foreign,
    /// A start of ours left, and no life has come to light since.
    started: bool,
    /// A stop came that no guard was there to hear: nobody can know of it.
    unheard: bool,
    silent: bool,
    wishes: Wishes,
    /// The truth of `systemctl stop`.
    unit_stopped: bool,
    broke_a_wish: bool,
    people: u8,
    faults: u8,
    deaths: u8,
    reboots: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Foreign {
    None,
    Since,
    Overtaken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Issue(Call),
    Land(usize),
    Hear,
    Die,
    Reborn,
    Crash,
    CleanExit,
    Refuse,
    Mend,
    Freeze,
    NoticeSilence,
    MainEnds,
    Settles,
    Timer,
    SystemctlStop,
    SystemctlStart,
    Say(Say),
    Reboot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Say {
    Stop,
    Emergency,
    Start,
    Pause,
    Resume,
}

fn incarnation(pid: u8) -> Incarnation {
    Incarnation { pid: u32::from(pid), start: u64::from(pid), boot: String::new() }
}

impl State {
    fn tell(&mut self) {
        if self.up {
            self.news.push(News::Unit(self.unit));
        }
    }

    fn exec(&mut self) {
        self.lives += 1;
        self.passing = false;
        self.unit.job = None;
        self.unit.state = ActiveState::Active;
        self.unit.main = Some(self.lives);
        self.unit.refused = false;
        self.tell();
    }

    /// The main process ended, in one of three ways.
    fn main_ends(&mut self, refused: bool) {
        self.unit.main = None;
        self.frozen = false;
        self.unit.refused = refused;
        match (self.unit.state, self.unit.job) {
            (ActiveState::Deactivating, Some((JobKind::Restart, _))) => return self.exec(),
            (ActiveState::Deactivating, _) => {
                self.unit.job = None;
                self.unit.state = ActiveState::Inactive;
            }
            (_, _) if refused => self.unit.state = ActiveState::Failed,
            (_, _) => {
                // Shown for up to 2 ms before auto-restart.
                self.unit.state = ActiveState::Failed;
                self.passing = true;
            }
        }
        self.tell();
    }

    fn stop(&mut self, ours: bool) {
        match self.unit.state {
            ActiveState::Active | ActiveState::Activating | ActiveState::Deactivating => {
                self.unit.state = ActiveState::Deactivating;
                self.unit.job = Some((JobKind::Stop, ours));
                // SIGTERM, then SIGCONT.
                self.frozen = false;
            }
            ActiveState::AutoRestart => self.unit.state = ActiveState::Inactive,
            ActiveState::Failed if self.passing => {
                self.passing = false;
                self.unit.state = ActiveState::Inactive;
            }
            ActiveState::Inactive | ActiveState::Failed | ActiveState::NotFound => {}
        }
        self.tell();
    }

    fn land(&mut self, call: Call) {
        match (call, self.unit.state) {
            (Call::TryRestart, ActiveState::AutoRestart) => self.exec(),
            (Call::TryRestart, ActiveState::Active) if self.unit.job.is_none() => {
                self.unit.state = ActiveState::Deactivating;
                self.unit.job = Some((JobKind::Restart, true));
                self.frozen = false;
                self.tell();
            }
            // Mode `fail`: a stop job in the way refuses it; a stopped unit is not touched.
            (Call::TryRestart, _) => {}
            (Call::Start, ActiveState::Failed | ActiveState::Inactive) if !self.passing => self.exec(),
            (Call::Start, _) => {}
            (Call::Restart, ActiveState::Deactivating) => {
                self.unit.job = Some((JobKind::Restart, true));
                self.tell();
            }
            (Call::Restart, ActiveState::Failed | ActiveState::Inactive | ActiveState::AutoRestart) => self.exec(),
            (Call::Restart, _) => {}
            (Call::Stop, _) => self.stop(true),
            (Call::Enable(on), _) => {
                self.unit.enabled = on;
                self.wishes.disabled_by_us = !on;
                self.tell();
            }
            (Call::Kill(pid), _) if self.unit.main == Some(pid) => self.main_ends(false),
            (Call::Kill(_), _) => {}
        }
    }

    fn standing(&self) -> Standing {
        let wishes = self.wishes;
        let pause = wishes.paused.then(|| Pause { since: Default::default(), until: None, reason: None });
        let desired = if wishes.stopped || wishes.emergency { Desired::Stopped } else { Desired::Running };
        Standing {
            desired,
            pause,
            emergency: wishes.emergency,
            disabled_by_us: wishes.disabled_by_us,
            ..Standing::default()
        }
    }

    /// What the check says to an action on what the guard saw last.
    fn allowed(&self, action: &Act, origin: Origin) -> bool {
        if !self.up {
            return false;
        }
        let standing = self.standing();
        let seen = &self.seen;
        let alive = seen.main.map(incarnation);
        let limits = Limits {
            start_burst: 10,
            start_interval_ms: 300_000,
            stop_timeout_ms: 330_000,
            restart_delay_ms: 5_000,
            restarts: true,
        };
        // Settled: nothing more is on its way, and it was no passing state.
        let service = ServiceSeen {
            state: seen.state,
            settled: self.news.is_empty() && !self.passing,
            job: seen.job.map(|(kind, ours)| Job { kind, ours }),
            main_pid: alive.as_ref().map(|alive| alive.pid),
            last_exit: seen.refused.then_some(Exit::Code { code: 78 }),
            invocation: 0,
            enabled: seen.enabled,
            limits,
        };
        let phase = match (seen.state, seen.main) {
            (_, None) => Phase::Gone,
            (ActiveState::Deactivating, Some(_)) => Phase::Draining { deadline_passed: false },
            (_, Some(_)) if self.silent => Phase::Silent,
            (_, Some(_)) => Phase::Serving,
        };
        let foreign_stop = match (self.foreign, seen.job) {
            (_, Some((JobKind::Stop, false))) => ForeignStop::Job,
            (Foreign::None, _) => ForeignStop::None,
            (Foreign::Since, _) => ForeignStop::Since,
            (Foreign::Overtaken, _) => ForeignStop::Overtaken,
        };
        let situation = Situation {
            form: Form::Systemd,
            control: Control::Full,
            standing: &standing,
            life: alive.as_ref().map_or(Life::Absent, Life::Alive),
            target: alive.as_ref(),
            service: Some(&service),
            foreign_stop,
            phase,
            held: None,
            verdict: Verdict::Down,
            unclean_ends: 0,
            starts_in_hour: 0,
            starts_limit: 100,
            starts_in_interval: 0,
            outstanding: (!self.calls.is_empty()).then_some(DirectiveId(1)),
            refused_config: None,
            channel_stopped: false,
            disk_low: false,
        };
        permit(action, origin, &situation).is_ok()
    }

    /// Everything that the check would let through now.
    fn choices(&self) -> Vec<Call> {
        let mut choices = Vec::new();
        let start = Act::StartUnit { reset_limit: false };
        let down = self.wishes.stopped || self.wishes.emergency;
        if self.allowed(&Act::Hasten, Origin::Ladder) || self.allowed(&Act::RestartUnit, Origin::Ladder) {
            choices.push(Call::TryRestart);
        }
        if self.allowed(&start, Origin::Ladder) && (!self.seen.refused || self.config_ok)
            || (self.wishes.start && self.allowed(&start, Origin::Person))
        {
            choices.push(Call::Start);
        }
        if (down && self.allowed(&Act::StopUnit, Origin::Person)) && self.seen.job != Some((JobKind::Stop, true))
            || self.foreign == Foreign::Overtaken
                && self.seen.state != ActiveState::Deactivating
                && self.allowed(&Act::StopUnit, Origin::Ladder)
        {
            choices.push(Call::Stop);
        }
        if self.seen.enabled && self.allowed(&Act::EnableUnit { on: false }, Origin::Person) {
            choices.push(Call::Enable(false));
        }
        if !self.seen.enabled && self.allowed(&Act::EnableUnit { on: true }, Origin::Person) {
            choices.push(Call::Enable(true));
        }
        if let Some(pid) = self.seen.main
            && self.allowed(&Act::Kill, Origin::Ladder)
        {
            choices.push(Call::Kill(pid));
        }
        choices.retain(|choice| !self.calls.contains(choice));
        choices
    }

    /// Nothing is on its way, and the guard is there.
    fn quiet(&self) -> bool {
        self.up && self.calls.is_empty() && self.news.is_empty() && !self.passing && self.unit.job.is_none()
    }

    fn say(&mut self, say: Say) {
        let wishes = &mut self.wishes;
        match say {
            Say::Stop => (wishes.stopped, wishes.start) = (true, false),
            Say::Emergency => (wishes.emergency, wishes.start) = (true, false),
            Say::Start => {
                *wishes = Wishes { disabled_by_us: wishes.disabled_by_us, start: true, ..Wishes::default() };
                self.unit_stopped = false;
                self.foreign = Foreign::None;
                // The bus tells of a stop sooner than anyone can type the next word.
                self.news.retain(|news| *news != News::ForeignStop);
            }
            Say::Pause => wishes.paused = true,
            Say::Resume => wishes.paused = false,
        }
    }

    fn hear(&mut self) {
        match self.news.remove(0) {
            News::Unit(look) => {
                if look.main.is_some() && look.main != self.seen.main {
                    self.wishes.start = false;
                    self.silent = false;
                    // Not while a call of ours may still start another.
                    self.started = !self.calls.is_empty();
                    if self.foreign == Foreign::Since {
                        // Started by a hand that we did not see: a person's, after the stop.
                        self.foreign = if self.unit_stopped { Foreign::Overtaken } else { Foreign::None };
                    }
                }
                self.seen = look;
            }
            News::ForeignStop => {
                let waiting = self.calls.iter().any(|call| matches!(call, Call::Start | Call::TryRestart));
                self.foreign = if self.started || waiting { Foreign::Overtaken } else { Foreign::Since };
                // A stop that comes after a person's start ends that wish.
                self.wishes.start = false;
            }
        }
    }

    fn steps(&self, steps: &mut Vec<Step>) {
        steps.extend((0..self.calls.len()).map(Step::Land));
        if self.up && !self.news.is_empty() {
            steps.push(Step::Hear);
        }
        if self.up && self.deaths > 0 {
            steps.push(Step::Die);
        }
        if !self.up {
            steps.push(Step::Reborn);
        }
        if self.passing {
            steps.push(Step::Settles);
        }
        if self.unit.state == ActiveState::AutoRestart {
            steps.push(Step::Timer);
        }
        if self.unit.state == ActiveState::Deactivating && self.unit.main.is_some() {
            steps.push(Step::MainEnds);
        }
        self.troubles(steps);
        if self.people > 0 {
            steps.push(Step::SystemctlStop);
            if self.unit.main.is_none() {
                steps.push(Step::SystemctlStart);
            }
            if self.up {
                steps.extend([Say::Stop, Say::Emergency, Say::Start, Say::Pause, Say::Resume].map(Step::Say));
            }
        }
        if self.reboots > 0 {
            steps.push(Step::Reboot);
        }
    }

    fn troubles(&self, steps: &mut Vec<Step>) {
        let active = self.unit.state == ActiveState::Active;
        if self.faults > 0 && self.unit.main.is_some() {
            steps.push(Step::Crash);
            if active && !self.frozen {
                steps.extend([Step::CleanExit, Step::Refuse, Step::Freeze]);
            }
        }
        if !self.config_ok {
            steps.push(Step::Mend);
        }
        if self.up && self.frozen && !self.silent && self.seen.main == self.unit.main {
            steps.push(Step::NoticeSilence);
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Issue(call) => {
                let starts = matches!(call, Call::Start | Call::TryRestart);
                let wishes = self.wishes;
                self.started |= starts;
                self.broke_a_wish |= starts && (wishes.stopped || wishes.emergency || (wishes.paused && !wishes.start));
                self.calls.push(call);
            }
            Step::Land(index) => {
                let call = self.calls.remove(index);
                self.land(call);
            }
            Step::Hear => self.hear(),
            Step::Die => {
                self.deaths -= 1;
                self.up = false;
                self.unheard |= self.news.contains(&News::ForeignStop);
                self.news.clear();
                self.silent = false;
            }
            Step::Reborn => {
                self.up = true;
                self.seen = self.unit;
            }
            Step::Crash => {
                self.faults -= 1;
                self.main_ends(false);
            }
            Step::CleanExit => {
                self.faults -= 1;
                self.main_ends(false);
            }
            Step::Refuse => {
                self.faults -= 1;
                self.config_ok = false;
                self.main_ends(true);
            }
            Step::Mend => self.config_ok = true,
            Step::Freeze => {
                self.faults -= 1;
                self.frozen = true;
            }
            Step::NoticeSilence => self.silent = true,
            Step::MainEnds => self.main_ends(false),
            Step::Settles => {
                self.passing = false;
                self.unit.state = ActiveState::AutoRestart;
                self.tell();
            }
            Step::Timer => self.exec(),
            Step::SystemctlStop => {
                self.people -= 1;
                self.unit_stopped = true;
                if self.up {
                    self.news.push(News::ForeignStop);
                } else {
                    self.unheard = true;
                }
                self.stop(false);
            }
            Step::SystemctlStart => {
                self.people -= 1;
                self.unit_stopped = false;
                // A person who starts it ends a stop that was said before.
                self.wishes = Wishes { disabled_by_us: self.wishes.disabled_by_us, ..Wishes::default() };
                self.foreign = Foreign::None;
                self.news.retain(|news| *news != News::ForeignStop);
                self.exec();
            }
            Step::Say(say) => {
                self.people -= 1;
                self.say(say);
            }
            Step::Reboot => self.reboot(),
        }
    }

    /// The manager starts anew: everything of it is gone, and it starts what is enabled.
    fn reboot(&mut self) {
        self.reboots -= 1;
        self.calls.clear();
        self.news.clear();
        self.up = false;
        self.silent = false;
        self.frozen = false;
        self.passing = false;
        self.unit.main = None;
        self.unit.job = None;
        self.unit.state = ActiveState::Inactive;
        // `systemctl stop` never outlived a reboot; an emergency stop must.
        self.unit_stopped = !self.unit.enabled && self.unit_stopped;
        self.foreign = Foreign::None;
        self.started = false;
        if self.unit.enabled {
            self.exec();
        }
    }

    /// It runs although a person stopped it, and nothing that is on its way or allowed will change that.
    fn revived(&self) -> bool {
        // Hands off is hands off: a pause also keeps the guard from taking back a start of its own.
        let undo = self.unit_stopped && !self.unheard && !self.wishes.paused;
        let wished_down = undo || self.wishes.stopped || self.wishes.emergency;
        self.quiet() && wished_down && self.unit.main.is_some() && !self.choices().contains(&Call::Stop)
    }

    /// It should run, and neither the manager nor anything that is allowed will start it.
    fn stranded(&self) -> bool {
        let wishes = self.wishes;
        let may_run = !wishes.stopped && !wishes.emergency && !wishes.paused && !self.unit_stopped && self.config_ok;
        let down = self.unit.main.is_none() && self.unit.state != ActiveState::AutoRestart;
        // Settled inactive without a word from anyone is what a stop that nobody saw leaves.
        let spoken = self.unit.state == ActiveState::Failed || wishes.start;
        let enabling = self.choices().contains(&Call::Enable(true));
        self.quiet() && may_run && down && spoken && !enabling && !self.choices().contains(&Call::Start)
    }
}

fn first(bounds: &Unit) -> Vec<State> {
    let unit = Look { state: ActiveState::Active, job: None, main: Some(1), refused: false, enabled: true };
    vec![State {
        unit,
        passing: false,
        frozen: false,
        config_ok: true,
        lives: 1,
        calls: Vec::new(),
        news: Vec::new(),
        up: true,
        seen: unit,
        foreign: Foreign::None,
        started: false,
        unheard: false,
        silent: false,
        wishes: Wishes::default(),
        unit_stopped: false,
        broke_a_wish: false,
        people: bounds.people,
        faults: bounds.faults,
        deaths: bounds.deaths,
        reboots: bounds.reboots,
    }]
}

/// Lives and calls are bounded, so that the space is finite.
fn bounded(state: &State) -> bool {
    state.lives <= 4 && state.news.len() <= 4 && state.calls.len() <= 2
}

impl Model for Unit {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        first(self)
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if bounded(state) {
            steps.extend(state.choices().into_iter().map(Step::Issue));
            state.steps(steps);
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut state = last.clone();
        state.take(step);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(STAYS_STOPPED, |_, state: &State| !state.revived()),
            Property::always("no start leaves against a wish", |_, state: &State| !state.broke_a_wish),
            Property::always("an emergency stop takes the unit out of the boot sequence", |_, state: &State| {
                let settled = state.quiet() && state.wishes.emergency && state.choices().is_empty();
                !settled || !state.unit.enabled
            }),
            Property::always("nothing that may run is stranded", |_, state: &State| !state.stranded()),
            Property::sometimes("a frozen gateway is replaced", |_, state: &State| {
                state.quiet() && state.faults == 0 && state.lives >= 3 && state.unit.main.is_some() && !state.frozen
            }),
            Property::sometimes("a refused start is tried again once its cause is gone", |_, state: &State| {
                state.lives >= 2 && state.config_ok && state.seen.state == ActiveState::Active && state.faults == 0
            }),
        ]
    }
}

impl Model for Lawless {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        first(&self.0)
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if bounded(state) {
            let ended = matches!(state.seen.state, ActiveState::AutoRestart | ActiveState::Failed);
            if state.up && ended && state.calls.is_empty() {
                steps.push(Step::Issue(Call::Restart));
            }
            state.steps(steps);
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut state = last.clone();
        state.take(step);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(STAYS_STOPPED, |_, state: &State| {
            let wished_down = state.unit_stopped || state.wishes.stopped || state.wishes.emergency;
            !(state.quiet() && wished_down && state.unit.main.is_some())
        })]
    }
}
