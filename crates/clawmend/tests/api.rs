//! The control socket against good, slow, greedy and hostile callers.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use clawmend::api::client::{self, AskError};
use clawmend::api::server::{BindError, Call, MAX_CONNECTIONS, Reply, STREAM_QUEUE, Server};
use clawmend::api::{Answer, MAX_LINE, Question, Request, SOCKET};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use tokio::sync::mpsc;

/// A guard that answers with who asked what. It ends with the test.
fn guard(runtime: &Path) {
    let (ready, up) = std::sync::mpsc::channel();
    let runtime = runtime.to_owned();
    std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let server = Server::bind(&runtime).unwrap();
            let (calls, mut asked) = mpsc::channel(4);
            tokio::spawn(server.serve(calls));
            ready.send(()).unwrap();
            while let Some(Call { question, peer, reply }) = asked.recv().await {
                match question.request {
                    Request::Logs { .. } => {
                        let (lines, stream) = mpsc::channel(STREAM_QUEUE);
                        let _ = reply.send(Reply::Stream(stream));
                        for n in 0..3 {
                            lines.send(Answer::Log { line: format!("line {n}") }).await.unwrap();
                        }
                    }
                    Request::Restart => drop(reply),
                    Request::Status
                    | Request::Check
                    | Request::Pause { .. }
                    | Request::Resume
                    | Request::Stop
                    | Request::EmergencyStop
                    | Request::Start
                    | Request::Decide { .. }
                    | Request::Standby { .. }
                    | Request::Shared { .. }
                    | Request::Incidents { .. }
                    | Request::Incident { .. } => {
                        let message = format!("pid {:?} uid {}", peer.pid, peer.uid);
                        let _ = reply.send(Answer::Done { message }.into());
                    }
                }
            }
        });
    });
    up.recv().unwrap();
}

fn question(request: Request) -> Question {
    Question { gateway: None, request }
}

fn raw(runtime: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(runtime.join(SOCKET)).unwrap();
    let _ = stream.write_all(bytes);
    let mut text = String::new();
    let _ = BufReader::new(stream).read_line(&mut text);
    text
}

#[test]
fn a_question_is_answered_and_the_caller_is_known() {
    let folder = tempfile::tempdir().unwrap();
    guard(folder.path());
    let answer = client::ask(folder.path(), &question(Request::Resume)).unwrap();
    let message = format!("pid Some({}) uid {}", std::process::id(), rustix::process::geteuid().as_raw());
    assert_eq!(answer, Answer::Done { message });
    let mode = std::fs::metadata(folder.path().join(SOCKET)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn lines_come_one_by_one_and_end() {
    let folder = tempfile::tempdir().unwrap();
    guard(folder.path());
    let lines = client::stream(folder.path(), &question(Request::Logs { lines: 3, follow: true })).unwrap();
    let lines: Vec<Answer> = lines.map(Result::unwrap).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[2], Answer::Log { line: "line 2".into() });
}

#[test]
fn garbage_gets_an_error_line_and_the_guard_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    guard(folder.path());
    let long = vec![b'['; MAX_LINE * 2];
    let bad: [&[u8]; 6] = [
        b"hello\n",
        b"\xff\xfe\0\n",
        b"{}\n",
        b"{\"request\":{\"do\":\"format\"}}\n",
        b"GET / HTTP/1.1\r\n\r\n",
        &long,
    ];
    for bytes in bad {
        let answer = raw(folder.path(), bytes);
        // The system may take the answer back when we close with unread bytes on the way; then there is none.
        let refused = answer.contains("\"bad_request\"") || (bytes.len() > MAX_LINE && answer.is_empty());
        assert!(refused, "{answer:?} to {:?}", &bytes[..bytes.len().min(20)]);
    }
    drop(UnixStream::connect(folder.path().join(SOCKET)).unwrap());
    client::ask(folder.path(), &question(Request::Status)).unwrap();
}

#[test]
fn an_extra_field_is_refused_rather_than_ignored() {
    let folder = tempfile::tempdir().unwrap();
    guard(folder.path());
    let answer = raw(folder.path(), b"{\"request\":{\"do\":\"pause\",\"for_ms\":1,\"reason\":null,\"force\":true}}\n");
    assert!(answer.contains("unknown field `force`"), "{answer}");
}

#[test]
fn an_answer_that_never_comes_is_said() {
    let folder = tempfile::tempdir().unwrap();
    guard(folder.path());
    let answer = client::ask(folder.path(), &question(Request::Restart)).unwrap();
    assert_eq!(answer, Answer::Failed { why: "the guard gave no answer".into() });
}

#[test]
fn too_many_callers_are_turned_away_and_places_come_free() {
    let folder = tempfile::tempdir().unwrap();
    guard(folder.path());
    let connect = || UnixStream::connect(folder.path().join(SOCKET)).unwrap();
    let held: Vec<UnixStream> = (0..MAX_CONNECTIONS).map(|_| connect()).collect();
    let mut text = String::new();
    connect().read_to_string(&mut text).unwrap();
    assert!(text.contains("connected already"), "{text}");
    drop(held);
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    let free = std::iter::repeat_with(|| client::ask(folder.path(), &question(Request::Status)));
    let free = free.take_while(|_| std::time::Instant::now() < end);
    let mut tries = free.filter(|answer| matches!(answer, Ok(Answer::Done { .. })));
    assert!(tries.next().is_some(), "no place came free");
}

#[test]
fn a_second_guard_is_told_and_a_dead_socket_is_cleared() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(client::ask(folder.path(), &question(Request::Status)), Err(AskError::NoGuard)));
    // A socket that nobody listens on any more, as after SIGKILL.
    drop(std::os::unix::net::UnixListener::bind(folder.path().join(SOCKET)).unwrap());
    assert!(matches!(client::ask(folder.path(), &question(Request::Status)), Err(AskError::NoGuard)));
    guard(folder.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let second = runtime.block_on(async { Server::bind(folder.path()) });
    assert!(matches!(second, Err(BindError::Taken { .. })));
    let deep = folder.path().join("x".repeat(120));
    let long = runtime.block_on(async { Server::bind(&deep) });
    assert!(matches!(long, Err(BindError::TooLong { .. })));
}
