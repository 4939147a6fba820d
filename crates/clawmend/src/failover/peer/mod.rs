//! How the two guards of a pair talk: the standby asks, the primary answers.
//!
//! One question and one answer per connection, each a line of JSON. The primary greets with a number used once; the
//! question carries one of its own, and question and answer are sealed with HMAC-SHA-256 under the pair's key over both
//! numbers. So neither can be made, changed or replayed by somebody without the key. Nothing in them is secret: the
//! network between the two hides it, and credentials appear as keyed fingerprints only.
//!
//! Invariant: whatever the other side sends, at most [`wire::MAX_LINE`] bytes of it are kept, and for a bounded time. Start
//! at [`client::ask`] and [`server::serve`].

pub mod client;
pub mod server;
pub mod wire;

#[cfg(test)]
mod tests;
