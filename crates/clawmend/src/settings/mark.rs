//! Whether two programs read the same settings.

use ring::digest::{SHA256, digest};
use std::fmt::{Debug, Write as _};

/// Bytes of the digest that are kept: nobody makes two settings alike on purpose.
const BYTES: usize = 8;

/// A mark of parsed settings, the same wherever this version reads the same ones. A secret's own type shows nothing of it,
/// and so does not count.
pub(super) fn mark(settings: &impl Debug) -> String {
    let digest = digest(&SHA256, format!("{settings:?}").as_bytes());
    digest.as_ref().iter().take(BYTES).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
