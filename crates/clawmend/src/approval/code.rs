//! The code of a message that asks for a decision.
//!
//! Invariant: another proposal, incident, life or action gives another code. It is derived, so a letter that is sent again
//! carries the same one, and nothing has to be kept for it.

use clawmend_core::approval::Proposal;
use clawmend_core::gateway::GatewayId;
use ring::hmac;

/// Eight digits in two groups.
#[must_use]
pub fn code_of(key: &[u8], gateway: &GatewayId, proposal: &Proposal) -> String {
    let shown = shown(gateway, proposal).unwrap_or_default();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), &shown);
    let number = tag.as_ref().iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte)) % 100_000_000;
    format!("{:04} {:04}", number / 10_000, number % 10_000)
}

/// Whatever is shown to the person is part of it; how it stands is not. `None`: it cannot be written down.
pub(crate) fn shown(gateway: &GatewayId, proposal: &Proposal) -> Option<Vec<u8>> {
    let shown = (
        &gateway.0,
        proposal.id,
        proposal.incident,
        &proposal.target,
        &proposal.action,
        &proposal.reason,
        proposal.until_wall,
    );
    serde_json::to_vec(&shown).ok()
}

/// The same code, however a person has typed it.
#[must_use]
pub fn is_same(one: &str, typed: &str) -> bool {
    let digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).collect::<Vec<u8>>();
    let (one, typed) = (digits(one), digits(typed));
    one.len() == 8 && one.len() == typed.len() && one.iter().zip(&typed).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use clawmend_core::approval::{ProposalId, Stand};
    use clawmend_core::check::Origin;
    use clawmend_core::directive::{Action, IncidentId};
    use clawmend_core::gateway::Incarnation;
    use clawmend_core::time::{Moment, Wall};

    fn proposal() -> Proposal {
        Proposal {
            id: ProposalId(3),
            incident: IncidentId(12),
            target: Some(Incarnation { pid: 100, start: 7, boot: "boot".into() }),
            action: Action::Kill,
            origin: Origin::Ladder,
            reason: "because".into(),
            until: Moment(5),
            until_wall: Wall(5),
            stand: Stand::Open,
        }
    }

    #[test]
    fn a_code_is_for_one_thing() {
        let gateway = GatewayId("default".into());
        let code = code_of(b"key", &gateway, &proposal());
        assert_eq!(code.len(), 9);
        let others = [
            Proposal { id: ProposalId(4), ..proposal() },
            Proposal { incident: IncidentId(13), ..proposal() },
            Proposal { target: None, ..proposal() },
            Proposal { action: Action::RestartUnit, ..proposal() },
            Proposal { until_wall: Wall(6), ..proposal() },
        ];
        for other in others {
            assert_ne!(code_of(b"key", &gateway, &other), code, "{other:?}");
        }
        assert_ne!(code_of(b"other", &gateway, &proposal()), code);
        assert_ne!(code_of(b"key", &GatewayId("work".into()), &proposal()), code);
        assert_eq!(code_of(b"key", &gateway, &Proposal { stand: Stand::Used, ..proposal() }), code);
    }

    #[test]
    fn a_code_is_the_same_however_it_is_typed() {
        assert!(is_same("1234 5678", "12345678") && is_same("1234 5678", " 1234-5678 "));
        assert!(!is_same("1234 5678", "1234 5679") && !is_same("1234 5678", "1234 567") && !is_same("", ""));
    }
}
