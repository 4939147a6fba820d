//! Durations as people write and read them.

const UNITS: [(char, u64); 4] = [('s', 1_000), ('m', 60_000), ('h', 3_600_000), ('d', 86_400_000)];
/// Longest that can be asked for: a year.
const MAX_MS: u64 = 366 * 86_400_000;

/// Parses `90s`, `10m`, `2h`, `1d` to milliseconds.
///
/// # Errors
/// What is understood, with an example.
pub fn parse(text: &str) -> Result<u64, String> {
    let wrong = || "expected a whole number and a unit, such as 90s, 10m, 2h or 1d".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let (_, unit_ms) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || digits.len() > 9 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let ms = digits.parse::<u64>().map_err(|_| wrong())?.saturating_mul(*unit_ms);
    match ms {
        0 => Err("expected more than nothing, such as 10m".to_owned()),
        1..=MAX_MS => Ok(ms),
        _ => Err("expected at most a year, such as 30d; leave --for out for no end".to_owned()),
    }
}

/// For people: `3 ms`, `2.1 s`, `4 min 5 s`, `2 h 3 min`, `5 d 2 h`.
#[must_use]
pub fn human(ms: u64) -> String {
    let two = |big: u64, big_name: &str, small: u64, small_name: &str| match small {
        0 => format!("{big} {big_name}"),
        _ => format!("{big} {big_name} {small} {small_name}"),
    };
    let seconds = ms / 1000;
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", seconds, ms % 1000 / 100),
        60_000..3_600_000 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600_000..86_400_000 => two(seconds / 3600, "h", seconds / 60 % 60, "min"),
        _ => two(seconds / 86_400, "d", seconds / 3600 % 24, "h"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_people_write_is_understood() {
        let expected = [("90s", 90_000), ("10m", 600_000), ("2h", 7_200_000), ("1d", 86_400_000)];
        for (text, ms) in expected {
            assert_eq!(parse(text), Ok(ms));
        }
        for text in ["", "h", "2", "-1h", "1.5h", "2 h", "0s", "2w", "999999d", "99999999999999h", "２h", "2ｈ"] {
            assert!(parse(text).unwrap_err().starts_with("expected"), "{text}");
        }
    }

    #[test]
    fn what_people_read_has_two_figures_at_most() {
        let figures = [0, 999, 2_149, 59_999, 60_000, 245_000, 7_380_000, 86_400_000, 439_200_000];
        let texts = figures.map(human).join(" | ");
        assert_eq!(texts, "0 ms | 999 ms | 2.1 s | 59.9 s | 1 min | 4 min 5 s | 2 h 3 min | 1 d | 5 d 2 h");
    }
}
