//! A damaged identity, written again from what the rest of the directory knows of it.
//!
//! Every checkpoint names the data directory that it belongs to, and formats and shards are what
//! this weir has, or it would not read the checkpoint. So nothing can be lost but the ids of the
//! cluster and the node, and those are taken from the damaged text where it still has them. What
//! was there is kept in `lost+<name>/`.
//!
//! It knows no checkpoint: who calls has read which directory they name. A crash in the middle
//! leaves the damaged identity, or the new one.

use std::path::Path;
use std::sync::Arc;

use super::identity::{Identity, NewIdentity};
use super::{
    DataDir, IDENTITY, IDENTITY_BYTES_MAX, OpenError, lock, not_writable, parts, write_identity,
};
use crate::disk::{Disk, Open, read_exact_at};
use crate::errors::Naming;

impl DataDir {
    /// Writes the identity of the directory at `path` again: it is data directory `directory`. An
    /// id that cannot be read any more is `fresh`. On return that is durable.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing was changed, but for the copy of what was there.
    pub fn restore_identity(
        disk: Arc<dyn Disk>,
        path: &Path,
        directory: [u8; 16],
        name: &str,
        mut fresh: impl FnMut() -> [u8; 16],
    ) -> Result<Self, OpenError> {
        parts::check_root(&*disk, path)?;
        parts::check(&*disk, path)?;
        let lock = lock(&*disk, path)?;
        let file = path.join(IDENTITY);
        let text = read(&*disk, &file)?;
        let mut id = |key| Identity::id_in(&text, key).unwrap_or_else(&mut fresh);
        let (cluster, node) = (id("cluster"), id("node"));
        let identity = Identity::fresh(NewIdentity { cluster, node, directory });
        let restored = Self { disk, path: path.to_owned(), identity, _lock: lock };
        restored.put_aside(name, &[file]).map_err(not_writable)?;
        write_identity(&*restored.disk, path, &restored.identity).map_err(not_writable)?;
        Ok(restored)
    }
}

fn read(disk: &dyn Disk, path: &Path) -> Result<Vec<u8>, OpenError> {
    let file = disk.open(path, Open::Read).naming("open", path)?;
    let len = file.len().naming("read", path)?.min(IDENTITY_BYTES_MAX);
    let mut text = vec![0; len as usize];
    read_exact_at(&*file, &mut text, 0).naming("read", path)?;
    Ok(text)
}
