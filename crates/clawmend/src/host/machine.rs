//! How the machine itself is doing.

use super::os;

/// `None` where the system does not tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Machine {
    /// `Linux 6.1.0`.
    pub kernel: Option<String>,
    /// CPUs that this process may use.
    pub cpus: Option<usize>,
    /// Average number of tasks that ran or waited to, over the last minute.
    pub load_1m: Option<f64>,
    /// All memory.
    pub memory_bytes: Option<u64>,
    /// Memory that could be had without swapping.
    pub available_bytes: Option<u64>,
    /// CPU time that the hypervisor gave to others, in milliseconds since boot, of all CPUs.
    pub stolen_ms: Option<u64>,
}

/// Looks now.
#[must_use]
pub fn read() -> Machine {
    os::machine::read()
}

/// What people call this machine; `localhost` when it has no name.
#[must_use]
pub fn name() -> String {
    #[cfg(unix)]
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    #[cfg(not(unix))]
    let name = std::env::var("COMPUTERNAME").unwrap_or_default();
    let name = super::printable(name.as_bytes(), 64);
    if name.is_empty() { "localhost".to_owned() } else { name }
}
