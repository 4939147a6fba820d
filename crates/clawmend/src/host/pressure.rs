//! How much the machine's work waits for CPU and memory.

use super::os;

/// Share of the last ten seconds in which some task waited, in percent (Linux PSI `some avg10`).
/// `None` where the system does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pressure {
    /// For a CPU.
    pub cpu: Option<f32>,
    /// For memory.
    pub memory: Option<f32>,
}

/// Share of the last minute in which some task waited, in percent (Linux PSI `some avg60`).
/// `None` where the system does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Minute {
    /// For a CPU.
    pub cpu: Option<f32>,
    /// For memory.
    pub memory: Option<f32>,
    /// For the disk.
    pub io: Option<f32>,
}

/// Reads the last minute's now.
#[must_use]
pub fn minute() -> Minute {
    os::pressure::minute()
}

/// Reads it now.
#[must_use]
pub fn read() -> Pressure {
    os::pressure::read()
}
