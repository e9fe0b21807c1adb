//! A call to the disk that failed, with what was tried and on what.
//!
//! Each operation of storage has its own error enum, a variant per decision its caller has; this
//! is what their `Disk` variants carry.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::disk;

/// A failed call to the disk.
#[derive(Debug, Error)]
#[error("cannot {doing} {}: {}", path.display(), why(source))]
pub struct DiskError {
    /// What was tried, as it reads behind "cannot".
    pub doing: &'static str,
    pub path: PathBuf,
    pub source: io::Error,
}

fn why(source: &io::Error) -> String {
    match disk::met_link(source) {
        true => "it is a symbolic link, and weir follows none".to_owned(),
        false => source.to_string(),
    }
}

impl DiskError {
    /// True where the disk, or the owner's share of it, has no room left.
    pub fn is_full(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }

    /// True where the process or the system has no more memory or descriptors.
    pub fn is_exhaustion(&self) -> bool {
        disk::is_exhaustion(&self.source)
    }

    /// True where nothing was done for want of something that may come back: room on the disk, a
    /// descriptor, memory. Anything else says that the disk fails. Never asked of a sync of bytes
    /// that somebody relies on: one that failed is not tried again, whatever it said.
    pub fn is_passing(&self) -> bool {
        self.is_full() || self.is_exhaustion()
    }
}

/// Names what was tried and on what, where a call to the disk failed.
pub(crate) trait Naming<T> {
    fn naming(self, doing: &'static str, path: &Path) -> Result<T, DiskError>;
}

impl<T> Naming<T> for io::Result<T> {
    fn naming(self, doing: &'static str, path: &Path) -> Result<T, DiskError> {
        self.map_err(|source| DiskError { doing, path: path.to_owned(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_was_tried_on_what() {
        let failed: io::Result<()> = Err(io::ErrorKind::StorageFull.into());
        let error = failed.naming("allocate", Path::new("/data/topics")).unwrap_err();
        assert_eq!(error.to_string(), "cannot allocate /data/topics: no storage space");
        assert!(error.is_full() && error.is_passing());
    }
}
