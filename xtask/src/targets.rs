//! `cargo check` for Windows and macOS, with C compilers for the crates that bring C code.
//!
//! Windows: Debian's mingw. macOS: `zig cc` behind a small wrapper that this task writes into the target folder.

use crate::run::{cargo, root, run};
use crate::set_up::TARGETS;
use anyhow::{Context, Result};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// `cc` passes its own `--target=arm64-apple-macosx`, which zig does not know; the wrapper takes it out.
const ZIG_CC: &str = r#"#!/usr/bin/env bash
# Written by `cargo xtask check-targets`.
arguments=()
for argument in "$@"; do
  case "$argument" in
    --target=*|-mmacosx-version-min=*) ;;
    *) arguments+=("$argument") ;;
  esac
done
exec python3 -m ziglang cc -target aarch64-macos "${arguments[@]}"
"#;
const ZIG_AR: &str = "#!/usr/bin/env bash\nexec python3 -m ziglang ar \"$@\"\n";

/// Checks the product for all foreign targets.
///
/// # Errors
/// When one does not compile.
pub fn check() -> Result<()> {
    let wrappers = root().join("target/wrappers");
    std::fs::create_dir_all(&wrappers)?;
    let compiler = script(&wrappers, "zig-cc", ZIG_CC)?;
    let archiver = script(&wrappers, "zig-ar", ZIG_AR)?;
    for target in TARGETS {
        println!("check-targets: {target}");
        run(cargo()
            .args([
                "check",
                "--quiet",
                "--locked",
                "--package",
                "clawmend-core",
                "--package",
                "clawmend",
                "--target",
                target,
            ])
            .env("CC_aarch64_apple_darwin", &compiler)
            .env("AR_aarch64_apple_darwin", &archiver)
            .env("ZIG_GLOBAL_CACHE_DIR", root().join("target/zig")))?;
    }
    Ok(())
}

fn script(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    // An unchanged file keeps its time, so that nothing is built again for it.
    if !std::fs::read_to_string(&path).is_ok_and(|present| present == text) {
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(path)
}
