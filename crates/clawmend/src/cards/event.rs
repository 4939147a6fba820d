//! Something that happened at an app of the guard's own, after it was proven that its service says so.

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Names it; the same when it is sent again.
    pub id: String,
    /// What.
    pub what: What,
}

/// The kinds of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Somebody tapped a button.
    Tap {
        /// Their id, as the service has it for this app.
        person: String,
        /// What the button carries.
        data: String,
    },
    /// Somebody wrote.
    Message {
        /// Their id.
        person: String,
        /// A person, alone with the app.
        private: bool,
        /// What; empty when it is no text.
        text: String,
    },
    /// Anything else.
    Other,
}
