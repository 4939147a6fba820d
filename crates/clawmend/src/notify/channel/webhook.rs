//! Any service that takes JSON, signed.

use crate::notify::http::Http;
use crate::notify::{Letter, NotDelivered, Receipt};
use clawmend_core::time::Wall;
use serde::Deserialize;

/// Any service that takes JSON, signed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {}

impl Webhook {
    /// Brings it there. `now` is for signatures.
    ///
    /// # Errors
    /// [`NotDelivered`].
    pub async fn deliver(&self, _letter: &Letter, _http: &Http, _now: Wall) -> Result<Receipt, NotDelivered> {
        Err(NotDelivered::refused("not built"))
    }
}
