//! `clawmend standby check`: the lease store of a shared group, and what it knows of the nodes.
//!
//! Invariant: it is asked what every candidate asks again and again, and how much room it has; nothing is written.

use super::{CLOCKS_APART_MS, CLOCKS_WRONG_MS, Level, Line, room};
use crate::cli::output::clean;
use crate::failover::lease::{LeaseStore, Room, Told, Trouble};
use crate::host::clock;
use crate::settings::SharedSettings;
use clawmend_core::failover::lease::{Answer, NodeId, Request, Term, View};
use clawmend_core::time::Wall;

/// Questions whose answers are timed, on a connection that stands as a guard's does.
const QUESTIONS: usize = 3;
/// A renewal reads, asks for a new lease of the store, and writes.
const ANSWERS_OF_A_RENEWAL: u64 = 3;

/// What was seen.
#[derive(Debug)]
pub(super) struct Looked {
    /// The store and where it is.
    place: String,
    /// What it said last.
    told: Told,
    /// The slowest answer, in milliseconds.
    slowest_ms: u64,
    /// How much room it has, where it answers and keeps house itself.
    room: Option<Result<Room, Trouble>>,
    /// How far its clock is from ours, in milliseconds, as far as whole seconds tell.
    apart_ms: Option<u64>,
}

impl Looked {
    /// What lies in the store.
    pub(super) const fn view(&self) -> Option<&View> {
        match &self.told.answer {
            Answer::Seen(view) => Some(view),
            Answer::Acquired { .. }
            | Answer::Renewed { .. }
            | Answer::Released { .. }
            | Answer::Refused(_)
            | Answer::Unknown => None,
        }
    }
}

/// In words for people: no such store can be asked at all.
pub(super) async fn look(settings: &SharedSettings) -> Result<Looked, String> {
    let store = LeaseStore::open(settings).map_err(|error| error.to_string())?;
    let mut told = store.ask(&Request::Look).await;
    let mut slowest_ms = 0;
    for _ in 0..QUESTIONS {
        if told.trouble.is_some() {
            break;
        }
        let sent = clock::now().mono;
        told = store.ask(&Request::Look).await;
        slowest_ms = clock::now().mono.since(sent).max(slowest_ms);
    }
    let apart_ms = store.clock().map(|theirs| apart(theirs, clock::now().wall));
    // One that is full refuses the look as well, with etcd before 3.4.20 and 3.5.7, and tells how it is all the same.
    let room = match told.trouble {
        None | Some(Trouble::Full { .. }) => store.room().await,
        Some(_) => None,
    };
    Ok(Looked { place: store.describe(), told, slowest_ms, room, apart_ms })
}

/// The store's clock showed this second when ours showed that millisecond.
fn apart(theirs: Wall, ours: Wall) -> u64 {
    let last = theirs.0.saturating_add(999);
    u64::try_from(theirs.0.saturating_sub(ours.0).max(ours.0.saturating_sub(last))).unwrap_or(0)
}

/// `known`: the highest term that this node's guard has heard of.
pub(super) fn lines(settings: &SharedSettings, looked: &Result<Looked, String>, known: Option<Term>) -> Vec<Line> {
    match looked {
        Err(why) => vec![Line { check: "store", level: Level::Bad, text: why.clone() }],
        Ok(looked) => {
            let mut lines = vec![answers(settings, looked)];
            match looked.view().and_then(|view| forgotten(view, known)) {
                Some(line) => lines.push(line),
                None => {
                    lines.extend(nodes(settings, looked));
                    lines.extend(looked.view().map(|view| owner(settings, view)));
                }
            }
            lines.extend(looked.room.as_ref().map(room::line));
            lines.extend(clocks(looked.apart_ms).filter(|_| looked.view().is_some()));
            lines
        }
    }
}

fn answers(settings: &SharedSettings, looked: &Looked) -> Line {
    let place = clean(&looked.place, 200);
    let (renewal, limit) = (looked.slowest_ms.saturating_mul(ANSWERS_OF_A_RENEWAL), settings.figures.answer_ms);
    let measured = format!(
        "the slowest of {QUESTIONS} answers took {} ms, a renewal is {ANSWERS_OF_A_RENEWAL} of them and may take {limit} ms",
        looked.slowest_ms
    );
    let (level, text) = match &looked.told.trouble {
        // It answered; what it says of the nodes has its own line.
        Some(Trouble::ListsDiffer { .. }) => (Level::Good, format!("{place} answers, and lets us read")),
        Some(Trouble::Missing) => (Level::Unknown, format!("{place}: {}", Trouble::Missing)),
        Some(trouble) => (Level::Bad, trouble.to_string()),
        None if renewal > limit => (
            Level::Bad,
            format!("{place} is too slow for this lease: {measured}; have a store nearer by, or a longer timing"),
        ),
        None if renewal.saturating_mul(2) > limit => {
            (Level::Warning, format!("{place} answers with little to spare: {measured}"))
        }
        None => (Level::Good, format!("{place} answers, and lets us read: {measured}")),
    };
    Line { check: "store", level, text }
}

/// What can be known of the other nodes' lists: each writes its own name and number, and no more.
fn nodes(settings: &SharedSettings, looked: &Looked) -> Option<Line> {
    let (mine, number) = (name(settings, settings.node), settings.node.0);
    let list = settings.nodes.join(", ");
    let (level, text) = match (&looked.told.trouble, looked.view()) {
        (Some(trouble @ Trouble::ListsDiffer { .. }), _) => (Level::Bad, trouble.to_string()),
        (None, Some(view)) if view.term.0 > 0 => (
            Level::Good,
            format!(
                "this is {mine}, number {number} of {list}; the node that wrote last has the same number there; whether all \
                 have the same list in the same order, only a look at each tells"
            ),
        ),
        (None, Some(_)) => (
            Level::Unknown,
            format!(
                "this is {mine}, number {number} of {list}; nobody has held the lease yet, so see yourself that every node \
                 has the same list in the same order"
            ),
        ),
        (_, None) | (Some(_), Some(_)) => return None,
    };
    Some(Line { check: "nodes", level, text })
}

/// Terms only grow, so one that is lower is of a store that has lost its memory.
fn forgotten(view: &View, known: Option<Term>) -> Option<Line> {
    let known = known.filter(|known| view.term < *known)?;
    let text = format!(
        "the lease store says term {}, although this node knows of term {}: it has lost its memory, or was put back to an older \
         state, so no node takes a lease of it; put its own state back, or stop all gateways and give the group another name on \
         every node",
        view.term.0, known.0
    );
    Some(Line { check: "owner", level: Level::Bad, text })
}

fn owner(settings: &SharedSettings, view: &View) -> Line {
    let term = view.term.0;
    let holds = match view.holder {
        Some(node) if node == settings.node => format!("this node owns the channels (term {term})"),
        Some(node) => format!("{} owns the channels (term {term})", name(settings, node)),
        None if term == 0 => "nobody has owned the channels yet".to_owned(),
        None => format!("nobody owns the channels now (the last term was {term})"),
    };
    let suspects: Vec<&str> = view.suspects.iter().map(|node| name(settings, *node)).collect();
    let (level, text) = if suspects.is_empty() {
        (Level::Good, holds)
    } else {
        let names = suspects.join(", ");
        (Level::Warning, format!("{holds}; {names} held the lease and never gave it back, and may only be paused"))
    };
    Line { check: "owner", level, text }
}

/// The lease rests on no comparison of clocks; a clock that is wrong misleads whoever reads records, and may run wrong, too.
fn clocks(apart_ms: Option<u64>) -> Option<Line> {
    let apart = i64::try_from(apart_ms?).unwrap_or(i64::MAX);
    let seconds = apart / 1_000;
    let (level, text) = if apart > CLOCKS_WRONG_MS {
        let text = format!(
            "this clock and the lease store's are {seconds} s apart: one of them is wrong, set it by the network; the lease \
             counts on clocks that run alike"
        );
        (Level::Bad, text)
    } else if apart > CLOCKS_APART_MS {
        (Level::Warning, format!("this clock and the lease store's are {seconds} s apart"))
    } else {
        (Level::Good, "this clock and the lease store's are together, as far as whole seconds tell".to_owned())
    };
    Some(Line { check: "clock", level, text })
}

fn name(settings: &SharedSettings, node: NodeId) -> &str {
    settings.name_of(node).unwrap_or("a node that is not in the list")
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::pause::tests::settings;
    use super::*;
    use std::collections::BTreeSet;

    fn looked(told: Told, slowest_ms: u64, apart_ms: u64) -> Result<Looked, String> {
        let place = "etcd at 10.0.0.3:2379, keys clawmend/home/…\u{1b}[31m".to_owned();
        Ok(Looked { place, told, slowest_ms, room: None, apart_ms: Some(apart_ms) })
    }

    pub fn every_line() -> Vec<Line> {
        let settings = settings("");
        let seen = |term, holder: Option<u16>, suspects: &[u16]| Told {
            answer: Answer::Seen(View {
                term: Term(term),
                holder: holder.map(NodeId),
                suspects: suspects.iter().copied().map(NodeId).collect::<BTreeSet<_>>(),
                reserved: None,
            }),
            trouble: None,
        };
        let wrong = |trouble| Told { answer: Answer::Unknown, trouble: Some(trouble) };
        let differ = Trouble::ListsDiffer { number: 1, theirs: "roof".into(), ours: "attic".into() };
        let late = Trouble::Late { after: std::time::Duration::from_secs(2) };
        let forgotten = lines(&settings, &looked(seen(3, Some(1), &[]), 3, 0), Some(Term(7)));
        [
            looked(seen(0, None, &[]), 3, 0),
            looked(seen(7, Some(1), &[]), 3, 2_500),
            looked(seen(7, Some(2), &[1]), 400, 61_000),
            looked(seen(7, None, &[1, 9]), 700, 0),
            looked(wrong(differ), 3, 0),
            looked(wrong(late), 0, 0),
            looked(wrong(Trouble::Missing), 0, 0),
            Err("no certificate authority is known on this host".into()),
        ]
        .iter()
        .flat_map(|looked| lines(&settings, looked, Some(Term(0))))
        .chain(forgotten)
        .collect()
    }

    #[test]
    fn clocks_are_compared_by_whole_seconds() {
        for (ours, ms) in [(5_000, 0), (5_999, 0), (6_500, 501), (4_000, 1_000), (i64::MIN, i64::MAX as u64)] {
            assert_eq!(apart(Wall(5_000), Wall(ours)), ms, "{ours}");
        }
    }
}
