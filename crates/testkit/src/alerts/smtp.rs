//! A mail server that is strict about the order of commands, TLS, the login and the form of a mail:
//! <https://www.rfc-editor.org/rfc/rfc5321>, <https://www.rfc-editor.org/rfc/rfc3207>.

use crate::canary::{self, Canary};
use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Whose mail it takes.
pub const USER: &str = "guard@example.com";
/// With this password.
pub const PASSWORD: &str = "canary-mail-password";
/// For whom it takes mail.
pub const RECIPIENT: &str = "owner@example.com";
/// For messages.
const SERVICE: &str = "mail";
/// Largest mail that it takes.
const MAX_MAIL: usize = 512 * 1024;

/// How a client is to protect the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// TLS from the start.
    Tls,
    /// STARTTLS, and nothing before it.
    Starttls,
    /// None, and none offered.
    None,
}

/// How it behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As the standards say.
    Contract,
    /// It answers this command (`CONNECT`, `AUTH`, `MAIL`, `RCPT`, `DATA` or `.`) with this line.
    Reply(&'static str, &'static str),
    /// It never answers this command.
    Silent(&'static str),
    /// It closes the connection instead of answering this command.
    HangUp(&'static str),
}

/// A mail that it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Of the envelope.
    pub from: String,
    /// Of the envelope.
    pub to: String,
    /// As it came, dots restored.
    pub content: String,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    over: bool,
    taken: Vec<Taken>,
    /// Every line that came in the clear.
    clear: Vec<String>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The server. It ends when it is dropped.
#[derive(Debug)]
pub struct MailServer {
    shared: Arc<Shared>,
    /// Where it listens, on loopback.
    pub port: u16,
    folder: tempfile::TempDir,
}

impl MailServer {
    /// Starts it with a certificate for `localhost` from an authority of its own.
    ///
    /// # Errors
    /// When nothing can listen on loopback, or `openssl` cannot make certificates.
    pub fn start(protection: Protection) -> Result<Self> {
        canary::register(Canary::written("the password of mail", Some(SERVICE), PASSWORD));
        let folder = tempfile::tempdir()?;
        let config = certificates(&folder)?;
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port();
        let state = State { mode: Mode::Contract, over: false, taken: Vec::new(), clear: Vec::new() };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if accepting.lock().over {
                    return;
                }
                let (shared, config) = (Arc::clone(&accepting), Arc::clone(&config));
                std::thread::spawn(move || serve(&shared, stream, protection, config));
            }
        });
        Ok(Self { shared, port, folder })
    }

    /// The certificate of its authority.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Changes how it behaves.
    pub fn set_mode(&self, mode: Mode) {
        self.shared.lock().mode = mode;
        self.shared.changed.notify_all();
    }

    /// The mails that it took, in order.
    #[must_use]
    pub fn taken(&self) -> Vec<Taken> {
        self.shared.lock().taken.clone()
    }

    /// Every line that came in the clear, in order.
    #[must_use]
    pub fn in_the_clear(&self) -> Vec<String> {
        self.shared.lock().clear.clone()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.changed.notify_all();
        // Wakes the accepting thread so that it ends.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn certificates(folder: &tempfile::TempDir) -> Result<Arc<ServerConfig>> {
    let openssl = |args: &str| {
        let done =
            Command::new("openssl").args(args.split(' ')).current_dir(folder.path()).output().context("openssl")?;
        ensure!(done.status.success(), "openssl {args}: {}", String::from_utf8_lossy(&done.stderr));
        anyhow::Ok(())
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    std::fs::write(folder.path().join("names"), "subjectAltName=DNS:localhost\n")?;
    openssl(&format!("req -x509 {key} -days 2 -subj /CN=lab-authority -keyout ca.key -out ca.pem"))?;
    openssl(&format!("req {key} -subj /CN=localhost -keyout key.pem -out leaf.csr"))?;
    openssl("x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out cert.pem")?;
    let cert = CertificateDer::from_pem_file(folder.path().join("cert.pem"))?;
    let key = PrivateKeyDer::from_pem_file(folder.path().join("key.pem"))?;
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![cert], key)?;
    Ok(Arc::new(config))
}

fn serve(shared: &Shared, mut stream: TcpStream, protection: Protection, config: Arc<ServerConfig>) {
    if protection != Protection::Tls {
        let tls = talk(shared, &mut stream, protection, false, true);
        if !matches!(tls, Ok(Next::Tls)) {
            return;
        }
    }
    let Ok(connection) = ServerConnection::new(config) else { return };
    let mut stream = StreamOwned::new(connection, stream);
    let _ = talk(shared, &mut stream, protection, true, protection == Protection::Tls);
    stream.conn.send_close_notify();
    let _ = stream.flush();
}

enum Next {
    Over,
    Tls,
}

/// `None`: nothing more is said on this connection.
fn reply(shared: &Shared, stream: &mut impl Write, command: &str, usual: &str) -> Result<Option<bool>> {
    let mut state = shared.lock();
    while state.mode == Mode::Silent(known(command)) && !state.over {
        state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
    let mode = state.mode.clone();
    drop(state);
    let line = match mode {
        Mode::HangUp(at) if at == command => return Ok(None),
        Mode::Reply(at, line) if at == command => line,
        Mode::Contract | Mode::Reply(..) | Mode::Silent(_) | Mode::HangUp(_) => usual,
    };
    stream.write_all(format!("{line}\r\n").as_bytes())?;
    stream.flush()?;
    Ok(Some(line.starts_with(['2', '3'])))
}

fn known(command: &str) -> &'static str {
    ["CONNECT", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "."].into_iter().find(|known| *known == command).unwrap_or("")
}

fn talk(
    shared: &Shared,
    stream: &mut (impl Read + Write),
    protection: Protection,
    secure: bool,
    greet: bool,
) -> Result<Next> {
    if greet && reply(shared, stream, "CONNECT", "220 localhost ready")? != Some(true) {
        return Ok(Next::Over);
    }
    let (mut hello, mut login, mut from, mut to) = (false, protection == Protection::None, None, None);
    loop {
        let Some(line) = read_line(stream)? else { return Ok(Next::Over) };
        if !secure {
            shared.lock().clear.push(line.clone());
        }
        let (command, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let command = command.to_ascii_uppercase();
        let usual = match command.as_str() {
            "EHLO" => {
                hello = true;
                let offer = if protection == Protection::Starttls && !secure { "STARTTLS" } else { "AUTH PLAIN LOGIN" };
                format!("250-localhost\r\n250-SIZE {MAX_MAIL}\r\n250 {offer}")
            }
            "STARTTLS" if hello && protection == Protection::Starttls && !secure => {
                stream.write_all(b"220 go ahead\r\n")?;
                return Ok(Next::Tls);
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n")?;
                return Ok(Next::Over);
            }
            _ if !hello => "503 bad sequence of commands".to_owned(),
            _ if protection != Protection::None && !secure => "530 must issue a STARTTLS command first".to_owned(),
            "AUTH" => {
                login = rest == format!("PLAIN {}", STANDARD.encode(format!("\0{USER}\0{PASSWORD}")));
                if login {
                    "235 2.7.0 accepted".to_owned()
                } else {
                    "535 5.7.8 username and password not accepted".to_owned()
                }
            }
            _ if !login => "530 5.7.0 authentication required".to_owned(),
            "MAIL" if rest == format!("FROM:<{USER}>") => {
                from = Some(USER.to_owned());
                "250 ok".to_owned()
            }
            "MAIL" => "553 5.7.1 sender address rejected: not owned by user".to_owned(),
            "RCPT" if from.is_some() && rest == format!("TO:<{RECIPIENT}>") => {
                to = Some(RECIPIENT.to_owned());
                "250 ok".to_owned()
            }
            "RCPT" if from.is_some() => "550 5.1.1 no such user here".to_owned(),
            "DATA" if to.is_some() => "354 go ahead".to_owned(),
            _ => "503 bad sequence of commands".to_owned(),
        };
        let Some(fine) = reply(shared, stream, &command, &usual)? else { return Ok(Next::Over) };
        if command == "DATA" && fine && usual.starts_with("354") {
            let (taken, verdict) = content(stream, from.take(), to.take())?;
            let taken = taken.filter(|_| matches!(shared.lock().mode, Mode::Contract));
            shared.lock().taken.extend(taken);
            if reply(shared, stream, ".", verdict)?.is_none() {
                return Ok(Next::Over);
            }
        }
    }
}

/// Up to the line with a single dot.
fn content(stream: &mut impl Read, from: Option<String>, to: Option<String>) -> Result<(Option<Taken>, &'static str)> {
    let (mut content, mut long) = (String::new(), false);
    loop {
        let line = read_line(stream)?.context("the mail broke off")?;
        if line == "." {
            break;
        }
        long |= line.len() > 998;
        content.push_str(line.strip_prefix('.').unwrap_or(&line));
        content.push_str("\r\n");
    }
    let verdict = if content.len() > MAX_MAIL {
        "552 5.3.4 message size exceeds fixed limit"
    } else if long || !content.is_ascii() {
        "554 5.6.0 a line is too long, or has eight bits"
    } else if ["From: ", "To: ", "Date: ", "Message-ID: ", "Subject: "].iter().any(|name| !content.contains(name)) {
        "554 5.6.0 a header is missing"
    } else {
        "250 2.0.0 queued"
    };
    canary::received(SERVICE, content.as_bytes());
    let fine = verdict.starts_with('2');
    let taken = from.zip(to).filter(|_| fine).map(|(from, to)| Taken { from, to, content });
    Ok((taken, verdict))
}

/// Byte by byte: what follows STARTTLS is not to be read ahead.
fn read_line(stream: &mut impl Read) -> Result<Option<String>> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < 1 << 20 {
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        line.push(byte[0]);
        if line.ends_with(b"\r\n") {
            line.truncate(line.len() - 2);
            return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
        }
    }
    anyhow::bail!("a line without an end")
}
