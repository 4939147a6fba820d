//! `clawmend bundle`: the evidence of an incident, or of now, as one archive to hand to a person.
//!
//! Asks everybody who knows something, and names who did not answer; hiding and writing are [`crate::bundle`]'s.

use super::context::Context;
use super::doctor::{self, user};
use super::error::{CliError, Kind};
use super::output::{self, Style, clean};
use super::{config, incidents, status};
use crate::api::types::{GatewayStatus, IncidentDetail, SCHEMA, StatusReport};
use crate::bundle::archive::{self, WriteError};
use crate::bundle::log::{Lines, Span};
use crate::bundle::{LeftOut, Parcel, log, readme, scrub, settings, stability};
use crate::daemon::setup;
use crate::doctor::exam::Exam;
use crate::doctor::figures::{self, Figures};
use crate::doctor::log::Log;
use crate::doctor::report::{Tongue, report};
use crate::doctor::{consult, here};
use crate::generations::{Room, Snapshot, value_of};
use crate::host::{clock, disk};
use crate::openclaw::discovery::Home;
use crate::openclaw::environ::Environ;
use crate::openclaw::redact::redact;
use crate::store::{Filter, ReadError, Reader};
use clawmend_core::directive::IncidentId;
use clawmend_core::gateway::GatewayId;
use jiff::tz::TimeZone;
use secrecy::SecretString;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Reading logs ends after this.
const PATIENCE: Duration = Duration::from_secs(20);
/// Incidents of a bundle of now.
const RECENT: u32 = 5;
/// Before an incident and after it, the log counts for so long.
const AROUND_MS: i64 = 2 * 60 * 1000;
/// Earlier configs whose secrets are hidden, too.
const MAX_EARLIER: usize = 16;

/// Options of `bundle`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Number of an incident; without it, the evidence of now
    #[arg(value_name = "INCIDENT")]
    incident: Option<u64>,
    /// Write this file instead of one in the present folder; an existing one is never overwritten
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report<'a> {
    schema: u32,
    file: String,
    bytes: u64,
    gateway: &'a str,
    incident: Option<u64>,
    parts: Vec<PartReport>,
    left_out: &'a [LeftOut],
}

#[derive(Serialize)]
struct PartReport {
    name: &'static str,
    bytes: usize,
}

/// What the bundle is about.
pub(super) struct About {
    pub gateway: GatewayId,
    pub home: Option<Home>,
    /// Nobody else shares its log.
    pub alone: bool,
    pub incident: Option<IncidentDetail>,
}

pub(super) fn bundle(context: &Context, args: &Args) -> Result<ExitCode, CliError> {
    let incident = args.incident.map(|id| incidents::find(context, IncidentId(id))).transpose()?;
    let (status, unasked) = match status::look(context) {
        Ok(status) => (status, None),
        // A guard of another version or user leaves what files tell.
        Err(error) => (status::without_guard(context)?, Some(error.message)),
    };
    let about = about(context, &status, incident)?;
    let mut parcel = Parcel::new(hide(context, &about));
    if let Some(why) = unasked {
        parcel.leave_out("status.json", format!("the guard did not answer, so this is from its records: {why}"));
    }
    fill(context, &about, &status, &mut parcel)?;

    let now = jiff::Timestamp::now();
    let top = format!("clawmend-bundle-{}-{}", about.gateway.0, now.strftime("%Y%m%dT%H%M%SZ"));
    let of = about
        .incident
        .as_ref()
        .map_or_else(|| "as it is now".to_owned(), |it| format!("incident {}", it.incident.id.0));
    let page = readme::page(&about.gateway.0, &of, &format!("{now:.0}"), parcel.parts(), parcel.left_out());
    parcel.first("README.txt", &page);
    let path = args.output.clone().unwrap_or_else(|| PathBuf::from(format!("{top}.tar.gz")));
    let path = std::path::absolute(&path)?;
    let bytes = archive::write(&path, &top, parcel.parts(), u64::try_from(now.as_second()).unwrap_or(0))?;
    tell(context, &about, &path.display().to_string(), bytes, &parcel)?;
    Ok(ExitCode::SUCCESS)
}

fn tell(context: &Context, about: &About, file: &str, bytes: u64, parcel: &Parcel) -> Result<(), CliError> {
    if context.global.json {
        let parts = parcel.parts().iter().map(|part| PartReport { name: part.name, bytes: part.text.len() });
        return output::print_json(&Report {
            schema: SCHEMA,
            file: file.to_owned(),
            bytes,
            gateway: &about.gateway.0,
            incident: about.incident.as_ref().map(|it| it.incident.id.0),
            parts: parts.collect(),
            left_out: parcel.left_out(),
        });
    }
    for one in parcel.left_out() {
        output::tell(&format!("left out: {}: {}", one.name, clean(&one.why, 300)));
    }
    output::print(&format!("{file}\n"))?;
    output::tell("secrets are masked; look through it before you give it to anybody");
    Ok(())
}

/// Which gateway: the incident's, the one that was named, or the only one here.
pub(super) fn about(
    context: &Context,
    status: &StatusReport,
    incident: Option<IncidentDetail>,
) -> Result<About, CliError> {
    let named = context.global.gateway.clone().or_else(|| incident.as_ref().map(|it| it.incident.gateway.clone()));
    let found = setup::homes_here(None, &config::settings(context)?).unwrap_or_default();
    let mut homes = here::homes(found.clone(), Some(status));
    for home in here::homes(found, None) {
        if !homes.iter().any(|known| known.state_dir == home.state_dir) {
            homes.push(home);
        }
    }
    homes.retain(|home| home.state_dir.is_dir());
    let alone = homes.len() == 1;
    homes.retain(|home| named.as_ref().is_none_or(|id| home.id == *id));
    if homes.len() > 1 {
        let names = homes.iter().map(|home| home.id.0.as_str()).collect::<Vec<_>>().join(", ");
        return Err(CliError::new(Kind::Usage, format!("there are several gateways here: {names}"))
            .hint("say which one with --gateway ID"));
    }
    let home = homes.pop();
    let known = |id: &GatewayId| status.gateways.iter().any(|gateway| gateway.id == *id);
    let gateway =
        home.as_ref().map(|home| home.id.clone()).or_else(|| named.filter(|id| incident.is_some() || known(id)));
    match gateway {
        Some(gateway) => Ok(About { gateway, home, alone, incident }),
        None => Err(CliError::new(Kind::NotFound, "there is no such OpenClaw gateway here")
            .hint("set OPENCLAW_STATE_DIR or OPENCLAW_PROFILE if it lives elsewhere")),
    }
}

/// Every secret that can be known: of the config, of earlier ones, and of the environment.
fn hide(context: &Context, about: &About) -> scrub::Scrub {
    let Some(home) = &about.home else { return scrub::Scrub::new(&[], std::env::home_dir().as_deref()) };
    let environ = Environ::of(home, user());
    let mut secrets: Vec<SecretString> = environ.secrets();
    let mut take = |snapshot: &Snapshot| match value_of(snapshot) {
        Ok(value) => secrets.extend(scrub::of_tree(&crate::openclaw::config::tree(&value))),
        Err(_) => {
            for file in &snapshot.files {
                secrets.extend(scrub::of_broken(&String::from_utf8_lossy(&file.bytes)));
            }
        }
    };
    Snapshot::take(home, |name| environ.get(name)).iter().for_each(&mut take);
    let room = context.state_dir().ok().and_then(|state| Room::existing(&state, &home.id));
    if let Some(room) = room {
        let earlier = room.list().unwrap_or_default();
        let loaded = earlier.iter().take(MAX_EARLIER).filter_map(|one| room.load(&one.id).ok());
        loaded.for_each(|one| take(&one.snapshot));
    }
    scrub::Scrub::new(&secrets, Some(&home.user_home))
}

fn fill(context: &Context, about: &About, status: &StatusReport, parcel: &mut Parcel) -> Result<(), CliError> {
    parcel.json("status.json", status);
    records(context, about, parcel);
    let Some(home) = &about.home else {
        parcel.leave_out("config.json", "its OpenClaw home is not here any more");
        return Ok(());
    };
    let seen = doctor::of(status, home);
    let measured = figures::measure(home, user());
    let span = span(about, seen);
    let written = Written::of(context, about, home, (seen, span), parcel);
    diagnose(context, about, home, seen, &measured, (&written, span), parcel)?;
    let openclaw = checks(context, home, parcel);
    parcel.json("process.json", &Surroundings::of(home, &measured));
    let lines = logs(&written, span, about.alone, home, parcel);
    parcel.json(
        "versions.json",
        &serde_json::json!({
            "clawmend": crate::version::VERSION,
            "openclaw_installed": openclaw,
            "node": lines.node(),
            "kernel": measured.host.kernel,
        }),
    );
    if lines.is_empty() {
        parcel.leave_out("log.txt", "no line of that time was found");
    } else {
        parcel.lines("log.txt", lines.into_lines(), log::MAX_BYTES);
    }
    let headlines = stability::headlines(home);
    if !headlines.is_empty() {
        parcel.json("stability.json", &headlines);
    }
    Ok(())
}

/// What the gateway wrote and printed in that time.
struct Written {
    paths: Vec<PathBuf>,
    /// Of a unit: where its words are from, and they.
    unit: Option<(String, Vec<u8>)>,
}

impl Written {
    fn of(
        context: &Context,
        about: &About,
        home: &Home,
        (seen, span): (Option<&GatewayStatus>, Span),
        parcel: &mut Parcel,
    ) -> Self {
        let paths = log_paths(context, home, span);
        let kept = paths.iter().any(|path| path.file_name().is_some_and(|name| name == "gateway.log"));
        let words = if kept { None } else { doctor::unit_words(context, home, seen) };
        let unit = words.map(|words| {
            let over = about.incident.as_ref().is_some_and(|detail| detail.incident.closed_at.is_some());
            let heard = words.between(user(), span.since_ms, over.then_some(span.until_ms));
            if let Some(why) = heard.left_out {
                parcel.leave_out("log.txt", redact(&why, 300));
            }
            (format!("the journal of {}", words.unit()), heard.text)
        });
        Self { paths, unit }
    }

    /// A unit's words as a log.
    fn printed(&self) -> Option<(&str, Log)> {
        self.unit.as_ref().map(|(name, text)| (name.as_str(), Log::of_bytes(name, text.clone())))
    }
}

/// The figures and the disk.
#[derive(Serialize)]
struct Surroundings<'a> {
    #[serde(flatten)]
    measured: &'a Figures,
    disk_free_bytes: Option<u64>,
    disk_writable: Option<bool>,
}

impl<'a> Surroundings<'a> {
    fn of(home: &Home, measured: &'a Figures) -> Self {
        let space = disk::space(&home.state_dir).ok();
        let (disk_free_bytes, disk_writable) = (space.map(|space| space.free_bytes), space.map(|space| space.writable));
        Self { measured, disk_free_bytes, disk_writable }
    }
}

/// The incident, or the newest ones of this gateway.
fn records(context: &Context, about: &About, parcel: &mut Parcel) {
    let found = match &about.incident {
        Some(detail) => Ok(vec![detail.clone()]),
        None => recent(context, &about.gateway),
    };
    match found {
        Ok(found) if found.is_empty() => parcel.leave_out("incidents.json", "nothing was recorded yet"),
        Ok(found) => {
            let zone = TimeZone::UTC;
            let pages: Vec<String> =
                found.iter().map(|detail| incidents::timeline(detail, &zone, Style::PLAIN)).collect();
            parcel.json("incidents.json", &found);
            parcel.text("incidents.txt", &pages.join("\n"));
        }
        Err(why) => parcel.leave_out("incidents.json", why),
    }
}

fn recent(context: &Context, gateway: &GatewayId) -> Result<Vec<IncidentDetail>, String> {
    let state = context.state_dir().map_err(|error| error.message)?;
    let reader = match Reader::open(&state) {
        Ok(reader) => reader,
        Err(ReadError::Nothing { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error.to_string()),
    };
    let filter = Filter { gateway: Some(gateway.clone()), open_only: false };
    let page = reader.incidents(&filter, RECENT, None).map_err(|error| error.to_string())?;
    let whole = |id| reader.incident(Some(gateway), id).unwrap_or_default();
    let all = page.incidents.iter().flat_map(|(record, _)| whole(record.id));
    Ok(all.map(|(record, events)| IncidentDetail::new(&record, &events)).collect())
}

/// From a little before the trouble until now, or until a little after it was over.
pub(super) fn span(about: &About, seen: Option<&GatewayStatus>) -> Span {
    let now = clock::now().wall.0;
    let deadline = Instant::now() + PATIENCE;
    match &about.incident {
        Some(detail) => Span {
            since_ms: detail.incident.onset_at.0.0.saturating_sub(AROUND_MS),
            until_ms: detail.incident.closed_at.map_or(now, |at| at.0.0.saturating_add(AROUND_MS)),
            deadline,
        },
        None => Span { since_ms: doctor::since(seen), until_ms: now, deadline },
    }
}

/// The logs of that time: the gateway's own, and what a keeper kept.
pub(super) fn log_paths(context: &Context, home: &Home, span: Span) -> Vec<PathBuf> {
    let keeper = context.state_dir().ok().map(|state| setup::log_dir(&state, &home.id).join("gateway.log"));
    let mut paths = here::logs_between(home, user(), span.since_ms, span.until_ms);
    paths.extend(keeper.filter(|path| path.is_file()));
    paths
}

/// Examines what was written in that time. A log that cannot be read is none.
pub(super) fn read_span(exam: &mut Exam<'_>, paths: &[PathBuf], span: Span, alone: bool, home: &Home) {
    let ours = here::names_home(home);
    for path in paths {
        let Ok(log) = Log::open(path, Some(span.since_ms)) else { continue };
        exam.read_ours(log, |line| {
            let at = crate::doctor::line::time_of(line);
            at.is_none_or(|at| (span.since_ms..=span.until_ms).contains(&at)) && (alone || ours(line))
        });
    }
}

fn diagnose(
    context: &Context,
    about: &About,
    home: &Home,
    seen: Option<&GatewayStatus>,
    measured: &Figures,
    (written, span): (&Written, Span),
    parcel: &mut Parcel,
) -> Result<(), CliError> {
    let library = doctor::load(context);
    let mut exam = Exam::new(&library.cases, true).map_err(|why| CliError::new(Kind::Internal, why))?;
    match &about.incident {
        // What is so now says nothing of an incident that is over.
        Some(detail) if detail.incident.closed_at.is_some() => {
            if let Some(cause) = &detail.incident.cause {
                exam.read(Log::of_text("what the guard recorded", &cause.detail));
            }
            read_span(&mut exam, &written.paths, span, about.alone, home);
        }
        Some(_) | None => doctor::look_at(&mut exam, home, seen, about.alone, measured),
    }
    if let Some((_, words)) = written.printed() {
        exam.read(words);
    }
    let diagnosis = consult(&library, &exam, None, &doctor::standings(context));
    let tongues = [Tongue::English, Tongue::Chinese];
    let reports = tongues.map(|tongue| (report(&library, &diagnosis, tongue), tongue));
    parcel.json("doctor.json", &reports[0].0);
    let pages = reports.map(|(report, tongue)| {
        doctor::render(&report, exam.saw_gateway, diagnosis.more_unknown, tongue, Style::PLAIN)
    });
    parcel.text("doctor.txt", &pages.join("\n"));
    Ok(())
}

/// The config's check and keys; the version of OpenClaw that is installed.
fn checks(context: &Context, home: &Home, parcel: &mut Parcel) -> Option<String> {
    match config::examine(context, home.clone()) {
        Ok(examined) => {
            parcel.json("config-check.json", &examined.report);
            parcel.text("config-check.txt", &examined.page);
            match &examined.value {
                Some(value) => parcel.json("config.json", &settings::hidden(&crate::openclaw::config::tree(value))),
                None => parcel.leave_out("config.json", "it cannot be read; config-check.txt says why"),
            }
            examined.openclaw
        }
        Err(error) => {
            parcel.leave_out("config-check.json", error.message);
            None
        }
    }
}

fn logs(written: &Written, span: Span, alone: bool, home: &Home, parcel: &mut Parcel) -> Lines {
    let mut lines = Lines::default();
    let ours = here::names_home(home);
    for path in &written.paths {
        if let Err(why) = lines.read(path, span, |line| alone || ours(line)) {
            parcel.leave_out("log.txt", redact(&why, 300));
        }
    }
    if let Some((name, words)) = written.printed() {
        lines.take(name, words, span, |_| true);
    }
    lines
}

impl From<WriteError> for CliError {
    fn from(error: WriteError) -> Self {
        let message = error.to_string();
        match error {
            WriteError::Exists(_) => {
                Self::new(Kind::NeedsPerson, message).hint("choose another name with --output FILE")
            }
            WriteError::Full(_) => Self::new(Kind::Retry, message).hint("write to another disk with --output FILE"),
            WriteError::Denied(_) => Self::new(Kind::Refused, message).hint("choose another folder with --output FILE"),
            WriteError::NoFolder(_) => {
                Self::new(Kind::NotFound, message).hint("choose another folder with --output FILE")
            }
            WriteError::Io { .. } => {
                Self::new(Kind::Retry, message).hint("try again, or choose another place with --output FILE")
            }
        }
    }
}
