//! `clawmend cases draft`: a case from how a person mended an incident.

use super::bundle::{self, About};
use super::context::Context;
use super::doctor::load;
use super::error::{CliError, Kind};
use super::output;
use super::{incidents, status};
use crate::api::types::{IncidentDetail, SCHEMA};
use crate::doctor::exam::Exam;
use crate::doctor::{library, mended, share};
use crate::generations::Room;
use crate::store::{Filter, Reader};
use clawmend_core::diagnosis::case::Case;
use clawmend_core::diagnosis::draft::{Mended, draft, id};
use clawmend_core::directive::IncidentId;
use clawmend_core::gateway::GatewayId;
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;

/// A hint is given for so long.
const HINT_MS: i64 = 7 * 24 * 60 * 60 * 1000;
/// Newest incidents that are looked at for a hint.
const RECENT: u32 = 5;
/// Stands above a draft.
const HEAD: &str = "\
# A draft. Complete title, why and advice in both languages, and look whether the signs stand for this failure only:
# `clawmend cases test FILE` tries it, `clawmend cases add FILE` puts it into your library.
# 草稿：请补全标题、原因和处理（中英文），并确认这些特征只属于这种故障；再用 `clawmend cases test`、`cases add`。

";

#[derive(Serialize)]
struct Report<'a> {
    schema: u32,
    incident: u64,
    case: &'a Case,
    toml: &'a str,
    added: bool,
}

/// Prints the draft, or puts it into the user's library.
pub(super) fn print(context: &Context, number: u64, add: bool) -> Result<ExitCode, CliError> {
    let detail = incidents::find(context, IncidentId(number))?;
    if !mended::by_person(&detail) {
        let message = format!("incident {number} was not ended by a person, so there is nothing to learn from");
        return Err(CliError::new(Kind::NotFound, message)
            .hint("`clawmend incidents` lists them; the outcome must be `mended by a person`"));
    }
    let case = of(context, detail)?;
    let text = toml::to_string_pretty(&case).map_err(|error| CliError::new(Kind::Internal, error.to_string()))?;
    if add {
        let library = load(context);
        let taken = share::take(vec![case.clone()], &library, &library::folder(&context.state_dir()?))?;
        if let Some(why) = taken.left_out.first() {
            return Err(CliError::new(Kind::NeedsPerson, why.clone())
                .hint(format!("`clawmend cases show {}` shows it", case.id)));
        }
    }
    if context.global.json {
        output::print_json(&Report { schema: SCHEMA, incident: number, case: &case, toml: &text, added: add })?;
    } else if add {
        let path = library::folder(&context.state_dir()?).join(format!("{}.toml", case.id));
        output::print(&format!("added {}; it tells, and does nothing by itself\n", case.id))?;
        output::tell(&format!("complete it in {}", path.display()));
    } else {
        output::print(&format!("{HEAD}{text}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn of(context: &Context, detail: IncidentDetail) -> Result<Case, CliError> {
    let library = load(context);
    let mut exam = Exam::new(&library.cases, true).map_err(|why| CliError::new(Kind::Internal, why))?;
    let status = status::look(context).or_else(|_| status::without_guard(context))?;
    let about = bundle::about(context, &status, Some(detail))?;
    let room = context.state_dir().ok().and_then(|state| Room::existing(&state, &about.gateway));
    let About { home, alone, incident: Some(detail), .. } = &about else {
        return Err(CliError::new(Kind::Internal, "the incident was lost on the way"));
    };
    if let Some(home) = home {
        let span = bundle::span(&about, None);
        let paths = bundle::log_paths(context, home, span);
        bundle::read_span(&mut exam, &paths, span, *alone, home);
    }
    Ok(draft(&mended::compare(detail, room.as_ref(), &exam)))
}

/// The line that offers a draft for an incident, unless there is one already.
pub(super) fn hint(state: &Path, detail: &IncidentDetail) -> Option<String> {
    let of = Mended { incident: detail.incident.id.0, gateway: detail.incident.gateway.0.clone(), ..Mended::default() };
    let drafted = library::folder(state).join(format!("{}.toml", id(&of))).exists();
    (mended::by_person(detail) && !drafted)
        .then(|| format!("a person mended it: `clawmend cases draft {}` drafts a case from how", of.incident))
}

/// The same for the newest incident of a gateway that a person mended in the last days.
pub(super) fn hint_of(state: &Path, gateway: &GatewayId, now_ms: i64) -> Option<String> {
    let reader = Reader::open(state).ok()?;
    let filter = Filter { gateway: Some(gateway.clone()), open_only: false };
    let page = reader.incidents(&filter, RECENT, None).ok()?;
    let recent = |closed: i64| now_ms.saturating_sub(closed) <= HINT_MS;
    page.incidents.iter().find_map(|(record, _)| {
        let detail = IncidentDetail::new(record, &[]);
        let at = detail.incident.closed_at.filter(|at| recent(at.0.0))?;
        let text = hint(state, &detail)?;
        Some(format!("incident {} of {at}: {text}", record.id.0, at = at.timestamp().strftime("%Y-%m-%d")))
    })
}
