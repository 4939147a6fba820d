//! Messages to the model through a gateway's chat endpoint, against sockets that behave well and badly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use clawmend::probe::connect::{Scheme, Target};
use clawmend::probe::rpc::Credential;
use clawmend::probe::synthetic::{MAX_BODY, Question, ask};
use clawmend_core::observation::{SyntheticOutcome, SyntheticSeen};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

const TOKEN: &str = "probe-token-0123456789";
const PATIENCE: Duration = Duration::from_secs(60);

/// What a gateway sends, as bytes.
fn answer(status: u16, body: &str) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body.as_bytes()].concat()
}

fn completion() -> Vec<u8> {
    let choices = json!([{"index": 0, "message": {"role": "assistant", "content": "OK"}, "finish_reason": "stop"}]);
    answer(200, &json!({"id": "x", "object": "chat.completion", "choices": choices}).to_string())
}

fn failure(status: u16, kind: &str, message: &str) -> Vec<u8> {
    answer(status, &json!({"error": {"message": message, "type": kind}}).to_string())
}

/// One whole request: head and body.
async fn request(stream: &mut TcpStream) -> Option<(String, Value)> {
    let mut seen = Vec::new();
    let mut some = [0_u8; 4096];
    let end = loop {
        if let Some(end) = seen.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        match stream.read(&mut some).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => seen.extend_from_slice(&some[..count]),
        }
    };
    let head = String::from_utf8(seen[..end].to_vec()).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:").map(|n| n.trim().parse().unwrap()))
        .unwrap_or(0_usize);
    while seen.len() < end + length {
        match stream.read(&mut some).await.unwrap() {
            0 => return None,
            count => seen.extend_from_slice(&some[..count]),
        }
    }
    Some((head, serde_json::from_slice(&seen[end..]).unwrap()))
}

/// A gateway that takes only what the probe may send, gives one answer, and counts connections.
async fn gateway(reply: Vec<u8>) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let Some((head, body)) = request(&mut stream).await else { continue };
            let said = if is_right(&head, &body, address) { &reply } else { &answer(400, "a request of another kind") };
            // The other side may have read enough of it.
            let _ = stream.write_all(said).await;
            let _ = stream.shutdown().await;
        }
    });
    (address, connections)
}

fn is_right(head: &str, body: &Value, address: SocketAddr) -> bool {
    let head = head.to_ascii_lowercase();
    let mut lines = head.lines();
    lines.next() == Some("post /v1/chat/completions http/1.1")
        && head.contains(&format!("\r\nhost: {address}\r\n"))
        && head.contains(&format!("\r\nauthorization: bearer {TOKEN}\r\n"))
        && head.contains("\r\ncontent-type: application/json\r\n")
        && body["model"] == json!("openclaw")
        && body["user"] == json!("clawmend-probe")
        && body["messages"].as_array().is_some_and(|all| all.len() == 1 && all[0]["role"] == json!("user"))
        && body.as_object().is_some_and(|fields| fields.len() == 3)
}

fn question(address: SocketAddr) -> Question {
    Question {
        target: Target { address, scheme: Scheme::Plain },
        credential: Credential::Token(SecretString::from(TOKEN)),
        model: "openclaw".into(),
        timeout: PATIENCE,
    }
}

async fn outcome_of(reply: Vec<u8>) -> SyntheticOutcome {
    let (address, connections) = gateway(reply).await;
    let outcome = ask(&question(address)).await.outcome;
    assert_eq!(connections.load(Ordering::SeqCst), 1, "one question, one connection");
    outcome
}

fn blind(outcome: &SyntheticOutcome) -> bool {
    matches!(outcome, SyntheticOutcome::CannotTell { .. })
}

#[tokio::test]
async fn each_answer_is_judged() {
    let detail = |text: &str| text.to_owned();
    let cases = [
        (completion(), SyntheticOutcome::Answered),
        (
            failure(408, "api_error", "upstream provider timeout"),
            SyntheticOutcome::ProviderFailing { detail: detail("upstream provider timeout (HTTP 408)") },
        ),
        (
            failure(502, "api_error", "upstream provider error"),
            SyntheticOutcome::ProviderFailing { detail: detail("upstream provider error (HTTP 502)") },
        ),
        (
            failure(500, "api_error", "internal error"),
            SyntheticOutcome::InternalError { detail: detail("internal error (HTTP 500)") },
        ),
        (failure(500, "api_error", "database or disk is full"), SyntheticOutcome::DiskFull),
        (
            failure(429, "rate_limit_error", "slow down"),
            SyntheticOutcome::Quota { detail: detail("slow down (HTTP 429)") },
        ),
        (
            failure(402, "insufficient_quota", "out of credit"),
            SyntheticOutcome::Quota { detail: detail("out of credit (HTTP 402)") },
        ),
        (
            failure(401, "authentication_error", "no such key"),
            SyntheticOutcome::CredentialsRejected { detail: detail("no such key (HTTP 401)") },
        ),
        (failure(401, "unauthorized", "Unauthorized"), SyntheticOutcome::Unauthorized),
        (answer(404, "Not Found"), SyntheticOutcome::EndpointOff),
    ];
    for (reply, expected) in cases {
        assert_eq!(outcome_of(reply).await, expected);
    }
}

#[tokio::test]
async fn what_is_no_answer_says_nothing_of_the_provider() {
    let elsewhere = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".to_vec();
    let page = answer(200, "<!doctype html><title>OpenClaw</title>");
    let cut = completion()[..70].to_vec();
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X-Filler: 1\r\n".repeat(500)).into_bytes();
    let long = format!("HTTP/1.1 200 OK\r\nX-Filler: {}\r\n\r\n", "x".repeat(1 << 20)).into_bytes();
    let other = b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec();
    for reply in [elsewhere, page, cut, many, long, other, Vec::new()] {
        let shown = String::from_utf8_lossy(&reply[..reply.len().min(60)]).into_owned();
        let outcome = outcome_of(reply).await;
        assert!(blind(&outcome), "{shown}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_flood_is_not_read_to_its_end() {
    let large = answer(200, &"x".repeat(10 << 20));
    assert!(blind(&outcome_of(large).await));
    // Chunks without an end: the probe must hang up, or this server would write for ever.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
        let chunk = format!("1000\r\n{}\r\n", "x".repeat(4096));
        let mut sent = 0_usize;
        while stream.write_all(chunk.as_bytes()).await.is_ok() {
            sent += 4096;
        }
        sent
    });
    assert!(blind(&ask(&question(address)).await.outcome));
    let sent = tokio::time::timeout(PATIENCE, server).await.expect("the probe hung up").unwrap();
    assert!(sent >= MAX_BODY, "the limit was reached by reading: {sent}");
}

#[tokio::test]
async fn a_turn_that_never_ends_is_given_up_and_the_connection_with_it() {
    for trickle in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (told, mut gone) = mpsc::channel::<()>(1);
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            request(&mut stream).await.unwrap();
            if trickle {
                stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
                while stream.write_all(b"1\r\n \r\n").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            } else {
                // Nothing comes any more but the end.
                let _ = stream.read(&mut [0_u8; 16]).await;
            }
            told.send(()).await.unwrap();
        });
        let question = Question { timeout: Duration::from_millis(300), ..question(address) };
        let seen = ask(&question).await;
        assert_eq!(seen.outcome, SyntheticOutcome::TimedOut);
        assert!(seen.latency_ms >= 300, "{seen:?}");
        tokio::time::timeout(PATIENCE, gone.recv()).await.expect("the connection was ended");
    }
}

#[tokio::test]
async fn the_token_goes_nowhere_but_to_a_plain_loopback_socket() {
    let (address, connections) = gateway(completion()).await;
    let tls = Question { target: Target { address, scheme: Scheme::Tls }, ..question(address) };
    let unknown = Question { credential: Credential::Unknown, ..question(address) };
    let beyond = question("192.0.2.1:9".parse().unwrap());
    let broken = Question { credential: Credential::Token(SecretString::from("a\r\nb")), ..question(address) };
    for question in [tls, unknown, beyond, broken] {
        let SyntheticSeen { outcome, .. } = ask(&question).await;
        assert!(blind(&outcome), "{question:?}: {outcome:?}");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 0, "no connection was made");
    assert!(!format!("{:?}", question(address)).contains(TOKEN), "no secret in the log");
}

#[tokio::test]
async fn a_gateway_that_is_gone_says_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert!(blind(&ask(&question(address)).await.outcome));
}
