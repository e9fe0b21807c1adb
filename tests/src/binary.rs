//! Where the `weir` binary is that was built beside the tests.
//!
//! Cargo builds no binary of another package for a test, so the first who asks has it built: with
//! the profile of the tests, into their own target directory, by the cargo that runs them.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The binary, as it follows from the sources.
///
/// # Panics
/// If it cannot be built.
pub fn weir() -> &'static Path {
    static WEIR: OnceLock<PathBuf> = OnceLock::new();
    WEIR.get_or_init(build)
}

fn build() -> PathBuf {
    let test = env::current_exe().expect("a test knows where it is");
    // target/<profile>/deps/<test>
    let directory = test.ancestors().nth(2).expect("a test lies in the target directory");
    let target = directory.parent().expect("a test lies in the target directory");
    let profile = match directory.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        // The whole workspace's features, with which the tests were built: nothing is built twice.
        .args(["build", "--quiet", "--workspace", "--bin", "weir"])
        .args(["--profile", profile, "--target-dir"])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(built.expect("cargo runs").success(), "the binary weir cannot be built");
    directory.join("weir")
}
