//! Where letters go on this machine now: what a person has set, and what OpenClaw's own config leads to.
//!
//! Invariants: reads, and changes nothing; bounded. What cannot be used is said with its reason, and takes nothing else
//! along. Start at [`Premises::look`].

use super::channel::Channel;
use super::channel::telegram::Telegram;
use super::file::{self, Heartbeat, NotifyFile};
use super::http::Http;
use super::secret::Secret;
use super::taken_over;
use crate::approval::Kept;
use crate::bot::access::BotSettings;
use crate::bot::{Access, Binding, Sealing};
use crate::cards::access::FeishuSettings;
use crate::cards::{self, Bound};
use crate::openclaw::discovery::Home;
use crate::settings::NotifySettings;
use clawmend_core::alert::Level;
use clawmend_core::alert::router::Place;
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where to look.
#[derive(Clone, Debug)]
pub struct Premises {
    /// `notify.toml`.
    pub file: PathBuf,
    /// The gateways here.
    pub homes: Vec<Home>,
    /// Our own state folder, for proven versions of configs that are broken now.
    pub state: PathBuf,
    /// The user of the gateways.
    pub uid: u32,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// Places in order, those of the person first.
    pub places: Vec<(Place, Channel)>,
    /// Sends requests; `None` when none can be sent at all, as `problems` says.
    pub http: Option<Http>,
    /// Names of places that were taken over from OpenClaw.
    pub taken_over: Vec<String>,
    /// What was found and cannot be used.
    pub unusable: Vec<Unusable>,
    /// Who is told regularly that the guard lives.
    pub heartbeat: Option<Heartbeat>,
    /// The guard's own bot, as it is set.
    pub bot: Option<OwnBot>,
    /// The guard's own app on Feishu, as it is set.
    pub feishu: Option<OwnFeishu>,
    /// What is wrong, for people.
    pub problems: Vec<String>,
}

/// The guard's own app on Feishu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnFeishu {
    /// To hear and to speak as it.
    pub access: cards::Access,
    /// Whom it obeys.
    pub bound: Option<Bound>,
    /// Why it must not be used now.
    pub refused: Option<String>,
}

/// The guard's own bot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnBot {
    /// To speak as it.
    pub access: Access,
    /// Whom it obeys.
    pub bound: Option<Binding>,
    /// Why it must not be used now.
    pub refused: Option<String>,
}

/// Something that was found in OpenClaw's config and leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// Such as `telegram/default`.
    pub what: String,
    /// Stable name of the reason.
    pub reason: String,
    /// The reason for people.
    pub why: String,
}

impl Premises {
    /// Looks now. Reads files, so not for the loop.
    #[must_use]
    pub fn look(&self, settings: &NotifySettings) -> Found {
        let said = file::load(&self.file)
            .unwrap_or_else(|error| NotifyFile { problems: vec![error.to_string()], ..NotifyFile::default() });
        let mut found = Found { heartbeat: said.heartbeat, problems: said.problems, ..Found::default() };
        match Http::new(said.proxy.as_ref().map(|proxy| proxy.expose_secret())) {
            Ok(http) => found.http = Some(http),
            Err(why) => found.problems.push(why),
        }
        if let Some(bot) = &said.bot {
            match self.own_bot(bot, said.proxy.as_ref()) {
                Ok(bot) => found.bot = Some(bot),
                Err(why) => found.problems.push(format!("{} is not used: {why}", crate::bot::NOTE)),
            }
        }
        if let Some(feishu) = &said.feishu {
            match self.own_feishu(feishu, said.proxy.as_ref()) {
                Ok(feishu) => found.feishu = Some(feishu),
                Err(why) => found.problems.push(format!("{} is not used: {why}", cards::NOTE)),
            }
        }
        if !settings.enabled {
            return found;
        }
        found.places.extend(found.bot.as_ref().and_then(OwnBot::place));
        found.places.extend(found.feishu.as_ref().and_then(OwnFeishu::place));
        for entry in said.to {
            if [crate::bot::PLACE, cards::PLACE].contains(&entry.name.as_str()) {
                found.problems.push(format!("`{}` is the name of the guard's own; take another one", entry.name));
                continue;
            }
            let place = Place { id: entry.name, backup: entry.backup, at_least: entry.at_least };
            found.places.push((place, entry.channel));
        }
        for home in self.homes.iter().filter(|_| settings.take_over) {
            let taken = taken_over::places(home, self.uid, &self.state, &said.apis, self.homes.len() > 1);
            found.unusable.extend(taken.unusable);
            for (place, channel) in taken.places {
                // What a person has set by the same name, or for the very same bot and person, is theirs.
                let known = |(other, same): &(Place, Channel)| other.id == place.id || *same == channel;
                if !found.places.iter().any(known) {
                    found.taken_over.push(place.id.clone());
                    found.places.push((place, channel));
                }
            }
        }
        found
    }

    fn own_bot(&self, settings: &BotSettings, proxy: Option<&SecretString>) -> Result<OwnBot, String> {
        let access = Access::new(settings, proxy)?;
        let refused = access.refused(&self.homes, self.uid);
        let (bound, refused) = match (self.bound(&access), refused) {
            (Ok(bound), refused) => (bound, refused),
            (Err(why), refused) => (None, refused.or(Some(why))),
        };
        Ok(OwnBot { access, bound, refused })
    }

    fn own_feishu(&self, settings: &FeishuSettings, proxy: Option<&SecretString>) -> Result<OwnFeishu, String> {
        let proxy = proxy.map(|proxy| Secret::from(SecretString::from(proxy.expose_secret().to_owned())));
        let access = cards::Access::new(settings, proxy.as_ref())?;
        let refused = access.refused(&self.homes, self.uid);
        let (bound, refused) = match (self.bound_on_feishu(&access), refused) {
            (Ok(bound), refused) => (bound, refused),
            (Err(why), refused) => (None, refused.or(Some(why))),
        };
        Ok(OwnFeishu { access, bound, refused })
    }

    fn bound_on_feishu(&self, access: &cards::Access) -> Result<Option<Bound>, String> {
        let Some(kept) = Kept::load(&self.state).map_err(|error| error.to_string())? else { return Ok(None) };
        let folder = self.state.join(cards::FOLDER);
        Bound::load(&folder, &Sealing::new(kept.key()), &access.app_id).map_err(|error| error.to_string())
    }

    fn bound(&self, access: &Access) -> Result<Option<Binding>, String> {
        let Some(kept) = Kept::load(&self.state).map_err(|error| error.to_string())? else { return Ok(None) };
        Binding::load(&self.state, &Sealing::new(kept.key()), access.id()).map_err(|error| error.to_string())
    }
}

impl OwnBot {
    /// Where its letters go.
    fn place(&self) -> Option<(Place, Channel)> {
        let bound = self.bound.as_ref().filter(|_| self.refused.is_none())?;
        let (token, api) = self.access.for_channel();
        let channel = Telegram::own_bot(token, api, bound.chat).ok()?;
        let place = Place { id: crate::bot::PLACE.to_owned(), backup: false, at_least: Level::Info };
        Some((place, Channel::Telegram(channel)))
    }
}

impl OwnFeishu {
    /// Where its letters go.
    fn place(&self) -> Option<(Place, Channel)> {
        let bound = self.bound.as_ref().filter(|_| self.refused.is_none())?;
        let channel = self.access.app(&bound.person).ok()?;
        let place = Place { id: cards::PLACE.to_owned(), backup: false, at_least: Level::Info };
        Some((place, Channel::FeishuApp(channel)))
    }
}

impl Found {
    /// The channels by the names of their places.
    #[must_use]
    pub fn channels(&self) -> BTreeMap<String, Channel> {
        self.places.iter().map(|(place, channel)| (place.id.clone(), channel.clone())).collect()
    }

    /// The places for the router.
    #[must_use]
    pub fn for_router(&self) -> Vec<Place> {
        self.places.iter().map(|(place, _)| place.clone()).collect()
    }
}
