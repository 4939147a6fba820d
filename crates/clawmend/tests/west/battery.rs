//! What every channel over HTTP must do, whatever its service.

use clawmend::notify::channel::Channel;
use clawmend::notify::http::Http;
use clawmend::notify::{Kind, Letter, NotDelivered, Part, Receipt};
use clawmend_core::alert::Level;
use clawmend_core::time::Wall;
use clawmend_testkit::alerts::{Mode, StandIn};
use std::time::Duration;

/// 2026-11-25T03:30:00Z.
pub const NOW: Wall = Wall(1_795_577_400_000);

pub fn channel(settings: &str) -> Channel {
    toml::from_str(settings).unwrap()
}

/// Why settings are not taken.
pub fn not_taken(settings: &str) -> String {
    toml::from_str::<Channel>(settings).unwrap_err().message().to_owned()
}

/// An alert as people get it, with lines of a log that want to be markup.
pub fn alert() -> Letter {
    Letter {
        key: "incident-7/alert.1".to_owned(),
        subject_key: "incident-7".to_owned(),
        kind: Kind::Alert,
        level: Level::Error,
        at: NOW,
        host: "box-1".to_owned(),
        title: "OpenClaw <default> is down: config refused".to_owned(),
        parts: vec![
            Part::Text("The gateway does not start & nobody is answered.".to_owned()),
            Part::Fact { label: "Since".to_owned(), value: "03:29 (last good check 03:28)".to_owned() },
            Part::Heading("Tried".to_owned()),
            Part::Item("restart: ended again after 2 s".to_owned()),
            Part::Heading("Log".to_owned()),
            Part::Code(hostile()),
            Part::Heading("What you can do".to_owned()),
            Part::Code(vec!["clawmend config restore".to_owned()]),
        ],
        answers: None,
        choices: Vec::new(),
    }
}

/// Markup, mentions, links and control characters of every service.
fn hostile() -> Vec<String> {
    [
        "</pre><b>owned</b> & <a href=\"https://evil.example\">x</a>",
        "<!channel> <@U0PERSON> @everyone @here <#C0CHANNEL> <https://evil.example|click>",
        "``` **bold** [x](https://evil.example) ||spoiler|| `code`",
        "\u{1b}[31mred\u{1b}[0m\u{7}\u{202e}reversed\u{0}",
        "{{ 7 * 7 }} {% raw %} \\\" ' %s",
    ]
    .map(ToOwned::to_owned)
    .to_vec()
}

pub fn http() -> Http {
    Http::with_limits(None, Duration::from_secs(20), Duration::from_secs(60)).unwrap()
}

/// That gives a silent service up soon.
fn impatient() -> Http {
    Http::with_limits(None, Duration::from_secs(20), Duration::from_millis(500)).unwrap()
}

pub async fn deliver(channel: &Channel, letter: &Letter) -> Result<Receipt, NotDelivered> {
    let outcome = channel.deliver(letter, &http(), NOW).await;
    if let Err(error) = &outcome {
        keeps_its_secrets(channel, error);
    }
    outcome
}

/// Every credential of the stand-ins has `canary` in it.
fn keeps_its_secrets(channel: &Channel, error: &NotDelivered) {
    for shown in [format!("{error}"), format!("{error:?}"), format!("{channel:?}")] {
        assert!(!shown.to_lowercase().contains("canary"), "a secret is shown: {shown}");
    }
}

/// What differs.
pub struct Battery<'a> {
    pub channel: &'a Channel,
    pub service: &'a StandIn,
    /// Words of the hint when the credential is refused.
    pub hint: &'a str,
    /// The wait that it reads from the service's answer to "ask again in 7 s".
    pub wait: Duration,
    /// The status alone says that a message was taken.
    pub status_decides: bool,
}

impl Battery<'_> {
    pub async fn run(&self) {
        self.in_order().await;
        self.whatever_is_in_it().await;
        self.by_consequence().await;
        self.in_doubt().await;
        self.service.set_mode(Mode::Contract);
        deliver(self.channel, &alert()).await.expect("well again");
    }

    async fn in_order(&self) {
        let before = self.service.accepted().len();
        for number in 0..3 {
            let letter = Letter { key: format!("step-{number}"), title: format!("Number {number}"), ..alert() };
            deliver(self.channel, &letter).await.expect("delivered");
        }
        let accepted = self.service.accepted();
        assert_eq!(accepted.len(), before + 3);
        for (number, message) in accepted[before..].iter().enumerate() {
            assert!(message.to_string().contains(&format!("Number {number}")), "{number}: {message}");
        }
    }

    /// The stand-ins refuse what is too long, badly escaped, or holds control characters.
    async fn whatever_is_in_it(&self) {
        deliver(self.channel, &alert()).await.expect("hostile lines");
        for piece in ["line of a log <&> \"\\\" \u{7} ", "😀", "&", "\"", "`", "龙"] {
            let log = piece.repeat(1_000_000 / piece.len());
            let huge = Letter {
                key: format!("huge-{}", piece.len()),
                title: log.chars().take(10_000).collect(),
                host: log.chars().take(10_000).collect(),
                parts: vec![
                    Part::Text("This comes first.".to_owned()),
                    Part::Code(
                        log.as_bytes().chunks(100_000).map(|line| String::from_utf8_lossy(line).into_owned()).collect(),
                    ),
                ],
                ..alert()
            };
            deliver(self.channel, &huge).await.unwrap_or_else(|error| panic!("1 MB of {piece:?}: {error}"));
            let message = self.service.accepted().pop().unwrap().to_string();
            assert!(message.contains("This comes first"), "the front is kept");
            assert!(message.contains("(shortened)") || message.contains("\"shortened\":true"), "{piece:?}: it is said");
        }
        let bare = Letter { key: "bare".to_owned(), parts: Vec::new(), ..alert() };
        deliver(self.channel, &bare).await.expect("only a title");
    }

    async fn by_consequence(&self) {
        self.service.set_mode(Mode::Unauthorized);
        match deliver(self.channel, &alert()).await {
            Err(NotDelivered::NeedsPerson { hint, .. }) if hint.contains(self.hint) => {}
            other => panic!("refused credential: {other:?}"),
        }
        self.service.set_mode(Mode::RateLimited(7));
        match deliver(self.channel, &alert()).await {
            Err(NotDelivered::Retry { after, .. }) => assert_eq!(after, Some(self.wait)),
            other => panic!("asked too often: {other:?}"),
        }
        for status in [500, 502, 503] {
            self.service.set_mode(Mode::Status(status));
            match deliver(self.channel, &alert()).await {
                Err(NotDelivered::Retry { .. }) => {}
                other => panic!("{status}: {other:?}"),
            }
        }
        self.service.set_mode(Mode::Status(302));
        match deliver(self.channel, &alert()).await {
            Err(NotDelivered::NeedsPerson { .. } | NotDelivered::Refused { .. }) => {}
            other => panic!("a redirect: {other:?}"),
        }
    }

    async fn in_doubt(&self) {
        self.service.set_mode(Mode::Silent);
        let error = self.channel.deliver(&alert(), &impatient(), NOW).await.unwrap_err();
        keeps_its_secrets(self.channel, &error);
        assert!(matches!(error, NotDelivered::Unsure { .. }), "silent: {error:?}");
        self.service.set_mode(Mode::HangUp);
        match deliver(self.channel, &alert()).await {
            Err(NotDelivered::Unsure { .. }) => {}
            other => panic!("closed before the answer: {other:?}"),
        }
        self.service.set_mode(Mode::CutOff);
        match (deliver(self.channel, &alert()).await, self.status_decides) {
            (Ok(_), true) | (Err(NotDelivered::Unsure { .. }), false) => {}
            (other, _) => panic!("closed in the middle of the answer: {other:?}"),
        }
    }
}
