//! Changes of role on real files, with a ward that stands in for a gateway: what the core decided is what is done, and a
//! guard that ends at any point leaves what the next one can go on from.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::wildcard_enum_match_arm)]

use super::super::news::{AskGateway, News};
use super::super::setup::{Charge, Holding};
use super::{Pair, change, primary, senior, warm, workspace};
use crate::api::Answer;
use crate::api::types::{DesiredState, GatewayStatus, IncarnationReport};
use crate::cli::Account;
use crate::daemon::voice::Voice;
use crate::failover::kept;
use crate::failover::key::PairKey;
use crate::failover::peer::wire::Question;
use crate::openclaw::config;
use crate::openclaw::discovery::{Home, discover};
use crate::settings;
use clawmend_core::failover::ownership::{Account as Owner, Identity, Owned};
use clawmend_core::failover::{Armed, Reason, Role, Senior, Sight};
use clawmend_core::gateway::{Control, GatewayId};
use clawmend_core::health::Verdict;
use clawmend_core::observation::ChannelState;
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

const CONFIG: &str = r#"{
  "meta": {"lastTouchedVersion": "2026.9.6"},
  "channels": {
    "telegram": {"botToken": "100000001:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
    "slack": {"botToken": "x", "enabled": false}
  }
}
"#;

/// A gateway, as its ward knows it.
#[derive(Default)]
struct Gateway {
    desired: Cell<bool>,
    /// With its channel on.
    polls: Cell<bool>,
    starts: Cell<u32>,
}

struct Scene {
    folder: tempfile::TempDir,
    home: Home,
    gateway: Rc<Gateway>,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = discover(|_| None, folder.path()).remove(0);
        std::fs::create_dir_all(&home.state_dir).unwrap();
        std::fs::write(&home.config_path, CONFIG).unwrap();
        Self { folder, home, gateway: Rc::default() }
    }

    fn config(&self) -> Value {
        config::parsed(&std::fs::read_to_string(&self.home.config_path).unwrap()).unwrap()
    }

    fn on(&self) -> bool {
        self.config()["channels"]["telegram"]["enabled"] != json!(false)
    }

    /// A guard begins, and its ward with it. Before that it remembers this role.
    fn guard(&self, role: Role) -> Rc<Pair> {
        self.guard_with("warm = true\n", role)
    }

    /// With these settings of `[standby]`.
    fn guard_with(&self, more: &str, role: Role) -> Rc<Pair> {
        let text = format!("[standby]\nside = \"standby\"\npeer = \"10.0.0.1:1\"\n{more}");
        let settings = settings::parse(std::path::Path::new("x"), &text).unwrap().standby.unwrap();
        let voice = Rc::new(Voice::new(Account::silent(), self.folder.path().to_owned()));
        let charges = [Charge { home: self.home.clone(), holding: Holding::Foreign }];
        let pair = Pair::new(Some(&settings), &charges, self.folder.path(), &voice).unwrap().unwrap();
        pair.kept.borrow_mut().memory.role = role;
        pair.save();
        let account = |channel: &str| Owner {
            channel: channel.into(),
            account: "default".into(),
            identity: Identity::Unknown { why: "a test".into() },
        };
        *pair.mine.borrow_mut() = Some(Owned::Known(vec![account("telegram")]));
        self.begin_ward(&pair);
        pair
    }

    fn begin_ward(&self, pair: &Pair) {
        let (ward, inbox) = mpsc::channel(16);
        if pair.meet(&self.home.id, &ward) {
            self.obey(false);
        }
        tokio::task::spawn_local(serve(inbox, Rc::clone(&self.gateway), self.home.clone()));
    }

    fn obey(&self, carry: bool) {
        obey(&self.gateway, &self.home, carry);
    }
}

fn obey(gateway: &Gateway, home: &Home, carry: bool) {
    if carry && !gateway.desired.get() {
        gateway.starts.set(gateway.starts.get() + 1);
        gateway.polls.set(enabled(home));
    }
    gateway.desired.set(carry);
    gateway.polls.set(gateway.polls.get() && carry);
}

fn enabled(home: &Home) -> bool {
    let text = std::fs::read_to_string(&home.config_path).unwrap();
    config::parsed(&text).unwrap()["channels"]["telegram"]["enabled"] != json!(false)
}

/// What OpenClaw does with it.
fn merge(home: &Home, patch: &str) {
    let mut config = config::parsed(&std::fs::read_to_string(&home.config_path).unwrap()).unwrap();
    let patch: Value = serde_json::from_str(patch).unwrap();
    for (name, change) in patch["channels"].as_object().unwrap() {
        let channel = config["channels"][name].as_object_mut().unwrap();
        match change["enabled"].as_bool() {
            Some(enabled) => drop(channel.insert("enabled".into(), enabled.into())),
            None => drop(channel.remove("enabled")),
        }
    }
    std::fs::write(&home.config_path, config.to_string()).unwrap();
}

async fn serve(mut inbox: mpsc::Receiver<News>, gateway: Rc<Gateway>, home: Home) {
    while let Some(news) = inbox.recv().await {
        match news {
            News::Report(reply) => drop(reply.send(status(&gateway))),
            News::Role { carry, reply } => {
                obey(&gateway, &home, carry);
                drop(reply.send(Answer::Done { message: "done".into() }.into()));
            }
            News::Gateway(AskGateway::PatchConfig(patch), reply) => {
                let takes = gateway.desired.get();
                if takes {
                    merge(&home, &patch);
                    gateway.polls.set(enabled(&home));
                }
                drop(reply.send(if takes { Ok(()) } else { Err("there is no connection to the gateway".into()) }));
            }
            News::Channels(reply) => drop(reply.send(vec![state(gateway.polls.get())])),
            other => panic!("nothing else is asked of it: {other:?}"),
        }
    }
}

fn state(running: bool) -> ChannelState {
    ChannelState {
        channel: "telegram".into(),
        account: "default".into(),
        wanted: running,
        running,
        connected: Some(running),
        suppressed: false,
        stopped_by_person: false,
        terminal: false,
        error: None,
    }
}

fn status(gateway: &Gateway) -> GatewayStatus {
    let runs = gateway.desired.get();
    GatewayStatus {
        id: GatewayId("default".into()),
        state_dir: String::new(),
        verdict: if runs { Verdict::Healthy } else { Verdict::Stopped },
        cause: None,
        reasons: Vec::new(),
        desired: if runs { DesiredState::Running } else { DesiredState::Stopped },
        control: Control::Full,
        control_reason: None,
        polkit_rule: None,
        incarnation: runs.then(|| IncarnationReport { pid: 1, started_at: None, boot_id: String::new() }),
        url: None,
        since: None,
        incident: None,
        last_recovery: None,
        form: None,
        approvals: Vec::new(),
        emergency: false,
        pause: None,
        next: None,
        memory: None,
        program: None,
    }
}

/// Runs a change, and remembers the role that it led to, as the loop does.
async fn change_to(pair: &Pair, to: Role) -> crate::failover::kept::Change {
    let change = change::carry_out(pair, to, Reason::Person).await;
    assert!(change.worked, "{change:?}");
    pair.kept.borrow_mut().memory.role = to;
    pair.save();
    change
}

async fn made_warm(pair: &Rc<Pair>) {
    warm::keep(Rc::clone(pair)).await.unwrap();
    assert!(pair.kept.borrow().warm, "{:?}", pair.report());
}

/// One thread waits for the disk, so that whoever waits for it has waited for all before.
fn alone(test: impl AsyncFnOnce()) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    LocalSet::new().block_on(&runtime, test());
}

#[test]
fn it_is_made_warm_takes_over_without_a_start_and_steps_back() {
    alone(async || {
        let scene = Scene::new();
        let pair = scene.guard(Role::Watching);
        made_warm(&pair).await;
        assert!(!scene.on() && !scene.gateway.polls.get());
        assert_eq!(scene.gateway.starts.get(), 1);
        // Somebody switches it on.
        merge(&scene.home, r#"{"channels":{"telegram":{"enabled":true}}}"#);
        scene.gateway.polls.set(true);
        made_warm(&pair).await;
        assert!(!scene.on() && !scene.gateway.polls.get());

        let change = change_to(&pair, Role::Active).await;
        let steps: Vec<&str> = change.steps.iter().map(|step| step.step.as_str()).collect();
        assert_eq!(steps, ["switch", "channel"]);
        assert_eq!(change.steps[0].detail, "telegram switched on by the gateway itself");
        assert!(scene.gateway.polls.get() && scene.config()["channels"]["slack"]["enabled"] == json!(false));
        assert!(!pair.kept.borrow().warm);

        change_to(&pair, Role::Watching).await;
        assert!(!scene.on() && !scene.gateway.polls.get() && pair.kept.borrow().warm);
        assert_eq!(scene.gateway.starts.get(), 1, "nothing of it was a start");
        assert!(scene.config()["meta"].is_object());
        // The next guard lets it run, and a stop of a person stays.
        let pair = scene.guard(Role::Watching);
        assert!(scene.gateway.desired.get());
        scene.obey(false);
        made_warm(&pair).await;
        assert!(!scene.gateway.desired.get() && scene.gateway.starts.get() == 1);
        // What somebody stopped is started by a takeover.
        change_to(&pair, Role::Active).await;
        assert!(scene.gateway.polls.get());
    });
}

/// The guard ends after each of its steps of thought, in each of the three ways.
#[test]
fn a_guard_that_ends_anywhere_leaves_what_the_next_goes_on_from() {
    alone(async || {
        let mut ended = 0;
        for turns in 1..60 {
            let before = ended;
            let scene = Scene::new();
            let first = scene.guard(Role::Watching);
            ended += u32::from(after(turns, warm::keep_now(&first)).await);
            let second = scene.guard(Role::Watching);
            made_or_was(&second).await;
            assert!(!scene.on() && scene.gateway.desired.get() && !scene.gateway.polls.get(), "{turns}");

            let third = scene.guard(Role::Promoting);
            ended += u32::from(after(turns, change::carry_out(&third, Role::Active, Reason::Person)).await);
            let fourth = scene.guard(Role::Promoting);
            change_to(&fourth, Role::Active).await;
            assert!(scene.on() && scene.gateway.polls.get(), "{turns}");
            assert_eq!(scene.config()["channels"]["slack"]["enabled"], json!(false), "{turns}");

            let fifth = scene.guard(Role::Demoting);
            ended += u32::from(after(turns, change::carry_out(&fifth, Role::Watching, Reason::Person)).await);
            let sixth = scene.guard(Role::Demoting);
            change_to(&sixth, Role::Watching).await;
            assert!(!scene.on() && scene.gateway.desired.get() && !scene.gateway.polls.get(), "{turns}");
            assert!(sixth.kept.borrow().warm, "{turns}");
            if ended == before {
                break;
            }
        }
        assert!(ended >= 9, "only {ended} ended half-way");
    });
}

/// The pair's loop begins before the ward of its gateway does.
#[test]
fn a_change_that_is_resumed_waits_for_the_ward() {
    alone(async || {
        let scene = Scene::new();
        scene.obey(true);
        for (role, to, carries) in [(Role::Demoting, Role::Watching, false), (Role::Promoting, Role::Active, true)] {
            let pair = scene.guard_with("", role);
            *pair.ward.borrow_mut() = None;
            let changing = Rc::clone(&pair);
            let change =
                tokio::task::spawn_local(async move { change::carry_out(&changing, to, Reason::Resumed).await });
            tokio::task::yield_now().await;
            assert!(!change.is_finished(), "{role:?}");
            scene.begin_ward(&pair);
            let change = change.await.unwrap();
            assert!(change.worked && scene.gateway.desired.get() == carries, "{change:?}");
        }
    });
}

/// OpenClaw's own drain may end before the answer is sent.
#[test]
fn a_cold_standby_answers_what_people_have_written_before_its_gateway_ends() {
    alone(async || {
        let scene = Scene::new();
        scene.obey(true);
        let state = scene.home.state_dir.join("state");
        std::fs::create_dir_all(&state).unwrap();
        let database = rusqlite::Connection::open(state.join("openclaw.sqlite")).unwrap();
        database
            .execute_batch(
                "CREATE TABLE channel_ingress_events (event_id TEXT, status TEXT);
                 INSERT INTO channel_ingress_events VALUES ('1', 'claimed')",
            )
            .unwrap();
        let pair = scene.guard_with("", Role::Active);
        scene.obey(true);
        let changing = Rc::clone(&pair);
        let change =
            tokio::task::spawn_local(async move { change::carry_out(&changing, Role::Watching, Reason::Person).await });
        tokio::time::sleep(std::time::Duration::from_millis(600)).await;
        assert!(scene.gateway.desired.get() && !change.is_finished(), "somebody waits for an answer");
        database.execute("UPDATE channel_ingress_events SET status = 'completed'", []).unwrap();
        let change = change.await.unwrap();
        assert!(change.worked && !scene.gateway.desired.get(), "{change:?}");
        assert_eq!((change.steps[0].step.as_str(), change.steps[0].worked), ("messages", true));
    });
}

/// A full disk is freed some day; until then what was decided is done all the same.
#[test]
fn what_could_not_be_written_down_is_written_down_later() {
    alone(async || {
        let scene = Scene::new();
        let pair = scene.guard(Role::Watching);
        let file = scene.folder.path().join("standby.json");
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir_all(file.join("in the way")).unwrap();
        pair.kept.borrow_mut().memory.role = Role::Active;
        for _ in 0..2 {
            pair.save();
            pair.save_again();
            assert!(pair.report().problem.is_some_and(|problem| problem.contains("could not be written down")));
        }
        std::fs::remove_dir_all(&file).unwrap();
        pair.save_again();
        assert_eq!(pair.report().problem, None);
        assert_eq!(kept::load(scene.folder.path()).memory.role, Role::Active);
    });
}

/// What it fetches meanwhile may hang for half an hour; neither the end of its guard nor a change of role waits for it.
#[tokio::test(flavor = "current_thread")]
async fn what_git_does_meanwhile_is_ended_with_the_guard_and_by_a_change() {
    LocalSet::new()
        .run_until(async {
            for by_a_change in [false, true] {
                let scene = Scene::new();
                let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = silent.local_addr().unwrap();
                let settings = format!("[standby.workspace]\nremote = \"git://{address}/w.git\"\n");
                let pair = scene.guard_with(&settings, Role::Watching);
                workspace::fetch_regularly(Rc::clone(&pair), pair.settings.workspace.clone().unwrap());
                let (mut git, _) = silent.accept().await.unwrap();
                if by_a_change {
                    pair.meanwhile.end().await;
                } else {
                    pair.leave();
                }
                let mut heard = Vec::new();
                let ended = tokio::io::AsyncReadExt::read_to_end(&mut git, &mut heard);
                let ended = tokio::time::timeout(std::time::Duration::from_secs(60), ended).await;
                assert!(ended.is_ok(), "git goes on");
            }
        })
        .await;
}

/// A unit that is not to come up with the host is started by nobody else.
#[tokio::test(flavor = "current_thread")]
async fn after_a_boot_a_standby_that_carried_starts_its_gateway_and_a_warm_one_is_made_so_again() {
    LocalSet::new()
        .run_until(async {
            for (role, starts) in [(Role::Active, true), (Role::Watching, false)] {
                let scene = Scene::new();
                let pair = scene.guard(role);
                pair.note_warm(true);
                let other = GatewayId("other".into());
                assert!(!pair.has_booted(&other) && pair.kept.borrow().warm, "it is about another gateway");
                assert_eq!(pair.has_booted(&scene.home.id), starts, "{role:?}");
                assert!(!pair.kept.borrow().warm);
            }
        })
        .await;
}

/// The repository is down while the node steps back: what was written here reaches people all the same, later.
#[test]
fn what_could_not_be_given_back_is_given_later() {
    alone(async || {
        let scene = Scene::new();
        let remote = scene.folder.path().join("workspace.git");
        let settings = format!("[standby.workspace]\nremote = \"{}\"\n", remote.display());
        let git = |words: &[&str]| {
            let done = std::process::Command::new("git").arg("--git-dir").arg(&remote).args(words).output().unwrap();
            (done.status.success(), String::from_utf8(done.stdout).unwrap())
        };
        let folder = scene.home.state_dir.join("workspace");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("NOTE.md"), "written here").unwrap();
        let init = std::process::Command::new("git").arg("init").arg("--quiet").arg(&folder).status().unwrap();
        assert!(init.success());

        change_to(&scene.guard_with(&settings, Role::Demoting), Role::Watching).await;
        let next = scene.guard_with(&settings, Role::Watching);
        assert!(next.kept.borrow().owed, "the next guard knows");
        workspace::give_again(&next).await;
        assert!(next.kept.borrow().owed, "there still is no repository");
        assert!(git(&["init", "--quiet", "--bare"]).0);
        let carrying = scene.guard_with(&settings, Role::Active);
        workspace::give_again(&carrying).await;
        assert!(carrying.kept.borrow().owed, "a node that carries gives when it steps back");
        let next = scene.guard_with(&settings, Role::Watching);
        workspace::give_again(&next).await;
        assert!(!next.kept.borrow().owed, "{:?}", next.report().workspace);
        let branches = git(&["for-each-ref", "--format=%(refname:short)"]).1;
        let branch = branches.lines().next().expect("a branch");
        assert!(branch.starts_with("clawmend/"), "{branch}");
        assert_eq!(git(&["show", &format!("{branch}:NOTE.md")]).1, "written here");
    });
}

/// As the loop does it, when it is due.
async fn made_or_was(pair: &Rc<Pair>) {
    if !pair.kept.borrow().warm {
        made_warm(pair).await;
    }
}

/// True when it was given up half-way: after so many turns.
async fn after<T>(turns: u32, work: impl Future<Output = T>) -> bool {
    let mut work = pin!(work);
    let left = RefCell::new(turns);
    let ended = std::future::poll_fn(|context| {
        if work.as_mut().poll(context).is_ready() {
            return Poll::Ready(false);
        }
        *left.borrow_mut() -= 1;
        if *left.borrow() == 0 { Poll::Ready(true) } else { Poll::Pending }
    })
    .await;
    // What it had the disk do would have ended with it.
    tokio::task::spawn_blocking(|| ()).await.unwrap();
    ended
}

/// Two guards of standbys, one behind the other, and what passes between them.
#[tokio::test(flavor = "current_thread")]
async fn a_standby_tells_one_that_comes_after_it_what_it_does_and_what_it_owns() {
    let (first, second) = (Scene::new(), Scene::new());
    LocalSet::new()
        .run_until(async {
            let key = PairKey::of_bytes([5; 32]);
            let before = first.guard_with("listen = \"127.0.0.1:0\"\n", Role::Watching);
            let address = primary::start_on_standby(&before, &key).await.unwrap().unwrap();
            let behind = second.guard_with(&format!("after = [\"{address}\"]\n"), Role::Watching);
            let question = Question {
                version: "0.1.0".into(),
                role: Role::Watching,
                held: false,
                wall: clawmend_core::time::Wall(0),
            };
            let look = async |key: &PairKey| {
                senior::look(&behind.settings.after, key, &question, std::time::Duration::from_secs(20)).await
            };
            let mine = || Owned::Known(Vec::new());
            let wall = crate::host::clock::now().wall;
            let armed = || senior::armed(&behind, &mine(), wall, 1_000);
            assert!(matches!(armed(), Armed::No { .. }), "nothing was heard of it yet");

            // It is not armed itself, so it would not take over.
            assert_eq!(senior::evidence(&look(&key).await), [Senior::Unwilling]);
            before.report.borrow_mut().armed = Some(true);
            before.sight.set(Some(Sight::BeingRepaired));
            assert_eq!(senior::evidence(&look(&key).await), [Senior::Ready { sees_primary: true }]);
            before.sight.set(Some(Sight::Silent));
            let seen = look(&key).await;
            assert_eq!(senior::evidence(&seen), [Senior::Ready { sees_primary: false }]);
            senior::note(&behind, seen);
            assert_eq!(behind.report.borrow().after[0].seen, "standing by");
            assert_eq!(armed(), Armed::Yes);
            // Both have the same config here, and the same key makes the same mark of it.
            let same =
                crate::failover::owned::owned(&second.home, crate::daemon::own_uid(), &key, second.folder.path());
            let doubled = senior::armed(&behind, &same, wall, 1_000);
            assert!(matches!(&doubled, Armed::No { why } if why.contains("telegram")), "{doubled:?}");
            before.kept.borrow_mut().memory.held = true;
            assert_eq!(senior::evidence(&look(&key).await), [Senior::Unwilling]);

            first.obey(true);
            before.kept.borrow_mut().memory.role = Role::Active;
            assert_eq!(senior::evidence(&look(&key).await), [Senior::Carries { serves: true }]);
            first.obey(false);
            assert_eq!(senior::evidence(&look(&key).await), [Senior::Carries { serves: false }]);
            assert_eq!(senior::evidence(&look(&PairKey::of_bytes([6; 32])).await), [Senior::Silent], "another key");

            // What it owned is remembered over the guard's end, as long as the settings name it.
            let again = second.guard_with(&format!("after = [\"{address}\"]\n"), Role::Watching);
            assert_eq!(senior::armed(&again, &mine(), wall, 1_000), Armed::Yes);
            let without = second.guard_with("", Role::Watching);
            assert!(without.kept.borrow().seniors.is_empty());
        })
        .await;
}

/// A ward that is busy with a repair says nothing for a while: its guard answers all the same.
#[tokio::test(flavor = "current_thread")]
async fn a_busy_ward_does_not_make_its_guard_silent() {
    let scene = Scene::new();
    LocalSet::new()
        .run_until(async {
            let key = PairKey::of_bytes([5; 32]);
            let pair = scene.guard_with("listen = \"127.0.0.1:0\"\n", Role::Active);
            scene.obey(true);
            let address = primary::start_on_standby(&pair, &key).await.unwrap().unwrap();
            let question = Question {
                version: "0.1.0".into(),
                role: Role::Watching,
                held: false,
                wall: clawmend_core::time::Wall(0),
            };
            let look = async || {
                let limit = std::time::Duration::from_secs(20);
                senior::evidence(&senior::look(&[address], &key, &question, limit).await)
            };
            assert_eq!(look().await, [Senior::Carries { serves: true }]);
            // Nobody reads what this one is sent.
            let (busy, _inbox) = mpsc::channel(1);
            *pair.ward.borrow_mut() = Some(busy);
            for _ in 0..3 {
                assert_eq!(look().await, [Senior::Carries { serves: true }], "what it said last counts");
            }
        })
        .await;
}
