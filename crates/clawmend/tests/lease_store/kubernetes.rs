//! A Lease of Kubernetes, in front of a stand-in that is as strict as its documentation.

use crate::scene::{
    LONG_MS, PATIENT_MS, acquire, group, holder, node, one_of_all_wins, release, renew, same_as_the_model, sure,
    trouble,
};
use clawmend::failover::lease::{LeaseStore, Told, Trouble};
use clawmend_core::failover::lease::{Answer, NodeId, Record, Request, Term, View};
use clawmend_testkit::lab::{KubeApi, KubeMode};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const NAME: &str = "clawmend-home";

fn section(api: &KubeApi, more: &str) -> String {
    format!("[shared.kubernetes]\nserver = \"http://127.0.0.1:{}\"\nnamespace = \"lab\"\n{more}\n", api.port)
}

/// A Lease that was held once and given back, so that nobody need be patient.
async fn used(api: &KubeApi) -> Record {
    let store = node(1, &section(api, ""), 1, PATIENT_MS);
    let told = loop {
        let told = store.ask(&Request::Acquire).await;
        if told.trouble != Some(Trouble::Missing) {
            break told;
        }
    };
    assert_eq!(told.answer, Answer::Acquired { term: Term(1), suspects: BTreeSet::new() });
    // It has run out by now, and is renewed all the same only within its time: the record is what counts here.
    let mut record = Record::default();
    record.apply(NodeId(1), &Request::Acquire, false);
    record
}

#[tokio::test]
async fn random_requests_of_three_nodes_get_the_models_answers() {
    let api = KubeApi::start("lab", None).unwrap();
    used(&api).await;
    // New readers: to them the lease of before still lives.
    let stores = group(&section(&api, ""), LONG_MS);
    let mut model = Record::default();
    model.apply(NodeId(1), &Request::Acquire, false);
    assert_eq!(sure(&stores[0], &release(Term(1))).await, model.apply(NodeId(1), &release(Term(1)), true));
    same_as_the_model(&stores, model, 600, None).await;
}

#[tokio::test]
async fn of_three_that_want_it_at_once_one_gets_it() {
    let api = KubeApi::start("lab", None).unwrap();
    used(&api).await;
    let stores = group(&section(&api, ""), LONG_MS);
    sure(&stores[0], &release(Term(1))).await;
    one_of_all_wins(&stores, 100).await;
    let (writes, conflicts) = api.writes_and_conflicts();
    assert!(writes > 200 && conflicts > 0, "nobody ever came second: {writes} writes, {conflicts} conflicts");
}

#[tokio::test]
async fn the_lease_shows_people_who_holds_it() {
    let api = KubeApi::start("lab", None).unwrap();
    used(&api).await;
    let mut lease = api.lease(NAME).unwrap();
    for field in ["acquireTime", "renewTime"] {
        lease["spec"][field] = json!("TIME");
    }
    lease["metadata"]["resourceVersion"] = json!("VERSION");
    insta::assert_json_snapshot!(lease);
}

#[tokio::test]
async fn a_holder_is_gone_when_this_reader_has_seen_no_write_for_a_whole_lease() {
    let api = KubeApi::start("lab", None).unwrap();
    used(&api).await;
    let ttl = Duration::from_millis(1_000);
    let [a, b, c] = group(&section(&api, ""), 1_000);
    let suspects = BTreeSet::from([NodeId(1)]);
    let first = Instant::now();
    assert_eq!(holder(&a).await, Some(NodeId(1)), "an old record is new to a new reader");
    let told = loop {
        let told = a.ask(&Request::Acquire).await;
        if !matches!(told.answer, Answer::Refused(_)) {
            break told;
        }
    };
    assert!(first.elapsed() >= ttl, "{:?}", first.elapsed());
    assert_eq!(told.answer, Answer::Acquired { term: Term(2), suspects: BTreeSet::new() }, "its own suspect no more");
    // Renewed for longer than a lease: to another it lives all the time.
    let begin = Instant::now();
    let mut sent = begin;
    while begin.elapsed() < 2 * ttl {
        let at = Instant::now();
        let told = sure(&a, &renew(Term(2))).await;
        if !matches!(told, Answer::Renewed { .. }) {
            assert!(sent.elapsed() >= ttl, "{told:?}");
            break;
        }
        sent = at;
        holder(&b).await;
    }
    // Not renewed any more.
    while holder(&b).await.is_some() {}
    assert!(sent.elapsed() >= ttl, "{:?}", sent.elapsed());
    let lost = View { term: Term(2), holder: None, suspects: suspects.clone(), reserved: None };
    while holder(&a).await.is_some() {}
    assert_eq!(sure(&a, &renew(Term(2))).await, Answer::Refused(lost.clone()));
    assert_eq!(sure(&a, &release(Term(2))).await, Answer::Refused(lost));
    assert_eq!(holder(&c).await, Some(NodeId(1)), "a reader that came late is patient from when it came");
    assert_eq!(sure(&b, &Request::Acquire).await, Answer::Acquired { term: Term(3), suspects });
}

#[tokio::test]
async fn a_lease_that_was_deleted_is_not_made_anew_at_once() {
    let api = KubeApi::start("lab", None).unwrap();
    used(&api).await;
    let [a, b, _] = group(&section(&api, ""), 1_000);
    holder(&a).await;
    api.delete(NAME);
    let gone = Instant::now();
    assert!(matches!(a.ask(&renew(Term(1))).await.answer, Answer::Refused(_)), "its holder has lost it");
    let told = loop {
        let told = b.ask(&Request::Acquire).await;
        if told.trouble != Some(Trouble::Missing) {
            break told;
        }
        assert_eq!(told.answer, Answer::Refused(View::default()));
    };
    assert!(gone.elapsed() >= Duration::from_millis(1_000), "{:?}", gone.elapsed());
    assert_eq!(told, Told { answer: Answer::Acquired { term: Term(1), suspects: BTreeSet::new() }, trouble: None });
}

#[tokio::test]
async fn a_token_is_read_anew_and_what_it_may_not_do_is_said() {
    let api = KubeApi::start("lab", Some("first")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "first\n").unwrap();
    let store = node(1, &section(&api, &format!("token_file = \"{}\"", path.display())), 1, PATIENT_MS);
    while store.ask(&Request::Acquire).await.trouble == Some(Trouble::Missing) {}
    api.set_token("second");
    let old = trouble(&store, &Request::Look).await;
    std::fs::write(&path, "second").unwrap();
    assert!(matches!(sure(&store, &Request::Look).await, Answer::Seen(_)));
    api.set_mode(KubeMode::ReadOnly);
    let read_only = loop {
        let told = store.ask(&Request::Acquire).await;
        if told.answer == Answer::Unknown {
            break told.trouble.unwrap();
        }
    };
    std::fs::remove_file(&path).unwrap();
    let gone = trouble(&store, &Request::Look).await;
    let told = [old, read_only, gone].map(|why| {
        let why = why.to_string().replace(&format!("127.0.0.1:{}", api.port), "PLACE");
        why.replace(&path.display().to_string(), "FILE")
    });
    insta::assert_snapshot!(told.join("\n"));
}

/// One node that holds the lease.
async fn owner(api: &KubeApi, answer_ms: u64) -> (LeaseStore, Term) {
    used(api).await;
    let patient = node(1, &section(api, ""), LONG_MS, PATIENT_MS);
    sure(&patient, &release(Term(1))).await;
    let term = acquire(&patient).await;
    (node(1, &section(api, ""), LONG_MS, answer_ms), term)
}

#[tokio::test]
async fn an_overloaded_server_is_waited_for_or_left_alone() {
    let api = KubeApi::start("lab", None).unwrap();
    let (store, term) = owner(&api, PATIENT_MS).await;
    api.set_mode(KubeMode::Busy { times: 1, retry_after: 1 });
    assert_eq!(sure(&store, &renew(term)).await, Answer::Renewed { term });
    api.set_mode(KubeMode::Busy { times: 1, retry_after: 3_600 });
    let why = trouble(&store, &renew(term)).await;
    assert!(matches!(why, Trouble::Busy { .. }), "{why}");
    assert_eq!(sure(&store, &renew(term)).await, Answer::Renewed { term });
}

#[tokio::test]
async fn what_was_done_without_an_answer_is_unknown_and_then_seen() {
    let api = KubeApi::start("lab", None).unwrap();
    let (hasty, term) = owner(&api, 500).await;
    api.set_mode(KubeMode::MuteWrites);
    let begin = Instant::now();
    let why = trouble(&hasty, &release(term)).await;
    assert!(matches!(why, Trouble::Late { .. }), "{why}");
    assert!(begin.elapsed() < Duration::from_secs(5));
    api.set_mode(KubeMode::Ok);
    let free = View { term, ..View::default() };
    let patient = node(1, &section(&api, ""), LONG_MS, PATIENT_MS);
    assert_eq!(sure(&patient, &Request::Look).await, Answer::Seen(free.clone()), "it was done");
    assert_eq!(sure(&patient, &release(term)).await, Answer::Refused(free));
}

#[tokio::test]
async fn nonsense_is_unknown() {
    let api = KubeApi::start("lab", None).unwrap();
    let (store, term) = owner(&api, PATIENT_MS).await;
    let kept = api.lease(NAME).unwrap();
    let mut foreign = kept.clone();
    foreign["metadata"]["annotations"] = json!({});
    let mut renamed = kept.clone();
    renamed["metadata"]["name"] = json!("other");
    let mut unversioned = kept.clone();
    unversioned["metadata"]["resourceVersion"] = json!(5);
    let mut other_list = kept;
    let text = other_list["metadata"]["annotations"]["clawmend-record"].as_str().unwrap().replace("attic", "roof");
    other_list["metadata"]["annotations"]["clawmend-record"] = json!(text);
    let says = [
        (200, String::new()),
        (200, "<html>".to_owned()),
        (200, "null".to_owned()),
        (200, foreign.to_string()),
        (200, renamed.to_string()),
        (200, unversioned.to_string()),
        (200, other_list.to_string()),
        (200, "x".repeat(1_000_000)),
        (302, String::new()),
        (500, r#"{"message":"etcdserver: request timed out"}"#.to_owned()),
        (503, "no".to_owned()),
        // Of a proxy whose backend is being replaced, and of something else that is not there.
        (404, "<html>404 Not Found</html>".to_owned()),
        (404, r#"{"kind":"Status","reason":"NotFound","details":{"kind":"namespaces","name":"lab"}}"#.to_owned()),
    ];
    for (status, body) in says {
        let shown: String = body.chars().take(100).collect();
        api.set_mode(KubeMode::Says { status, body });
        for request in [Request::Look, Request::Acquire, renew(term)] {
            let told = store.ask(&request).await;
            assert!(told.answer == Answer::Unknown && told.trouble.is_some(), "{request:?} {status} {shown}: {told:?}");
        }
    }
    api.set_mode(KubeMode::Ok);
    assert_eq!(sure(&store, &renew(term)).await, Answer::Renewed { term });
}

#[tokio::test]
async fn the_lease_of_another_program_is_not_touched() {
    let api = KubeApi::start("lab", None).unwrap();
    let theirs = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "name": NAME, "namespace": "lab" }, "spec": { "holderIdentity": "somebody" },
    });
    api.put(NAME, theirs);
    let before = api.lease(NAME);
    let why = trouble(&node(1, &section(&api, ""), 1, PATIENT_MS), &Request::Acquire).await;
    assert!(matches!(why, Trouble::Foreign { .. }), "{why}");
    assert_eq!(api.lease(NAME), before);
}
