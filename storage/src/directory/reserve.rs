//! Room that is kept back for what has to go on when the disk is full: a checkpoint, without which
//! nothing that was deleted can go.
//!
//! ```text
//!   <path>/reserve      real blocks, whose bytes mean nothing
//!
//!   keep ──► the disk is full ──► give_up ──► a checkpoint in that room ──► files go ──► keep
//! ```
//!
//! Whoever gives it up makes sure that nobody else takes the room: publishes are refused long
//! before the disk is full.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::{DataDir, RESERVE};
use crate::disk::{Disk, Open, remove_if_there};
use crate::errors::{DiskError, Naming};

/// Enough for a checkpoint of ten thousand partitions, and for what a log's seal writes.
pub const RESERVE_BYTES: u64 = 8 << 20;

/// The reserve of one data directory.
#[derive(Debug)]
pub struct Reserve {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    is_kept: bool,
}

impl Reserve {
    /// One that is not kept yet.
    pub fn new(data: &DataDir) -> Self {
        Self { disk: Arc::clone(data.disk()), path: data.path().join(RESERVE), is_kept: false }
    }

    /// Keeps the room back, unless it is kept already.
    ///
    /// # Errors
    /// Where the disk has none: nothing is kept then, and nothing is taken.
    pub fn keep(&mut self) -> Result<(), DiskError> {
        if self.is_kept {
            return Ok(());
        }
        let file = match self.disk.open(&self.path, Open::Create) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.disk.open(&self.path, Open::Write)
            }
            opened => opened,
        };
        let allocated = file.and_then(|file| file.allocate(0..RESERVE_BYTES));
        if let Err(error) = allocated {
            self.remove()?;
            return Err(error).naming("keep room back in", &self.path);
        }
        self.is_kept = true;
        Ok(())
    }

    /// Gives the room back to the disk, and says whether there was any.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn give_up(&mut self) -> Result<bool, DiskError> {
        self.is_kept = false;
        self.remove()
    }

    fn remove(&self) -> Result<bool, DiskError> {
        remove_if_there(&*self.disk, &self.path).naming("remove", &self.path)
    }
}
