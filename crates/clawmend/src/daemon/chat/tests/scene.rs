//! A chat with a stand-in of the Bot API on one side and a ward's queue on the other.

use super::super::super::news::{self, News};
use super::super::{Condition, Parts, Settings, Voice, Wards, start};
use crate::api::request::Answer;
use crate::approval::Kept;
use crate::bot::access::BotSettings;
use crate::bot::button::{Button, Nonce};
use crate::bot::journal::Journal;
use crate::bot::update::Sender;
use crate::bot::{Access, Binding, Sealing};
use crate::cli::Account;
use crate::host::clock;
use crate::notify::channel::telegram::Telegram;
use crate::notify::http::Http;
use crate::notify::{Choice, Kind, Letter};
use crate::settings::Language;
use clawmend_core::alert::Level;
use clawmend_core::approval::{Decision, Proposal, ProposalId, Stand};
use clawmend_core::check::Origin;
use clawmend_core::directive::{Action, IncidentId};
use clawmend_core::gateway::{GatewayId, Incarnation};
use clawmend_core::time::Wall;
use clawmend_core::wish::Wish;
use clawmend_testkit::alerts::BotApiStandIn;
use clawmend_testkit::alerts::bot_api::{PERSON, TOKEN};
use secrecy::SecretString;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

pub const BOT: &str = "4243";

/// What reached the ward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    Decision(Decision),
    Wish(Wish),
}

/// The scene.
pub struct Scene {
    pub folder: tempfile::TempDir,
    pub service: BotApiStandIn,
    pub sealing: Sealing,
    pub parts: Parts,
    pub alerts: watch::Sender<Condition>,
    pub proposals: Rc<RefCell<Vec<Proposal>>>,
    pub heard: Rc<RefCell<Vec<Heard>>>,
    /// How the journal on the disk was when a decision came.
    pub journals: Rc<RefCell<Vec<Journal>>>,
    pub wards: watch::Sender<Wards>,
}

pub fn proposal(id: u64) -> Proposal {
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
    pub fn new() -> Self {
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
            uid: crate::daemon::own_uid(),
            trouble: Rc::default(),
            feishu_trouble: Rc::default(),
            dingtalk_trouble: Rc::default(),
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
            wards: known,
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
                    | News::IsHindered(_)
                    | News::Channels(_)
                    | News::Gateway(..)
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
    pub fn begin(&self) {
        self.set_bot();
        start(self.parts.clone());
    }

    pub fn set_bot(&self) {
        let text = format!("token = '{TOKEN}'\napi = '{}'", self.service.url());
        let settings: BotSettings = toml::from_str(&text).unwrap();
        let bot = Some(Access::new(&settings, None).unwrap());
        self.alerts.send_replace(Condition { bot, ..Condition::default() });
    }

    pub fn bind(&self) {
        let from = Sender { user: PERSON, chat: PERSON, private: true };
        Binding::new(BOT, from, Wall(1)).save(self.folder.path(), &self.sealing).unwrap();
    }

    /// Sends a question about this proposal with its buttons, as the outbox does. Gives the message, and both data.
    pub async fn question(&self, proposal: &Proposal) -> (i64, String, String) {
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
    pub async fn heard_all(&self) {
        let helps = || self.said().iter().filter(|text| text.starts_with("I know")).count();
        let before = helps();
        self.service.write(PERSON, "?");
        until("the answer to what came last", || helps() > before).await;
    }

    pub fn said(&self) -> Vec<String> {
        let text = |message: &serde_json::Value| message["text"].as_str().unwrap_or_default().to_owned();
        self.service.sent().iter().map(text).collect()
    }

    pub fn answer_to(&self, query: &str) -> Option<String> {
        self.service.answers().into_iter().find(|(known, _)| known == query).map(|(_, text)| text)
    }

    pub async fn tap(&self, message: i64, data: &str) -> String {
        let query = self.service.tap(PERSON, message, data);
        until("the answer to a tap", || self.answer_to(&query).is_some()).await;
        self.answer_to(&query).unwrap()
    }

    pub fn trouble(&self) -> String {
        self.parts.trouble.borrow().clone().unwrap_or_default()
    }
}

/// Waits for an event, for at most half a minute.
pub async fn until(what: &str, holds: impl Fn() -> bool) {
    let end = clock::now().mono.plus(30_000);
    while !holds() {
        assert!(clock::now().mono < end, "no sign of {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
