//! The workspace's test programs, as cargo names them.

use crate::run::cargo;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// One test program.
#[derive(Debug)]
pub struct TestBinary {
    /// Package and target, such as `clawmend/lab_child`.
    pub name: String,
    target: String,
    program: PathBuf,
    package: PathBuf,
}

impl TestBinary {
    /// It needs real gateways.
    pub fn is_lab(&self) -> bool {
        self.target.starts_with("lab_")
    }

    /// Runs it in its package's folder, as cargo does. Without backtraces: they are the test harness's own, and push
    /// what a test says out of the part of a log that is kept.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.package).env("CARGO_MANIFEST_DIR", &self.package).env("RUST_BACKTRACE", "0");
        command.stdin(Stdio::null());
        command
    }
}

#[derive(Deserialize)]
struct Message {
    reason: String,
    target: Option<Target>,
    profile: Option<Profile>,
    executable: Option<PathBuf>,
    manifest_path: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// Builds all tests, and names their programs.
///
/// # Errors
/// When something does not compile; cargo has said what.
pub fn build() -> Result<Vec<TestBinary>> {
    let output = cargo()
        .args(["test", "--quiet", "--locked", "--workspace", "--no-run", "--message-format", "json-render-diagnostics"])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("starting cargo")?;
    if !output.status.success() {
        bail!("the tests do not compile");
    }
    let mut binaries: Vec<TestBinary> = String::from_utf8_lossy(&output.stdout).lines().filter_map(binary).collect();
    binaries.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(binaries)
}

fn binary(line: &str) -> Option<TestBinary> {
    let message: Message = serde_json::from_str(line).ok()?;
    let target = message.target.filter(|_| message.reason == "compiler-artifact")?.name;
    message.profile.filter(|profile| profile.test)?;
    let package = message.manifest_path?.parent()?.to_path_buf();
    let name = format!("{}/{target}", package.file_name()?.to_str()?);
    Some(TestBinary { name, target, program: message.executable?, package })
}
