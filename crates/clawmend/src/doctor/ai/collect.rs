//! Puts the evidence together: from what the doctor found, from a gateway of this machine, from the end of a log.
//!
//! Invariant: reads, and changes nothing; what cannot be read is told and left out. Start with [`secrets`]: what is known
//! to be secret has to be there before the first line is taken.

use super::evidence::{Evidence, Source};
use super::hidden::Hidden;
use super::tail;
use crate::api::types::GatewayStatus;
use crate::doctor::exam::Exam;
use crate::doctor::{Diagnosis, Library, here, line};
use crate::openclaw::discovery::Home;
use crate::openclaw::files;
use crate::service::UnitWords;
use crate::settings::{AiSettings, CredentialSource};
use std::path::Path;

/// Longest credential that is read to be hidden.
const MAX_CREDENTIAL: u64 = 16 * 1024;

/// Everything on this host that is known to be secret: of our own environment, and of the gateways in `homes`.
#[must_use]
pub fn secrets<'a>(settings: &AiSettings, homes: impl Iterator<Item = &'a Home>) -> Hidden {
    let mut hidden = Hidden::default();
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    hidden.add_environment(std::env::vars_os().filter_map(text));
    match &settings.credential {
        // Whatever it is called.
        Some(CredentialSource::Variable(name)) => {
            std::env::var(name).iter().for_each(|value| hidden.add(value));
        }
        Some(CredentialSource::File(path)) => {
            let bytes = files::read_bounded(path, MAX_CREDENTIAL).unwrap_or_default();
            hidden.add(&String::from_utf8_lossy(&bytes));
        }
        None => {}
    }
    for home in homes {
        hidden.add_home(home, |name| std::env::var(name).ok());
    }
    hidden
}

/// Adds what the doctor found: facts, known cases with the lines that decided, and what no case knows.
pub fn findings(evidence: &mut Evidence, library: &Library, exam: &Exam<'_>, diagnosis: &Diagnosis) {
    for (_, said) in &exam.findings.facts {
        evidence.add(Source::Fact, said);
    }
    for ranked in &diagnosis.causes {
        if let Some(case) = library.cases.get(ranked.case) {
            let sure = (ranked.confidence * 100.0).round();
            evidence.add(Source::Case, &format!("{} ({sure} %): {}", case.id, case.title.en));
        }
        for line in &ranked.lines {
            let source = Source::Log { file: line.source.clone(), line: Some(line.number) };
            evidence.add(source, &line.text);
        }
    }
    for unknown in &diagnosis.unknown {
        evidence.add(Source::Pattern { count: unknown.count }, &unknown.example);
    }
}

/// Which gateway, and what counts of its log.
#[derive(Debug)]
pub struct Gateway<'a> {
    /// Where it lives.
    pub home: &'a Home,
    /// What the guard says.
    pub status: Option<&'a GatewayStatus>,
    /// From when on its log counts, in milliseconds since 1970.
    pub since_ms: i64,
    /// It is the only one here; else only lines that name it count.
    pub alone: bool,
    /// Its user.
    pub uid: u32,
}

/// Adds our own look at a gateway of this machine, and the end of its log. What was left out, for people.
pub fn gateway(evidence: &mut Evidence, of: &Gateway<'_>) -> Vec<String> {
    let said = of.status.map(here::facts_of).unwrap_or_default();
    for (_, said) in here::look(of.home, of.uid).iter().chain(&said) {
        evidence.add(Source::Fact, said);
    }
    let ours = here::Ours::of(of.home, of.since_ms, of.alone);
    let paths = here::logs(of.home, of.uid);
    paths.iter().filter_map(|path| log(evidence, path, |line| ours.holds(line))).collect()
}

/// Adds what a unit has printed since, in milliseconds since 1970. Waits for another program. Why it was left out, for
/// people.
pub fn unit(evidence: &mut Evidence, words: &UnitWords, uid: u32, since_ms: i64) -> Option<String> {
    let heard = words.since(uid, since_ms);
    for text in String::from_utf8_lossy(&heard.text).lines() {
        evidence.add_last(Path::new(words.unit()), &line::parse(text).text);
    }
    heard.left_out
}

/// Adds the end of a log, of the lines for which `ours` holds. Why it was left out, for people.
pub fn log(evidence: &mut Evidence, path: &Path, ours: impl Fn(&[u8]) -> bool) -> Option<String> {
    let error = tail::add(evidence, path, ours).err()?;
    Some(format!("the end of {} was not sent along: {error}", path.display()))
}
