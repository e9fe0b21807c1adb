//! A journal that begins again behind one that was given up.
//!
//! ```text
//!   … given up ├──────── a new segment ────────►
//!              └ base: behind every segment there is, so that no position is used twice
//! ```
//!
//! Until a checkpoint names its place nobody reads it: a crash in between leaves a file that the
//! next attempt, or the next start, uses again.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::frame::RunBefore;
use super::maker::{Maker, Shared, Start};
use super::options::{OnTornTail, Options, ReadPath};
use super::recovery::{OpenError, Recovery};
use super::segment::{FRAMES_AT, FoundHeader, file_number, read_header};
use super::writer::Journal;
use crate::disk::{Disk, Open, read_exact_at};
use crate::errors::{DiskError, Naming};
use crate::offset::JournalPos;

/// Where and as what a journal begins again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anew {
    /// Where its first segment begins: behind all there are.
    pub base: JournalPos,
    /// Higher than any run before.
    pub run: u32,
    pub segment_bytes: u64,
    /// The data directory's uuid.
    pub directory: [u8; 16],
}

impl Anew {
    /// Makes the segment in `directory` and its first frame, durably; where its frames begin.
    ///
    /// # Errors
    /// The disk failed, or is full.
    pub fn begin(
        self,
        disk: &Arc<dyn Disk>,
        directory: &Path,
        fresh_uuid: impl FnMut() -> [u8; 16] + Send + 'static,
    ) -> Result<JournalPos, OpenError> {
        let Self { base, run, segment_bytes, directory: data_directory } = self;
        let (on_torn_tail, read) = (OnTornTail::Truncate, ReadPath::Direct);
        let bytes_max = segment_bytes.saturating_mul(4);
        let options = Options { segment_bytes, bytes_max, on_torn_tail, read };
        options.check().map_err(OpenError::Options)?;
        let names = disk.list(directory).naming("list", directory)?;
        let numbers = names.iter().filter_map(|name| file_number(name.to_str()?));
        let start = Start {
            spares: Vec::new(),
            next_base: base,
            before: [0; 16],
            data_directory,
            next_number: numbers.max().unwrap_or(0) + 1,
            files: 0,
        };
        let shared = Arc::new(Shared::new(&options));
        let fresh_uuid = Box::new(fresh_uuid);
        let mut maker =
            Maker::new(Arc::clone(disk), directory, options, fresh_uuid, &shared, start);
        let active = maker.make_first()?;
        let at = active.start();
        let recovery =
            Recovery { run, from: at, end: at, frames: 0, torn: None, last_index: BTreeMap::new() };
        let mut journal = Journal::new(shared, VecDeque::new(), active, &recovery);
        journal.start_run(RunBefore { run: run - 1, end: at })?;
        Ok(at)
    }
}

/// The files of a journal that have no valid header and may have frames all the same.
pub fn headless(disk: &dyn Disk, directory: &Path) -> Result<Vec<PathBuf>, DiskError> {
    let mut found = Vec::new();
    for name in disk.list(directory).naming("list", directory)? {
        if name.to_str().and_then(file_number).is_none() {
            continue;
        }
        let path = directory.join(name);
        let file = disk.open(&path, Open::Read).naming("open", &path)?;
        let mut page = vec![0; FRAMES_AT as usize];
        let is_headless = read_header(&*file, &path)? == FoundHeader::None;
        if is_headless && read_exact_at(&*file, &mut page, FRAMES_AT).is_ok() {
            let is_written = page.iter().any(|byte| *byte != 0);
            found.extend(is_written.then_some(path));
        }
    }
    Ok(found)
}

/// Removes every file of a journal but the one whose frames begin at `kept`.
pub fn remove_given_up(
    disk: &dyn Disk,
    directory: &Path,
    kept: JournalPos,
) -> Result<(), DiskError> {
    for name in disk.list(directory).naming("list", directory)? {
        if name.to_str().and_then(file_number).is_none() {
            continue;
        }
        let path = directory.join(name);
        let file = disk.open(&path, Open::Read).naming("open", &path)?;
        match read_header(&*file, &path)? {
            FoundHeader::Valid(header, _) if header.base.plus(FRAMES_AT) == kept => {}
            _ => disk.remove_file(&path).naming("remove", &path)?,
        }
    }
    disk.sync_dir(directory).naming("sync", directory)
}
