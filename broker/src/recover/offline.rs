//! A data directory opened without a broker, to tell what its journal has lost or to give it up.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use weir_protocol::id::TopicId;
use weir_storage::directory::{DataDir, IDENTITY, IdentityError, NewIdentity, OpenError};
use weir_storage::disk::Disk;
use weir_storage::journal::DamageCode;
use weir_storage::journal::checkpoint::Checkpoint;
use weir_storage::log::{self, WriterKind};

use super::identity;
use crate::clock::Randomness;
use crate::core::catalog::rebuild::Rebuilding;
use crate::core::commit::giving_up::{GivenUp, GivingUp};
use crate::core::commit::loss::{self, Damaged, LostRecords};
use crate::core::commit::replay::RecoverError;

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is no damage to give anything up for.
    Sound,
    /// What would be lost, and the code that names it; nothing was changed.
    Told { words: String, code: DamageCode },
    /// What was given up. The next start goes on.
    GivenUp { words: String },
}

/// Why nothing is known, or nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("{0}")]
    InUse(String),
    #[error("{0}")]
    Failed(String),
}

/// Looks at the identity and the journal of the data directory at `path`; gives up what `accepted`
/// names.
///
/// # Errors
/// See [`Failure`].
pub fn recover(
    disk: Arc<dyn Disk>,
    path: &Path,
    accepted: Option<DamageCode>,
    randomness: &Randomness,
) -> Result<Outcome, Failure> {
    if disk.facts(&path.join(IDENTITY)).is_err() {
        let words = format!("{} is no data directory of weir: it has no identity", path.display());
        return Err(Failure::Failed(words));
    }
    // Never used, as the directory has an identity.
    let fresh = NewIdentity { cluster: [0; 16], node: [0; 16], directory: [0; 16] };
    let data = match DataDir::open(Arc::clone(&disk), path, fresh) {
        Err(OpenError::Identity { path: file, error: IdentityError::Damaged }) => {
            return identity::restore(disk, path, &file, accepted, randomness);
        }
        opened => opened?,
    };
    let owner = data.identity().directory;
    let loaded = Checkpoint::load(&**data.disk(), &data.checkpoint_dir(), &owner)
        .map_err(RecoverError::from)?;
    let vouched =
        loaded.vouched(owner, data.clean_mark().map_err(RecoverError::from)?.journal_end());
    let options = log::Options { writer: WriterKind::Pwrite, ..log::Options::default() };
    let mut tables = Rebuilding::new(options);
    let Some(damaged) = loss::examine(&data, &loaded, &vouched, &mut tables)? else {
        return Ok(Outcome::Sound);
    };
    let code = damaged.code;
    if accepted != Some(code) {
        return Ok(Outcome::Told { words: lost(&damaged, &tables), code });
    }
    let giving_up = GivingUp {
        data: &data,
        newest: loaded.newest.as_ref(),
        vouched: &vouched,
        damaged: &damaged,
        tables: tables.stored(&damaged.loss.applied),
        rebuild: &tables,
    };
    let randomness = randomness.clone();
    let given_up = giving_up.run(move || randomness.uuid())?;
    Ok(Outcome::GivenUp { words: done(&damaged, &given_up, &tables) })
}

impl From<RecoverError> for Failure {
    fn from(error: RecoverError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Locked { .. } => Self::InUse(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

fn lost(damaged: &Damaged, tables: &Rebuilding) -> String {
    let Damaged { file, position, what, loss, .. } = damaged;
    let mut words = format!("{} at byte {position}: {what}\n", file.display());
    for unreadable in &loss.unreadable {
        let loss::Unreadable { file, position, bytes } = unreadable;
        line(
            &mut words,
            format_args!("unreadable: {bytes} bytes from byte {position} of {}", file.display()),
        );
    }
    line(&mut words, format_args!("frames missing: {} at least", loss.frames));
    for LostRecords { topic, partition, span } in &loss.records {
        line(
            &mut words,
            format_args!(
                "lost: {}/{partition}, offsets {} to {}",
                named(tables, *topic),
                span.start,
                span.end
            ),
        );
    }
    if loss.unreadable.is_empty() && loss.frames == 0 {
        words.push_str("nothing that a start needs would be lost");
    } else if loss.doubtful.is_empty() {
        words.push_str("nothing else would be lost: every shard goes on behind it");
    } else {
        let doubtful: Vec<_> = loss.doubtful.iter().map(u16::to_string).collect();
        line(
            &mut words,
            format_args!(
                "in doubt: what shards {} did last, unless it is in the logs",
                doubtful.join(", ")
            ),
        );
        words.push_str(&format!("their partitions go on {} offsets further", loss.margin()));
    }
    words
}

fn done(damaged: &Damaged, given_up: &GivenUp, tables: &Rebuilding) -> String {
    let mut words = lost(damaged, tables);
    words.push('\n');
    for (topic, partition, offsets) in &given_up.gaps {
        let name = named(tables, *topic);
        line(&mut words, format_args!("passed over: {name}/{partition}, {offsets} offsets"));
    }
    let aside = given_up.aside.display();
    words + &format!("given up. The damaged files are in {aside}; start the broker")
}

fn named(tables: &Rebuilding, topic: TopicId) -> String {
    match tables.catalog.topic(topic) {
        Some(entry) => entry.name.as_str().to_owned(),
        None => topic.to_string(),
    }
}

fn line(words: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(words, "{line}").expect("a string takes any text");
}
