//! Alerts on their way to people.
//!
//! A [`Letter`] is one message, whole and in the reader's language, without the markup of any channel. A
//! [`channel::Channel`] brings it to one place and says what became of it: a [`Receipt`] or [`NotDelivered`], whose
//! variants say what is to be done next. Channels keep nothing, retry nothing and wait for nobody: the outbox does.
//!
//! Invariants: everything in a letter has been redacted and cleaned, but not escaped: that is each channel's own duty.
//! A secret leaves this program only in a request to the service that it belongs to.

pub mod address;
pub mod channel;
pub mod content;
pub mod delivery;
pub mod file;
pub mod http;
pub mod letter;
pub mod outbox;
pub mod places;
pub mod render;
pub mod scribe;
pub mod secret;
pub mod taken_over;

pub use address::{Address, BadAddress};
pub use delivery::{NotDelivered, Receipt};
pub use letter::{Choice, Kind, Letter, Part};
