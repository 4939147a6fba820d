use crate::battery::{NOW, alert, channel, http};
use clawmend::notify::channel::Channel;
use clawmend::notify::http::Http;
use clawmend::notify::{Kind, Letter, NotDelivered, Part, Receipt};
use clawmend_core::alert::Level;
use futures_util::StreamExt as _;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use zbus::{Connection, MessageStream, OwnedVariant};

/// A real bus that is nobody's session. It ends with the value.
struct Bus {
    daemon: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl Bus {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut daemon = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--nopidfile", "--print-address=1"])
            .arg(format!("--address=unix:path={}", folder.path().join("bus").display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut address = String::new();
        BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { daemon, address: address.trim().to_owned(), _folder: folder }
    }

    fn channel(&self) -> Channel {
        channel(&format!("kind = 'desktop'\nbus = '{}'", self.address))
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// The arguments of `Notify`.
type Shown = (String, u32, String, String, String, Vec<String>, BTreeMap<String, OwnedVariant>, i32);

/// A desktop that shows notifications; the number of each is its place in the list, or the one that it replaces.
async fn desktop(bus: &Bus, markup: bool, answers: bool) -> (Connection, Arc<Mutex<Vec<Shown>>>) {
    let connection = zbus::connection::Builder::address(bus.address.as_str()).build().await.unwrap();
    connection.request_name("org.freedesktop.Notifications").await.unwrap();
    let shown = Arc::new(Mutex::new(Vec::new()));
    let (serving, list) = (connection.clone(), Arc::clone(&shown));
    let mut calls = MessageStream::from(&connection);
    tokio::spawn(async move {
        while let Some(Ok(call)) = calls.next().await {
            let header = call.header();
            match header.member().map(|member| member.as_str().to_owned()).as_deref() {
                Some("GetCapabilities") => {
                    let capabilities: &[&str] = if markup { &["body", "body-markup"] } else { &["body"] };
                    serving.reply(&header, &capabilities).await.unwrap();
                }
                Some("Notify") => {
                    let note: Shown = call.body().deserialize().unwrap();
                    let number = {
                        let mut list = list.lock().unwrap();
                        let replaces = note.1;
                        list.push(note);
                        if replaces > 0 { replaces } else { u32::try_from(list.len()).unwrap() }
                    };
                    if answers {
                        serving.reply(&header, &number).await.unwrap();
                    }
                }
                _ => {}
            }
        }
    });
    (connection, shown)
}

#[tokio::test(flavor = "current_thread")]
async fn it_is_shown_and_its_end_replaces_it() {
    let bus = Bus::start();
    let (_desktop, shown) = desktop(&bus, true, true).await;
    let channel = bus.channel();
    let first = channel.deliver(&alert(), &http(), NOW).await.unwrap();
    assert_eq!(first, Receipt("1".to_owned()));
    let end = Letter { kind: Kind::Resolved, level: Level::Info, answers: Some(first.clone()), ..alert() };
    assert_eq!(channel.deliver(&end, &http(), NOW).await.unwrap(), first);
    let shown = shown.lock().unwrap();
    assert_eq!((shown[0].1, shown[1].1), (0, 1), "replaces_id");
    insta::assert_snapshot!("desktop_alert", format!("{}\n---\n{}", shown[0].3, shown[0].4));
    let urgency = |at: usize| shown[at].6["urgency"].clone();
    assert_eq!((urgency(0), urgency(1)), (variant(2), variant(1)));
}

fn variant(value: u8) -> OwnedVariant {
    OwnedVariant::from(value)
}

#[tokio::test(flavor = "current_thread")]
async fn a_desktop_without_markup_gets_none_and_a_huge_log_fits() {
    let bus = Bus::start();
    let (_desktop, shown) = desktop(&bus, false, true).await;
    let parts = vec![Part::Text("<&>".to_owned()), Part::Code(vec!["x\u{7}".repeat(500_000)])];
    bus.channel().deliver(&Letter { parts, ..alert() }, &http(), NOW).await.unwrap();
    let body = shown.lock().unwrap()[0].4.clone();
    assert!(body.starts_with("<&>\nx x x ") && body.ends_with("(shortened)") && body.len() <= 2_000, "{body}");
}

#[tokio::test(flavor = "current_thread")]
async fn without_a_desktop_it_is_said_what_to_do() {
    let bus = Bus::start();
    let nobody_shows = bus.channel();
    let no_bus = channel("kind = 'desktop'\nbus = 'unix:path=/nonexistent/bus'");
    let no_address = channel("kind = 'desktop'\nbus = 'nonsense'");
    for channel in [nobody_shows, no_bus, no_address] {
        match channel.deliver(&alert(), &http(), NOW).await {
            Err(NotDelivered::NeedsPerson { hint, .. }) => assert!(hint.contains("desktop"), "{hint}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_desktop_that_does_not_answer_may_have_shown_it() {
    let bus = Bus::start();
    let (_desktop, shown) = desktop(&bus, true, false).await;
    let impatient = Http::with_limits(None, Duration::from_secs(1), Duration::from_secs(1)).unwrap();
    let error = bus.channel().deliver(&alert(), &impatient, NOW).await.unwrap_err();
    assert!(matches!(error, NotDelivered::Unsure { .. }), "{error:?}");
    assert_eq!(shown.lock().unwrap().len(), 1);
}
