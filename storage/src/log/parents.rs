//! Which directories above logs were synced, so that one sync does for all logs of a topic.
//!
//! A log's name is on the disk once its topic's directory was synced behind its making, and that
//! one's name once the directory above it was. Ten thousand logs that are flushed for the first
//! time would each sync both.
//!
//! ```text
//!   turn   1 log made   2 log made   3 directory synced   4 log made
//!             └── on the disk ──────────┘                    └── not yet
//! ```
//!
//! Invariant: a directory stands here with the turn before its last sync began.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::disk::Disk;

/// What was synced; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Parents {
    shared: Arc<Mutex<Synced>>,
}

#[derive(Debug, Default)]
struct Synced {
    turn: u64,
    /// The directories that were synced last, and when; the newest at the end.
    last: Vec<(PathBuf, u64)>,
}

impl Parents {
    /// When it is now, behind the making of a log's directory.
    pub(super) fn turn(&self) -> u64 {
        let mut synced = self.shared.lock();
        synced.turn += 1;
        synced.turn
    }

    /// Syncs a directory, unless that was done behind `made`. Who wants the same meanwhile waits.
    pub(super) fn sync(&self, disk: &dyn Disk, directory: &Path, made: u64) -> io::Result<()> {
        let mut synced = self.shared.lock();
        let at = synced.last.iter().position(|(path, _)| path == directory);
        if at.is_some_and(|at| made <= synced.last[at].1) {
            return Ok(());
        }
        disk.sync_dir(directory)?;
        let turn = synced.turn;
        if let Some(at) = at {
            synced.last.remove(at);
        } else if synced.last.len() == DIRECTORIES_MAX {
            synced.last.remove(0);
        }
        synced.last.push((directory.to_owned(), turn));
        Ok(())
    }
}

/// Logs are flushed topic by topic, so a few are enough.
const DIRECTORIES_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::CrashDisk;

    #[test]
    fn a_directory_is_synced_once_for_all_that_was_made_before() {
        let (disk, parents) = (CrashDisk::new(), Parents::default());
        let path = Path::new("/topic");
        disk.create_dir(path).unwrap();
        let (first, second) = (parents.turn(), parents.turn());
        parents.sync(&disk, path, first).unwrap();
        // A sync of what is not there fails, so it is seen whether there is one.
        disk.remove_dir(path).unwrap();
        parents.sync(&disk, path, second).unwrap();
        let third = parents.turn();
        parents.sync(&disk, path, third).unwrap_err();
    }

    #[test]
    fn what_is_kept_of_many_directories_is_bounded() {
        let (disk, parents) = (CrashDisk::new(), Parents::default());
        for number in 0..100 {
            let path = PathBuf::from(format!("/{number}"));
            disk.create_dir(&path).unwrap();
            parents.sync(&disk, &path, parents.turn()).unwrap();
        }
        assert_eq!(parents.shared.lock().last.len(), DIRECTORIES_MAX);
    }
}
