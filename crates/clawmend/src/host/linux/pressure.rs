//! Pressure stall information, `/proc/pressure` (kernel 4.20 and later, where it is switched on).

use crate::host::pressure::Pressure;

/// Reads both.
pub fn read() -> Pressure {
    Pressure { cpu: some_avg10("/proc/pressure/cpu"), memory: some_avg10("/proc/pressure/memory") }
}

fn some_avg10(path: &str) -> Option<f32> {
    parse(&std::fs::read_to_string(path).ok()?)
}

/// `some avg10=0.12 avg60=… avg300=… total=…`
fn parse(text: &str) -> Option<f32> {
    let line = text.lines().find(|line| line.starts_with("some "))?;
    line.split_whitespace().find_map(|word| word.strip_prefix("avg10="))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_some_line_is_read_and_nothing_else() {
        let text = "some avg10=1.25 avg60=0.00 avg300=0.00 total=5\nfull avg10=9.00 avg60=0 avg300=0 total=1\n";
        assert_eq!(parse(text), Some(1.25));
        assert_eq!(parse("full avg10=9.00"), None);
        assert_eq!(parse("some avg10=garbage"), None);
    }
}
