//! What was given up, put aside: copies in `lost+<code>/`, so that nothing is destroyed.
//!
//! Knows files, and nothing of what is in them. A copy that a crash left unfinished is made again.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use super::DataDir;
use crate::disk::{Disk, Open};
use crate::errors::{DiskError, Naming};

impl DataDir {
    /// Copies files of this directory into its folder `lost+<name>`, durably, and says where.
    pub fn put_aside(&self, name: &str, files: &[PathBuf]) -> Result<PathBuf, DiskError> {
        let (disk, folder) = (&**self.disk(), self.path().join(format!("{LOST}{name}")));
        match disk.create_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made.naming("make", &folder)?,
        }
        for file in files {
            let below = file.strip_prefix(self.path()).unwrap_or(file);
            let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
            copy(disk, file, &folder.join(parts.join("-")))?;
        }
        disk.sync_dir(&folder).naming("sync", &folder)?;
        disk.sync_dir(self.path()).naming("sync", self.path())?;
        Ok(folder)
    }
}

fn copy(disk: &dyn Disk, source: &Path, target: &Path) -> Result<(), DiskError> {
    match disk.remove_file(target) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).naming("remove", target);
        }
        Ok(()) | Err(_) => {}
    }
    let from = disk.open(source, Open::Read).naming("open", source)?;
    let to = disk.open(target, Open::Create).naming("create", target)?;
    let mut piece = vec![0; PIECE_BYTES];
    let mut position = 0;
    loop {
        let count = from.read_at(&mut piece, position).naming("read", source)?;
        if count == 0 {
            return to.sync_data().naming("sync", target);
        }
        to.write_at(&[IoSlice::new(&piece[..count])], position).naming("write", target)?;
        position += count as u64;
    }
}

/// The beginning of the folders' names.
pub(crate) const LOST: &str = "lost+";
const PIECE_BYTES: usize = 1 << 20;
