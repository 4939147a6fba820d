//! The thread that owns the database.
//!
//! Invariant: a write is acknowledged with `Ok` only after its transaction is committed, and jobs take effect in
//! the order of the queue. Whatever is wrong with the disk or the file, the thread goes on and says so in
//! [`StoreHealth`].

use super::backlog::Backlog;
use super::open::{self, Opened};
use super::retention::{self, Limits};
use super::rows::{self, Write};
use super::wishes::Mirror;
use super::{Loaded, StoreError, StoreHealth, copy, read, wishes};
use clawmend_core::gateway::GatewayId;
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};

/// Jobs that one transaction takes up at most.
const BATCH: usize = 128;
/// How often a full or unwritable disk is tried again while something waits.
const RETRY: Duration = Duration::from_secs(5);

/// Where an acknowledgement goes; nobody has to wait for it.
pub(super) type Ack = oneshot::Sender<Result<(), StoreError>>;

/// Something read on the writer's connection.
pub(super) type Query = Box<dyn FnOnce(Result<&Connection, StoreError>) + Send>;

/// A job in the queue.
pub(super) enum Job {
    Write(Write, Ack),
    Read(Query),
    Load(GatewayId, oneshot::Sender<Loaded>),
    Close(oneshot::Sender<()>),
}

pub(super) struct Writer {
    state: PathBuf,
    limits: Limits,
    database: Option<Opened>,
    trouble: Option<Trouble>,
    backlog: Backlog,
    health: watch::Sender<StoreHealth>,
    next_try: Instant,
    revisions: BTreeMap<GatewayId, u64>,
}

/// Why nothing can be written now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    Full,
    Other(String),
}

impl From<&rusqlite::Error> for Trouble {
    fn from(error: &rusqlite::Error) -> Self {
        if open::is_full(error) { Self::Full } else { Self::Other(error.to_string()) }
    }
}

impl Writer {
    pub fn open(state: PathBuf, limits: Limits, health: watch::Sender<StoreHealth>) -> Self {
        let mut writer = Self {
            state,
            limits,
            database: None,
            trouble: None,
            backlog: Backlog::default(),
            health,
            next_try: Instant::now(),
            revisions: BTreeMap::new(),
        };
        writer.reopen();
        writer.tidy();
        writer.tell();
        writer
    }

    /// Works until it is closed or nobody can send any more. Costs nothing while there is nothing to do.
    pub fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            let first = if self.backlog.is_empty() {
                jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                jobs.recv_timeout(RETRY)
            };
            match first {
                Ok(first) => {
                    if let Some(closed) = self.take_up(first, jobs) {
                        drop(self);
                        let _ = closed.send(());
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.drain_backlog(),
                Err(RecvTimeoutError::Disconnected) => return self.drain_backlog(),
            }
        }
    }

    fn take_up(&mut self, first: Job, jobs: &Receiver<Job>) -> Option<oneshot::Sender<()>> {
        let mut batch = Vec::new();
        let mut next = Some(first);
        while let Some(job) = next {
            match job {
                Job::Write(write, ack) => batch.push((write, ack)),
                Job::Read(query) => {
                    self.write(std::mem::take(&mut batch));
                    self.read(query);
                }
                Job::Load(gateway, reply) => {
                    self.write(std::mem::take(&mut batch));
                    let _ = reply.send(self.load(&gateway));
                }
                Job::Close(reply) => {
                    self.write(batch);
                    self.drain_backlog();
                    return Some(reply);
                }
            }
            next = if batch.len() < BATCH { jobs.try_recv().ok() } else { None };
        }
        self.write(batch);
        None
    }

    fn write(&mut self, batch: Vec<(Write, Ack)>) {
        if batch.is_empty() {
            return;
        }
        self.drain_backlog();
        if self.backlog.is_empty() {
            self.write_now(batch);
        } else {
            // What waits comes first; only what must be durable before somebody acts is tried on its own.
            let (urgent, rest): (Vec<_>, Vec<_>) = batch.into_iter().partition(|(write, _)| write.must_be_synced());
            let trouble = self.trouble.clone().unwrap_or(Trouble::Full);
            for (mut write, ack) in rest {
                let mirrored = self.mirror(&mut write);
                let error = self.refuse(write, &trouble);
                let _ = ack.send(if mirrored { Ok(()) } else { Err(error) });
            }
            self.write_now(urgent);
        }
        self.tell();
    }

    fn write_now(&mut self, batch: Vec<(Write, Ack)>) {
        let (mut writes, acks): (Vec<Write>, Vec<Ack>) = batch.into_iter().unzip();
        if writes.is_empty() {
            return;
        }
        let mirrored: Vec<bool> = writes.iter_mut().map(|write| self.mirror(write)).collect();
        let result = self.commit(&writes);
        for ((write, ack), mirrored) in writes.into_iter().zip(acks).zip(mirrored) {
            let answer = match &result {
                Ok(()) => Ok(()),
                Err(trouble) => {
                    let error = self.refuse(write, trouble);
                    if mirrored { Ok(()) } else { Err(error) }
                }
            };
            let _ = ack.send(answer);
        }
    }

    /// Writes the second copy of a wish, which is numbered here, or of the guard's memory. What has two copies is kept
    /// when either of them is.
    fn mirror(&mut self, write: &mut Write) -> bool {
        match write {
            Write::Standing { gateway, mirror } => {
                let last = match self.revisions.get(gateway) {
                    Some(last) => *last,
                    None => self.best_mirror(gateway, &mut Vec::new()).map_or(0, |mirror| mirror.revision),
                };
                mirror.revision = last + 1;
                self.revisions.insert(gateway.clone(), mirror.revision);
                wishes::write_mirror(&self.state, gateway, mirror).is_ok()
            }
            Write::Memory { gateway, json } => copy::write(&self.state, gateway, json).is_ok(),
            Write::Events { .. }
            | Write::Intent { .. }
            | Write::Settled { .. }
            | Write::Introduction(_)
            | Write::Outbox(_) => false,
        }
    }

    fn refuse(&mut self, write: Write, trouble: &Trouble) -> StoreError {
        let kept = !matches!(write, Write::Intent { .. } | Write::Settled { .. });
        self.backlog.keep(write);
        match trouble {
            Trouble::Full => StoreError::Full { kept },
            Trouble::Other(reason) => StoreError::Unwritable { reason: reason.clone(), kept },
        }
    }

    /// Commits; on damage once more, into the fresh database.
    fn commit(&mut self, writes: &[Write]) -> Result<(), Trouble> {
        for _ in 0..2 {
            if self.database.is_none() {
                self.reopen();
            }
            let Some(database) = &mut self.database else { break };
            match rows::commit(&mut database.connection, writes) {
                Ok(closed) => {
                    self.trouble = None;
                    if closed {
                        self.tidy();
                    }
                    return Ok(());
                }
                Err(error) => {
                    self.trouble = Some(Trouble::from(&error));
                    if !open::is_damage(&error) {
                        break;
                    }
                    // `for_daemon` finds the damage again and sets the file aside.
                    self.database = None;
                    self.next_try = Instant::now();
                }
            }
        }
        Err(self.trouble.clone().unwrap_or_else(|| Trouble::Other("the database cannot be opened".to_owned())))
    }

    fn reopen(&mut self) {
        let now = Instant::now();
        if now < self.next_try {
            return;
        }
        self.next_try = now + RETRY;
        match open::for_daemon(&self.state) {
            Ok(opened) => (self.database, self.trouble) = (Some(opened), None),
            Err(error) => self.trouble = Some(Trouble::from(&error)),
        }
    }

    fn drain_backlog(&mut self) {
        while !self.backlog.is_empty() && self.commit(&self.backlog.next_part()).is_ok() {
            self.backlog.written();
        }
        self.tell();
    }

    fn tidy(&mut self) {
        // Nothing depends on it; the next closed incident tries again.
        if let Some(database) = &self.database
            && let Err(error) = retention::tidy(&database.connection, self.limits)
        {
            tracing::debug!(target: "clawmend::store", %error, "old incidents could not be removed");
        }
    }

    fn read(&mut self, query: Query) {
        self.drain_backlog();
        match (&self.database, &self.trouble) {
            (Some(database), _) => query(Ok(&database.connection)),
            (None, Some(Trouble::Full)) => query(Err(StoreError::Full { kept: false })),
            (None, Some(Trouble::Other(reason))) => {
                query(Err(StoreError::Unwritable { reason: reason.clone(), kept: false }));
            }
            (None, None) => query(Err(StoreError::Gone)),
        }
    }

    /// The newest of a wish's copies.
    fn best_mirror(&self, gateway: &GatewayId, notes: &mut Vec<String>) -> Option<Mirror> {
        let held = self.backlog.standing(gateway).cloned();
        let file = wishes::mirror(&self.state, gateway).unwrap_or_else(|error| {
            notes.push(format!("the second copy of the wishes: {error}"));
            None
        });
        let row = self.database.as_ref().and_then(|database| {
            read::standing(&database.connection, gateway).unwrap_or_else(|error| {
                notes.push(format!("the wishes: {error}"));
                None
            })
        });
        [held, file, row].into_iter().flatten().max_by_key(|mirror| mirror.revision)
    }

    fn load(&mut self, gateway: &GatewayId) -> Loaded {
        let mut notes = Vec::new();
        let standing = self.best_mirror(gateway, &mut notes).map(|mirror| mirror.standing);
        let mut noted = |what: &str, error: &dyn std::fmt::Display| notes.push(format!("{what}: {error}"));
        let waiting = wishes::waiting(&self.state, gateway).unwrap_or_else(|error| {
            noted("wishes that waited for a guard", &error);
            Vec::new()
        });
        let memory_copy = copy::read(&self.state, gateway).unwrap_or_else(|error| {
            noted("the second copy of the guard's memory", &error);
            None
        });
        let mut memory = self.backlog.memory(gateway).cloned();
        let mut intents = Vec::new();
        if let Some(database) = &self.database {
            match read::memory(&database.connection, gateway) {
                Ok(row) => memory = memory.or(row),
                Err(error) => noted("the guard's memory", &error),
            }
            match read::intents(&database.connection, gateway) {
                Ok(rows) => intents = rows,
                Err(error) => noted("intended actions", &error),
            }
        }
        Loaded { standing, waiting, memory, memory_copy, intents, notes }
    }

    fn tell(&self) {
        let (held, dropped) = self.backlog.figures();
        let now = match &self.trouble {
            Some(Trouble::Full) => StoreHealth::DiskFull { held, dropped },
            Some(Trouble::Other(reason)) => StoreHealth::Unwritable { reason: reason.clone(), held, dropped },
            None => self.database.as_ref().map_or(StoreHealth::Ok, |database| database.health.clone()),
        };
        self.health.send_if_modified(|known| {
            let changed = *known != now;
            if changed {
                *known = now;
            }
            changed
        });
    }
}
