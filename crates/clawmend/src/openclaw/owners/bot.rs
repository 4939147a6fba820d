//! The bot of an account: its credentials, as its plugin reads them.
//!
//! Invariant: a credential that comes out has only characters that cannot break out of a header or a path, and an
//! address is a complete URL without user and password in it.

use super::Reason;
use super::account::{Account, DEFAULT, Setting, env_token};
use super::found::{Bot, FeishuDomain, Kind};
use super::secret::{Rules, Secrets};
use hyper::Uri;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// Longest id of an app.
const MAX_ID: usize = 128;
/// Longest address.
const MAX_URL: usize = 512;

/// The bot of an account.
pub(super) fn of(account: &Account<'_>, secrets: &Secrets<'_>) -> Result<Bot, Reason> {
    let reader = Reader { account, secrets };
    match account.kind {
        Kind::Feishu => reader.feishu(),
        Kind::DingTalk => reader.dingtalk(),
        Kind::Telegram => reader.telegram(),
        Kind::Discord => reader.discord(),
        Kind::Slack => reader.slack(),
    }
}

/// The token of a Telegram account.
pub(super) fn telegram_token(account: &Account<'_>, secrets: &Secrets<'_>) -> Result<SecretString, Reason> {
    Reader { account, secrets }.telegram_token()
}

/// The id of a Feishu account's app.
pub(super) fn feishu_app(account: &Account<'_>, secrets: &Secrets<'_>) -> Result<String, Reason> {
    Reader { account, secrets }.id("appId", Rules::OpenClaw)
}

/// The id of a DingTalk account's app.
pub(super) fn dingtalk_app(account: &Account<'_>, secrets: &Secrets<'_>) -> Result<String, Reason> {
    Reader { account, secrets }.id("clientId", Rules::DingTalk)
}

struct Reader<'a> {
    account: &'a Account<'a>,
    secrets: &'a Secrets<'a>,
}

impl Reader<'_> {
    /// `@openclaw/feishu` 2026.9.5: `resolveFeishuBaseCredentials`.
    fn feishu(&self) -> Result<Bot, Reason> {
        let app_id = self.id("appId", Rules::OpenClaw)?;
        let app_secret = self.required("appSecret", Rules::OpenClaw)?;
        let domain = match self.text("domain")? {
            None => FeishuDomain::Feishu,
            Some((name, _)) if name == "feishu" => FeishuDomain::Feishu,
            Some((name, _)) if name == "lark" => FeishuDomain::Lark,
            Some((url, key)) => FeishuDomain::Custom(address(&url, &["https"]).ok_or(Reason::Malformed { key })?),
        };
        Ok(Bot::Feishu { app_id, app_secret, domain })
    }

    /// `@soimy/dingtalk` 3.6.7: `getConfig`, `resolveRobotCode`.
    fn dingtalk(&self) -> Result<Bot, Reason> {
        let client_id = self.id("clientId", Rules::DingTalk)?;
        let client_secret = self.required("clientSecret", Rules::DingTalk)?;
        Ok(Bot::DingTalk { robot_code: client_id.clone(), client_id, client_secret })
    }

    /// OpenClaw 2026.9.6: `resolveTelegramToken`. The account's own file, its own token, the channel's file, the
    /// channel's token, the variable; an empty one does not count.
    fn telegram_token(&self) -> Result<SecretString, Reason> {
        let own = self.telegram_level(self.account.own("tokenFile"), self.account.own("botToken"))?;
        let token = match own {
            Some(token) => Some(token),
            None => self.telegram_level(self.account.root("tokenFile"), self.account.root("botToken"))?,
        };
        let token = self.or_variable(token, "botToken")?;
        if !token.expose_secret().bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'_' | b'-')) {
            return Err(Reason::Malformed { key: self.account.path("botToken") });
        }
        Ok(token)
    }

    fn telegram(&self) -> Result<Bot, Reason> {
        let token = self.telegram_token()?;
        let api_root = match self.text("apiRoot")? {
            None => None,
            Some((url, key)) => Some(api_root(&url).ok_or(Reason::Malformed { key })?),
        };
        Ok(Bot::Telegram { token, api_root, proxy: self.proxy()? })
    }

    fn telegram_level(
        &self,
        file: Option<Setting<'_>>,
        token: Option<Setting<'_>>,
    ) -> Result<Option<SecretString>, Reason> {
        match file {
            Some((Value::String(path), key)) if !path.trim().is_empty() => {
                self.secrets.token_file(path, &key).map(Some)
            }
            Some(_) | None => self.secret(token, Rules::OpenClaw),
        }
    }

    /// `@openclaw/discord` 2026.9.6: `resolveDiscordToken`.
    fn discord(&self) -> Result<Bot, Reason> {
        let token = match (self.secret(self.account.setting("token"), Rules::OpenClaw)?, self.account.own("token")) {
            // An account that names an empty token takes no other one.
            (None, Some((_, key))) => return Err(Reason::NoCredential { key }),
            (token, _) => self.resolved_or_variable(token, "token")?,
        };
        let text = token.expose_secret();
        let bare = match text.get(..4) {
            Some(start) if start.eq_ignore_ascii_case("bot ") => text.get(4..).unwrap_or_default().trim(),
            Some(_) | None => text,
        };
        let token = checked(SecretString::from(bare), || self.account.path("token"))?;
        Ok(Bot::Discord { token, proxy: self.proxy()? })
    }

    /// `@openclaw/slack` 2026.9.6: `resolveSlackAccount`.
    fn slack(&self) -> Result<Bot, Reason> {
        let token = self.secret(self.account.setting("botToken"), Rules::OpenClaw)?;
        Ok(Bot::Slack { token: self.or_variable(token, "botToken")? })
    }

    /// A secret that must be there.
    fn required(&self, name: &str, rules: Rules) -> Result<SecretString, Reason> {
        let secret = self.secret(self.account.setting(name), rules)?;
        let key = || self.account.path(name);
        checked(secret.ok_or_else(|| Reason::NoCredential { key: key() })?, key)
    }

    /// The id of an app.
    fn id(&self, name: &str, rules: Rules) -> Result<String, Reason> {
        let key = || self.account.path(name);
        let Some((value, path)) = self.account.setting(name) else { return Err(Reason::NoCredential { key: key() }) };
        let id = self.secrets.text(value, &path, rules)?.ok_or_else(|| Reason::NoCredential { key: key() })?;
        let fits =
            id.len() <= MAX_ID && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        if fits { Ok(id) } else { Err(Reason::Malformed { key: path }) }
    }

    /// The token of the config, else that of the environment, which only the account `default` takes.
    fn or_variable(&self, token: Option<SecretString>, name: &str) -> Result<SecretString, Reason> {
        checked(self.resolved_or_variable(token, name)?, || self.account.path(name))
    }

    fn resolved_or_variable(&self, token: Option<SecretString>, name: &str) -> Result<SecretString, Reason> {
        let variable = || {
            let name = env_token(self.account.kind).filter(|_| self.account.id == DEFAULT)?;
            let token = self.secrets.variable(name)?;
            Some(token.trim().to_owned()).filter(|token| !token.is_empty()).map(SecretString::from)
        };
        token.or_else(variable).ok_or_else(|| Reason::NoCredential { key: self.account.path(name) })
    }

    fn secret(&self, setting: Option<Setting<'_>>, rules: Rules) -> Result<Option<SecretString>, Reason> {
        match setting {
            Some((value, key)) => self.secrets.secret(value, &key, rules),
            None => Ok(None),
        }
    }

    fn text(&self, name: &str) -> Result<Option<(String, String)>, Reason> {
        let Some((value, key)) = self.account.setting(name) else { return Ok(None) };
        Ok(self.secrets.text(value, &key, Rules::OpenClaw)?.map(|text| (text, key)))
    }

    /// A proxy's address may hold a password, so it stays one secret.
    fn proxy(&self) -> Result<Option<SecretString>, Reason> {
        let Some((url, key)) = self.text("proxy")? else { return Ok(None) };
        let schemes = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];
        let fits = url.len() <= MAX_URL
            && url.parse::<Uri>().is_ok_and(|uri| {
                uri.scheme_str().is_some_and(|scheme| schemes.contains(&scheme))
                    && uri.host().is_some_and(|h| !h.is_empty())
            });
        if fits { Ok(Some(SecretString::from(url))) } else { Err(Reason::Malformed { key }) }
    }
}

/// A credential that fits into a header as it is.
fn checked(secret: SecretString, key: impl Fn() -> String) -> Result<SecretString, Reason> {
    let text = secret.expose_secret();
    if text.is_empty() {
        Err(Reason::NoCredential { key: key() })
    } else if text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(secret)
    } else {
        Err(Reason::Malformed { key: key() })
    }
}

/// A complete address without a user, a query or a slash at its end.
fn address(url: &str, schemes: &[&str]) -> Option<String> {
    let uri = url.parse::<Uri>().ok().filter(|_| url.len() <= MAX_URL)?;
    let (scheme, authority) = (uri.scheme_str()?.to_ascii_lowercase(), uri.authority()?.as_str());
    let fits = schemes.contains(&scheme.as_str())
        && !authority.contains('@')
        && uri.host().is_some_and(|host| !host.is_empty())
        && uri.query().is_none()
        && !url.contains('#');
    fits.then(|| format!("{scheme}://{authority}{}", uri.path().trim_end_matches('/')))
}

/// As `normalizeTelegramApiRoot` (OpenClaw 2026.9.6): a bot's own part at the end, which holds its token, is left off.
fn api_root(url: &str) -> Option<String> {
    let url = url.trim_end_matches('/');
    let url = match url.rsplit_once('/') {
        Some((rest, last)) if last.starts_with("bot") && last.contains(':') => rest.trim_end_matches('/'),
        Some(_) | None => url,
    };
    // An encoded or inner part may hide a token: such an address is not taken.
    let after_host = url.split_once("://")?.1.split_once('/').map_or("", |(_, path)| path);
    address(url, &["http", "https"]).filter(|_| !after_host.contains(['%', ':']))
}
