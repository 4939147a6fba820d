//! What lies in the lease store, and what each request does to it.
//!
//! An adapter carries a request out as one compare-and-set: it reads the record, applies the function of the same name
//! here, and writes only if nothing was written meanwhile. Whether the lease still lives is the store's knowledge
//! (`alive`): its own clock counts the time since it granted or renewed it.
//!
//! Invariants: a term is given once; who held the lease and did not give it back stays a suspect, through any number
//! of later holders, until somebody who holds the lease says that its machine is off, or it holds the lease again.

use super::evidence::Answer;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The fence: it grows with each holder, and is never given twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Term(pub u64);

impl Term {
    /// The one after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// A node of the group: its place in the list that all nodes have in their settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u16);

/// What a node asks the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Who holds the lease?
    Look,
    /// Give it to me, if nobody has it. Whoever asks has proven that its own gateway has ended.
    Acquire,
    /// I hold it under this term, and go on.
    Renew {
        /// The term that it is held under.
        term: Term,
        /// Nodes whose machines were proven to be off under this term.
        off: BTreeSet<NodeId>,
    },
    /// I held it under this term; my gateway has ended.
    Release {
        /// The term that it was held under.
        term: Term,
        /// Who is to have it next.
        to: Option<NodeId>,
    },
}

/// What a node sees of the record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct View {
    /// The last term that was given.
    pub term: Term,
    /// Who holds the lease.
    pub holder: Option<NodeId>,
    /// Who held it and never gave it back: their machines may be paused, and go on at any time.
    pub suspects: BTreeSet<NodeId>,
    /// Whom it was handed over to.
    pub reserved: Option<NodeId>,
}

/// The record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Record {
    term: Term,
    owner: Option<NodeId>,
    suspects: BTreeSet<NodeId>,
    reserved: Option<NodeId>,
}

impl Record {
    /// What it says to whoever looks.
    #[must_use]
    pub fn view(&self, alive: bool) -> View {
        let lost = self.owner.filter(|_| !alive);
        View {
            term: self.term,
            holder: self.owner.filter(|_| alive),
            suspects: self.suspects.iter().copied().chain(lost).collect(),
            reserved: self.reserved,
        }
    }

    /// Carries a request out. The lease lives for a full time to live after `Acquired` and `Renewed`.
    pub fn apply(&mut self, node: NodeId, request: &Request, alive: bool) -> Answer {
        match request {
            Request::Look => Answer::Seen(self.view(alive)),
            Request::Acquire => self.acquire(node, alive),
            Request::Renew { term, off } => self.renew(node, *term, off, alive),
            Request::Release { term, to } => self.release(node, *term, *to, alive),
        }
    }

    fn acquire(&mut self, node: NodeId, alive: bool) -> Answer {
        let mut view = self.view(alive);
        if view.holder.is_some() {
            return Answer::Refused(view);
        }
        view.suspects.remove(&node);
        *self = Self { term: self.term.next(), owner: Some(node), suspects: view.suspects.clone(), reserved: None };
        Answer::Acquired { term: self.term, suspects: view.suspects }
    }

    fn renew(&mut self, node: NodeId, term: Term, off: &BTreeSet<NodeId>, alive: bool) -> Answer {
        if !self.is_held_by(node, term, alive) {
            return Answer::Refused(self.view(alive));
        }
        self.suspects.retain(|suspect| !off.contains(suspect));
        Answer::Renewed { term }
    }

    fn release(&mut self, node: NodeId, term: Term, to: Option<NodeId>, alive: bool) -> Answer {
        if !self.is_held_by(node, term, alive) {
            return Answer::Refused(self.view(alive));
        }
        (self.owner, self.reserved) = (None, to);
        Answer::Released { term }
    }

    fn is_held_by(&self, node: NodeId, term: Term, alive: bool) -> bool {
        alive && self.owner == Some(node) && self.term == term
    }
}
