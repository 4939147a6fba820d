//! The figures of messages to the model, as a person set them.

use crate::settings::SyntheticSettings;
use clawmend_core::policy::Policy;

/// Puts them into the policy; where messages are off, it stays as it is.
pub(super) fn figures(settings: &SyntheticSettings, policy: &mut Policy) {
    if !settings.enabled {
        return;
    }
    let short = |ms: u64| u32::try_from(ms).unwrap_or(u32::MAX);
    policy.synthetic_ms = lab_interval_ms().unwrap_or(settings.interval_ms);
    policy.synthetic_timeout_ms = short(settings.timeout_ms);
    policy.synthetic_slow_ms = short(settings.slow_after_ms);
}

/// A lab cannot wait ten minutes. Only builds for development know this variable.
fn lab_interval_ms() -> Option<u64> {
    if !cfg!(debug_assertions) {
        return None;
    }
    std::env::var("CLAWMEND_LAB_SYNTHETIC_MS").ok()?.parse().ok().filter(|interval| *interval > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_off_until_a_person_switches_it_on() {
        let (mut policy, mut settings) = (Policy::adaptive(), SyntheticSettings::default());
        figures(&settings, &mut policy);
        assert_eq!(policy, Policy::adaptive());
        assert_eq!(policy.synthetic_ms, 0);
        settings.enabled = true;
        figures(&settings, &mut policy);
        assert_eq!((policy.synthetic_ms, policy.synthetic_timeout_ms), (1_800_000, 120_000));
    }
}
