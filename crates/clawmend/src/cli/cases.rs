//! `clawmend cases`: what the doctor knows, and how people teach it.

use super::context::Context;
use super::doctor::{load, standings, tongue};
use super::draft;
use super::earlier;
use super::error::{CliError, Kind};
use super::output::{self, Style, Tone, clean};
use crate::api::types::SCHEMA;
use crate::doctor::report::{self, RemedyReport, Tongue};
use crate::doctor::{Library, candidates, library, share};
use clawmend_core::diagnosis::case::Case;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Options of `cases`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum What {
    /// List the cases
    List,
    /// Show one case
    Show {
        /// Its id
        id: String,
    },
    /// Add a case of your own, or a candidate that you have looked at
    Add {
        /// A case file; cases/README.md of the project describes it. Or the id of a candidate
        file: PathBuf,
    },
    /// Try whether cases find their own lines: all of them, one, or a file that you write
    Test {
        /// An id, or a file
        case: Option<String>,
    },
    /// Draft a case from how you mended an incident
    Draft {
        /// Number of the incident
        #[arg(value_name = "INCIDENT")]
        incident: u64,
        /// Put it into your library instead of printing it
        #[arg(long)]
        add: bool,
    },
    /// Print cases as one file, to give to others
    Export {
        /// Which; your own without any
        ids: Vec<String>,
    },
    /// Take over a file of `export`, or cases.json, records.json or config.json of the older iflow doctor
    Import {
        /// The file
        file: PathBuf,
    },
}

pub(super) fn cases(context: &Context, args: &Args) -> Result<ExitCode, CliError> {
    match &args.what {
        What::List => list(context),
        What::Show { id } => show(context, id),
        What::Add { file } => add(context, file),
        What::Test { case } => test(context, case.as_deref()),
        What::Draft { incident, add } => draft::print(context, *incident, *add),
        What::Export { ids } => export(context, ids),
        What::Import { file } => earlier::import(context, file),
    }
}

#[derive(Serialize)]
struct ListReport {
    schema: u32,
    cases: Vec<Row>,
    /// Not in the library, and without effect until a person adds them.
    candidates: Vec<Candidate>,
}

#[derive(Serialize)]
struct Candidate {
    id: String,
    title: String,
    source: Vec<String>,
}

#[derive(Serialize)]
struct Row {
    id: String,
    class: String,
    cause: String,
    title: String,
    origin: &'static str,
    remedy: Vec<RemedyReport>,
    /// Verified repairs that count, and how many of them worked.
    tries: u32,
    successes: u32,
    /// Expected success in percent; null without a try.
    rate_percent: Option<u32>,
}

#[derive(Serialize)]
struct ShowReport<'a> {
    schema: u32,
    origin: &'static str,
    case: &'a Case,
}

fn list(context: &Context) -> Result<ExitCode, CliError> {
    let library = load(context);
    let tongue = tongue(None);
    let standings = standings(context);
    let of = |case: &Case| standings.get(&case.id).copied().unwrap_or_default();
    let rows = library.cases.iter().zip(&library.origins).map(|(case, origin)| Row {
        tries: of(case).tries,
        successes: of(case).successes,
        rate_percent: (of(case).tries > 0).then(|| of(case).rate_percent()),
        id: case.id.clone(),
        class: report::name(&case.class),
        cause: report::name(&case.cause),
        title: tongue.of(&case.title).to_owned(),
        origin: origin.name(),
        remedy: report::remedies(case, true),
    });
    let rows: Vec<Row> = rows.collect();
    let candidates: Vec<Candidate> = candidates(context)
        .into_iter()
        .map(|case| Candidate { title: tongue.of(&case.title).to_owned(), id: case.id, source: case.source })
        .collect();
    if context.global.json {
        output::print_json(&ListReport { schema: SCHEMA, cases: rows, candidates })?;
        return Ok(ExitCode::SUCCESS);
    }
    let width = rows.iter().map(|row| row.id.len()).max().unwrap_or(0);
    let mut text = String::new();
    for row in &rows {
        let own = if row.origin == "user" { " *" } else { "" };
        let done = experience(row, tongue);
        let _ = writeln!(text, "{:<width$}  {}{own}{done}", clean(&row.id, 64), clean(&row.title, 200));
    }
    if !candidates.is_empty() {
        let _ = writeln!(text, "\n{}", candidates_head(tongue));
    }
    for one in &candidates {
        let _ = writeln!(text, "{}  {}", clean(&one.id, 64), clean(&one.title, 200));
    }
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

const fn candidates_head(tongue: Tongue) -> &'static str {
    match tongue {
        Tongue::English => {
            "Candidates: an AI's answers that have helped once. They do nothing. Look with `clawmend cases show ID`, then \
             `clawmend cases add ID`:"
        }
        Tongue::Chinese => {
            "候选案例：奏效过一次的 AI 回答，目前不起作用。先用 `clawmend cases show ID` 查看，再用 `clawmend cases add ID`："
        }
    }
}

/// What waits for a person's look. A state folder that cannot be named only means that there is nothing.
fn candidates(context: &Context) -> Vec<Case> {
    let (found, problems) = context.state_dir().map(|state| candidates::list(&state)).unwrap_or_default();
    for problem in problems {
        output::tell(&format!("left out: {}", clean(&problem, 500)));
    }
    found
}

/// A file, or a candidate by its id, which is none any more then.
fn add(context: &Context, what: &Path) -> Result<ExitCode, CliError> {
    let state = context.state_dir()?;
    let named = |(case, _): &(Case, PathBuf)| what.to_str() == Some(case.id.as_str());
    let candidate = candidates::files(&state).0.into_iter().find(named).filter(|_| !what.exists());
    let Some((_, file)) = candidate else { return take(context, what, true) };
    let code = take(context, &file, true)?;
    std::fs::remove_file(&file)?;
    Ok(code)
}

/// `  (3 of 4 worked, 66 %)`; nothing without a try.
fn experience(row: &Row, tongue: Tongue) -> String {
    let Some(rate) = row.rate_percent else { return String::new() };
    match tongue {
        Tongue::English => format!("  ({} of {} worked, {rate} % expected)", row.successes, row.tries),
        Tongue::Chinese => format!("  （{} 次中成功 {} 次，预期 {rate} %）", row.tries, row.successes),
    }
}

fn show(context: &Context, id: &str) -> Result<ExitCode, CliError> {
    let library = load(context);
    let place = library.find(id);
    let known = place.and_then(|place| library.cases.get(place).cloned().zip(library.origins.get(place)));
    let known = known.map(|(case, origin)| (case, origin.name()));
    let candidate = || Some((candidates(context).into_iter().find(|case| case.id == id)?, "candidate"));
    let (case, origin) = &known.or_else(candidate).ok_or_else(|| unknown(id))?;
    if context.global.json {
        output::print_json(&ShowReport { schema: SCHEMA, origin, case })?;
    } else {
        output::print(&page(case, tongue(None), Style::of_stdout()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn unknown(id: &str) -> CliError {
    CliError::new(Kind::NotFound, format!("there is no case `{id}`")).hint("`clawmend cases list` names all of them")
}

fn page(case: &Case, tongue: Tongue, style: Style) -> String {
    let (head, why, signs, symptoms, todo, steps, source) = match tongue {
        Tongue::English => ("class", "why", "found by", "also called", "do", "steps", "seen in"),
        Tongue::Chinese => ("类别", "原因", "特征", "常见说法", "处理", "步骤", "来源"),
    };
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{} {}", style.paint(Tone::Quiet, &format!("{name}:")), clean(value, 1000));
    };
    line(head, &format!("{} · {}", report::name(&case.class), report::name(&case.cause)));
    line(why, tongue.of(&case.why));
    for sign in &case.signs {
        let regex = sign.regex.as_ref().map(|regex| format!("  ~ {regex}")).unwrap_or_default();
        line(signs, &format!("{}{regex}", sign.text));
    }
    for symptom in case.symptoms.en.iter().chain(&case.symptoms.zh) {
        line(symptoms, symptom);
    }
    line(todo, tongue.of(&case.advice));
    let step = |remedy: &RemedyReport| format!("{}{}", remedy.action, if remedy.auto { " (auto)" } else { "" });
    let all: Vec<String> = report::remedies(case, true).iter().map(step).collect();
    line(steps, &all.join(" → "));
    for thread in &case.source {
        line(source, thread);
    }
    format!("{}  {}\n{text}", style.paint(Tone::Strong, tongue.of(&case.title)), style.paint(Tone::Quiet, &case.id))
}

fn user_folder(context: &Context) -> Result<PathBuf, CliError> {
    Ok(library::folder(&context.state_dir()?))
}

#[derive(Serialize)]
struct TakenReport {
    schema: u32,
    added: Vec<String>,
    left_out: Vec<String>,
}

/// Takes cases over; what comes in never acts by itself. With `strict` anything left out is an error.
pub(super) fn take(context: &Context, file: &Path, strict: bool) -> Result<ExitCode, CliError> {
    let bad = |why: String| {
        CliError::new(Kind::NeedsPerson, format!("{}: {why}", file.display()))
            .hint("`clawmend cases show ID --json` shows a case that is right")
    };
    let cases = share::read(file).map_err(bad)?;
    let library = load(context);
    let taken = share::take(cases, &library, &user_folder(context)?)?;
    if strict && let Some(why) = taken.left_out.first() {
        return Err(bad(why.clone()));
    }
    if context.global.json {
        output::print_json(&TakenReport { schema: SCHEMA, added: taken.added, left_out: taken.left_out })?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = String::new();
    for id in &taken.added {
        let _ = writeln!(text, "added {}; it tells, and does nothing by itself", clean(id, 64));
    }
    output::print(&text)?;
    for why in &taken.left_out {
        output::tell(&format!("left out: {}", clean(why, 300)));
    }
    Ok(ExitCode::SUCCESS)
}

fn export(context: &Context, ids: &[String]) -> Result<ExitCode, CliError> {
    let library = load(context);
    let own = |(case, origin): (&Case, &library::Origin)| (*origin == library::Origin::User).then(|| case.clone());
    let cases: Vec<Case> = if ids.is_empty() {
        library.cases.iter().zip(&library.origins).filter_map(own).collect()
    } else {
        let find = |id: &String| {
            library.find(id).and_then(|place| library.cases.get(place)).cloned().ok_or_else(|| unknown(id))
        };
        ids.iter().map(find).collect::<Result<_, _>>()?
    };
    if cases.is_empty() {
        return Err(CliError::new(Kind::NotFound, "there are no cases of your own to export")
            .hint("name the ids of built-in ones to export those"));
    }
    let text = share::export(cases).map_err(|why| CliError::new(Kind::Internal, why))?;
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct TestReport {
    schema: u32,
    tested: usize,
    failures: Vec<String>,
}

fn test(context: &Context, which: Option<&str>) -> Result<ExitCode, CliError> {
    let mut library = load(context);
    let mut places: Vec<usize> = (0..library.cases.len()).collect();
    if let Some(which) = which {
        places = match library.find(which) {
            Some(place) => vec![place],
            None if Path::new(which).exists() => vec![put(&mut library, Path::new(which))?],
            None => return Err(unknown(which)),
        };
    }
    let failures: Vec<String> =
        places.iter().filter_map(|place| crate::doctor::trial::failure(&library, *place)).collect();
    if context.global.json {
        output::print_json(&TestReport { schema: SCHEMA, tested: places.len(), failures: failures.clone() })?;
    } else {
        let mut text = String::new();
        for failure in &failures {
            let _ = writeln!(text, "{}", clean(failure, 600));
        }
        let _ = writeln!(text, "tested: {}, failed: {}", places.len(), failures.len());
        output::print(&text)?;
    }
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A case that is not in the library yet takes part in it.
fn put(library: &mut Library, file: &Path) -> Result<usize, CliError> {
    let case =
        library::read(file).map_err(|why| CliError::new(Kind::NeedsPerson, format!("{}: {why}", file.display())))?;
    Ok(library.put(case))
}
