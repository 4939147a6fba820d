//! Whether a tap on a button counts, wherever it was tapped, and what becomes of it.
//!
//! Invariant: the journal is kept before a decision is given on. So what dies in between is not done, rather than done twice.
//! Who tapped has been proven by the caller. Start at [`judge`].

use super::wards::{Asking, Done};
use crate::bot::Sealing;
use crate::bot::button::Button;
use crate::bot::journal::Journal;
use crate::bot::words::Tapped;
use crate::host::clock;
use clawmend_core::approval::{Decision, Proposal};
use clawmend_core::gateway::GatewayId;
use std::path::PathBuf;

/// The journal of a chat, in memory and on the disk.
pub struct Ledger {
    /// The folder of the journal.
    pub folder: PathBuf,
    /// The keys.
    pub sealing: Sealing,
    /// What was seen.
    pub journal: Journal,
    /// The journal knows something that is not on the disk.
    pub unkept: bool,
}

impl Ledger {
    /// Brings it to the disk, where that is needed.
    ///
    /// # Errors
    /// It could not be kept: nothing of what it says may be acted upon.
    pub async fn keep(&mut self) -> Result<(), String> {
        if !self.unkept {
            return Ok(());
        }
        let (folder, sealing, journal) = (self.folder.clone(), self.sealing.clone(), self.journal.clone());
        let kept = tokio::task::spawn_blocking(move || journal.save(&folder, &sealing)).await;
        kept.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        self.unkept = false;
        Ok(())
    }
}

/// Who tapped.
pub struct Tapper {
    /// For the log.
    pub user: String,
    /// For the records of what was decided.
    pub by: String,
}

/// What a tap came to.
pub struct Judged {
    /// In one word.
    pub tapped: Tapped,
    /// What it was about, where that is known.
    pub about: Option<(GatewayId, Proposal)>,
}

/// Judges a tap, and gives the decision on. Each that does not count is in the log.
///
/// # Errors
/// The journal could not be kept, so nothing was done.
pub async fn judge(asking: &Asking<'_>, ledger: &mut Ledger, who: &Tapper, data: &str) -> Result<Judged, String> {
    let refused = |why: &str, tapped: Tapped| {
        tracing::warn!(user = %who.user, "a tap that does not count: {why}");
        tapped
    };
    let nothing = |tapped| Judged { tapped, about: None };
    let Some(button) = Button::parse(data) else {
        ledger.keep().await?;
        return Ok(nothing(refused("altered", Tapped::Unknown)));
    };
    if ledger.journal.is_used(button.nonce) {
        ledger.keep().await?;
        return Ok(nothing(refused("used before", Tapped::Used)));
    }
    let fitting = |(gateway, proposal): &(GatewayId, Proposal)| {
        proposal.id == button.proposal && button.is_for(&ledger.sealing, gateway, proposal)
    };
    let Some((gateway, proposal)) = asking.proposals().await.into_iter().find(fitting) else {
        ledger.keep().await?;
        return Ok(nothing(refused("altered, or for nothing that is known any more", Tapped::Unknown)));
    };
    let now = clock::now();
    let tapped = if !proposal.is_open(now.mono) {
        ledger.keep().await?;
        refused("decided before, or expired", Tapped::Over)
    } else if !ledger.journal.use_up(button.nonce, proposal.until_wall, now.wall) {
        refused("there is no room to note it", Tapped::NotKept)
    } else {
        ledger.unkept = true;
        ledger.keep().await?;
        let decision = Decision { proposal: proposal.id, approve: button.approve, by: who.by.clone() };
        match asking.decide(&gateway, decision).await {
            Done::Yes if button.approve => Tapped::Approved,
            Done::Yes => Tapped::Denied,
            Done::No(why) => refused(&why, Tapped::Over),
            Done::NoAnswer => refused("the guard did not answer", Tapped::NoAnswer),
        }
    };
    Ok(Judged { tapped, about: Some((gateway, proposal)) })
}
