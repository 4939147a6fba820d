//! `clawmend standby check`: the standbys that come before this one, and whether this one answers those after it.
//!
//! Invariant: one that is down now is no fault of this node, which takes over without it; one that owns a channel of this
//! node is.

use super::{Level, Line};
use crate::failover::owned::armed;
use crate::failover::peer::client::NoAnswer;
use crate::failover::peer::wire::Told;
use crate::failover::words;
use clawmend_core::failover::Armed;
use clawmend_core::failover::ownership::Owned;
use std::net::SocketAddr;

/// What one of them said, or why it did not.
pub(super) fn line(one: SocketAddr, told: &Result<Told, NoAnswer>, mine: &Owned) -> Line {
    let (level, text) = match told {
        Ok(Told { standby: Some(stands), accounts, .. }) => {
            match armed(&format!("the standby at {one}"), mine, accounts) {
                Armed::Yes => {
                    (Level::Good, format!("the standby at {one} comes before this one: {}", words::role(stands.role)))
                }
                Armed::No { why } => (Level::Bad, format!("the standby at {one} comes before this one, and {why}")),
            }
        }
        Ok(Told { standby: None, .. }) => (
            Level::Bad,
            format!(
                "what answers at {one} is no standby: `after` is for standbys, and they need this version of Clawmend"
            ),
        ),
        Err(NoAnswer::Silent(why)) => (
            Level::Warning,
            format!(
                "the standby at {one} does not answer, so this one does not wait for it: {why}; it answers where its \
                 [standby] has `listen`"
            ),
        ),
        Err(NoAnswer::Unclear(why)) => (Level::Bad, why.clone()),
    };
    Line { check: "order", level, text }
}

/// Where this standby answers those that come after it.
pub(super) fn listens(listen: SocketAddr) -> Line {
    Line { check: "order", level: Level::Good, text: format!("answers the standbys that come after it on {listen}") }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::failover::peer::wire::StandsBy;
    use clawmend_core::failover::Role;
    use clawmend_core::health::Verdict;
    use clawmend_core::time::Wall;

    pub fn every_line() -> Vec<Line> {
        let one: SocketAddr = "100.64.0.2:18790".parse().unwrap();
        let standby = StandsBy { role: Role::Watching, would: true, sees_primary: true };
        let told = |standby, accounts| {
            Ok(Told {
                version: "0.1.0".into(),
                openclaw: None,
                wall: Wall(0),
                verdict: Verdict::Stopped,
                alive: false,
                stopped: false,
                accounts,
                standby,
            })
        };
        let known = || Owned::Known(Vec::new());
        let unread = Owned::Unknown { why: "the config is not valid JSON5: line 3".into() };
        let none = |unclear: bool| {
            let why = "nothing came within 5000 ms".to_owned();
            Err(if unclear { NoAnswer::Unclear(why) } else { NoAnswer::Silent(why) })
        };
        let all = [
            told(Some(standby.clone()), known()),
            told(Some(standby), unread),
            told(None, known()),
            none(false),
            none(true),
        ];
        let lines = all.iter().map(|told| line(one, told, &known()));
        lines.chain([listens(one)]).collect()
    }
}
