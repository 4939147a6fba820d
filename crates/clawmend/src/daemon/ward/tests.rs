//! The loop against a keeper that does not answer, and the order in which a refusal is booked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::api::types::GatewayStatus;
use crate::cli::Account;
use crate::daemon::body::{Child, ChildCommand};
use crate::daemon::kept::Kept;
use crate::host::process;
use crate::keeper::protocol::{Event, Spawned, State};
use clawmend_core::directive::{Action, ActionResult, Directive};
use clawmend_core::gateway::{Control, Form, GatewayId};
use clawmend_core::guardian::{Memory, Profile};
use clawmend_core::observation::{Appeared, Exit, Gone};
use clawmend_core::policy::Policy;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Instant;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;

/// What the loop must answer within, on a busy machine too; a keeper is given up after 10 s only.
const AT_ONCE: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_secs(60);
const REFUSAL: &str = "2026-11-20T10:24:13.417+00:00 [gateway] Gateway failed to start: already listening on 7";

/// What a keeper was asked, in order.
type Asked = Rc<RefCell<Vec<String>>>;

/// A ward whose child is held by a keeper of our own making.
struct Bench {
    folder: tempfile::TempDir,
    news: Sender,
    store: Store,
    asked: Asked,
    gateway: std::process::Child,
    life: Incarnation,
}

impl Bench {
    /// `tail`: what the keeper answers when it is asked for the last words; `None`: nothing, ever.
    fn new(tail: Option<&'static str>) -> Self {
        let (bench, ward, inbox) = Self::standing(tail);
        tokio::task::spawn_local(ward.run(inbox));
        bench
    }

    /// With a ward whose loop does not turn.
    fn standing(tail: Option<&'static str>) -> (Self, Ward, mpsc::Receiver<News>) {
        let folder = tempfile::tempdir().unwrap();
        let openclaw = folder.path().join(".openclaw");
        std::fs::create_dir(&openclaw).unwrap();
        std::fs::write(openclaw.join("openclaw.json"), r#"{"gateway":{"mode":"local","port":7}}"#).unwrap();
        let home = crate::openclaw::discovery::discover(|_| None, folder.path()).remove(0);
        let asked = Asked::default();
        keep(UnixListener::bind(folder.path().join("keeper.sock")).unwrap(), Rc::clone(&asked), tail);
        let command = ChildCommand {
            argv: vec!["true".into()],
            env: BTreeMap::new(),
            env_remove: Vec::new(),
            cwd: "/".into(),
            log_dir: folder.path().into(),
        };
        let store = Store::open_daemon(&folder.path().join("state")).unwrap();
        let now = clock::now();
        let profile = Profile { id: GatewayId("default".into()), form: Form::Child, control: Control::Full };
        let (news, inbox) = mpsc::channel(crate::daemon::news::QUEUE);
        let (rpc, subscription) = crate::probe::rpc::subscribe(rpc_into(&news));
        tokio::task::spawn_local(subscription);
        let parts = Parts {
            alone: true,
            settings: Rc::default(),
            around: Around::new(home.clone(), own_uid(), folder.path().join("flag"), None),
            home,
            guardian: Guardian::new(profile, Policy::adaptive(), Memory::default(), now),
            body: Rc::new(Body::Child(Box::new(Child::new(command, folder.path().into())))),
            rpc,
            asking: Asking::new(Rc::default()),
            store: store.clone(),
            runtime: folder.path().into(),
            voice: Rc::new(Voice::new(Account::silent(), folder.path().into())),
            watchdog: Rc::new(ServiceWatchdog::from_environment()),
            news: news.clone(),
        };
        let gateway = std::process::Command::new("sleep").arg("300").env("CLAWMEND_NONCE", "n").spawn().unwrap();
        let life = process::incarnation_of(gateway.id()).unwrap();
        (Self { folder, news, store, asked, gateway, life }, Ward::new(parts, now), inbox)
    }

    async fn tell(&self, news: News) {
        self.news.send(news).await.unwrap();
    }

    async fn begin(&self) {
        let spawned_at_ms = clock::now().mono.0;
        let (incarnation, nonce) = (self.life.clone(), "n".to_owned());
        let child =
            Some(Spawned { incarnation, nonce, directive: 1, spawned_at_ms, after_end_us: None, adopted: false });
        self.tell(News::KeeperState(state(child, Vec::new()))).await;
        assert_eq!(self.status().await.incarnation.unwrap().pid, self.life.pid);
    }

    fn ended(&self, code: i32) -> Ended {
        let at_ms = clock::now().mono.0;
        Ended { incarnation: self.life.clone(), nonce: "n".into(), exit: Exit::Code { code }, at_ms, deadman: None }
    }

    /// How things are; the loop must say it at once.
    async fn status(&self) -> GatewayStatus {
        let (reply, answer) = oneshot::channel();
        self.tell(News::Report(reply)).await;
        tokio::time::timeout(AT_ONCE, answer).await.expect("the loop stands still").unwrap()
    }

    async fn loaded(&self) -> crate::store::Loaded {
        self.store.load(&GatewayId("default".into())).await.unwrap()
    }

    fn kill(&self) -> Directive {
        let target = Some(self.life.clone());
        Directive { id: DirectiveId(7), incident: None, target, action: Action::Kill, reason: "spinning".into() }
    }

    async fn memory(&self) -> Memory {
        let loaded = self.loaded().await;
        loaded.memory.map(|text| serde_json::from_str::<Kept>(&text).unwrap().memory).unwrap_or_default()
    }

    async fn until_settled(&self) {
        let began = Instant::now();
        while self.folder.path().join("kill.json").exists() || !self.loaded().await.intents.is_empty() {
            assert!(began.elapsed() < PATIENCE, "never settled");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn until(&self, what: &str, so: impl Fn(&[String]) -> bool) {
        let began = Instant::now();
        while !so(&self.asked.borrow()) {
            assert!(began.elapsed() < PATIENCE, "{what}: {:?}", self.asked.borrow());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn was_asked(&self, what: &str) -> bool {
        self.asked.borrow().iter().any(|asked| asked == what)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.gateway.kill();
        let _ = self.gateway.wait();
    }
}

fn state(child: Option<Spawned>, exits: Vec<Ended>) -> State {
    State { pid: 1, child, exits, capabilities: Vec::new(), stopping: false, dropped_lines: 0, deadman: None }
}

/// Answers every question but the one for the last words, which it may leave open.
fn keep(listener: UnixListener, asked: Asked, tail: Option<&'static str>) {
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::task::spawn_local(answer(stream, Rc::clone(&asked), tail));
        }
    });
}

async fn answer(stream: UnixStream, asked: Asked, tail: Option<&'static str>) {
    let (reading, mut writing) = stream.into_split();
    let mut lines = BufReader::new(reading).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let question: serde_json::Value = serde_json::from_str(&line).unwrap();
        let what = question["do"].as_str().unwrap().to_owned();
        let reply = match (what.as_str(), tail) {
            ("tail", None) | ("quit", _) => None,
            ("tail", Some(text)) => Some(serde_json::json!({"text": text})),
            _ => Some(serde_json::json!({})),
        };
        asked.borrow_mut().push(what);
        if let Some(reply) = reply {
            let line = serde_json::json!({"v": 1, "id": question["id"], "ok": reply});
            writing.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        }
    }
}

fn live<F: Future<Output = ()>>(story: impl FnOnce() -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async { story().await });
}

#[test]
fn a_keeper_that_does_not_answer_holds_up_nobody() {
    live(|| async {
        let bench = Bench::new(None);
        bench.begin().await;
        bench.tell(News::Keeper(Event::Exited(bench.ended(78)))).await;
        bench.until("asked for the last words", |asked| asked.contains(&"tail".to_owned())).await;
        let status = bench.status().await;
        assert_eq!(status.incarnation.map(|life| life.pid), Some(bench.life.pid), "booked without its last words");
        // Told twice, and by the kernel: still one end, and none that nobody saw.
        bench.tell(News::KeeperState(state(None, vec![bench.ended(78)]))).await;
        bench.tell(News::Ended(bench.life.clone())).await;
        let (done, _heard) = oneshot::channel();
        bench.tell(News::Dismiss(done)).await;
        bench.status().await;
        assert_eq!(bench.asked.borrow().iter().filter(|asked| *asked == "tail").count(), 1);
        assert!(!bench.was_asked("ack"), "an end was acknowledged before it was booked");
    });
}

/// A guard that has just begun does not know yet what its keeper has: its step back would be over before the gateway is.
#[test]
fn a_stop_is_not_done_before_it_is_known_that_nothing_runs() {
    live(|| async {
        let bench = Bench::new(Some(""));
        let (reply, mut answer) = oneshot::channel();
        bench.tell(News::Role { carry: false, reply }).await;
        bench.status().await;
        assert!(answer.try_recv().is_err(), "nobody knows what runs");
        bench.begin().await;
        bench.status().await;
        assert!(answer.try_recv().is_err(), "it runs");
        bench.tell(News::Keeper(Event::Exited(bench.ended(0)))).await;
        tokio::time::timeout(AT_ONCE, answer).await.expect("an answer").unwrap();

        let bench = Bench::new(Some(""));
        let (reply, answer) = oneshot::channel();
        bench.tell(News::Role { carry: false, reply }).await;
        bench.tell(News::KeeperState(state(None, Vec::new()))).await;
        tokio::time::timeout(AT_ONCE, answer).await.expect("an answer").unwrap();
    });
}

#[test]
fn a_refusal_is_booked_with_its_last_words_and_then_acknowledged() {
    live(|| async {
        let bench = Bench::new(Some(REFUSAL));
        bench.begin().await;
        // 1 is only a refusal by its words: had the end come first, it would count as a crash.
        bench.tell(News::Keeper(Event::Exited(bench.ended(1)))).await;
        bench.until("acknowledged", |asked| asked.contains(&"ack".to_owned())).await;
        assert_eq!(bench.asked.borrow().as_slice(), ["tail", "ack"]);
        let memory = bench.memory().await;
        let refusal = memory.refusal.expect("the refusal is on record");
        assert_eq!(refusal.reason, clawmend_core::diagnosis::RefusalReason::Port);
        let status = bench.status().await;
        assert_eq!(status.cause.unwrap().code, "refused_to_start");
        assert!(!bench.folder.path().join("spawn.json").exists(), "it was started as if it had crashed");
    });
}

#[test]
fn a_crash_is_answered_without_a_question_to_the_keeper() {
    live(|| async {
        let bench = Bench::new(None);
        bench.begin().await;
        let crash = Ended { exit: Exit::Signal { signal: 9, core: false }, ..bench.ended(0) };
        bench.tell(News::Keeper(Event::Exited(crash))).await;
        bench.until("started anew", |asked| asked.contains(&"spawn".to_owned())).await;
        assert!(!bench.was_asked("tail"));
    });
}

#[test]
fn a_life_that_comes_before_the_last_words_leaves_no_end_out() {
    live(|| async {
        let bench = Bench::new(None);
        bench.begin().await;
        bench.tell(News::Keeper(Event::Exited(bench.ended(1)))).await;
        bench.until("asked for the last words", |asked| asked.contains(&"tail".to_owned())).await;
        let other = process::incarnation_of(std::process::id()).unwrap();
        let spawned_at_ms = clock::now().mono.0;
        let child = Spawned {
            incarnation: other,
            nonce: "m".into(),
            directive: 2,
            spawned_at_ms,
            after_end_us: None,
            adopted: false,
        };
        bench.tell(News::KeeperState(state(Some(child), Vec::new()))).await;
        assert_eq!(bench.status().await.incarnation.unwrap().pid, std::process::id());
        // A turn of the loop keeps its memory last: the next answer comes after that.
        bench.status().await;
        let memory = bench.memory().await;
        assert_eq!(memory.unclean.count(clock::now().mono, 300_000), 1, "{memory:?}");
    });
}

#[test]
fn a_kill_stays_on_record_until_its_end_is_booked() {
    live(|| async {
        let (mut bench, mut ward, mut inbox) = Bench::standing(None);
        let appeared =
            Appeared { incarnation: bench.life.clone(), age_ms: 0, by: None, at_boot: false, restarts_by_exit: true };
        ward.appeared(clock::now(), appeared);
        ward.carry_out();
        ward.out.push(Output::Do(bench.kill()));
        ward.carry_out();
        let done = async {
            loop {
                if let Some(News::Evidence(Evidence::Result { result, .. })) = inbox.recv().await {
                    return result;
                }
            }
        };
        assert_eq!(tokio::time::timeout(PATIENCE, done).await.unwrap(), ActionResult::Done);
        assert_eq!(bench.loaded().await.intents.len(), 1, "a guard that dies now knows nothing of its kill");
        bench.gateway.wait().unwrap();
        let exit = Exit::Signal { signal: 9, core: false };
        ward.gone(clock::now(), Gone { incarnation: bench.life.clone(), exit, uncertainty_ms: 0 });
        ward.carry_out();
        ward.keep_up();
        bench.until_settled().await;
        assert_eq!(bench.memory().await.unclean.count(clock::now().mono, 300_000), 1);
    });
}

#[test]
fn a_kill_that_could_not_be_carried_out_is_settled_at_once() {
    live(|| async {
        let (mut bench, mut ward, mut inbox) = Bench::standing(None);
        bench.gateway.kill().unwrap();
        bench.gateway.wait().unwrap();
        ward.out.push(Output::Do(bench.kill()));
        ward.carry_out();
        ward.keep_up();
        let told = tokio::time::timeout(PATIENCE, inbox.recv()).await.unwrap();
        let moot =
            |news| matches!(news, Some(News::Evidence(Evidence::Result { result: ActionResult::Moot { .. }, .. })));
        assert!(moot(told));
        bench.until_settled().await;
    });
}

#[test]
fn what_an_earlier_guard_left_is_booked_and_settled() {
    live(|| async {
        let (mut bench, mut ward, _inbox) = Bench::standing(None);
        bench.gateway.kill().unwrap();
        bench.gateway.wait().unwrap();
        let id = GatewayId("default".into());
        bench.store.intent(&id, &bench.kill(), clock::now().wall).durable().await.unwrap();
        crate::daemon::left::note(bench.folder.path(), &bench.kill(), clock::now().wall).unwrap();
        let intents = bench.loaded().await.intents;
        let left = crate::daemon::left::kills(&intents, bench.folder.path(), clock::now().wall);
        for kill in &left {
            ward.observe(clock::now(), &Evidence::KillLeft(kill.clone()));
        }
        ward.carry_out();
        ward.keep_up();
        ward.settle_left(&left);
        bench.until_settled().await;
        assert_eq!(bench.memory().await.unclean.count(clock::now().mono, 300_000), 1);
    });
}

#[test]
fn a_gateway_that_no_keeper_takes_over_yet_is_not_started_twice() {
    live(|| async {
        let mut bench = Bench::new(None);
        let incarnation = Some(bench.life.clone());
        let note = crate::daemon::body::SpawnNote { directive: 1, nonce: "n".into(), incarnation };
        std::fs::write(bench.folder.path().join("spawn.json"), serde_json::to_vec(&note).unwrap()).unwrap();
        let earlier = Incarnation { pid: 1, start: 1, boot: bench.life.boot.clone() };
        let exit = Exit::Signal { signal: 9, core: false };
        let told = Ended { incarnation: earlier, exit, ..bench.ended(0) };
        bench.tell(News::KeeperState(state(None, vec![told]))).await;
        let asked = |asked: &[String], what: &str| asked.iter().filter(|it| *it == what).count();
        bench.until("tried again", |it| asked(it, "adopt") >= 2).await;
        bench.status().await;
        assert!(!bench.was_asked("spawn"), "a second gateway was started beside the one that lives");
        assert_eq!(bench.memory().await.unclean.count(clock::now().mono, 300_000), 1, "the end before is booked");
        bench.gateway.kill().unwrap();
        bench.gateway.wait().unwrap();
        bench.until("started once it has ended", |it| asked(it, "spawn") >= 1).await;
    });
}
