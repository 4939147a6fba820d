//! Mail to one person, over SMTP with TLS.
//!
//! From [RFC 5321](https://www.rfc-editor.org/rfc/rfc5321#section-4.2) (reply codes), [RFC 3207](https://www.rfc-editor.org/rfc/rfc3207)
//! (STARTTLS), [RFC 8314](https://www.rfc-editor.org/rfc/rfc8314) (TLS from the start, port 465), [RFC 5322](https://www.rfc-editor.org/rfc/rfc5322#section-3.6.4)
//! (Message-ID, In-Reply-To, References) and [RFC 3834](https://www.rfc-editor.org/rfc/rfc3834#section-5)
//! (`Auto-Submitted`). The letter itself: [`mail`](super::mail).
//!
//! Invariants: nothing is sent in the clear, except to this host itself; a server that does not offer STARTTLS when it
//! should gets nothing. Once the content is on its way, only a reply says what became of it.

use super::mail;
use crate::notify::http::{Http, said};
use crate::notify::secret::Secret;
use crate::notify::{Letter, NotDelivered, Receipt};
use clawmend_core::time::Wall;
use lettre::message::Mailbox;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use serde::Deserialize;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Largest file of certificates, in bytes.
const MAX_CERTIFICATES: u64 = 1024 * 1024;

/// Mail to one person.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Settings")]
pub struct Email {
    host: String,
    port: u16,
    security: Security,
    login: Option<(String, Secret)>,
    from: Mailbox,
    to: Mailbox,
    ca_file: Option<PathBuf>,
}

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Security {
    /// TLS from the start.
    #[default]
    Tls,
    /// TLS after STARTTLS, or nothing.
    Starttls,
    /// In the clear, to this host itself.
    None,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    host: String,
    #[serde(default)]
    port: Option<u16>,
    #[serde(default)]
    security: Security,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    password: Option<Secret>,
    from: String,
    to: String,
    #[serde(default)]
    ca_file: Option<PathBuf>,
}

impl TryFrom<Settings> for Email {
    type Error = &'static str;

    fn try_from(from: Settings) -> Result<Self, &'static str> {
        let host = from.host;
        if host.is_empty() || host.len() > 253 || !host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:_".contains(c))
        {
            return Err("expected the name of a mail server as `host`, without a port");
        }
        if from.security == Security::None && !is_loopback(&host) {
            return Err(
                "expected `security` to be \"tls\" or \"starttls\" (\"none\" is only taken for this host itself)",
            );
        }
        let login = match (from.user, from.password) {
            (None, None) => None,
            (Some(user), Some(password)) if !user.is_empty() && !user.chars().any(char::is_control) => {
                Some((user, password))
            }
            _ => return Err("expected `user` and `password`, or none of them"),
        };
        let port = from.port.unwrap_or(match from.security {
            Security::Tls => 465,
            Security::Starttls => 587,
            Security::None => 25,
        });
        let (sender, to) = (mailbox(&from.from)?, mailbox(&from.to)?);
        Ok(Self { host, port, security: from.security, login, from: sender, to, ca_file: from.ca_file })
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn mailbox(text: &str) -> Result<Mailbox, &'static str> {
    let wrong = "expected one mail address as `from` and `to`, such as Clawmend <guard@example.com>";
    let fine = text.len() <= 320 && !text.chars().any(char::is_control);
    let mailbox: Mailbox = text.parse().map_err(|_| wrong)?;
    let address: &str = mailbox.email.as_ref();
    if fine && address.is_ascii() { Ok(mailbox) } else { Err(wrong) }
}

/// How far it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Connection,
    Login,
    Sender,
    Recipient,
    Content,
}

impl Email {
    /// Brings it there. `now` is its date.
    ///
    /// # Errors
    /// [`NotDelivered`].
    pub async fn deliver(&self, letter: &Letter, http: &Http, now: Wall) -> Result<Receipt, NotDelivered> {
        let mail = mail::write(letter, &self.from, &self.to, now).map_err(NotDelivered::refused)?;
        let tls = match self.security {
            Security::Tls | Security::Starttls => Some(self.tls().await?),
            Security::None => None,
        };
        let (connect, whole) = http.limits();
        let mut stage = Stage::Connection;
        let conversation = self.conversation(&mail.content, tls, connect, &mut stage);
        match tokio::time::timeout(whole, conversation).await {
            Ok(Ok(())) => Ok(Receipt::of(&mail.id)),
            Ok(Err(error)) => Err(self.failed(&error, stage)),
            Err(_) => Err(self.too_late(stage)),
        }
    }

    /// Reads certificates: not on the thread that everything else runs on.
    async fn tls(&self) -> Result<TlsParameters, NotDelivered> {
        let (host, file) = (self.host.clone(), self.ca_file.clone());
        tokio::task::spawn_blocking(move || parameters(host, file.as_deref()))
            .await
            .unwrap_or_else(|_| Err("the certificates could not be read".to_owned()))
            .map_err(|why| {
                NotDelivered::person(
                    why,
                    "correct `ca_file`: a PEM file of the authority that the server's certificate is from",
                )
            })
    }

    async fn conversation(
        &self,
        content: &[u8],
        tls: Option<TlsParameters>,
        connect: Duration,
        stage: &mut Stage,
    ) -> Result<(), Error> {
        let name = ClientId::Domain(self.from.email.domain().to_owned());
        let at_once = if self.security == Security::Tls { tls.clone() } else { None };
        let server = (self.host.as_str(), self.port);
        let mut server = AsyncSmtpConnection::connect_tokio1(server, Some(connect), &name, at_once, None).await?;
        if let (Security::Starttls, Some(tls)) = (self.security, tls) {
            server.starttls(tls, &name).await?;
        }
        *stage = Stage::Login;
        if let Some((user, password)) = &self.login {
            let credentials = Credentials::new(user.clone(), password.expose().to_owned());
            server.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await?;
        }
        *stage = Stage::Sender;
        server.command(Mail::new(Some(self.from.email.clone()), Vec::new())).await?;
        *stage = Stage::Recipient;
        server.command(Rcpt::new(self.to.email.clone(), Vec::new())).await?;
        let _go_on: Response = server.command(Data).await?;
        *stage = Stage::Content;
        server.message(content).await?;
        // It has it: how it takes leave changes nothing, and is not waited for.
        let _ = tokio::time::timeout(Duration::from_millis(200), server.quit()).await;
        Ok(())
    }

    fn too_late(&self, stage: Stage) -> NotDelivered {
        let why = format!("{} did not answer in time", self.host);
        if stage == Stage::Content { NotDelivered::unsure(why) } else { NotDelivered::later(why) }
    }

    fn failed(&self, error: &Error, stage: Stage) -> NotDelivered {
        let code: Option<u16> = error.status().and_then(|code| code.to_string().parse().ok());
        match code {
            Some(code) => self.answered(code, stage, said(&chain(error))),
            None if stage == Stage::Content => {
                NotDelivered::unsure(format!("{} broke off: {}", self.host, said(&chain(error))))
            }
            None => self.not_connected(error, stage),
        }
    }

    /// By its reply code: 4yz for now, 5yz for good.
    fn answered(&self, code: u16, stage: Stage, why: String) -> NotDelivered {
        let host = &self.host;
        match (code, stage) {
            (400..=499, _) => NotDelivered::later(format!("{host} does not take it now: {why}")),
            (530 | 534 | 535 | 538, _) | (_, Stage::Login) => NotDelivered::person(
                format!("{host} refuses the login: {why}"),
                "check `user` and `password`; many providers want a password made for this program alone",
            ),
            (_, Stage::Recipient) => {
                NotDelivered::person(format!("{host} does not take mail for this person: {why}"), "check `to`")
            }
            (_, Stage::Sender) => NotDelivered::person(
                format!("{host} does not take mail from this sender: {why}"),
                "check `from`; most servers only take the address of the login",
            ),
            (_, Stage::Connection) => {
                NotDelivered::person(format!("{host} turns us away: {why}"), "check `host`, `port` and `security`")
            }
            (550 | 553 | 554 | 571, Stage::Content) => NotDelivered::person(
                format!("{host} rejects the mail: {why}"),
                "ask who runs the mail server, or use an address of its own as `from`",
            ),
            (_, Stage::Content) => NotDelivered::refused(why),
        }
    }

    fn not_connected(&self, error: &Error, stage: Stage) -> NotDelivered {
        let host = &self.host;
        let why = said(&chain(error));
        let lower = why.to_lowercase();
        if lower.contains("certificate") || lower.contains("unknownissuer") {
            return NotDelivered::person(
                format!("{host} cannot be verified: {why}"),
                "check `host`; for a company's own authority set `ca_file` to its certificate",
            );
        }
        if error.is_client() {
            let hint = if stage == Stage::Login {
                "the server offers no login that we know (PLAIN or LOGIN); check `port` and `security`"
            } else {
                "the server offers no STARTTLS; use its other port and `security = \"tls\"`"
            };
            return NotDelivered::person(format!("{host}: {why}"), hint);
        }
        NotDelivered::later(format!("{host} cannot be reached: {why}"))
    }
}

/// All reasons, the outermost first: the words of the server, or of TLS, are inside.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut inner = std::error::Error::source(error);
    while let Some(error) = inner {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        inner = error.source();
    }
    text
}

/// What this host trusts, and a company's own authority.
fn parameters(host: String, ca_file: Option<&Path>) -> Result<TlsParameters, String> {
    let mut builder = TlsParameters::builder(host);
    if let Some(path) = ca_file {
        let mut pem = Vec::new();
        let file = std::fs::File::open(path).map_err(|error| format!("`ca_file` cannot be read: {error}"))?;
        file.take(MAX_CERTIFICATES)
            .read_to_end(&mut pem)
            .map_err(|error| format!("`ca_file` cannot be read: {error}"))?;
        let certificates = Certificate::from_pem(&pem).map_err(|_| "`ca_file` holds no certificate".to_owned())?;
        builder = builder.add_root_certificate(certificates);
    }
    builder.build_rustls().map_err(|error| said(&error.to_string()))
}
