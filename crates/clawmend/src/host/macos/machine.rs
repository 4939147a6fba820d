//! What `sysinfo` tells of the machine.

use crate::host::machine::Machine;
use sysinfo::System;

/// See the facade. Memory and load are left out: what `sysinfo` calls available differs between systems.
pub fn read() -> Machine {
    Machine {
        kernel: System::kernel_version().ok().map(|version| format!("{} {version}", std::env::consts::OS)),
        cpus: std::thread::available_parallelism().ok().map(usize::from),
        ..Machine::default()
    }
}
