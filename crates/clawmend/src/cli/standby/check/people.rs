//! Whether somebody hears of a takeover: the other host cannot tell them then.

use super::{Level, Line};
use crate::cli::context::Context;
use crate::cli::notify::Here;
use crate::cli::output::clean;
use crate::store::{Fate, Logged, Reader};

/// Letters that are looked through.
const LETTERS: u32 = 1_000;
/// Places that are named at most.
const NAMED: usize = 5;

/// Where letters of this host go, and what became of the last one to each place, where there was one.
struct Places {
    enabled: bool,
    names: Vec<(String, Option<(Fate, String)>)>,
}

/// Settings that cannot be read are said elsewhere.
pub(super) fn look(context: &Context) -> Option<Line> {
    let here = Here::of(context).ok()?;
    let found = here.premises.look(&here.settings.notify);
    let told = Reader::open(&here.premises.state).and_then(|reader| reader.deliveries(LETTERS)).unwrap_or_default();
    let last = |id: &str| told.iter().find(|one: &&Logged| one.delivery.place == id);
    let fate = |one: &Logged| (one.delivery.fate, one.delivery.why.clone());
    let names = found.places.iter().map(|(place, _)| (place.id.clone(), last(&place.id).map(fate))).collect();
    Some(line(&Places { enabled: here.settings.notify.enabled, names }))
}

fn line(places: &Places) -> Line {
    let lost = |(name, last): &(String, Option<(Fate, String)>)| match last {
        Some((Fate::Undeliverable, why)) => Some(format!("{} ({})", clean(name, 40), clean(why, 200))),
        Some((Fate::Waiting | Fate::Sending | Fate::Delivered | Fate::Unsure, _)) | None => None,
    };
    let lost_at: Vec<String> = places.names.iter().filter_map(lost).take(NAMED).collect();
    let names: Vec<String> = places.names.iter().take(NAMED).map(|(name, _)| clean(name, 40)).collect();
    let (level, text) = if !places.enabled {
        (Level::Warning, "alerts are off here, so nobody hears of a takeover: `enabled` in [notify]".to_owned())
    } else if names.is_empty() {
        let text = "nobody hears of a takeover: there is no place for alerts here; `clawmend notify set`, then `clawmend \
                    notify test`";
        (Level::Warning, text.to_owned())
    } else if lost_at.len() == names.len() {
        (
            Level::Warning,
            format!("the last alert did not arrive at {}: `clawmend notify test` tries it", lost_at.join(", ")),
        )
    } else {
        (Level::Good, format!("alerts of this host go to {}; `clawmend notify test` tries it", names.join(", ")))
    };
    Line { check: "people", level, text }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn every_line() -> Vec<Line> {
        let place = |name: &str, last: Option<Fate>| {
            (name.to_owned(), last.map(|fate| (fate, "Bad Request: chat not found".to_owned())))
        };
        let all = [
            (false, vec![place("phone", None)]),
            (true, Vec::new()),
            (true, vec![place("phone", None)]),
            (true, vec![place("phone", Some(Fate::Undeliverable))]),
            (true, vec![place("phone", Some(Fate::Undeliverable)), place("mail", Some(Fate::Delivered))]),
        ];
        all.into_iter().map(|(enabled, names)| line(&Places { enabled, names })).collect()
    }
}
