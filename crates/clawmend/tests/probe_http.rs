//! The HTTP probe against real sockets that behave well and badly.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm
)]

use clawmend::probe::connect::{Scheme, Target};
use clawmend::probe::http::{HttpProbe, Limits};
use clawmend_core::observation::{Endpoint, HttpOutcome, HttpSeen};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PATIENT: Limits = Limits { late_after: Duration::from_secs(20), timeout: Duration::from_secs(30) };
const LIVE: &str = r#"{"ok":true,"status":"live"}"#;

fn answer(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Reads one request; `false` when the other side closed.
async fn request(stream: &mut TcpStream) -> bool {
    let mut seen = Vec::new();
    let mut byte = [0_u8; 512];
    while !seen.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte).await {
            Ok(0) | Err(_) => return false,
            Ok(count) => seen.extend_from_slice(&byte[..count]),
        }
    }
    true
}

/// Answers every request on every connection with the same bytes, counting connections.
async fn serve(reply: String) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let connections = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            connections.fetch_add(1, Ordering::SeqCst);
            let reply = reply.clone();
            tokio::spawn(async move {
                while request(&mut stream).await {
                    if stream.write_all(reply.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, count)
}

fn plain(address: SocketAddr) -> HttpProbe {
    HttpProbe::new(Target { address, scheme: Scheme::Plain })
}

async fn once(probe: &mut HttpProbe, endpoint: Endpoint) -> HttpSeen {
    probe.probe(endpoint, PATIENT, |late| panic!("late: {late:?}")).await
}

#[tokio::test]
async fn one_connection_serves_many_probes() {
    let (address, connections) = serve(answer(200, LIVE)).await;
    let mut probe = plain(address);
    for _ in 0..50 {
        assert_eq!(once(&mut probe, Endpoint::Healthz).await.outcome, HttpOutcome::Ok);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_readiness_of_503_is_an_answer() {
    let (address, _) = serve(answer(503, r#"{"ready":false,"failing":["gateway-draining"]}"#)).await;
    let HttpOutcome::Readiness(seen) = once(&mut plain(address), Endpoint::Readyz).await.outcome else { panic!() };
    assert!(seen.draining() && !seen.ready);
}

#[tokio::test]
async fn pages_garbage_and_floods_are_not_health() {
    let flood = "x".repeat(300_000);
    let cases = [
        (answer(200, "<!doctype html><title>OpenClaw</title>"), Some(200)),
        (answer(200, &flood), Some(200)),
        (answer(404, "not found"), Some(404)),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned(), Some(0)),
    ];
    for (reply, expected) in cases {
        let (address, _) = serve(reply).await;
        for endpoint in [Endpoint::Startupz, Endpoint::Healthz, Endpoint::Readyz] {
            let outcome = once(&mut plain(address), endpoint).await.outcome;
            assert_eq!(outcome, HttpOutcome::NotHealth { status: expected.unwrap() }, "{endpoint:?}");
        }
    }
}

#[tokio::test]
async fn a_hang_is_late_first_and_timed_out_then() {
    // Accepts nothing: the kernel completes connections, as with a stopped gateway.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut probe = plain(listener.local_addr().unwrap());
    let limits = Limits { late_after: Duration::from_millis(60), timeout: Duration::from_millis(200) };
    let mut late = None;
    let seen = probe.probe(Endpoint::Healthz, limits, |seen| late = Some(seen)).await;
    assert_eq!(late.unwrap().outcome, HttpOutcome::Late);
    assert_eq!(seen.outcome, HttpOutcome::TimedOut);
    assert!((200..5_000).contains(&seen.latency_ms), "{seen:?}");
}

#[tokio::test]
async fn a_late_answer_is_told_twice_and_counts() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut probe = plain(listener.local_addr().unwrap());
    let (told, heard) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(request(&mut stream).await);
        // Answers only after the probe has said that it is late.
        heard.await.unwrap();
        stream.write_all(answer(200, LIVE).as_bytes()).await.unwrap();
        request(&mut stream).await;
    });
    let limits = Limits { late_after: Duration::from_millis(50), timeout: Duration::from_secs(30) };
    let seen = probe.probe(Endpoint::Healthz, limits, |_| told.send(()).unwrap()).await;
    assert_eq!(seen.outcome, HttpOutcome::Ok);
    assert!(seen.latency_ms >= 50);
}

#[tokio::test]
async fn nobody_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert_eq!(once(&mut plain(address), Endpoint::Healthz).await.outcome, HttpOutcome::Refused);
}

/// One connection after the other, each ended after what it was given to send.
async fn end_after(sent: Vec<String>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for bytes in sent {
            let (mut stream, _) = listener.accept().await.unwrap();
            request(&mut stream).await;
            stream.write_all(bytes.as_bytes()).await.unwrap();
        }
    });
    address
}

#[tokio::test]
async fn half_an_answer_and_a_reset_are_broken() {
    let whole = answer(200, LIVE);
    for cut in [0, 20, whole.len() - 5] {
        let address = end_after(vec![whole[..cut].to_owned()]).await;
        assert_eq!(once(&mut plain(address), Endpoint::Healthz).await.outcome, HttpOutcome::Broken, "{cut}");
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        // Unread data at the close becomes a reset.
        stream.readable().await.unwrap();
        stream.set_zero_linger().unwrap();
    });
    assert_eq!(once(&mut plain(address), Endpoint::Healthz).await.outcome, HttpOutcome::Broken);
}

#[tokio::test]
async fn a_connection_closed_between_two_probes_is_replaced() {
    let whole = answer(200, LIVE);
    let address = end_after(vec![whole.clone(), whole.clone(), whole]).await;
    let mut probe = plain(address);
    for _ in 0..3 {
        assert_eq!(once(&mut probe, Endpoint::Healthz).await.outcome, HttpOutcome::Ok);
    }
}

#[tokio::test]
async fn a_certificate_of_its_own_is_accepted_for_a_probe() {
    let dir = tempfile::tempdir().unwrap();
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=someone-else"])
        .args(["-outform", "DER", "-keyout", "key.pem", "-out", "cert.der"])
        .current_dir(dir.path())
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        println!("skipped: no openssl program to make a certificate with");
        return;
    }
    let key = std::process::Command::new("openssl")
        .args(["rsa", "-in", "key.pem", "-outform", "DER", "-out", "key.der", "-traditional"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert!(key.status.success(), "{key:?}");
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer};
    let cert = CertificateDer::from(std::fs::read(dir.path().join("cert.der")).unwrap());
    let key = PrivateKeyDer::Pkcs1(PrivatePkcs1KeyDer::from(std::fs::read(dir.path().join("key.der")).unwrap()));
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut buffer = [0_u8; 1024];
            while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {
                stream.write_all(answer(200, LIVE).as_bytes()).await.unwrap();
            }
        }
    });
    let mut probe = HttpProbe::new(Target { address, scheme: Scheme::Tls });
    for _ in 0..3 {
        assert_eq!(once(&mut probe, Endpoint::Healthz).await.outcome, HttpOutcome::Ok);
    }
    // The server serves one connection after the other.
    drop(probe);
    assert_eq!(once(&mut plain(address), Endpoint::Healthz).await.outcome, HttpOutcome::NotHealth { status: 0 });
}

/// Not a check: prints what one probe costs. Run with `--ignored --nocapture`.
#[cfg(unix)]
#[test]
#[ignore = "a measurement"]
fn cost_of_a_probe() {
    let cpu = || {
        let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        used.tv_sec as f64 * 1e6 + used.tv_nsec as f64 / 1e3
    };
    let target = std::env::var("CLAWMEND_BENCH_TARGET").ok().map(|address| address.parse().unwrap());
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            send.send(serve(answer(200, LIVE)).await.0).unwrap();
            std::future::pending::<()>().await;
        });
    });
    let address = target.unwrap_or_else(|| receive.recv().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut probe = plain(address);
        once(&mut probe, Endpoint::Healthz).await;
        for endpoint in [Endpoint::Healthz, Endpoint::Readyz] {
            let before = cpu();
            for _ in 0..2000 {
                once(&mut probe, endpoint).await;
            }
            println!("{endpoint:?}: {:.1} us of CPU per probe", (cpu() - before) / 2000.0);
        }
    });
}

/// Not a check: prints what a look at a log without news costs. Run with `--ignored --nocapture`.
#[cfg(unix)]
#[test]
#[ignore = "a measurement"]
fn cost_of_a_look_at_the_log() {
    use clawmend::openclaw::logs::{Follower, Gateways};
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir().unwrap();
    let uid = std::fs::metadata(dir.path()).unwrap().uid();
    let home = clawmend::openclaw::discovery::discover(|_| None, dir.path()).remove(0);
    let log = dir.path().join("gateway.log");
    std::fs::write(&log, "x\n").unwrap();
    let today = || jiff::Zoned::now().date();
    for fixed in [Some(log), None] {
        let mut follower = Follower::new(&home, uid, dir.path(), fixed, today(), None);
        let begun = std::time::Instant::now();
        for _ in 0..10_000 {
            follower.read_new(today(), Gateways::Alone);
        }
        println!("a look at the log: {:?}", begun.elapsed() / 10_000);
    }
}
