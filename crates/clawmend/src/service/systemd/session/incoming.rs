//! Messages from the bus: signals of the manager, and answers to what we asked.
//!
//! Invariant: a signal counts only when the manager's own connection sent it.

use super::super::super::ServiceEvent;
use super::super::actions;
use super::super::bus::{self, JOB, MANAGER, PROPERTIES, SYSTEMD};
use super::super::jobs::Before;
use super::super::properties::Told;
use super::super::rights;
use super::asking::Question;
use super::{Asked, Awaited, JOB_LIMIT, SETTLING, Session};
use clawmend_core::directive::ActionResult;
use tokio::time::Instant;
use zbus::message::Type;
use zbus::{Message, OwnedObjectPath, OwnedVariant, Variant};

impl Session<'_> {
    pub(super) async fn incoming(&mut self, message: &Message) -> zbus::Result<()> {
        let header = message.header();
        match message.message_type() {
            Type::Signal => {
                let member = header.member().map(ToString::to_string).unwrap_or_default();
                let interface = header.interface().map(ToString::to_string).unwrap_or_default();
                if member == "NameOwnerChanged" && header.sender().is_some_and(|sender| sender.as_str() == bus::DBUS) {
                    self.owner_changed(message);
                    return Ok(());
                }
                if header.sender().map(|sender| sender.as_str()) != self.owner.as_deref() {
                    return Ok(());
                }
                match (interface.as_str(), member.as_str()) {
                    (PROPERTIES, "PropertiesChanged") => self.properties_changed(message).await,
                    (MANAGER, _) => self.manager_signal(&member, message).await,
                    _ => Ok(()),
                }
            }
            Type::MethodReturn => {
                let Some(asked) = self.take_asked(message) else { return Ok(()) };
                self.answered(asked, message).await
            }
            Type::Error => {
                let Some(asked) = self.take_asked(message) else { return Ok(()) };
                let error = header.error_name().map(ToString::to_string).unwrap_or_default();
                self.refused(asked, &error);
                Ok(())
            }
            Type::MethodCall => Ok(()),
        }
    }

    fn take_asked(&mut self, message: &Message) -> Option<Asked> {
        let serial = message.header().reply_serial()?;
        self.asked.remove(&serial.get())
    }

    fn owner_changed(&mut self, message: &Message) {
        let Ok((name, _, new)) = message.body().deserialize::<(String, String, String)>() else { return };
        if name == SYSTEMD && self.owner.as_ref().is_some_and(|owner| *owner != new) {
            self.lost = Some("systemd has left the bus".into());
        }
    }

    async fn properties_changed(&mut self, message: &Message) -> zbus::Result<()> {
        let Ok((_, told, _)) = message.body().deserialize::<(String, Told, Vec<String>)>() else { return Ok(()) };
        let before = Before::of(&self.properties);
        self.properties.merge(&told);
        if self.set_up_until.is_some() {
            return Ok(());
        }
        if self.stale {
            self.stale = false;
            self.read_unit().await?;
        }
        match self.properties.job.clone() {
            Some(job) => self.job_announced(&job, before).await?,
            None => self.jobs.none_installed(),
        }
        self.look();
        Ok(())
    }

    async fn manager_signal(&mut self, member: &str, message: &Message) -> zbus::Result<()> {
        let body = message.body();
        match member {
            "JobNew" => {
                let Ok((_, path, unit)) = body.deserialize::<(u32, OwnedObjectPath, String)>() else { return Ok(()) };
                if unit == self.watch.name.as_str() {
                    let before = Before::of(&self.properties);
                    self.job_announced(path.as_str(), before).await?;
                }
            }
            "JobRemoved" => {
                let told = body.deserialize::<(u32, OwnedObjectPath, String, String)>();
                let Ok((_, path, unit, result)) = told else { return Ok(()) };
                if unit == self.watch.name.as_str() {
                    self.job_removed(path.as_str(), &result);
                }
            }
            "UnitRemoved" => {
                self.stale = true;
                self.properties.unloaded();
                self.look();
            }
            "Reloading" if matches!(body.deserialize::<bool>(), Ok(false)) && !self.stale => self.read_unit().await?,
            "UnitFilesChanged" => self.read_file_state().await?,
            "StartupFinished" => self.get("FinishTimestampMonotonic", Asked::Finished).await?,
            _ => {}
        }
        Ok(())
    }

    async fn job_announced(&mut self, path: &str, before: Before) -> zbus::Result<()> {
        if !self.jobs.announced(path, before, self.own_call_until.is_some()) {
            return Ok(());
        }
        self.outbox.job(path.to_owned());
        // Asked first, so that it is known when the type is.
        self.get("SystemState", Asked::Phase).await?;
        let message = bus::call(SYSTEMD, path, PROPERTIES, "Get", &(JOB, "JobType"))?;
        self.send(message, Asked::JobType(path.to_owned())).await
    }

    fn job_removed(&mut self, path: &str, result: &str) {
        self.jobs.removed(path, result, &self.properties);
        while let Some(at) = self.awaited.iter().position(|awaited| awaited.path == path) {
            let Awaited { call, invocation, answer, .. } = self.awaited.swap_remove(at);
            let new_life = self.properties.invocation != invocation;
            let _ = answer.send(actions::finished(call, result, new_life));
        }
    }

    async fn answered(&mut self, asked: Asked, message: &Message) -> zbus::Result<()> {
        let body = message.body();
        match asked {
            Asked::Nothing => {}
            Asked::Owner => {
                self.owner = body.deserialize::<String>().ok();
                self.set_up_step();
            }
            Asked::Version => {
                if let Ok(value) = body.deserialize::<OwnedVariant>()
                    && let Variant::Str(text) = &*value
                {
                    self.version = text.as_str().chars().filter(|char| !char.is_control()).take(64).collect();
                }
                self.set_up_step();
            }
            Asked::Began => {
                self.start_up.began_us = number(message);
                self.set_up_step();
            }
            Asked::Finished => {
                self.start_up.finished_us = number(message);
                self.set_up_step();
            }
            Asked::FileState => {
                self.enabled_is(body.deserialize::<String>().is_ok_and(|state| state == "enabled"));
            }
            Asked::All => {
                let before = Before::of(&self.properties);
                if let Ok(told) = body.deserialize::<Told>() {
                    self.properties.merge(&told);
                }
                self.set_up_step();
                if self.set_up_until.is_none()
                    && let Some(job) = self.properties.job.clone()
                {
                    self.job_announced(&job, before).await?;
                }
            }
            Asked::JobType(path) => {
                let value = body.deserialize::<OwnedVariant>();
                let kind = match value.as_deref() {
                    Ok(Variant::Str(text)) => text.as_str(),
                    _ => "",
                };
                self.jobs.typed(&path, kind, &self.properties, self.phase());
            }
            Asked::Phase => {
                let value = body.deserialize::<OwnedVariant>();
                self.stopping = matches!(value.as_deref(), Ok(Variant::Str(state)) if state.as_str() == "stopping");
            }
            Asked::Permission => {
                self.may_act(true);
            }
            Asked::Alive => self.question = Some(Question::later()),
            Asked::Action { call, answer, invocation } => {
                self.may_act(true);
                let job = actions::makes_job(call).then(|| body.deserialize::<OwnedObjectPath>().ok()).flatten();
                if let Some(job) = &job {
                    self.jobs.is_ours(job.as_str());
                }
                self.own_call_ended(actions::makes_job(call));
                match job {
                    Some(job) if actions::awaits_job(call) => self.awaited.push(Awaited {
                        path: job.as_str().to_owned(),
                        call,
                        invocation,
                        answer,
                        until: Instant::now() + JOB_LIMIT,
                    }),
                    _ => drop(answer.send(ActionResult::Done)),
                }
            }
        }
        Ok(())
    }

    fn refused(&mut self, asked: Asked, error: &str) {
        match asked {
            Asked::Nothing | Asked::Owner | Asked::All | Asked::Version | Asked::Began | Asked::Finished => {
                if self.set_up_until.is_some() {
                    self.lost = Some(format!("systemd is not on this bus, or refuses to tell: {error}"));
                }
            }
            // A unit without a file.
            Asked::FileState => self.enabled_is(false),
            Asked::JobType(path) => {
                self.jobs.untyped(&path, &self.properties, self.phase());
            }
            Asked::Phase => {}
            Asked::Permission if rights::denies(error) => self.may_act(false),
            // It could not be asked; it is again later.
            Asked::Permission => {}
            Asked::Alive => self.question = Some(Question::later()),
            Asked::Action { call, answer, .. } => {
                self.own_call_ended(actions::makes_job(call));
                let result = actions::refused(call, error, self.watch);
                if rights::denies(error) {
                    self.may_act(false);
                }
                drop(answer.send(result));
            }
        }
    }

    fn own_call_ended(&mut self, made_job: bool) {
        if made_job {
            self.own_call_until = None;
            self.jobs.own_call_ended();
        }
    }

    fn enabled_is(&mut self, enabled: bool) {
        self.properties.enabled = enabled;
        self.set_up_step();
    }

    /// One more answer for the first look is there; after the set-up, one that may have changed something.
    fn set_up_step(&mut self) {
        if self.set_up_until.is_none() {
            self.look();
            return;
        }
        self.missing = self.missing.saturating_sub(1);
        if self.missing == 0 {
            self.set_up_until = None;
            self.question = Some(Question::later());
            self.jobs.credit(self.properties.restarts);
            self.outbox.event(ServiceEvent::Connected { version: std::mem::take(&mut self.version) });
            self.look();
        }
    }

    /// Tells how the unit looks now, and again once it has stayed so for the settling time.
    pub(super) fn look(&mut self) {
        let settling = self.properties.settling();
        if settling != self.settling {
            self.settling = settling;
            self.settled_at = Some(Instant::now() + SETTLING);
        }
        let look = self.properties.look(self.settled_at.is_none(), self.start_up);
        let told = (look, self.properties.job.clone());
        if self.told.as_ref() != Some(&told) {
            self.outbox.look(told.0.clone(), told.1.clone());
            self.told = Some(told);
        }
    }
}

fn number(message: &Message) -> u64 {
    match message.body().deserialize::<OwnedVariant>().as_deref() {
        Ok(Variant::U64(value)) => *value,
        _ => 0,
    }
}
