//! Waiting for events, always with a bound and with words for the case that it is passed.

use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// Between two looks at the world.
const LOOK: Duration = Duration::from_millis(5);

/// Waits until `seen` gives a value, and returns it with the time that it took.
///
/// # Errors
/// When `bound` passes first; the text says what was awaited and, where `seen` failed, its last failure.
pub fn until_some<T>(
    what: &str,
    bound: Duration,
    mut seen: impl FnMut() -> Result<Option<T>>,
) -> Result<(T, Duration)> {
    let begin = Instant::now();
    loop {
        let last = match seen() {
            Ok(Some(value)) => return Ok((value, begin.elapsed())),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if begin.elapsed() > bound {
            match last {
                Some(error) => bail!("waited {bound:?} in vain for: {what}; last failure: {error:#}"),
                None => bail!("waited {bound:?} in vain for: {what}"),
            }
        }
        std::thread::sleep(LOOK);
    }
}

/// Waits until `seen` is true, and returns the time that it took.
///
/// # Errors
/// When `bound` passes first.
pub fn until(what: &str, bound: Duration, mut seen: impl FnMut() -> bool) -> Result<Duration> {
    until_some(what, bound, || Ok(seen().then_some(()))).map(|((), took)| took)
}

/// Watches that something stays true for the whole time: the only way to see that nothing happens.
///
/// # Errors
/// At the first look at which it is not true.
pub fn hold(what: &str, time: Duration, mut still: impl FnMut() -> Result<bool>) -> Result<()> {
    let begin = Instant::now();
    while begin.elapsed() < time {
        if !still()? {
            bail!("after {:?} this no longer held: {what}", begin.elapsed());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
