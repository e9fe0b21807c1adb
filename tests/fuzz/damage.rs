//! What can happen to the files of a directory, as a fuzzer makes it up, and a disk it happened to.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;

use arbitrary::Arbitrary;
use weir_storage::disk::{CrashDisk, Disk, Open, read_exact_at};

/// One mishap. Files are counted from the first by name, positions from a file's beginning; both
/// wrap around, so that each number means something.
#[derive(Arbitrary, Clone, Debug)]
pub enum Damage {
    Flip {
        file: u8,
        position: u32,
        bit: u8,
    },
    Overwrite {
        file: u8,
        position: u32,
        bytes: Vec<u8>,
    },
    Cut {
        file: u8,
        len: u32,
    },
    Extend {
        file: u8,
        bytes: Vec<u8>,
    },
    Remove {
        file: u8,
    },
    /// A file in the place of another: stale, swapped, or of a neighbour.
    Replace {
        file: u8,
        by: u8,
    },
    /// The same bytes once more, elsewhere in the file.
    Repeat {
        file: u8,
        from: u32,
        to: u32,
        len: u16,
    },
    Foreign {
        name: u8,
        bytes: Vec<u8>,
    },
}

/// The files of one directory.
pub type Files = BTreeMap<OsString, Vec<u8>>;

/// Reads all files of a directory.
pub fn files(disk: &dyn Disk, directory: &Path) -> Files {
    let names = disk.list(directory).expect("the directory is there");
    let read = |name: OsString| {
        let file = disk.open(&directory.join(&name), Open::Read).expect("the file is there");
        let mut bytes = vec![0; file.len().expect("a file has a length") as usize];
        read_exact_at(&*file, &mut bytes, 0).expect("a file can be read");
        (name, bytes)
    };
    names.into_iter().map(read).collect()
}

/// A disk with these files, durably.
pub fn disk(files: &Files, directory: &Path) -> Arc<dyn Disk> {
    let disk = CrashDisk::new();
    let mut above = Vec::from_iter(directory.ancestors().filter(|path| path.parent().is_some()));
    while let Some(path) = above.pop() {
        disk.create_dir(path).expect("it is a new disk");
        disk.sync_dir(path.parent().expect("it is not the root")).expect("the disk is well");
    }
    for (name, bytes) in files {
        let file = disk.open(&directory.join(name), Open::Create).expect("it is a new disk");
        file.write_at(&[IoSlice::new(bytes)], 0).expect("the disk has room");
        file.sync_data().expect("the disk is well");
    }
    disk.sync_dir(directory).expect("the disk is well");
    Arc::new(disk)
}

impl Damage {
    pub fn befall(&self, files: &mut Files) {
        match self {
            Self::Foreign { name, bytes } => {
                let bytes = bytes.clone();
                files.insert(format!("foreign-{name}").into(), bytes);
            }
            Self::Remove { file } => {
                if let Some(name) = nth(files, *file) {
                    files.remove(&name);
                }
            }
            Self::Replace { file, by } => {
                if let (Some(name), Some(by)) = (nth(files, *file), nth(files, *by)) {
                    let bytes = files[&by].clone();
                    files.insert(name, bytes);
                }
            }
            Self::Flip { file, .. }
            | Self::Overwrite { file, .. }
            | Self::Cut { file, .. }
            | Self::Extend { file, .. }
            | Self::Repeat { file, .. } => {
                if let Some(bytes) = nth(files, *file).and_then(|name| files.get_mut(&name)) {
                    self.change(bytes);
                }
            }
        }
    }

    fn change(&self, file: &mut Vec<u8>) {
        let at = |position: u32| position as usize % file.len().max(1);
        match self {
            Self::Flip { position, bit, .. } => {
                let position = at(*position);
                if let Some(byte) = file.get_mut(position) {
                    *byte ^= 1 << (bit % 8);
                }
            }
            Self::Overwrite { position, bytes, .. } => {
                let position = at(*position);
                put(file, position, bytes);
            }
            Self::Cut { len, .. } => {
                let len = at(*len);
                file.truncate(len);
            }
            Self::Extend { bytes, .. } => file.extend_from_slice(bytes),
            Self::Repeat { from, to, len, .. } => {
                let (from, to) = (at(*from), at(*to));
                let end = file.len().min(from + usize::from(*len));
                let bytes = file[from..end].to_vec();
                put(file, to, &bytes);
            }
            Self::Remove { .. } | Self::Replace { .. } | Self::Foreign { .. } => {}
        }
    }
}

/// Writes over what is there; the file stays as long as it is.
fn put(file: &mut [u8], position: usize, bytes: &[u8]) {
    let room = file.len().saturating_sub(position).min(bytes.len());
    file[position..position + room].copy_from_slice(&bytes[..room]);
}

fn nth(files: &Files, number: u8) -> Option<OsString> {
    files.keys().nth(usize::from(number) % files.len().max(1)).cloned()
}
