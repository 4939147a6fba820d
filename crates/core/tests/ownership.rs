//! Whether two nodes own an account twice: in doubt they may, and then nothing is armed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use clawmend_core::failover::Armed;
use clawmend_core::failover::ownership::{Account, Fingerprint, Identity, MAX_ACCOUNTS, compare};
use proptest::prelude::*;

fn known(channel: &str, account: &str, identities: &[u8]) -> Account {
    let all = identities.iter().map(|n| Fingerprint::new(&[*n; 32])).collect();
    Account { channel: channel.to_owned(), account: account.to_owned(), identity: Identity::Known(all) }
}

fn unknown(channel: &str, why: &str) -> Account {
    let identity = Identity::Unknown { why: why.to_owned() };
    Account { channel: channel.to_owned(), account: "default".to_owned(), identity }
}

fn indistinct(channel: &str) -> Account {
    let identity = Identity::Indistinct { why: "a login says nothing of whose it is".to_owned() };
    Account { channel: channel.to_owned(), account: "default".to_owned(), identity }
}

fn why(armed: Armed) -> String {
    match armed {
        Armed::No { why } => why,
        Armed::Yes => panic!("armed"),
    }
}

#[test]
fn different_accounts_are_apart() {
    let mine = [known("telegram", "default", &[1]), known("slack", "default", &[2, 3])];
    let theirs = [known("telegram", "default", &[4]), known("discord", "default", &[5])];
    assert_eq!(compare(&mine, &theirs), Armed::Yes);
    assert_eq!(compare(&[], &theirs), Armed::Yes);
    assert_eq!(compare(&[], &[]), Armed::Yes);
}

#[test]
fn one_shared_identity_of_several_is_enough_and_both_are_named() {
    let mine = [known("slack", "default", &[1, 2])];
    let theirs = [known("discord", "x", &[9]), known("slack", "work", &[3, 2])];
    assert_eq!(
        why(compare(&mine, &theirs)),
        "slack account `default` here and slack account `work` on the other node are the same; switch it off on one of them"
    );
}

#[test]
fn what_is_not_known_refuses_on_either_side() {
    let apart = [known("telegram", "default", &[1])];
    let vague = [unknown("discord", "channels.discord.token is not set")];
    assert_eq!(
        why(compare(&vague, &apart)),
        "it is not known who discord account `default` here is: channels.discord.token is not set"
    );
    assert_eq!(
        why(compare(&apart, &vague)),
        "it is not known who discord account `default` on the other node is: channels.discord.token is not set"
    );
    // Nothing is owned twice where the other owns nothing, but that may change, and then it would not be seen.
    assert!(matches!(compare(&vague, &[]), Armed::No { .. }));
    assert!(matches!(compare(&[known("line", "default", &[])], &[]), Armed::No { .. }));
}

#[test]
fn a_login_without_a_name_refuses_only_beside_another_of_its_channel() {
    let mine = [indistinct("imessage"), known("telegram", "default", &[1])];
    assert_eq!(compare(&mine, &[known("telegram", "default", &[2])]), Armed::Yes);
    assert_eq!(
        why(compare(&mine, &[indistinct("imessage")])),
        "imessage account `default` here and imessage account `default` on the other node may be the same: a login says nothing of whose it is"
    );
    assert!(matches!(compare(&[known("imessage", "a", &[1])], &[indistinct("imessage")]), Armed::No { .. }));
}

#[test]
fn an_answer_stays_short() {
    let many: Vec<Account> = (0..100).map(|n| known("telegram", &format!("a{n}"), &[n])).collect();
    let text = why(compare(&many, &many));
    assert!(text.ends_with("; and 97 more") && text.len() < 1000, "{text}");
    let too_many: Vec<Account> = (0..=MAX_ACCOUNTS).map(|n| known("x", &n.to_string(), &[0])).collect();
    assert_eq!(why(compare(&too_many, &[])), "this node has more than 256 channel accounts to compare");
    assert_eq!(why(compare(&[], &too_many)), "the other node has more than 256 channel accounts to compare");
}

#[test]
fn what_comes_over_the_wire_is_bounded() {
    let good = known("telegram", "default", &[7]);
    let text = serde_json::to_string(&good).unwrap();
    let tag = "07".repeat(32);
    let wanted = format!(r#"{{"channel":"telegram","account":"default","identity":{{"known":["{tag}"]}}}}"#);
    assert_eq!(text, wanted);
    assert_eq!(serde_json::from_str::<Account>(&text).unwrap(), good);
    let long = "x".repeat(65);
    let identity = format!(r#"{{"known":["{tag}"]}}"#);
    for (channel, account, identity) in [
        ("", "default", identity.clone()),
        ("telegram", long.as_str(), identity.clone()),
        ("tele\\u001b[31m", "default", identity),
        ("telegram", "default", r#"{"known":[]}"#.to_owned()),
        ("telegram", "default", r#"{"known":["07"]}"#.to_owned()),
        ("telegram", "default", format!(r#"{{"known":["{}"]}}"#, "G7".repeat(32))),
        ("telegram", "default", format!(r#"{{"known":[{}]}}"#, vec![format!(r#""{tag}""#); 9].join(","))),
        ("telegram", "default", format!(r#"{{"unknown":{{"why":"{}"}}}}"#, "w".repeat(301))),
        ("telegram", "default", r#"{"sure":{}}"#.to_owned()),
    ] {
        let text = format!(r#"{{"channel":"{channel}","account":"{account}","identity":{identity}}}"#);
        assert!(serde_json::from_str::<Account>(&text).is_err(), "{text}");
    }
}

fn any_account() -> impl Strategy<Value = Account> {
    let identity = prop_oneof![
        6 => prop::collection::vec(0_u8..20, 1..4)
            .prop_map(|all| Identity::Known(all.iter().map(|n| Fingerprint::new(&[*n; 32])).collect())),
        1 => Just(Identity::Unknown { why: "unset".to_owned() }),
        1 => Just(Identity::Indistinct { why: "a login".to_owned() }),
    ];
    ("[ab]", "[a-c]", identity).prop_map(|(channel, account, identity)| Account { channel, account, identity })
}

fn accounts() -> impl Strategy<Value = Vec<Account>> {
    prop::collection::vec(any_account(), 0..5)
}

/// The rule in its plainest form.
fn apart(mine: &[Account], theirs: &[Account]) -> bool {
    let vague = |account: &Account| matches!(account.identity, Identity::Unknown { .. });
    let same = |a: &Account, b: &Account| match (&a.identity, &b.identity) {
        (Identity::Known(a), Identity::Known(b)) => a.iter().any(|one| b.contains(one)),
        _ => a.channel == b.channel,
    };
    !mine.iter().chain(theirs).any(vague) && !mine.iter().any(|a| theirs.iter().any(|b| same(a, b)))
}

proptest! {
    #[test]
    fn armed_means_apart_whoever_asks(mine in accounts(), theirs in accounts()) {
        let armed = compare(&mine, &theirs) == Armed::Yes;
        prop_assert_eq!(armed, apart(&mine, &theirs));
        prop_assert_eq!(armed, compare(&theirs, &mine) == Armed::Yes);
    }

    #[test]
    fn one_account_more_never_arms(mine in accounts(), theirs in accounts(), one in any_account()) {
        if compare(&mine, &theirs) != Armed::Yes {
            let mut more = mine;
            more.push(one);
            prop_assert!(compare(&more, &theirs) != Armed::Yes);
        }
    }

    #[test]
    fn no_answer_holds_a_fingerprint(mine in accounts(), theirs in accounts()) {
        if let Armed::No { why } = compare(&mine, &theirs) {
            for account in mine.iter().chain(&theirs) {
                if let Identity::Known(all) = &account.identity {
                    prop_assert!(all.iter().all(|one| !why.contains(one.as_str())));
                }
            }
        }
    }
}
