//! Figures of a release build over a real gateway, written to docs/benchmarks.md.
//!
//! Each figure says by whose clock it was taken: the guard's own record (`incidents --json`), or a clock outside of it.
//! The outside clock of a child needs no polling: the supervised command is [`stamp`], which writes the time of its own
//! exec and becomes OpenClaw. That of a unit is systemd's own. Start at [`bench`].

mod clock;
mod exits;
mod recovery;
mod report;
mod rest;

use crate::machine;
use crate::page;
use crate::run::{cargo, root, run};
use crate::set_up;
use anyhow::{Context, Result, bail};
use clawmend_testkit::lab::{Form, Permit, lab};
use std::path::PathBuf;

pub use clock::stamp;
pub use exits::stand_in;

/// What a figure should be: percentiles (100 is the greatest sample), each with its limit. Empty where it only informs.
type Goal = &'static [(usize, f64)];

/// One measured figure: its samples in one unit.
#[derive(Clone, Debug)]
pub struct Figure {
    name: String,
    unit: &'static str,
    goal: Goal,
    samples: Vec<f64>,
}

impl Figure {
    fn new(name: &str, unit: &'static str, goal: Goal) -> Self {
        Self { name: name.to_owned(), unit, goal, samples: Vec::new() }
    }
}

/// How much is measured.
#[derive(Clone, Debug, clap::Args)]
pub struct Amount {
    /// Measure this build instead of a new one, and only print the figures.
    #[arg(long)]
    program: Option<PathBuf>,
    /// Ends of a stand-in child.
    #[arg(long, default_value_t = 100)]
    exits: u32,
    /// Freezes and crashes of a real gateway, in each form.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Seconds of rest; 0 leaves it out.
    #[arg(long, default_value_t = 120)]
    rest: u64,
}

/// What all measurements need.
struct Bench {
    program: PathBuf,
}

impl Bench {
    /// The right to run one gateway.
    fn permit() -> Result<Permit> {
        lab("bench")?.context("a benchmark needs Node and OpenClaw")
    }

    fn program(&self) -> Result<&str> {
        self.program.to_str().context("the path of the program is not text")
    }
}

/// Measures everything, and writes the report.
///
/// # Errors
/// When the release build fails, or a recovery does not happen.
pub fn bench(amount: &Amount) -> Result<()> {
    if std::env::var_os("CLAWMEND_LABS").is_none() {
        // The labs' parts run only when asked for; a benchmark asks. A process's own environment cannot be changed
        // safely, so it runs again with the variable set.
        set_up::set_up()?;
        let mut again = std::process::Command::new(std::env::current_exe()?);
        return run(again.args(std::env::args_os().skip(1)).env("CLAWMEND_LABS", "1"));
    }
    let bench = Bench { program: program(amount)? };
    let (before, begun) = (machine::load(), std::time::Instant::now());
    let mut figures = exits::measure(&bench, amount.exits)?;
    for form in [Form::Child, Form::Unit] {
        figures.extend(recovery::measure(&bench, form, amount.rounds)?);
    }
    if amount.rest > 0 {
        figures.extend(rest::measure(&bench, amount.rest)?);
    }
    let took = begun.elapsed().as_secs();
    let text = report::report(&figures, &[before, machine::load()], took, &bench.program)?;
    println!("{text}");
    if amount.program.is_none() {
        let path = root().join("docs/benchmarks.md");
        let old = std::fs::read_to_string(&path).unwrap_or_default();
        let text = text + page::by_hand(&old);
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
        println!("written to {}", path.display());
    }
    Ok(())
}

/// The build to measure.
fn program(amount: &Amount) -> Result<PathBuf> {
    if let Some(given) = &amount.program {
        return std::fs::canonicalize(given).with_context(|| given.display().to_string());
    }
    run(cargo().args(["build", "--quiet", "--locked", "--release", "--package", "clawmend"]))?;
    let program = root().join("target/release/clawmend");
    if !program.exists() {
        bail!("{} was not built", program.display());
    }
    Ok(program)
}
