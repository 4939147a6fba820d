//! What is known of the primary's accounts, and whether this node can be reached on its own.

use super::DOCUMENT;
use clawmend_core::failover::Armed;
use clawmend_core::failover::known::Knowledge;
use clawmend_core::failover::ownership::{Account, Fingerprint, Identity, Owned};
use clawmend_core::failover::polling::{Polling, at_work, judge};
use clawmend_core::observation::ChannelState;
use clawmend_core::time::Wall;

const NOW: Wall = Wall(1_700_000_000_000);
const HOUR: u64 = 3_600_000;

fn after(ms: u64) -> Wall {
    Wall(NOW.0 + i64::try_from(ms).unwrap())
}

fn telegram(id: u8) -> Account {
    let identity = Identity::Known(vec![Fingerprint::new(&[id; 32])]);
    Account { channel: "telegram".into(), account: "default".into(), identity }
}

fn unread() -> Owned {
    Owned::Unknown { why: "line 3 is no JSON".into() }
}

fn armed(knowledge: &Knowledge, at: Wall) -> Armed {
    knowledge.armed("the primary", &Owned::Known(vec![telegram(2)]), at, DOCUMENT.doubt_ms)
}

#[test]
fn a_config_that_cannot_be_read_now_does_not_disarm_the_pair_and_its_age_is_said() {
    let mut knowledge = Knowledge::default();
    assert!(matches!(armed(&knowledge, NOW), Armed::No { .. }), "nothing was said yet");
    assert!(knowledge.hear(NOW, &Owned::Known(vec![telegram(1)])));
    assert!(!knowledge.hear(after(500), &Owned::Known(vec![telegram(1)])), "nothing new: the disk is left alone");
    assert!(knowledge.hear(after(1_000), &unread()));
    assert!(!knowledge.hear(after(1_500), &unread()));
    assert_eq!(armed(&knowledge, after(HOUR)), Armed::Yes);
    let dated = knowledge.dated(after(HOUR), DOCUMENT.doubt_ms).unwrap();
    assert_eq!((dated.age_ms, dated.why), (HOUR - 500, "line 3 is no JSON"));
    // It can be read again, and is another one.
    assert!(knowledge.hear(after(2 * HOUR), &Owned::Known(vec![telegram(2)])));
    assert!(matches!(armed(&knowledge, after(2 * HOUR)), Armed::No { why } if why.contains("are the same")));
    assert_eq!(knowledge.dated(after(2 * HOUR), DOCUMENT.doubt_ms), None);
}

#[test]
fn what_is_known_from_too_long_ago_refuses_also_by_a_clock_that_was_set_back() {
    let mut knowledge = Knowledge::default();
    knowledge.hear(NOW, &Owned::Known(vec![telegram(1)]));
    knowledge.hear(NOW, &unread());
    assert_eq!(armed(&knowledge, after(24 * HOUR - 1)), Armed::Yes);
    for at in [after(24 * HOUR), Wall(NOW.0 - 24 * 3_600_000)] {
        assert!(matches!(armed(&knowledge, at), Armed::No { why } if why.contains("too long ago")), "{at:?}");
        assert_eq!(knowledge.dated(at, DOCUMENT.doubt_ms), None);
    }
}

#[test]
fn a_primary_that_is_lost_stays_known_and_one_that_never_could_say_refuses() {
    let mut knowledge = Knowledge::default();
    knowledge.hear(NOW, &unread());
    assert!(matches!(armed(&knowledge, NOW), Armed::No { why } if why.contains("line 3")));
    knowledge.hear(NOW, &Owned::Known(vec![telegram(1)]));
    assert_eq!(armed(&knowledge, after(1_000 * HOUR)), Armed::Yes, "it said nothing else since");
    let mine = knowledge.armed("the primary", &unread(), NOW, DOCUMENT.doubt_ms);
    assert!(matches!(mine, Armed::No { why } if why.contains("this node's config")));
}

#[test]
fn what_is_on_the_disk_does_not_grow_old() {
    let mut knowledge = Knowledge::default();
    let known = Owned::Known(vec![telegram(1)]);
    knowledge.hear(NOW, &known);
    let kept: Vec<u64> = (1..=HOUR / 500).filter(|n| knowledge.hear(after(n * 500), &known)).collect();
    assert_eq!(kept.len(), 6, "every ten minutes");
}

fn state(running: bool, connected: Option<bool>, error: Option<&str>) -> ChannelState {
    ChannelState {
        channel: "telegram".into(),
        account: "default".into(),
        wanted: true,
        running,
        connected,
        suppressed: false,
        stopped_by_person: false,
        terminal: false,
        error: error.map(str::to_owned),
    }
}

#[test]
fn a_channel_is_there_when_it_says_so_itself() {
    let mine = [telegram(1)];
    for state in [state(true, Some(true), None), state(true, None, None)] {
        assert_eq!(judge(&mine, &[state]), Polling::All { who: "telegram account `default`".into() });
    }
    for (states, wants) in [
        (vec![], "not known to the gateway yet"),
        (vec![state(true, Some(false), None)], "is not connected"),
        (vec![state(false, Some(true), Some("401"))], "is not connected: 401"),
        (vec![state(false, None, None)], "is not connected"),
        (vec![ChannelState { account: "other".into(), ..state(true, Some(true), None) }], "not known"),
    ] {
        assert!(
            matches!(judge(&mine, &states), Polling::NotAll { why, none: true } if why.contains(wants)),
            "{states:?}"
        );
    }
    assert_eq!(judge(&[], &[state(true, Some(true), None)]), Polling::NoAccount);
    let many: Vec<Account> = (0..9).map(|n| Account { account: format!("a{n}"), ..telegram(n) }).collect();
    assert!(matches!(judge(&many, &[]), Polling::NotAll { why, none: true } if why.ends_with("and 4 more")));
}

#[test]
fn one_of_two_that_is_connected_is_not_none() {
    let two = [telegram(1), Account { account: "second".into(), ..telegram(2) }];
    let judged = judge(&two, &[state(true, Some(true), None)]);
    assert!(matches!(judged, Polling::NotAll { why, none: false } if why.contains("`second`")));
}

#[test]
fn an_account_is_silent_when_it_neither_runs_nor_is_connected() {
    let mine = [telegram(1)];
    let busy = Some("telegram account `default`".to_owned());
    assert_eq!(at_work(&mine, &[state(true, None, None)]), busy);
    assert_eq!(at_work(&mine, &[state(false, Some(true), None)]), busy);
    assert_eq!(at_work(&mine, &[state(false, Some(false), Some("aborted"))]), None);
    assert_eq!(at_work(&mine, &[]), None, "a channel that is switched off may be left out");
    assert_eq!(at_work(&[], &[state(true, None, None)]), None, "it was on before this node had it");
}
