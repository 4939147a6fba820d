//! Figures of a release build over a real gateway, written to docs/benchmarks.md.
//!
//! Each figure says by whose clock it was taken: the guard's own record (`incidents --json`), or a clock outside of it.
//! The outside clock needs no polling: the supervised command is [`stamp`], which writes the time of its own exec and
//! becomes OpenClaw. Start at [`bench`].

mod machine;
mod recovery;
mod report;
mod rest;
mod stamp;

use crate::run::{cargo, root, run};
use crate::set_up;
use anyhow::{Context, Result, bail};
use clawmend_testkit::lab::{Permit, lab};
use std::path::PathBuf;

pub use stamp::stamp;

/// One measured figure: its samples in one unit.
#[derive(Clone, Debug)]
pub struct Figure {
    name: String,
    unit: &'static str,
    goal: &'static str,
    samples: Vec<f64>,
}

impl Figure {
    fn new(name: &str, unit: &'static str, goal: &'static str) -> Self {
        Self { name: name.to_owned(), unit, goal, samples: Vec::new() }
    }
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
pub fn bench(samples: u32, rest: u64) -> Result<()> {
    if std::env::var_os("CLAWMEND_LABS").is_none() {
        // The labs' parts run only when asked for; a benchmark asks. A process's own environment cannot be changed
        // safely, so it runs again with the variable set.
        set_up::set_up()?;
        let mut again = std::process::Command::new(std::env::current_exe()?);
        return run(again.args(std::env::args_os().skip(1)).env("CLAWMEND_LABS", "1"));
    }
    run(cargo().args(["build", "--quiet", "--locked", "--release", "--package", "clawmend"]))?;
    let program = root().join("target/release/clawmend");
    if !program.exists() {
        bail!("{} was not built", program.display());
    }
    let bench = Bench { program };
    let before = machine::load();
    let mut figures = rest::measure(&bench, rest)?;
    figures.extend(recovery::measure(&bench, samples)?);
    let text = report::report(&figures, &before, &machine::load(), &bench.program)?;
    let path = root().join("docs/benchmarks.md");
    std::fs::create_dir_all(root().join("docs"))?;
    std::fs::write(&path, &text).with_context(|| path.display().to_string())?;
    println!("{text}\nwritten to {}", path.display());
    Ok(())
}
