#![allow(clippy::unwrap_used)]

use super::client::{NoAnswer, ask};
use super::server::{Answers, serve};
use super::wire::{MAX_LINE, Question, StandsBy, Told};
use crate::failover::key::PairKey;
use clawmend_core::failover::Role;
use clawmend_core::failover::ownership::{Account, Fingerprint, Identity, Owned};
use clawmend_core::health::Verdict;
use clawmend_core::time::Wall;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Generous: a loaded machine is slow.
const LONG: Duration = Duration::from_secs(30);

struct Primary {
    asked: RefCell<Vec<Question>>,
}

impl Answers for Primary {
    async fn answer(&self, _: SocketAddr, question: Question) -> Option<Told> {
        self.asked.borrow_mut().push(question);
        Some(told())
    }
}

fn told() -> Told {
    Told {
        version: "0.1.0".into(),
        openclaw: Some("2026.9.6".into()),
        wall: Wall(9),
        verdict: Verdict::Healthy,
        alive: true,
        stopped: false,
        accounts: Owned::Known(vec![Account {
            channel: "telegram".into(),
            account: "default".into(),
            identity: Identity::Known(vec![Fingerprint::new(&[7; 32])]),
        }]),
        standby: Some(StandsBy { role: Role::Active, would: true, sees_primary: false }),
    }
}

fn question() -> Question {
    Question { version: "0.1.0".into(), role: Role::Watching, held: false, wall: Wall(8) }
}

fn key(byte: u8) -> PairKey {
    PairKey::of_bytes([byte; 32])
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

/// A primary that answers for good.
async fn primary() -> (SocketAddr, Rc<Primary>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let primary = Rc::new(Primary { asked: RefCell::default() });
    tokio::task::spawn_local(serve(listener, key(1), Rc::clone(&primary)));
    (address, primary)
}

/// Something else that listens, and says this to one caller after it has heard as many lines.
async fn somebody(says: Vec<Vec<u8>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::task::spawn_local(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (reads, mut writes) = stream.into_split();
        let mut reads = BufReader::new(reads);
        for (at, line) in says.iter().enumerate() {
            if at > 0 {
                let _ = reads.read_until(b'\n', &mut Vec::new()).await;
            }
            let _ = writes.write_all(line).await;
        }
        let _ = reads.read_to_end(&mut Vec::new()).await;
    });
    address
}

fn hello(protocol: u32) -> Vec<u8> {
    format!("{{\"clawmend\":{protocol},\"nonce\":\"{}\"}}\n", "0a".repeat(16)).into_bytes()
}

#[test]
fn a_question_is_answered() {
    run(async {
        let (address, primary) = primary().await;
        assert_eq!(ask(address, &key(1), &question(), LONG).await.unwrap(), told());
        assert_eq!(*primary.asked.borrow(), [question()]);
    });
}

#[test]
fn another_key_is_refused_and_said_so() {
    run(async {
        let (address, primary) = primary().await;
        let error = ask(address, &key(2), &question(), LONG).await.unwrap_err();
        assert!(matches!(&error, NoAnswer::Unclear(why) if why.contains("another key")), "{error}");
        assert!(primary.asked.borrow().is_empty(), "a question was taken from somebody without the key");
    });
}

/// Anybody who reaches the port can hold connections open; that must not make the primary look lost.
#[test]
fn however_many_say_nothing_who_has_the_key_is_answered() {
    run(async {
        let (address, _) = primary().await;
        let mut idle = Vec::new();
        for other in 1..=12 {
            for _ in 0..5 {
                let socket = tokio::net::TcpSocket::new_v4().unwrap();
                // The standby's own address among them.
                socket.bind(SocketAddr::from(([127, 0, 0, other], 0))).unwrap();
                idle.push(socket.connect(address).await.unwrap());
            }
            assert_eq!(ask(address, &key(1), &question(), LONG).await.unwrap(), told(), "beside {}", idle.len());
        }
    });
}

#[test]
fn what_was_said_before_is_worth_nothing_again() {
    run(async {
        let (address, primary) = primary().await;
        // Somebody in between keeps both lines of an exchange.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let between = listener.local_addr().unwrap();
        let kept: Rc<RefCell<Vec<Vec<u8>>>> = Rc::default();
        let keeps = Rc::clone(&kept);
        tokio::task::spawn_local(async move {
            let (client, _) = listener.accept().await.unwrap();
            let server = TcpStream::connect(address).await.unwrap();
            let (client_reads, mut client_writes) = client.into_split();
            let (server_reads, mut server_writes) = server.into_split();
            let (mut client_reads, mut server_reads) = (BufReader::new(client_reads), BufReader::new(server_reads));
            for at in 0..3 {
                let mut line = Vec::new();
                if at == 1 {
                    client_reads.read_until(b'\n', &mut line).await.unwrap();
                    server_writes.write_all(&line).await.unwrap();
                } else {
                    server_reads.read_until(b'\n', &mut line).await.unwrap();
                    client_writes.write_all(&line).await.unwrap();
                }
                keeps.borrow_mut().push(line);
            }
        });
        ask(between, &key(1), &question(), LONG).await.unwrap();
        let lines = kept.borrow().clone();
        assert_eq!(lines.len(), 3);

        // The question again: the primary has another number now.
        let (reads, mut writes) = TcpStream::connect(address).await.unwrap().into_split();
        let mut reads = BufReader::new(reads);
        reads.read_until(b'\n', &mut Vec::new()).await.unwrap();
        writes.write_all(&lines[1]).await.unwrap();
        let mut answer = String::new();
        reads.read_line(&mut answer).await.unwrap();
        assert!(answer.contains("refused"), "{answer}");
        assert_eq!(primary.asked.borrow().len(), 1);

        // The greeting and the answer again: the standby has another number now.
        let old = somebody(vec![lines[0].clone(), lines[2].clone()]).await;
        let error = ask(old, &key(1), &question(), LONG).await.unwrap_err();
        assert!(matches!(&error, NoAnswer::Unclear(why) if why.contains("not sealed")), "{error}");
    });
}

#[test]
fn nobody_and_somebody_else_are_told_apart() {
    run(async {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert!(matches!(ask(closed, &key(1), &question(), LONG).await, Err(NoAnswer::Silent(_))));
        let mute = somebody(vec![Vec::new()]).await;
        let short = Duration::from_millis(50);
        assert!(matches!(ask(mute, &key(1), &question(), short).await, Err(NoAnswer::Silent(_))));
        // As a frozen guard: greeted before it froze.
        let frozen = somebody(vec![hello(1)]).await;
        assert!(matches!(ask(frozen, &key(1), &question(), short).await, Err(NoAnswer::Silent(_))));

        for (says, wants) in [
            (vec![b"HTTP/1.1 400 Bad Request\r\n".to_vec()], "no guard of a pair"),
            (vec![vec![0xff; usize::try_from(MAX_LINE).unwrap() + 9]], "no guard of a pair"),
            (vec![b"{\"clawmend\":1,\"nonce\":\"zz\"}\n".to_vec()], "no guard of a pair"),
            (vec![hello(0)], "speaks protocol 0, this one 1"),
            (vec![hello(1), b"{\"sealed\":{\"seal\":\"00\",\"body\":\"{}\"}}\n".to_vec()], "not sealed"),
            (vec![hello(1), b"{\"refused\":{\"why\":\"no\\u001b[31m\"}}\n".to_vec()], "refuses this node: no[31m"),
            (vec![hello(1), b"nonsense\n".to_vec()], "no guard of a pair"),
        ] {
            let error = ask(somebody(says).await, &key(1), &question(), LONG).await.unwrap_err();
            assert!(matches!(&error, NoAnswer::Unclear(why) if why.contains(wants)), "{wants}: {error:?}");
        }
    });
}

#[test]
fn garbage_does_not_keep_a_primary_from_answering() {
    run(async {
        let (address, primary) = primary().await;
        for garbage in [&b"\n"[..], b"{}\n", b"GET / HTTP/1.1\r\n\r\n", &[0xff; 300_000]] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            // It may hang up before all of it is taken.
            let _ = stream.write_all(garbage).await;
        }
        // Those who say nothing are more than are listened to at a time, and go.
        let silent: Vec<TcpStream> = {
            let mut all = Vec::new();
            for _ in 0..20 {
                all.push(TcpStream::connect(address).await.unwrap());
            }
            all
        };
        drop(silent);
        let mut answered = ask(address, &key(1), &question(), LONG).await;
        // The places of those who went become free one by one.
        for _ in 0..500 {
            if answered.is_ok() {
                break;
            }
            tokio::task::yield_now().await;
            answered = ask(address, &key(1), &question(), LONG).await;
        }
        assert_eq!(answered.unwrap(), told());
        assert_eq!(primary.asked.borrow().len(), 1);
    });
}
