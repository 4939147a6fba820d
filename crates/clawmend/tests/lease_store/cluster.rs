//! etcd with three real members, whose leader is frozen, killed and thawed.

use crate::scene::{PATIENT_MS, acquire, node, renew, section, sure};
use clawmend::failover::lease::LeaseStore;
use clawmend_core::failover::lease::{Answer, NodeId, Request, Term};
use clawmend_testkit::lab::{RealEtcd, skipped};
use std::time::{Duration, Instant};

/// Longer than any election on a busy machine; the time that this test really takes is a part of it.
const TTL_MS: u64 = 300_000;
const BOUND: Duration = Duration::from_secs(120);

fn leader(members: &[RealEtcd], without: Option<usize>) -> usize {
    let begin = Instant::now();
    loop {
        let found = (0..members.len()).find(|at| Some(*at) != without && members[*at].leads().unwrap_or(false));
        if let Some(at) = found {
            return at;
        }
        assert!(begin.elapsed() < BOUND, "nobody leads");
    }
}

/// Renews until the cluster says so; what it says meanwhile is `Unknown`, and to the other node never that it is free.
async fn renewed_at_last(owner: &LeaseStore, other: &LeaseStore, term: Term) {
    let begin = Instant::now();
    loop {
        assert!(begin.elapsed() < BOUND, "never renewed");
        let told = other.ask(&Request::Acquire).await.answer;
        let held = matches!(&told, Answer::Refused(view) if view.holder == Some(NodeId(1)));
        assert!(held || told == Answer::Unknown, "the other node was told {told:?}");
        let told = owner.ask(&renew(term)).await.answer;
        if told != Answer::Unknown {
            return assert_eq!(told, Answer::Renewed { term });
        }
    }
}

#[tokio::test]
async fn a_change_of_the_leader_neither_loses_nor_doubles_the_lease() {
    let mut members = match RealEtcd::cluster().unwrap() {
        Ok(members) => members,
        Err(reason) => return skipped("a_change_of_the_leader_neither_loses_nor_doubles_the_lease", &reason),
    };
    let urls: Vec<String> = members.iter().map(RealEtcd::url).collect();
    let all = section(&urls, "");
    let (owner, other) = (node(1, &all, TTL_MS, 6_000), node(2, &all, TTL_MS, 6_000));
    let first = leader(&members, None);
    let term = acquire(&node(1, &all, TTL_MS, PATIENT_MS)).await;

    members[first].freeze().unwrap();
    leader(&members, Some(first));
    renewed_at_last(&owner, &other, term).await;
    members[first].thaw().unwrap();
    // Asked alone, the old leader knows what happened without it, or says nothing.
    let through_old = section(&urls[first..=first], "");
    renewed_at_last(&node(1, &through_old, TTL_MS, PATIENT_MS), &node(2, &through_old, TTL_MS, PATIENT_MS), term).await;

    let second = leader(&members, None);
    members[second].kill().unwrap();
    renewed_at_last(&owner, &other, term).await;
    members[second].restart().unwrap();
    renewed_at_last(&owner, &other, term).await;
    let released = Request::Release { term, to: Some(NodeId(2)) };
    assert_eq!(sure(&node(1, &all, TTL_MS, PATIENT_MS), &released).await, Answer::Released { term });
    assert_eq!(acquire(&node(2, &all, TTL_MS, PATIENT_MS)).await, Term(term.0 + 1));
}
