//! What guard and keeper say to each other.
//!
//! One JSON object per line, at most [`LINE_MAX`] bytes, over the keeper's Unix socket.
//!
//! A keeper lives on while guards are upgraded and rolled back, so this is a contract between versions. Version 1:
//! - Request: `{"v":1,"id":7,"do":"hello",…}`. Reply: `{"v":1,"id":7,"ok":{…}}` or
//!   `{"v":1,"id":7,"error":{"code":"busy","message":"…"}}`. Event, after `subscribe`: `{"v":1,"event":"exited",…}`.
//! - Fields that a side does not know are ignored; fields that were added later have a default. A request that a
//!   keeper does not know is answered with `unknown_request`. A field never changes its meaning.
//! - A line that is no JSON object, or too long, closes that connection and nothing else.
//! - Times are milliseconds since boot, sleep included.

use clawmend_core::failover::lease::{Fenced, Term};
use clawmend_core::gateway::Incarnation;
use clawmend_core::observation::Exit;
use clawmend_core::time::Moment;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Version that we speak.
pub const VERSION: u32 = 1;
/// Longest line, with its end.
pub const LINE_MAX: usize = 64 * 1024;
/// What `tail` can give: raw output kept in memory, and less where escaping makes the line too long.
pub const TAIL_MAX: usize = 64 * 1024;

/// A request with its number.
#[derive(Debug, Serialize, Deserialize)]
pub struct Asked {
    /// [`VERSION`].
    pub v: u32,
    /// Comes back with the reply.
    pub id: u64,
    /// What is asked.
    #[serde(flatten)]
    pub request: Request,
}

/// The part of a request that every version has.
#[derive(Debug, Deserialize)]
pub struct AskedHead {
    /// Version of the asker.
    pub v: u32,
    /// Comes back with the reply.
    pub id: u64,
}

/// What a guard can ask.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Request {
    /// Tell your state. → [`State`]
    Hello,
    /// Start the gateway. → [`Spawned`]
    Spawn(SpawnOrder),
    /// Watch a gateway that an earlier keeper started, and drain its output. → [`Spawned`]
    Adopt(AdoptOrder),
    /// The end of this life was recorded; forget it. → `{}`
    Ack {
        /// Whose.
        incarnation: Incarnation,
    },
    /// The newest output of the present or last life. → [`Tail`]
    Tail {
        /// At most this much; see [`TAIL_MAX`].
        bytes: u32,
    },
    /// Send events on this connection from now on. → [`State`]
    Subscribe,
    /// End the whole gateway at this moment, whatever happens to the guard. → [`Deadman`]. Only a later moment under
    /// the same term, or any moment under a higher one, replaces what is armed; a moment that has passed is refused.
    Arm {
        /// The term of the lease that the gateway runs under.
        term: u64,
        /// The moment.
        until_ms: u64,
    },
    /// The lease is over and nothing runs any more: a start needs no deadman from now on. → `{}`
    Disarm {
        /// The term that it was armed under, or a higher one.
        term: u64,
    },
    /// End the whole gateway now, by SIGKILL, as the deadman would. → [`Killed`]
    Kill,
    /// End, if no child lives. → `{}`
    Quit,
}

/// How to start a gateway.
#[derive(Clone, Serialize, Deserialize)]
pub struct SpawnOrder {
    /// Name of the directive: a repeated one never spawns twice.
    pub directive: u64,
    /// Put into the environment as `CLAWMEND_NONCE`, to prove descent later.
    pub nonce: String,
    /// Program and arguments; the program is looked up in `PATH` if it holds no slash.
    pub argv: Vec<String>,
    /// Added to the keeper's own environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Taken out of it.
    #[serde(default)]
    pub env_remove: Vec<String>,
    /// Working folder.
    pub cwd: PathBuf,
    /// Folder of `gateway.log`.
    pub log_dir: PathBuf,
    /// From this moment on it may not be started any more, and before it only with an armed deadman. An old keeper does
    /// not know this: ask it to arm its deadman first, which it refuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after_ms: Option<u64>,
    /// With `not_after_ms`: the gateway's channels are off, so it needs no deadman, and one that was armed for an earlier
    /// life is taken away. An old keeper does not know this, and refuses.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mute: bool,
}

impl fmt::Debug for SpawnOrder {
    /// Without values of the environment and arguments: they may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpawnOrder")
            .field("directive", &self.directive)
            .field("program", &self.argv.first())
            .field("env", &self.env.keys())
            .field("cwd", &self.cwd)
            .field("log_dir", &self.log_dir)
            .field("not_after_ms", &self.not_after_ms)
            .field("mute", &self.mute)
            .finish_non_exhaustive()
    }
}

/// A gateway that lives already.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AdoptOrder {
    /// Which life.
    pub incarnation: Incarnation,
    /// Its nonce, as recorded before its spawn.
    pub nonce: String,
    /// The directive that started it.
    pub directive: u64,
    /// Folder of `gateway.log`.
    pub log_dir: PathBuf,
}

/// A child of the keeper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spawned {
    /// The life that began.
    pub incarnation: Incarnation,
    /// Its nonce.
    pub nonce: String,
    /// The directive that started it.
    pub directive: u64,
    /// When.
    pub spawned_at_ms: u64,
    /// Taken over from an earlier keeper: its exit status will be unknown, stops are not told.
    #[serde(default)]
    pub adopted: bool,
    /// How long after the end of the child before it this keeper had it executed, by its own clock, in microseconds.
    /// `None` where this keeper saw no end before.
    #[serde(default)]
    pub after_end_us: Option<u64>,
}

/// The end of a child.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The life that ended.
    pub incarnation: Incarnation,
    /// Its nonce.
    pub nonce: String,
    /// How.
    pub exit: Exit,
    /// When the keeper saw it.
    pub at_ms: u64,
    /// The deadman ended it, under this term.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadman: Option<u64>,
}

/// The deadman: it ends the whole gateway at its moment, without the guard. See `docs/fence.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadman {
    /// The term that it was armed under.
    pub term: u64,
    /// From this moment on nothing of the gateway may run, nor be started.
    pub until_ms: u64,
    /// The moment has come, and this came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub struck: Option<Struck>,
}

/// What the deadman did at its moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Struck {
    /// When it began.
    pub at_ms: u64,
    /// When nothing of the gateway was left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_ms: Option<u64>,
}

/// What was left of a gateway after it was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Killed {
    /// Processes that were still seen at the last look. At zero its end is proven; else ask again.
    pub left: u32,
}

/// All that a keeper knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The keeper's own pid.
    pub pid: u32,
    /// The gateway, while it lives.
    pub child: Option<Spawned>,
    /// Ends that nobody has acknowledged, oldest first.
    pub exits: Vec<Ended>,
    /// What this keeper can do besides version 1.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// It was told to end with its gateway (SIGTERM): it will not spawn any more.
    #[serde(default)]
    pub stopping: bool,
    /// Lines of output that could not be written to the log.
    #[serde(default)]
    pub dropped_lines: u64,
    /// The deadman, once it was armed and until it is disarmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadman: Option<Deadman>,
}

impl State {
    /// The deadman as the core knows it.
    #[must_use]
    pub fn fenced(&self) -> Option<Fenced> {
        self.deadman.map(Fenced::from)
    }
}

impl From<Deadman> for Fenced {
    fn from(deadman: Deadman) -> Self {
        Self { term: Term(deadman.term), until: Moment(deadman.until_ms) }
    }
}

/// The newest output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tail {
    /// Bytes that are not UTF-8 are replaced.
    pub text: String,
}

/// What a keeper tells unasked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A child ended. It stays in [`State::exits`] until it is acknowledged.
    Exited(Ended),
    /// A signal stopped the child.
    Stopped {
        /// Which life.
        incarnation: Incarnation,
        /// When the keeper saw it.
        at_ms: u64,
    },
    /// It goes on.
    Continued {
        /// Which life.
        incarnation: Incarnation,
        /// When the keeper saw it.
        at_ms: u64,
    },
    /// The keeper was told to end with its gateway; it has asked the gateway to end in order.
    Stopping,
    /// Something that this version does not know.
    #[serde(other)]
    Other,
}

/// Why a keeper refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// A child lives.
    Busy,
    /// The program could not be started; may work later.
    SpawnFailed,
    /// The program is not there or may not be run: needs a person.
    CannotRun,
    /// Too many ends wait for an acknowledgement.
    Unacknowledged,
    /// It is ending.
    Stopping,
    /// That life is not there.
    Gone,
    /// It does not know this request.
    UnknownRequest,
    /// It knows the request, but not like this.
    BadRequest,
    /// The deadman stays as it is.
    NotArmed,
    /// It may not be started: too late, or no deadman is armed.
    Fenced,
    /// Something that this version does not know.
    #[serde(other)]
    Other,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Why.
    pub code: RefusalCode,
    /// For people.
    pub message: String,
    /// The child that lives, with [`RefusalCode::Busy`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<Box<Spawned>>,
}

impl Refusal {
    /// With a message and nothing else.
    #[must_use]
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), child: None }
    }
}

/// A line from the keeper.
#[derive(Debug, Serialize, Deserialize)]
pub struct Told<T> {
    /// Version of the keeper.
    pub v: u32,
    /// Number of the request.
    pub id: u64,
    /// The answer.
    #[serde(flatten)]
    pub answer: Answer<T>,
}

/// A reply's content.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer<T> {
    /// Done.
    Ok(T),
    /// Refused.
    Error(Refusal),
}

/// An event on the wire.
#[derive(Debug, Serialize, Deserialize)]
pub struct ToldEvent {
    /// Version of the keeper.
    pub v: u32,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_a_later_version_adds_is_ignored() {
        let asked: Asked = serde_json::from_str(r#"{"v":1,"id":3,"do":"tail","bytes":9,"new":[1]}"#).unwrap();
        assert!(matches!(asked.request, Request::Tail { bytes: 9 }));
        let told: ToldEvent = serde_json::from_str(r#"{"v":2,"event":"levitated","height":3}"#).unwrap();
        assert_eq!(told.event, Event::Other);
        let state: State = serde_json::from_str(r#"{"pid":1,"child":null,"exits":[]}"#).unwrap();
        assert!(!state.stopping);
    }

    #[test]
    fn secrets_are_not_in_debug_output() {
        let order = SpawnOrder {
            directive: 1,
            nonce: "n0nce".into(),
            argv: vec!["openclaw".into(), "hush".into()],
            env: BTreeMap::from([("TOKEN".into(), "s3cret".into())]),
            env_remove: Vec::new(),
            cwd: "/".into(),
            log_dir: "/".into(),
            not_after_ms: None,
            mute: false,
        };
        let text = format!("{order:?}");
        assert!(!text.contains("s3cret") && !text.contains("hush") && !text.contains("n0nce"), "{text}");
    }
}
