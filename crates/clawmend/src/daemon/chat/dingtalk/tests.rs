//! The chat on DingTalk against a stand-in that keeps the documented protocol; the ward's queue is answered in
//! [`super::super::tests::scene`], with real proposals.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use super::super::tests::scene::{Heard, Scene, proposal, until};
use super::super::{Condition, start};
use super::RATE;
use crate::bot::Pairing;
use crate::bot::button::{Button, Nonce};
use crate::cards::dingtalk::Access;
use crate::cards::dingtalk::access::DingtalkSettings;
use crate::cards::dingtalk::stream::MAX_MESSAGE;
use crate::cards::{App as _, Bound};
use crate::host::clock;
use crate::host::files::private_dir;
use crate::notify::http::Http;
use crate::notify::{Choice, Kind, Letter};
use clawmend_core::alert::Level;
use clawmend_core::approval::{Decision, Proposal, ProposalId};
use clawmend_core::gateway::GatewayId;
use clawmend_core::time::{Moment, Wall};
use clawmend_core::wish::Wish;
use clawmend_testkit::alerts::{DingtalkStandIn, DingtalkStream};
use serde_json::{Value, json};
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio_tungstenite::tungstenite::Message;

const PERSON: &str = DingtalkStream::PERSON;
const STRANGER: &str = DingtalkStream::STRANGER;
const APP: &str = DingtalkStandIn::CLIENT_ID;

/// The scene, with an app on DingTalk.
struct OnDingtalk {
    scene: Scene,
    dingtalk: Arc<DingtalkStream>,
    access: Access,
}

impl OnDingtalk {
    /// With a person, and a connection.
    async fn begin(template: Option<&str>) -> Self {
        let this = Self::set_up(template);
        Bound::new(APP, PERSON, Wall(1)).save::<Access>(&this.folder(), &this.scene.sealing).unwrap();
        this.start();
        this.connected(1).await;
        this
    }

    fn set_up(template: Option<&str>) -> Self {
        let scene = Scene::new();
        let dingtalk = Arc::new(DingtalkStream::start().unwrap());
        let whole: toml::Table = toml::from_str(&dingtalk.settings(template)).unwrap();
        let settings: DingtalkSettings = whole["dingtalk"].clone().try_into().unwrap();
        let access = Access::new(&settings, None).unwrap();
        let this = Self { scene, dingtalk, access };
        private_dir(&this.folder()).unwrap();
        this
    }

    fn start(&self) {
        self.set();
        start(self.scene.parts.clone());
    }

    fn set(&self) {
        let condition = Condition { dingtalk: Some(self.access.clone()), ..Condition::default() };
        self.scene.alerts.send_replace(condition);
    }

    /// Waits for this connection, counted from 1.
    async fn connected(&self, number: usize) {
        until("the connection", || self.dingtalk.connections() == (number, 1)).await;
    }

    fn folder(&self) -> PathBuf {
        self.scene.folder.path().join(Access::FOLDER)
    }

    fn trouble(&self) -> String {
        self.scene.parts.dingtalk_trouble.borrow().clone().unwrap_or_default()
    }

    /// Sends a frame, and gives the code and the data of the answer.
    async fn ask(&self, frame: Value) -> (i64, Value) {
        let dingtalk = Arc::clone(&self.dingtalk);
        let answer = tokio::task::spawn_blocking(move || dingtalk.ask(&frame)).await.unwrap().unwrap();
        (answer["code"].as_i64().unwrap(), serde_json::from_str(answer["data"].as_str().unwrap()).unwrap())
    }

    async fn nothing(&self, frame: Value) {
        let shown = frame.to_string();
        assert_eq!(self.ask(frame).await, (200, json!({"response": null})), "{shown}");
    }

    /// What the card shows after a tap.
    async fn shown(&self, frame: Value) -> (String, bool) {
        let dingtalk = Arc::clone(&self.dingtalk);
        let shown = tokio::task::spawn_blocking(move || dingtalk.tapped(&frame)).await.unwrap().unwrap();
        (shown["status"].as_str().unwrap().to_owned(), shown["state"] == "closed")
    }

    async fn tap(&self, carried: &str) -> (String, bool) {
        self.shown(self.dingtalk.tap(PERSON, "track", carried)).await
    }

    fn message(&self, person: &str, text: &str) -> Value {
        self.dingtalk.message(person, text)
    }

    fn said(&self, part: &str) -> bool {
        self.dingtalk.said().iter().any(|text| text.contains(part))
    }

    fn heard(&self) -> Vec<Heard> {
        self.scene.heard.borrow().clone()
    }

    /// Sends a question about this proposal, as the outbox does. Gives what came, and the data of its buttons.
    async fn question(&self, proposal: &Proposal) -> (Value, String, String) {
        let nonce = Nonce::fresh().unwrap();
        let gateway = GatewayId("default".into());
        let data = |yes| Button::data(&self.scene.sealing, &gateway, proposal, nonce, yes).unwrap();
        let choice = |label: &str, yes| Choice { label: label.to_owned(), data: data(yes) };
        let letter = Letter {
            key: format!("default/12/ask-{}-{}", proposal.id.0, self.dingtalk.api.messages().len()),
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
        let message = self.dingtalk.api.messages().pop().unwrap();
        assert_eq!(message["userIds"], json!([PERSON]));
        (message, data(true), data(false))
    }

    /// A question that waits, as a card, with the data of its buttons.
    async fn card(&self, id: u64) -> (String, String) {
        let asked = proposal(id);
        self.scene.proposals.borrow_mut().push(asked.clone());
        let (card, yes, no) = self.question(&asked).await;
        let shown = &card["cardData"]["cardParamMap"];
        assert_eq!((&shown["approve"], &shown["deny"], &shown["state"]), (&json!(yes), &json!(no), &json!("open")));
        (yes, no)
    }

    fn to_nobody_else(&self) {
        let messages = self.dingtalk.api.messages();
        assert!(messages.iter().all(|message| message["userIds"] == json!([PERSON])), "{messages:?}");
    }
}

const CARD: Option<&str> = Some(DingtalkStandIn::TEMPLATE);

fn approved(id: u64, how: &str) -> Heard {
    let by = format!("DingTalk user {PERSON}, {how}");
    Heard::Decision(Decision { proposal: ProposalId(id), approve: true, by })
}

async fn locally(test: impl Future<Output = ()>) {
    LocalSet::new().run_until(test).await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_person_is_bound_with_the_code_and_nobody_else_hears_anything() {
    locally(async {
        let on = OnDingtalk::set_up(None);
        on.start();
        until("a word that nobody is paired", || on.trouble().contains("clawmend pair dingtalk")).await;
        assert_eq!(on.dingtalk.asked(), 0, "nobody can say anything, so there is no connection");
        let (pairing, code) = Pairing::fresh(&on.scene.sealing, APP, clock::now().wall).unwrap();
        pairing.save(&on.folder(), &on.scene.sealing).unwrap();
        on.connected(1).await;
        let wrong = if code.starts_with('1') { "2222 2222" } else { "1111 1111" };
        let mut group = on.message(STRANGER, &code);
        let mut data: Value = serde_json::from_str(group["data"].as_str().unwrap()).unwrap();
        data["conversationType"] = "2".into();
        group["data"] = data.to_string().into();
        on.nothing(on.message(STRANGER, wrong)).await;
        on.nothing(on.message(STRANGER, "restart")).await;
        on.nothing(group).await;
        on.nothing(on.dingtalk.tap(STRANGER, "track", "1y")).await;
        on.nothing(on.message(PERSON, &code)).await;
        until("the word that they are paired", || on.said("Paired")).await;
        // The same code once more, from somebody else.
        on.nothing(on.message(STRANGER, &code)).await;
        let bound = Bound::load::<Access>(&on.folder(), &on.scene.sealing, APP).unwrap().unwrap();
        assert_eq!(bound.person, PERSON);
        assert!(Pairing::load(&on.folder(), &on.scene.sealing, APP, clock::now().wall).unwrap().is_none());
        on.to_nobody_else();
        assert!(on.heard().is_empty());
        assert_eq!(on.trouble(), "");
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_tap_counts_once_and_the_card_loses_its_buttons() {
    locally(async {
        let on = OnDingtalk::begin(CARD).await;
        let (yes, no) = on.card(3).await;
        let sent = on.dingtalk.tap(PERSON, "track", &yes);
        let (status, closed) = on.shown(sent.clone()).await;
        assert!(closed && status.starts_with("Approved"), "{status}");
        assert_eq!(on.heard(), [approved(3, "by a button")]);

        // The very frame again, the same button again, and the other one.
        on.nothing(sent).await;
        assert!(on.tap(&yes).await.0.contains("answered before"));
        assert!(on.tap(&no).await.0.contains("answered before"));
        // A second message about what is decided; one that is altered; one that is over.
        let (_, again, _) = on.question(&Proposal { id: ProposalId(3), ..proposal(3) }).await;
        assert!(!on.tap(&again).await.0.starts_with("Approved"));
        let (other, no) = on.card(4).await;
        let (status, closed) = on.tap(&no.replacen("1n", "1y", 1)).await;
        assert!(status.contains("fits nothing") && !closed, "{status}");
        assert!(on.tap("nonsense").await.0.contains("fits nothing"));
        let over = Proposal { until: Moment(1), ..proposal(5) };
        on.scene.proposals.borrow_mut().push(over.clone());
        let (_, late, _) = on.question(&over).await;
        assert!(on.tap(&late).await.0.contains("time is over"));
        assert_eq!(on.heard().len(), 1);
        // What was altered did not use up the real one.
        assert!(on.tap(&other).await.0.starts_with("Approved"));
        assert_eq!(on.heard().len(), 2);
    })
    .await;
}

/// The text of a message.
fn markdown(message: &Value) -> String {
    let param: Value = serde_json::from_str(message["msgParam"].as_str().unwrap()).unwrap();
    param["text"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "current_thread")]
async fn without_a_card_the_words_of_the_message_count_once() {
    locally(async {
        // One app has no template, and that of the other one is gone.
        for template in [None, CARD] {
            let on = OnDingtalk::begin(template).await;
            on.dingtalk.api.delete_template();
            let asked = proposal(3);
            on.scene.proposals.borrow_mut().push(asked.clone());
            let (message, yes, no) = on.question(&asked).await;
            let text = markdown(&message);
            for (label, words) in [("yes", format!("approve {yes}")), ("no", format!("deny {no}"))] {
                let link =
                    format!("[{label}](dtmd://dingtalkclient/sendMessage?content={})", words.replace(' ', "%20"));
                assert!(text.contains(&link) && text.contains(&format!("{words}\n")), "{text}");
            }
            let words = format!("approve {yes}");
            on.nothing(on.message(STRANGER, &words)).await;
            on.nothing(on.message(PERSON, &format!("deny {yes}"))).await;
            until("a word on what was altered", || on.said("fits nothing")).await;
            assert_eq!(on.heard(), []);
            let sent = on.message(PERSON, &words);
            on.nothing(sent.clone()).await;
            until("the word that it is done", || on.said("Approved")).await;
            on.nothing(sent).await;
            on.nothing(on.message(PERSON, &format!("deny {no}"))).await;
            until("a word that it was answered", || on.said("answered before")).await;
            assert_eq!(on.heard(), [approved(3, "by the words of a message")]);
            on.to_nobody_else();
        }
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn what_is_not_of_the_person_and_of_now_does_nothing() {
    locally(async {
        let on = OnDingtalk::begin(CARD).await;
        let (yes, _) = on.card(3).await;
        let tap = || on.dingtalk.tap(PERSON, "track", &yes);
        let restart = || on.message(PERSON, "restart");
        let with = |mut frame: Value, key: &str, value: Value| {
            let mut data: Value = serde_json::from_str(frame["data"].as_str().unwrap()).unwrap();
            data[key] = value;
            frame["data"] = data.to_string().into();
            frame
        };
        let old = |mut frame: Value| {
            frame["headers"]["time"] = (clock::now().wall.0 - 301_000).to_string().into();
            frame
        };
        on.nothing(old(tap())).await;
        on.nothing(old(restart())).await;
        // Sent now, and written before.
        on.nothing(with(restart(), "createAt", (clock::now().wall.0 - 301_000).into())).await;
        on.nothing(with(restart(), "robotCode", "dingother".into())).await;
        on.nothing(with(restart(), "senderStaffId", "".into())).await;
        on.nothing(with(restart(), "senderStaffId", "own er".into())).await;
        on.nothing(with(restart(), "conversationType", "2".into())).await;
        on.nothing(with(restart(), "msgId", Value::Null)).await;
        on.nothing(with(tap(), "content", json!("{\"cardPrivateData\":{\"params\":{\"action\":\"agree\"}}}"))).await;
        on.nothing(on.dingtalk.tap(STRANGER, "track", &yes)).await;
        assert_eq!(on.ask(on.dingtalk.frame("EVENT", "*", &json!({}))).await.0, 404);
        for garbage in ["", "{", "null", "{\"type\":\"CALLBACK\"}", &"[".repeat(10_000)] {
            on.dingtalk.send_raw(Message::Text(garbage.into()));
        }
        on.dingtalk.send_raw(Message::Binary(vec![0xff; 100].into()));
        let ping = on.dingtalk.frame("SYSTEM", "ping", &json!({"opaque": "123-dsfs"}));
        assert_eq!(on.ask(ping).await, (200, json!({"opaque": "123-dsfs"})));
        assert_eq!(on.heard(), []);
        // None of it has ended the connection, or used up the button.
        assert_eq!(on.dingtalk.connections(), (1, 1));
        assert!(on.tap(&yes).await.0.starts_with("Approved"));
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_clock_that_is_wrong_by_an_hour_is_said() {
    locally(async {
        let on = OnDingtalk::begin(CARD).await;
        for (off_ms, part) in [(-3_600_000, "60 min behind"), (3_660_000, "min ahead of")] {
            let mut frame = on.message(PERSON, "pause");
            frame["headers"]["time"] = (clock::now().wall.0 + off_ms).to_string().into();
            on.nothing(frame).await;
            assert!(on.trouble().contains(part) && on.trouble().contains("clock"), "{}", on.trouble());
        }
        assert_eq!(on.heard(), []);
        on.nothing(on.message(PERSON, "pause")).await;
        until("the wish", || !on.heard().is_empty()).await;
        assert_eq!(on.trouble(), "");
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn words_are_obeyed_once_also_by_the_next_guard() {
    locally(async {
        let on = OnDingtalk::begin(CARD).await;
        let restart = on.message(PERSON, "重启");
        on.nothing(restart.clone()).await;
        until("the wish", || on.heard() == [Heard::Wish(Wish::Restart)]).await;
        until("its answer", || on.said("restarted and serving")).await;
        // The same message in another frame.
        let mut again = restart.clone();
        again["headers"]["messageId"] = "another".into();
        on.nothing(again).await;
        // Another guard, with what the first one has left on the disk.
        on.scene.alerts.send_replace(Condition::default());
        until("the end of the connection", || on.dingtalk.connections().1 == 0).await;
        on.set();
        on.connected(2).await;
        on.nothing(restart).await;
        on.nothing(on.message(PERSON, "restart; rm -rf /")).await;
        until("help", || on.said("I know")).await;
        assert_eq!(on.heard(), [Heard::Wish(Wish::Restart)]);
        on.to_nobody_else();
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_ward_that_does_not_answer_does_not_keep_dingtalk_waiting() {
    locally(async {
        let on = OnDingtalk::begin(CARD).await;
        let (_, yes, _) = on.question(&proposal(3)).await;
        let (deaf, _inbox) = mpsc::channel(4);
        on.scene.wards.send_replace(vec![(GatewayId("default".into()), deaf)]);
        // The stand-in has an answer that is too late among its faults.
        let (status, closed) = on.tap(&yes).await;
        assert!(status.contains("did not answer") && !closed, "{status}");
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_connection_that_ends_is_followed_by_another_and_nothing_counts_twice() {
    locally(async {
        let on = OnDingtalk::begin(CARD).await;
        let (yes, no) = on.card(3).await;
        // What came before the end is still answered.
        on.dingtalk.send(&on.message(PERSON, "what do you know?"));
        on.dingtalk.disconnect();
        on.connected(2).await;
        assert_eq!(on.dingtalk.unanswered(), 0);
        // Ended before the answer could be given, and sent again.
        let pause = on.message(PERSON, "pause");
        on.dingtalk.send(&pause);
        on.dingtalk.cut();
        on.connected(3).await;
        on.dingtalk.send_again();
        until("the wish", || on.heard() == [Heard::Wish(Wish::Pause { until: None, reason: None })]).await;
        let tap = on.dingtalk.tap(PERSON, "track", &yes);
        on.dingtalk.send(&tap);
        on.dingtalk.cut();
        on.connected(4).await;
        on.dingtalk.send_again();
        until("the decision", || on.heard().len() == 2).await;
        assert!(on.tap(&no).await.0.contains("answered before"));
        // One that is longer than any that counts; and one that ends by the rules.
        on.dingtalk.send_raw(Message::Text("x".repeat(MAX_MESSAGE + 1).into()));
        on.connected(5).await;
        on.dingtalk.close();
        on.connected(6).await;
        on.nothing(on.message(PERSON, "resume")).await;
        until("the wish", || on.heard().len() == 3).await;
        assert_eq!(on.heard()[1], approved(3, "by a button"));
        // Each connection had a ticket of its own.
        assert_eq!(on.dingtalk.asked(), 6);
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_flood_is_left_unanswered_and_a_tap_counts_after_it() {
    locally(async {
        let on = OnDingtalk::begin(CARD).await;
        let (yes, _) = on.card(3).await;
        let began = clock::now().mono;
        for _ in 0..400 {
            on.dingtalk.send(&on.message(STRANGER, "restart"));
            // Slow enough for each to be heard, were there no limit.
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        // Pings are answered whatever comes.
        let ping = on.dingtalk.frame("SYSTEM", "ping", &json!({"opaque": "1"}));
        assert_eq!(on.ask(ping).await.0, 200);
        let answered = 400 - u64::try_from(on.dingtalk.unanswered()).unwrap();
        let most = u64::from(RATE.0) + clock::now().mono.since(began) / RATE.1 + 1;
        assert!(answered <= most, "{answered} of 400 were heard, expected {most} at most");
        // One place comes back each 100 ms: a person taps again.
        let end = clock::now().mono.plus(30_000);
        while on.heard().is_empty() && clock::now().mono < end {
            on.dingtalk.send(&on.dingtalk.tap(PERSON, "track", &yes));
            tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        }
        assert_eq!(on.heard(), [approved(3, "by a button")]);
        assert_eq!(on.dingtalk.connections(), (1, 1));
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn an_app_that_openclaw_has_is_not_heard() {
    locally(async {
        let on = OnDingtalk::begin(CARD).await;
        let theirs = json!({"channels": {"dingtalk": {"clientId": APP, "clientSecret": "x"}}}).to_string();
        let config = &on.scene.parts.homes[0].config_path;
        std::fs::write(config, theirs).unwrap();
        assert_eq!(on.ask(on.message(PERSON, "restart")).await.0, 500);
        // The connection would take their messages.
        until("the end of the connection", || on.dingtalk.connections().1 == 0).await;
        until("the refusal", || on.trouble().contains("OpenClaw's gateway default")).await;
        assert_eq!((on.heard(), on.dingtalk.asked()), (Vec::new(), 1));
        std::fs::write(config, "{}").unwrap();
        on.connected(2).await;
        // A binding that was edited is not believed.
        let path = on.folder().join("binding.json");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace(PERSON, STRANGER)).unwrap();
        assert_eq!(on.ask(on.message(STRANGER, "restart")).await.0, 500);
        until("a word of the file", || on.trouble().contains("binding.json")).await;
        assert_eq!(on.heard(), []);
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_secret_that_is_refused_is_said() {
    locally(async {
        let on = OnDingtalk::set_up(CARD);
        Bound::new(APP, PERSON, Wall(1)).save::<Access>(&on.folder(), &on.scene.sealing).unwrap();
        on.dingtalk.api.reset_client_secret();
        on.start();
        until("a word of the secret", || on.trouble().contains("client_secret")).await;
        assert!(!on.trouble().contains(DingtalkStandIn::CLIENT_SECRET), "{}", on.trouble());
        assert_eq!(on.dingtalk.connections(), (0, 0));
    })
    .await;
}
