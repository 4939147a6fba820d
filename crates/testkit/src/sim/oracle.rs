//! The only one who knows the truth. It is told what was really injected and what the guard really did, and says
//! what broke a rule.
//!
//! Invariant: it judges effects and records, never the guard's inner state.

use super::process::NEVER;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Real faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Fault {
    Crash,
    Abort,
    ExitOne,
    ConfigRefused,
    DiskFull,
    PortStolen,
    Frozen,
    Spin,
    Stuck,
    ListenerLost,
    BootStuck,
    DrainStuck,
    Suppressed,
    ChannelDeaf,
}

impl Fault {
    /// Cause codes that tell a person the right thing. The first one is the exact one.
    #[must_use]
    pub const fn causes(self) -> &'static [&'static str] {
        match self {
            Self::Crash | Self::Abort | Self::ExitOne => &["crashed"],
            Self::ConfigRefused => &["refused_to_start", "config_invalid"],
            Self::DiskFull => &["refused_to_start", "disk_nearly_full"],
            Self::PortStolen => &["port_stolen", "refused_to_start"],
            Self::Frozen => &["frozen"],
            Self::Spin => &["spinning"],
            // A process that was busy until the moment it stopped is told from a spin by its CPU only later.
            Self::Stuck => &["stuck"],
            Self::ListenerLost => &["not_listening"],
            Self::BootStuck => &["boot_stuck"],
            Self::DrainStuck => &["drain_stuck"],
            Self::Suppressed => &["channels_suppressed"],
            Self::ChannelDeaf => &["channel_deaf", "not_ready"],
        }
    }
}

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// Replays it.
    pub seed: u64,
    /// Simulated milliseconds since the start.
    pub at_ms: u64,
    /// Short name of the rule.
    pub rule: String,
    /// What happened.
    pub text: String,
    /// The last events before it.
    pub trace: Vec<String>,
}

/// What must come true after a fault.
#[derive(Clone, Copy, Debug)]
pub struct Expect {
    /// Which fault.
    pub fault: Fault,
    /// When it began.
    pub onset: u64,
    /// A cause that fits was named.
    pub found: Option<u64>,
    /// A new life was issued.
    pub started: Option<u64>,
    /// A start (or a repair) must be under way by then; [`NEVER`] while the cause is still there.
    pub start_by: u64,
    /// The guard could not see it, so it need not name it.
    pub cancelled: bool,
}

/// Figures of many lives, merged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Injected by kind.
    pub injected: BTreeMap<Fault, u64>,
    /// Found with a fitting cause by kind.
    pub found: BTreeMap<Fault, u64>,
    /// Recovered by kind.
    pub recovered: BTreeMap<Fault, u64>,
    /// A person stepped in before the end, by kind.
    pub overtaken: BTreeMap<Fault, u64>,
    /// Legitimate disturbances and wishes injected, by name.
    pub disturbances: BTreeMap<String, u64>,
    /// Forced ends of a gateway that had no fault.
    pub false_kills: u64,
    /// From onset to the fitting cause, by kind, ms; at most 4096 kept of each.
    pub found_ms: BTreeMap<Fault, Vec<u32>>,
    /// From onset (or from the moment when its cause was gone) to the start, by kind, ms; at most 4096 kept of each.
    pub start_ms: BTreeMap<Fault, Vec<u32>>,
    /// Rules broken.
    pub violations: Vec<Violation>,
    /// Rules broken in all, also beyond those kept.
    pub violations_total: u64,
}

impl Tally {
    const KEPT: usize = 4_096;
    /// Violations kept with their traces.
    pub const KEPT_VIOLATIONS: usize = 50;

    /// Notes a figure.
    pub fn note(map: &mut BTreeMap<Fault, Vec<u32>>, fault: Fault, ms: u64) {
        let kept = map.entry(fault).or_default();
        if kept.len() < Self::KEPT {
            kept.push(u32::try_from(ms).unwrap_or(u32::MAX));
        }
    }

    /// Adds another tally.
    pub fn merge(&mut self, other: Self) {
        let add = |mine: &mut BTreeMap<Fault, u64>, theirs: BTreeMap<Fault, u64>| {
            for (fault, n) in theirs {
                *mine.entry(fault).or_default() += n;
            }
        };
        add(&mut self.injected, other.injected);
        add(&mut self.found, other.found);
        add(&mut self.recovered, other.recovered);
        add(&mut self.overtaken, other.overtaken);
        for (name, n) in other.disturbances {
            *self.disturbances.entry(name).or_default() += n;
        }
        self.false_kills += other.false_kills;
        for (mine, theirs) in [(&mut self.found_ms, other.found_ms), (&mut self.start_ms, other.start_ms)] {
            for (fault, figures) in theirs {
                let kept = mine.entry(fault).or_default();
                let room = Self::KEPT.saturating_sub(kept.len());
                kept.extend(figures.into_iter().take(room));
            }
        }
        self.violations_total += other.violations_total;
        let room = Self::KEPT_VIOLATIONS.saturating_sub(self.violations.len());
        self.violations.extend(other.violations.into_iter().take(room));
    }
}

/// Keeps expectations, recent events and the tally of one life.
#[derive(Debug)]
pub struct Oracle {
    seed: u64,
    /// Figures.
    pub tally: Tally,
    /// What must come true. At most [`Oracle::OPEN`].
    pub open: Vec<Expect>,
    recent: std::collections::VecDeque<String>,
    /// The cause of the incident that the guard has open.
    named: Option<&'static str>,
    /// Print everything as it happens.
    pub aloud: bool,
    /// Starts are by the guard's hand, or could be: how long they took is a figure of the guard.
    timed: bool,
}

impl Oracle {
    /// Most faults open at once.
    pub const OPEN: usize = 8;
    const RECENT: usize = 40;

    /// For this seed.
    #[must_use]
    pub fn new(seed: u64, timed: bool, aloud: bool) -> Self {
        Self {
            seed,
            tally: Tally::default(),
            open: Vec::with_capacity(Self::OPEN),
            recent: std::collections::VecDeque::with_capacity(Self::RECENT),
            named: None,
            aloud,
            timed,
        }
    }

    /// Remembers what happened, for the trace.
    #[allow(clippy::print_stdout)]
    pub fn log(&mut self, at: u64, text: impl FnOnce() -> String) {
        let line = format!("{:>10.3} {}", at as f64 / 1_000.0, text());
        if self.aloud {
            println!("{line}");
        }
        if self.recent.len() == Self::RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(line);
    }

    /// A rule was broken.
    pub fn broke(&mut self, at: u64, rule: &str, text: impl Into<String>) {
        let text = text.into();
        self.log(at, || format!("!! {rule}: {text}"));
        self.tally.violations_total += 1;
        if self.tally.violations.len() < Tally::KEPT_VIOLATIONS {
            let trace = self.recent.iter().cloned().collect();
            let violation = Violation { seed: self.seed, at_ms: at, rule: rule.to_owned(), text, trace };
            self.tally.violations.push(violation);
        }
    }

    /// A fault was injected.
    pub fn inject(&mut self, fault: Fault, at: u64, start_by: u64) {
        self.log(at, || format!("## fault {fault:?}"));
        *self.tally.injected.entry(fault).or_default() += 1;
        if self.open.len() < Self::OPEN {
            // More of the same within one incident is not named again.
            let again = self.named.is_some_and(|code| fault.causes().contains(&code));
            let found = again.then_some(at);
            if again {
                *self.tally.found.entry(fault).or_default() += 1;
            }
            self.open.push(Expect { fault, onset: at, found, started: None, start_by, cancelled: false });
        }
    }

    /// A disturbance or a wish was injected.
    pub fn disturb(&mut self, name: &str, at: u64) {
        self.log(at, || format!("## {name}"));
        *self.tally.disturbances.entry(name.to_owned()).or_default() += 1;
    }

    /// The guard named a cause.
    pub fn diagnosed(&mut self, at: u64, code: &'static str) {
        self.named = Some(code);
        for expect in &mut self.open {
            if expect.found.is_none() && expect.fault.causes().contains(&code) {
                expect.found = Some(at);
                if !expect.cancelled {
                    Tally::note(&mut self.tally.found_ms, expect.fault, at - expect.onset);
                }
                *self.tally.found.entry(expect.fault).or_default() += 1;
            }
        }
    }

    /// The guard did what only this fault asks for.
    pub fn found_by_remedy(&mut self, at: u64, fault: Fault) {
        for expect in self.open.iter_mut().filter(|expect| expect.fault == fault && expect.found.is_none()) {
            expect.found = Some(at);
            *self.tally.found.entry(fault).or_default() += 1;
        }
    }

    /// The guard closed its incident.
    pub fn closed(&mut self) {
        self.named = None;
    }

    /// A start (or a repair) was issued, by whatever hand.
    pub fn started(&mut self, at: u64, which: impl Fn(Fault) -> bool) {
        for expect in &mut self.open {
            if expect.started.is_none() && which(expect.fault) {
                // More of the same within one incident is not named again.
                let again = self.named.is_some_and(|code| expect.fault.causes().contains(&code));
                if again && expect.found.is_none() {
                    expect.found = Some(at);
                    *self.tally.found.entry(expect.fault).or_default() += 1;
                }
                expect.started = Some(at);
                expect.start_by = NEVER;
                if self.timed && !expect.cancelled {
                    Tally::note(&mut self.tally.start_ms, expect.fault, at - expect.onset);
                }
            }
        }
    }

    /// From now on a repair can work.
    pub fn expect_start(&mut self, fault: Fault, start_by: u64) {
        for expect in self.open.iter_mut().filter(|expect| expect.fault == fault && expect.started.is_none()) {
            expect.start_by = start_by;
        }
    }

    /// The machine, the guard or a person took away so much of the time that was allowed.
    pub fn allow(&mut self, ms: u64) {
        for expect in &mut self.open {
            expect.start_by = expect.start_by.saturating_add(ms);
        }
    }

    /// A person stepped in: nothing more is expected.
    pub fn overtaken(&mut self) {
        for expect in self.open.drain(..) {
            *self.tally.overtaken.entry(expect.fault).or_default() += 1;
        }
    }

    /// It serves again, with all its channels. What was not named by now never is, unless the guard has had no turn to
    /// do so: a manager may have started it again while the guard got no CPU, and it says so as soon as it gets some.
    /// `true`: something waits for that.
    pub fn recovered(&mut self, at: u64, guard_looks: bool, which: impl Fn(Fault) -> bool) -> bool {
        let mut waits = false;
        let mut index = 0;
        while let Some(expect) = self.open.get(index).copied() {
            let unnamed = expect.found.is_none() && !expect.cancelled;
            let over = which(expect.fault);
            let waiting = over && unnamed && !guard_looks;
            waits |= waiting;
            if !over || waiting {
                index += 1;
                continue;
            }
            self.open.remove(index);
            if unnamed {
                self.broke(at, "not_found", format!("{:?} since {} was never named", expect.fault, expect.onset));
            }
            *self.tally.recovered.entry(expect.fault).or_default() += 1;
        }
        waits
    }

    /// It is over without having been mended: its process ended for another reason.
    pub fn recovered_quietly(&mut self, which: impl Fn(Fault) -> bool) {
        let overtaken = &mut self.tally.overtaken;
        self.open.retain(|expect| {
            let over = which(expect.fault);
            if over {
                *overtaken.entry(expect.fault).or_default() += 1;
            }
            !over
        });
    }

    /// When a deadline must be looked at.
    #[must_use]
    pub fn next_at(&self) -> u64 {
        self.open.iter().map(|expect| expect.start_by).min().unwrap_or(NEVER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_that_had_no_turn_names_later_and_one_that_had_is_found_out() {
        let mut oracle = Oracle::new(1, true, false);
        oracle.inject(Fault::Crash, 10, NEVER);
        assert!(oracle.recovered(20, false, |_| true), "it waits for the guard");
        assert_eq!((oracle.open.len(), oracle.tally.violations_total), (1, 0));
        oracle.diagnosed(30, "crashed");
        assert!(!oracle.recovered(40, true, |_| true));
        assert_eq!((oracle.open.len(), oracle.tally.violations_total), (0, 0));
        oracle.closed();
        oracle.inject(Fault::Crash, 50, NEVER);
        assert!(!oracle.recovered(60, true, |_| true));
        assert_eq!(oracle.tally.violations.first().map(|broken| broken.rule.as_str()), Some("not_found"));
    }
}
