//! What of a notice decides how it is put into words: how loud, whose, and with which others.
//!
//! Invariant: pure; a new kind of notice has its answer in each of these, or nothing compiles.

use clawmend_core::alert::Level;
use clawmend_core::alert::notice::{Notice, Told};
use clawmend_core::gateway::GatewayId;

/// Whose it is, if it is of one gateway.
pub(super) const fn gateway_of(what: &Told) -> Option<&GatewayId> {
    match what {
        Told::Alert { gateway, .. }
        | Told::Reminder { gateway, .. }
        | Told::Resolved { gateway, .. }
        | Told::Approval { gateway, .. }
        | Told::ManyCrashes { gateway, .. }
        | Told::Pair { gateway, .. }
        | Told::PairOver { gateway, .. }
        | Told::Group { gateway, .. }
        | Told::GroupOver { gateway, .. } => Some(gateway),
        Told::MorningNote { .. } => None,
    }
}

/// How loud the places have to be open for it: who heard that something is broken hears that it is over.
pub(super) const fn loudness(notice: &Notice) -> Level {
    match &notice.what {
        Told::Resolved { loudest, .. } | Told::PairOver { loudest, .. } | Told::GroupOver { loudest, .. } => *loudest,
        Told::Alert { .. }
        | Told::Reminder { .. }
        | Told::Approval { .. }
        | Told::ManyCrashes { .. }
        | Told::Pair { .. }
        | Told::Group { .. }
        | Told::MorningNote { .. } => notice.level,
    }
}

/// Several words on one incident at the same time are one letter, under the key of the first.
pub(super) fn together(notices: Vec<Notice>) -> Vec<Notice> {
    let mut all: Vec<Notice> = Vec::new();
    for notice in notices {
        let Told::Alert { reason: Some(more), .. } = &notice.what else {
            all.push(notice);
            continue;
        };
        let same = all.iter_mut().find(|one| one.subject == notice.subject);
        match same.map(|one| (&mut one.level, &mut one.what)) {
            Some((level, Told::Alert { reason, .. })) => {
                *level = notice.level.max(*level);
                *reason = Some(reason.take().map_or_else(|| more.clone(), |first| format!("{first}; {more}")));
            }
            Some(_) | None => all.push(notice),
        }
    }
    all
}
