//! The chat against a stand-in of the Bot API; the ward's queue is answered in [`scene`], with real proposals.
#![allow(clippy::unwrap_used, clippy::panic)]

pub(super) mod scene;

use super::*;
use crate::bot::binding::VALID_MS;
use crate::bot::button::Button;
use clawmend_core::approval::{Decision, Proposal, ProposalId};
use clawmend_core::directive::Action;
use clawmend_core::time::{Moment, Wall};
use clawmend_core::wish::Wish;
use clawmend_testkit::alerts::Mode;
use clawmend_testkit::alerts::bot_api::{PERSON, STRANGER};
use scene::{BOT, Heard, Scene, proposal, until};
use serde_json::json;
use tokio::task::LocalSet;

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
