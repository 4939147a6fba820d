//! One connection to the bus, from the first message to the last.
//!
//! Invariant: everything comes in over one stream and is handled in its order; nothing is awaited except the next
//! message, order or deadline, so a slow reader or an unanswered call never blocks the signals. At rest there is one
//! timer, for the question whether the manager still answers ([`asking`]). Start with [`run`]; messages are taken in [`incoming`](Session::incoming).

mod asking;
mod incoming;
mod outbox;

use super::super::{Call, Look, ServiceEvent};
use super::actions;
use super::bus::{self, DBUS, MANAGER, PROPERTIES, SERVICE, SYSTEMD, SYSTEMD_PATH, UNIT};
use super::jobs::{Jobs, Phase};
use super::properties::{Properties, Settling, StartUp};
use super::{Order, Watch};
use asking::Question;
use clawmend_core::directive::ActionResult;
use futures_core::Stream as _;
use outbox::Outbox;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use zbus::{Connection, Message, MessageStream};

/// State, job and main process must stay the same for this long before a look counts as settled.
const SETTLING: Duration = Duration::from_millis(100);
/// Until the bus and the manager have answered everything that a look needs.
const SET_UP_LIMIT: Duration = Duration::from_secs(5);
/// Until an unanswered call of ours no longer holds back what came after it.
const CALL_LIMIT: Duration = Duration::from_secs(4);
/// Until a job of ours that has been accepted counts as done, although it still runs (a drain).
const JOB_LIMIT: Duration = Duration::from_secs(1);
/// Until a job whose owner or type stays unknown no longer holds back what came after it.
const HOLD_LIMIT: Duration = Duration::from_secs(5);

/// How a connection ended.
#[derive(Debug)]
pub enum End {
    /// Nobody watches any more.
    Unwatched,
    /// The bus or the manager went away, or was never there (`answered: false`).
    Lost { reason: String, answered: bool },
}

/// What a message that we sent asks for.
#[derive(Debug)]
enum Asked {
    Nothing,
    Owner,
    Version,
    Began,
    Finished,
    FileState,
    All,
    JobType(String),
    Phase,
    Action { call: Call, answer: oneshot::Sender<ActionResult>, invocation: u64 },
    Permission,
    Alive,
}

/// An accepted job of ours whose end is awaited.
#[derive(Debug)]
struct Awaited {
    path: String,
    call: Call,
    invocation: u64,
    answer: oneshot::Sender<ActionResult>,
    until: Instant,
}

#[derive(Debug)]
struct Session<'watch> {
    watch: &'watch Watch,
    connection: Connection,
    path: String,
    owner: Option<String>,
    asked: BTreeMap<u32, Asked>,
    /// Answers that a first look still needs.
    missing: u32,
    set_up_until: Option<Instant>,
    /// A call of ours that may make a job is unanswered.
    own_call_until: Option<Instant>,
    awaited: Vec<Awaited>,
    version: String,
    start_up: StartUp,
    /// The manager is shutting down.
    stopping: bool,
    properties: Properties,
    /// Unloaded: read again once the unit is used again. Reading it at once would load and unload it for ever.
    stale: bool,
    jobs: Jobs,
    outbox: Outbox,
    /// The last look that was told, and the job that was installed then: a signal that changes neither is no news.
    told: Option<(Look, Option<String>)>,
    settling: Settling,
    settled_at: Option<Instant>,
    /// `None` until the first look is there.
    question: Option<Question>,
    lost: Option<String>,
}

/// Connects, and works until the connection ends or nobody watches.
pub(super) async fn run(watch: &Watch, orders: &mut mpsc::Receiver<Order>, events: &mpsc::Sender<ServiceEvent>) -> End {
    let connected = tokio::time::timeout(SET_UP_LIMIT, bus::connect(&watch.manager)).await;
    let connection = match connected {
        Ok(Ok(connection)) => connection,
        Ok(Err(reason)) => return End::Lost { reason, answered: false },
        Err(_) => return End::Lost { reason: "the bus did not answer".into(), answered: false },
    };
    let mut stream = MessageStream::from(&connection);
    let mut session = Session::new(watch, connection);
    if let Err(error) = session.set_up().await {
        return End::Lost { reason: error.to_string(), answered: false };
    }
    session.work(&mut stream, orders, events).await
}

impl<'watch> Session<'watch> {
    fn new(watch: &'watch Watch, connection: Connection) -> Self {
        Self {
            watch,
            connection,
            path: bus::unit_path(watch.name.as_str()),
            owner: None,
            asked: BTreeMap::new(),
            missing: 0,
            set_up_until: Some(Instant::now() + SET_UP_LIMIT),
            own_call_until: None,
            awaited: Vec::new(),
            version: String::new(),
            start_up: StartUp::default(),
            stopping: false,
            properties: Properties::default(),
            stale: false,
            jobs: Jobs::default(),
            outbox: Outbox::default(),
            told: None,
            settling: Settling::default(),
            settled_at: None,
            question: None,
            lost: None,
        }
    }

    /// Asks for the signals first and for the state after, so that no change falls between.
    async fn set_up(&mut self) -> zbus::Result<()> {
        let watch = self.watch;
        let path = self.path.clone();
        for rule in bus::match_rules(watch.name.as_str(), &path) {
            let message = bus::call(DBUS, "/org/freedesktop/DBus", DBUS, "AddMatch", &(rule,))?;
            self.send(message, Asked::Nothing).await?;
        }
        let owner = bus::call(DBUS, "/org/freedesktop/DBus", DBUS, "GetNameOwner", &(SYSTEMD,))?;
        self.send(owner, Asked::Owner).await?;
        let subscribe = bus::call(SYSTEMD, SYSTEMD_PATH, MANAGER, "Subscribe", &())?;
        self.send(subscribe, Asked::Nothing).await?;
        self.get("Version", Asked::Version).await?;
        self.get("UserspaceTimestampMonotonic", Asked::Began).await?;
        self.get("FinishTimestampMonotonic", Asked::Finished).await?;
        self.read_unit().await?;
        self.missing = 7;
        self.ask_permission().await
    }

    async fn send(&mut self, message: Message, asked: Asked) -> zbus::Result<()> {
        let serial = message.primary_header().serial_num().get();
        self.asked.insert(serial, asked);
        self.connection.send(&message).await
    }

    async fn get(&mut self, property: &str, asked: Asked) -> zbus::Result<()> {
        let message = bus::call(SYSTEMD, SYSTEMD_PATH, PROPERTIES, "Get", &(MANAGER, property))?;
        self.send(message, asked).await
    }

    /// Reads everything that we keep of the unit: three answers.
    async fn read_unit(&mut self) -> zbus::Result<()> {
        for interface in [UNIT, SERVICE] {
            let message = bus::call(SYSTEMD, self.path.as_str(), PROPERTIES, "GetAll", &(interface,))?;
            self.send(message, Asked::All).await?;
        }
        self.read_file_state().await
    }

    /// `UnitFileState` as a property is a remembered one; the method looks.
    async fn read_file_state(&mut self) -> zbus::Result<()> {
        let name = self.watch.name.as_str();
        let message = bus::call(SYSTEMD, SYSTEMD_PATH, MANAGER, "GetUnitFileState", &(name,))?;
        self.send(message, Asked::FileState).await
    }

    async fn work(
        mut self,
        stream: &mut MessageStream,
        orders: &mut mpsc::Receiver<Order>,
        events: &mpsc::Sender<ServiceEvent>,
    ) -> End {
        loop {
            if let Some(reason) = self.lost.take() {
                return End::Lost { reason, answered: self.set_up_until.is_none() };
            }
            let ready = self.outbox.settle(&self.jobs);
            let deadline = self.next_deadline();
            let step = tokio::select! {
                biased;
                message = next(stream) => match message {
                    Some(Ok(message)) => self.incoming(&message).await,
                    Some(Err(error)) => Err(error),
                    None => { self.lost = Some("the connection to the bus was closed".into()); Ok(()) }
                },
                order = orders.recv(), if self.own_call_until.is_none() && self.set_up_until.is_none() => match order {
                    Some(order) => self.order(order).await,
                    None => return End::Unwatched,
                },
                permit = events.reserve(), if ready => match permit {
                    Ok(permit) => { if let Some(event) = self.outbox.pop() { permit.send(event); } Ok(()) }
                    Err(_) => return End::Unwatched,
                },
                () = events.closed() => return End::Unwatched,
                () = until(deadline) => self.overdue().await,
            };
            if let Err(error) = step {
                self.lost = Some(format!("the connection to the bus failed: {error}"));
            }
        }
    }

    async fn order(&mut self, order: Order) -> zbus::Result<()> {
        if order.answer.is_closed() {
            // The caller gave up while we were connecting: a late call could go against what was decided since.
            return Ok(());
        }
        if let Some(reason) = actions::misses(order.call, &self.properties) {
            let _ = order.answer.send(actions::moot(reason));
            return Ok(());
        }
        let message = match actions::message(order.call, self.watch.name.as_str()) {
            Ok(message) => message,
            Err(error) => {
                let _ = order.answer.send(actions::retry(format!("the call could not be built: {error}")));
                return Ok(());
            }
        };
        if actions::makes_job(order.call) {
            self.own_call_until = Some(Instant::now() + CALL_LIMIT);
        }
        let asked = Asked::Action { call: order.call, answer: order.answer, invocation: self.properties.invocation };
        self.send(message, asked).await
    }

    fn next_deadline(&self) -> Option<Instant> {
        [self.set_up_until, self.own_call_until, self.settled_at, self.outbox.held_until()]
            .into_iter()
            .flatten()
            .chain(self.awaited.iter().map(|awaited| awaited.until))
            .chain(self.question.map(Question::due))
            .min()
    }

    /// Does what is due by the clock.
    async fn overdue(&mut self) -> zbus::Result<()> {
        let now = Instant::now();
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if due(self.set_up_until) {
            self.lost = Some("systemd did not answer in time".into());
        }
        if due(self.own_call_until) {
            self.own_call_until = None;
            self.jobs.own_call_ended();
        }
        if due(self.settled_at) {
            self.settled_at = None;
            self.look();
        }
        if let Some(path) = self.outbox.overdue(now) {
            self.jobs.force(&path, &self.properties, self.phase());
        }
        while let Some(at) = self.awaited.iter().position(|awaited| awaited.until <= now) {
            let _ = self.awaited.swap_remove(at).answer.send(ActionResult::Done);
        }
        self.ask_again(now).await
    }

    const fn phase(&self) -> Phase {
        match (self.stopping, self.start_up.finished_us) {
            (true, _) => Phase::Stopping,
            (false, 0) => Phase::StartingUp,
            (false, _) => Phase::Running,
        }
    }
}

async fn next(stream: &mut MessageStream) -> Option<zbus::Result<Message>> {
    std::future::poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
