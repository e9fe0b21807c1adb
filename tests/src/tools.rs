//! What some tests need beside Rust, and what becomes of them without it.
//!
//! Where it is missing they say so and are skipped; with `CI=true` in the environment, where
//! `.ci/tools` has installed all of it, they fail.

use std::env;
use std::process::{Command, Stdio};

/// Whether `strace` is there and may trace.
///
/// # Panics
/// If not, in CI.
pub fn has_strace() -> bool {
    has("strace may not trace, or is not there", runs("strace", &["-qqq", "-f", "/bin/true"]))
}

/// Whether a condition holds; if not, says that the test is skipped.
///
/// # Panics
/// If not, in CI.
pub fn has(missing: &str, is_there: bool) -> bool {
    let is_ci = env::var_os("CI").is_some_and(|ci| ci == "true");
    assert!(is_there || !is_ci, "{missing}");
    if !is_there {
        eprintln!("skipped: {missing}");
    }
    is_there
}

/// Whether a command can be run and succeeds.
pub fn runs(command: &str, arguments: &[&str]) -> bool {
    let status = Command::new(command)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}
