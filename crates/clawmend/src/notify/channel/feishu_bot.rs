//! A Feishu (Lark) group through its custom bot.

use crate::notify::http::Http;
use crate::notify::{Letter, NotDelivered, Receipt};
use clawmend_core::time::Wall;
use serde::Deserialize;

/// A Feishu (Lark) group through its custom bot.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeishuBot {}

impl FeishuBot {
    /// Brings it there. `now` is for signatures.
    ///
    /// # Errors
    /// [`NotDelivered`].
    pub async fn deliver(&self, _letter: &Letter, _http: &Http, _now: Wall) -> Result<Receipt, NotDelivered> {
        Err(NotDelivered::refused("not built"))
    }
}
