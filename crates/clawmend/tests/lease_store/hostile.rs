//! Stores that say nonsense: never anything but `Unknown`, and nothing of it is believed later.

use crate::scene::{LONG_MS, PATIENT_MS, etcd, group, node, release, renew, section, sure, trouble};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clawmend::failover::lease::Trouble;
use clawmend_core::failover::lease::{Answer, Request, Term, View};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Answers every request with the same bytes, and ends when the test does.
fn always(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || serve(stream, &answer));
        }
    });
    url
}

fn serve(mut stream: TcpStream, answer: &[u8]) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if let Some(said) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = said.trim().parse().unwrap_or(0);
        }
        if line == "\r\n" {
            break;
        }
    }
    let _ = reader.take(length).read_to_end(&mut Vec::new());
    let _ = stream.write_all(answer);
}

fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).into_bytes()
}

fn encoded(text: &str) -> String {
    STANDARD.encode(text)
}

/// An answer to a look, with these key-values.
fn looked(record: Value, holder: Value) -> String {
    json!({
        "header": { "cluster_id": "1", "revision": "9" },
        "succeeded": true,
        "responses": [{ "response_range": { "kvs": record } }, { "response_range": { "kvs": holder } }],
    })
    .to_string()
}

fn kept(key: &str, text: &str, lease: &str) -> Value {
    json!([{ "key": encoded(&format!("clawmend/home/{key}")), "value": encoded(text), "mod_revision": "7", "lease": lease }])
}

#[tokio::test]
async fn nonsense_is_unknown() {
    let record =
        r#"{"schema":1,"record":{"term":1,"owner":1,"suspects":[],"reserved":null},"by":{"node":1,"name":"attic"}}"#;
    let holding = r#"{"node":1,"term":1}"#;
    // The one that would be believed, so that the others fail for what is wrong with them.
    let good = node(
        2,
        &section(&[always(ok(&looked(kept("record", record, "0"), kept("holder", holding, "5"))))], ""),
        LONG_MS,
        PATIENT_MS,
    );
    assert!(matches!(sure(&good, &Request::Look).await, Answer::Seen(View { term: Term(1), .. })));
    let header = r#""header":{"cluster_id":"1","revision":"9"}"#;
    let bodies = [
        String::new(),
        "<html>welcome</html>".into(),
        "null".into(),
        "[]".into(),
        "{}".into(),
        format!("{{{header}}}"),
        format!("{{{header},\"succeeded\":true,\"responses\":[{{}},{{}}]}}"),
        format!("{{{header},\"succeeded\":true,\"responses\":{{}}}}"),
        format!("{{{header},\"succeeded\":\"yes\"}}"),
        "[".repeat(100_000),
        looked(kept("record", record, "0"), kept("record", record, "0")),
        looked(kept("record", "x", "0"), json!([])),
        looked(json!([]), kept("holder", holding, "5")),
        looked(kept("record", record, "0"), kept("holder", holding, "0")),
        looked(kept("record", record, "0"), kept("holder", r#"{"node":1,"term":2}"#, "5")),
        looked(kept("record", record, "0"), kept("holder", r#"{"node":2,"term":1}"#, "5")),
        looked(kept("record", &record.replace("\"owner\":1", "\"owner\":9"), "0"), json!([])),
        looked(kept("record", &record.replace("attic", "roof"), "0"), json!([])),
        looked(json!([{ "key": encoded("clawmend/home/record"), "value": "%", "mod_revision": "7" }]), json!([])),
        looked(
            json!([{ "key": encoded("clawmend/home/record"), "value": encoded(record), "mod_revision": "-7" }]),
            json!([]),
        ),
        looked(
            json!([{ "key": encoded("clawmend/home/record"), "value": encoded(record), "mod_revision": {} }]),
            json!([]),
        ),
    ];
    let mut answers: Vec<Vec<u8>> = bodies.iter().map(|body| ok(body)).collect();
    answers.push(ok(&"x".repeat(2_000_000)));
    answers.push(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{\"head".to_vec());
    answers.push(b"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".to_vec());
    answers.push(b"HTTP/1.1 500 X\r\nContent-Length: 2\r\n\r\n{}".to_vec());
    answers.push(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec());
    answers.push(Vec::new());
    for answer in answers {
        let shown = String::from_utf8_lossy(&answer[..answer.len().min(200)]).into_owned();
        let store = node(2, &section(&[always(answer)], ""), LONG_MS, 20_000);
        for request in [Request::Look, Request::Acquire, renew(Term(1)), release(Term(1))] {
            let told = store.ask(&request).await;
            assert_eq!(told.answer, Answer::Unknown, "{request:?}: {shown}");
            assert!(told.trouble.is_some_and(|why| !matches!(why, Trouble::Late { .. })), "{request:?}: {shown}");
        }
    }
}

/// A message of a watch.
fn streamed(more: &str) -> String {
    format!("{{\"result\":{{\"header\":{{\"cluster_id\":\"1\",\"revision\":\"9\"}}{more}}}}}\n")
}

#[tokio::test]
async fn nonsense_says_nothing_of_a_free_lease() {
    let removed = streamed(r#","events":[{"type":"DELETE","kv":{"key":"Zm9v","mod_revision":"3"}}]"#);
    let created = streamed(r#","created":true"#);
    // The one that would be believed.
    let good = node(2, &section(&[always(ok(&format!("{created}{removed}")))], ""), LONG_MS, PATIENT_MS);
    assert_eq!(good.freed().await, Ok(()));
    let put = streamed(r#","events":[{"kv":{"key":"Zm9v","mod_revision":"3"}}]"#);
    let mut answers: Vec<Vec<u8>> = [
        String::new(),
        created.clone(),
        format!("{created}{put}"),
        format!("{created}{}", streamed(r#","canceled":true"#)),
        // Half a message.
        removed.trim_end().to_owned(),
        "<html>welcome</html>\n".into(),
        "{\"result\":{}}\n".into(),
        "{\"error\":{\"message\":\"no\"}}\n".into(),
        removed.replace("DELETE", "DELETED"),
        format!("{}\n", "[".repeat(100_000)),
        "x".repeat(2_000_000),
        "\n\n\n".into(),
        put.repeat(1_000),
    ]
    .iter()
    .map(|body| ok(body))
    .collect();
    answers.push(b"HTTP/1.1 500 X\r\nContent-Length: 2\r\n\r\n{}".to_vec());
    answers.push(b"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".to_vec());
    answers.push(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec());
    for answer in answers {
        let shown = String::from_utf8_lossy(&answer[..answer.len().min(200)]).into_owned();
        let store = node(2, &section(&[always(answer)], ""), LONG_MS, 20_000);
        let heard = tokio::time::timeout(Duration::from_secs(60), store.freed()).await;
        assert!(heard.is_ok_and(|told| told.is_err_and(|why| !matches!(why, Trouble::Late { .. }))), "{shown}");
    }
}

/// Answers a look as a member of one cluster, and a watch as one of another.
#[tokio::test]
async fn a_watch_at_another_cluster_is_not_listened_to() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let word = streamed(r#","events":[{"type":"DELETE","kv":{"key":"Zm9v","mod_revision":"3"}}]"#);
    let watched = ok(&word.replace("\"cluster_id\":\"1\"", "\"cluster_id\":\"2\""));
    std::thread::spawn(move || {
        let answers = [watched.clone(), ok(&looked(json!([]), json!([]))), watched];
        for (stream, answer) in listener.incoming().flatten().zip(answers) {
            serve(stream, &answer);
        }
    });
    let store = node(2, &section(&[url], ""), LONG_MS, PATIENT_MS);
    assert_eq!(store.freed().await, Ok(()), "which one is ours is not settled by a watch");
    assert_eq!(sure(&store, &Request::Look).await, Answer::Seen(View::default()));
    assert!(matches!(store.freed().await, Err(Trouble::OtherCluster { .. })));
}

/// A look is answered well, and so is everything else, with the answer to a look.
#[tokio::test]
async fn a_write_that_shows_no_sign_of_itself_is_unknown() {
    let store = node(2, &section(&[always(ok(&looked(json!([]), json!([]))))], ""), LONG_MS, PATIENT_MS);
    assert_eq!(sure(&store, &Request::Look).await, Answer::Seen(View::default()));
    assert!(matches!(trouble(&store, &Request::Acquire).await, Trouble::Garbled { .. }));
}

#[tokio::test]
async fn a_slow_store_is_unknown_within_the_bound() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // One byte at a time, for ever.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
                while stream.write_all(b" ").is_ok() {
                    std::thread::sleep(Duration::from_millis(20));
                }
            });
        }
    });
    let store = node(2, &section(&[url], ""), LONG_MS, 400);
    let begin = Instant::now();
    trouble(&store, &Request::Acquire).await;
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn what_somebody_else_wrote_is_not_touched() {
    let Some(etcd) = etcd("what_somebody_else_wrote_is_not_touched") else { return };
    let stores = group(&section(&[etcd.url()], ""), LONG_MS);
    let key = encoded("clawmend/home/record");
    etcd.call("/v3/kv/put", &json!({ "key": key, "value": encoded("of another program") })).unwrap();
    for store in &stores {
        let why = trouble(store, &Request::Acquire).await;
        assert!(matches!(why, Trouble::Foreign { .. }), "{why}");
    }
    let found = etcd.call("/v3/kv/range", &json!({ "key": key })).unwrap();
    assert_eq!(found["kvs"][0]["value"], json!(encoded("of another program")));
}
