//! Tasks of this repository: `cargo xtask --help`.
//!
//! Start at [`Task`]. Everything that a task installs goes into a cache outside the repository, with pinned versions.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool speaks on its standard streams")]

#[cfg(target_os = "linux")]
mod bench;
#[cfg(not(target_os = "linux"))]
#[path = "bench_elsewhere.rs"]
mod bench;
mod campaign;
mod ci;
mod faults;
mod fuzz;
mod machine;
mod matrix;
mod page;
mod run;
mod set_up;
mod targets;
mod test;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Set-up, tests, labs, benchmarks and campaigns of this repository")]
struct Tasks {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Bring what the tests need: Node and OpenClaw, packages of Debian, Rust targets. Does nothing twice.
    SetUp,
    /// Set up, then run all tests, labs with real gateways included.
    Test {
        /// Only labs whose name contains this.
        #[arg(long)]
        lab: Option<String>,
        /// Leave the labs out.
        #[arg(long, conflicts_with = "lab")]
        no_labs: bool,
    },
    /// Run every fault in every form several times.
    Matrix {
        /// How often; 3 by default, and once with --faults.
        #[arg(long)]
        repeat: Option<u32>,
        /// Only labs whose name contains this.
        #[arg(long)]
        fault: Option<String>,
        /// Only the faults that are repaired or handed over, as a child; writes docs/faults.md.
        #[arg(long, conflicts_with = "fault")]
        faults: bool,
        /// Do not run labs again that have passed before: for a run that was interrupted.
        #[arg(long, requires = "faults")]
        resume: bool,
    },
    /// Measure a release build and write docs/benchmarks.md.
    Bench(bench::Amount),
    /// Let simulated gateways live for many hours and write the result with its seeds.
    Campaign {
        /// Gateway hours in all.
        #[arg(long, default_value_t = 1_000_000)]
        hours: u64,
        /// First seed.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Check that the code compiles for Windows and macOS.
    CheckTargets,
    /// Feed the readers of config and log with mutated bytes, each target for a while.
    Fuzz {
        /// For each target.
        #[arg(long, default_value_t = 60)]
        seconds: u32,
        /// Only this target.
        #[arg(long)]
        target: Option<String>,
    },
    /// What .ci/run does.
    Ci,
    /// Note the time in a file and become another command (the outside clock of `bench`).
    #[command(hide = true)]
    Stamp {
        /// Where to note it.
        file: std::path::PathBuf,
        /// What to become.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Answer like a healthy gateway (the cheap child of `bench`).
    #[command(hide = true)]
    StandIn {
        /// On loopback.
        port: u16,
    },
}

fn main() -> ExitCode {
    let done = match Tasks::parse().task {
        Task::SetUp => set_up::set_up().map(|()| true),
        Task::Test { lab, no_labs } => test::test(lab.as_deref(), no_labs),
        Task::Matrix { repeat, fault, faults, resume } => match (faults, fault.as_deref()) {
            (true, _) => matrix::faults(repeat.unwrap_or(1), resume),
            (false, Some(fault)) => matrix::some(repeat.unwrap_or(3), fault),
            (false, None) => matrix::all(repeat.unwrap_or(3)),
        },
        Task::Bench(amount) => bench::bench(&amount).map(|()| true),
        Task::Campaign { hours, seed } => campaign::campaign(hours, seed),
        Task::CheckTargets => targets::check().map(|()| true),
        Task::Fuzz { seconds, target } => fuzz::fuzz(seconds, target.as_deref()),
        Task::Ci => ci::ci().map(|()| true),
        Task::StandIn { port } => bench::stand_in(port).map(|()| true),
        Task::Stamp { file, command } => bench::stamp(&file, &command).map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
