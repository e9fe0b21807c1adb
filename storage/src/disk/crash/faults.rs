//! What a disk in memory was told to do wrong, and when.
//!
//! Calls are counted by their kind and by the path of the file or directory they are about, as it
//! was when it was opened. A plan fails one call and is then done, as a bad sector that is moved
//! elsewhere; what the failed call leaves behind is its caller's to know.

use std::io;
use std::path::Path;

use rustix::io::Errno;

/// A kind of call that can be failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Of a file's bytes, but not through a map.
    Read,
    /// Of a file's bytes, but not through a map.
    Write,
    Allocate,
    /// Of a file.
    Sync,
    /// Of a directory's names.
    SyncDirectory,
}

#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) operations_left: Option<u64>,
    pub(super) lying: bool,
    pub(super) knows_no_allocation: bool,
    full_for: Option<String>,
    plans: Vec<Plan>,
    fired: u64,
}

#[derive(Debug)]
struct Plan {
    call: Call,
    path_part: String,
    successes_left: u64,
}

impl Faults {
    pub(super) fn plan(&mut self, call: Call, path_part: &str, successes: u64) {
        let path_part = path_part.to_owned();
        self.plans.push(Plan { call, path_part, successes_left: successes });
    }

    pub(super) fn forget(&mut self) {
        self.plans.clear();
    }

    pub(super) fn set_full_for(&mut self, path_part: Option<&str>) {
        self.full_for = path_part.map(str::to_owned);
    }

    /// Whether there is no room for this file, though there is for others.
    pub(super) fn is_full_for(&self, path: &Path) -> bool {
        let path = path.to_string_lossy();
        self.full_for.as_ref().is_some_and(|part| path.contains(part))
    }

    /// How many calls failed as it was planned.
    pub(super) fn fired(&self) -> u64 {
        self.fired
    }

    /// Fails the call if it is the one that a plan is about.
    pub(super) fn check(&mut self, call: Call, path: &Path) -> io::Result<()> {
        let path = path.to_string_lossy();
        let mut is_due = false;
        self.plans.retain_mut(|plan| {
            if plan.call != call || !path.contains(&plan.path_part) {
                return true;
            }
            if let Some(left) = plan.successes_left.checked_sub(1) {
                plan.successes_left = left;
                return true;
            }
            is_due = true;
            false
        });
        if is_due {
            self.fired += 1;
            return Err(Errno::IO.into());
        }
        Ok(())
    }
}
