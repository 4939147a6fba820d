//! The words for what a process does: where it is, what blocks it, what is wrong with it.

use clawmend_core::observation::Exit;

/// What follows an orderly end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Exit 0.
    Exit,
    /// Start again inside the process.
    Inside,
}

/// Where the process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Just exec'd: no signal handlers, nothing in the boot ledger.
    Exec,
    /// It starts and will refuse or fail with this code.
    Failing(i32),
    /// It starts.
    Booting,
    /// It listens; sidecars are pending.
    Sidecars,
    /// It serves.
    Serving,
    /// It ends in order, still listening.
    Draining(Then),
    /// The listener is closed.
    Closing(Then),
    /// It starts again inside the process, without a listener.
    Inner,
    /// It lives and never listens again.
    Deaf,
}

/// Why the event loop does not turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// JavaScript burns CPU.
    Spin,
    /// It waits for something synchronously.
    Wait,
    /// It waits in the kernel.
    Disk,
}

/// What is really wrong with this process. Only the oracle reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Stopped by a signal.
    Frozen,
    /// Spins without end.
    Spins,
    /// Waits without end.
    Stuck,
    /// Lost its listener.
    Deaf,
    /// Its start stands still.
    BootStuck,
    /// Its orderly end stands still.
    DrainStuck,
}

/// What one step of the process shows to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// Nothing that shows.
    Nothing,
    /// The boot ledger has its row, and SIGTERM is handled.
    Handlers,
    /// It listens.
    Listening,
    /// It is ready.
    Ready,
    /// The listener is closed.
    Closed(Then),
    /// It is about to start again inside.
    Inner,
    /// It ended.
    Ended(Exit),
    /// The event loop turns again.
    Unblocked,
    /// A SIGTERM that had waited was taken.
    Drains,
}

/// How the start of a process will go.
#[derive(Clone, Copy, Debug)]
pub struct BootPlan {
    /// From exec to listen.
    pub listen_ms: u64,
    /// From listen to ready.
    pub ready_ms: u64,
    /// CPU in thousandths of a core.
    pub cpu: u64,
    /// It stands still before it listens.
    pub stuck: bool,
    /// It ends with this code instead.
    pub fails: Option<i32>,
}
