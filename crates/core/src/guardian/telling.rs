//! What a person is told of an open incident, and when.
//!
//! Invariants: the same thing once per incident, at most [`Guardian::TOLD_MAX`] different ones; nobody waits for ever in
//! silence. At once where only a person can help, else after the policy's limit.

use super::Guardian;
use crate::diagnosis::Cause;
use crate::directive::{Action, Output};
use crate::gateway::{Control, Form};
use crate::health::Verdict;
use crate::health::life::Life;
use crate::incident::What;
use crate::observation::ChannelState;
use crate::plan::Refusal;
use crate::time::{Moment, Now};

impl Guardian {
    /// How long a person waits for the doctor's word on a refusal.
    const DOCTORS_WORD_MS: u64 = 3_000;

    /// Says something to a person, once.
    pub(super) fn tell(&mut self, now: Now, text: String, out: &mut Vec<Output>) {
        if self.told.contains(&text) || self.told.len() >= Self::TOLD_MAX {
            return;
        }
        self.told.push(text.clone());
        if let Some(incident) = &mut self.memory.incident {
            incident.escalated = true;
        }
        self.record(now, What::Escalated { reason: text }, out);
        out.push(Output::Changed);
    }

    /// A restore of its config is the next step, or under way, or has just been done.
    fn restore_is_due(&self, refusal: &Refusal) -> bool {
        let under_way = self.outstanding.as_ref().map(|outstanding| &outstanding.action);
        let possible = self.profile.form != Form::Foreign
            && self.profile.control == Control::Full
            && !self.memory.standing.hands_off()
            && !self.memory.unit_stopped;
        (possible && self.memory.restored.may_help(refusal))
            || matches!(under_way, Some(Action::RestoreConfig { .. }))
            || (self.memory.restored.unverified && self.memory.restored.tried.contains(&refusal.config))
    }

    /// A refusal is told together with the doctor's word, if that comes in a moment. Until when it is waited for.
    fn explained_by(&self, now: Now) -> Option<Moment> {
        let refusal = self.memory.refusal.as_ref()?;
        let until = refusal.at.plus(Self::DOCTORS_WORD_MS);
        (!self.examination.has_answered() && now.mono < until).then_some(until)
    }

    /// Nobody waits for ever in silence.
    pub(super) fn escalate(&mut self, now: Now, out: &mut Vec<Output>) {
        let explained_by = self.explained_by(now);
        if let Some(at) = explained_by {
            self.wake_at(at);
        }
        if let Some(refusal) = &self.memory.refusal
            && matches!(self.life, Life::Absent(_))
            && !self.restore_is_due(refusal)
            && explained_by.is_none()
        {
            let what = if refusal.detail.is_empty() { "it gave no reason that we understand" } else { &refusal.detail };
            let then = match self.profile.form {
                Form::Foreign => "nothing here would start it again",
                Form::Child | Form::Systemd | Form::Launchd | Form::ScheduledTask => {
                    "it is started again as soon as that changes"
                }
            };
            let text = format!("it refuses to start: {what}; {then}");
            self.tell(now, text, out);
        }
        for text in [self.serving_trouble(), self.doctors_advice()].into_iter().flatten() {
            self.tell(now, text, out);
        }
        let Some(incident) = &self.memory.incident else { return };
        if incident.escalated {
            return;
        }
        let at = incident.opened.plus(self.policy.escalate_after_ms);
        if now.mono < at {
            return self.wake_at(at);
        }
        let minutes = now.mono.since(incident.opened) / 60_000;
        self.tell(now, format!("it has not been well for {minutes} min"), out);
    }

    /// What is wrong with a gateway that serves, where only a person can end it.
    fn serving_trouble(&self) -> Option<String> {
        self.memory.incident.as_ref()?;
        match (self.belief.verdict, &self.belief.cause) {
            (Verdict::Degraded, Some(Cause::ConfigInvalid { detail })) => Some(format!(
                "its config on disk is broken: {detail}; it goes on with the one it has read, and the next start would \
                 fail. `clawmend config check` shows the place, `clawmend config restore` brings the proven one back"
            )),
            (Verdict::Degraded, Some(Cause::DiskNearlyFull))
                if self.logs_again.is_some() && self.outstanding.is_none() =>
            {
                Some("its disk has no room, and old logs are all that may be deleted here: free some space".to_owned())
            }
            (Verdict::Degraded, Some(Cause::ChannelDeaf { .. })) => self.stubborn_channel(),
            _ => None,
        }
    }

    /// A channel that stays deaf although it was started again.
    fn stubborn_channel(&self) -> Option<String> {
        let Life::Alive(life) = &self.life else { return None };
        let stubborn = |channel: &&ChannelState| {
            channel.given_up() && self.channels.times(&channel.channel, &channel.account) >= 2
        };
        let channel = life.channels.iter().find(stubborn)?;
        let why = channel.error.as_deref().unwrap_or("it gives no reason");
        let (name, account) = (&channel.channel, &channel.account);
        Some(format!("{name}/{account} stays deaf: {why}; it is started again, ever more slowly, until it is accepted"))
    }
}
