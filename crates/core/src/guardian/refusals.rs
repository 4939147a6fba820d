//! Why it refused to start, and what may have changed since.
//!
//! Invariant: what the guard sees itself comes before the gateway's words, and only a change that can concern the
//! refusal invites another start before its time.

use super::Guardian;
use crate::diagnosis::RefusalReason;
use crate::directive::Output;
use crate::gateway::Form;
use crate::health::life::Life;
use crate::health::reasons::Reason;
use crate::incident::What;
use crate::observation::{
    ConfigDoubt, ConfigSeen, ConfigValidity, DiskSeen, Exit, Listener, LockHolder, LogSign, Surroundings,
};
use crate::plan::Refusal;
use crate::time::Now;

/// Who sits on its port, in words.
pub(super) fn port_owner(listener: &Listener) -> Option<String> {
    match listener {
        Listener::Foreign { port, pid: Some(pid), name } => Some(format!("port {port} is taken by {name} (pid {pid})")),
        Listener::Foreign { port, pid: None, name } => Some(format!("port {port} is taken by {name}")),
        Listener::Own { .. } | Listener::Absent | Listener::Unknown => None,
    }
}

/// Who has the home, in words.
fn rival(holder: &LockHolder) -> String {
    format!("another gateway of this home runs as pid {}", holder.pid)
}

impl Guardian {
    pub(super) fn refuse(&mut self, now: Now, reason: RefusalReason, detail: String) {
        let present = self.around.config.as_ref();
        let fingerprint = present.map_or(0, |config| config.fingerprint);
        let changed = self.config_at_start != 0 && self.config_at_start != fingerprint;
        let readable = present.is_some_and(|config| config.validity == ConfigValidity::Valid);
        // A broken config that is there now may have come before the start and been seen after it; it would be refused
        // in any case.
        let broken =
            |seen: &ConfigSeen| matches!(seen.validity, ConfigValidity::Invalid { .. } | ConfigValidity::Missing);
        let config = if changed && !present.is_some_and(broken) { self.config_at_start } else { fingerprint };
        // What it refused over may have changed while it was still refusing.
        let invited = (changed && readable) || std::mem::take(&mut self.changed_since_start);
        self.memory.refusal = Some(Refusal { reason, detail, at: now.mono, config, invited });
    }

    pub(super) fn config_doubted(&mut self, doubt: &ConfigDoubt) {
        self.doubt = Some(doubt.clone());
        self.quiet = false;
    }

    /// The present config is doubted. One with which the present life began is not: it was accepted.
    pub(super) fn doubted(&self) -> Option<Reason> {
        let doubt = self.present_doubt()?;
        matches!(self.life, Life::Alive(_)).then(|| Reason::ConfigInvalid(doubt.detail.clone()))
    }

    fn present_doubt(&self) -> Option<&ConfigDoubt> {
        let present = self.around.config.as_ref().filter(|seen| seen.validity == ConfigValidity::Valid)?;
        let changed = present.fingerprint != self.config_at_start;
        self.doubt.as_ref().filter(|doubt| changed && doubt.fingerprint == present.fingerprint)
    }

    /// Before a start of ours, where the config has changed since the last one. What is found is said, and the gateway
    /// still decides: its refusal is proof, our reading of its config is not.
    pub(super) fn check_config_before_start(&self, now: Now, out: &mut Vec<Output>) {
        let Some(seen) = self.around.config.as_ref().filter(|seen| seen.fingerprint != self.config_at_start) else {
            return;
        };
        let found = match &seen.validity {
            ConfigValidity::Invalid { line, message, .. } if *line > 0 => format!("line {line}: {message}"),
            ConfigValidity::Invalid { message, .. } => message.clone(),
            ConfigValidity::Missing => "it is missing".to_owned(),
            ConfigValidity::Valid => match self.present_doubt() {
                Some(doubt) => doubt.detail.clone(),
                None => return,
            },
            ConfigValidity::Unreadable { .. } => return,
        };
        let text = format!("its config has changed since the last start, and would not start it: {found}");
        self.record(now, What::Evidence { text }, out);
    }

    /// It refused to start: by its exit code, or by its words.
    pub(super) fn refusal_of(&self, exit: Exit) -> Option<(RefusalReason, String)> {
        let words = self.last_refused.clone();
        if exit.is_refusal() {
            return Some(words.unwrap_or((RefusalReason::Unexplained, String::new())));
        }
        // What served has started: such words before its end with 1 tell of a crash (a part of its package went away
        // under it), which a start may cure.
        if matches!(&self.life, Life::Absent(absent) if absent.served) {
            return None;
        }
        // On a taken port it gives up with 1 after 10–27 s, on a wrong Node, a package that lacks a part or the lease of
        // another gateway with 1 at once (2026.9.6).
        match (exit, words) {
            (
                Exit::Code { code: 1 },
                Some((reason @ (RefusalReason::Port | RefusalReason::Runtime | RefusalReason::Duplicate), detail)),
            ) => Some((reason, detail)),
            // Nobody tells how a gateway ended that was started by hand: its own words are all there is.
            (Exit::Unknown, Some(words)) if self.profile.form == Form::Foreign => Some(words),
            _ => None,
        }
    }

    /// The gateway's words mislead (a truncated config is called a missing `gateway.mode`, a full disk a state
    /// migration, 2026.9.6): what we see ourselves comes first.
    pub(super) fn own_look(&self, reason: RefusalReason, detail: String) -> (RefusalReason, String) {
        if let Some(ConfigSeen { validity, .. }) = &self.around.config {
            match validity {
                ConfigValidity::Invalid { line, column, message } if *line > 0 => {
                    return (RefusalReason::Config, format!("openclaw.json line {line}, column {column}: {message}"));
                }
                ConfigValidity::Invalid { message, .. } => return (RefusalReason::Config, message.clone()),
                ConfigValidity::Missing => return (RefusalReason::Config, "openclaw.json is missing".to_owned()),
                ConfigValidity::Valid | ConfigValidity::Unreadable { .. } => {}
            }
        }
        if self.around.disk.is_some_and(|disk| !disk.writable || disk.free_bytes < 1 << 20) {
            return (RefusalReason::Disk, "the disk is full or cannot be written".to_owned());
        }
        if let Some(holder) = self.lock_holder.as_ref().filter(|holder| holder.same_home) {
            return (RefusalReason::Duplicate, rival(holder));
        }
        if reason == RefusalReason::Port {
            // It calls every owner of its port "another gateway instance".
            let text = self.port_owner.clone().unwrap_or_else(|| format!("its port is taken: {detail}"));
            return (reason, text);
        }
        (reason, detail)
    }

    pub(super) fn log_sign(&mut self, now: Now, sign: &LogSign) {
        let LogSign::Refused { text, reason } = sign else { return };
        if self.profile.form == Form::Foreign && matches!(self.life, Life::Absent(_)) && self.memory.refusal.is_none() {
            let (reason, detail) = self.own_look(*reason, text.clone());
            self.quiet = false;
            return self.refuse(now, reason, detail);
        }
        match &mut self.memory.refusal {
            // The line may reach us after the exit.
            Some(refusal) if refusal.reason == RefusalReason::Unexplained => {
                refusal.reason = *reason;
                refusal.detail.clone_from(text);
                self.quiet = false;
            }
            _ => self.last_refused = Some((*reason, text.clone())),
        }
    }

    /// A guard that came later cannot know whether the config was mended meanwhile: one try tells.
    pub(super) fn invite_if_readable(&mut self) {
        let readable = self.around.config.as_ref().is_some_and(|config| config.validity == ConfigValidity::Valid);
        if let Some(refusal) = &mut self.memory.refusal {
            refusal.invited = refusal.invited || readable;
        }
    }

    pub(super) fn config_seen(&mut self, seen: &ConfigSeen) {
        if let Some(refusal) = &mut self.memory.refusal
            && seen.fingerprint != refusal.config
            && matches!(seen.validity, ConfigValidity::Valid | ConfigValidity::Unreadable { .. })
        {
            refusal.invited = true;
        }
        self.around.synthetic.reopen();
        self.around.config = Some(seen.clone());
        self.look_again_at_refusal(seen);
        self.quiet = false;
    }

    /// It was broken right before the refusal, and is seen only now; or it is broken in another way: either way this is
    /// the config that would be refused.
    fn look_again_at_refusal(&mut self, seen: &ConfigSeen) {
        let over_it =
            |refusal: &&Refusal| refusal.reason == RefusalReason::Config && refusal.config != seen.fingerprint;
        let Some(refusal) = self.memory.refusal.as_ref().filter(over_it) else { return };
        if matches!(seen.validity, ConfigValidity::Invalid { .. } | ConfigValidity::Missing) {
            let (_, detail) = self.own_look(refusal.reason, refusal.detail.clone());
            if let Some(refusal) = &mut self.memory.refusal {
                refusal.config = seen.fingerprint;
                refusal.detail = detail;
                refusal.invited = false;
            }
        }
    }

    pub(super) fn disk_seen(&mut self, seen: DiskSeen) {
        let full = |disk: &DiskSeen| !disk.writable || disk.free_bytes < 1 << 20;
        let was_full = self.around.disk.as_ref().is_some_and(full);
        let roomy = seen.writable && seen.free_bytes >= self.policy.disk_low_bytes;
        if let Some(refusal) = &mut self.memory.refusal {
            if refusal.reason == RefusalReason::Unexplained && full(&seen) {
                // A guard that came later learns why.
                refusal.reason = RefusalReason::Disk;
                "the disk is full or cannot be written".clone_into(&mut refusal.detail);
            }
            if roomy && (was_full || refusal.reason == RefusalReason::Disk) {
                refusal.invited = true;
            }
        }
        self.around.disk = Some(seen);
        self.quiet = false;
    }

    /// The gateway holds the lock of its home itself while it starts; only another holder is in its way.
    pub(super) fn lock_held(&mut self, holder: &LockHolder) {
        let own = match &self.life {
            Life::Alive(life) => Some(life.incarnation.pid),
            Life::Absent(absent) => absent.incarnation.as_ref().map(|life| life.pid),
            Life::Unknown => None,
        };
        self.lock_holder = Some(holder.clone()).filter(|holder| own != Some(holder.pid));
        self.explain_by_rival();
    }

    /// It is seen only after the refusal that it explains: the gateway's own words tell people to end it (2026.9.6).
    fn explain_by_rival(&mut self) {
        let Some(holder) = self.lock_holder.as_ref().filter(|holder| holder.same_home) else { return };
        if let Some(refusal) = &mut self.memory.refusal
            && matches!(refusal.reason, RefusalReason::Duplicate | RefusalReason::Unexplained)
        {
            refusal.reason = RefusalReason::Duplicate;
            refusal.detail = rival(holder);
            self.quiet = false;
        }
    }

    pub(super) fn surroundings(&mut self, change: Surroundings) {
        // Its own lock goes with it; that changes nothing for the next start.
        if change == Surroundings::LockFreed && self.lock_holder.take().is_none() {
            return;
        }
        if change == Surroundings::PortFreed {
            let over_it =
                |refusal: &Refusal| matches!(refusal.reason, RefusalReason::Port | RefusalReason::Unexplained);
            if !self.memory.refusal.as_ref().is_some_and(over_it) {
                return;
            }
        }
        self.changed_since_start = true;
        if let Some(refusal) = &mut self.memory.refusal {
            refusal.invited = true;
            self.setback.clear();
        }
        self.quiet = false;
    }
}
