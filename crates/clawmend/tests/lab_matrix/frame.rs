//! What every lab of the matrix shares: a guarded gateway in a home of its own, and the one line at its end.
//!
//! A fault counts as repaired when the gateway serves again without a hand on gateway or guard, and the incident is
//! closed with the right cause. It counts as handed over when nothing was done that could harm, the cause is named by
//! record and doctor, and a person was told.

use anyhow::{Context, Result, ensure};
use clawmend_testkit::lab::{Form, Guard, HomeOptions, Life, MockModel, MockTelegram};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

pub const CLAWMEND: &str = env!("CARGO_BIN_EXE_clawmend");
/// What is bounded by a few probes, generously.
pub const SOON: Duration = Duration::from_secs(60);
/// A start that is refused takes 3–30 s on a quiet machine.
pub const REFUSED_BOUND: Duration = Duration::from_secs(180);

/// One fault of the matrix.
pub struct Fault {
    name: &'static str,
    /// The guard, its gateway and their folders.
    pub guard: Guard,
}

/// A lab over a guard with a command line of its own.
pub const fn of(name: &'static str, guard: Guard) -> Fault {
    Fault { name, guard }
}

/// A guard that was not started yet. `None`: it cannot run here, and that was said.
pub fn prepared(name: &'static str, options: HomeOptions, policy: &[(&str, u64)]) -> Result<Option<Fault>> {
    let Some(guard) = Guard::prepared_in(Form::Child, name, CLAWMEND, options)? else {
        return Ok(None);
    };
    if !policy.is_empty() {
        guard.set_policy(policy)?;
    }
    Ok(Some(Fault { name, guard }))
}

/// A guard of a healthy gateway.
pub fn healthy(name: &'static str, options: HomeOptions, policy: &[(&str, u64)]) -> Result<Option<(Fault, Life)>> {
    let Some(mut fault) = prepared(name, options, policy)? else { return Ok(None) };
    fault.guard.start()?;
    let life = fault.guard.healthy()?;
    Ok(Some((fault, life)))
}

/// A home whose channel talks to this mock.
pub fn with_telegram(telegram: &MockTelegram) -> HomeOptions {
    HomeOptions { telegram: Some(telegram.port), ..HomeOptions::default() }
}

/// A home whose turns go to this mock.
pub fn with_model(model: &MockModel) -> HomeOptions {
    HomeOptions { model: Some(model.port), ..HomeOptions::default() }
}

impl Fault {
    /// Ends the lab: the incident is closed and the gateway serves. Prints the line of the matrix.
    pub fn repaired(&self, incident: &Value) -> Result<()> {
        ensure!(incident["state"] == json!("closed"), "{incident}");
        let serving = incident["serving_after_ms"].as_u64().with_context(|| format!("it never served: {incident}"))?;
        let (code, outcome) = (&incident["cause"]["code"], &incident["outcome"]);
        self.repaired_in(Duration::from_millis(serving), &format!("{}, {}", plain(code), plain(outcome)));
        Ok(())
    }

    /// The same where no incident tells the time.
    pub fn repaired_in(&self, serving_after: Duration, how: &str) {
        eprintln!("measured: {}: from onset to serving {serving_after:?} ({how})", self.name);
        eprintln!("fault: {}: repaired in {} ms ({how})", self.name, serving_after.as_millis());
    }

    /// Ends the lab: this is what a person was told, or finds. Prints the line of the matrix.
    pub fn handed_over(&self, cause: &str) {
        eprintln!("fault: {}: handed over: {cause}", self.name);
    }

    /// A gateway that refuses to start: named with this reason, told to a person, started at most `starts` times over
    /// a while, and no file of the person changed. Returns the open incident.
    pub fn refused_and_told(&self, says: &str, starts: usize) -> Result<Value> {
        let guard = &self.guard;
        let incident = guard.named("refused_to_start", REFUSED_BOUND)?;
        let told = guard.told(&incident, says, SOON)?;
        let files = guard.users_files()?;
        clawmend_testkit::lab::hold("no storm of starts", Duration::from_secs(20), || {
            std::thread::sleep(Duration::from_secs(1));
            Ok(guard.starts_issued()? <= starts)
        })
        .with_context(|| format!("{:?}", guard.last_incident()))?;
        unchanged(&files, &guard.users_files()?)?;
        let (status, incident) = (guard.status()?, guard.last_incident()?);
        // The next try may be under way.
        ensure!(status["verdict"] == json!("down") || status["verdict"] == json!("starting"), "{status}");
        ensure!(incident["state"] == json!("open"), "{incident}");
        ensure!(incident["cause"]["code"] == json!("refused_to_start"), "{incident}");
        eprintln!("measured: {}: a person was told: {told}", self.name);
        Ok(incident)
    }
}

/// Byte for byte.
pub fn unchanged(before: &BTreeMap<PathBuf, Vec<u8>>, after: &BTreeMap<PathBuf, Vec<u8>>) -> Result<()> {
    let differs: Vec<_> =
        before.keys().chain(after.keys()).filter(|path| before.get(*path) != after.get(*path)).collect();
    ensure!(differs.is_empty(), "files of the person were changed: {differs:?}");
    Ok(())
}

/// A text without its quotation marks.
pub fn plain(value: &Value) -> &str {
    value.as_str().unwrap_or("unknown")
}
