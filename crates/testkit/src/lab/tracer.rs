//! A debugger's hold on a process, by `strace`.

use super::permit::Unavailable;
use super::process::Life;
use super::wait::until;
use anyhow::{Context, Result};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Traces a process until it is dropped.
#[derive(Debug)]
pub struct Tracer(Child);

impl Tracer {
    /// Whether it can work here.
    ///
    /// # Errors
    /// What is missing.
    pub fn available() -> Result<(), Unavailable> {
        let found = Command::new("strace").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if found.is_ok_and(|status| status.success()) {
            Ok(())
        } else {
            Err(Unavailable("strace is not installed".into()))
        }
    }

    /// Attaches to all threads of a process; returns when the kernel names the tracer.
    ///
    /// # Errors
    /// When tracing is not permitted.
    pub fn attach(life: Life) -> Result<Self> {
        Self::begin(life.pid, &["-e", "trace=none"])
    }

    /// The same; each write to this file takes so long from now on.
    ///
    /// # Errors
    /// When tracing is not permitted.
    pub fn hold_writes(pid: u32, path: &Path, each: Duration) -> Result<Self> {
        let path = path.to_str().context("a path that is no text")?;
        let inject = format!("inject=write:delay_enter={}", each.as_micros());
        Self::begin(pid, &["-P", path, "-e", "trace=write", "-e", &inject])
    }

    fn begin(pid: u32, arguments: &[&str]) -> Result<Self> {
        let child = Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "-p", &pid.to_string()])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("starting strace")?;
        let tracer = Self(child);
        let wanted = format!("TracerPid:\t{}", tracer.0.id());
        let status = format!("/proc/{pid}/status");
        until("the tracer to be attached", Duration::from_secs(20), || {
            std::fs::read_to_string(&status).is_ok_and(|text| text.lines().any(|line| line == wanted))
        })?;
        Ok(tracer)
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // SIGINT makes strace detach in order; SIGKILL would let go of the process as well, without the goodbye.
        if let Ok(life) = Life::of(self.0.id()) {
            let _ = life.signal(rustix::process::Signal::INT);
            let _ = life.ended(Duration::from_secs(5));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
