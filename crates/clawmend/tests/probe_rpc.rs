//! The RPC subscription against servers that refuse, hang and break off.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::wildcard_enum_match_arm)]

use clawmend::probe::connect::{Scheme, Target};
use clawmend::probe::rpc::{Credential, Endpoint, Rpc, subscribe};
use clawmend_core::directive::ActionResult;
use clawmend_core::observation::RpcSeen;
use futures_util::{FutureExt, SinkExt, StreamExt};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

const TOKEN: &str = "lab-token-0123456789abcdef";
const HELLO: &str = r#"{"type":"res","id":"1","ok":true,"payload":{"type":"hello-ok","protocol":4,
    "server":{"version":"2026.9.6","bootId":"b-1"}}}"#;

type Peer = WebSocketStream<TcpStream>;

/// Waits for a client and reads its `connect`.
async fn accept(listener: &TcpListener) -> (Peer, serde_json::Value) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut peer = tokio_tungstenite::accept_async(stream).await.unwrap();
    say(&mut peer, r#"{"type":"event","event":"connect.challenge","payload":{"nonce":"n","ts":1}}"#).await;
    let connect = hear(&mut peer).await;
    (peer, connect)
}

async fn say(peer: &mut Peer, text: &str) {
    peer.send(Message::text(text)).await.unwrap();
}

async fn hear(peer: &mut Peer) -> serde_json::Value {
    loop {
        if let Message::Text(text) = peer.next().await.unwrap().unwrap() {
            return serde_json::from_str(text.as_str()).unwrap();
        }
    }
}

async fn lab() -> (TcpListener, Rpc, mpsc::Receiver<RpcSeen>, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, seen) = mpsc::channel(8);
    let (rpc, task) = subscribe(sender);
    tokio::spawn(task);
    (listener, rpc, seen, address)
}

fn at(address: SocketAddr, scheme: Scheme) -> Endpoint {
    Endpoint { target: Target { address, scheme }, credential: Credential::Token(TOKEN.to_owned().into()) }
}

async fn next(seen: &mut mpsc::Receiver<RpcSeen>) -> RpcSeen {
    tokio::time::timeout(Duration::from_secs(30), seen.recv()).await.expect("nothing came").expect("it ended")
}

#[tokio::test]
async fn a_session_tells_what_happens_and_calls() {
    let (listener, rpc, mut seen, address) = lab().await;
    rpc.up(at(address, Scheme::Plain)).await;
    let (mut peer, connect) = accept(&listener).await;
    assert_eq!(connect["params"]["auth"]["token"], TOKEN);
    assert_eq!((&connect["params"]["minProtocol"], &connect["params"]["maxProtocol"]), (&4.into(), &4.into()));
    say(&mut peer, HELLO).await;
    assert_eq!(next(&mut seen).await, RpcSeen::Connected { version: "2026.9.6".into(), boot_id: Some("b-1".into()) });

    let asked = hear(&mut peer).await;
    assert_eq!(asked["method"], "channels.status");
    let payload = include_str!("fixtures/openclaw/channels-suppressed.json").replace('\n', "");
    say(&mut peer, &format!(r#"{{"type":"res","id":{},"ok":true,"payload":{payload}}}"#, asked["id"])).await;
    let RpcSeen::Channels { accounts } = next(&mut seen).await else { panic!() };
    assert!(accounts[0].suppressed);

    // Unknown and broken messages do no harm.
    for text in ["[]", "not json", r#"{"type":"event","event":"tick","payload":{}}"#, r#"{"type":"res","id":"x"}"#] {
        say(&mut peer, text).await;
    }
    let call = tokio::spawn({
        let rpc = rpc.clone();
        async move { rpc.start_channel("telegram", "default").await }
    });
    let asked = hear(&mut peer).await;
    assert_eq!((&asked["method"], &asked["params"]["accountId"]), (&"channels.start".into(), &"default".into()));
    say(&mut peer, &format!(r#"{{"type":"res","id":{},"ok":true,"payload":{{"started":true}}}}"#, asked["id"])).await;
    assert_eq!(call.await.unwrap(), ActionResult::Done);
    assert_eq!(hear(&mut peer).await["method"], "channels.status", "a start is verified at once");

    say(
        &mut peer,
        r#"{"type":"event","event":"shutdown","payload":{"reason":"gateway restarting","restartExpectedMs":1500}}"#,
    )
    .await;
    let shutdown = RpcSeen::Shutdown { reason: "gateway restarting".into(), restart_expected_ms: Some(1500) };
    assert_eq!(next(&mut seen).await, shutdown);
    drop(peer);
    assert_eq!(next(&mut seen).await, RpcSeen::Lost);
    let (mut peer, _) = accept(&listener).await;
    say(&mut peer, HELLO).await;
    assert!(matches!(next(&mut seen).await, RpcSeen::Connected { .. }), "it comes back by itself");
    rpc.down().await;
    assert_eq!(next(&mut seen).await, RpcSeen::Lost);
    assert!(matches!(rpc.start_channel("telegram", "default").await, ActionResult::Retry { .. }));
}

#[tokio::test]
async fn a_config_is_patched_over_the_one_that_the_gateway_has() {
    let (listener, rpc, mut seen, address) = lab().await;
    rpc.up(at(address, Scheme::Plain)).await;
    let (mut peer, _) = accept(&listener).await;
    say(&mut peer, HELLO).await;
    assert!(matches!(next(&mut seen).await, RpcSeen::Connected { .. }));
    let status = hear(&mut peer).await;
    assert_eq!(status["method"], "channels.status");
    let patch = r#"{"channels":{"telegram":{"enabled":true}}}"#;
    let told = |answers: [&'static str; 2]| {
        let (rpc, patch) = (rpc.clone(), patch.to_owned());
        (tokio::spawn(async move { rpc.patch_config(&patch).await }), answers)
    };
    for (answers, worked) in [
        (
            [
                r#""ok":true,"payload":{"hash":"h-1","config":{"channels":{}}}"#,
                r#""ok":true,"payload":{"changedPaths":[]}"#,
            ],
            true,
        ),
        (
            [
                r#""ok":true,"payload":{"hash":"h-1"}"#,
                r#""ok":false,"error":{"code":"UNAVAILABLE","message":"not applied"}"#,
            ],
            false,
        ),
        ([r#""ok":true,"payload":{}"#, ""], false),
        ([r#""ok":false,"error":{"code":"FORBIDDEN","message":"no"}"#, ""], false),
    ] {
        let (call, [got, patched]) = told(answers);
        let mut asked = hear(&mut peer).await;
        while asked["method"] == "channels.status" {
            asked = hear(&mut peer).await;
        }
        assert_eq!(asked["method"], "config.get");
        say(&mut peer, &format!(r#"{{"type":"res","id":{},{got}}}"#, asked["id"])).await;
        if !patched.is_empty() {
            let asked = hear(&mut peer).await;
            assert_eq!((&asked["method"], &asked["params"]["baseHash"]), (&"config.patch".into(), &"h-1".into()));
            assert_eq!(asked["params"]["raw"], patch);
            say(&mut peer, &format!(r#"{{"type":"res","id":{},{patched}}}"#, asked["id"])).await;
        }
        assert_eq!(call.await.unwrap() == ActionResult::Done, worked, "{got} {patched}");
    }
}

#[tokio::test]
async fn who_asks_again_ends_no_connection_and_what_nobody_waits_for_is_not_asked() {
    let (listener, rpc, mut seen, address) = lab().await;
    rpc.up(at(address, Scheme::Plain)).await;
    let (mut peer, _) = accept(&listener).await;
    say(&mut peer, HELLO).await;
    assert!(matches!(next(&mut seen).await, RpcSeen::Connected { .. }));
    assert_eq!(hear(&mut peer).await["method"], "channels.status");
    // Its answer is on its way.
    for _ in 0..3 {
        rpc.refresh().await;
    }
    assert!(rpc.start_channel("telegram", "abandoned").now_or_never().is_none());
    let call = tokio::spawn({
        let rpc = rpc.clone();
        async move { rpc.read_config().await }
    });
    let asked = hear(&mut peer).await;
    assert_eq!(asked["method"], "config.get");
    say(&mut peer, &format!(r#"{{"type":"res","id":{},"ok":true,"payload":{{}}}}"#, asked["id"])).await;
    assert_eq!(call.await.unwrap(), ActionResult::Done);
}

#[tokio::test]
async fn refusals_are_typed_and_not_repeated() {
    for (code, expected) in
        [("AUTH_TOKEN_MISMATCH", RpcSeen::Unauthorized), ("PROTOCOL_MISMATCH", RpcSeen::ProtocolMismatch)]
    {
        let (listener, rpc, mut seen, address) = lab().await;
        rpc.up(at(address, Scheme::Plain)).await;
        let (mut peer, _) = accept(&listener).await;
        let text = r#"{"type":"res","id":"1","ok":false,"error":{"code":"INVALID_REQUEST","message":"no","details":{"code":"X"}}}"#;
        say(&mut peer, &text.replace('X', code)).await;
        assert_eq!(next(&mut seen).await, expected);
        drop(peer);
        let again = tokio::time::timeout(Duration::from_millis(1500), listener.accept()).await;
        assert!(again.is_err(), "{code}: it came back without being told to");
        rpc.up(at(address, Scheme::Plain)).await;
        accept(&listener).await;
    }
}

#[tokio::test]
async fn a_gateway_that_still_starts_is_asked_again() {
    let (listener, rpc, mut seen, address) = lab().await;
    rpc.up(at(address, Scheme::Plain)).await;
    let (mut peer, _) = accept(&listener).await;
    say(&mut peer, r#"{"type":"res","id":"1","ok":false,"error":{"code":"UNAVAILABLE","retryAfterMs":200}}"#).await;
    let (mut peer, _) = accept(&listener).await;
    say(&mut peer, HELLO).await;
    assert!(matches!(next(&mut seen).await, RpcSeen::Connected { .. }));
}

#[tokio::test]
async fn without_a_token_or_a_safe_way_none_is_sent() {
    let (listener, rpc, mut seen, address) = lab().await;
    let unknown = Endpoint { credential: Credential::Unknown, ..at(address, Scheme::Plain) };
    rpc.up(unknown).await;
    assert_eq!(next(&mut seen).await, RpcSeen::NoToken);
    assert!(tokio::time::timeout(Duration::from_millis(200), listener.accept()).await.is_err());
    let shown = format!("{:?}", at(address, Scheme::Plain));
    assert!(!shown.contains(TOKEN), "{shown}");
}
