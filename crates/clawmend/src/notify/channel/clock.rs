//! Whether this machine's clock is to blame for a signature that was refused.
//!
//! The services take a signature for one hour around their own time, and some answer a stale time and a wrong secret
//! with the same code. Their answers carry a `Date`: that tells the two apart.

use clawmend_core::time::Wall;
use reqwest::header::{DATE, HeaderMap};

/// How far a signature's time may be off, in minutes: the documented hour, less what an answer takes.
const TOLERATED_MIN: i64 = 59;

/// How far this machine's clock is off, in words, when that is too far for a signature. `None` too when the service
/// tells no time.
pub(super) fn off(headers: &HeaderMap, now: Wall) -> Option<String> {
    let date = headers.get(DATE)?.to_str().ok()?;
    let theirs = jiff::fmt::rfc2822::parse(date).ok()?.timestamp().as_millisecond();
    let minutes = now.0.saturating_sub(theirs) / 60_000;
    (minutes.abs() >= TOLERATED_MIN).then(|| {
        let side = if minutes > 0 { "ahead of" } else { "behind" };
        format!("the clock of this machine is {} min {side} the service's", minutes.abs())
    })
}

/// What to do about it.
pub(super) const SET_THE_CLOCK: &str = "set the clock of this machine (timedatectl set-ntp true)";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_clock_that_is_off_is_told_from_one_that_is_not() {
        let mut headers = HeaderMap::new();
        assert_eq!(off(&headers, Wall(0)), None);
        headers.insert(DATE, "Tue, 15 Nov 1994 08:12:31 GMT".parse().unwrap());
        let theirs = 784_887_151_000;
        assert_eq!(off(&headers, Wall(theirs + 58 * 60_000)), None);
        let ahead = off(&headers, Wall(theirs + 120 * 60_000)).unwrap();
        assert_eq!(ahead, "the clock of this machine is 120 min ahead of the service's");
        assert!(off(&headers, Wall(theirs - 61 * 60_000)).unwrap().contains("61 min behind"));
    }
}
