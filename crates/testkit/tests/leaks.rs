//! The watch over secrets can fail: one that is sent to the wrong service is found, and fails whoever has the stand-in.
//! Leaks are kept for the whole process, so this is one test.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, missing_docs)]

use clawmend_testkit::alerts::{FeishuStandIn, StandIn, Verdict, slack};
use clawmend_testkit::canary::{Canary, leaks, received, register};
use clawmend_testkit::lab::request;
use serde_json::json;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_request_may_have_the_services_own_secret_and_no_other() {
    let own = register(Canary::written("the key of mail", Some("mail"), "canary-own-0123456789-of-this-test"));
    let other = register(Canary::written("the key of chat", Some("chat"), "canary-other-0123456789-of-this-test"));
    received("mail", own.as_bytes());
    assert_eq!(leaks(), Vec::<String>::new());
    received("mail", format!("Authorization: {other}").as_bytes());
    assert_eq!(leaks(), ["a request to mail has the key of chat at byte 15"]);
    assert_eq!(leaks(), Vec::<String>::new(), "told once");

    // A stand-in of the West, one of the East, and one without secrets: whoever drops it is told.
    let slack = slack::start().unwrap();
    let feishu = FeishuStandIn::start().unwrap();
    let nobody = StandIn::start(|_, _| Verdict::text(200, "ok")).unwrap();
    let port =
        |url: &str| url.trim_start_matches("http://127.0.0.1:").split('/').next().unwrap().parse::<u16>().unwrap();
    let send = |url: &str, text: &str| {
        let _ = request(port(url), "POST", "/any", None, Some(&json!({"text": text})), PATIENCE);
    };
    send(&slack.url(), slack::TOKEN);
    send(&feishu.api(), FeishuStandIn::APP_SECRET);
    assert_eq!(leaks(), Vec::<String>::new(), "their own");
    send(&slack.url(), FeishuStandIn::APP_SECRET);
    assert!(says(|| drop(slack)).contains("a request to Slack has Feishu's app secret"));
    send(&feishu.api(), slack::TOKEN);
    assert!(says(|| drop(feishu)).contains("a request to Feishu has Slack's bot token"));
    send(&nobody.url(), slack::TOKEN);
    let said = says(|| drop(nobody));
    assert!(said.contains("a service without secrets has Slack's bot token"), "{said}");
    assert!(!said.contains("0123456789"), "{said}");
}

/// What it panics with.
fn says(ends: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(ends)).unwrap_err();
    panic.downcast_ref::<String>().unwrap().clone()
}
