//! What a person is answered when they give an order to a node.

use crate::api::Answer;
use crate::api::types::SharedReport;
use clawmend_core::failover::lease::Order;

/// What is said to it, by how things were when it came. It is obeyed within the protocol, so most of it takes time.
#[must_use]
pub fn answer(order: &Order, report: &SharedReport) -> Answer {
    let owns = report.term.is_some();
    let elsewhere = report.owner.as_ref().filter(|owner| **owner != report.node);
    let message = match (order, elsewhere) {
        (Order::Promote { .. }, _) if report.hindered && report.role != "owner" => {
            return Answer::NeedsPerson {
                why: "a person has paused or stopped the gateway here, so this node takes nothing over; `clawmend start` ends that, and is seen here within a few \
                      seconds"
                    .to_owned(),
            };
        }
        (Order::Promote { .. }, _) if report.giving_up.is_some() => {
            return Answer::NeedsPerson {
                why: "this node is giving the channels up; say it again once that is done (`clawmend standby status`)"
                    .to_owned(),
            };
        }
        (Order::Promote { .. }, _) if report.role == "owner" => "this node owns the channels already".to_owned(),
        (Order::Promote { .. }, Some(owner)) => {
            format!(
                "{owner} owns the channels; this node takes over as soon as the lease is free. To have it now, say there: \
                 `clawmend standby handover --to {}`",
                report.node
            )
        }
        (Order::Promote { vouch: None }, None) if report.vouch.is_some() => {
            let nodes = report.vouch.as_ref().map(|vouch| vouch.nodes.join(", ")).unwrap_or_default();
            return Answer::NeedsPerson {
                why: format!(
                    "a person must say first that these machines are off: {nodes}; `clawmend standby promote --off NAME`"
                ),
            };
        }
        (Order::Promote { .. }, None) if owns => "this node holds the lease, and takes over now".to_owned(),
        (Order::Promote { .. }, None) => "this node takes over as soon as the lease is free".to_owned(),
        (Order::HandOver { .. }, _) if !owns => {
            return Answer::NeedsPerson {
                why: "this node does not own the channels; say it on the one that does".to_owned(),
            };
        }
        (Order::HandOver { to: Some(_) }, _) if report.giving_up.is_some() => {
            "this node is handing over already; it goes to the node that you name now".to_owned()
        }
        (Order::HandOver { to: None }, _) if report.giving_up.is_some() => {
            "this node is handing over already; it goes to whichever node comes first now".to_owned()
        }
        (Order::HandOver { .. }, _) => "this node finishes its work and hands over".to_owned(),
        (Order::Demote, _) if owns => {
            "this node finishes its work, steps down, and stays out until `clawmend standby release`".to_owned()
        }
        (Order::Demote | Order::Hold, _) if !owns => {
            "this node does not take over until `clawmend standby release`".to_owned()
        }
        (Order::Demote | Order::Hold, _) if report.giving_up.is_some() => {
            "this node gives the channels up, and does not take over again until `clawmend standby release`".to_owned()
        }
        (Order::Demote | Order::Hold, _) => {
            "this node goes on as the owner, and does not take over again until `clawmend standby release`".to_owned()
        }
        (Order::Release, _) => "this node decides by itself again".to_owned(),
    };
    Answer::Done { message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::types::{GivingUpReport, VouchReport};
    use clawmend_core::failover::lease::{NodeId, Term, Vouch};
    use std::collections::BTreeSet;

    fn report() -> SharedReport {
        SharedReport {
            group: "home".into(),
            node: "beta".into(),
            role: "candidate".into(),
            term: None,
            known_term: None,
            lease_until: None,
            owner: None,
            held: false,
            wanted: false,
            giving_up: None,
            hindered: false,
            warm: None,
            suspects: Vec::new(),
            vouch: None,
            egress_fence: None,
            paused: None,
            store: String::new(),
            store_seen_at: None,
            store_problem: None,
            last_word: None,
            settings_mark: None,
        }
    }

    #[test]
    fn each_order_is_answered_by_how_things_are() {
        let owner = SharedReport { term: Some(3), role: "owner".into(), owner: Some("beta".into()), ..report() };
        let taking = SharedReport { term: Some(3), role: "taking_over".into(), ..report() };
        let elsewhere = SharedReport { owner: Some("alpha".into()), ..report() };
        let asks = SharedReport { vouch: Some(VouchReport { term: 4, nodes: vec!["alpha".into()] }), ..report() };
        let vouch = Vouch { term: Term(4), nodes: BTreeSet::from([NodeId(1)]) };
        let giving_up = GivingUpReport { why: "a person wants it".into(), to: None, until: None };
        let leaving = SharedReport { giving_up: Some(giving_up), ..owner.clone() };
        let hindered = SharedReport { hindered: true, ..report() };
        let orders = [
            Order::Promote { vouch: None },
            Order::Promote { vouch: Some(vouch) },
            Order::HandOver { to: None },
            Order::HandOver { to: Some(NodeId(1)) },
            Order::Demote,
            Order::Hold,
            Order::Release,
        ];
        let mut lines = Vec::new();
        for (name, report) in [
            ("owner", owner),
            ("taking over", taking),
            ("elsewhere", elsewhere),
            ("asks", asks),
            ("free", report()),
            ("hindered", hindered),
            ("leaving", leaving),
        ] {
            lines.extend(orders.iter().map(|order| format!("{name}: {order:?}\n  {:?}", answer(order, &report))));
        }
        insta::assert_snapshot!(lines.join("\n"));
    }
}
