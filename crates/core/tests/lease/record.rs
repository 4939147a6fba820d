//! The record: each term once, and repeated requests do no harm.

use clawmend_core::failover::lease::{Answer, NodeId, Record, Request, Term};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const A: NodeId = NodeId(1);
const B: NodeId = NodeId(2);

#[test]
fn a_late_copy_of_an_old_request_changes_nothing_under_a_new_term() {
    let mut record = Record::default();
    record.apply(A, &Request::Acquire, false);
    let release = Request::Release { term: Term(1), to: None };
    record.apply(A, &release, true);
    record.apply(A, &Request::Acquire, false);
    let before = record.clone();
    assert!(matches!(record.apply(A, &release, true), Answer::Refused(_)));
    let renew = Request::Renew { term: Term(1), off: BTreeSet::from([B]) };
    assert!(matches!(record.apply(A, &renew, true), Answer::Refused(_)));
    assert_eq!(record, before);
}

#[test]
fn an_expired_lease_is_not_renewed_even_if_nobody_took_it() {
    let mut record = Record::default();
    record.apply(A, &Request::Acquire, false);
    let renew = Request::Renew { term: Term(1), off: BTreeSet::new() };
    assert!(matches!(record.apply(A, &renew, false), Answer::Refused(_)));
}

fn any_request() -> impl Strategy<Value = Request> {
    prop_oneof![
        Just(Request::Look),
        Just(Request::Acquire),
        (0..6_u64).prop_map(|term| Request::Renew { term: Term(term), off: BTreeSet::new() }),
        (0..6_u64).prop_map(|term| Request::Release { term: Term(term), to: None }),
    ]
}

proptest! {
    #[test]
    fn a_term_is_given_once_and_who_never_gave_it_back_stays_a_suspect(
        requests in prop::collection::vec((0..3_u16, any_request(), any::<bool>()), 0..60)
    ) {
        let mut record = Record::default();
        let mut given = BTreeMap::new();
        let mut open = BTreeSet::new();
        for (node, request, alive) in requests {
            let node = NodeId(node);
            match record.apply(node, &request, alive) {
                Answer::Acquired { term, suspects } => {
                    prop_assert_eq!(given.insert(term, node), None);
                    open.remove(&node);
                    prop_assert_eq!(&suspects, &open);
                    open.insert(node);
                }
                Answer::Released { term } => {
                    prop_assert_eq!(given.get(&term), Some(&node));
                    open.remove(&node);
                }
                Answer::Renewed { term } => prop_assert_eq!(given.get(&term), Some(&node)),
                _ => {}
            }
        }
        prop_assert_eq!(record.view(false).suspects, open);
    }
}
