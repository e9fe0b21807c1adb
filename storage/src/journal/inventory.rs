//! What lies in the journal's directory at a start, before anything is judged or changed.

use std::path::Path;
use std::sync::Arc;

use super::maker::Spare;
use super::recovery::{OpenError, Vouched};
use super::segment::{FRAMES_AT, FoundHeader, Segment, Zeroed, file_number, read_header};
use super::verify::Damage;
use super::zeroing::Zeroing;
use crate::disk::{Disk, File, Open, read_exact_at};
use crate::errors::Naming;
use crate::offset::JournalPos;

#[derive(Debug)]
pub(super) struct Inventory {
    /// In the journal's order.
    pub(super) segments: Vec<Found>,
    /// Files without a valid header.
    pub(super) blank: Vec<Spare>,
    pub(super) next_number: u64,
}

#[derive(Debug)]
pub(super) struct Found {
    pub(super) segment: Arc<Segment>,
    pub(super) zeroed: Zeroed,
}

impl Inventory {
    /// Opens every file of the journal as `how` says.
    pub(super) fn take(
        disk: &dyn Disk,
        directory: &Path,
        vouched: &Vouched,
        how: Open,
    ) -> Result<Self, OpenError> {
        let mut inventory = Self { segments: Vec::new(), blank: Vec::new(), next_number: 1 };
        for name in disk.list(directory).naming("list", directory)? {
            let Some(number) = name.to_str().and_then(file_number) else { continue };
            inventory.next_number = inventory.next_number.max(number + 1);
            let path = directory.join(name);
            let file = disk.open(&path, how).naming("open", &path)?;
            inventory.add(file, &path, vouched)?;
        }
        inventory.segments.sort_by_key(|found| found.segment.header.base);
        Ok(inventory)
    }

    fn add(
        &mut self,
        file: Arc<dyn File>,
        path: &Path,
        vouched: &Vouched,
    ) -> Result<(), OpenError> {
        match read_header(&*file, path)? {
            FoundHeader::NewerFormat(version) => {
                Err(OpenError::NewerFormat { file: path.to_owned(), version: version.into() })
            }
            FoundHeader::None => {
                let path = path.to_owned();
                self.blank.push(Spare { path, file, zeroed: Zeroed::InPart, base: None });
                Ok(())
            }
            FoundHeader::Valid(header, zeroed) => {
                if file.len().naming("measure", path)? != header.len {
                    return Err(vouched.damaged(path, 0, Damage::SegmentLength));
                }
                if header.directory != vouched.directory {
                    let (file, directory) = (path.to_owned(), header.directory);
                    return Err(OpenError::OtherDirectory { file, directory });
                }
                let zeroed_to = if zeroed == Zeroed::Wholly { header.len } else { FRAMES_AT };
                let zeroing = Zeroing::new(zeroed_to, header.len);
                let segment = Segment { path: path.to_owned(), file, header, zeroing };
                self.segments.push(Found { segment: Arc::new(segment), zeroed });
                Ok(())
            }
        }
    }

    /// The segment that `position` lies in.
    pub(super) fn index_of(&self, position: JournalPos) -> Option<usize> {
        self.segments.iter().position(|found| {
            found.segment.header.base <= position && position < found.segment.end()
        })
    }

    /// The segment that follows the one of this index.
    pub(super) fn index_behind(&self, index: usize) -> Option<usize> {
        let segment = &self.segments[index].segment;
        self.segments.iter().position(|found| {
            let header = &found.segment.header;
            header.base == segment.end() && header.before == segment.header.uuid
        })
    }

    /// A file whose place in the journal another one has.
    pub(super) fn second_of_two(&self) -> Option<&Path> {
        let two = self
            .segments
            .windows(2)
            .find(|two| two[0].segment.header.base == two[1].segment.header.base)?;
        Some(&two[1].segment.path)
    }

    /// All files, as such that hold nothing the journal needs.
    pub(super) fn into_spares(self) -> impl Iterator<Item = Spare> {
        let spare = |found: Found| Spare {
            path: found.segment.path.clone(),
            file: Arc::clone(&found.segment.file),
            zeroed: found.zeroed,
            base: Some(found.segment.header.base),
        };
        self.segments.into_iter().map(spare).chain(self.blank)
    }

    /// A file without a header in which frames may have been written.
    pub(super) fn written_blank(&self) -> Result<Option<&Spare>, OpenError> {
        for spare in &self.blank {
            let mut page = vec![0; FRAMES_AT as usize];
            let whole = read_exact_at(&*spare.file, &mut page, FRAMES_AT).is_ok();
            if whole && page.iter().any(|byte| *byte != 0) {
                return Ok(Some(spare));
            }
        }
        Ok(None)
    }
}
