//! What the chat needs to know of an app of the guard's own, whatever its service.

use crate::notify::channel::Channel;
use crate::notify::http::Http;
use crate::notify::secret::Secret;
use crate::openclaw::discovery::Home;
use std::fmt;
use std::future::Future;

/// An app, with all that is needed to hear and to speak as it.
pub trait App: Clone + fmt::Debug + PartialEq + Send + 'static {
    /// The service, as people call it.
    const SERVICE: &'static str;
    /// Begins every note of the guard on it, in `status` and in `notify list`.
    const NOTE: &'static str;
    /// The place of its letters.
    const PLACE: &'static str;
    /// The folder of its files in our own state folder, the word for it in `clawmend pair`, and its section in `notify.toml`.
    const FOLDER: &'static str;
    /// What the key of its binding is for; another one for each service.
    const BINDING: &'static str;

    /// Names it at its service.
    fn id(&self) -> &str;
    /// The way out.
    fn proxy(&self) -> Option<&Secret>;
    /// Why it must not be used beside these gateways; `None`: it is ours alone. Reads their configs.
    fn refused(&self, homes: &[Home], uid: u32) -> Option<String>;
    /// The app, as a channel to this person, whose questions can be answered there.
    ///
    /// # Errors
    /// An id that is none.
    fn channel(&self, person: &str) -> Result<Channel, String>;
    /// Says a plain text to this person.
    ///
    /// # Errors
    /// Why it was not delivered, in words for people.
    fn say(&self, person: &str, text: &str, http: &Http) -> impl Future<Output = Result<(), String>>;
}
