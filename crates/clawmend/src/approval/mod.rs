//! Who may decide on a proposal: a factor that the gateway's own assistant does not have.
//!
//! The assistant has a shell under the same user. So its calls are refused where they come from the gateway's process
//! tree, and a decision needs the passphrase that a person has set ([`passphrase`]) and the code of the very message that
//! it is about ([`code`]), or a bound sender of a bot. Only a separate user is a real boundary; `docs/approvals.md` says so.
//!
//! Invariants: the passphrase is kept as a slow hash only; wrong ones are counted, and too many close the door for a while;
//! codes name one proposal of one gateway for one life.

pub mod code;
pub mod passphrase;

pub use code::code_of;
pub use passphrase::{Door, Kept, PassphraseError};
