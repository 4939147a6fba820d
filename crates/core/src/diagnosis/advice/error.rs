//! Why an AI's reply is not taken.

use super::{MAX_HYPOTHESES, MAX_NAME, MAX_REFERENCES, MAX_STEPS};

/// Where in a reply, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A hypothesis.
    Hypothesis(usize),
    /// A step of the plan.
    Step(usize),
}

impl std::fmt::Display for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Hypothesis(number) => write!(out, "hypothesis {number}"),
            Self::Step(number) => write!(out, "step {number}"),
        }
    }
}

/// What is not allowed in a reply. A name that is quoted here is cut to [`MAX_NAME`] characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdviceError {
    /// Too much of it.
    #[error("{0} hypotheses, at most {MAX_HYPOTHESES} are taken")]
    TooManyHypotheses(usize),
    /// Too much of it.
    #[error("a plan of {0} steps, at most {MAX_STEPS} are taken")]
    TooManySteps(usize),
    /// Steps out of the blue.
    #[error("a plan without a hypothesis")]
    NoHypothesis,
    /// Nothing, or too much of it.
    #[error("{place}: `{field}` needs 1 to {limit} characters")]
    Text {
        /// Where.
        place: Place,
        /// Which.
        field: &'static str,
        /// Characters.
        limit: usize,
    },
    /// Not between 0 and 1.
    #[error("{0}: `confidence` must be between 0 and 1")]
    Confidence(Place),
    /// Something that nobody may do because an AI says so.
    #[error("{place}: `{name}` is not an action of the closed list")]
    UnknownAction {
        /// Where.
        place: Place,
        /// What it says.
        name: String,
    },
    /// A word that the field's closed list does not have.
    #[error("{place}: `{name}` is no {field} of the closed list")]
    UnknownName {
        /// Where.
        place: Place,
        /// Which list.
        field: &'static str,
        /// What it says.
        name: String,
    },
    /// A channel is started by its name.
    #[error("{0}: `start_channel` needs a channel")]
    NoChannel(Place),
    /// A field that this action has no use for.
    #[error("{place}: `{field}` does not belong to this action")]
    Needless {
        /// Where.
        place: Place,
        /// Which.
        field: &'static str,
    },
    /// A name that no channel or account has.
    #[error("{place}: `{field}` needs 1 to {MAX_NAME} letters, digits, `-`, `_`, `.`")]
    BadName {
        /// Where.
        place: Place,
        /// Which.
        field: &'static str,
    },
    /// A claim without a line that speaks for it.
    #[error("{0} refers to no line of the evidence")]
    Ungrounded(Place),
    /// Too many references.
    #[error("{0} refers to more than {MAX_REFERENCES} lines")]
    TooManyReferences(Place),
    /// A line that was never sent.
    #[error("{place} refers to line {number}, and there are {lines}")]
    NoSuchEvidence {
        /// Where.
        place: Place,
        /// What it says.
        number: u32,
        /// How many there are.
        lines: u32,
    },
}
