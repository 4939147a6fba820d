//! How a gateway is run as our child.
//!
//! Invariant: OpenClaw's command line is never used as a periodic probe (a Node start-up each time, and it writes to
//! the state); this builds the one call that starts a gateway, nothing else.

use super::discovery::Home;
use super::install::Tools;
use std::ffi::OsString;
use std::path::PathBuf;

/// A program with its arguments and the changes to its environment. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayCommand {
    /// What to execute.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables to set.
    pub env: Vec<(OsString, OsString)>,
    /// Variables to remove.
    pub env_remove: Vec<OsString>,
}

/// `openclaw gateway run` for `home`, supervised by us: its own restart ends the process with 0, and it leaves the
/// service manager alone (OpenClaw 2026.9.6, `gateway/embedding.md`). `path` is the present `PATH`.
#[must_use]
pub fn gateway_run(home: &Home, tools: &Tools, path: Option<&OsString>) -> GatewayCommand {
    let folders = std::iter::once(tools.node_dir.clone()).chain(path.into_iter().flat_map(std::env::split_paths));
    let mut env: Vec<(OsString, OsString)> = vec![
        ("OPENCLAW_SUPERVISOR_MODE".into(), "external".into()),
        ("OPENCLAW_SERVICE_REPAIR_POLICY".into(), "external".into()),
        ("OPENCLAW_STATE_DIR".into(), home.state_dir.clone().into()),
        ("OPENCLAW_CONFIG_PATH".into(), home.config_path.clone().into()),
    ];
    if let Ok(path) = std::env::join_paths(folders) {
        env.push(("PATH".into(), path));
    }
    if let Some(profile) = &home.profile {
        env.push(("OPENCLAW_PROFILE".into(), profile.into()));
    }
    if let Some(port) = home.port {
        env.push(("OPENCLAW_GATEWAY_PORT".into(), port.to_string().into()));
    }
    GatewayCommand {
        program: tools.openclaw.clone(),
        args: vec!["gateway".into(), "run".into()],
        env,
        // Else OpenClaw would take itself for the service whose shell we were started from.
        env_remove: ["OPENCLAW_SERVICE_MARKER", "OPENCLAW_SERVICE_KIND", "OPENCLAW_SYSTEMD_UNIT", "NOTIFY_SOCKET"]
            .map(OsString::from)
            .to_vec(),
    }
}
