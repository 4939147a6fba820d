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
        (Order::Promote { .. }, _) if owns => "this node owns the channels already".to_owned(),
        (Order::Promote { .. }, Some(owner)) => {
            return Answer::Failed {
                why: format!(
                    "{owner} owns the channels; hand over from there: `clawmend standby handover --to {}`",
                    report.node
                ),
            };
        }
        (Order::Promote { vouch: None }, None) if report.vouch.is_some() => {
            let nodes = report.vouch.as_ref().map(|vouch| vouch.nodes.join(", ")).unwrap_or_default();
            return Answer::Failed {
                why: format!(
                    "a person must say first that these machines are off: {nodes}; `clawmend standby promote --off NAME`"
                ),
            };
        }
        (Order::Promote { .. }, None) => "this node takes over as soon as the lease is free".to_owned(),
        (Order::HandOver { .. }, _) if !owns => {
            return Answer::Failed {
                why: "this node does not own the channels; say it on the one that does".to_owned(),
            };
        }
        (Order::HandOver { .. }, _) => "this node finishes its work and hands over".to_owned(),
        (Order::Demote, _) if owns => {
            "this node finishes its work, steps down, and stays out until `clawmend standby release`".to_owned()
        }
        (Order::Demote | Order::Hold, _) if !owns => {
            "this node does not take over until `clawmend standby release`".to_owned()
        }
        (Order::Demote | Order::Hold, _) => {
            "this node goes on as the owner, and does not take over again until `clawmend standby release`".to_owned()
        }
        (Order::Release, _) => "this node decides by itself again".to_owned(),
    };
    Answer::Done { message }
}
