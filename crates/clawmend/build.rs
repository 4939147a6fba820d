//! Puts the case library into the program: one `include_str!` per file in `cases/`, in alphabetical order.
#![allow(clippy::panic, clippy::expect_used, clippy::print_stdout)]

use std::fmt::Write as _;
use std::path::PathBuf;

fn main() {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let cases = root.join("../../cases");
    println!("cargo:rerun-if-changed={}", cases.display());
    let files = std::fs::read_dir(&cases).unwrap_or_else(|error| panic!("{}: {error}", cases.display()));
    let mut files: Vec<PathBuf> = files.filter_map(Result::ok).map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    let mut list = String::from("[\n");
    for path in &files {
        let path = path.canonicalize().expect("it was just listed");
        let name = path.file_stem().and_then(|name| name.to_str()).expect("names of cases are plain");
        let _ = writeln!(list, "    ({name:?}, include_str!({path:?})),");
        println!("cargo:rerun-if-changed={}", path.display());
    }
    list.push_str("]\n");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    std::fs::write(out.join("cases.rs"), list).expect("the build folder can be written");
}
