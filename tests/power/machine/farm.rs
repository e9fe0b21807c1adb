//! A file system on which an image is cloned in a moment: what a power cut leaves of a disk
//! without a cache of its own, while its machine goes on.
//!
//! The clone holds what the loop device was given until then; what the file system above it still
//! had in memory is not there, as after a power cut.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::mounted::{FileSystem, Mounted, run};

/// Where images can be cloned.
#[derive(Debug)]
pub(crate) struct Farm {
    // Unmounted before its image goes.
    mounted: Mounted,
    _home: TempDir,
}

impl Farm {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().expect("a directory can be made");
        let image = home.path().join("farm");
        FileSystem::Xfs.format(&image, FARM_BYTES);
        Self { mounted: Mounted::mount(&image, FileSystem::Xfs), _home: home }
    }

    /// Where the image of this number is.
    pub(crate) fn image(&self, number: u64) -> PathBuf {
        self.mounted.path().join(format!("disk-{number}"))
    }

    /// Clones an image as it is in one moment.
    pub(crate) fn clone_image(&self, source: u64, target: u64) {
        let (source, target) = (self.image(source), self.image(target));
        run(Command::new("cp").arg("--reflink=always").arg(source).arg(target));
    }

    pub(crate) fn remove(&self, number: u64) {
        fs::remove_file(self.image(number)).expect("an image can be removed");
    }
}

/// Sparse, so that it takes what its images use.
const FARM_BYTES: u64 = 4 << 30;
