//! The chat on Feishu against a stand-in that sends callbacks as documented; the ward's queue is answered in
//! [`super::super::tests::scene`], with real proposals.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use super::super::tests::scene::{Heard, Scene, proposal, until};
use super::super::{Condition, start};
use crate::bot::Pairing;
use crate::bot::button::{Button, Nonce};
use crate::cards::access::FeishuSettings;
use crate::cards::listener::{MAX_BODY, MAX_CONNECTIONS};
use crate::cards::{Access, App as _, Bound};
use crate::host::clock;
use crate::host::files::private_dir;
use crate::notify::http::Http;
use crate::notify::{Choice, Kind, Letter};
use clawmend_core::alert::Level;
use clawmend_core::approval::{Decision, Proposal, ProposalId};
use clawmend_core::gateway::GatewayId;
use clawmend_core::time::{Moment, Wall};
use clawmend_core::wish::Wish;
use clawmend_testkit::alerts::feishu_callbacks::{Back, PATIENCE, Sent};
use clawmend_testkit::alerts::{FeishuCallbacks, FeishuStandIn};
use serde_json::{Value, json};
use std::future::Future;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

const PERSON: &str = FeishuCallbacks::PERSON;
const STRANGER: &str = FeishuCallbacks::STRANGER;
const APP: &str = FeishuStandIn::APP_ID;

/// The scene, with an app on Feishu.
struct OnFeishu {
    scene: Scene,
    api: FeishuStandIn,
    feishu: Arc<FeishuCallbacks>,
    access: Access,
}

/// A toast and the card that came with it.
struct Toast {
    kind: String,
    text: String,
    card: Option<Value>,
}

impl OnFeishu {
    async fn begin(bound: bool) -> Self {
        let scene = Scene::new();
        let api = FeishuStandIn::start().unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let feishu = Arc::new(FeishuCallbacks::to(free, "/feishu"));
        let whole: toml::Table = toml::from_str(&feishu.settings(&api)).unwrap();
        let settings: FeishuSettings = whole["feishu"].clone().try_into().unwrap();
        let access = Access::new(&settings, None).unwrap();
        let this = Self { scene, api, feishu, access };
        private_dir(&this.folder()).unwrap();
        if bound {
            Bound::new(APP, PERSON, Wall(1)).save::<Access>(&this.folder(), &this.scene.sealing).unwrap();
        }
        let condition = Condition { feishu: Some(this.access.clone()), ..Condition::default() };
        this.scene.alerts.send_replace(condition);
        start(this.scene.parts.clone());
        until("the listener", || TcpStream::connect(free).is_ok()).await;
        this
    }

    fn folder(&self) -> PathBuf {
        self.scene.folder.path().join(Access::FOLDER)
    }

    fn trouble(&self) -> String {
        self.scene.parts.feishu_trouble.borrow().clone().unwrap_or_default()
    }

    async fn send(&self, sent: Sent) -> Back {
        let feishu = Arc::clone(&self.feishu);
        tokio::task::spawn_blocking(move || feishu.send(&sent)).await.unwrap().unwrap()
    }

    async fn toast(&self, sent: Sent) -> Toast {
        let feishu = Arc::clone(&self.feishu);
        let (kind, text, card) = tokio::task::spawn_blocking(move || feishu.tapped(&sent)).await.unwrap().unwrap();
        Toast { kind, text, card }
    }

    async fn tap(&self, data: &str) -> Toast {
        self.toast(self.feishu.tap(PERSON, "om_1", data)).await
    }

    fn said(&self) -> Vec<String> {
        let text = |message: &Value| message["card"]["text"].as_str().map(str::to_owned);
        self.api.messages().iter().filter_map(text).collect()
    }

    fn heard(&self) -> Vec<Heard> {
        self.scene.heard.borrow().clone()
    }

    /// A question about this proposal, as the outbox sends it. Gives the data of its buttons, as they came.
    async fn question(&self, proposal: &Proposal) -> (String, String) {
        let nonce = Nonce::fresh().unwrap();
        let gateway = GatewayId("default".into());
        let data = |yes| Button::data(&self.scene.sealing, &gateway, proposal, nonce, yes).unwrap();
        let choice = |label: &str, yes| Choice { label: label.to_owned(), data: data(yes) };
        let letter = Letter {
            key: format!("default/12/ask-{}-{}", proposal.id.0, self.api.messages().len()),
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
        let app = self.access.app(PERSON).unwrap();
        app.deliver(&letter, &Http::new(None).unwrap(), Wall(1)).await.unwrap();
        let message = self.api.messages().pop().unwrap();
        assert_eq!(message["to"], PERSON);
        let row = message["card"]["elements"].as_array().unwrap().last().unwrap()["actions"].clone();
        let value = |at: usize| row[at]["value"]["clawmend"].as_str().unwrap().to_owned();
        (value(0), value(1))
    }
}

async fn locally(test: impl Future<Output = ()>) {
    LocalSet::new().run_until(test).await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_person_is_bound_with_the_code_and_nobody_else_hears_anything() {
    locally(async {
        let on = OnFeishu::begin(false).await;
        until("a word that nobody is paired", || on.trouble().contains("clawmend pair feishu")).await;
        let back = on.send(on.feishu.challenge("abc")).await;
        assert_eq!((back.status, back.body), (200, json!({"challenge": "abc"})));
        let (pairing, code) = Pairing::fresh(&on.scene.sealing, APP, clock::now().wall).unwrap();
        pairing.save(&on.folder(), &on.scene.sealing).unwrap();
        let wrong = if code.starts_with('1') { "2222 2222" } else { "1111 1111" };
        let group = on.feishu.signed(&on.feishu.message_event(STRANGER, "group", &code), 0);
        let strangers = [
            on.feishu.message(STRANGER, wrong),
            on.feishu.message(STRANGER, "restart"),
            group,
            on.feishu.tap(STRANGER, "om_1", "1y"),
        ];
        for sent in strangers {
            assert_eq!(on.send(sent).await.body, json!({}));
        }
        assert_eq!(on.send(on.feishu.message(PERSON, &code)).await.body, json!({}));
        until("the word that they are paired", || on.said().iter().any(|text| text.starts_with("Paired"))).await;
        // The same code once more, from somebody else.
        assert_eq!(on.send(on.feishu.message(STRANGER, &code)).await.status, 200);
        let bound = Bound::load::<Access>(&on.folder(), &on.scene.sealing, APP).unwrap().unwrap();
        assert_eq!(bound.person, PERSON);
        assert!(Pairing::load(&on.folder(), &on.scene.sealing, APP, clock::now().wall).unwrap().is_none());
        assert!(on.api.messages().iter().all(|message| message["to"] == PERSON));
        assert!(on.heard().is_empty());
        assert_eq!(on.trouble(), "");
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_tap_counts_once_and_the_card_loses_its_buttons() {
    locally(async {
        let on = OnFeishu::begin(true).await;
        let asked = proposal(3);
        on.scene.proposals.borrow_mut().push(asked.clone());
        let (yes, no) = on.question(&asked).await;
        let sent = on.feishu.tap(PERSON, "om_1", &yes);
        let toast = on.toast(sent.clone()).await;
        assert_eq!(toast.kind, "success");
        assert!(toast.text.starts_with("Approved"), "{}", toast.text);
        let card = toast.card.unwrap();
        assert!(card.to_string().contains("because") && !card.to_string().contains("button"), "{card}");
        let by = format!("Feishu user {PERSON}, by a button");
        let decision = Heard::Decision(Decision { proposal: ProposalId(3), approve: true, by });
        assert_eq!(on.heard(), std::slice::from_ref(&decision));

        // The very request again, the same button again, and the other one.
        assert_eq!(on.send(sent).await.body, json!({}));
        assert!(on.tap(&yes).await.text.contains("answered before"));
        assert!(on.tap(&no).await.text.contains("answered before"));
        // A second message about what is decided; one that is altered; one that is over.
        let (again, _) = on.question(&Proposal { id: ProposalId(3), ..asked }).await;
        assert!(on.tap(&again).await.text.contains("decided before"));
        let other = proposal(4);
        on.scene.proposals.borrow_mut().push(other.clone());
        let (_, no) = on.question(&other).await;
        let altered = on.tap(&no.replacen("1n", "1y", 1)).await;
        assert!(altered.text.contains("fits nothing") && altered.card.is_none(), "{}", altered.text);
        assert!(on.tap("nonsense").await.text.contains("fits nothing"));
        let over = Proposal { until: Moment(1), ..proposal(5) };
        on.scene.proposals.borrow_mut().push(over.clone());
        let (late, _) = on.question(&over).await;
        assert!(on.tap(&late).await.text.contains("time is over"));
        assert_eq!(on.heard(), [decision]);
        // What was altered did not use up the real one.
        assert!(on.tap(&no).await.text.starts_with("Denied"));
        assert_eq!(on.heard().len(), 2);
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn what_is_not_of_feishu_and_of_the_person_does_nothing() {
    locally(async {
        let on = OnFeishu::begin(true).await;
        let asked = proposal(3);
        on.scene.proposals.borrow_mut().push(asked.clone());
        let (yes, _) = on.question(&asked).await;
        let good = || on.feishu.tap(PERSON, "om_1", &yes);
        let event = || on.feishu.tap_event(PERSON, "om_1", &json!({"clawmend": yes}));
        let mut unsigned = good();
        unsigned.headers.retain(|(name, _)| !name.starts_with("X-Lark"));
        let mut twice = good();
        twice.headers.extend(good().headers);
        let mut altered = good();
        altered.body = on.feishu.tap(PERSON, "om_1", &yes).body;
        let mut plain = on.feishu.unsigned(event().to_string().into_bytes());
        on.feishu.sign(&mut plain, 0);
        let old = json!({"open_id": PERSON, "token": "c-1", "action": {"value": {"clawmend": yes}, "tag": "button"}});
        for sent in [unsigned, twice, altered, plain, on.feishu.signed(&event(), 400), on.feishu.signed(&old, 0)] {
            let back = on.send(sent).await;
            assert_eq!((back.status, back.body), (403, json!({})));
        }
        let mut opened = good();
        opened.method = "GET".to_owned();
        assert_eq!(on.send(opened).await.status, 405);
        let mut elsewhere = good();
        elsewhere.path = "/".to_owned();
        assert_eq!(on.send(elsewhere).await.status, 404);
        let mut long = on.feishu.unsigned(vec![b' '; MAX_BODY + 1]);
        on.feishu.sign(&mut long, 0);
        assert_eq!(on.send(long).await.status, 413);
        assert_eq!(on.send(on.feishu.tap(STRANGER, "om_1", &yes)).await.body, json!({}));
        assert_eq!(on.heard(), []);
        // And none of it has used up the button.
        assert!(on.tap(&yes).await.text.starts_with("Approved"));
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_clock_that_is_wrong_by_an_hour_is_said() {
    locally(async {
        let on = OnFeishu::begin(true).await;
        let event = on.feishu.message_event(PERSON, "p2p", "pause");
        assert_eq!(on.send(on.feishu.signed(&event, 3_600)).await.status, 403);
        assert!(on.trouble().contains("60 min behind") && on.trouble().contains("clock"), "{}", on.trouble());
        assert_eq!(on.send(on.feishu.signed(&event, -3_660)).await.status, 403);
        assert!(on.trouble().contains("min ahead of"), "{}", on.trouble());
        assert_eq!(on.heard(), []);
        on.send(on.feishu.message(PERSON, "pause")).await;
        until("the wish", || !on.heard().is_empty()).await;
        assert_eq!(on.trouble(), "");
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn words_are_obeyed_once_also_by_the_next_guard() {
    locally(async {
        let on = OnFeishu::begin(true).await;
        let restart = on.feishu.message(PERSON, "restart");
        on.send(restart.clone()).await;
        until("the wish", || on.heard() == [Heard::Wish(Wish::Restart)]).await;
        until("its answer", || on.said().iter().any(|text| text.contains("restarted and serving"))).await;
        on.send(restart.clone()).await;
        // Another guard, with what the first one has left on the disk.
        on.scene.alerts.send_replace(Condition::default());
        let condition = Condition { feishu: Some(on.access.clone()), ..Condition::default() };
        let address = on.access.listen;
        until("the end of the listener", || TcpStream::connect(address).is_err()).await;
        on.scene.alerts.send_replace(condition);
        until("the listener", || TcpStream::connect(address).is_ok()).await;
        on.send(restart).await;
        on.send(on.feishu.message(PERSON, "restart; rm -rf /")).await;
        until("help", || on.said().iter().any(|text| text.starts_with("I know"))).await;
        assert_eq!(on.heard(), [Heard::Wish(Wish::Restart)]);
        assert!(on.api.messages().iter().all(|message| message["to"] == PERSON));
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_ward_that_does_not_answer_does_not_keep_feishu_waiting() {
    locally(async {
        let on = OnFeishu::begin(true).await;
        let asked = proposal(3);
        let (yes, _) = on.question(&asked).await;
        let (deaf, _inbox) = mpsc::channel(4);
        on.scene.wards.send_replace(vec![(GatewayId("default".into()), deaf)]);
        let back = on.send(on.feishu.tap(PERSON, "om_1", &yes)).await;
        assert!(back.status == 200 && back.after < PATIENCE, "{back:?}");
        assert!(back.body["toast"]["content"].as_str().unwrap().contains("did not answer"), "{back:?}");
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn connections_that_say_nothing_are_bounded_and_end() {
    locally(async {
        let on = OnFeishu::begin(true).await;
        let idle = || TcpStream::connect(on.access.listen).unwrap();
        let held: Vec<TcpStream> = (0..MAX_CONNECTIONS).map(|_| idle()).collect();
        // While they are open nobody else gets in; they are closed without a word of theirs, and then everybody does.
        until("their end", || {
            held.iter().all(|stream| {
                stream.set_nonblocking(true).unwrap();
                !matches!(stream.peek(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
            })
        })
        .await;
        on.send(on.feishu.message(PERSON, "pause")).await;
        until("the wish", || !on.heard().is_empty()).await;
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_flood_is_turned_away_and_a_tap_counts_after_it() {
    locally(async {
        let on = OnFeishu::begin(true).await;
        let asked = proposal(3);
        on.scene.proposals.borrow_mut().push(asked.clone());
        let (yes, _) = on.question(&asked).await;
        let garbage = on.feishu.unsigned(b"x".to_vec());
        let feishu = Arc::clone(&on.feishu);
        let statuses = tokio::task::spawn_blocking(move || {
            (0..400).map(|_| feishu.send(&garbage).map_or(0, |back| back.status)).collect::<Vec<u16>>()
        });
        let statuses = statuses.await.unwrap();
        assert!(statuses.iter().all(|status| [403, 429].contains(status)), "{statuses:?}");
        assert!(statuses.contains(&429), "{statuses:?}");
        // One place comes back each 100 ms.
        let event = || on.feishu.tap(PERSON, "om_1", &yes);
        let end = clock::now().mono.plus(30_000);
        let mut back = on.send(event()).await;
        while back.status == 429 && clock::now().mono < end {
            back = on.send(event()).await;
        }
        assert!(back.body["toast"]["content"].as_str().unwrap().starts_with("Approved"), "{back:?}");
        assert_eq!(on.heard().len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_body_that_does_not_come_is_not_waited_for() {
    locally(async {
        let on = OnFeishu::begin(true).await;
        let address = on.access.listen;
        let answer = tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
            stream.write_all(b"POST /feishu HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        });
        let answer = answer.await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn an_app_that_openclaw_has_is_not_heard() {
    locally(async {
        let on = OnFeishu::begin(true).await;
        let config = json!({"channels": {"feishu": {"appId": APP, "appSecret": "x"}}}).to_string();
        std::fs::write(&on.scene.parts.homes[0].config_path, config).unwrap();
        on.send(on.feishu.message(PERSON, "restart")).await;
        until("the refusal", || on.trouble().contains("OpenClaw's gateway default")).await;
        assert_eq!(on.heard(), []);
        // A binding that was edited is not believed.
        std::fs::write(&on.scene.parts.homes[0].config_path, "{}").unwrap();
        let path = on.folder().join("binding.json");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace(PERSON, STRANGER)).unwrap();
        on.send(on.feishu.message(STRANGER, "restart")).await;
        until("a word of the file", || on.trouble().contains("binding.json")).await;
        assert_eq!(on.heard(), []);
    })
    .await;
}
