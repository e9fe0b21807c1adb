//! What of a log was damaged while nobody had it open, and what it may refuse for that.
//!
//! A bit of any file may be another one. Below the end that the log is opened at nothing but the
//! file has its bytes, so that the segment is refused from then on; above it the journal writes all
//! of it again. Indexes are made again from their segments.

use std::io::IoSlice;
use std::path::Path;

use weir_storage::disk::{CrashDisk, Disk, Open};
use weir_storage::log::End;
use weir_storage::offset::{Offset, OffsetSpan};

use super::plain::{Plain, Stored};

/// A bit of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flip {
    /// Which of the files, and which of its bytes: the first at 0.
    pub(crate) file: f64,
    pub(crate) byte: f64,
    pub(crate) bit: u8,
}

/// What may be refused.
#[derive(Debug, Default)]
pub(crate) struct Damages {
    refused: Vec<Refused>,
    /// Of epochs that began below the damage nothing need be known.
    pub(crate) lost_epochs: bool,
}

#[derive(Clone, Debug)]
struct Refused {
    span: OffsetSpan,
    /// Of one segment alone, and which.
    segment: Option<Offset>,
    /// It must be: nothing can have made it good.
    is_certain: bool,
}

impl Damages {
    /// Damages a log that is opened at `at` next.
    pub(crate) fn flip(
        &mut self,
        disk: &CrashDisk,
        directory: &Path,
        flip: Flip,
        at: &End,
        plain: &Plain,
    ) {
        let names = disk.list(directory).unwrap();
        let files: Vec<_> = names.iter().filter_map(|name| name.to_str()).collect();
        let Some(name) = nth(&files, flip.file) else { return };
        let file = disk.open(&directory.join(name), Open::Write).unwrap();
        let bytes = file.len().unwrap();
        if bytes == 0 {
            return;
        }
        let position = ((bytes as f64 * flip.byte) as u64).min(bytes - 1);
        let mut byte = [0];
        file.read_at(&mut byte, position).unwrap();
        file.write_at(&[IoSlice::new(&[byte[0] ^ 1 << flip.bit])], position).unwrap();
        file.sync_data().unwrap();
        if *name == "manifest" {
            self.lost_epochs = true;
            self.refuse(Offset::ZERO..at.segment, None, 0 < at.position);
        } else if let Some(base) = name.strip_suffix(".log").and_then(|base| base.parse().ok()) {
            self.flipped(Offset::new(base), position, at, plain);
        }
    }

    fn flipped(&mut self, base: Offset, position: u64, at: &End, plain: &Plain) {
        let is_vouched_for = |end| end <= at.offset;
        let mut batches = plain.batches().filter(|batch| batch.place.segment == base);
        let last = batches.by_ref().take_while(|batch| is_vouched_for(batch.span().end)).last();
        let Some(last) = last else { return };
        // A gap behind its last batch is the segment's too.
        let mut segments = plain.batches().map(|batch| batch.place.segment);
        let next = segments.find(|other| base < *other).unwrap_or(at.segment);
        let next = if base == at.segment { at.offset } else { next };
        let end = last.place.position + last.bytes.len() as u64;
        self.refuse(base..next, Some(base), position < end);
    }

    fn refuse(&mut self, span: OffsetSpan, segment: Option<Offset>, is_certain: bool) {
        let mut refused = Refused { span, segment, is_certain };
        for other in &mut self.refused {
            // The same bit twice is none.
            if overlap(&other.span, &refused.span) {
                (other.is_certain, refused.is_certain) = (false, false);
            }
        }
        self.refused.push(refused);
    }

    /// The log is opened at `at`: the journal has what lies above.
    pub(crate) fn opened(&mut self, at: &End) {
        for refused in &mut self.refused {
            refused.is_certain &= refused.span.end <= at.offset;
        }
    }

    /// Whether a batch may be: damage that nobody has met yet takes what its segment is given.
    pub(crate) fn may_refuse(&self, batch: &Stored) -> bool {
        let is_of = |refused: &Refused| {
            refused.segment == Some(batch.place.segment) || overlap(&refused.span, &batch.span())
        };
        self.refused.iter().any(is_of)
    }

    pub(crate) fn must_refuse(&self, offset: Offset) -> bool {
        self.refused.iter().any(|refused| refused.is_certain && refused.span.contains(&offset))
    }

    /// Whether these offsets lie where no segment is known of.
    pub(crate) fn may_be_lost(&self, span: &OffsetSpan) -> bool {
        self.refused.iter().any(|refused| overlap(&refused.span, span))
    }
}

fn overlap(one: &OffsetSpan, other: &OffsetSpan) -> bool {
    one.start < other.end && other.start < one.end
}

fn nth<T>(all: &[T], at: f64) -> Option<&T> {
    all.get((all.len() as f64 * at) as usize)
}
