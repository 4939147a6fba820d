use crate::battery::{NOW, alert, channel};
use clawmend::notify::NotDelivered;
use clawmend::notify::http::Http;

#[tokio::test(flavor = "current_thread")]
async fn a_proxy_that_cannot_be_reached_is_named_without_its_password() {
    // Nobody listens there once the listener is gone.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let http = Http::new(Some(&format!("http://canary-user:canary-pass@127.0.0.1:{port}"))).unwrap();
    for settings in [
        "kind = 'telegram'\nbot_token = '1:canary'\nto = '1'",
        "kind = 'slack_webhook'\nurl = 'https://hooks.slack.com/services/canary'",
        "kind = 'ntfy'\ntopic = 'canary'",
        "kind = 'discord_bot'\ntoken = 'canary'\nto = '1'",
    ] {
        let error = channel(settings).deliver(&alert(), &http, NOW).await.unwrap_err();
        assert!(matches!(error, NotDelivered::Retry { .. }), "{settings}: {error:?}");
        let shown = format!("{error} {error:?} {http:?}");
        assert!(shown.contains(&format!("through the proxy 127.0.0.1:{port}")), "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}
