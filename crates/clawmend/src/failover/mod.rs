//! The effects of a pair: what a node does when it takes over or steps back.
//!
//! Invariant: nothing here decides on a role; that is `clawmend-core`'s `failover`. Start at [`workspace`].

pub mod workspace;
