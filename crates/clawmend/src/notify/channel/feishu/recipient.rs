//! Where Feishu's API is, and whom an app can write to.

use crate::notify::Address;
use serde::{Deserialize, Deserializer, de::Error as _};
use std::str::FromStr;

/// Which of the two clouds, or a company's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Domain {
    /// `https://open.feishu.cn`
    #[default]
    Feishu,
    /// `https://open.larksuite.com`
    Lark,
    /// The base address of a private deployment.
    Own(Address),
}

impl Domain {
    /// The address of a path of the API.
    pub(super) fn join(&self, segments: &[&str]) -> Option<reqwest::Url> {
        let base = match self {
            Self::Feishu => "https://open.feishu.cn",
            Self::Lark => "https://open.larksuite.com",
            Self::Own(address) => return address.join(segments),
        };
        base.parse::<Address>().ok()?.join(segments)
    }

    /// Its host, for people.
    #[must_use]
    pub fn host(&self) -> &str {
        match self {
            Self::Feishu => "open.feishu.cn",
            Self::Lark => "open.larksuite.com",
            Self::Own(address) => address.host(),
        }
    }
}

impl FromStr for Domain {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "feishu" => Ok(Self::Feishu),
            "lark" => Ok(Self::Lark),
            other => other
                .parse()
                .map(Self::Own)
                .map_err(|why| format!("expected \"feishu\", \"lark\" or an address of its own ({why})")),
        }
    }
}

impl<'de> Deserialize<'de> for Domain {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// One person or chat, by a checked id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    kind: &'static str,
    id: String,
}

/// Kinds of `receive_id_type`, with the beginning of their ids where they have one.
const KINDS: [(&str, &str); 5] =
    [("open_id", "ou_"), ("union_id", "on_"), ("chat_id", "oc_"), ("email", ""), ("user_id", "")];
/// Longest id, in bytes: an address of mail has at most 254.
const MAX_ID: usize = 254;

impl Recipient {
    /// Its `receive_id_type`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        self.kind
    }

    /// Its `receive_id`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl FromStr for Recipient {
    type Err = String;

    /// `ou_…`, `on_…`, `oc_…`, an address of mail, or any id after its kind: `user_id:7f3a`.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let named = text.split_once(':').and_then(|(kind, id)| {
            let (kind, start) = KINDS.into_iter().find(|(name, _)| *name == kind)?;
            id.starts_with(start).then_some((kind, id))
        });
        let known = || KINDS.into_iter().find(|(_, start)| !start.is_empty() && text.starts_with(start));
        let (kind, id) = named
            .or_else(|| known().map(|(kind, _)| (kind, text)))
            .or_else(|| text.contains('@').then_some(("email", text)))
            .ok_or("expected an id such as ou_…, on_…, oc_…, an e-mail address, or user_id:…")?;
        let fine = |b: u8| b.is_ascii_alphanumeric() || b"_-.@+".contains(&b);
        if id.is_empty() || id.len() > MAX_ID || !id.bytes().all(fine) {
            return Err(format!("an id has 1 to {MAX_ID} letters, digits and _-.@+"));
        }
        Ok(Self { kind, id: id.to_owned() })
    }
}

impl<'de> Deserialize<'de> for Recipient {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ids_are_known_by_their_beginning() {
        for (text, kind, id) in [
            ("ou_7d8a6e6d", "open_id", "ou_7d8a6e6d"),
            ("on_7d8a6e6d", "union_id", "on_7d8a6e6d"),
            ("oc_7d8a6e6d", "chat_id", "oc_7d8a6e6d"),
            ("ops@example.com", "email", "ops@example.com"),
            ("user_id:3e3cf96b", "user_id", "3e3cf96b"),
            ("open_id:ou_1", "open_id", "ou_1"),
        ] {
            let recipient: Recipient = text.parse().unwrap();
            assert_eq!((recipient.kind(), recipient.id()), (kind, id));
        }
        for text in ["", "3e3cf96b", "open_id:oc_1", "user_id:", "ou_1 ou_2", "ou_1/../x", "user:ou_1"] {
            assert!(text.parse::<Recipient>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_domain_is_a_cloud_or_an_address() {
        assert_eq!("lark".parse::<Domain>().unwrap().host(), "open.larksuite.com");
        let own: Domain = "https://open.example.com/".parse().unwrap();
        assert_eq!(own.join(&["open-apis", "x"]).unwrap().as_str(), "https://open.example.com/open-apis/x");
        assert!("http://open.example.com".parse::<Domain>().is_err());
        assert!("feishu.cn".parse::<Domain>().is_err());
    }
}
