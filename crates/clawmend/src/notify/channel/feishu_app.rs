//! People or chats on Feishu (Lark) through an app.

use crate::notify::http::Http;
use crate::notify::{Letter, NotDelivered, Receipt};
use clawmend_core::time::Wall;
use serde::Deserialize;

/// People or chats on Feishu (Lark) through an app.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeishuApp {}

impl FeishuApp {
    /// Brings it there. `now` is for signatures.
    ///
    /// # Errors
    /// [`NotDelivered`].
    pub async fn deliver(&self, _letter: &Letter, _http: &Http, _now: Wall) -> Result<Receipt, NotDelivered> {
        Err(NotDelivered::refused("not built"))
    }
}
