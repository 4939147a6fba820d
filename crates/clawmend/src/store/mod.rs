//! SQLite: events, incidents, standing wishes, what the guard must remember.
//!
//! Invariants: what was acknowledged survives the guard's death at any instant; wishes and intents also survive a
//! power failure. No call on [`Store`] waits for the disk: one thread owns the database behind a bounded queue, and
//! whoever needs the acknowledgement awaits its [`Receipt`]. A full disk or a damaged file never stops the guard:
//! see [`StoreHealth`]. Only [`Store::open_daemon`] migrates; commands use [`Reader`].
//!
//! Start at [`Store`]; the thread is in [`writer`](self::writer), the tables in `schema`.

mod backlog;
mod copy;
mod files;
mod open;
mod outbox;
mod read;
mod reader;
mod record;
mod retention;
mod rows;
mod schema;
pub mod wishes;
mod writer;

pub use open::NAME;
pub use outbox::{Change, Delivery, Fate, Kept, Left, Logged};
pub use read::{BadCursor, Cursor, Filter, MAX_PAGE, Page};
pub use reader::{ReadError, Reader, known_gateways, standing};
pub use record::IncidentRecord;
pub use retention::Limits;
pub use schema::SCHEMA;
pub use wishes::WaitingWish;

use clawmend_core::directive::{Directive, DirectiveId, IncidentId};
use clawmend_core::gateway::{Control, GatewayId};
use clawmend_core::incident::IncidentEvent;
use clawmend_core::time::Wall;
use clawmend_core::wish::Standing;
use rows::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use tokio::sync::{oneshot, watch};
use writer::{Job, Writer};

/// Jobs that wait for the thread at most.
const QUEUE: usize = 256;

/// Whether the records are kept as they should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StoreHealth {
    /// All is well.
    #[default]
    Ok,
    /// The old database was damaged. It lies beside the fresh one.
    Damaged {
        /// Where.
        moved_to: PathBuf,
    },
    /// The database belongs to a newer program. It was left as it is, a fresh one is used beside it.
    Newer {
        /// Its schema.
        found: u32,
        /// Where it is.
        left_at: PathBuf,
    },
    /// No room: events are held in memory until there is some.
    DiskFull {
        /// Events that wait.
        held: usize,
        /// Events that were dropped because too many waited.
        dropped: u64,
    },
    /// The database cannot be written for another reason; it is tried again.
    Unwritable {
        /// Why.
        reason: String,
        /// Events that wait.
        held: usize,
        /// Events that were dropped because too many waited.
        dropped: u64,
    },
}

/// A write was not done. The guard goes on in every case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Retry: the queue is full. Nothing was kept.
    #[error("the store is busy")]
    Busy,
    /// Retry by itself: no room on the disk.
    #[error("the disk is full")]
    Full {
        /// Held in memory and written when there is room. An intent never is: do not act on it.
        kept: bool,
    },
    /// Retry by itself: the database cannot be written.
    #[error("the records cannot be written: {reason}")]
    Unwritable {
        /// Why.
        reason: String,
        /// As in `Full`.
        kept: bool,
    },
    /// A query failed.
    #[error("the records cannot be read: {0}")]
    Unreadable(String),
    /// The store's thread has ended.
    #[error("the store is closed")]
    Gone,
}

/// A gateway that is guarded, for the commands to know of while no guard runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introduction {
    /// Its name.
    pub gateway: GatewayId,
    /// `OPENCLAW_STATE_DIR`.
    pub state_dir: String,
    /// Where it listens.
    pub url: Option<String>,
    /// What the guard may do.
    pub control: Control,
    /// When this was so.
    pub at: Wall,
}

/// What a guard that comes back needs to know of a gateway.
#[derive(Debug, Default)]
pub struct Loaded {
    /// What a person said and is still in force; holds over the copy inside `memory`.
    pub standing: Option<Standing>,
    /// What a person said while no guard ran, oldest first. Observe these, await their `remember`, then call
    /// [`Store::wishes_taken`].
    pub waiting: Vec<WaitingWish>,
    /// What [`Store::persist`] was last given.
    pub memory: Option<String>,
    /// The second copy of that. It may be the newer one, when the database could not be written.
    pub memory_copy: Option<String>,
    /// Actions on record whose end is not, oldest first.
    pub intents: Vec<(Wall, Directive)>,
    /// What could not be read, for the log.
    pub notes: Vec<String>,
}

/// The coming acknowledgement of a write. Dropping it is fine; the write happens anyway.
#[derive(Debug)]
#[must_use = "await it where something depends on the write, else drop it in so many words"]
pub struct Receipt(Result<oneshot::Receiver<Result<(), StoreError>>, StoreError>);

impl Receipt {
    /// Waits until the write is durable or has failed.
    ///
    /// # Errors
    /// Why it is not written.
    pub async fn durable(self) -> Result<(), StoreError> {
        self.0?.await.unwrap_or(Err(StoreError::Gone))
    }

    /// The same, for a thread that may block.
    ///
    /// # Errors
    /// Why it is not written.
    pub fn durable_blocking(self) -> Result<(), StoreError> {
        self.0?.blocking_recv().unwrap_or(Err(StoreError::Gone))
    }
}

/// The daemon's handle. Cheap to clone; the thread ends with the last one.
#[derive(Clone, Debug)]
pub struct Store {
    jobs: SyncSender<Job>,
    health: watch::Receiver<StoreHealth>,
    state: PathBuf,
}

impl Store {
    /// Starts the thread, which opens, migrates or replaces the database. A database that cannot be opened is no
    /// error but a state of health: the guard guards all the same.
    ///
    /// # Errors
    /// The system gives us no thread.
    pub fn open_daemon(state: &Path) -> std::io::Result<Self> {
        Self::open_with(state, Limits::default())
    }

    /// [`Self::open_daemon`] with other limits.
    ///
    /// # Errors
    /// The system gives us no thread.
    pub fn open_with(state: &Path, limits: Limits) -> std::io::Result<Self> {
        let (jobs, queue) = sync_channel(QUEUE);
        let (teller, health) = watch::channel(StoreHealth::Ok);
        let folder = state.to_owned();
        std::thread::Builder::new()
            .name("store".to_owned())
            .stack_size(512 << 10)
            .spawn(move || Writer::open(folder, limits, teller).run(&queue))?;
        Ok(Self { jobs, health, state: state.to_owned() })
    }

    /// Opens for reading, beside a daemon or without one.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn open_reader(state: &Path) -> Result<Reader, ReadError> {
        Reader::open(state)
    }

    /// Adds events to the records of their incidents, in order.
    pub fn append(&self, gateway: &GatewayId, events: Vec<IncidentEvent>) -> Receipt {
        self.write(Write::Events { gateway: gateway.clone(), events })
    }

    /// Keeps what a person said. Await it before any directive that follows from it.
    pub fn remember(&self, gateway: &GatewayId, standing: &Standing) -> Receipt {
        let mirror = wishes::Mirror { revision: 0, standing: standing.clone() };
        self.write(Write::Standing { gateway: gateway.clone(), mirror })
    }

    /// Keeps the state machine's memory (JSON), in the database and in a small file beside it. It is acknowledged when
    /// either has it.
    pub fn persist(&self, gateway: &GatewayId, memory: String) -> Receipt {
        self.write(Write::Memory { gateway: gateway.clone(), json: memory })
    }

    /// Puts an action on record before it happens. Await it, and act only on `Ok`.
    pub fn intent(&self, gateway: &GatewayId, directive: &Directive, at: Wall) -> Receipt {
        self.write(Write::Intent { gateway: gateway.clone(), directive: Box::new(directive.clone()), at })
    }

    /// An intended action has ended.
    pub fn settled(&self, gateway: &GatewayId, directive: DirectiveId) -> Receipt {
        self.write(Write::Settled { gateway: gateway.clone(), directive })
    }

    /// Notes a gateway for commands that run without a guard.
    pub fn introduce(&self, introduction: Introduction) -> Receipt {
        self.write(Write::Introduction(introduction))
    }

    /// What is known of a gateway from earlier guards.
    ///
    /// # Errors
    /// [`StoreError::Busy`] or [`StoreError::Gone`]; what cannot be read is in [`Loaded::notes`].
    pub async fn load(&self, gateway: &GatewayId) -> Result<Loaded, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Load(gateway.clone(), reply))?;
        answer.await.map_err(|_| StoreError::Gone)
    }

    /// The wishes of [`Loaded::waiting`] are now among the remembered ones.
    ///
    /// # Errors
    /// They could not be removed, so the next guard will take them over again.
    pub fn wishes_taken(&self, gateway: &GatewayId) -> std::io::Result<()> {
        wishes::remove_waiting(&self.state, gateway)
    }

    /// A page of incidents, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn incidents(&self, filter: Filter, limit: u32, after: Option<Cursor>) -> Result<Page, StoreError> {
        self.query(move |c| read::incidents(c, &filter, limit, after.as_ref())).await
    }

    /// The incidents of this name, one per gateway that has it, with all their events.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn incident(
        &self,
        gateway: Option<GatewayId>,
        id: IncidentId,
    ) -> Result<Vec<(IncidentRecord, Vec<IncidentEvent>)>, StoreError> {
        self.query(move |c| read::incident(c, gateway.as_ref(), id)).await
    }

    /// The last incident of a gateway that ended well.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn last_recovery(&self, gateway: &GatewayId) -> Result<Option<IncidentRecord>, StoreError> {
        let gateway = gateway.clone();
        self.query(move |c| read::last_recovery(c, &gateway)).await
    }

    /// Keeps what people are told, or what became of it.
    pub fn outbox(&self, change: Change) -> Receipt {
        self.write(Write::Outbox(Box::new(change)))
    }

    /// What an earlier guard knew and left to be delivered.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn left_in_outbox(&self) -> Result<Left, StoreError> {
        self.query(outbox::left).await
    }

    /// What the first delivered letter about this subject got at this place; empty when there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn first_receipt(&self, subject: String, place: String) -> Result<String, StoreError> {
        self.query(move |c| outbox::first_receipt(c, &subject, &place)).await
    }

    /// The incidents of a gateway after this one, the oldest first, with all their events; at most [`MAX_PAGE`], the
    /// newest.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn incidents_after(
        &self,
        gateway: &GatewayId,
        over: IncidentId,
    ) -> Result<Vec<(IncidentRecord, Vec<IncidentEvent>)>, StoreError> {
        let gateway = gateway.clone();
        self.query(move |c| read::incidents_after(c, &gateway, over)).await
    }

    /// Whether records are kept as they should be; `changed()` wakes when that changes.
    #[must_use]
    pub fn health(&self) -> watch::Receiver<StoreHealth> {
        self.health.clone()
    }

    /// Writes what waits and ends the thread.
    pub async fn close(&self) {
        let (reply, closed) = oneshot::channel();
        if self.send(Job::Close(reply)).is_ok() {
            let _ = closed.await;
        }
    }

    async fn query<T: Send + 'static>(
        &self,
        question: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Read(Box::new(move |connection| {
            let result = connection.and_then(|c| question(c).map_err(|e| StoreError::Unreadable(e.to_string())));
            let _ = reply.send(result);
        })))?;
        answer.await.unwrap_or(Err(StoreError::Gone))
    }

    fn write(&self, write: Write) -> Receipt {
        let (ack, receipt) = oneshot::channel();
        Receipt(self.send(Job::Write(write, ack)).map(|()| receipt))
    }

    fn send(&self, job: Job) -> Result<(), StoreError> {
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => StoreError::Gone,
        })
    }
}
