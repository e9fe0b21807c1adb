//! Where what `.ci/compat` installs lies, and what becomes of a test that lacks it.

use std::env;
use std::path::{Path, PathBuf};

/// A file or directory that `.ci/compat` makes, below `target/compat`.
pub fn path(name: &str) -> PathBuf {
    repository().join("target/compat").join(name)
}

/// The repository's root.
pub fn repository() -> &'static Path {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.expect("this crate lies two directories below the root")
}

/// Whether it is there; else says what is skipped for want of what.
///
/// # Panics
/// Under CI, where nothing is skipped.
pub fn is_there(what: &str, name: &str) -> bool {
    has(path(name).exists(), &format!("{what}, {}", path(name).display()))
}

/// The same of what is not below `target/compat`.
///
/// # Panics
/// Under CI, where nothing is skipped.
pub fn has(is_there: bool, what: &str) -> bool {
    let is_ci = env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(is_there || !is_ci, "under CI nothing is skipped: {what} is missing");
    if !is_there {
        eprintln!("skipped: {what} is missing; `.ci/compat install` makes it");
    }
    is_there
}

/// The classpath of Apache Kafka: its client, its tools and its broker. `None` if it is not there.
///
/// # Panics
/// If it is not there, under CI.
pub fn classpath() -> Option<String> {
    if !is_there("Apache Kafka", "java.classpath") {
        return None;
    }
    let jars =
        std::fs::read_to_string(path("java.classpath")).expect("a file that is there can be read");
    let (own, settings) = (path("java"), repository().join("tests/compat/java"));
    Some(format!("{}:{}:{}", own.display(), settings.display(), jars.trim()))
}
