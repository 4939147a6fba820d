use crate::battery::{NOW, alert, channel, http, not_taken};
use clawmend::notify::channel::Channel;
use clawmend::notify::http::Http;
use clawmend::notify::{Kind, Letter, NotDelivered, Part, Receipt};
use clawmend_core::alert::Level;
use clawmend_testkit::alerts::smtp::{MailServer, Mode, PASSWORD, Protection, RECIPIENT, USER};
use std::time::Duration;

fn settings(server: &MailServer, security: &str) -> String {
    format!(
        "kind = 'email'\nhost = 'localhost'\nport = {}\nsecurity = '{security}'\nuser = '{USER}'\npassword = '{PASSWORD}'\n\
         from = 'Clawmend <{USER}>'\nto = 'Owner <{RECIPIENT}>'\nca_file = '{}'",
        server.port,
        server.authority().display()
    )
}

async fn deliver(channel: &Channel, letter: &Letter) -> Result<Receipt, NotDelivered> {
    let outcome = channel.deliver(letter, &http(), NOW).await;
    let shown = format!("{outcome:?} {channel:?}");
    assert!(!shown.contains("canary"), "a secret is shown: {shown}");
    outcome
}

#[tokio::test(flavor = "current_thread")]
async fn it_goes_over_tls_whichever_way() {
    for (protection, security) in [(Protection::Tls, "tls"), (Protection::Starttls, "starttls")] {
        let server = MailServer::start(protection).unwrap();
        let channel = channel(&settings(&server, security));
        for number in 0..2 {
            let letter = Letter { key: format!("step-{number}"), ..alert() };
            deliver(&channel, &letter).await.unwrap_or_else(|error| panic!("{security}: {error}"));
        }
        let taken = server.taken();
        assert_eq!(taken.len(), 2, "{security}");
        for (number, mail) in taken.iter().enumerate() {
            assert!(mail.content.contains(&format!("<step-{number}.clawmend@example.com>")), "{}", mail.content);
        }
        let clear = server.in_the_clear().join("\n");
        assert!(!clear.contains("AUTH") && !clear.contains("MAIL"), "{security}: {clear}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_mail_reads_well() {
    let server = MailServer::start(Protection::Tls).unwrap();
    let channel = channel(&settings(&server, "tls"));
    let receipt = deliver(&channel, &alert()).await.unwrap();
    assert_eq!(receipt.0, "<incident-7/alert_1.clawmend@example.com>");
    let mail = server.taken().pop().unwrap().content;
    // The boundary of the parts is thrown with dice.
    let boundary = mail.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    insta::assert_snapshot!("email_alert", mail.replace(&boundary, "(boundary)").replace('\r', ""));
}

#[tokio::test(flavor = "current_thread")]
async fn its_end_answers_it() {
    let server = MailServer::start(Protection::Tls).unwrap();
    let channel = channel(&settings(&server, "tls"));
    let first = deliver(&channel, &alert()).await.unwrap();
    let end =
        Letter { key: "end".to_owned(), kind: Kind::Resolved, level: Level::Info, answers: Some(first), ..alert() };
    deliver(&channel, &end).await.unwrap();
    let mail = server.taken().pop().unwrap().content;
    for header in ["In-Reply-To", "References"] {
        assert!(mail.contains(&format!("\r\n{header}: <incident-7/alert_1.clawmend@example.com>\r\n")), "{mail}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn no_text_becomes_a_header_and_a_huge_log_fits() {
    let server = MailServer::start(Protection::Tls).unwrap();
    let channel = channel(&settings(&server, "tls"));
    let log = "é<b>\".\u{7}".repeat(150_000);
    let letter = Letter {
        title: format!("down\r\nBcc: evil@example.com\r\n\r\n{}", "龙".repeat(10_000)),
        parts: vec![Part::Text(".".to_owned()), Part::Text("..first".to_owned()), Part::Code(vec![log])],
        ..alert()
    };
    deliver(&channel, &letter).await.unwrap();
    let mail = server.taken().pop().unwrap().content;
    let head = mail.split("\r\n\r\n").next().unwrap();
    assert!(!head.contains("\r\nBcc"), "{head}");
    assert!(mail.contains("(shortened)") && mail.contains("..first"), "the front is kept, and the rest is said");
}

#[tokio::test(flavor = "current_thread")]
async fn codes_are_told_apart() {
    let server = MailServer::start(Protection::Tls).unwrap();
    let channel = channel(&settings(&server, "tls"));
    for (at, line, expected) in [
        ("CONNECT", "421 4.3.2 shutting down", "retry"),
        ("CONNECT", "554 5.7.1 no service for you", "person"),
        ("AUTH", "535 5.7.8 bad credentials", "person"),
        ("AUTH", "454 4.7.0 temporary authentication failure", "retry"),
        ("MAIL", "553 5.7.1 not owned by user", "person"),
        ("MAIL", "452 4.3.1 insufficient storage", "retry"),
        ("RCPT", "550 5.1.1 no such user", "person"),
        ("RCPT", "450 4.2.0 greylisted", "retry"),
        ("DATA", "451 4.3.0 try again", "retry"),
        (".", "552 5.3.4 too big", "refused"),
        (".", "550 5.7.1 looks like spam", "person"),
        (".", "451 4.3.0 try again", "retry"),
    ] {
        server.set_mode(Mode::Reply(at, line));
        let error = deliver(&channel, &alert()).await.unwrap_err();
        let kind = match &error {
            NotDelivered::NeedsPerson { .. } => "person",
            NotDelivered::Retry { .. } => "retry",
            NotDelivered::Unsure { .. } => "unsure",
            NotDelivered::Refused { .. } => "refused",
        };
        assert_eq!(kind, expected, "{at} {line}: {error:?}");
    }
    assert_eq!(server.taken().len(), 0);
}

#[tokio::test(flavor = "current_thread")]
async fn only_while_the_content_is_under_way_is_there_doubt() {
    let server = MailServer::start(Protection::Tls).unwrap();
    let channel = channel(&settings(&server, "tls"));
    let impatient = Http::with_limits(None, Duration::from_secs(20), Duration::from_secs(1)).unwrap();
    for (mode, doubt) in [
        (Mode::HangUp("RCPT"), false),
        (Mode::HangUp("."), true),
        (Mode::Silent("MAIL"), false),
        (Mode::Silent("."), true),
    ] {
        server.set_mode(mode.clone());
        let error = channel.deliver(&alert(), &impatient, NOW).await.unwrap_err();
        assert_eq!(matches!(error, NotDelivered::Unsure { .. }), doubt, "{mode:?}: {error:?}");
        assert_eq!(matches!(error, NotDelivered::Retry { .. }), !doubt, "{mode:?}: {error:?}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_server_that_cannot_be_trusted_gets_nothing() {
    let stranger = MailServer::start(Protection::Tls).unwrap();
    let other = MailServer::start(Protection::Tls).unwrap();
    // The authority of another one.
    let wrong = settings(&stranger, "tls")
        .replace(&stranger.authority().display().to_string(), &other.authority().display().to_string());
    match deliver(&channel(&wrong), &alert()).await {
        Err(NotDelivered::NeedsPerson { hint, .. }) => assert!(hint.contains("ca_file"), "{hint}"),
        other => panic!("{other:?}"),
    }
    let plain = MailServer::start(Protection::None).unwrap();
    match deliver(&channel(&settings(&plain, "starttls")), &alert()).await {
        Err(NotDelivered::NeedsPerson { hint, .. }) => assert!(hint.contains("STARTTLS"), "{hint}"),
        other => panic!("{other:?}"),
    }
    assert!(plain.in_the_clear().iter().all(|line| line.starts_with("EHLO") || line == "QUIT"), "{plain:?}");
    assert_eq!(plain.taken().len() + stranger.taken().len(), 0);
}

#[tokio::test(flavor = "current_thread")]
async fn nobody_listens() {
    let server = MailServer::start(Protection::Tls).unwrap();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let text = settings(&server, "tls").replace(&format!("port = {}", server.port), &format!("port = {nobody}"));
    assert!(matches!(deliver(&channel(&text), &alert()).await, Err(NotDelivered::Retry { .. })));
}

#[test]
fn settings_are_checked() {
    let base = "kind = 'email'\nfrom = 'a@example.com'\nto = 'b@example.com'\n";
    for (text, expected) in [
        ("host = 'mail.example.com'\nsecurity = 'none'", "only taken for this host"),
        ("host = 'mail.example.com:465'\nuser = 'canary'", "expected `user` and `password`"),
        ("host = 'https://mail.example.com'", "the name of a mail server"),
        ("host = 'm'\nunknown = 'canary'", "unknown field"),
    ] {
        let error = not_taken(&format!("{base}{text}"));
        assert!(error.contains(expected) && !error.contains("'canary'"), "{text}: {error}");
    }
    let error = not_taken("kind = 'email'\nhost = 'm'\nfrom = 'a@example.com'\nto = 'b@example.com, c@example.com'");
    assert!(error.contains("one mail address"), "{error}");
}
