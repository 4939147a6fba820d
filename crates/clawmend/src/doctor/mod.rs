//! The physician: from a symptom, a log or the gateway here to a cause with its evidence and its remedy.
//!
//! [`library`] holds the cases, [`log`] reads files within bounds, [`automaton`] finds the cases' signs in lines,
//! [`exam`] puts them together, [`figures`] measures the gateway here, and the core decides
//! ([`clawmend_core::diagnosis::rank`]). Invariant: nothing here changes anything; a diagnosis only names what could
//! be done. Start at [`exam::Exam`] and [`consult`].

pub mod ai;
pub mod automaton;
pub mod candidates;
pub mod consult;
pub mod earlier;
pub mod exam;
pub mod experience;
pub mod figures;
pub mod here;
pub mod library;
pub mod line;
pub mod log;
pub mod mended;
pub mod report;
pub mod share;
pub mod trial;

pub use consult::{Diagnosis, consult};
pub use library::Library;
