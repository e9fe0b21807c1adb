//! Opening a journal: verify all of it, cut a torn tail, begin a new run.
//!
//! Nothing is changed before the whole journal is verified. What survives is made durable once
//! more, since the process before may have written it without a sync. Then the new run's first
//! frame names where the last one ended, is synced, and the journal is ready.
//!
//! After a crash in the middle, the next start finds the same journal, or the new run without
//! entries.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;
use weir_protocol::id::TopicId;

use super::code::DamageCode;
use super::frame::RunBefore;
use super::inventory::Inventory;
use super::maker::{MakeError, Maker, Shared, Start};
use super::options::{OnTornTail, Options, ReadPath};
use super::replay::Replay;
use super::room::Room;
use super::segment::{FRAMES_AT, Segment};
use super::verify::{Damage, Walk};
use super::writer::Journal;
use crate::disk::{Disk, Open};
use crate::errors::{DiskError, Naming};
use crate::offset::{Index, JournalPos};

/// Opens the journal in `directory`, which exists.
///
/// `fresh_uuid` draws sixteen random bytes for each segment that is begun. On return everything
/// that `recovery` tells of is durable.
///
/// # Errors
/// See [`OpenError`]; unless the disk failed, nothing was changed.
pub fn open(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    options: Options,
    vouched: &Vouched,
    fresh_uuid: impl FnMut() -> [u8; 16] + Send + 'static,
) -> Result<Opened, OpenError> {
    Verified::of(disk, directory, options, vouched)?.begin(fresh_uuid)
}

/// A journal that was verified, and of which nothing was changed.
#[derive(Debug)]
pub struct Verified {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    options: Options,
    vouched: Vouched,
    found: Found,
}

impl Verified {
    /// Verifies the journal in `directory`, which exists.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn of(
        disk: &Arc<dyn Disk>,
        directory: &Path,
        options: Options,
        vouched: &Vouched,
    ) -> Result<Self, OpenError> {
        options.check().map_err(OpenError::Options)?;
        let found = find(&**disk, directory, &options, vouched, Open::Write)?;
        let (disk, directory) = (Arc::clone(disk), directory.to_owned());
        Ok(Self { disk, directory, options, vouched: vouched.clone(), found })
    }

    /// Makes what was verified durable, cuts a torn tail, and begins a new run; as [`open`] says.
    ///
    /// # Errors
    /// The disk failed.
    pub fn begin(
        self,
        fresh_uuid: impl FnMut() -> [u8; 16] + Send + 'static,
    ) -> Result<Opened, OpenError> {
        let Self { disk, directory, options, vouched, found } = self;
        found.settle()?;
        let shared = Arc::new(Shared::new(&options));
        let Found { chain, others, mut recovery } = found;
        let start = hand_over(&*disk, &directory, &options, &vouched, &chain, others)?;
        let fresh_uuid = Box::new(fresh_uuid);
        let mut maker =
            Maker::new(Arc::clone(&disk), &directory, options, fresh_uuid, &shared, start);
        let span = vouched.replay_from..recovery.end;
        let replay = Replay::new(disk, chain.clone(), span, options.read);

        let mut sealed = VecDeque::from(chain);
        let active = match sealed.pop_back() {
            Some(active) => active,
            None => maker.make_first()?,
        };
        recovery.end = recovery.end.max(active.start());
        // Room for the run's first frame, and for what a start has to write itself, even where the
        // journal is full: nobody could checkpoint it otherwise.
        if active.room(recovery.end) < options.start_bytes() {
            maker.make()?;
        }
        maker.zero_rest(&active)?;
        let mut journal = Journal::new(Arc::clone(&shared), sealed, active, &recovery);
        journal.start_run(RunBefore { run: recovery.run - 1, end: recovery.end })?;
        Ok(Opened { journal, maker, room: Room::new(&shared.counts), replay, recovery })
    }
}

/// What a start of the journal in `directory` would find; changes nothing, and opens files only
/// to read them.
///
/// # Errors
/// See [`OpenError`].
pub fn examine(
    disk: &dyn Disk,
    directory: &Path,
    vouched: &Vouched,
) -> Result<Recovery, OpenError> {
    let options = Options {
        segment_bytes: 0,
        bytes_max: 0,
        on_torn_tail: OnTornTail::Truncate,
        read: ReadPath::Direct,
    };
    Ok(find(disk, directory, &options, vouched, Open::Read)?.recovery)
}

fn find(
    disk: &dyn Disk,
    directory: &Path,
    options: &Options,
    vouched: &Vouched,
    how: Open,
) -> Result<Found, OpenError> {
    let inventory = Inventory::take(disk, directory, vouched, how)?;
    match first_segment(&inventory, directory, vouched)? {
        Some(first) => verify(disk, inventory, first, options, vouched),
        None => Ok(Found::nothing(inventory, vouched)),
    }
}

/// A journal that is ready, and what was found.
#[derive(Debug)]
pub struct Opened {
    pub journal: Journal,
    pub maker: Maker,
    pub room: Room,
    /// To be read to its end before anything is staged that depends on what it holds.
    pub replay: Replay,
    pub recovery: Recovery,
}

/// What a start found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// The run that begins now.
    pub run: u32,
    /// Where the verified part begins.
    pub from: JournalPos,
    /// Where it ends.
    pub end: JournalPos,
    /// How many frames it has.
    pub frames: u64,
    /// What was cut off behind the end.
    pub torn: Option<Torn>,
    /// The last index of each shard that has any, the checkpoint's included.
    pub last_index: BTreeMap<u16, Index>,
}

/// A tail that was being written when the power went; never acknowledged as synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn {
    /// From the cut to the end of the last frame behind it that can be recognized.
    pub bytes: u64,
    /// The whole ones among the frames behind the cut.
    pub frames: u64,
    /// Where the journal was cut.
    pub at: JournalPos,
}

/// What checkpoints and a clean stop vouch for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vouched {
    /// Where the journal is kept from: the older checkpoint's `journal_from`.
    pub kept_from: JournalPos,
    /// The run of that checkpoint.
    pub run: u32,
    /// The newest checkpoint's `journal_from`: what it reflects lies below, or has an index that
    /// it names.
    pub replay_from: JournalPos,
    /// The last index of each shard that the newest checkpoint reflects.
    pub indexes: BTreeMap<u16, Index>,
    /// Where a clean stop left the journal, if the last stop was one.
    pub clean_end: Option<JournalPos>,
    /// The data directory's uuid, as its identity names it.
    pub directory: [u8; 16],
}

impl Vouched {
    pub(super) fn index(&self, shard: u16) -> Index {
        self.indexes.get(&shard).copied().unwrap_or(Index::ZERO)
    }

    pub(super) fn durable_to(&self) -> JournalPos {
        self.replay_from.max(self.clean_end.unwrap_or(JournalPos::ZERO))
    }

    /// Damage, with the code that names it here.
    pub(super) fn damaged(&self, file: &Path, position: u64, what: Damage) -> OpenError {
        let code = DamageCode::of(&self.directory, file, position, &what);
        OpenError::Damaged { file: file.to_owned(), position, what, code }
    }
}

/// Why a journal was not opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The operator's settings do not fit together.
    #[error("{0}")]
    Options(&'static str),
    /// Something that was durable is gone. Going on would lose it silently.
    #[error(
        "the journal is damaged: {} at byte {position}: {what}. Nothing was changed. Restore the \
         file from a copy; or see with `weir recover DIR` what would be lost, and go on without it \
         with --accept-loss {code}", file.display()
    )]
    Damaged { file: PathBuf, position: u64, what: Damage, code: DamageCode },
    /// Files of two data directories were mixed.
    #[error(
        "{} belongs to data directory {}, not to this one: put back the files that were here",
        file.display(), TopicId::from_bytes(*directory)
    )]
    OtherDirectory { file: PathBuf, directory: [u8; 16] },
    /// A torn tail, and the settings say that it may not be cut.
    #[error(
        "the journal ends in {} bytes that were being written when the power went; set \
         `on_torn_tail` to \"truncate\" to cut them", .0.bytes
    )]
    TornRefused(Torn),
    /// A newer weir wrote this.
    #[error(
        "{} has an entry of unknown kind {kind} at byte {position}; a newer weir wrote it, start \
         that one", file.display()
    )]
    UnknownKind { file: PathBuf, position: u64, kind: u8 },
    /// A newer weir wrote this.
    #[error(
        "{} has format version {version}; a newer weir wrote it, start that one", file.display()
    )]
    NewerFormat { file: PathBuf, version: u32 },
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Make(#[from] MakeError),
}

/// The segment to verify from; none for a journal that was never written.
fn first_segment(
    inventory: &Inventory,
    directory: &Path,
    vouched: &Vouched,
) -> Result<Option<usize>, OpenError> {
    let damaged = |file: &Path, what| vouched.damaged(file, 0, what);
    if let Some(path) = inventory.second_of_two() {
        return Err(damaged(path, Damage::SegmentTwice));
    }
    let start = vouched.kept_from.max(JournalPos::new(FRAMES_AT));
    if let Some(first) = inventory.index_of(start) {
        return Ok(Some(first));
    }
    if vouched.kept_from != JournalPos::ZERO || !inventory.segments.is_empty() {
        return Err(damaged(directory, Damage::FirstSegmentMissing));
    }
    // The first segment of all: if it was used, its header was durable before.
    match inventory.written_blank()? {
        Some(spare) => Err(damaged(&spare.path, Damage::SegmentHeader)),
        None => Ok(None),
    }
}

/// A journal's verified state on the disk, and what does not belong to it.
#[derive(Debug)]
struct Found {
    /// The journal's segments from the oldest that is kept to the one it ends in.
    chain: Vec<Arc<Segment>>,
    others: Inventory,
    recovery: Recovery,
}

fn verify(
    disk: &dyn Disk,
    mut inventory: Inventory,
    first: usize,
    options: &Options,
    vouched: &Vouched,
) -> Result<Found, OpenError> {
    let start = vouched.kept_from.max(JournalPos::new(FRAMES_AT));
    let walk = Walk::run(disk, &inventory, first, start, vouched, options.read)?;
    if let (Some(torn), OnTornTail::Refuse) = (walk.torn, options.on_torn_tail) {
        return Err(OpenError::TornRefused(torn));
    }
    let chain =
        walk.chain.iter().map(|index| Arc::clone(&inventory.segments[*index].segment)).collect();
    let mut last_index = vouched.indexes.clone();
    last_index.extend(&walk.last_index);
    let recovery = Recovery {
        run: walk.run + 1,
        from: start,
        end: walk.end,
        frames: walk.frames,
        torn: walk.torn,
        last_index,
    };
    let in_chain = walk.chain;
    let mut index = 0;
    inventory.segments.retain(|_| {
        index += 1;
        !in_chain.contains(&(index - 1))
    });
    Ok(Found { chain, others: inventory, recovery })
}

impl Found {
    fn nothing(inventory: Inventory, vouched: &Vouched) -> Self {
        let recovery = Recovery {
            run: vouched.run + 1,
            from: JournalPos::ZERO,
            end: JournalPos::ZERO,
            frames: 0,
            torn: None,
            last_index: BTreeMap::new(),
        };
        Self { chain: Vec::new(), others: inventory, recovery }
    }

    /// Makes what was verified durable, and nothing else.
    fn settle(&self) -> Result<(), DiskError> {
        for segment in &self.chain {
            segment.sync()?;
        }
        if let (Some(torn), Some(last)) = (self.recovery.torn, self.chain.last()) {
            let end = torn.at.plus(torn.bytes).min(last.end());
            last.write_zeros(last.position_of(torn.at)..last.position_of(end))?;
            last.sync()?;
        }
        Ok(())
    }
}

/// Hands the files that the journal does not need to the maker, but for those of another size and
/// those too many.
fn hand_over(
    disk: &dyn Disk,
    directory: &Path,
    options: &Options,
    vouched: &Vouched,
    chain: &[Arc<Segment>],
    others: Inventory,
) -> Result<Start, DiskError> {
    let last = chain.last();
    let mut start = Start {
        spares: Vec::new(),
        next_base: last.map_or(JournalPos::ZERO, |last| last.end()),
        before: last.map_or([0; 16], |last| last.header.uuid),
        data_directory: vouched.directory,
        next_number: others.next_number,
        files: chain.len() as u64,
    };
    for spare in others.into_spares() {
        let len = spare.file.len().naming("measure", &spare.path)?;
        if len == options.segment_bytes && start.files < options.segments_max() {
            start.files += 1;
            start.spares.push(spare);
        } else {
            disk.remove_file(&spare.path).naming("remove", &spare.path)?;
        }
    }
    disk.sync_dir(directory).naming("sync", directory)?;
    Ok(start)
}
