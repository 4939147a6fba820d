//! Resolves what names one account, and makes fingerprints of it.
//!
//! Invariant: of each setting, what the account says itself counts; where it says nothing, the channel; where that says
//! nothing, for the account `default`, the environment. On one level a value and a file with it both count.

use super::part::{email, part_of, whatsapp_number};
use super::table::{Part, Rule, Setting};
use super::{DEFAULT, id_of};
use crate::openclaw::owners::Reason;
use crate::openclaw::owners::secret::{Rules, Secrets};
use crate::openclaw::redact::redact;
use clawmend_core::failover::ownership::{Fingerprint, Identity, MAX_NAME};
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use std::path::Path;

/// Largest saved login of WhatsApp.
const MAX_CREDS: u64 = 1024 * 1024;

/// One account in the config.
pub(super) struct Entry<'a> {
    pub(super) channel: String,
    pub(super) id: String,
    /// What it says itself; nothing for the channel itself.
    pub(super) own: Option<&'a Map<String, Value>>,
    own_path: String,
    root: &'a Map<String, Value>,
}

impl<'a> Entry<'a> {
    /// One of `accounts`.
    pub(super) fn account(channel: &str, key: &str, own: &'a Value, root: &'a Map<String, Value>) -> Self {
        let own_path = format!("channels.{channel}.accounts.{}", redact(key, MAX_NAME));
        Self { channel: channel.to_owned(), id: id_of(key), own: own.as_object(), own_path, root }
    }

    /// The channel itself.
    pub(super) fn channel(channel: &str, root: &'a Map<String, Value>) -> Self {
        let own_path = format!("channels.{channel}");
        Self { channel: channel.to_owned(), id: DEFAULT.to_owned(), own: None, own_path, root }
    }

    /// What it says itself, then what its channel says, with their paths.
    fn levels(&self) -> impl Iterator<Item = (&'a Map<String, Value>, String)> + '_ {
        let own = self.own.map(|own| (own, self.own_path.clone()));
        own.into_iter().chain([(self.root, format!("channels.{}", self.channel))])
    }

    fn path(&self, name: &str) -> String {
        format!("{}.{name}", self.own_path)
    }
}

/// Why an account is not known. No value stands in it.
#[derive(Debug, thiserror::Error)]
enum Why {
    #[error(transparent)]
    Unresolved(#[from] Reason),
    #[error("{0} is not set; set it, or switch the account off")]
    Unset(String),
    #[error("none of {0} is set; set one, or switch the account off")]
    NoneSet(String),
    #[error("the saved login of {0} cannot be read or names no number; link it, or switch the account off")]
    NoLogin(String),
}

/// Reads identities.
pub(super) struct Reader<'a> {
    pub(super) secrets: &'a Secrets<'a>,
    pub(super) state_dir: &'a Path,
    pub(super) key: &'a [u8; 32],
}

impl Reader<'_> {
    /// Who an account is.
    pub(super) fn identity(&self, rule: Rule, entry: &Entry<'_>) -> Identity {
        let known = match rule {
            Rule::Login(why) => return Identity::Indistinct { why: why.to_owned() },
            Rule::Settings(settings) => self.of_settings(settings, entry),
            Rule::WhatsApp => self.whatsapp(entry),
        };
        match known {
            Ok(known) => Identity::Known(known),
            Err(why) => Identity::Unknown { why: why.to_string() },
        }
    }

    /// The environment holds what names an account of this channel.
    pub(super) fn has_variable(&self, rule: &Rule) -> bool {
        let set = |name: &str| self.secrets.variable(name).is_some();
        match rule {
            Rule::Settings(settings) => settings.iter().any(|setting| setting.variables.iter().any(|name| set(name))),
            Rule::WhatsApp | Rule::Login(_) => false,
        }
    }

    /// The channel says itself what names an account.
    pub(super) fn has_setting(&self, rule: Rule, root: &Map<String, Value>) -> bool {
        match rule {
            Rule::Settings(settings) => settings.iter().any(|setting| {
                is_set(root.get(setting.name)) || setting.file.is_some_and(|name| is_set(root.get(name)))
            }),
            Rule::WhatsApp => is_set(root.get("authDir")),
            Rule::Login(_) => false,
        }
    }

    fn of_settings(&self, settings: &[Setting], entry: &Entry<'_>) -> Result<Vec<Fingerprint>, Why> {
        let mut known = Vec::new();
        for setting in settings {
            let found = self.values(setting, entry)?;
            if setting.required && found.is_empty() {
                return Err(Why::Unset(entry.path(setting.name)));
            }
            for value in &found {
                let fingerprint = self.fingerprint(&entry.channel, setting.name, value);
                if !known.contains(&fingerprint) {
                    known.push(fingerprint);
                }
            }
        }
        if known.is_empty() {
            let names: Vec<String> = settings.iter().map(|setting| entry.path(setting.name)).collect();
            return Err(Why::NoneSet(names.join(", ")));
        }
        Ok(known)
    }

    /// What a setting says of the account: nothing, one value, or two on the same level.
    fn values(&self, setting: &Setting, entry: &Entry<'_>) -> Result<Vec<SecretString>, Why> {
        for (level, path) in entry.levels() {
            let mut found = Vec::new();
            let key = format!("{path}.{}", setting.name);
            if let Some(value) = level.get(setting.name) {
                found.extend(self.inline(setting, value, &key, entry)?);
            }
            if let Some((name, value)) = setting.file.and_then(|name| Some((name, level.get(name)?))) {
                found.extend(self.of_file(setting, value, &format!("{path}.{name}"), entry)?);
            }
            if !found.is_empty() {
                return Ok(found);
            }
        }
        if entry.id != DEFAULT {
            return Ok(Vec::new());
        }
        let variable = setting.variables.iter().find_map(|name| Some((name, self.secrets.variable(name)?)));
        match variable {
            Some((name, value)) => {
                let value = SecretString::from(value);
                Ok(vec![self.part(setting, &value, entry)?.ok_or_else(|| malformed(name))?])
            }
            None => Ok(Vec::new()),
        }
    }

    fn inline(
        &self,
        setting: &Setting,
        value: &Value,
        key: &str,
        entry: &Entry<'_>,
    ) -> Result<Option<SecretString>, Why> {
        if setting.part == Part::ServiceAccount && value.is_object() && value.get("source").is_none() {
            return email(value).map(SecretString::from).map(Some).ok_or_else(|| malformed(key));
        }
        let Some(secret) = self.secrets.secret(value, key, rules(entry))? else { return Ok(None) };
        self.part(setting, &secret, entry)?.map(Some).ok_or_else(|| malformed(key))
    }

    fn of_file(
        &self,
        setting: &Setting,
        value: &Value,
        key: &str,
        entry: &Entry<'_>,
    ) -> Result<Option<SecretString>, Why> {
        let Some(path) = self.secrets.text(value, key, rules(entry))? else { return Ok(None) };
        let content = self.secrets.token_file(&path, key)?;
        self.part(setting, &content, entry)?.map(Some).ok_or_else(|| malformed(key))
    }

    /// The part that counts; none where it has not the expected form.
    fn part(&self, setting: &Setting, value: &SecretString, entry: &Entry<'_>) -> Result<Option<SecretString>, Why> {
        if setting.part != Part::IrcNick {
            return Ok(part_of(setting.part, value));
        }
        let host = Setting { name: "host", file: None, variables: &["IRC_HOST"], required: true, part: Part::Name };
        let hosts = self.values(&host, entry)?;
        let host = hosts.first().ok_or_else(|| Why::Unset(entry.path(host.name)))?;
        let nick = value.expose_secret().trim().to_lowercase();
        Ok(Some(SecretString::from(format!("{}\0{nick}", host.expose_secret()))))
    }

    /// The numbers that are linked. Where the account names no folder itself, it may be the channel's, or
    /// `credentials/whatsapp/ID`, or for the account `default` the folder of an older OpenClaw: all that are there count.
    fn whatsapp(&self, entry: &Entry<'_>) -> Result<Vec<Fingerprint>, Why> {
        let no_login = || Why::NoLogin(format!("whatsapp account `{}`", entry.id));
        let key = |path: &str| format!("{path}.authDir");
        let (mut folders, mut named_itself) = (Vec::new(), false);
        for (level, path) in entry.levels() {
            let Some(value) = level.get("authDir") else { continue };
            let Some(folder) = self.secrets.text(value, &key(&path), Rules::OpenClaw)? else { continue };
            folders.push(folder);
            named_itself = entry.own.is_some() && path == entry.own_path;
            if named_itself {
                break;
            }
        }
        if !named_itself {
            let credentials = self.state_dir.join("credentials");
            let older = (entry.id == DEFAULT).then(|| credentials.clone());
            let all = [Some(credentials.join("whatsapp").join(&entry.id)), older];
            folders.extend(all.into_iter().flatten().filter_map(|folder| folder.to_str().map(str::to_owned)));
        }
        let read = |folder: &String| self.secrets.read(&format!("{folder}/creds.json"), "authDir", MAX_CREDS).ok();
        let mut known = Vec::new();
        for creds in folders.iter().filter_map(read) {
            let number = whatsapp_number(&creds).ok_or_else(no_login)?;
            known.push(self.fingerprint(&entry.channel, "number", &number));
        }
        if known.is_empty() { Err(no_login()) } else { Ok(known) }
    }

    fn fingerprint(&self, channel: &str, kind: &str, value: &SecretString) -> Fingerprint {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, self.key));
        for part in [channel, "\0", kind, "\0", value.expose_secret()] {
            context.update(part.as_bytes());
        }
        let mut tag = [0; 32];
        for (to, from) in tag.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        Fingerprint::new(&tag)
    }
}

fn rules(entry: &Entry<'_>) -> Rules {
    if entry.channel == "dingtalk" { Rules::DingTalk } else { Rules::OpenClaw }
}

fn is_set(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.trim().is_empty(),
        Some(_) => true,
    }
}

fn malformed(key: &str) -> Why {
    Why::Unresolved(Reason::Malformed { key: key.to_owned() })
}
