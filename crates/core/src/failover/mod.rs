//! Who of a group of nodes carries the gateway. Here: decisions of the node that stands by, in split mode; [`lease`] is
//! shared mode.
//!
//! In split mode each node owns different channels, so two that are up at once do no harm; what must not happen is
//! coming and going, and acting on the node's own trouble. Start at [`standby::Standby::observe`]; whether the channels
//! really are different is decided in [`ownership`], by what is [`known`] of the other node; whether it can be reached in
//! [`polling`]; whether its own gateway serves while it carries in [`own`]; which standbys come before this one in [`senior`]; what a primary knows of its standby in [`primary`]; what is done to change a role in [`course`]; what people are told in [`telling`].
//!
//! Invariants: nothing is promoted on fewer than the policy's looks in a row, on a look by a node that doubts itself or
//! that was answered in other words, or while the two configs are not known to be apart; a node that carries steps back
//! only from a primary that has been well without a break; what a person holds stays; one change of role is under way at
//! a time.

pub mod course;
pub mod figures;
pub mod known;
pub mod lease;
pub mod memory;
pub mod own;
pub mod ownership;
pub mod polling;
pub mod primary;
pub mod role;
pub mod senior;
pub mod sight;
pub mod standby;
pub mod telling;

pub use figures::Figures;
pub use memory::Memory;
pub use own::Own;
pub use role::{Reason, Role};
pub use senior::Senior;
pub use sight::{Armed, Evidence, Order, Sight};
pub use standby::{Output, Refusal, Standby, Steadying};
pub use telling::{Episode, Obstacle, Step, Telling, Word};
