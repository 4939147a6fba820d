//! PagerDuty, Events API v2.

use crate::notify::http::Http;
use crate::notify::{Letter, NotDelivered, Receipt};
use clawmend_core::time::Wall;
use serde::Deserialize;

/// PagerDuty, Events API v2.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PagerDuty {}

impl PagerDuty {
    /// Brings it there. `now` is for signatures.
    ///
    /// # Errors
    /// [`NotDelivered`].
    pub async fn deliver(&self, _letter: &Letter, _http: &Http, _now: Wall) -> Result<Receipt, NotDelivered> {
        Err(NotDelivered::refused("not built"))
    }
}
