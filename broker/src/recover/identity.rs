//! An identity that is damaged: what can be said of it, and writing it again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use weir_protocol::id::TopicId;
use weir_storage::directory::DataDir;
use weir_storage::disk::Disk;
use weir_storage::journal::DamageCode;
use weir_storage::journal::checkpoint::Checkpoint;

use super::offline::{Failure, Outcome};
use crate::clock::Randomness;
use crate::core::commit::replay::RecoverError;

/// Tells what the damaged identity `file` of the data directory at `path` said, as far as its
/// checkpoints know it; writes it again if `accepted` names this damage.
pub(super) fn restore(
    disk: Arc<dyn Disk>,
    path: &Path,
    file: &Path,
    accepted: Option<DamageCode>,
    randomness: &Randomness,
) -> Result<Outcome, Failure> {
    let damaged = format!("{} is not as it was written", file.display());
    let named = Checkpoint::named_directories(&*disk, path).map_err(RecoverError::from)?;
    let [directory] = named[..] else {
        let known = if named.is_empty() { "none" } else { "more than one" };
        let words = format!(
            "{damaged}, and the checkpoints name {known} as the data directory they belong to. \
             Nothing was changed. Restore the file from a copy"
        );
        return Err(Failure::Failed(words));
    };
    let code = DamageCode::of_file(&directory, file);
    let id = TopicId::from_bytes(directory);
    if accepted != Some(code) {
        let words = format!(
            "{damaged}\nits checkpoints name data directory {id}: it can be written again\n\
             lost: no record; the ids of the cluster and the node, if they cannot be read there"
        );
        return Ok(Outcome::Told { words, code });
    }
    let name = code.to_string();
    DataDir::restore_identity(disk, path, directory, &name, || randomness.uuid())?;
    let kept: PathBuf = path.join(format!("lost+{name}"));
    let words = format!(
        "{damaged}\nit was written again, for data directory {id}; what was there is in {}",
        kept.display()
    );
    Ok(Outcome::GivenUp { words })
}
