//! The fuzz targets in `fuzz/`, each for a bounded time, with the stable toolchain.
//!
//! libFuzzer needs its coverage counters only, and LLVM's pass for them is had with stable flags. The sanitizers would
//! need a nightly compiler; without `unsafe` in the workspace there is little for them to find, while panics, failed
//! assertions, overflows, endless loops and runaway memory are found without.

use crate::run::{capture, cargo, root, run};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Name, and folders with inputs to begin with.
const TARGETS: [(&str, &[&str]); 3] = [
    ("config_check", &["fuzz/seeds/config_check"]),
    ("log_reader", &["crates/testkit/fault-logs"]),
    ("ai_reply", &["fuzz/seeds/ai_reply"]),
];
/// What libFuzzer needs: counters at every edge, and what was compared with what.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";
/// One input may take so long, in seconds; a megabyte of log takes less than 0.1 s.
const SLOW_S: u32 = 10;
/// Largest input.
const MAX_BYTES: u32 = 16 * 1024;
/// Most memory, in MiB.
const MEMORY_MIB: u32 = 2048;

/// Runs every target for `seconds`, or only `only`; `true` when nothing was found.
///
/// # Errors
/// When a target cannot be built or run.
pub fn fuzz(seconds: u32, only: Option<&str>) -> Result<bool> {
    let folder = root().join("target/fuzz");
    let host = host()?;
    let mut build = cargo();
    build
        .args(["build", "--quiet", "--release", "--manifest-path", "fuzz/Cargo.toml", "--target", &host])
        .env("RUSTFLAGS", FLAGS)
        .env("CARGO_TARGET_DIR", &folder);
    println!("fuzz: building with coverage counters …");
    run(&mut build)?;
    let mut clean = true;
    for (name, seeds) in TARGETS {
        if only.is_none_or(|only| only == name) {
            let program = folder.join(&host).join("release").join(name);
            clean &= one(&program, name, seeds, seconds, &folder)?;
        }
    }
    Ok(clean)
}

/// The target that this machine is: with it named, build scripts stay without counters.
fn host() -> Result<String> {
    let text = capture(Command::new("rustc").arg("-vV"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("host: "));
    line.map(str::to_owned).context("rustc does not name its host")
}

fn one(program: &Path, name: &str, seeds: &[&str], seconds: u32, folder: &Path) -> Result<bool> {
    let (corpus, found) = (folder.join("corpus").join(name), folder.join("found").join(name));
    for dir in [&corpus, &found] {
        std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    }
    let seeds: Vec<PathBuf> = seeds.iter().map(|seed| root().join(seed)).collect();
    let output = Command::new(program)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={SLOW_S}"))
        .arg(format!("-max_len={MAX_BYTES}"))
        .arg(format!("-rss_limit_mb={MEMORY_MIB}"))
        .arg(format!("-artifact_prefix={}/", found.display()))
        .args(["-print_final_stats=1", "-verbosity=0"])
        .arg(&corpus)
        .args(&seeds)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let figure = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim().parse::<u64>().ok()
    };
    let executions = figure("stat::number_of_executed_units:");
    let per_second = figure("stat::average_exec_per_sec:").unwrap_or(0);
    let inputs = std::fs::read_dir(&corpus).map_or(0, Iterator::count);
    match executions {
        Some(executions) if output.status.success() => {
            println!("fuzz: {name}: {executions} executions ({per_second}/s), {inputs} inputs kept, nothing found");
            Ok(true)
        }
        None if output.status.success() => bail!("{name} did not say what it did:\n{text}"),
        Some(_) | None => {
            let lines: Vec<&str> = text.lines().collect();
            println!("{}", lines[lines.len().saturating_sub(60)..].join("\n"));
            println!("fuzz: {name}: FOUND something; the input is in {}", found.display());
            Ok(false)
        }
    }
}
