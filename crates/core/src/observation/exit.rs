//! How a process ended.

use serde::{Deserialize, Serialize};

/// The end of a process, as its parent or service manager tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Exit {
    /// It exited by itself.
    Code {
        /// 0–255.
        code: i32,
    },
    /// A signal ended it.
    Signal {
        /// Its number on this system.
        signal: i32,
        /// It dumped core.
        core: bool,
    },
    /// Nobody could tell: its parent is gone, or it is not our child.
    Unknown,
}

impl Exit {
    /// OpenClaw's exit code for "do not restart me, a person must look" (2026.7 and later, `EX_CONFIG`).
    pub const REFUSED: i32 = 78;

    /// It refused to start.
    #[must_use]
    pub const fn is_refusal(self) -> bool {
        matches!(self, Self::Code { code: Self::REFUSED })
    }

    /// It ended in order.
    #[must_use]
    pub const fn is_clean(self) -> bool {
        matches!(self, Self::Code { code: 0 })
    }

    /// A person could have asked for this end: an orderly one, or one of the signals that people send.
    /// HUP 1, INT 2, QUIT 3, KILL 9 and TERM 15 have these numbers on every Unix; 130 and 143 are their shell forms.
    #[must_use]
    pub const fn may_be_a_persons(self) -> bool {
        match self {
            Self::Code { code } => matches!(code, 0 | 130 | 143),
            Self::Signal { signal, .. } => matches!(signal, 1 | 2 | 3 | 9 | 15),
            Self::Unknown => true,
        }
    }
}
