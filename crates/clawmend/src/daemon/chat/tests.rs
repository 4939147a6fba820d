//! The chat against a stand-in of the Bot API; the ward's queue is answered here, with real proposals.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::super::news::{self, News};
use super::*;
use crate::api::request::Answer;
use crate::bot::access::BotSettings;
use crate::bot::binding::VALID_MS;
use crate::bot::button::{Button, Nonce};
use crate::cli::Account;
use crate::notify::channel::telegram::Telegram;
use crate::notify::http::Http;
use crate::notify::{Choice, Kind, Letter};
use clawmend_core::alert::Level;
use clawmend_core::approval::{Decision, Proposal, ProposalId, Stand};
use clawmend_core::check::Origin;
use clawmend_core::directive::{Action, IncidentId};
use clawmend_core::gateway::{GatewayId, Incarnation};
use clawmend_core::time::{Moment, Wall};
use clawmend_core::wish::Wish;
use clawmend_testkit::alerts::bot_api::{PERSON, STRANGER, TOKEN};
use clawmend_testkit::alerts::{BotApiStandIn, Mode};
use secrecy::SecretString;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

const BOT: &str = "4243";

/// What reached the ward.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Heard {
    Decision(Decision),
    Wish(Wish),
}

struct Scene {
    folder: tempfile::TempDir,
    service: BotApiStandIn,
    sealing: Sealing,
    parts: Parts,
    alerts: watch::Sender<Condition>,
    proposals: Rc<RefCell<Vec<Proposal>>>,
    heard: Rc<RefCell<Vec<Heard>>>,
    /// How the journal on the disk was when a decision came.
    journals: Rc<RefCell<Vec<Journal>>>,
    _wards: watch::Sender<Wards>,
}

fn proposal(id: u64) -> Proposal {
    let now = clock::now();
    Proposal {
        id: ProposalId(id),
        incident: IncidentId(12),
        target: Some(Incarnation { pid: 100, start: 7, boot: "boot".into() }),
        action: Action::Terminate { wake: false },
        origin: Origin::Ladder,
        reason: "because".into(),
        until: now.mono.plus(3_600_000),
        until_wall: Wall(now.wall.0 + 3_600_000),
        stand: Stand::Open,
    }
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let service = BotApiStandIn::start().unwrap();
        let passphrase = SecretString::from("correct horse battery".to_owned());
        Kept::set(folder.path(), &passphrase, None).unwrap();
        let sealing = Sealing::new(Kept::load(folder.path()).unwrap().unwrap().key());
        let home = crate::openclaw::discovery::discover(|_| None, folder.path()).remove(0);
        std::fs::create_dir_all(&home.state_dir).unwrap();
        std::fs::write(&home.config_path, "{}").unwrap();
        let (alerts, condition) = watch::channel(Condition::default());
        let (ward, inbox) = mpsc::channel(news::QUEUE);
        let (known, wards) = watch::channel(vec![(GatewayId("default".into()), ward)]);
        let mut settings = Settings::default();
        settings.guard.language = Some(Language::English);
        let parts = Parts {
            alerts: condition,
            wards,
            settings: Rc::new(RefCell::new(settings)),
            voice: Rc::new(Voice::new(Account::silent(), folder.path().to_owned())),
            homes: vec![home],
            uid: super::super::own_uid(),
            trouble: Rc::default(),
        };
        let scene = Self {
            folder,
            service,
            sealing,
            parts,
            alerts,
            proposals: Rc::default(),
            heard: Rc::default(),
            journals: Rc::default(),
            _wards: known,
        };
        scene.ward(inbox);
        scene
    }

    /// Answers as a ward does.
    fn ward(&self, mut inbox: mpsc::Receiver<News>) {
        let (proposals, heard, journals) =
            (Rc::clone(&self.proposals), Rc::clone(&self.heard), Rc::clone(&self.journals));
        let (state, sealing) = (self.folder.path().to_owned(), self.sealing.clone());
        tokio::task::spawn_local(async move {
            while let Some(news) = inbox.recv().await {
                match news {
                    News::Proposals(reply) => drop(reply.send(proposals.borrow().clone())),
                    News::Decision(decision, reply) => {
                        journals.borrow_mut().push(Journal::load(&state, &sealing, BOT).unwrap());
                        for one in proposals.borrow_mut().iter_mut().filter(|one| one.id == decision.proposal) {
                            one.stand = if decision.approve { Stand::Approved } else { Stand::Denied };
                        }
                        heard.borrow_mut().push(Heard::Decision(decision));
                        drop(reply.send(Answer::Done { message: "done".to_owned() }.into()));
                    }
                    News::Wish(wish, reply) => {
                        heard.borrow_mut().push(Heard::Wish(wish));
                        drop(reply.send(Answer::Done { message: "done".to_owned() }.into()));
                    }
                    News::Evidence(_)
                    | News::Call(_)
                    | News::Service(_)
                    | News::Keeper(_)
                    | News::KeeperState(_)
                    | News::KeeperLost
                    | News::Report(_)
                    | News::Role { .. }
                    | News::Policy(_)
                    | News::Dismiss(_)
                    | News::LastWords { .. }
                    | News::NotAdopted(_)
                    | News::Ended(_) => panic!("nothing else is asked of a ward"),
                }
            }
        });
    }

    /// The bot is set, and the chat begins.
    fn begin(&self) {
        self.set_bot();
        start(self.parts.clone());
    }

    fn set_bot(&self) {
        let text = format!("token = '{TOKEN}'\napi = '{}'", self.service.url());
        let settings: BotSettings = toml::from_str(&text).unwrap();
        let bot = Some(Access::new(&settings, None).unwrap());
        self.alerts.send_replace(Condition { bot, ..Condition::default() });
    }

    fn bind(&self) {
        let from = crate::bot::update::Sender { user: PERSON, chat: PERSON, private: true };
        Binding::new(BOT, from, Wall(1)).save(self.folder.path(), &self.sealing).unwrap();
    }

    /// Sends a question about this proposal with its buttons, as the outbox does. Gives the message, and both data.
    async fn question(&self, proposal: &Proposal) -> (i64, String, String) {
        let nonce = Nonce::fresh().unwrap();
        let gateway = GatewayId("default".into());
        let data = |yes| Button::data(&self.sealing, &gateway, proposal, nonce, yes).unwrap();
        let choice = |label: &str, yes| Choice { label: label.to_owned(), data: data(yes) };
        let letter = Letter {
            key: "default/12/ask-3".to_owned(),
            subject_key: "default/12".to_owned(),
            kind: Kind::Alert,
            level: Level::Warning,
            at: Wall(1),
            host: "host".to_owned(),
            title: "default waits for your word".to_owned(),
            parts: Vec::new(),
            answers: None,
            choices: vec![choice("yes", true), choice("no", false)],
        };
        let token = SecretString::from(TOKEN.to_owned());
        let channel = Telegram::own_bot(token, Some(self.service.url().parse().unwrap()), PERSON).unwrap();
        let receipt = channel.deliver(&letter, &Http::new(None).unwrap(), Wall(1)).await.unwrap();
        let message = receipt.0.parse().unwrap();
        let buttons = self.service.buttons(message);
        assert_eq!(buttons, [("yes".to_owned(), data(true)), ("no".to_owned(), data(false))]);
        (message, data(true), data(false))
    }

    /// Everything that was said so far has been heard: a text of the person that comes after it is answered.
    async fn heard_all(&self) {
        let helps = || self.said().iter().filter(|text| text.starts_with("I know")).count();
        let before = helps();
        self.service.write(PERSON, "?");
        until("the answer to what came last", || helps() > before).await;
    }

    fn said(&self) -> Vec<String> {
        let text = |message: &serde_json::Value| message["text"].as_str().unwrap_or_default().to_owned();
        self.service.sent().iter().map(text).collect()
    }

    fn answer_to(&self, query: &str) -> Option<String> {
        self.service.answers().into_iter().find(|(known, _)| known == query).map(|(_, text)| text)
    }

    async fn tap(&self, message: i64, data: &str) -> String {
        let query = self.service.tap(PERSON, message, data);
        until("the answer to a tap", || self.answer_to(&query).is_some()).await;
        self.answer_to(&query).unwrap()
    }

    fn trouble(&self) -> String {
        self.parts.trouble.borrow().clone().unwrap_or_default()
    }
}

/// Waits for an event, for at most half a minute.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let end = clock::now().mono.plus(30_000);
    while !holds() {
        assert!(clock::now().mono < end, "no sign of {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_person_is_bound_with_the_code_and_nobody_else_hears_anything() {
    let local = LocalSet::new();
    local
        .run_until(async {
            let scene = Scene::new();
            scene.begin();
            until("a word that nobody is paired", || scene.trouble().contains("clawmend pair bot")).await;
            assert!(scene.service.requests().is_empty(), "nobody is listened to");
            let now = clock::now().wall;
            let (pairing, code) = Pairing::fresh(&scene.sealing, BOT, now).unwrap();
            pairing.save(scene.folder.path(), &scene.sealing).unwrap();
            let wrong = if code.starts_with('1') { "2222 2222" } else { "1111 1111" };
            scene.service.write(STRANGER, wrong);
            scene.service.write(STRANGER, "/start");
            scene.service.write(STRANGER, "restart");
            scene.service.push(&json!({"message": {"message_id": 1, "from": {"id": STRANGER}, "text": code,
                "chat": {"id": -5, "type": "group"}}}));
            scene.service.write(PERSON, &code);
            until("the word that they are paired", || scene.said().iter().any(|text| text.starts_with("Paired"))).await;
            // The same code once more, from somebody else and from the person.
            scene.service.write(STRANGER, &code);
            scene.heard_all().await;
            let bound = Binding::load(scene.folder.path(), &scene.sealing, BOT).unwrap().unwrap();
            assert_eq!((bound.user, bound.chat), (PERSON, PERSON));
            assert!(Pairing::load(scene.folder.path(), &scene.sealing, BOT, now).unwrap().is_none());
            assert!(scene.service.sent().iter().all(|message| message["chat_id"] == json!(PERSON)));
            let spoken: Vec<String> = scene.service.requests().into_iter().map(|(method, _)| method).collect();
            assert!(spoken.iter().all(|method| method == "getUpdates" || method == "sendMessage"), "{spoken:?}");
            assert!(scene.heard.borrow().is_empty());
            until("no trouble", || scene.trouble().is_empty()).await;
        })
        .await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_code_is_over_after_five_tries_or_ten_minutes() {
    let local = LocalSet::new();
    local
        .run_until(async {
            let scene = Scene::new();
            scene.bind();
            let now = clock::now().wall;
            let (pairing, code) = Pairing::fresh(&scene.sealing, BOT, now).unwrap();
            pairing.save(scene.folder.path(), &scene.sealing).unwrap();
            let wrong = if code.starts_with('1') { "2222 2222" } else { "1111 1111" };
            for _ in 0..5 {
                scene.service.write(STRANGER, wrong);
            }
            scene.service.write(STRANGER, &code);
            scene.begin();
            scene.heard_all().await;
            // And one that is old.
            let (pairing, code) = Pairing::fresh(&scene.sealing, BOT, Wall(now.0 - VALID_MS)).unwrap();
            pairing.save(scene.folder.path(), &scene.sealing).unwrap();
            scene.service.write(STRANGER, &code);
            scene.heard_all().await;
            let bound = Binding::load(scene.folder.path(), &scene.sealing, BOT).unwrap().unwrap();
            assert_eq!(bound.user, PERSON);
            assert!(scene.service.sent().iter().all(|message| message["chat_id"] == json!(PERSON)));
        })
        .await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_tap_counts_once_and_is_on_record_before() {
    let local = LocalSet::new();
    local
        .run_until(async {
            let scene = Scene::new();
            scene.bind();
            scene.begin();
            scene.heard_all().await;
            let asked = proposal(3);
            scene.proposals.borrow_mut().push(asked.clone());
            let (message, yes, no) = scene.question(&asked).await;
            assert!(scene.tap(message, &yes).await.starts_with("Approved"));
            let by = format!("Telegram user {PERSON}, by a button");
            let decision = Decision { proposal: ProposalId(3), approve: true, by };
            assert_eq!(*scene.heard.borrow(), [Heard::Decision(decision)]);
            let journal = scene.journals.borrow()[0].clone();
            assert!(journal.is_used(Button::parse(&yes).unwrap().nonce), "noted before it was given on");
            assert!(journal.offset() > 101, "and the update as read");
            until("the buttons to go", || scene.service.buttons(message).is_empty()).await;

            // Replayed, and the other button of the same message.
            assert!(scene.tap(message, &yes).await.contains("answered before"));
            assert!(scene.tap(message, &no).await.contains("answered before"));
            // A second message about what is decided.
            let (again, yes, _) = scene.question(&asked).await;
            assert!(scene.tap(again, &yes).await.contains("decided before"));
            // Another one is denied.
            let other = proposal(4);
            scene.proposals.borrow_mut().push(other.clone());
            let (message, _, no) = scene.question(&other).await;
            assert!(scene.tap(message, &no).await.starts_with("Denied"));
            assert_eq!(scene.heard.borrow().len(), 2);
        })
        .await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_tap_that_is_foreign_altered_or_late_does_nothing() {
    let local = LocalSet::new();
    local
        .run_until(async {
            let scene = Scene::new();
            scene.bind();
            scene.begin();
            scene.heard_all().await;
            let asked = proposal(3);
            scene.proposals.borrow_mut().push(asked.clone());
            let (message, yes, _) = scene.question(&asked).await;
            // Somebody else, and the person in a group.
            let foreign = scene.service.tap(STRANGER, message, &yes);
            scene.service.push(&json!({"callback_query": {"id": "in-a-group", "from": {"id": PERSON}, "data": yes,
                "message": {"message_id": message, "chat": {"id": -5, "type": "supergroup"}}}}));
            // Another answer, another proposal, and nothing that is a button.
            let flipped = yes.replacen("1y", "1n", 1);
            for altered in [flipped, format!("{}4", &yes[..yes.len() - 1]), "approve".to_owned()] {
                assert!(scene.tap(message, &altered).await.contains("fits nothing"), "{altered}");
            }
            // Its process, its action or its end has changed.
            let changed = [
                Proposal { target: None, ..asked.clone() },
                Proposal { action: Action::Kill, ..asked.clone() },
                Proposal { until_wall: Wall(asked.until_wall.0 + 1), ..asked.clone() },
            ];
            for proposal in changed {
                *scene.proposals.borrow_mut() = vec![proposal];
                assert!(scene.tap(message, &yes).await.contains("fits nothing"));
            }
            // Its time is over.
            *scene.proposals.borrow_mut() = vec![Proposal { until: Moment(0), ..asked.clone() }];
            assert!(scene.tap(message, &yes).await.contains("time is over"));
            assert!(scene.heard.borrow().is_empty(), "{:?}", scene.heard.borrow());
            assert!(scene.answer_to(&foreign).is_none() && scene.answer_to("in-a-group").is_none());
            // None of it has used the message up.
            *scene.proposals.borrow_mut() = vec![asked];
            assert!(scene.tap(message, &yes).await.starts_with("Approved"));
        })
        .await;
}

#[tokio::test(flavor = "current_thread")]
async fn only_the_closed_list_of_words_is_obeyed() {
    let local = LocalSet::new();
    local
        .run_until(async {
            let scene = Scene::new();
            scene.bind();
            scene.begin();
            for text in ["stop", "restart; reboot", "approve 3", "restart nobody"] {
                scene.service.write(PERSON, text);
            }
            scene.heard_all().await;
            assert!(scene.heard.borrow().is_empty());
            for text in ["pause", "恢复", "/restart default"] {
                scene.service.write(PERSON, text);
            }
            until("the word that it serves", || scene.said().iter().any(|text| text.contains("serving"))).await;
            let wishes = [Wish::Pause { until: None, reason: None }, Wish::Resume, Wish::Restart];
            assert_eq!(*scene.heard.borrow(), wishes.map(Heard::Wish));
            insta::assert_snapshot!(scene.said().join("\n"));
        })
        .await;
}

#[tokio::test(flavor = "current_thread")]
async fn what_cannot_be_kept_on_record_is_not_done_and_not_lost() {
    let local = LocalSet::new();
    local
        .run_until(async {
            let scene = Scene::new();
            scene.bind();
            let journal = scene.folder.path().join("bot-journal.json");
            std::fs::create_dir(&journal).unwrap();
            crate::host::files::private_dir(&journal).unwrap();
            scene.service.write(PERSON, "pause");
            scene.begin();
            until("a word of trouble", || scene.trouble().contains("bot-journal.json")).await;
            assert!(scene.heard.borrow().is_empty());
            std::fs::remove_dir(&journal).unwrap();
            until("the wish", || !scene.heard.borrow().is_empty()).await;
            until("no trouble", || scene.trouble().is_empty()).await;
        })
        .await;
}

#[tokio::test(flavor = "current_thread")]
async fn trouble_has_a_word_and_ends() {
    let local = LocalSet::new();
    local
        .run_until(async {
            let scene = Scene::new();
            scene.bind();
            scene.service.set_mode(Mode::Status(502));
            scene.begin();
            until("a word of the status", || scene.trouble().contains("502")).await;
            scene.service.write(STRANGER, "something that is given in time");
            scene.service.set_mode(Mode::CutOff);
            until("one update at a time", || {
                scene.service.requests().iter().any(|(_, body)| body["limit"] == json!(1))
            })
            .await;
            scene.service.set_mode(Mode::RateLimited(1));
            until("a word of the rate", || scene.trouble().contains("too often")).await;
            scene.service.set_mode(Mode::Contract);
            scene.service.write(PERSON, "pause");
            until("the wish", || !scene.heard.borrow().is_empty()).await;
            until("no trouble", || scene.trouble().is_empty()).await;
            scene.service.set_mode(Mode::Unauthorized);
            until("a word of the token", || scene.trouble().contains("@BotFather")).await;
            // No bot is set any more: nothing is wrong.
            scene.alerts.send_replace(Condition::default());
            until("silence", || scene.trouble().is_empty()).await;
        })
        .await;
}

#[tokio::test(flavor = "current_thread")]
async fn another_program_with_the_same_token_is_said() {
    let local = LocalSet::new();
    local
        .run_until(async {
            let scene = Scene::new();
            scene.bind();
            scene.begin();
            until("a held request", || !scene.service.requests().is_empty()).await;
            let other = BotApi::new(scene.alerts.borrow().bot.clone().unwrap()).unwrap();
            other.updates(0, 1, 0).await.unwrap();
            until("a word of the other program", || scene.trouble().contains("another program")).await;
        })
        .await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_bot_that_openclaw_has_is_not_listened_to() {
    let local = LocalSet::new();
    local
        .run_until(async {
            let scene = Scene::new();
            scene.bind();
            let config = r#"{"channels": {"telegram": {"botToken": "4243:their-own"}}}"#;
            std::fs::write(&scene.parts.homes[0].config_path, config).unwrap();
            scene.begin();
            until("the refusal", || scene.trouble().contains("OpenClaw's gateway default")).await;
            std::fs::write(&scene.parts.homes[0].config_path, "{ broken").unwrap();
            until("a word of the config", || scene.trouble().contains("cannot be seen")).await;
            assert!(scene.service.requests().is_empty());
            // Once OpenClaw has another bot, ours is heard.
            let config = r#"{"channels": {"telegram": {"botToken": "4242:another"}}}"#;
            std::fs::write(&scene.parts.homes[0].config_path, config).unwrap();
            scene.service.write(PERSON, "pause");
            until("the wish", || !scene.heard.borrow().is_empty()).await;
        })
        .await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_binding_that_was_edited_is_not_believed() {
    let local = LocalSet::new();
    local
        .run_until(async {
            let scene = Scene::new();
            scene.bind();
            let path = scene.folder.path().join("bot-binding.json");
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, text.replace(&PERSON.to_string(), &STRANGER.to_string())).unwrap();
            scene.begin();
            until("a word of the file", || scene.trouble().contains("bot-binding.json")).await;
            assert!(scene.service.requests().is_empty());
        })
        .await;
}
