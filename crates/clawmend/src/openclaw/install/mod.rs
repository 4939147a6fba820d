//! Finds Node and OpenClaw, or installs them into our cache.
//!
//! Invariant: a version's folder in the cache is complete or absent: it is built beside its place and renamed, under
//! a lock, so that a killed installer leaves nothing that counts. The versions are pinned here and nowhere else.
//! Start at [`find`] and [`install`].

mod node;
mod npm;

use node::Platform;
pub(super) use npm::program;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Node that is installed when none fits.
pub const NODE_VERSION: &str = "24.21.0";
/// OpenClaw that is installed when none is there.
pub const OPENCLAW_VERSION: &str = "2026.9.6";
/// Free space that an installation needs: 190 MB and 650 MB in place, and npm's own cache.
pub const NEEDED_BYTES: u64 = 1_200_000_000;
/// Beginning of the names of unfinished folders.
const UNFINISHED: &str = ".unfinished-";

/// A Node and an OpenClaw that go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tools {
    /// Folder with the `node` program, to be first on `PATH`.
    pub node_dir: PathBuf,
    /// The `openclaw` program.
    pub openclaw: PathBuf,
}

/// What an installation is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Another installer is at work; we wait for it.
    Waiting,
    /// Node.
    Node,
    /// OpenClaw.
    OpenClaw,
}

/// How far an installation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Since this phase began.
    pub elapsed: Duration,
    /// What this phase has written so far.
    pub bytes: u64,
}

/// Why nothing was installed. Nothing half-done counts afterwards.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// A person must install npm (or Node and OpenClaw).
    #[error("npm was not found on PATH; install Node.js (any version brings npm), then try again")]
    NpmMissing,
    /// Try again when the network is back.
    #[error("npm could not reach its registry ({code}); check the network or proxy, then try again")]
    NoNetwork {
        /// npm's code, such as `ENOTFOUND`.
        code: String,
    },
    /// A person must make room.
    #[error("not enough space: {needed} bytes are needed, {free} are free")]
    NoSpace {
        /// Bytes needed.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// There is no Node for this system on npm.
    #[error("no Node.js package for {os} on {arch}; install Node 24.16 or later and OpenClaw by hand")]
    UnsupportedPlatform {
        /// As Rust names it.
        os: &'static str,
        /// As Rust names it.
        arch: &'static str,
    },
    /// npm failed for another reason.
    #[error("npm could not install {package}: {detail}")]
    Npm {
        /// What was to be installed.
        package: String,
        /// The end of what it said, redacted.
        detail: String,
    },
    /// The cache could not be written.
    #[error("the cache folder {path}: {source}")]
    Cache {
        /// Which folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A usable Node and OpenClaw: those on `path` if both are there and fit, else those in our cache.
#[must_use]
pub fn find(path: Option<&OsStr>, cache: &Path) -> Option<Tools> {
    on_path(path).or_else(|| in_cache(cache))
}

/// The program, and what shows that its package was changed: `package.json`, and the folder of the modules, which changes
/// with each file that comes or goes. Only the program where it is no link into a package.
#[must_use]
pub fn package_of(program: &Path) -> Vec<PathBuf> {
    let mut found = vec![program.to_owned()];
    let package = program.canonicalize().ok().and_then(|real| Some(real.parent()?.to_owned()));
    found.extend(
        package
            .iter()
            .flat_map(|package| [package.join("package.json"), package.join("dist")])
            .filter(|path| path.exists()),
    );
    found
}

/// Installs into `cache` what [`find`] would look for there, and returns it. Blocks for a minute or two; `progress`
/// hears several times a second. `path` must have an npm of any Node.
///
/// # Errors
/// See [`InstallError`].
pub fn install(path: Option<&OsStr>, cache: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Tools, InstallError> {
    let platform = Platform::current()?;
    let npm = npm::find(path).ok_or(InstallError::NpmMissing)?;
    let failed = |source| InstallError::Cache { path: cache.to_owned(), source };
    private_dir(cache).map_err(failed)?;
    let _lock = lock(cache, progress).map_err(failed)?;
    if let Some(tools) = in_cache(cache) {
        return Ok(tools);
    }
    remove_unfinished(cache);
    check_space(cache)?;

    let node_prefix = cache.join(format!("node-{NODE_VERSION}"));
    if !platform.node_dir(&node_prefix).join(platform.node_program()).is_file() {
        let package = format!("{}@{NODE_VERSION}", platform.package);
        build(cache, &node_prefix, |prefix| {
            npm::install(&npm, prefix, &package, path, &mut |elapsed, bytes| {
                progress(Progress { phase: Phase::Node, elapsed, bytes });
            })
        })?;
    }
    // OpenClaw's own installation runs with the Node that will run it.
    let node_dir = platform.node_dir(&node_prefix);
    let with_node = npm::path_with(&node_dir, path);
    let package = format!("openclaw@{OPENCLAW_VERSION}");
    build(cache, &cache.join(format!("openclaw-{OPENCLAW_VERSION}")), |prefix| {
        npm::install(&npm, prefix, &package, with_node.as_deref(), &mut |elapsed, bytes| {
            progress(Progress { phase: Phase::OpenClaw, elapsed, bytes });
        })
    })?;
    in_cache(cache).ok_or_else(|| InstallError::Npm {
        package,
        detail: "the packages were installed, but their programs are not where they should be".into(),
    })
}

fn on_path(path: Option<&OsStr>) -> Option<Tools> {
    let node = npm::program(path, "node")?;
    let openclaw = npm::program(path, "openclaw")?;
    node::fits(&node).then(|| Tools { node_dir: node.parent().map_or_else(PathBuf::new, Path::to_owned), openclaw })
}

fn in_cache(cache: &Path) -> Option<Tools> {
    let platform = Platform::current().ok()?;
    let node_dir = platform.node_dir(&cache.join(format!("node-{NODE_VERSION}")));
    let bin = cache.join(format!("openclaw-{OPENCLAW_VERSION}")).join("node_modules").join(".bin");
    let openclaw = bin.join(if cfg!(windows) { "openclaw.cmd" } else { "openclaw" });
    let whole = node_dir.join(platform.node_program()).is_file() && openclaw.is_file();
    whole.then_some(Tools { node_dir, openclaw })
}

/// Lets `fill` build a folder beside `place`, then puts it there in one step.
fn build(cache: &Path, place: &Path, fill: impl FnOnce(&Path) -> Result<(), InstallError>) -> Result<(), InstallError> {
    let name = place.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let unfinished = cache.join(format!("{UNFINISHED}{}-{name}", std::process::id()));
    let failed = |source| InstallError::Cache { path: place.to_owned(), source };
    let _ = std::fs::remove_dir_all(&unfinished);
    private_dir(&unfinished).map_err(failed)?;
    let result = fill(&unfinished).and_then(|()| {
        // What is at its place but was not found complete was changed by hand.
        if place.exists() {
            std::fs::remove_dir_all(place).map_err(failed)?;
        }
        std::fs::rename(&unfinished, place).map_err(failed)
    });
    if result.is_err() {
        let _ = std::fs::remove_dir_all(&unfinished);
    }
    result
}

/// Keeps other installers out; the lock ends with this process, however it ends.
fn lock(cache: &Path, progress: &mut dyn FnMut(Progress)) -> io::Result<File> {
    let file = File::options().create(true).truncate(false).write(true).open(cache.join("install.lock"))?;
    if file.try_lock().is_err() {
        progress(Progress { phase: Phase::Waiting, elapsed: Duration::ZERO, bytes: 0 });
        file.lock()?;
    }
    Ok(file)
}

/// Removes what killed installers left. Only called under the lock.
fn remove_unfinished(cache: &Path) {
    for entry in std::fs::read_dir(cache).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn check_space(cache: &Path) -> Result<(), InstallError> {
    match free_bytes(cache) {
        Some(free) if free < NEEDED_BYTES => Err(InstallError::NoSpace { needed: NEEDED_BYTES, free }),
        Some(_) | None => Ok(()),
    }
}

/// Bytes that this user can still write there; `None` where the system is not asked, so that npm finds out.
#[cfg(unix)]
fn free_bytes(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Bytes that this user can still write there; `None` where the system is not asked, so that npm finds out.
#[cfg(not(unix))]
fn free_bytes(_: &Path) -> Option<u64> {
    None
}

fn private_dir(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(test)]
mod tests;
