//! The connection to DingTalk over TLS: the whole way from the API to the WebSocket, with verified certificates.
//!
//! Which authorities are trusted is a matter of the process, so this test runs itself once more.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod authority;

use clawmend::cards::dingtalk::Access;
use clawmend::cards::dingtalk::access::DingtalkSettings;
use clawmend::cards::dingtalk::frame::{Code, Frame, ack};
use clawmend::cards::dingtalk::stream::{Patience, Stream, Trouble};
use clawmend::notify::http::Http;
use clawmend_testkit::alerts::{DingtalkStandIn, DingtalkStream};
use clawmend_testkit::lab::until;
use serde_json::json;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// Names the API's port, and makes it the process inside.
const INSIDE: &str = "CLAWMEND_TEST_DINGTALK_API";
const NAME: &str = "a_certificate_is_verified_and_then_frames_come";

/// Takes TLS off whatever comes, and brings it to this port. Gives its own.
fn before(port: u16, config: Arc<rustls::ServerConfig>) -> u16 {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap().port()).unwrap();
            let acceptor = tokio_rustls::TlsAcceptor::from(config);
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut inner) = acceptor.accept(stream).await else { return };
                    let mut service = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut inner, &mut service).await;
                });
            }
        });
    });
    told.recv().unwrap()
}

#[test]
fn a_certificate_is_verified_and_then_frames_come() {
    if let Ok(port) = std::env::var(INSIDE) {
        return inside(&port);
    }
    let folder = tempfile::tempdir().unwrap();
    let Some(config) = authority::config(folder.path()) else {
        println!("skipped: there is no openssl to make a certificate with");
        return;
    };
    let dingtalk = DingtalkStream::start().unwrap();
    let api: u16 = dingtalk.api.api().rsplit_once(':').unwrap().1.parse().unwrap();
    let (api, stream) = (before(api, Arc::clone(&config)), before(dingtalk.port(), config));
    dingtalk.announce(&format!("wss://localhost:{stream}/connect"));
    dingtalk.send(&dingtalk.frame("SYSTEM", "ping", &json!({"opaque": "1"})));

    let run = |trusted: &str| {
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", NAME, "--nocapture"]).env(INSIDE, api.to_string());
        again.env("SSL_CERT_FILE", trusted).env_remove("SSL_CERT_DIR").output().unwrap()
    };
    let shown =
        |done: &Output| format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    // Another authority of the same name.
    let stranger = tempfile::tempdir().unwrap();
    authority::config(stranger.path()).unwrap();
    let refused = run(stranger.path().join("ca.pem").to_str().unwrap());
    let why = shown(&refused);
    assert!(why.contains("not verified") && why.contains("certificate"), "{why}");
    assert_eq!((dingtalk.asked(), dingtalk.connections()), (0, (0, 0)));

    let done = run(folder.path().join("ca.pem").to_str().unwrap());
    assert!(done.status.success() && shown(&done).contains("answered"), "{}", shown(&done));
    // The last answer may be under way yet when who sent it has ended.
    until("the ping to be answered", Duration::from_secs(60), || dingtalk.unanswered() == 0).unwrap();
    assert_eq!(dingtalk.connections().0, 1);
}

/// What trusts only the authority of its environment.
fn inside(port: &str) {
    let text = format!(
        "client_id = '{}'\nclient_secret = '{}'\napi = 'https://localhost:{port}'",
        DingtalkStandIn::CLIENT_ID,
        DingtalkStandIn::CLIENT_SECRET
    );
    let settings: DingtalkSettings = toml::from_str(&text).unwrap();
    let access = Access::new(&settings, None).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut stream = match Stream::open(&access, &Http::new(None).unwrap(), Patience::default()).await {
            Ok(stream) => stream,
            Err(Trouble::Later { why }) => return println!("not verified: {why}"),
            Err(trouble) => panic!("{trouble}"),
        };
        let Some(Frame::Ping { id, data }) = stream.next().await.unwrap() else { panic!("no ping") };
        stream.send(ack(&id, Code::Ok, &data)).await.unwrap();
        stream.close().await;
        println!("answered");
    });
}
