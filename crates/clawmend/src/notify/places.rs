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
use crate::cards::{self, App, Bound, dingtalk};
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
    pub feishu: Option<OwnApp<cards::Access>>,
    /// The guard's own app on DingTalk, as it is set.
    pub dingtalk: Option<OwnApp<dingtalk::Access>>,
    /// What is wrong, for people.
    pub problems: Vec<String>,
}

/// An app of the guard's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnApp<A> {
    /// To hear and to speak as it.
    pub access: A,
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
        let proxy =
            said.proxy.as_ref().map(|proxy| SecretString::from(proxy.expose_secret().to_owned())).map(Secret::from);
        let feishu = said.feishu.as_ref().map(|settings| cards::Access::new(settings, proxy.as_ref()));
        found.feishu = self.own_app(feishu, &mut found.problems);
        let dingtalk = said.dingtalk.as_ref().map(|settings| dingtalk::Access::new(settings, proxy.as_ref()));
        found.dingtalk = self.own_app(dingtalk, &mut found.problems);
        if !settings.enabled {
            return found;
        }
        found.places.extend(found.bot.as_ref().and_then(OwnBot::place));
        found.places.extend(found.feishu.as_ref().and_then(OwnApp::place));
        found.places.extend(found.dingtalk.as_ref().and_then(OwnApp::place));
        for entry in said.to {
            let own = [crate::bot::PLACE, cards::Access::PLACE, dingtalk::Access::PLACE];
            if own.contains(&entry.name.as_str()) {
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

    /// An app that is set; one that cannot be used at all is a problem.
    fn own_app<A: App>(&self, access: Option<Result<A, String>>, problems: &mut Vec<String>) -> Option<OwnApp<A>> {
        let access = match access? {
            Ok(access) => access,
            Err(why) => {
                problems.push(format!("{} is not used: {why}", A::NOTE));
                return None;
            }
        };
        let refused = access.refused(&self.homes, self.uid);
        let (bound, refused) = match (self.bound_to(&access), refused) {
            (Ok(bound), refused) => (bound, refused),
            (Err(why), refused) => (None, refused.or(Some(why))),
        };
        Some(OwnApp { access, bound, refused })
    }

    fn bound_to<A: App>(&self, access: &A) -> Result<Option<Bound>, String> {
        let Some(kept) = Kept::load(&self.state).map_err(|error| error.to_string())? else { return Ok(None) };
        let folder = self.state.join(A::FOLDER);
        Bound::load::<A>(&folder, &Sealing::new(kept.key()), access.id()).map_err(|error| error.to_string())
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

impl<A: App> OwnApp<A> {
    /// Where its letters go.
    fn place(&self) -> Option<(Place, Channel)> {
        let bound = self.bound.as_ref().filter(|_| self.refused.is_none())?;
        let channel = self.access.channel(&bound.person).ok()?;
        let place = Place { id: A::PLACE.to_owned(), backup: false, at_least: Level::Info };
        Some((place, channel))
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
