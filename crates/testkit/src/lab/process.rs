//! Processes of a lab, named by pid and start time, or by a nonce that their starter put into their environment.

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The variable that marks what a lab started; it is inherited by everything that follows.
pub const NONCE_VARIABLE: &str = "CLAWMEND_LAB_NONCE";

/// The variable by which `cargo xtask test` marks one run of a lab; whatever a lab starts inherits it.
pub const RUN_VARIABLE: &str = "CLAWMEND_LAB_RUN";

/// One life of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Life {
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since boot (`/proc/PID/stat`, field 22).
    pub start: u64,
}

impl Life {
    /// The life that has this pid now.
    ///
    /// # Errors
    /// When no process has it.
    pub fn of(pid: u32) -> Result<Self> {
        let start = field(pid, 22).with_context(|| format!("no process {pid}"))?;
        Ok(Self { pid, start: start.parse().context("start time")? })
    }

    /// It runs: the same process, and not a zombie.
    #[must_use]
    pub fn alive(&self) -> bool {
        Self::of(self.pid).is_ok_and(|now| now == *self) && !matches!(self.state(), Some('Z' | 'X') | None)
    }

    /// State letter of `/proc/PID/stat`: R, S, D, T, t, Z.
    #[must_use]
    pub fn state(&self) -> Option<char> {
        field(self.pid, 3)?.chars().next()
    }

    /// Name of the program, as the kernel keeps it: 15 bytes.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        Some(std::fs::read_to_string(format!("/proc/{}/comm", self.pid)).ok()?.trim_end().to_owned())
    }

    /// The memory that it has to itself, and its share of what it has with others, in bytes (`smaps_rollup`, `Pss`).
    #[must_use]
    pub fn memory(&self) -> Option<u64> {
        let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid)).ok()?;
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
    }

    /// Parent's pid.
    #[must_use]
    pub fn parent(&self) -> Option<u32> {
        field(self.pid, 4)?.parse().ok()
    }

    /// Sends a signal, to this very life or to nobody.
    ///
    /// # Errors
    /// When the process has ended, or its pid is another one's now.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let descriptor = self.open()?;
        pidfd_send_signal(&descriptor, signal).with_context(|| format!("signal {signal:?} to {self:?}"))
    }

    /// Waits for its end, and returns when that was seen.
    ///
    /// # Errors
    /// When it still runs after `bound`.
    pub fn ended(&self, bound: Duration) -> Result<Instant> {
        let Ok(descriptor) = self.open() else { return Ok(Instant::now()) };
        let mut polled = [PollFd::new(&descriptor, PollFlags::IN)];
        let limit = Timespec { tv_sec: i64::try_from(bound.as_secs())?, tv_nsec: i64::from(bound.subsec_nanos()) };
        if poll(&mut polled, Some(&limit)).context("waiting for the end of a process")? == 0 {
            bail!("{self:?} still runs after {bound:?} (state {:?})", self.state());
        }
        Ok(Instant::now())
    }

    /// A descriptor that names this life for ever.
    fn open(&self) -> Result<OwnedFd> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw).context("pid out of range")?;
        let descriptor = pidfd_open(pid, PidfdFlags::empty()).with_context(|| format!("{self:?} has ended"))?;
        if Self::of(self.pid)? != *self {
            bail!("pid {} is another process now", self.pid);
        }
        Ok(descriptor)
    }

    /// Age of the process by the kernel's clock.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        let uptime: f64 = std::fs::read_to_string("/proc/uptime").ok()?.split(' ').next()?.parse().ok()?;
        let ticks = rustix::param::clock_ticks_per_second();
        #[expect(clippy::cast_precision_loss, reason = "clock ticks of an uptime fit well into 52 bits")]
        let started = self.start as f64 / ticks as f64;
        Some(Duration::from_secs_f64((uptime - started).max(0.0)))
    }
}

/// Field `number` (1-based, 3 and later) of `/proc/PID/stat`.
fn field(pid: u32, number: usize) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let rest = &text[text.rfind(')')? + 2..];
    rest.split(' ').nth(number.checked_sub(3)?).map(str::to_owned)
}

/// A nonce that no other lab has.
#[must_use]
pub fn new_nonce() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    format!("{}-{}-{now:x}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// All processes that carry this nonce.
#[must_use]
pub fn lives_with_nonce(nonce: &str) -> Vec<Life> {
    lives_with(NONCE_VARIABLE, nonce)
}

/// All other processes that were started with this variable.
pub(crate) fn lives_with(variable: &str, value: &str) -> Vec<Life> {
    let wanted = format!("{variable}={value}");
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| *pid != std::process::id())
        .filter_map(|pid| {
            let life = Life::of(pid).ok()?;
            let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
            environment.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes()).then_some(life)
        })
        .filter(Life::alive)
        .collect()
}

/// Ends everything that carries this nonce.
pub fn sweep(nonce: &str) {
    end_all_with(NONCE_VARIABLE, nonce);
}

/// Ends everything that a whole run of a test program left behind ([`RUN_VARIABLE`]).
pub fn sweep_run(mark: &str) {
    end_all_with(RUN_VARIABLE, mark);
}

/// Repeats until nothing is left, since a guard may start a new process meanwhile.
fn end_all_with(variable: &str, value: &str) {
    for _round in 0..200 {
        let lives = lives_with(variable, value);
        if lives.is_empty() {
            return;
        }
        for life in &lives {
            let _ = life.signal(Signal::KILL);
        }
        for life in &lives {
            let _ = life.ended(Duration::from_secs(5));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::process::Command;

    #[test]
    fn a_sweep_ends_what_carries_the_nonce_and_nothing_else() {
        let nonce = new_nonce();
        let mut mine = Command::new("sleep").arg("600").env(NONCE_VARIABLE, &nonce).spawn().unwrap();
        let mut other = Command::new("sleep").arg("600").spawn().unwrap();
        let seen =
            super::super::until("the marked process", Duration::from_secs(10), || !lives_with_nonce(&nonce).is_empty());
        sweep(&nonce);
        assert!(other.try_wait().unwrap().is_none(), "an unmarked process was ended");
        other.kill().unwrap();
        other.wait().unwrap();
        assert!(mine.try_wait().unwrap().is_some(), "the marked process still runs");
        seen.unwrap();
    }

    #[test]
    fn a_signal_never_reaches_another_life_with_the_same_pid() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let life = Life::of(child.id()).unwrap();
        let stale = Life { start: life.start + 1, ..life };
        assert!(stale.signal(Signal::KILL).is_err());
        assert!(!stale.alive());
        assert!(life.alive());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
