//! A real installation from npm: 150 MB of download, about a minute. Run with `--ignored --nocapture`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use clawmend::openclaw::install::{InstallError, find, install};

#[test]
#[ignore = "downloads 150 MB"]
fn node_and_openclaw_come_from_npm() {
    let dir = tempfile::tempdir().unwrap();
    let path = std::env::var_os("PATH");
    let mut last = None;
    let result = install(path.as_deref(), dir.path(), &mut |at| {
        if last != Some(at.phase) {
            println!("{at:?}");
        }
        last = Some(at.phase);
    });
    if let Err(error @ (InstallError::NpmMissing | InstallError::NoNetwork { .. } | InstallError::NoSpace { .. })) =
        &result
    {
        println!("skipped: {error}");
        return;
    }
    let tools = result.unwrap();
    assert_eq!(find(None, dir.path()), Some(tools.clone()));
    let told =
        std::process::Command::new(tools.openclaw).arg("--version").env("PATH", tools.node_dir).output().unwrap();
    println!("{}", String::from_utf8_lossy(&told.stdout));
    assert!(told.status.success());
}
