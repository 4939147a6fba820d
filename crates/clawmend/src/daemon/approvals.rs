//! Decisions of people on their way to the state machine.
//!
//! Invariant: nothing becomes a decision before the passphrase and the code of that very message were proven; whoever
//! tries is on record in the log, the passphrase never is.

use super::news::News;
use super::ward::Ward;
use crate::api::request::{Answer, Passphrase};
use crate::api::server::Reply;
use crate::approval::code::is_same;
use crate::approval::{Door, Kept, code_of};
use crate::host::peer::Peer;
use clawmend_core::approval::{Decision, Proposal, ProposalId, Stand};
use clawmend_core::observation::Evidence;
use clawmend_core::time::Now;
use std::rc::Rc;
use tokio::sync::oneshot;

thread_local! {
    /// One door for all gateways of this guard: its loops share a thread.
    static DOOR: Rc<Door> = Rc::default();
}

/// What a person asks for.
pub struct Asked {
    /// Which proposal.
    pub proposal: ProposalId,
    /// Do it.
    pub approve: bool,
    /// From the message.
    pub code: String,
    /// Theirs.
    pub passphrase: Passphrase,
    /// Who calls.
    pub peer: Peer,
}

/// Proves that they may, beside the loop.
pub fn decide(ward: &Ward, now: Now, asked: Asked, reply: oneshot::Sender<Reply>) {
    let known = ward.guardian.memory().proposals.iter().find(|known| known.id == asked.proposal).cloned();
    let proposal = match known {
        Some(proposal) if proposal.is_open(now.mono) => proposal,
        Some(_) => {
            return say(reply, Answer::Failed { why: "that was decided before, or its time is over".to_owned() });
        }
        None => {
            let known = ward.guardian.memory().proposals.iter().filter(|one| one.is_open(now.mono));
            let known = known.map(|one| one.id.0.to_string()).collect();
            return say(reply, Answer::NotFound { what: format!("proposal {}", asked.proposal.0), known });
        }
    };
    let door = DOOR.with(Rc::clone);
    if !door.is_open() {
        tracing::warn!(proposal = proposal.id.0, "too many wrong passphrases");
        return say(reply, Answer::Refused { why: "too many wrong tries; wait ten minutes".to_owned() });
    }
    let (state, gateway) = (ward.voice.state_dir().to_owned(), ward.home.id.clone());
    let news = ward.news.clone();
    tokio::task::spawn_local(async move {
        let (approve, peer) = (asked.approve, asked.peer.pid);
        let id = proposal.id;
        let proven = tokio::task::spawn_blocking(move || {
            let kept = Kept::load(&state).map_err(|error| error.to_string())?;
            let kept = kept.ok_or("no passphrase is set; `clawmend pair` sets one, in a shell of your own")?;
            Ok::<bool, String>(fits(&kept, &gateway, &proposal, &asked))
        })
        .await;
        match proven {
            Ok(Ok(true)) => {
                let by = peer.map_or_else(|| "passphrase".to_owned(), |pid| format!("passphrase, from process {pid}"));
                let _ = news.send(News::Decision(Decision { proposal: id, approve, by }, reply)).await;
            }
            Ok(Ok(false)) => {
                door.note_wrong();
                tracing::warn!(proposal = id.0, ?peer, "a wrong code or passphrase");
                say(reply, Answer::Refused { why: "the code or the passphrase is wrong".to_owned() });
            }
            Ok(Err(why)) => say(reply, Answer::Failed { why }),
            Err(error) => say(reply, Answer::Failed { why: error.to_string() }),
        }
    });
}

/// Both are looked at whatever the first says, so that the answer tells nothing of either.
fn fits(kept: &Kept, gateway: &clawmend_core::gateway::GatewayId, proposal: &Proposal, asked: &Asked) -> bool {
    let code = is_same(&code_of(kept.key(), gateway, proposal), &asked.code);
    let passphrase = kept.is(&asked.passphrase.0);
    code & passphrase
}

/// It is proven: the state machine has the last word.
pub fn apply(ward: &mut Ward, now: Now, decision: Decision, reply: oneshot::Sender<Reply>) {
    let (id, approve) = (decision.proposal, decision.approve);
    ward.observe(now, &Evidence::Decision(decision));
    let stand = ward.guardian.memory().proposals.iter().find(|known| known.id == id).map(|known| known.stand);
    let answer = match (stand, approve) {
        (Some(Stand::Approved | Stand::Used), true) => {
            Answer::Done { message: format!("{}: approved; it is being done", ward.home.id.0) }
        }
        (Some(Stand::Denied), false) => {
            Answer::Done { message: format!("{}: denied; nothing is done", ward.home.id.0) }
        }
        _ => Answer::Failed {
            why: "it does not fit any more: decided before, lapsed, or the process is gone".to_owned(),
        },
    };
    say(reply, answer);
}

fn say(reply: oneshot::Sender<Reply>, answer: Answer) {
    let _ = reply.send(answer.into());
}
