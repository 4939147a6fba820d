//! What a button carries, and what a tap on it proves.
//!
//! Invariants: at most 64 bytes, as the [Bot API](https://core.telegram.org/bots/api#inlinekeyboardbutton) wants it; the tag
//! covers gateway, proposal, incident, life, action, reason, end and answer, so another one of any of these is another
//! button; both buttons of a message share a nonce, so the two together count once. Start at [`Button::parse`].

use super::Sealing;
use crate::approval::code::shown;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clawmend_core::approval::{Proposal, ProposalId};
use clawmend_core::gateway::GatewayId;
use ring::hmac;
use serde::{Deserialize, Serialize};

/// Of this form of the data.
const VERSION: u8 = b'1';
/// Nonce and tag in base64 without padding: 16 bytes are 22 characters.
const CODED: usize = 22;
/// Bytes of the tag that are kept.
const TAG: usize = 16;
/// What the key is for.
const PURPOSE: &str = "button v1";

/// Names one message that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Nonce([u8; 16]);

impl Nonce {
    /// A fresh one; `None`: the system gives no random bytes.
    #[must_use]
    pub fn fresh() -> Option<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).ok()?;
        Some(Self(bytes))
    }
}

/// A button that was tapped, or what claims to be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Button {
    /// Which proposal.
    pub proposal: ProposalId,
    /// Do it.
    pub approve: bool,
    /// Of which message.
    pub nonce: Nonce,
    tag: [u8; TAG],
}

impl Button {
    /// The data of a button; `None`: it cannot be made.
    #[must_use]
    pub fn data(
        sealing: &Sealing,
        gateway: &GatewayId,
        proposal: &Proposal,
        nonce: Nonce,
        approve: bool,
    ) -> Option<String> {
        let tag = hmac::sign(&sealing.key(PURPOSE), &covered(gateway, proposal, nonce, approve)?);
        let answer = if approve { 'y' } else { 'n' };
        let (nonce, tag) = (URL_SAFE_NO_PAD.encode(nonce.0), URL_SAFE_NO_PAD.encode(tag.as_ref().get(..TAG)?));
        Some(format!("{}{answer}{nonce}{tag}{:x}", char::from(VERSION), proposal.id.0))
    }

    /// Reads the data of a button, whoever made it.
    #[must_use]
    pub fn parse(data: &str) -> Option<Self> {
        if !data.is_ascii() {
            return None;
        }
        let approve = match data.as_bytes().get(..2)? {
            [VERSION, b'y'] => true,
            [VERSION, b'n'] => false,
            _ => return None,
        };
        let coded = |from: usize| -> Option<[u8; 16]> {
            URL_SAFE_NO_PAD.decode(data.get(from..from + CODED)?).ok()?.try_into().ok()
        };
        let (nonce, tag) = (Nonce(coded(2)?), coded(2 + CODED)?);
        let id = data.get(2 + 2 * CODED..)?;
        let number = u64::from_str_radix(id, 16).ok()?;
        // One way to write each number.
        (format!("{number:x}") == id).then_some(Self { proposal: ProposalId(number), approve, nonce, tag })
    }

    /// It was made for exactly this.
    #[must_use]
    pub fn is_for(&self, sealing: &Sealing, gateway: &GatewayId, proposal: &Proposal) -> bool {
        let Some(covered) = covered(gateway, proposal, self.nonce, self.approve) else { return false };
        let tag = hmac::sign(&sealing.key(PURPOSE), &covered);
        let Some(tag) = tag.as_ref().get(..TAG) else { return false };
        // All of it is looked at, whatever the first bytes say.
        tag.iter().zip(&self.tag).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
    }
}

/// What is fixed in length stands first.
fn covered(gateway: &GatewayId, proposal: &Proposal, nonce: Nonce, approve: bool) -> Option<Vec<u8>> {
    let mut covered = vec![VERSION, u8::from(approve)];
    covered.extend(nonce.0);
    covered.extend(shown(gateway, proposal)?);
    Some(covered)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clawmend_core::approval::Stand;
    use clawmend_core::check::Origin;
    use clawmend_core::directive::{Action, IncidentId};
    use clawmend_core::gateway::Incarnation;
    use clawmend_core::time::{Moment, Wall};

    fn proposal(id: u64) -> Proposal {
        Proposal {
            id: ProposalId(id),
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
    fn a_button_is_for_one_thing_and_fits_into_64_bytes() {
        let (sealing, gateway) = (Sealing::new(b"key"), GatewayId("default".into()));
        let nonce = Nonce::fresh().unwrap();
        for id in [1, 0xffff, u64::MAX] {
            let data = Button::data(&sealing, &gateway, &proposal(id), nonce, true).unwrap();
            assert!(data.len() <= 64, "{} bytes: {data}", data.len());
            let button = Button::parse(&data).unwrap();
            assert_eq!((button.proposal, button.approve, button.nonce), (ProposalId(id), true, nonce));
            assert!(button.is_for(&sealing, &gateway, &proposal(id)));
        }
        let data = Button::data(&sealing, &gateway, &proposal(3), nonce, true).unwrap();
        let button = Button::parse(&data).unwrap();
        let others = [
            Proposal { id: ProposalId(4), ..proposal(3) },
            Proposal { incident: IncidentId(13), ..proposal(3) },
            Proposal { target: None, ..proposal(3) },
            Proposal { action: Action::RestartUnit, ..proposal(3) },
            Proposal { reason: "another".into(), ..proposal(3) },
            Proposal { until_wall: Wall(6), ..proposal(3) },
        ];
        for other in others {
            assert!(!button.is_for(&sealing, &gateway, &other), "{other:?}");
        }
        assert!(!button.is_for(&Sealing::new(b"other"), &gateway, &proposal(3)));
        assert!(!button.is_for(&sealing, &GatewayId("work".into()), &proposal(3)));
        assert!(!Button { approve: false, ..button }.is_for(&sealing, &gateway, &proposal(3)));
        assert!(!Button { nonce: Nonce::fresh().unwrap(), ..button }.is_for(&sealing, &gateway, &proposal(3)));
        // How it stands is not part of what was shown.
        assert!(button.is_for(&sealing, &gateway, &Proposal { stand: Stand::Used, ..proposal(3) }));
    }

    #[test]
    fn any_altered_character_makes_it_another_button_or_none() {
        let (sealing, gateway) = (Sealing::new(b"key"), GatewayId("default".into()));
        let data = Button::data(&sealing, &gateway, &proposal(0x1a), Nonce::fresh().unwrap(), false).unwrap();
        for at in 0..data.len() {
            for new in ['0', 'y', 'A', '-', '~'] {
                let mut altered = data.clone();
                altered.replace_range(at..=at, &new.to_string());
                let fits = Button::parse(&altered).is_some_and(|button| {
                    // A button for another number is looked up under that number.
                    button.proposal == ProposalId(0x1a) && button.is_for(&sealing, &gateway, &proposal(0x1a))
                });
                assert_eq!(fits, altered == data, "{altered}");
            }
        }
    }

    #[test]
    fn nonsense_is_no_button() {
        for data in ["", "1", "1y", "2y", "1z", "按钮", &"1y".repeat(40), &format!("1y{}+1", "A".repeat(44))] {
            assert_eq!(Button::parse(data), None, "{data}");
        }
        let zeros = "A".repeat(44);
        for id in ["", "01", "+1", "1A", "10000000000000000"] {
            assert_eq!(Button::parse(&format!("1y{zeros}{id}")), None, "{id}");
        }
        assert!(Button::parse(&format!("1y{zeros}1a")).is_some());
    }
}
