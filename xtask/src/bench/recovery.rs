//! How fast a replacement of a real gateway runs after a freeze and after a crash, in both forms.
//!
//! Each round has a fresh home and guard, so that no budget or backoff of an earlier round is measured.

use super::clock::{milliseconds, now_us, stamps};
use super::{Bench, Figure, Goal};
use anyhow::{Context, Result, bail};
use clawmend_testkit::lab::{Form, Guard, Home, HomeOptions, Life, until_some};
use rustix::process::Signal;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Far longer than any goal: a recovery that takes this long has failed.
const BOUND: Duration = Duration::from_secs(120);
/// A life must serve for 10 s before the next fault counts as the first of a row (policy `verify_ms`).
const PROVEN: Duration = Duration::from_secs(12);
/// Between two looks from outside: fine enough for figures of tens of milliseconds, and no load.
const LOOK: Duration = Duration::from_millis(2);

/// A gateway under test: how its executions are told differs with the form.
struct Subject {
    guard: Guard,
    /// Of a child: who was executed when.
    stamps: PathBuf,
}

struct Figures {
    freeze_seen: Figure,
    freeze_woken: Figure,
    freeze_ended: Figure,
    freeze_next: Figure,
    freeze_total: Figure,
    crash_own: Figure,
    crash_keeper: Figure,
    crash_exit: Figure,
    crash_total: Figure,
}

impl Figures {
    fn new(form: Form) -> Self {
        let (name, own, crash): (_, Goal, Goal) = match form {
            Form::Child => ("child", &[(50, 1.0)], &[(100, 20.0)]),
            // The restart delay of its unit is 5 s; this is what is left of it.
            Form::Unit => ("unit", &[], &[(100, 150.0)]),
        };
        let figure = |what: &str, goal: Goal| Figure::new(&format!("{name}: {what}"), "ms", goal);
        Self {
            freeze_seen: figure("SIGSTOP → first suspicion, the guard's record", &[(50, 500.0), (100, 1000.0)]),
            freeze_woken: figure("SIGSTOP → continued to end in order", &[]),
            freeze_ended: figure("… → it ended", &[]),
            freeze_next: figure("… → replacement executes", &[]),
            freeze_total: figure("SIGSTOP → replacement executes", &[(100, 1500.0)]),
            crash_own: figure("exit → start issued, the guard's record (whole ms)", own),
            crash_keeper: figure("exit seen → replacement executes, the keeper's clock", &[(50, 1.0), (99, 10.0)]),
            crash_exit: figure("exit (pidfd) → replacement executes, outside clock", crash),
            crash_total: figure("SIGKILL sent → replacement executes, outside clock", &[]),
        }
    }

    fn all(self, form: Form) -> Vec<Figure> {
        let mut all = vec![self.freeze_seen, self.freeze_woken, self.freeze_ended, self.freeze_next, self.freeze_total];
        all.push(self.crash_own);
        // A unit has no keeper.
        all.extend((form == Form::Child).then_some(self.crash_keeper));
        all.extend([self.crash_exit, self.crash_total]);
        all
    }
}

/// Measures `rounds` freezes and as many crashes in this form.
///
/// # Errors
/// When a recovery does not happen.
pub fn measure(bench: &Bench, form: Form, rounds: u32) -> Result<Vec<Figure>> {
    let mut figures = Figures::new(form);
    for round in 1..=rounds {
        println!("bench: {form:?}: freeze and crash {round} of {rounds}");
        let mut subject = Subject::new(bench, form)?;
        subject.guard.start()?;
        let first = subject.guard.healthy()?;
        // The guard's looks are half a second apart: each round begins at another point between two of them.
        std::thread::sleep(Duration::from_millis(u64::from(round * 190 % 500)));
        freeze(&subject, first, &mut figures)?;
        let second = subject.guard.healthy()?;
        std::thread::sleep(PROVEN);
        crash(&subject, second, &mut figures)?;
    }
    Ok(figures.all(form))
}

fn freeze(subject: &Subject, life: Life, figures: &mut Figures) -> Result<()> {
    let wall = wall_ms();
    let sent = now_us();
    life.signal(Signal::STOP)?;
    until("it to stop", || matches!(life.state(), Some('T')))?;
    until("it to be continued", || !matches!(life.state(), Some('T')))?;
    let woken = now_us();
    life.ended(BOUND)?;
    let ended = now_us();
    let executed = subject.replacement(life, sent)?;
    figures.freeze_woken.samples.push(milliseconds(sent, woken));
    figures.freeze_ended.samples.push(milliseconds(woken, ended));
    figures.freeze_next.samples.push(milliseconds(ended, executed));
    figures.freeze_total.samples.push(milliseconds(sent, executed));
    println!("bench: frozen: replaced after {:.0} ms", milliseconds(sent, executed));
    let incident = answered(&subject.guard, "frozen")?;
    figures.freeze_seen.samples.extend(suspected_after(&incident, wall));
    Ok(())
}

fn crash(subject: &Subject, life: Life, figures: &mut Figures) -> Result<()> {
    let sent = now_us();
    life.signal(Signal::KILL)?;
    life.ended(BOUND)?;
    let ended = now_us();
    let executed = subject.replacement(life, sent)?;
    figures.crash_exit.samples.push(milliseconds(ended, executed));
    figures.crash_total.samples.push(milliseconds(sent, executed));
    println!("bench: crashed: replaced {:.1} ms after the end", milliseconds(ended, executed));
    let incident = answered(&subject.guard, "crashed")?;
    figures.crash_own.samples.extend(incident["start_issued_after_ms"].as_f64());
    if let Some((pid, _)) = stamped(&subject.stamps, Some(life)) {
        let keeper = subject.guard.executed_after_end(Life::of(pid)?)?;
        figures.crash_keeper.samples.push(keeper.as_secs_f64() * 1e3);
    }
    Ok(())
}

/// From a time of day to the first suspicion. The record counts from the onset, which it takes for the time of the last
/// look before; only its own wall clock tells when that was.
fn suspected_after(incident: &Value, since: u64) -> Option<f64> {
    let onset = time_of_day_ms(incident["onset_at"].as_str()?)?;
    let suspected = onset + incident["detected_after_ms"].as_u64()?;
    let day = 86_400_000;
    let after = (suspected + day - since) % day;
    // Before `since` by rounding.
    u32::try_from(if after > day / 2 { 0 } else { after }).ok().map(f64::from)
}

/// Milliseconds of the day in a time such as `2026-09-21T13:20:00.001Z`.
fn time_of_day_ms(text: &str) -> Option<u64> {
    let time = text.split_once('T')?.1.strip_suffix('Z')?;
    let (hours, rest) = time.split_once(':')?;
    let (minutes, seconds) = rest.split_once(':')?;
    let (seconds, part) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let whole = |text: &str| text.parse::<u64>().ok();
    let fraction: String = part.chars().chain("00".chars()).take(3).collect();
    Some(((whole(hours)? * 60 + whole(minutes)?) * 60 + whole(seconds)?) * 1000 + whole(&fraction)?)
}

fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis() % 86_400_000).unwrap_or(0)
}

/// The newest incident with this cause, once a start answered it.
fn answered(guard: &Guard, cause: &str) -> Result<Value> {
    let what = format!("an incident {cause} that was answered");
    let named = |incident: &Value| incident["cause"]["code"] == cause && incident["start_issued_after_ms"].is_number();
    let seen = || {
        std::thread::sleep(Duration::from_millis(100));
        Ok(guard.last_incident().ok().filter(named))
    };
    Ok(until_some(&what, BOUND, seen)?.0)
}

impl Subject {
    fn new(bench: &Bench, form: Form) -> Result<Self> {
        match form {
            Form::Child => {
                let home = Home::new(HomeOptions::default())?;
                let stamps = home.path().join("stamps");
                let arguments = stamping(&stamps, &["openclaw", "gateway", "run"])?;
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                let guard = Guard::with_arguments(Bench::permit()?, bench.program()?, home, &arguments)?;
                Ok(Self { guard, stamps })
            }
            Form::Unit => match Guard::over_unit(Bench::permit()?, bench.program()?, HomeOptions::default())? {
                Ok(guard) => Ok(Self { stamps: guard.home.path().join("stamps"), guard }),
                Err(reason) => bail!("no user manager of its own: {reason}"),
            },
        }
    }

    /// When another life than `old` was executed.
    fn replacement(&self, old: Life, since: u64) -> Result<u64> {
        let what = "a replacement to be executed";
        match self.guard.form() {
            Form::Child => {
                let seen = || Ok(stamped(&self.stamps, Some(old)).filter(|(_, at)| *at > since));
                Ok(until_some(what, BOUND, seen)?.0.1)
            }
            Form::Unit => {
                let seen = || {
                    let at: u64 = self.guard.property("ExecMainStartTimestampMonotonic")?.parse()?;
                    Ok(Some(at).filter(|at| *at > since))
                };
                Ok(until_some(what, BOUND, seen)?.0)
            }
        }
    }
}

/// The guard's arguments for a child that notes each of its executions in `file`.
pub fn stamping(file: &Path, command: &[&str]) -> Result<Vec<String>> {
    let own = std::env::current_exe()?;
    let text = |path: &Path| path.to_str().map(str::to_owned).context("a path is not text");
    let mut words = vec!["run".to_owned(), "--".to_owned(), text(&own)?, "stamp".to_owned(), text(file)?];
    words.extend(command.iter().map(|&word| word.to_owned()));
    Ok(words)
}

/// The last stamp, when it is by another process than `old`.
pub fn stamped(file: &Path, old: Option<Life>) -> Option<(u32, u64)> {
    stamps(file).pop().filter(|(pid, _)| old.is_none_or(|old| *pid != old.pid))
}

/// As the labs wait, with a finer look.
fn until(what: &str, seen: impl Fn() -> bool) -> Result<()> {
    let begun = now_us();
    while !seen() {
        if now_us() - begun > 120_000_000 {
            bail!("waited in vain for {what}");
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_suspicion_is_counted_from_the_fault_also_over_midnight() {
        let at = |onset: &str, after: u64| json!({"onset_at": onset, "detected_after_ms": after});
        let midday = (12 * 60 * 60) * 1000 + 500;
        assert_eq!(suspected_after(&at("2026-09-21T12:00:00.9Z", 7), midday), Some(407.0));
        assert_eq!(suspected_after(&at("2026-09-21T12:00:00.499Z", 0), midday), Some(0.0));
        assert_eq!(suspected_after(&at("2026-09-22T00:00:00.100Z", 0), 86_399_900), Some(200.0));
    }
}
