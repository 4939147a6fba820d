//! What the answer to a frame has to be.

use super::{CARDS, PATIENCE, Sent};
use crate::alerts::frame_east::has_only;
use serde_json::Value;

/// What is wrong with an answer.
pub(super) fn fault(sent: &Sent, answer: &Value) -> Option<&'static str> {
    let formed = has_only(answer, &["code", "headers", "message", "data"])
        && has_only(&answer["headers"], &["messageId", "contentType"])
        && answer["headers"]["contentType"] == "application/json"
        && answer["message"].is_string()
        && [200, 404, 500].iter().any(|code| answer["code"] == *code);
    let Some(data) = answer["data"].as_str().filter(|_| formed) else { return Some("an answer of another form") };
    let data: Value = serde_json::from_str(data).unwrap_or_default();
    match (sent.frame["type"].as_str(), sent.frame["headers"]["topic"].as_str()) {
        (Some("SYSTEM"), Some("ping")) => (answer["data"] != sent.frame["data"]).then_some("a ping without its data"),
        (Some("CALLBACK"), Some(CARDS)) if sent.at.elapsed() > PATIENCE => Some("too late"),
        (Some("CALLBACK"), Some(CARDS)) => (!is_card(&data)).then_some("no answer to a tap"),
        _ => (!has_only(&data, &["response"])).then_some("no answer to a callback"),
    }
}

/// Nothing, or new data of the card.
fn is_card(data: &Value) -> bool {
    let response = &data["response"];
    if !has_only(data, &["response"]) || response.is_null() {
        return has_only(data, &["response"]);
    }
    let fits = |map: &Value| {
        map.as_object().is_some_and(|map| {
            map.iter().all(|(key, value)| key.len() <= 100 && value.as_str().is_some_and(|value| value.len() <= 1_024))
        })
    };
    has_only(response, &["cardUpdateOptions?", "cardData", "userPrivateData?"])
        && has_only(&response["cardData"], &["cardParamMap"])
        && fits(&response["cardData"]["cardParamMap"])
}
