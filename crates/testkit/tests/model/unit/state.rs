//! The words of the model: what there is to see, to call, to want and to happen.

use clawmend_core::observation::{ActiveState, JobKind};

/// The unit as anyone can see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Look {
    pub state: ActiveState,
    /// Kind and whether ours.
    pub job: Option<(JobKind, bool)>,
    pub main: Option<u8>,
    pub refused: bool,
    pub enabled: bool,
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
    pub stopped: bool,
    pub emergency: bool,
    pub paused: bool,
    pub disabled_by_us: bool,
    pub start: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub unit: Look,
    /// On its way to auto-restart it shows a passing state.
    pub passing: bool,
    pub frozen: bool,
    pub config_ok: bool,
    pub lives: u8,
    pub calls: Vec<Call>,
    pub news: Vec<News>,
    pub up: bool,
    pub seen: Look,
    pub foreign: Foreign,
    /// A start of ours left, and no life has come to light since.
    pub started: bool,
    /// A stop came that no guard was there to hear: nobody can know of it.
    pub unheard: bool,
    pub silent: bool,
    pub wishes: Wishes,
    /// The truth of `systemctl stop`.
    pub unit_stopped: bool,
    pub broke_a_wish: bool,
    pub people: u8,
    pub faults: u8,
    pub deaths: u8,
    pub reboots: u8,
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
