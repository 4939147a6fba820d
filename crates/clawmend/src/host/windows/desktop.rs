//! Not built here yet.

use crate::host::Unsupported;
use crate::host::desktop::{NotShown, Note};

#[expect(clippy::unused_async, reason = "one signature on all systems")]
pub async fn show(_bus: Option<&str>, _note: &Note) -> Result<u32, NotShown> {
    Err(Unsupported { what: "a notification on the desktop" }.into())
}
