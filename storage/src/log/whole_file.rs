//! Small files that are there whole or not at all: written under another name, then renamed.
//!
//! Every such file ends with the CRC-32C of all before it, so that one which a power cut left
//! without its bytes is not taken for what it was to be.

use std::io::{self, IoSlice};
use std::path::Path;

use weir_protocol::checksum::crc32c;

use super::file_name;
use crate::disk::{self, Disk, Open};
use crate::errors::{DiskError, Naming};

/// What must survive a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// The bytes, once the directory is synced; until then, what was there before.
    Certain,
    /// Perhaps: the file can be made anew.
    Likely,
}

/// Puts `bytes` in the place of what was in the file `name`.
pub(super) fn replace(
    disk: &dyn Disk,
    directory: &Path,
    name: &str,
    bytes: &[u8],
    keep: Keep,
) -> Result<(), DiskError> {
    let unfinished = directory.join(file_name::unfinished(name));
    let file = match disk.open(&unfinished, Open::Create) {
        // An earlier attempt failed half-way.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            disk.remove_file(&unfinished).naming("remove", &unfinished)?;
            disk.open(&unfinished, Open::Create)
        }
        opened => opened,
    };
    let file = file.naming("create", &unfinished)?;
    file.write_at(&[IoSlice::new(bytes)], 0).naming("write", &unfinished)?;
    if keep == Keep::Certain {
        file.sync_data().naming("sync", &unfinished)?;
    }
    disk.rename(&unfinished, &directory.join(name)).naming("rename", &unfinished)
}

/// The file's bytes, `None` where there is no such file.
pub(super) fn read(disk: &dyn Disk, path: &Path) -> Result<Option<Vec<u8>>, DiskError> {
    let file = match disk.open(path, Open::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.naming("open", path)?,
    };
    let len = file.len().naming("measure", path)?;
    let mut bytes = vec![0; len as usize];
    disk::read_exact_at(&*file, &mut bytes, 0).naming("read", path)?;
    Ok(Some(bytes))
}

/// Gives the damaged file `name` a name that says what it is, for a person to look at.
pub(super) fn set_aside(disk: &dyn Disk, directory: &Path, name: &str) -> Result<(), DiskError> {
    let taken = disk.list(directory).naming("list", directory)?;
    let mut names = (1..).map(|number| file_name::set_aside(name, number));
    let free = names.find(|name| !taken.iter().any(|taken| taken == name.as_str()));
    let target = directory.join(free.expect("there are more numbers than files"));
    disk.rename(&directory.join(name), &target).naming("rename", &target)
}

/// Puts the checksum behind `bytes`.
pub(super) fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = crc32c(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

/// What was sealed, if the checksum is right.
pub(super) fn unseal(bytes: &[u8]) -> Option<&[u8]> {
    let (sealed, checksum) = bytes.split_last_chunk()?;
    (crc32c(sealed) == u32::from_le_bytes(*checksum)).then_some(sealed)
}
