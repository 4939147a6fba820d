//! What etcd's JSON gateway answers: 64-bit numbers are texts, zeros are left out, bytes are Base64.
//!
//! Source: etcd's `rpc.proto` and "Why gRPC gateway" in its documentation; the shapes were seen with etcd 3.4.23.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, de::Error as _};

/// Of each answer.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Header {
    #[serde(deserialize_with = "unsigned")]
    pub cluster_id: u64,
    #[serde(deserialize_with = "signed")]
    pub revision: i64,
}

/// Every answer says from which cluster it is.
pub trait Headed {
    fn header(&self) -> Header;
}

/// `LeaseGrantResponse`.
#[derive(Debug, Deserialize)]
pub struct Granted {
    header: Header,
    #[serde(rename = "ID", deserialize_with = "signed")]
    pub id: i64,
    #[serde(rename = "TTL", deserialize_with = "signed")]
    pub ttl: i64,
}

/// `TxnResponse`.
#[derive(Debug, Deserialize)]
pub struct Transacted {
    pub header: Header,
    #[serde(default)]
    pub succeeded: bool,
    #[serde(default)]
    pub responses: Vec<Part>,
}

/// `AuthenticateResponse`.
#[derive(Deserialize)]
pub struct Authenticated {
    header: Header,
    #[serde(deserialize_with = "crate::notify::secret::required")]
    pub token: secrecy::SecretString,
}

impl Headed for Granted {
    fn header(&self) -> Header {
        self.header
    }
}

impl Headed for Transacted {
    fn header(&self) -> Header {
        self.header
    }
}

impl Headed for Authenticated {
    fn header(&self) -> Header {
        self.header
    }
}

/// `RangeResponse`, of which only matters that there is one.
#[derive(Debug, Deserialize)]
pub struct Counted {
    pub header: Header,
}

impl Headed for Counted {
    fn header(&self) -> Header {
        self.header
    }
}

/// `StatusResponse`.
#[derive(Debug, Deserialize)]
pub struct Status {
    header: Header,
    #[serde(rename = "dbSize", default, deserialize_with = "unsigned")]
    pub size: u64,
    #[serde(rename = "dbSizeInUse", default, deserialize_with = "unsigned")]
    pub used: u64,
    /// As it was set; 0 or not there: it does not say.
    #[serde(rename = "dbSizeQuota", default, deserialize_with = "signed")]
    pub quota: i64,
    /// Alarms of the cluster among them.
    #[serde(default)]
    pub errors: Vec<String>,
}

impl Headed for Status {
    fn header(&self) -> Header {
        self.header
    }
}

/// A message of a stream, around a `WatchResponse`.
#[derive(Debug, Deserialize)]
pub struct Streamed {
    pub result: Watched,
}

/// `WatchResponse`.
#[derive(Debug, Deserialize)]
pub struct Watched {
    header: Header,
    #[serde(default)]
    pub created: bool,
    /// No more will come.
    #[serde(default)]
    pub canceled: bool,
    #[serde(default)]
    pub cancel_reason: String,
    #[serde(default)]
    events: Vec<Event>,
}

/// `mvccpb.Event`; one that puts something says nothing of its type.
#[derive(Debug, Deserialize)]
struct Event {
    #[serde(default)]
    r#type: String,
}

impl Watched {
    /// Something was removed.
    pub fn removes(&self) -> bool {
        self.events.iter().any(|event| event.r#type == "DELETE")
    }
}

impl Headed for Watched {
    fn header(&self) -> Header {
        self.header
    }
}

/// `ResponseOp`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Part {
    response_range: Option<Ranged>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Ranged {
    kvs: Vec<KeyValue>,
}

#[derive(Debug, Deserialize)]
struct KeyValue {
    key: String,
    #[serde(default)]
    value: String,
    #[serde(deserialize_with = "signed")]
    mod_revision: i64,
    #[serde(default, deserialize_with = "signed")]
    lease: i64,
}

/// What lies under one key.
#[derive(Debug)]
pub struct Kept {
    pub bytes: Vec<u8>,
    pub mod_revision: i64,
    /// 0: none.
    pub lease: i64,
}

/// What lies under the two keys.
#[derive(Debug)]
pub struct Pair {
    pub record: Option<Kept>,
    pub holder: Option<Kept>,
}

impl Pair {
    /// `None`: the answer is not to the question.
    pub fn of(found: Transacted, keys: [&str; 2]) -> Option<Self> {
        let [record, holder] = <[Part; 2]>::try_from(found.responses).ok()?;
        Some(Self { record: kept(record, keys[0])?, holder: kept(holder, keys[1])? })
    }
}

fn kept(part: Part, key: &str) -> Option<Option<Kept>> {
    let mut found = part.response_range?.kvs.into_iter();
    let Some(one) = found.next() else { return Some(None) };
    if found.next().is_some() || one.key != key || one.mod_revision <= 0 {
        return None;
    }
    let bytes = STANDARD.decode(one.value).ok()?;
    Some(Some(Kept { bytes, mod_revision: one.mod_revision, lease: one.lease }))
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Text(String),
    Signed(i64),
    Unsigned(u64),
}

fn signed<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    match Number::deserialize(from)? {
        Number::Text(text) => text.parse().map_err(D::Error::custom),
        Number::Signed(number) => Ok(number),
        Number::Unsigned(_) => Err(D::Error::custom("out of range")),
    }
}

fn unsigned<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    match Number::deserialize(from)? {
        Number::Text(text) => text.parse().map_err(D::Error::custom),
        Number::Signed(number) => u64::try_from(number).map_err(D::Error::custom),
        Number::Unsigned(number) => Ok(number),
    }
}
