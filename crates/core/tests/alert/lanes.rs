//! From letters to attempts.

use clawmend_core::alert::Level;
use clawmend_core::alert::lane::{Ended, Lane, Waiting};
use clawmend_core::alert::router::{Dispatch, Fate, Place, Router, Settled};
use clawmend_core::time::Moment;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn place(id: &str, backup: bool) -> Place {
    Place { id: id.into(), backup, at_least: Level::Info }
}

fn router(places: &[(&str, bool)]) -> Router {
    let mut router = Router::default();
    router.set_places(Moment(0), places.iter().map(|(id, backup)| place(id, *backup)).collect());
    router
}

/// What is sent at this moment: place, and keys.
fn sent(router: &mut Router, now: u64) -> Vec<(String, Vec<String>)> {
    let mut out = Vec::new();
    router.poll(Moment(now), &mut out);
    out.into_iter()
        .map(|dispatch| match dispatch {
            Dispatch::One { place, letter } => (place, vec![letter.key]),
            Dispatch::Digest { place, letters } => (place, letters.into_iter().map(|letter| letter.key).collect()),
        })
        .collect()
}

fn one(place: &str, key: &str) -> (String, Vec<String>) {
    (place.into(), vec![key.into()])
}

#[test]
fn a_letter_goes_once_to_every_main_place_in_order() {
    let mut router = router(&[("feishu", false), ("dingtalk", false), ("mail", true)]);
    assert_eq!(router.accept(Moment(0), "a", Level::Error), ["dingtalk", "feishu"]);
    router.accept(Moment(0), "b", Level::Error);
    assert_eq!(sent(&mut router, 0), [], "what belongs together is gathered for a moment");
    assert_eq!(sent(&mut router, 1_000), [one("dingtalk", "a"), one("feishu", "a")]);
    assert_eq!(sent(&mut router, 1_001), [], "one at a time");
    router.ended(Moment(1_100), "feishu", Ended::Delivered);
    assert_eq!(sent(&mut router, 1_100), [one("feishu", "b")]);
    router.accept(Moment(1_200), "a", Level::Error);
    router.ended(Moment(1_300), "feishu", Ended::Delivered);
    assert_eq!(sent(&mut router, 9_000), [], "a is known");
}

#[test]
fn a_storm_becomes_one_digest() {
    let mut router = router(&[("feishu", false)]);
    for number in 0..100 {
        router.accept(Moment(number), &format!("letter-{number:03}"), Level::Error);
    }
    let all = sent(&mut router, 1_000);
    assert_eq!((all.len(), all[0].1.len()), (1, 100));
    let settled = router.ended(Moment(1_500), "feishu", Ended::Delivered);
    assert_eq!(settled.len(), 100);
    assert_eq!(sent(&mut router, 60_000), []);
}

#[test]
fn ten_thousand_letters_leave_in_digests_and_none_is_lost() {
    let mut router = router(&[("feishu", false)]);
    for number in 0..10_000 {
        router.accept(Moment(0), &format!("{number}"), Level::Error);
    }
    let (mut now, mut messages, mut letters) = (1_000, 0, 0);
    while letters < 10_000 {
        for (place, keys) in sent(&mut router, now) {
            (messages, letters) = (messages + 1, letters + keys.len());
            router.ended(Moment(now), &place, Ended::Delivered);
        }
        now += 1_000;
        assert!(now < 3_600_000, "{letters} in an hour");
    }
    assert_eq!((messages, letters), (20, 10_000));
}

#[test]
fn a_service_that_asks_for_patience_gets_it_and_the_order_stays() {
    let mut router = router(&[("feishu", false), ("dingtalk", false)]);
    router.accept(Moment(0), "a", Level::Error);
    router.accept(Moment(0), "b", Level::Error);
    sent(&mut router, 1_000);
    router.ended(Moment(1_100), "dingtalk", Ended::Delivered);
    router.ended(Moment(1_100), "feishu", Ended::Retry { after_ms: Some(30_000) });
    assert_eq!(sent(&mut router, 31_000), [one("dingtalk", "b")], "the other is not held up");
    assert_eq!(sent(&mut router, 31_100), [one("feishu", "a")]);
}

#[test]
fn pauses_grow_up_to_five_minutes() {
    let mut router = router(&[("feishu", false)]);
    router.accept(Moment(0), "a", Level::Error);
    let (mut now, mut tries) = (0, Vec::new());
    while tries.len() < 12 {
        if !sent(&mut router, now).is_empty() {
            tries.push(now);
            router.ended(Moment(now), "feishu", Ended::Retry { after_ms: None });
        }
        now += 1_000;
    }
    let pauses: Vec<u64> = tries.windows(2).map(|pair| (pair[1] - pair[0]) / 1_000).collect();
    assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
}

#[test]
fn what_cannot_get_through_falls_over_to_the_next() {
    let mut router = router(&[("feishu", false), ("mail", true), ("ntfy", true)]);
    router.accept(Moment(0), "a", Level::Critical);
    assert_eq!(sent(&mut router, 1_000), [one("feishu", "a")]);
    router.ended(Moment(1_100), "feishu", Ended::NeedsPerson);
    assert_eq!(sent(&mut router, 2_100), [one("mail", "a")], "at once");
    router.ended(Moment(2_200), "mail", Ended::Refused);
    assert_eq!(sent(&mut router, 3_200), [one("ntfy", "a")]);
    let settled = router.ended(Moment(3_300), "ntfy", Ended::Delivered);
    assert_eq!(settled, [Settled { key: "a".into(), place: "ntfy".into(), fate: Fate::Delivered }]);
    // Feishu still has it, for when a person has mended it.
    assert_eq!(sent(&mut router, 62_000), [one("feishu", "a")]);
}

#[test]
fn a_hiccup_is_no_reason_to_ask_somebody_else() {
    let mut router = router(&[("feishu", false), ("mail", true)]);
    router.accept(Moment(0), "a", Level::Error);
    sent(&mut router, 1_000);
    router.ended(Moment(1_000), "feishu", Ended::Retry { after_ms: None });
    assert_eq!(sent(&mut router, 3_000), [one("feishu", "a")]);
    router.ended(Moment(3_000), "feishu", Ended::Retry { after_ms: None });
    assert_eq!(sent(&mut router, 4_000), [one("mail", "a")], "twice in a row is");
}

#[test]
fn what_may_have_arrived_is_not_sent_again_there() {
    let mut router = router(&[("feishu", false), ("mail", true)]);
    router.accept(Moment(0), "a", Level::Error);
    sent(&mut router, 1_000);
    let settled = router.ended(Moment(16_000), "feishu", Ended::Unsure);
    assert_eq!(settled, [Settled { key: "a".into(), place: "feishu".into(), fate: Fate::Unsure }]);
    assert_eq!(sent(&mut router, 17_000), [one("mail", "a")]);
    router.ended(Moment(17_100), "mail", Ended::Delivered);
    assert_eq!(sent(&mut router, 4_000_000), []);
}

#[test]
fn a_letter_of_an_earlier_guard_that_may_have_arrived_goes_alone() {
    let mut router = router(&[("feishu", false)]);
    let key = "old".to_owned();
    let left = Waiting { key, level: Level::Error, since: Moment(0), maybe_sent: true, alone: false };
    router.resume(Moment(0), &left, "feishu");
    for number in 0..10 {
        router.accept(Moment(0), &format!("{number}"), Level::Error);
    }
    assert_eq!(sent(&mut router, 1_000), [one("feishu", "old")]);
    router.ended(Moment(1_000), "feishu", Ended::Delivered);
    assert_eq!(sent(&mut router, 1_000)[0].1.len(), 10);
}

#[test]
fn what_nobody_takes_for_three_days_is_recorded_as_undeliverable() {
    let mut router = router(&[("feishu", false)]);
    router.accept(Moment(0), "a", Level::Error);
    let (mut now, mut record) = (1_000, Vec::new());
    while record.is_empty() {
        if !sent(&mut router, now).is_empty() {
            record = router.ended(Moment(now), "feishu", Ended::NeedsPerson);
        }
        now += 60_000;
        assert!(now < 4 * 24 * 3_600_000);
    }
    assert_eq!(record, [Settled { key: "a".into(), place: "feishu".into(), fate: Fate::Undeliverable }]);
    assert!(now > Router::KEPT_MS);
}

#[test]
fn a_place_that_is_taken_out_of_the_settings_leaves_its_letters_to_the_others() {
    let mut router = router(&[("feishu", false)]);
    router.accept(Moment(0), "a", Level::Error);
    router.set_places(Moment(500), vec![place("dingtalk", false)]);
    assert_eq!(sent(&mut router, 1_500), [one("dingtalk", "a")]);
}

#[test]
fn a_place_that_is_gone_for_a_moment_gets_its_letters_when_it_is_back() {
    let mut router = router(&[("feishu", false)]);
    router.accept(Moment(0), "a", Level::Error);
    sent(&mut router, 1_000);
    router.ended(Moment(1_000), "feishu", Ended::Retry { after_ms: None });
    // The settings could not be read for a while.
    router.set_places(Moment(2_000), Vec::new());
    assert_eq!(sent(&mut router, 60_000), []);
    router.set_places(Moment(61_000), vec![place("feishu", false)]);
    assert_eq!(sent(&mut router, 62_000), [one("feishu", "a")]);
}

#[test]
fn a_letter_that_an_earlier_guard_left_for_a_place_that_is_gone_goes_to_another() {
    let mut router = router(&[("mail", false)]);
    let left = Waiting { key: "a".into(), level: Level::Error, since: Moment(0), maybe_sent: false, alone: false };
    router.resume(Moment(0), &left, "feishu");
    router.house(Moment(0));
    assert_eq!(sent(&mut router, 1_000), [one("mail", "a")]);
}

#[test]
fn a_question_is_never_part_of_a_digest() {
    let mut router = router(&[("feishu", false)]);
    for number in 0..5 {
        router.accept(Moment(0), &format!("{number}"), Level::Error);
    }
    router.accept_question(Moment(0), "ask", Level::Critical);
    for number in 5..10 {
        router.accept(Moment(0), &format!("{number}"), Level::Error);
    }
    let mut groups = Vec::new();
    for now in [1_000, 20_000, 40_000] {
        groups.extend(sent(&mut router, now).into_iter().map(|(_, keys)| keys.len()));
        router.ended(Moment(now), "feishu", Ended::Delivered);
    }
    assert_eq!(groups, [5, 1, 5]);
}

#[test]
fn what_was_given_up_everywhere_does_not_block_a_lane() {
    let mut router = router(&[("a", false), ("b", false)]);
    router.accept(Moment(0), "old", Level::Error);
    let end = Router::KEPT_MS + 1_000;
    sent(&mut router, end);
    router.ended(Moment(end), "a", Ended::Retry { after_ms: None });
    router.ended(Moment(end), "b", Ended::Retry { after_ms: None });
    router.accept(Moment(end), "new", Level::Error);
    assert_eq!(sent(&mut router, end + 600_000), [one("a", "new"), one("b", "new")]);
}

#[test]
fn only_loud_letters_go_where_only_loud_ones_are_wanted() {
    let mut router = Router::default();
    let pager = Place { id: "pager".into(), backup: false, at_least: Level::Critical };
    router.set_places(Moment(0), vec![place("feishu", false), pager]);
    assert_eq!(router.accept(Moment(0), "a", Level::Warning), ["feishu"]);
    assert_eq!(router.accept(Moment(0), "b", Level::Critical), ["feishu", "pager"]);
}

proptest! {
    /// Under any order of failures: each letter ends at every place at most once, nothing is lost, and no lane sends more
    /// than its share.
    #[test]
    fn every_letter_ends(endings in proptest::collection::vec(0_u8..5, 1..60), letters in 1_usize..30) {
        let mut router = router(&[("a", false), ("b", false), ("c", true)]);
        let mut expected = BTreeSet::new();
        for number in 0..letters {
            let key = format!("{number}");
            for place in router.accept(Moment(0), &key, Level::Error) {
                expected.insert((key.clone(), place));
            }
        }
        let mut endings = endings.into_iter();
        let (mut now, mut ended, mut attempts) = (0, BTreeMap::new(), BTreeMap::<String, Vec<u64>>::new());
        while expected.iter().any(|pair| !ended.contains_key(pair)) {
            now += 1_000;
            prop_assert!(now < 2 * Router::KEPT_MS, "{} letters never ended", expected.len() - ended.len());
            for (place, _) in sent(&mut router, now) {
                attempts.entry(place.clone()).or_default().push(now);
                let how = match endings.next().unwrap_or(0) {
                    0 => Ended::Delivered,
                    1 => Ended::Retry { after_ms: None },
                    2 => Ended::Unsure,
                    3 => Ended::NeedsPerson,
                    _ => Ended::Refused,
                };
                for settled in router.ended(Moment(now), &place, how) {
                    let pair = (settled.key, settled.place);
                    prop_assert!(ended.insert(pair.clone(), settled.fate).is_none(), "{pair:?} ended twice");
                }
            }
        }
        for times in attempts.values() {
            let crowd = times.windows(Lane::PER_WINDOW + 1).find(|pair| pair[Lane::PER_WINDOW] - pair[0] < Lane::WINDOW_MS);
            prop_assert!(crowd.is_none(), "{crowd:?}");
        }
    }
}
