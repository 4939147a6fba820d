//! Figures and ladders as data.

use serde::{Deserialize, Serialize};

/// What a person may set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Policy {}
