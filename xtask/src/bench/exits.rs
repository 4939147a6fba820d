//! How long after the end of a child its replacement is executed: many ends, of a child that costs nothing.
//!
//! The child is a [`stand_in`]. What is measured (keeper, guard, keeper, exec) knows nothing of what it runs, and a real
//! gateway would cost half a minute for each sample; [`super::recovery`] has a few of those. A guard answers few starts
//! within five minutes at once, so there is a fresh one for every [`PER_GUARD`] ends.

use super::clock::{milliseconds, now_us};
use super::recovery::{stamped, stamping};
use super::{Bench, Figure};
use anyhow::{Context, Result};
use clawmend_testkit::lab::{Guard, Home, HomeOptions, Life, until_some};
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

const BOUND: Duration = Duration::from_secs(20);
/// After the last question of the benchmark, so that its own process is gone.
const SETTLE: Duration = Duration::from_millis(200);
/// Below the 12 starts within five minutes from which on starts are spaced.
const PER_GUARD: u32 = 10;
/// Probes are quick, and one good answer is enough, so that a sample takes less than a second.
const SETTINGS: &str = "\n[policy.override]\nprobe_interval_ms = 100\nconfirm_interval_ms = 100\nverify_ms = 0\n\
                        starts_per_hour = 1000\n";

/// Measures `samples` ends.
///
/// # Errors
/// When a replacement does not come.
pub fn measure(bench: &Bench, samples: u32) -> Result<Vec<Figure>> {
    let own = "stand-in: exit seen → replacement executed, the keeper's clock";
    let outside = "stand-in: exit (pidfd) → replacement's own first words, outside clock";
    let mut figures = (Figure::new(own, "ms", &[(50, 1.0), (99, 10.0)]), Figure::new(outside, "ms", &[(99, 20.0)]));
    println!("bench: {samples} exits of a stand-in");
    let mut left = samples;
    while left > 0 {
        let ends = left.min(PER_GUARD);
        some(bench, ends, &mut figures)?;
        left -= ends;
    }
    Ok(vec![figures.0, figures.1])
}

fn some(bench: &Bench, ends: u32, (own, outside): &mut (Figure, Figure)) -> Result<()> {
    let home = Home::new(HomeOptions::default())?;
    let file = home.path().join("stamps");
    let this = std::env::current_exe()?;
    let this = this.to_str().context("a path is not text")?;
    let arguments = stamping(&file, &[this, "stand-in", &home.port.to_string()])?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut guard = Guard::with_arguments(Bench::permit()?, bench.program()?, home, &arguments)?;
    let config = guard.dirs.config();
    let settings = std::fs::read_to_string(&config)? + SETTINGS;
    std::fs::write(&config, settings)?;
    guard.start()?;
    let mut old = None;
    let mut life = executed(&guard, &file, old)?.0;
    for _ in 0..ends {
        // A life that was seen to serve is followed by another one without a wait.
        guard.verdict("healthy", BOUND)?;
        std::thread::sleep(SETTLE);
        life.signal(Signal::KILL)?;
        life.ended(BOUND)?;
        let ended = now_us();
        old = Some(life);
        let at;
        (life, at) = executed(&guard, &file, old)?;
        outside.samples.push(milliseconds(ended, at));
        own.samples.push(guard.executed_after_end(life)?.as_secs_f64() * 1e3);
    }
    Ok(())
}

fn executed(guard: &Guard, file: &Path, old: Option<Life>) -> Result<(Life, u64)> {
    let what = "the stand-in to be executed";
    let ((pid, at), _) = until_some(what, BOUND, || Ok(stamped(file, old))).with_context(|| guard.output_tail())?;
    Ok((Life::of(pid)?, at))
}

/// Answers the health endpoints as a healthy gateway does, until it is killed.
///
/// # Errors
/// When the port is taken.
pub fn stand_in(port: u16) -> Result<()> {
    for stream in TcpListener::bind((Ipv4Addr::LOCALHOST, port))?.incoming().flatten() {
        std::thread::spawn(move || serve(stream));
    }
    Ok(())
}

fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut chunk = [0; 1024];
    loop {
        let length = stream.read(&mut chunk)?;
        request.extend_from_slice(&chunk[..length]);
        if length == 0 || request.len() > 64 * 1024 {
            return Ok(());
        }
        if !request.ends_with(b"\r\n\r\n") {
            continue;
        }
        let body = match request.split(|byte| *byte == b' ').nth(1) {
            Some(b"/healthz") => r#"{"ok":true,"status":"live"}"#,
            Some(b"/startupz") => r#"{"ok":true,"status":"started","version":"0","uptimeMs":1}"#,
            Some(_) | None => r#"{"ready":true,"failing":[],"uptimeMs":1}"#,
        };
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length";
        write!(stream, "{head}: {}\r\n\r\n{body}", body.len())?;
        request.clear();
    }
}
