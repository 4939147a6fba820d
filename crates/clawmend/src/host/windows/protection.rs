//! Not looked at on this system.

use crate::host::Unsupported;
use crate::host::protection::Protection;

/// See the facade.
pub const fn look() -> Result<Protection, Unsupported> {
    Err(Unsupported { what: "looking at firewall, logins and updates" })
}
