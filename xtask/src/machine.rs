//! On what the figures were taken.

/// Processor, cores, memory and kernel, in one line.
pub fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let after_colon = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.split_once(':').map_or("unknown", |(_, value)| value.trim()).to_owned()
    };
    let memory = after_colon(&read("/proc/meminfo"), "MemTotal");
    let kibibytes: u64 = memory.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0);
    format!(
        "{} × {}, {} MiB, Linux {}",
        std::thread::available_parallelism().map_or(0, usize::from),
        after_colon(&read("/proc/cpuinfo"), "model name"),
        kibibytes / 1024,
        read("/proc/sys/kernel/osrelease").trim(),
    )
}

/// Load averages of 1, 5 and 15 minutes.
pub fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
