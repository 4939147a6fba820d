//! The seam for launchd (macOS): what an adapter would call. Nothing is called yet, and nothing is pretended.
//!
//! State: `launchctl print gui/UID/LABEL` (`state`, `pid`, `last exit code`, `runs`), and a kqueue `NOTE_EXIT` on the
//! pid. Hasten and start: `launchctl kickstart gui/UID/LABEL` (it also ends the throttle of 10 s). Restart:
//! `kickstart -k`. Stop by a person's wish: `launchctl bootout`; out of the boot sequence: `launchctl disable`.

use super::ServiceError;

/// The answer of every call until the adapter exists.
#[must_use]
pub const fn unsupported() -> ServiceError {
    ServiceError::Unsupported {
        manager: "launchd",
        needs: "launchctl print, kickstart, bootout, enable and disable for gui/UID/LABEL",
    }
}
