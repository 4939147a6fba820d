//! Where the guard's own words go: its standard error, and for what is serious the platform's log.
//!
//! Invariant: a log that is broken, full or gone costs nothing but its lines.

#[cfg(target_os = "linux")]
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;

/// Sets the log up, once per process. `quiet`: a person watches an account of what happens, so standard error is left
/// to that.
pub fn set_up(quiet: bool) {
    let lines = (!quiet && !journal_reads_stderr()).then(|| {
        let level = tracing_subscriber::EnvFilter::try_from_env("CLAWMEND_LOG")
            .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("clawmend=info"));
        tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(false)
            .with_target(false)
            .log_internal_errors(false)
            .with_filter(level)
    });
    // A second set-up in one process is a test's doing.
    let _ = tracing_subscriber::registry().with(lines).with(platform()).try_init();
}

/// The journal shows our standard error already; saying it twice helps nobody.
fn journal_reads_stderr() -> bool {
    cfg!(target_os = "linux") && std::env::var_os("JOURNAL_STREAM").is_some() && platform_there()
}

#[cfg(target_os = "linux")]
fn platform_there() -> bool {
    tracing_journald::layer().is_ok()
}

#[cfg(not(target_os = "linux"))]
const fn platform_there() -> bool {
    false
}

#[cfg(target_os = "linux")]
fn platform<S>() -> Option<impl tracing_subscriber::Layer<S>>
where
    S: tracing::Subscriber + for<'span> tracing_subscriber::registry::LookupSpan<'span>,
{
    let level = if std::env::var_os("JOURNAL_STREAM").is_some() { LevelFilter::INFO } else { LevelFilter::WARN };
    Some(tracing_journald::layer().ok()?.with_syslog_identifier("clawmend".to_owned()).with_filter(level))
}

/// Not written to yet on this system.
#[cfg(not(target_os = "linux"))]
fn platform() -> tracing_subscriber::layer::Identity {
    tracing_subscriber::layer::Identity::new()
}
