//! Brings what tests and checks need, each thing once: a second run installs nothing.
//!
//! Node and OpenClaw go into the lab cache, whole or not at all: npm works in a folder beside the final one, which is
//! renamed when it is complete. Their versions are pinned in `clawmend_testkit::lab`.

use crate::run::{capture, cargo, on_path, root, run, works};
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::Command;

/// Version of cargo-deny that `.ci/run` uses.
pub const CARGO_DENY_VERSION: &str = "0.20.2";
/// Version of the `ziglang` wheel: a C compiler for the macOS check.
const ZIGLANG_VERSION: &str = "0.17.0";
/// Targets that are checked besides the host.
pub const TARGETS: [&str; 2] = ["x86_64-pc-windows-gnu", "aarch64-apple-darwin"];
/// Debian's packages, each with a program or file that shows it is there.
const PACKAGES: [(&str, &str); 11] = [
    ("gcc-mingw-w64-x86-64", "x86_64-w64-mingw32-gcc"),
    ("dbus", "dbus-daemon"),
    ("systemd", "systemctl"),
    ("polkitd", "pkaction"),
    ("util-linux", "unshare"),
    ("strace", "strace"),
    ("iproute2", "ip"),
    ("git", "git"),
    ("python3-pip", "pip"),
    ("openssl", "openssl"),
    ("etcd-server", "etcd"),
];

/// Everything.
///
/// # Errors
/// When something that is needed for all tests cannot be brought. What only single labs need is said and left out.
pub fn set_up() -> Result<()> {
    type Bring = fn() -> Result<()>;
    let parts: [(&str, Bring); 7] = [
        ("Debian packages", debian_packages),
        ("Rust targets", rust_targets),
        ("cargo-deny", cargo_deny),
        ("zig as a C compiler for macOS", ziglang),
        ("Node and OpenClaw", node_and_openclaw),
        ("command lines of AI engines", ai_engines),
        ("plugins of OpenClaw", plugins),
    ];
    for (name, bring) in parts {
        if let Err(error) = bring() {
            println!("set-up: {name} could not be brought, so what needs it is skipped: {error:#}");
        }
    }
    Ok(())
}

fn debian_packages() -> Result<()> {
    let missing: Vec<&str> =
        PACKAGES.iter().filter(|(_, program)| !on_path(program)).map(|(package, _)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    ensure!(
        Path::new("/etc/debian_version").exists() && is_root(),
        "as root on Debian this would install {}",
        missing.join(" ")
    );
    println!("set-up: installing {}", missing.join(" "));
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").arg("-qq");
        command
    };
    capture(apt().arg("update"))?;
    capture(apt().args(["install", "-y", "--no-install-recommends"]).args(&missing))?;
    Ok(())
}

fn is_root() -> bool {
    capture(Command::new("id").arg("-u")).is_ok_and(|uid| uid.trim() == "0")
}

fn rust_targets() -> Result<()> {
    let mut list = Command::new("rustup");
    let installed = capture(list.args(["target", "list", "--installed"]).current_dir(root()))?;
    let missing: Vec<&str> =
        TARGETS.into_iter().filter(|target| !installed.lines().any(|line| line == *target)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("set-up: adding Rust targets {}", missing.join(" "));
    run(Command::new("rustup").args(["-q", "target", "add"]).args(missing).current_dir(root()))
}

/// Brings the pinned cargo-deny.
///
/// # Errors
/// When it cannot be built.
pub fn cargo_deny() -> Result<()> {
    if works(cargo().args(["deny", "--version"])) {
        return Ok(());
    }
    println!("set-up: building cargo-deny {CARGO_DENY_VERSION}");
    run(cargo().args(["install", "--quiet", "--locked", "cargo-deny", "--version", CARGO_DENY_VERSION]))
}

fn ziglang() -> Result<()> {
    if works(Command::new("python3").args(["-m", "ziglang", "version"])) {
        return Ok(());
    }
    println!("set-up: installing ziglang {ZIGLANG_VERSION}");
    let wheel = format!("ziglang=={ZIGLANG_VERSION}");
    let install = || {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", &wheel]);
        pip
    };
    // Debian marks its Python as managed by itself; a wheel for the user does not touch that.
    capture(&mut install()).or_else(|_| capture(install().args(["--user", "--break-system-packages"])))?;
    Ok(())
}

#[cfg(target_os = "linux")]
fn node_and_openclaw() -> Result<()> {
    use clawmend_testkit::lab::{Cache, NODE_PACKAGE, NODE_VERSION, OPENCLAW_VERSION, default_root};
    if Cache::locate().is_ok() {
        return Ok(());
    }
    let cache = default_root().map_err(|reason| anyhow::anyhow!("{reason}"))?;
    std::fs::create_dir_all(&cache).with_context(|| cache.display().to_string())?;
    let path = std::env::var("PATH").unwrap_or_default();
    let node = cache.join("node");
    install_npm(&cache, "node", NODE_PACKAGE, NODE_VERSION, &path)?;
    let bin = node.join("node_modules").join(NODE_PACKAGE).join("bin");
    install_npm(&cache, "openclaw", "openclaw", OPENCLAW_VERSION, &format!("{}:{path}", bin.display()))?;
    Cache::locate().map(drop).map_err(|reason| anyhow::anyhow!("after the installation: {reason}"))
}

#[cfg(not(target_os = "linux"))]
fn node_and_openclaw() -> Result<()> {
    anyhow::bail!("the labs with real gateways run on Linux")
}

#[cfg(target_os = "linux")]
fn ai_engines() -> Result<()> {
    use clawmend_testkit::lab::{AI_ENGINES, Cache};
    let cache = Cache::locate().map_err(|reason| anyhow::anyhow!("{reason}"))?;
    for engine in AI_ENGINES {
        if cache.ai_engine(&engine).is_err() {
            install_npm(cache.root(), engine.folder, engine.package, engine.version, &cache.path_variable())?;
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn ai_engines() -> Result<()> {
    anyhow::bail!("the labs with AI engines run on Linux")
}

#[cfg(target_os = "linux")]
fn plugins() -> Result<()> {
    use clawmend_testkit::lab::{Cache, PLUGINS};
    let cache = Cache::locate().map_err(|reason| anyhow::anyhow!("{reason}"))?;
    for (folder, package, version) in PLUGINS {
        install_npm(cache.root(), folder, package, version, &cache.path_variable())?;
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn plugins() -> Result<()> {
    anyhow::bail!("the labs with OpenClaw's plugins run on Linux")
}

/// Installs one npm package into `cache/name`, whole or not at all.
#[cfg(target_os = "linux")]
fn install_npm(cache: &Path, name: &str, package: &str, version: &str, path: &str) -> Result<()> {
    let target = cache.join(name);
    let present = std::fs::read_to_string(target.join("node_modules").join(package).join("package.json"));
    if present.is_ok_and(|text| text.contains(&format!("\"version\": \"{version}\""))) {
        return Ok(());
    }
    println!("set-up: installing {package}@{version} from npm into {}", target.display());
    let next = cache.join(format!("{name}.part-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&next);
    let npm = capture(
        Command::new("npm")
            .args(["install", "--no-fund", "--no-audit", "--no-update-notifier", "--save-exact", "--prefix"])
            .arg(&next)
            .arg(format!("{package}@{version}"))
            .env("PATH", path)
            .env("CI", "true"),
    );
    if let Err(error) = npm {
        let _ = std::fs::remove_dir_all(&next);
        return Err(error.context("npm"));
    }
    if target.exists() {
        let old = cache.join(format!("{name}.old-{}", std::process::id()));
        std::fs::rename(&target, &old)?;
        std::fs::rename(&next, &target)?;
        std::fs::remove_dir_all(&old)?;
    } else {
        std::fs::rename(&next, &target)?;
    }
    Ok(())
}
