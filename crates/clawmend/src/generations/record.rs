//! What is known of a generation besides its content.

use clawmend_core::gateway::Incarnation;
use clawmend_core::time::Wall;
use serde::{Deserialize, Serialize};

/// Largest record in bytes.
pub const MAX_RECORD: u64 = 64 * 1024;

/// A healthy run on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// When it had run long enough; of several runs the newest.
    pub at: Wall,
    /// Which life of the gateway.
    pub by: Incarnation,
    /// How long it had been well, in milliseconds.
    pub well_ms: u64,
}

/// The changeable part of a generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Of this layout: 1.
    pub schema: u32,
    /// When it was first seen on disk.
    pub first_seen: Wall,
    /// When it was last seen there.
    pub last_seen: Wall,
    /// Who wrote it, where that is known: `openclaw`, `clawmend`.
    #[serde(default)]
    pub by: Option<String>,
    /// The version of OpenClaw that ran, or was installed, when it was seen.
    #[serde(default)]
    pub openclaw: Option<String>,
    /// It could be read and names a mode.
    #[serde(default)]
    pub readable: bool,
    /// A gateway was well on it.
    #[serde(default)]
    pub proven: Option<Proof>,
    /// A gateway refused to start with it, and in what words.
    #[serde(default)]
    pub refused: Option<String>,
}

impl Record {
    /// Of something just seen.
    #[must_use]
    pub const fn new(now: Wall) -> Self {
        Self {
            schema: 1,
            first_seen: now,
            last_seen: now,
            by: None,
            openclaw: None,
            readable: false,
            proven: None,
            refused: None,
        }
    }
}
