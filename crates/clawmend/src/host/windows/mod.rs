//! Windows: what `sysinfo` tells.

pub mod alarm;
pub mod clock;
pub mod disk;
pub mod pidfd;
pub mod pressure;
pub mod process;
pub mod signal;
pub mod socket;
