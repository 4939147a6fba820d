//! The same channels on whichever node holds a lease: decisions of one node, in shared mode.
//!
//! Two gateways that poll one bot at once answer twice, so here nothing may go wrong in that direction: rather nobody
//! owns for a while. Neither the channel's service nor the gateway keeps a second owner away, a stopped channel still
//! sends, and a frozen gateway goes on where it was when it wakes (observed with OpenClaw 2026.9.6). So the fence is
//! the *end of the whole gateway process*, proven before the lease can have run out in anybody's view.
//!
//! Start at [`Holder::observe`]. [`Record`] is what lies in the lease store, and what each request does to it.
//! `docs/failover-model.md` tells the protocol in plain words, with what it assumes and what it does not cover.
//!
//! A *warm* node that does not own has its gateway run *mute*: its channels are switched off in its config, so that it
//! cannot speak, and needs no lease. Taking over, it switches them on (*opens* it) instead of starting it.
//!
//! Invariants: a gateway may speak only under a lease that this node counts from before it asked for it; from
//! [`Lease::deadline`] on it is being ended, by this machine's directive and, without the guard's help, by the deadman
//! that was armed before the start, or before it was opened; nothing is asked for, released or started anew before its
//! end is proven. A gateway that may ever have spoken is never mute again: it ends as a whole process.

pub mod evidence;
pub mod figures;
pub mod holder;
pub mod memory;
pub mod output;
pub mod patience;
pub mod pause;
pub mod record;
pub mod word;

pub use evidence::{ActId, Answer, Evidence, Fenced, Gateway, Order, RequestId};
pub use figures::{Figures, Unsound};
pub use holder::{Gate, GivingUp, Holder, Lease, Node};
pub use memory::{Active, Memory};
pub use output::{Directive, Telling, Why};
pub use patience::Patience;
pub use pause::{Clearance, PausePolicy, Vouch, clearance};
pub use record::{NodeId, Record, Request, Term, View};
