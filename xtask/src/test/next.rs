//! A build of this tree that stands for the next version, for labs that upgrade and downgrade.

use crate::run::{cargo, root, run};
use anyhow::Result;
use std::path::PathBuf;

/// Its version.
const VERSION: &str = "999.0.0-next";

/// Builds it into a folder of its own, and names it for the labs.
///
/// # Errors
/// When it does not compile.
pub fn variables() -> Result<Vec<(&'static str, String)>> {
    let folder = root().join("target/next");
    println!("building the next version into {}", folder.display());
    run(cargo()
        .args(["build", "--quiet", "--locked", "--package", "clawmend", "--bin", "clawmend", "--target-dir"])
        .arg(&folder)
        .env("CLAWMEND_NEXT_BUILD", VERSION))?;
    let program: PathBuf = folder.join("debug/clawmend");
    Ok(vec![
        ("CLAWMEND_LAB_NEXT_PROGRAM", program.display().to_string()),
        ("CLAWMEND_LAB_NEXT_VERSION", VERSION.to_owned()),
    ])
}
