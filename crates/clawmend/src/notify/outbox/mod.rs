//! The outbox: from events to letters that have arrived.
//!
//! It runs beside the wards and reads their events. The core decides (`alert::desk`, `alert::router`); here letters are
//! written, kept, sent and settled.
//!
//! Invariants: a letter is on the disk before it is sent, as long as there is a disk; where an attempt is under way is on
//! record before it begins; a place that hangs holds up nobody else; at rest nothing here wakes up. Start at [`run`].

mod attempt;
mod recall;
mod sending;
mod wording;

use super::Letter;
use super::content::Story;
use super::file::Heartbeat;
use super::http::Http;
use super::places::{Found, Premises};
use super::scribe::{Order, Scribe};
use crate::bot::Access;
use crate::cards;
use crate::host::alarm::Alarm;
use crate::host::clock;
use crate::settings::Settings;
use crate::store::{Change, Kept, Store};
use attempt::Done;
use clawmend_core::alert::Level;
use clawmend_core::alert::desk::{Clock, Desk};
use clawmend_core::alert::notice::{Notice, is_question};
use clawmend_core::alert::policy::Minute;
use clawmend_core::alert::router::Router;
use clawmend_core::gateway::GatewayId;
use clawmend_core::incident::{IncidentEvent, What};
use clawmend_core::time::{Moment, Now};
use futures_util::FutureExt as _;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};
use wording::{gateway_of, loudness, together};

/// Events that wait at most; what finds no room is read from the record later.
const QUEUE: usize = 1_024;
/// Between two looks at where letters go.
const LOOK_EVERY_MS: u64 = 10_000;
/// Notices that wait while it cannot be read where letters go.
const NOTICES_HELD: usize = 200;
/// After a fault of ours.
const BREATH: Duration = Duration::from_secs(5);
/// Letters of which all is held in memory; of the others only what a digest names.
const WHOLE_LETTERS: usize = 200;

/// Words on a pair that wait at most; what finds no room is said again by the next guard.
const WORDS: usize = 32;

/// Words on a pair, until what the desk makes of them is handed to the store.
type Words = Rc<RefCell<Vec<Notice>>>;

/// How the wards reach the outbox.
#[derive(Clone, Debug)]
pub struct Inbox {
    events: mpsc::Sender<(GatewayId, IncidentEvent)>,
    missed: Rc<Cell<bool>>,
    look: Rc<Notify>,
    words: Words,
}

impl Inbox {
    /// Where letters go may have changed.
    pub fn look(&self) {
        self.look.notify_one();
    }

    /// Hands over a word on a pair. Never waits. Said again, it is told once.
    pub fn word(&self, notice: &Notice) {
        let mut words = self.words.borrow_mut();
        if words.len() < WORDS {
            words.push(notice.clone());
            self.look.notify_one();
        }
    }

    /// Hands over an event. Never waits.
    pub fn event(&self, gateway: &GatewayId, event: &IncidentEvent) {
        if self.events.try_send((gateway.clone(), event.clone())).is_err() {
            self.missed.set(true);
        }
    }
}

/// How alerts are, for `status` and for the heartbeat.
#[derive(Clone, Debug, Default)]
pub struct Condition {
    /// What is wrong, or a hint, for people.
    pub notes: Vec<String>,
    /// Who is told regularly that the guard lives.
    pub heartbeat: Option<Heartbeat>,
    /// The way out; `None` when there is none.
    pub http: Option<Http>,
    /// The guard's own bot, as it is set; who speaks as it sees whether it may.
    pub bot: Option<Access>,
    /// The guard's own app on Feishu, likewise.
    pub feishu: Option<cards::Access>,
    /// The guard's own app on DingTalk, likewise.
    pub dingtalk: Option<cards::dingtalk::Access>,
}

/// What the outbox stands on.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Our own settings, as last read.
    pub settings: Rc<RefCell<Settings>>,
    /// Where to look for places.
    pub premises: Premises,
    /// A person's own templates.
    pub templates: PathBuf,
    /// The records.
    pub store: Store,
    /// What `status` says.
    pub condition: watch::Sender<Condition>,
    /// The user of the gateways.
    pub uid: u32,
}

/// Starts it. It ends when the last [`Inbox`] is gone.
#[must_use]
pub fn start(parts: Parts) -> Inbox {
    let (events, queue) = mpsc::channel(QUEUE);
    let missed = Rc::new(Cell::new(false));
    let inbox = Inbox { events, missed: Rc::clone(&missed), look: Rc::default(), words: Rc::default() };
    tokio::task::spawn_local(contained(parts, queue, missed, Rc::clone(&inbox.look), Rc::clone(&inbox.words)));
    inbox
}

/// A fault of ours in here must not end alerts for good: the next outbox takes over what is kept, as after a guard's
/// death.
async fn contained(
    parts: Parts,
    mut queue: mpsc::Receiver<(GatewayId, IncidentEvent)>,
    missed: Rc<Cell<bool>>,
    look: Rc<Notify>,
    words: Words,
) {
    loop {
        let whole = run(parts.clone(), &mut queue, Rc::clone(&missed), Rc::clone(&look), Rc::clone(&words));
        if AssertUnwindSafe(whole).catch_unwind().await.is_ok() {
            return;
        }
        tracing::error!("a fault of the guard itself ended its alerts; they begin anew");
        tokio::time::sleep(BREATH).await;
    }
}

/// Works until the last [`Inbox`] is gone.
async fn run(
    parts: Parts,
    queue: &mut mpsc::Receiver<(GatewayId, IncidentEvent)>,
    missed: Rc<Cell<bool>>,
    look: Rc<Notify>,
    words: Words,
) {
    let (done, mut ended) = mpsc::channel(super::file::MAX_PLACES * 4);
    let mut outbox = Outbox::new(parts, missed, words, done);
    outbox.recall().await;
    let mut alarm = Alarm::new();
    loop {
        let wake = outbox.work().await;
        tokio::select! {
            event = queue.recv() => match event {
                Some((gateway, event)) => {
                    outbox.observe(&gateway, &event);
                    while let Ok((gateway, event)) = queue.try_recv() {
                        outbox.observe(&gateway, &event);
                    }
                }
                None => return,
            },
            Some(done) = ended.recv() => outbox.settle(done),
            () = look.notified() => outbox.look(clock::now()).await,
            () = until(&mut alarm, wake) => {}
        }
    }
}

async fn until(alarm: &mut Alarm, wake: Option<Moment>) {
    match wake {
        Some(wake) => alarm.reached(wake).await,
        None => std::future::pending().await,
    }
}

struct Outbox {
    parts: Parts,
    missed: Rc<Cell<bool>>,
    words: Words,
    done: mpsc::Sender<Done>,
    desk: Desk,
    router: Router,
    stories: BTreeMap<GatewayId, Story>,
    notices: Vec<Notice>,
    /// The desk knows something that is not on the disk.
    unsaved: bool,
    letters: BTreeMap<String, Letter>,
    attempts: BTreeMap<(String, String), u32>,
    found: Found,
    looked: Option<Moment>,
    template_problems: Vec<String>,
}

impl Outbox {
    fn new(parts: Parts, missed: Rc<Cell<bool>>, words: Words, done: mpsc::Sender<Done>) -> Self {
        Self {
            parts,
            missed,
            words,
            done,
            desk: Desk::default(),
            router: Router::default(),
            stories: BTreeMap::new(),
            notices: Vec::new(),
            unsaved: false,
            letters: BTreeMap::new(),
            attempts: BTreeMap::new(),
            found: Found::default(),
            looked: None,
            template_problems: Vec::new(),
        }
    }

    fn observe(&mut self, gateway: &GatewayId, event: &IncidentEvent) {
        self.stories.entry(gateway.clone()).or_default().note(event);
        let policy = self.parts.settings.borrow().notify.policy.clone();
        let before = self.notices.len();
        self.desk.observe(people_clock(clock::now()), &policy, gateway, event, &mut self.notices);
        self.unsaved |= before != self.notices.len()
            || matches!(event.what, What::Closed { .. } | What::Diagnosed { .. } | What::Escalated { .. });
    }

    /// Does what is due. Gives when there is something again.
    async fn work(&mut self) -> Option<Moment> {
        if self.missed.replace(false) {
            self.read_again().await;
        }
        let now = clock::now();
        let policy = self.parts.settings.borrow().notify.policy.clone();
        let before = self.notices.len();
        let words = self.words.borrow().clone();
        for word in &words {
            self.desk.word(people_clock(now), &policy, word.clone(), &mut self.notices);
        }
        self.unsaved |= !words.is_empty();
        self.desk.poll(people_clock(now), &policy, &mut self.notices);
        self.unsaved |= before != self.notices.len();
        // A place that was set a moment ago must not miss what is decided now.
        if !self.notices.is_empty() || (self.router.waiting() > 0 && self.look_is_due(now)) {
            self.look(now).await;
        }
        self.decide(now).await;
        if !self.unsaved {
            self.words.borrow_mut().drain(..words.len());
        }
        let mut dispatches = Vec::new();
        let sending = self.router.poll(clock::now().mono, &mut dispatches);
        for dispatch in dispatches {
            self.dispatch(now, dispatch);
        }
        let due = self.desk.due_in_ms(people_clock(now), &policy).map(|ms| now.mono.plus(ms.max(1_000)));
        [sending, due].into_iter().flatten().min()
    }

    fn look_is_due(&self, now: Now) -> bool {
        self.looked.is_none_or(|looked| now.mono.since(looked) >= LOOK_EVERY_MS)
    }

    /// Where letters go may have changed since.
    async fn look(&mut self, now: Now) {
        self.looked = Some(now.mono);
        let (premises, settings) = (self.parts.premises.clone(), self.parts.settings.borrow().notify.clone());
        let Ok(found) = tokio::task::spawn_blocking(move || premises.look(&settings)).await else { return };
        if found.for_router() != self.router.places() || found.channels() != self.found.channels() {
            self.router.set_places(clock::now().mono, found.for_router());
        }
        self.found = found;
        self.tell_condition();
    }

    fn tell_condition(&self) {
        let mut notes = self.found.problems.clone();
        notes.extend(self.template_problems.iter().cloned());
        if self.found.places.is_empty() && self.parts.settings.borrow().notify.enabled {
            notes.push(
                "nobody is told of trouble: no place for alerts was found; `clawmend notify list` says why".to_owned(),
            );
        }
        let condition = Condition {
            notes,
            heartbeat: self.found.heartbeat.clone(),
            http: self.found.http.clone(),
            bot: self.found.bot.as_ref().map(|bot| bot.access.clone()),
            feishu: self.found.feishu.as_ref().map(|app| app.access.clone()),
            dingtalk: self.found.dingtalk.as_ref().map(|app| app.access.clone()),
        };
        self.parts.condition.send_replace(condition);
    }

    fn scribe(&self) -> Scribe {
        let settings = self.parts.settings.borrow();
        Scribe {
            homes: self.parts.premises.homes.clone(),
            state: self.parts.premises.state.clone(),
            templates: self.parts.templates.clone(),
            language: settings.guard.language,
            ai: settings.ai.clone(),
            gateways: settings.gateways.clone(),
            uid: self.parts.uid,
        }
    }

    /// Notices become letters, and are kept with what the desk knows.
    async fn decide(&mut self, now: Now) {
        let blind = !self.router.has_places() && !self.found.problems.is_empty();
        // Where letters go cannot be read just now: what is to be told waits, and is not noted as told.
        if !self.unsaved || (blind && self.notices.len() < NOTICES_HELD) {
            return;
        }
        self.unsaved = false;
        let notices = std::mem::take(&mut self.notices);
        let mut kept = Vec::new();
        if self.router.has_places() && !notices.is_empty() {
            let orders: Vec<Order> = together(notices).into_iter().map(|notice| self.order(notice)).collect();
            let scribe = self.scribe();
            let loud: Vec<Level> = orders.iter().map(|order| loudness(&order.notice)).collect();
            let notices: Vec<Notice> = orders.iter().map(|order| order.notice.clone()).collect();
            let Ok((letters, problems)) = tokio::task::spawn_blocking(move || scribe.write(&orders)).await else {
                // A fault of ours: it is tried again, and not noted as told.
                (self.notices, self.unsaved) = (notices, true);
                return tokio::time::sleep(BREATH).await;
            };
            self.template_problems = problems;
            self.tell_condition();
            kept = letters.into_iter().zip(loud).filter_map(|(letter, loud)| self.accept(letter, loud)).collect();
        }
        let desk = serde_json::to_string(&self.desk).unwrap_or_default();
        drop(self.parts.store.outbox(Change::Decided { desk, letters: kept, at: now.wall }));
    }

    fn order(&self, notice: Notice) -> Order {
        let gateway = gateway_of(&notice.what).cloned();
        let story = gateway.as_ref().and_then(|id| self.stories.get(id)).cloned().unwrap_or_default();
        let crashes = gateway.as_ref().map_or(0, |id| self.desk.crashes(id, notice.at));
        Order { notice, story, gateway, crashes }
    }

    /// Into the lanes. `None`: it is known already.
    fn accept(&mut self, letter: Letter, loud: Level) -> Option<(Kept, Vec<String>)> {
        if self.router.waits(&letter.key) {
            return None;
        }
        let now = clock::now().mono;
        let places = if is_question(&letter.key) {
            self.router.accept_question(now, &letter.key, loud)
        } else {
            self.router.accept(now, &letter.key, loud)
        };
        if places.is_empty() {
            // Nobody wants to hear of what is so quiet.
            self.router.forget(&letter.key);
            return None;
        }
        let kept = Kept {
            key: letter.key.clone(),
            subject: letter.subject_key.clone(),
            level: letter.level,
            decided_at: letter.at,
            payload: serde_json::to_string(&letter).unwrap_or_default(),
        };
        self.hold(letter);
        Some((kept, places))
    }

    fn hold(&mut self, mut letter: Letter) {
        if self.letters.len() >= WHOLE_LETTERS && !is_question(&letter.key) {
            letter.parts.clear();
        }
        self.letters.insert(letter.key.clone(), letter);
    }
}

/// The time as people there have it.
fn people_clock(now: Now) -> Clock {
    let zoned =
        jiff::Timestamp::from_millisecond(now.wall.0).unwrap_or_default().to_zoned(jiff::tz::TimeZone::system());
    let part = |value: i8| u16::try_from(value).unwrap_or(0);
    let minute = Minute::new(part(zoned.hour()), part(zoned.minute())).unwrap_or_default();
    let day = i64::from(zoned.offset().seconds()).saturating_add(now.wall.0.div_euclid(1_000)).div_euclid(86_400);
    Clock { wall: now.wall, minute, day }
}
