//! Kernel, load and memory through `uname` and `/proc`.

use crate::host::machine::Machine;
use crate::host::printable;

/// See the facade.
pub fn read() -> Machine {
    let uname = rustix::system::uname();
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let name = [uname.sysname().to_bytes(), uname.release().to_bytes()].map(|part| printable(part, 80));
    Machine {
        kernel: Some(name.join(" ")),
        cpus: std::thread::available_parallelism().ok().map(usize::from),
        load_1m: load.split(' ').next().and_then(|first| first.parse().ok()),
        memory_bytes: kib_line(&memory, "MemTotal:"),
        available_bytes: kib_line(&memory, "MemAvailable:"),
        stolen_ms: stolen_ticks(&stat)
            .map(|ticks| ticks.saturating_mul(1000) / rustix::param::clock_ticks_per_second().max(1)),
    }
}

/// `MemTotal:       24689712 kB`, in bytes.
fn kib_line(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// `cpu  user nice system idle iowait irq softirq steal …`
fn stolen_ticks(text: &str) -> Option<u64> {
    text.lines().next()?.strip_prefix("cpu ")?.split_ascii_whitespace().nth(7)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_own_lines_are_read() {
        assert_eq!(kib_line("MemTotal:  2 kB\nMemAvailable:  1 kB\n", "MemAvailable:"), Some(1024));
        assert_eq!(kib_line("MemTotal: x kB\n", "MemTotal:"), None);
        assert_eq!(stolen_ticks("cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1"), Some(8));
        assert_eq!(stolen_ticks(""), None);
        let machine = read();
        assert!(machine.kernel.is_some_and(|kernel| kernel.starts_with("Linux ")));
        assert!(machine.memory_bytes > machine.available_bytes);
    }
}
