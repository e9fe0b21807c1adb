//! A file system in memory with a bound: what lies on it fails in earnest when it is full.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::mounted::{run, unmount};

/// A mounted tmpfs.
#[derive(Debug)]
pub(crate) struct Tmpfs {
    at: TempDir,
}

impl Tmpfs {
    pub(crate) fn mount(bytes: u64) -> Self {
        let at = tempfile::tempdir().expect("a directory can be made");
        let size = format!("size={bytes}");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "weir"]).arg(at.path()));
        Self { at }
    }

    pub(crate) fn path(&self) -> &Path {
        self.at.path()
    }

    /// Gives it more room.
    pub(crate) fn grow(&self, bytes: u64) {
        let size = format!("remount,size={bytes}");
        run(Command::new("mount").args(["-o", &size]).arg(self.at.path()));
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        unmount(self.at.path());
    }
}
