#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
use super::super::access::DingtalkSettings;
use super::*;
use clawmend_testkit::alerts::{DingtalkStandIn, DingtalkStream, EastMode};

/// Longer than any answer of a stand-in takes on a busy machine would be long for a test; what is asked here is the order.
const SHORT: Patience = Patience { idle: Duration::from_millis(200), pong: Duration::from_secs(3) };

fn access(dingtalk: &DingtalkStream) -> Access {
    let whole: toml::Table = toml::from_str(&dingtalk.settings(None)).unwrap();
    let settings: DingtalkSettings = whole["dingtalk"].clone().try_into().unwrap();
    Access::new(&settings, None).unwrap()
}

async fn open(dingtalk: &DingtalkStream, patience: Patience) -> Result<Stream, Trouble> {
    Stream::open(&access(dingtalk), &Http::new(None).unwrap(), patience).await
}

#[tokio::test]
async fn it_asks_whether_anybody_is_there_and_ends_when_nobody_is() {
    let dingtalk = DingtalkStream::start().unwrap();
    let mut stream = open(&dingtalk, SHORT).await.unwrap();
    // Some pings of ours later it is still there.
    let quiet = tokio::time::timeout(Duration::from_secs(1), stream.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    dingtalk.send(&dingtalk.frame("SYSTEM", "ping", &json!({"opaque": "1"})));
    let Some(Frame::Ping { id, data }) = stream.next().await.unwrap() else { panic!("no ping") };
    stream.send(frame::ack(&id, frame::Code::Ok, &data)).await.unwrap();
    dingtalk.silence(true);
    let Err(Trouble::Later { why }) = stream.next().await else { panic!("it is still there") };
    assert!(why.contains("silent"), "{why}");
    stream.close().await;
}

#[tokio::test]
async fn why_there_is_no_connection_is_said_and_holds_no_secret() {
    let dingtalk = DingtalkStream::start().unwrap();
    let trouble = async || open(&dingtalk, Patience::default()).await.unwrap_err();
    dingtalk.shut(true);
    assert!(matches!(trouble().await, Trouble::Later { .. }));
    dingtalk.shut(false);
    let says = |status, body: Value| dingtalk.api.set_mode_everywhere(EastMode::Says(status, body));
    for (status, body) in [
        (200, json!({})),
        (200, json!("<xml/>")),
        (200, json!({"endpoint": "http://127.0.0.1:1/x", "ticket": "t"})),
        (200, json!({"endpoint": "ws://192.0.2.1:80/x", "ticket": "t"})),
        (200, json!({"endpoint": "wss://user:word@example.com/x", "ticket": "t"})),
        (200, json!({"endpoint": "wss://example.com/x", "ticket": ""})),
        (200, json!({"endpoint": "wss://example.com/x", "ticket": "t".repeat(1_025)})),
        (404, json!({})),
    ] {
        says(status, body.clone());
        assert!(matches!(trouble().await, Trouble::NotTheApi), "{body}");
    }
    says(403, json!({"code": "Forbidden.AccessDenied.IpNotInWhiteList", "message": "x"}));
    let refused = trouble().await.to_string();
    assert!(refused.contains("IpNotInWhiteList") && refused.contains("client_secret"), "{refused}");
    says(429, json!({}));
    assert!(matches!(trouble().await, Trouble::TooMany { after: None }));
    dingtalk.api.set_mode_everywhere(EastMode::TooMany(7));
    assert!(matches!(trouble().await, Trouble::TooMany { after: Some(after) } if after.as_secs() == 7));
    for mode in [EastMode::Status(500), EastMode::CloseBefore, EastMode::CloseMid] {
        dingtalk.api.set_mode_everywhere(mode.clone());
        assert!(matches!(trouble().await, Trouble::Later { .. }), "{mode:?}");
    }
    dingtalk.api.set_mode_everywhere(EastMode::Serve);
    dingtalk.api.reset_client_secret();
    let refused = trouble().await.to_string();
    assert!(!refused.contains(DingtalkStandIn::CLIENT_SECRET), "{refused}");
    assert_eq!(dingtalk.connections(), (0, 0));
}
