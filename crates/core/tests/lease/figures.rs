//! Figures that cannot keep two owners apart are refused, and what they promise holds for any clocks within the bound.

use clawmend_core::failover::lease::{Figures, Unsound};
use clawmend_core::time::Moment;
use proptest::prelude::*;

#[test]
fn the_shipped_figures_are_sound_and_others_say_why_not() {
    assert_eq!((Figures::steady().check(), Figures::fast().check()), (Ok(()), Ok(())));
    let wrong = |figures: Figures| figures.check().unwrap_err();
    let steady = Figures::steady();
    assert_eq!(wrong(Figures { renew_ms: 0, ..steady }), Unsound::Zero);
    assert_eq!(wrong(Figures { drift_ppm: 500_000, ..steady }), Unsound::Drift(500_000));
    let short = wrong(Figures { ttl_ms: 9_000, ..steady });
    assert_eq!(
        short.to_string(),
        "of a lease of 9000 ms only 6991 ms are left after drift and kill budget; two renewals and an answer need 8000 ms"
    );
    let sleepy = wrong(Figures { asleep_ms: 20_000, ..steady });
    assert_eq!(
        sleepy.to_string(),
        "a guard that slept 20000 ms would not notice before its lease of 12985 usable ms is over"
    );
}

proptest! {
    /// The owner's clock runs slow, the store's runs fast, by the bound between them.
    #[test]
    fn the_end_is_proven_before_the_store_forgets(ttl in 100..10_000_000_u64, drift in 0..499_999_u32, kill in 0..90_u64) {
        let figures = Figures { ttl_ms: ttl, drift_ppm: drift, kill_ms: kill, ..Figures::steady() };
        let own = u128::from(figures.deadline(Moment(0)).0 + if figures.usable_ms() > 0 { kill } else { 0 });
        // While the owner counts `own`, the store counts at most own / (1 - drift).
        let store_counts = own * 1_000_000 / (1_000_000 - u128::from(drift));
        prop_assert!(store_counts <= u128::from(ttl), "{store_counts} of {ttl}");
    }
}
