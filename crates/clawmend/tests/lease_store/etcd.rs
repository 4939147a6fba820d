//! Real etcd: each request, races, time, and an etcd that is killed, frozen or one of several.

use crate::scene::{
    LONG_MS, PATIENT_MS, acquire, etcd, etcd_with, group, holder, is_watched, node, one_of_all_wins, release, renew,
    same_as_the_model, section, sure, trouble,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clawmend::failover::lease::{Alarm, History, Room, Trouble};
use clawmend_core::failover::lease::{Answer, NodeId, Record, Request, Term, View};
use clawmend_testkit::lab::EtcdOptions;
use serde_json::json;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::time::{Duration, Instant};

const TTL_MS: u64 = 2_000;

#[tokio::test]
async fn each_request_is_answered() {
    let Some(etcd) = etcd("each_request_is_answered") else { return };
    let [a, b, _] = group(&section(&[etcd.url()], ""), LONG_MS);
    assert_eq!(sure(&a, &Request::Look).await, Answer::Seen(View::default()));
    assert_eq!(sure(&a, &Request::Acquire).await, Answer::Acquired { term: Term(1), suspects: BTreeSet::new() });
    let held = View { term: Term(1), holder: Some(NodeId(1)), ..View::default() };
    assert_eq!(sure(&b, &Request::Look).await, Answer::Seen(held.clone()));
    assert_eq!(sure(&b, &Request::Acquire).await, Answer::Refused(held.clone()));
    assert_eq!(sure(&b, &renew(Term(1))).await, Answer::Refused(held.clone()));
    assert_eq!(sure(&a, &Request::Acquire).await, Answer::Refused(held.clone()), "not even by its own holder");
    assert_eq!(sure(&a, &renew(Term(1))).await, Answer::Renewed { term: Term(1) });
    assert_eq!(sure(&a, &renew(Term(2))).await, Answer::Refused(held));
    let handed = Request::Release { term: Term(1), to: Some(NodeId(3)) };
    assert_eq!(sure(&a, &handed).await, Answer::Released { term: Term(1) });
    let free = View { term: Term(1), reserved: Some(NodeId(3)), ..View::default() };
    assert_eq!(sure(&b, &Request::Look).await, Answer::Seen(free));
    assert!(a.describe().contains(&format!("127.0.0.1:{}", etcd.port)));
}

/// What it holds, what it has forgotten, and that it is full: by its own word.
#[tokio::test]
async fn its_room_is_seen() {
    let quota = 20 * 1024 * 1024;
    let options = EtcdOptions { quota: Some(quota), ..EtcdOptions::default() };
    let Some(etcd) = etcd_with("its_room_is_seen", options) else { return };
    let store = node(1, &section(&[etcd.url()], ""), LONG_MS, PATIENT_MS);
    let term = acquire(&store).await;
    for _ in 0..4 {
        sure(&store, &renew(term)).await;
    }
    let Room { revisions, history, database } = store.room().await.unwrap().unwrap();
    let database = database.unwrap();
    assert!(history == History::Young && revisions >= 5, "{history:?} {revisions}");
    assert!(database.alarm.is_none() && database.used <= database.size && database.size < quota, "{database:?}");
    etcd.call("/v3/kv/compaction", &json!({ "revision": revisions.to_string() })).unwrap();
    assert_eq!(store.room().await.unwrap().unwrap().history, History::Forgotten);
    let large = STANDARD.encode(vec![0_u8; 1024 * 1024]);
    let put = |at: u64| etcd.call("/v3/kv/put", &json!({ "key": STANDARD.encode(format!("x{at}")), "value": large }));
    assert!((0..40).any(|at| put(at).is_err()), "it never was full");
    let database = store.room().await.unwrap().unwrap().database.unwrap();
    assert!(database.alarm == Some(Alarm::NoSpace) && database.size > quota / 2, "{database:?}");
    let told = store.ask(&renew(term)).await;
    assert!(matches!(told.trouble, Some(Trouble::Full { .. })), "{told:?}");
    assert_eq!(holder(&store).await, Some(NodeId(1)), "it is still read");
}

#[tokio::test]
async fn random_requests_of_three_nodes_get_the_models_answers() {
    let Some(etcd) = etcd("random_requests_of_three_nodes_get_the_models_answers") else { return };
    let stores = group(&section(&[etcd.url()], ""), LONG_MS);
    let key = STANDARD.encode("clawmend/home/holder");
    // What etcd itself does when a lease is over.
    let expire = || drop(etcd.call("/v3/kv/deleterange", &json!({ "key": key })).unwrap());
    same_as_the_model(&stores, Record::default(), 400, Some(&expire)).await;
}

#[tokio::test]
async fn of_three_that_want_it_at_once_one_gets_it() {
    let Some(etcd) = etcd("of_three_that_want_it_at_once_one_gets_it") else { return };
    one_of_all_wins(&group(&section(&[etcd.url()], ""), LONG_MS), 60).await;
}

#[tokio::test]
async fn a_lease_runs_out_no_earlier_than_it_says_and_is_then_lost() {
    let Some(etcd) = etcd("a_lease_runs_out_no_earlier_than_it_says_and_is_then_lost") else { return };
    let [a, b, _] = group(&section(&[etcd.url()], ""), TTL_MS);
    let term = acquire(&a).await;
    // Longer than a lease: renewals carry it on.
    let begin = Instant::now();
    let mut sent = begin;
    while begin.elapsed() < Duration::from_millis(2 * TTL_MS) {
        let at = Instant::now();
        let told = sure(&a, &renew(term)).await;
        if !matches!(told, Answer::Renewed { .. }) {
            // A machine so busy that it could not renew in time: then it is lost, as below.
            assert!(sent.elapsed() >= Duration::from_millis(TTL_MS), "{told:?}");
            break;
        }
        sent = at;
    }
    let mut looks = 0;
    let gone = loop {
        match holder(&b).await {
            Some(by) => assert_eq!((by, looks < 100_000), (NodeId(1), true)),
            None => break Instant::now(),
        }
        looks += 1;
    };
    assert!(gone.duration_since(sent) >= Duration::from_millis(TTL_MS), "{:?}", gone.duration_since(sent));
    let lost = View { term, holder: None, suspects: BTreeSet::from([NodeId(1)]), reserved: None };
    assert_eq!(sure(&a, &renew(term)).await, Answer::Refused(lost.clone()), "a renewal comes too late");
    assert_eq!(sure(&a, &release(term)).await, Answer::Refused(lost));
    let Answer::Acquired { term: next, suspects } = sure(&b, &Request::Acquire).await else { panic!() };
    assert_eq!((next, suspects), (Term(term.0 + 1), BTreeSet::from([NodeId(1)])));
    assert!(matches!(sure(&a, &renew(term)).await, Answer::Refused(view) if view.holder == Some(NodeId(2))));
}

#[tokio::test]
async fn a_lease_that_is_let_go_is_heard_of_and_one_that_is_renewed_is_not() {
    let Some(etcd) = etcd("a_lease_that_is_let_go_is_heard_of_and_one_that_is_renewed_is_not") else { return };
    let [a, b, _] = group(&section(&[etcd.url()], ""), LONG_MS);
    let term = acquire(&a).await;
    let let_go = Cell::new(false);
    let hears = async {
        b.freed().await.unwrap();
        assert!(let_go.get(), "a renewal lets nothing go");
    };
    let does = async {
        is_watched(&etcd).await;
        for _ in 0..5 {
            assert_eq!(sure(&a, &renew(term)).await, Answer::Renewed { term });
        }
        let_go.set(true);
        assert_eq!(sure(&a, &release(term)).await, Answer::Released { term });
    };
    tokio::time::timeout(Duration::from_millis(PATIENT_MS), async { tokio::join!(hears, does) }).await.unwrap();
}

#[tokio::test]
async fn a_lease_that_runs_out_is_heard_of() {
    let Some(etcd) = etcd("a_lease_that_runs_out_is_heard_of") else { return };
    let [a, b, _] = group(&section(&[etcd.url()], ""), TTL_MS);
    let hears = async {
        b.freed().await.unwrap();
        Instant::now()
    };
    let does = async {
        is_watched(&etcd).await;
        let sent = Instant::now();
        acquire(&a).await;
        sent
    };
    let both = async { tokio::join!(hears, does) };
    let (heard, sent) = tokio::time::timeout(Duration::from_millis(PATIENT_MS), both).await.unwrap();
    assert!(heard.duration_since(sent) >= Duration::from_millis(TTL_MS), "{:?}", heard.duration_since(sent));
    assert_eq!(holder(&b).await, None);
}

#[tokio::test]
async fn a_frozen_etcd_is_not_waited_for_at_the_beginning_of_a_watch() {
    let Some(etcd) = etcd("a_frozen_etcd_is_not_waited_for_at_the_beginning_of_a_watch") else { return };
    let a = node(1, &section(&[etcd.url()], ""), LONG_MS, 500);
    etcd.freeze().unwrap();
    let why = a.freed().await.unwrap_err();
    assert!(matches!(why, Trouble::Late { .. } | Trouble::Unreachable { .. }), "{why}");
}

#[tokio::test]
async fn a_watch_ends_with_its_etcd() {
    let Some(mut etcd) = etcd("a_watch_ends_with_its_etcd") else { return };
    let [a, _, _] = group(&section(&[etcd.url()], ""), LONG_MS);
    let hears = async { a.freed().await.unwrap_err() };
    let does = async {
        is_watched(&etcd).await;
        etcd.kill().unwrap();
    };
    let both = async { tokio::join!(hears, does) };
    let (why, ()) = tokio::time::timeout(Duration::from_millis(PATIENT_MS), both).await.unwrap();
    assert!(matches!(why, Trouble::Unreachable { .. } | Trouble::Garbled { .. }), "{why}");
    assert!(matches!(a.freed().await, Err(Trouble::Unreachable { .. })));
}

/// Requests go to a member that answers; so does the watch, though the one before it still holds its connection.
#[tokio::test]
async fn a_watch_follows_the_member_that_answers() {
    let (Some(first), Some(second)) = (etcd("a_watch_follows"), etcd("a_watch_follows, the other one")) else { return };
    let [a, b, _] = group(&section(&[second.url()], ""), LONG_MS);
    let term = acquire(&a).await;
    // Two clusters: the watch at the first one is answered at once, and settles nothing.
    let both = node(3, &section(&[first.url(), second.url()], ""), LONG_MS, 2_000);
    let hears = async { both.freed().await.unwrap() };
    let does = async {
        is_watched(&first).await;
        first.freeze().unwrap();
        assert_eq!(holder(&both).await, Some(NodeId(1)), "the other one is ours");
        is_watched(&second).await;
        assert_eq!(sure(&a, &release(term)).await, Answer::Released { term });
    };
    tokio::time::timeout(Duration::from_millis(PATIENT_MS), async { tokio::join!(hears, does) }).await.unwrap();
    assert_eq!(holder(&b).await, None);
}

#[tokio::test]
async fn a_killed_etcd_answers_nothing_and_forgets_nothing() {
    let Some(mut etcd) = etcd("a_killed_etcd_answers_nothing_and_forgets_nothing") else { return };
    let [a, b, _] = group(&section(&[etcd.url()], ""), LONG_MS);
    let term = acquire(&a).await;
    etcd.kill().unwrap();
    for request in [Request::Look, Request::Acquire, renew(term), release(term)] {
        let why = trouble(&a, &request).await;
        assert!(matches!(why, Trouble::Unreachable { .. }), "{why}");
    }
    etcd.restart().unwrap();
    assert_eq!(holder(&b).await, Some(NodeId(1)), "the lease and its record are still there");
    assert_eq!(sure(&a, &renew(term)).await, Answer::Renewed { term });
}

#[tokio::test]
async fn a_frozen_etcd_is_unknown_within_the_bound() {
    let Some(etcd) = etcd("a_frozen_etcd_is_unknown_within_the_bound") else { return };
    let store = section(&[etcd.url()], "");
    let a = node(1, &store, LONG_MS, PATIENT_MS);
    let term = acquire(&a).await;
    let hasty = node(1, &store, LONG_MS, 500);
    etcd.freeze().unwrap();
    for request in [Request::Look, renew(term), Request::Acquire] {
        let begin = Instant::now();
        let why = trouble(&hasty, &request).await;
        let took = begin.elapsed();
        assert!(matches!(why, Trouble::Late { .. } | Trouble::Unreachable { .. }), "{why}");
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
    etcd.thaw().unwrap();
    assert_eq!(sure(&a, &renew(term)).await, Answer::Renewed { term }, "what came late has changed nothing");
}

#[tokio::test]
async fn other_members_answer_when_one_does_not() {
    let Some(etcd) = etcd("other_members_answer_when_one_does_not") else { return };
    // It takes connections, and says nothing.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let mute_url = format!("http://{}", mute.local_addr().unwrap());
    let dead_url = {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", closed.local_addr().unwrap())
    };
    let a = node(1, &section(&[mute_url, dead_url, etcd.url()], ""), LONG_MS, 6_000);
    let term = acquire(&a).await;
    mute.set_nonblocking(true).unwrap();
    while mute.accept().is_ok() {}
    for _ in 0..5 {
        assert_eq!(sure(&a, &renew(term)).await, Answer::Renewed { term });
    }
    assert!(mute.accept().is_err(), "the one that did not answer was asked first again");
}

#[tokio::test]
async fn another_cluster_is_never_asked_for_the_same_lease() {
    let name = "another_cluster_is_never_asked_for_the_same_lease";
    let (Some(mut one), Some(other)) = (etcd(name), etcd(name)) else { return };
    let a = node(1, &section(&[one.url(), other.url()], ""), LONG_MS, PATIENT_MS);
    let term = acquire(&a).await;
    one.kill().unwrap();
    let why = trouble(&a, &Request::Acquire).await;
    assert!(matches!(why, Trouble::OtherCluster { .. }), "{why}");
    let why = trouble(&a, &renew(term)).await;
    assert!(matches!(why, Trouble::OtherCluster { .. } | Trouble::Unreachable { .. }), "{why}");
}
