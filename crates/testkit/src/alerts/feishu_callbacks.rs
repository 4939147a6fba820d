//! The other direction of Feishu's contract: callbacks that Feishu sends to an app, encrypted and signed as documented.
//!
//! <https://open.feishu.cn/document/uAjLw4CM/ukTMukTMukTM/event-subscription-guide/callback-subscription/receive-and-handle-callbacks>,
//! <https://open.feishu.cn/document/uAjLw4CM/ukzMukzMukzM/feishu-cards/card-callback-communication>,
//! <https://open.feishu.cn/document/uAjLw4CM/ukTMukTMukTM/reference/im-v1/message/events/receive>.
//!
//! Strict in what it takes back: status 200 within three seconds, JSON, and for a tap nothing but a toast and a card of the
//! documented form. [`Sent`] is one request, which a test can alter or send again. Start at [`FeishuCallbacks::tap`].

use super::FeishuStandIn;
use super::feishu::is_card;
use super::frame_east::has_only;
use aes::Aes256;
use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cbc::Encryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeEncrypt as _, KeyIvInit as _};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Feishu waits so long for an answer.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// Feishu, as it speaks to an app's address.
#[derive(Debug)]
pub struct FeishuCallbacks {
    address: SocketAddr,
    path: String,
    count: AtomicU64,
}

/// One request, as it goes over the line.
#[derive(Clone, Debug)]
pub struct Sent {
    /// POST.
    pub method: String,
    /// Of the address.
    pub path: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// JSON.
    pub body: Vec<u8>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub struct Back {
    /// HTTP.
    pub status: u16,
    /// Null, when it is no JSON.
    pub body: Value,
    /// How long it took.
    pub after: Duration,
}

impl FeishuCallbacks {
    /// The app's Encrypt Key.
    pub const ENCRYPT_KEY: &'static str = "canary-feishu-encrypt-key-0123456789";
    /// The app's Verification Token.
    pub const TOKEN: &'static str = "canary-feishu-verification-token";
    /// The person.
    pub const PERSON: &'static str = "ou_owner";
    /// Somebody else of the company.
    pub const STRANGER: &'static str = "ou_second";

    /// Speaks to this address.
    #[must_use]
    pub fn to(address: SocketAddr, path: &str) -> Self {
        Self { address, path: path.to_owned(), count: AtomicU64::new(0) }
    }

    /// The settings of an app that hears at this address and speaks to this stand-in.
    #[must_use]
    pub fn settings(&self, api: &FeishuStandIn) -> String {
        format!(
            "[feishu]\napp_id = \"{}\"\napp_secret = \"{}\"\nencrypt_key = \"{}\"\nverification_token = \"{}\"\n\
             listen = \"{}\"\npath = \"{}\"\ndomain = \"{}\"\n",
            FeishuStandIn::APP_ID,
            FeishuStandIn::APP_SECRET,
            Self::ENCRYPT_KEY,
            Self::TOKEN,
            self.address,
            self.path,
            api.api()
        )
    }

    /// The request with which the address is tried; not signed.
    #[must_use]
    pub fn challenge(&self, text: &str) -> Sent {
        let inner = json!({"challenge": text, "token": Self::TOKEN, "type": "url_verification"});
        self.unsigned(encrypted(&inner))
    }

    /// A tap on a button with this value.
    #[must_use]
    pub fn tap(&self, person: &str, message: &str, data: &str) -> Sent {
        self.signed(&self.tap_event(person, message, &json!({"clawmend": data})), 0)
    }

    /// What a tap tells.
    #[must_use]
    pub fn tap_event(&self, person: &str, message: &str, value: &Value) -> Value {
        let mut event = self.event(
            "card.action.trigger",
            &json!({
                "operator": {"tenant_key": "t", "user_id": "u", "open_id": person, "union_id": "on_1"},
                "token": "c-canary-card-token",
                "action": {"value": value, "tag": "button", "timezone": "Asia/Shanghai"},
                "host": "im_message",
                "context": {"open_message_id": message, "open_chat_id": "oc_private"},
            }),
        );
        // Taps have theirs in microseconds.
        event["header"]["create_time"] = format!("{}", now_ms() * 1000).into();
        event
    }

    /// Somebody writes to the app, alone with it.
    #[must_use]
    pub fn message(&self, person: &str, text: &str) -> Sent {
        self.signed(&self.message_event(person, "p2p", text), 0)
    }

    /// What a message tells.
    #[must_use]
    pub fn message_event(&self, person: &str, chat: &str, text: &str) -> Value {
        self.event("im.message.receive_v1", &json!({
            "sender": {"sender_id": {"union_id": "on_1", "user_id": "u", "open_id": person}, "sender_type": "user",
                "tenant_key": "t"},
            "message": {"message_id": "om_1", "create_time": now_ms().to_string(), "chat_id": "oc_private", "chat_type": chat,
                "message_type": "text", "content": json!({"text": text}).to_string()},
        }))
    }

    fn event(&self, kind: &str, event: &Value) -> Value {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        json!({
            "schema": "2.0",
            "header": {"event_id": format!("event-{}-{number}", now_ms()), "token": Self::TOKEN,
                "create_time": now_ms().to_string(), "event_type": kind, "tenant_key": "t",
                "app_id": FeishuStandIn::APP_ID},
            "event": event,
        })
    }

    /// Encrypted and signed, as sent `ago_s` seconds ago.
    #[must_use]
    pub fn signed(&self, inner: &Value, ago_s: i64) -> Sent {
        let mut sent = self.unsigned(encrypted(inner));
        self.sign(&mut sent, ago_s);
        sent
    }

    /// Signs what it holds now.
    pub fn sign(&self, sent: &mut Sent, ago_s: i64) {
        let timestamp = (now_ms() / 1000 - ago_s).to_string();
        let nonce = format!("nonce-{}", self.count.fetch_add(1, Ordering::Relaxed));
        let whole = [timestamp.as_bytes(), nonce.as_bytes(), Self::ENCRYPT_KEY.as_bytes(), &sent.body].concat();
        sent.headers.retain(|(name, _)| !name.starts_with("X-Lark"));
        sent.headers.push(("X-Lark-Request-Timestamp".to_owned(), timestamp));
        sent.headers.push(("X-Lark-Request-Nonce".to_owned(), nonce));
        sent.headers.push(("X-Lark-Signature".to_owned(), hex(digest(&SHA256, &whole).as_ref())));
    }

    /// This body, with no signature.
    #[must_use]
    pub fn unsigned(&self, body: Vec<u8>) -> Sent {
        let headers = vec![("Content-Type".to_owned(), "application/json; charset=utf-8".to_owned())];
        Sent { method: "POST".to_owned(), path: self.path.clone(), headers, body }
    }

    /// Sends it, and waits for the answer for as long as Feishu does.
    ///
    /// # Errors
    /// Nobody listens, or the answer did not come in time.
    pub fn send(&self, sent: &Sent) -> Result<Back> {
        let began = Instant::now();
        let mut stream = TcpStream::connect_timeout(&self.address, PATIENCE).context("the app's address")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut head = format!("{} {} HTTP/1.1\r\nHost: app.example\r\n", sent.method, sent.path);
        for (name, value) in &sent.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", sent.body.len()));
        stream.write_all(head.as_bytes())?;
        // One that is refused before its end may be closed before its end.
        let _ = stream.write_all(&sent.body);
        let mut answer = Vec::new();
        let read = stream.take(1 << 20).read_to_end(&mut answer);
        ensure!(read.is_ok() || !answer.is_empty(), "no answer: {read:?}");
        let text = String::from_utf8_lossy(&answer);
        let (head, body) = text.split_once("\r\n\r\n").context("no head")?;
        let status = head.split_whitespace().nth(1).and_then(|status| status.parse().ok()).context("no status")?;
        Ok(Back { status, body: serde_json::from_str(body).unwrap_or_default(), after: began.elapsed() })
    }

    /// A tap whose answer is what the documentation asks for: gives the toast's kind and text, and the card.
    ///
    /// # Errors
    /// Late, another status, or another form.
    pub fn tapped(&self, sent: &Sent) -> Result<(String, String, Option<Value>)> {
        let back = self.send(sent)?;
        ensure!(back.status == 200 && back.after < PATIENCE, "{back:?}");
        ensure!(has_only(&back.body, &["toast", "card?"]), "{back:?}");
        let toast = &back.body["toast"];
        let kind = toast["type"].as_str().unwrap_or_default().to_owned();
        ensure!(["info", "success", "error", "warning"].contains(&kind.as_str()), "{back:?}");
        ensure!(has_only(toast, &["type", "content"]), "{back:?}");
        let card = back.body.get("card").cloned();
        if let Some(card) = &card {
            ensure!(has_only(card, &["type", "data"]) && card["type"] == "raw" && is_card(&card["data"]), "{card}");
        }
        Ok((kind, toast["content"].as_str().unwrap_or_default().to_owned(), card.map(|card| card["data"].clone())))
    }
}

/// A body that holds this, encrypted.
#[must_use]
pub fn encrypted(inner: &Value) -> Vec<u8> {
    encrypted_with(inner.to_string().as_bytes(), FeishuCallbacks::ENCRYPT_KEY)
}

/// A body that holds this, encrypted with this key.
#[must_use]
pub fn encrypted_with(inner: &[u8], key: &str) -> Vec<u8> {
    let iv = digest(&SHA256, &[inner, &now_ms().to_le_bytes()].concat());
    let iv = iv.as_ref().get(..16).unwrap_or_default();
    let mut buffer = inner.to_vec();
    buffer.resize(inner.len() + 16, 0);
    let encryptor = Encryptor::<Aes256>::new_from_slices(digest(&SHA256, key.as_bytes()).as_ref(), iv);
    let text = encryptor
        .ok()
        .and_then(|encryptor| encryptor.encrypt_padded::<Pkcs7>(&mut buffer, inner.len()).ok().map(<[u8]>::to_vec));
    let whole = [iv, text.unwrap_or_default().as_slice()].concat();
    json!({"encrypt": STANDARD.encode(whole)}).to_string().into_bytes()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
