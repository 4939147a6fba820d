//! A question of our own app to the person who decides.
//!
//! With a template it is a card, whose buttons come back as callbacks:
//! <https://open.dingtalk.com/document/development/create-and-deliver-cards> (as of 2026-11: variables of at most 1 KB each; an
//! `outTrackId` makes one card, whoever asks again). Which variables: `docs/cards.md`.
//!
//! Without one, and where the card cannot be made, it is a message with the words of both answers, and with links that send
//! them: `dtmd://dingtalkclient/sendMessage`, which DingTalk's clients take from a link
//! (<https://open.dingtalk.com/document/development/interactive-mode>).
//!
//! Invariant: what an answer carries is the button's own data, whichever way it goes.

use super::app::{DingtalkApp, param};
use super::markdown::{headline, pieces};
use crate::bot::typed;
use crate::cards::dingtalk::answer::{OPEN, STATE, STATUS};
use crate::notify::http::{Http, said};
use crate::notify::{Letter, NotDelivered, Receipt};
use reqwest::header::HeaderValue;
use ring::digest;
use serde_json::{Value, json};

/// Longest value of a variable, in bytes, below the documented 1 KB.
const MAX_VALUE: usize = 1_000;

/// A question on its way.
pub(super) struct Question<'a> {
    pub(super) app: &'a DingtalkApp,
    pub(super) letter: &'a Letter,
    /// Their userId.
    pub(super) person: &'a str,
    pub(super) http: &'a Http,
    pub(super) token: &'a HeaderValue,
}

impl Question<'_> {
    pub(super) async fn deliver(&self, template: Option<&str>) -> Result<Receipt, NotDelivered> {
        let Some(template) = template else { return self.words().await };
        match self.card(template).await {
            Err(NotDelivered::NeedsPerson { why, .. } | NotDelivered::Refused { why }) => {
                tracing::warn!(why, "no card could be made, so the question is a message; see docs/cards.md");
                self.words().await
            }
            settled => settled,
        }
    }

    async fn words(&self) -> Result<Receipt, NotDelivered> {
        let to = json!({"userIds": [self.person]});
        let param = param(self.letter, &answers(self.letter));
        let key = self.app.call("oToMessages/batchSend", &to, "sampleMarkdown", &param, self.http, self.token).await?;
        Ok(Receipt::of(&key))
    }

    async fn card(&self, template: &str) -> Result<Receipt, NotDelivered> {
        let track = track(&self.letter.key, self.person);
        let body = self.body(template, &track);
        let (answer, heard) =
            self.app.post("v1.0/card/instances/createAndDeliver", &body, self.http, self.token).await?;
        let host = self.app.host();
        // An earlier attempt has made and delivered it, and its answer was lost.
        if heard["code"] == "param.cardAlreadyExist" {
            return Ok(Receipt::of(&track));
        }
        let code = heard["code"].as_str().unwrap_or_default();
        if code.starts_with("param.template") {
            let why = format!("{host} does not take the card's template ({})", said(code));
            return Err(NotDelivered::person(why, "check `card_template_id`, and publish the template"));
        }
        if let Some(failure) = self.app.failed(&answer, &heard) {
            return Err(failure);
        }
        let delivered = heard["result"]["deliverResults"].as_array().map(Vec::as_slice).unwrap_or_default();
        if let Some(failed) = delivered.iter().find(|one| one["success"] == false) {
            let why = said(failed["errorMsg"].as_str().unwrap_or_default());
            return Err(NotDelivered::refused(format!("{host} does not deliver the card: {why}")));
        }
        match heard["success"].as_bool() {
            Some(true) => Ok(Receipt::of(&track)),
            Some(false) => Err(NotDelivered::refused(format!("{host} makes no card"))),
            None => Err(NotDelivered::unsure(format!("{host} gives an answer that is not of its API"))),
        }
    }

    fn body(&self, template: &str, track: &str) -> Value {
        let (text, more) = pieces(self.letter, MAX_VALUE);
        let carried = |at: usize| self.letter.choices.get(at).map_or("", |choice| choice.data.as_str());
        json!({
            "cardTemplateId": template,
            "outTrackId": track,
            "callbackType": "STREAM",
            "userIdType": 1,
            "cardData": {"cardParamMap": {
                "title": headline(self.letter),
                "text": text,
                "more": more,
                STATE: OPEN,
                STATUS: "",
                "approve": carried(0),
                "deny": carried(1),
            }},
            "openSpaceId": format!("dtv1.card//IM_ROBOT.{}", self.person),
            "imRobotOpenSpaceModel": {"supportForward": false},
            "imRobotOpenDeliverModel": {"spaceType": "IM_ROBOT", "robotCode": self.app.robot_code()},
        })
    }
}

/// The links and the words of all answers.
fn answers(letter: &Letter) -> String {
    let (mut links, mut words) = (String::new(), String::new());
    for choice in &letter.choices {
        let Some(text) = typed::words(&choice.data) else { continue };
        let sent = text.replace(' ', "%20");
        links.push_str(&format!("\n\n[{}](dtmd://dingtalkclient/sendMessage?content={sent})", choice.label));
        words.push_str(&text);
        words.push('\n');
    }
    format!("{links}\n\n```\n{words}```")
}

/// Names the card, the same in every attempt.
fn track(key: &str, person: &str) -> String {
    let hash = digest::digest(&digest::SHA256, format!("{key}\n{person}").as_bytes());
    hash.as_ref().iter().take(20).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::super::Own;
    use super::*;
    use crate::notify::{Choice, Kind, Part};
    use clawmend_core::alert::Level;
    use clawmend_core::time::Wall;
    use secrecy::SecretString;

    fn letter(parts: Vec<Part>) -> Letter {
        let data = |answer: char| format!("1{answer}{}3", "A".repeat(44));
        let choice = |label: &str, answer| Choice { label: label.to_owned(), data: data(answer) };
        Letter {
            key: "default/12/ask-3".to_owned(),
            subject_key: "default/12".to_owned(),
            kind: Kind::Alert,
            level: Level::Warning,
            at: Wall(1),
            host: "host".to_owned(),
            title: "default waits for your word".to_owned(),
            parts,
            answers: None,
            choices: vec![choice("✅ Approve", 'y'), choice("❌ Deny", 'n')],
        }
    }

    fn body(letter: &Letter) -> Value {
        let own = Own { robot_code: "dingrobot".to_owned(), template: None, api: None };
        let app = DingtalkApp::own("dingown".to_owned(), SecretString::from("x"), own, "manager1").unwrap();
        let (http, token) = (Http::new(None).unwrap(), HeaderValue::from_static("t"));
        let question = Question { app: &app, letter, person: "manager1", http: &http, token: &token };
        question.body("x.schema", "track")
    }

    #[test]
    fn both_forms_of_a_question() {
        let letter = letter(vec![Part::Text("It wants to end the gateway.".to_owned())]);
        let card = serde_json::to_string_pretty(&body(&letter)).unwrap();
        let param: Value = serde_json::from_str(&param(&letter, &answers(&letter))).unwrap();
        insta::assert_snapshot!(format!("{card}\n\n{}", param["text"].as_str().unwrap()));
    }

    #[test]
    fn a_variable_is_never_longer_than_it_may_be_and_the_front_is_kept() {
        let line = |at: usize| Part::Fact { label: format!("第{at}"), value: "原因".repeat(30) };
        for count in [1, 5, 6, 40] {
            let letter = letter((0..count).map(line).collect());
            let body = body(&letter);
            let shown = |name: &str| body["cardData"]["cardParamMap"][name].as_str().unwrap().to_owned();
            let (text, more) = (shown("text"), shown("more"));
            assert!(text.len() <= 1_024 && more.len() <= 1_024, "{} {}", text.len(), more.len());
            assert!(text.contains("第0") && !text.contains("shortened"), "{text}");
            assert_eq!(more.contains("shortened"), count == 40, "{more}");
        }
        // One that is too long by itself is cut, and so is a question without an end.
        let long = letter(vec![Part::Text("原因".repeat(2_000))]);
        assert!(param(&long, &answers(&long)).len() <= 15_000);
        let body = body(&long);
        assert!(body["cardData"]["cardParamMap"]["text"].as_str().unwrap().contains("shortened"));
    }
}
