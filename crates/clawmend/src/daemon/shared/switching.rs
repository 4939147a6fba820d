//! The switches of a node's channels, one change after the other.
//!
//! Invariants: what was begun before an end was ordered changes nothing after it, even where it waited for the disk in
//! between; nobody waits for a disk that hangs (a network that is gone), one thread at most is lost to it, and what it
//! switches on too late is switched off again. Start at [`Switching::abandon`].

use crate::failover::switches::{Plan, Switches};
use crate::host::clock;
use clawmend_core::time::Moment;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// A change takes milliseconds. A node that waits for one renews its lease meanwhile, and serves nobody.
const PATIENCE: Duration = Duration::from_secs(10);

/// The switches, for one who may be told to stop.
#[derive(Clone, Debug)]
pub struct Switching {
    switches: Switches,
    /// One at a time. One that hangs keeps it.
    busy: Arc<Mutex<()>>,
    patience: Duration,
    /// Counts ends that were ordered.
    ends: Arc<AtomicU64>,
    /// How many there were when this one began.
    began: u64,
}

impl Switching {
    /// Of these switches.
    #[must_use]
    pub fn new(switches: Switches) -> Self {
        Self { switches, busy: Arc::default(), patience: PATIENCE, ends: Arc::default(), began: 0 }
    }

    /// Nobody who began before this changes anything after it. Whoever says it goes on, with all clones from now on.
    pub fn abandon(&mut self) {
        self.began = self.ends.fetch_add(1, Ordering::SeqCst) + 1;
    }

    /// All channels off in the config's file, and read back.
    ///
    /// # Errors
    /// In words for people; some may be on.
    pub async fn off(&self) -> Result<(), String> {
        self.alone(|switches| {
            switches.off()?;
            // Also where nothing had to be done.
            switches.are_off()
        })
        .await
    }

    /// Those on again that were switched off here, in the config's file, if it is not `not_after` by then.
    ///
    /// # Errors
    /// In words for people; some may be off.
    pub async fn on(&self, not_after: Moment) -> Result<(), String> {
        let (ends, began) = (Arc::clone(&self.ends), self.began);
        let wanted = move || {
            in_time(not_after)?;
            if ends.load(Ordering::SeqCst) == began { Ok(()) } else { Err("it is not wanted any more".to_owned()) }
        };
        self.alone(move |switches| on_while(switches, wanted)).await
    }

    /// What must be changed so that they are on again, if it is not `not_after` by then.
    ///
    /// # Errors
    /// In words for people.
    pub async fn plan_on(&self, not_after: Moment) -> Result<Option<Plan>, String> {
        self.alone(move |switches| {
            in_time(not_after)?;
            switches.plan_on()
        })
        .await
    }

    /// What must be changed so that all are off; it is remembered.
    ///
    /// # Errors
    /// In words for people.
    pub async fn plan_off(&self) -> Result<Option<Plan>, String> {
        self.alone(Switches::plan_off).await
    }

    /// Whether any is on.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn any_on(&self) -> Result<bool, String> {
        self.alone(Switches::any_on).await
    }

    async fn alone<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Switches) -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        let this = self.clone();
        let done = async move {
            let alone = Arc::clone(&this.busy).lock_owned().await;
            let done = tokio::task::spawn_blocking(move || {
                let _alone = alone;
                if this.ends.load(Ordering::SeqCst) != this.began {
                    return Err("it is not wanted any more".to_owned());
                }
                work(&this.switches)
            });
            done.await.unwrap_or_else(|error| Err(error.to_string()))
        };
        let hangs = || format!("the folder of the gateway's config has not answered for {} s", self.patience.as_secs());
        timeout(self.patience, done).await.unwrap_or_else(|_| Err(hangs()))
    }
}

/// A disk that hung may do it long after it was asked, when nobody waits for it and for its off any more.
fn on_while(switches: &Switches, wanted: impl Fn() -> Result<(), String>) -> Result<(), String> {
    wanted()?;
    switches.on()?;
    wanted().or_else(|why| switches.off().and(Err(why)))
}

fn in_time(not_after: Moment) -> Result<(), String> {
    if clock::now().mono < not_after { Ok(()) } else { Err("it is too late to switch anything on".to_owned()) }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::openclaw::discovery::Home;
    use clawmend_core::gateway::GatewayId;
    use std::path::Path;

    pub fn home(folder: &Path) -> Home {
        Home {
            id: GatewayId("default".to_owned()),
            profile: None,
            user_home: folder.to_owned(),
            state_dir: folder.to_owned(),
            config_path: folder.join("openclaw.json"),
            port: None,
        }
    }

    pub fn switched(folder: &Path, on: bool) {
        let text =
            format!("{{\"meta\": {{}}, \"channels\": {{\"telegram\": {{\"botToken\": \"1:x\", \"enabled\": {on}}}}}}}");
        std::fs::write(folder.join("openclaw.json"), text).unwrap();
    }

    pub fn switching(folder: &Path) -> Switching {
        Switching::new(Switches::new(home(folder), crate::daemon::own_uid(), folder))
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_was_begun_before_an_end_or_comes_too_late_switches_nothing_on() {
        let folder = tempfile::tempdir().unwrap();
        switched(folder.path(), true);
        let mut switching = switching(folder.path());
        let before = switching.clone();
        switching.off().await.unwrap();
        switching.abandon();
        assert!(before.on(Moment(u64::MAX)).await.is_err());
        assert!(switching.on(Moment(0)).await.is_err());
        assert!(before.plan_on(Moment(u64::MAX)).await.is_err() && switching.plan_on(Moment(0)).await.is_err());
        assert!(!switching.any_on().await.unwrap());
        switching.on(Moment(u64::MAX)).await.unwrap();
        assert!(switching.any_on().await.unwrap());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_a_disk_switches_on_too_late_is_switched_off_again() {
        let folder = tempfile::tempdir().unwrap();
        switched(folder.path(), true);
        let switching = switching(folder.path());
        switching.off().await.unwrap();
        let asked = std::cell::Cell::new(0);
        let wanted = || {
            asked.set(asked.get() + 1);
            if asked.get() == 1 { Ok(()) } else { Err("late".to_owned()) }
        };
        assert_eq!(on_while(&switching.switches, wanted), Err("late".to_owned()));
        assert!(!switching.any_on().await.unwrap());
        switching.on(Moment(u64::MAX)).await.unwrap();
        assert!(switching.any_on().await.unwrap(), "what was switched off here is known all the same");
    }

    /// One that hangs is waited for by nobody, and when it is over all is as before.
    #[tokio::test(flavor = "current_thread")]
    async fn a_disk_that_hangs_is_an_error_and_takes_one_thread() {
        let folder = tempfile::tempdir().unwrap();
        switched(folder.path(), true);
        let switching = Switching { patience: Duration::from_millis(50), ..switching(folder.path()) };
        let (answers, disk) = std::sync::mpsc::channel::<()>();
        let hung = switching.alone(move |_| Ok(disk.recv().is_ok())).await;
        assert!(hung.unwrap_err().contains("has not answered"));
        assert!(switching.off().await.is_err(), "it waits for its turn, and not for ever");
        assert!(switching.busy.try_lock().is_err(), "no second thread is begun");
        answers.send(()).unwrap();
        drop(switching.busy.lock().await);
        let patient = Switching { patience: PATIENCE, ..switching };
        assert!(patient.any_on().await.unwrap(), "what was given up has changed nothing");
        patient.off().await.unwrap();
    }
}
