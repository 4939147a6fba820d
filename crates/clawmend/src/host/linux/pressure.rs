//! Pressure stall information, `/proc/pressure` (kernel 4.20 and later, where it is switched on).

use crate::host::pressure::{Minute, Pressure};

/// Reads both.
pub fn read() -> Pressure {
    Pressure { cpu: some_avg10("/proc/pressure/cpu"), memory: some_avg10("/proc/pressure/memory") }
}

/// Reads all three.
pub fn minute() -> Minute {
    let some = |name: &str| parse(&std::fs::read_to_string(format!("/proc/pressure/{name}")).ok()?, "avg60=");
    Minute { cpu: some("cpu"), memory: some("memory"), io: some("io") }
}

fn some_avg10(path: &str) -> Option<f32> {
    parse(&std::fs::read_to_string(path).ok()?, "avg10=")
}

/// `some avg10=0.12 avg60=… avg300=… total=…`
fn parse(text: &str, name: &str) -> Option<f32> {
    let line = text.lines().find(|line| line.starts_with("some "))?;
    line.split_whitespace().find_map(|word| word.strip_prefix(name))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_some_line_is_read_and_nothing_else() {
        let text = "some avg10=1.25 avg60=0.00 avg300=0.00 total=5\nfull avg10=9.00 avg60=0 avg300=0 total=1\n";
        assert_eq!(parse(text, "avg10="), Some(1.25));
        assert_eq!(parse(text, "avg60="), Some(0.0));
        assert_eq!(parse("full avg10=9.00", "avg10="), None);
        assert_eq!(parse("some avg10=garbage", "avg10="), None);
    }
}
