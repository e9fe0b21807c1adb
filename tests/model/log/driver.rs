//! Does each operation to the log and to the model, and compares.

use std::path::Path;
use std::sync::Arc;

use weir_protocol::batch::{Builder, Header, prefix};
use weir_storage::disk::{CrashDisk, Disk};
use weir_storage::log::{
    Alarm, Cursor, End, FirstBatch, Log, NoRoom, OpenMaps, Opened, Options, PageBudget, Parents,
    Place, Read, ReadError, ReadLimits, WriterKind,
};
use weir_storage::offset::{Epoch, Offset, OffsetSpan};

use super::damage::{Damages, Flip};
use super::plain::{Entry, Plain, Stored, epochs_from};

const DIRECTORY: &str = "/topics/one/0";

#[derive(Clone, Debug)]
pub(crate) enum Op {
    Append { records: u32, bytes: usize, later_ms: i64 },
    AppendOnFullDisk { bytes: usize },
    Read { at: f64, bytes_max: u64, messages_max: u64, must_go: bool },
    FindTime { at: f64 },
    Gap { offsets: u64 },
    StartEpoch,
    SetStart { at: f64 },
    Grow,
    Seal,
    Flush,
    Delete,
    Rest { late: bool },
    Restart { to_older: bool },
    CutPower { seed: u64, to_older: bool },
    Damage(Flip),
}

pub(crate) struct Driver {
    disk: CrashDisk,
    opened: Opened,
    plain: Plain,
    damages: Damages,
    now_ms: i64,
    /// What the newest and the older of two checkpoints name.
    newest: End,
    older: End,
}

impl Driver {
    pub(crate) fn new() -> Self {
        let disk = CrashDisk::new();
        disk.create_dir(Path::new("/topics")).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        let opened = Log::create(seam(&disk), Path::new(DIRECTORY), options()).unwrap();
        let end = End::default();
        let (plain, damages) = (Plain::default(), Damages::default());
        Self { disk, opened, plain, damages, now_ms: 1000, newest: end, older: end }
    }

    pub(crate) fn run(&mut self, op: &Op) {
        match *op {
            Op::Append { records, bytes, later_ms } => {
                self.now_ms = (self.now_ms + later_ms).max(0);
                self.append(records, bytes).unwrap();
            }
            Op::AppendOnFullDisk { bytes } => self.append_on_full_disk(bytes),
            Op::Read { at, bytes_max, messages_max, must_go } => {
                let first = if must_go { FirstBatch::Always } else { FirstBatch::IfItFits };
                let limits = ReadLimits { bytes_max, messages_max, first };
                self.check_read(&mut Cursor::at(self.offset_at(at)), &limits);
            }
            Op::FindTime { at } => {
                self.check_time((self.now_ms as f64 * at) as i64);
            }
            Op::Gap { offsets } => {
                let (tail, epoch) = (self.plain.tail, next(self.plain.epoch));
                self.apply(Entry::Gap { span: tail..tail.plus(offsets), epoch });
            }
            Op::StartEpoch => self.apply(Entry::Epoch(next(self.plain.epoch))),
            Op::SetStart { at } => self.set_start(self.offset_at(at.min(1.0))),
            Op::Grow => self.opened.upkeep.grow(0).unwrap(),
            Op::Seal => {
                self.opened.upkeep.seal_pending().unwrap();
            }
            Op::Flush => {
                self.older = self.newest;
                self.newest = self.opened.upkeep.flush().unwrap();
            }
            Op::Delete => {
                self.opened.upkeep.delete_below_start(&self.older).unwrap();
            }
            Op::Rest { late } => self.rest(late),
            Op::Restart { to_older } => self.come_back(self.disk.clone(), to_older),
            Op::CutPower { seed, to_older } => self.come_back(self.disk.cut(seed), to_older),
            Op::Damage(flip) => {
                let (disk, at) = (&self.disk, &self.newest);
                self.damages.flip(disk, Path::new(DIRECTORY), flip, at, &self.plain);
                self.come_back(self.disk.clone(), false);
                // A checkpoint that is damaged too, so that the one before it counts, is more than
                // is promised for.
                self.older = self.newest;
            }
        }
        self.check_bounds();
    }

    pub(crate) fn check_everything(&self) {
        self.check_bounds();
        let limits =
            ReadLimits { bytes_max: 7000, messages_max: u64::MAX, first: FirstBatch::Always };
        let mut cursor = Cursor::at(self.plain.start);
        while cursor.offset() < self.plain.tail {
            self.check_read(&mut cursor, &limits);
        }
    }

    fn check_bounds(&self) {
        let Opened { log, reader, .. } = &self.opened;
        assert_eq!((reader.start(), reader.tail()), (self.plain.start, self.plain.tail));
        assert_eq!(log.end().epoch, self.plain.epoch);
        let epochs = reader.epochs();
        if !self.damages.lost_epochs {
            assert_eq!(
                epochs_from(self.plain.start, &epochs),
                epochs_from(self.plain.start, &self.plain.epochs)
            );
        }
    }

    /// An offset of the log: its start at 0, its tail at 1.
    fn offset_at(&self, at: f64) -> Offset {
        let Plain { start, tail, .. } = self.plain;
        start.plus((tail.since(start) as f64 * at) as u64)
    }

    fn set_start(&mut self, start: Offset) {
        if self.plain.start < start && start == self.plain.tail {
            self.opened.room.leave();
        }
        self.apply(Entry::Start(start));
    }

    fn append(&mut self, records: u32, bytes: usize) -> Result<(), NoRoom> {
        let mut builder = Builder::new();
        for record in 0..records {
            let value = vec![record as u8; bytes / records as usize];
            builder.push(self.now_ms + i64::from(record), None, Some(&value), []).unwrap();
        }
        let mut bytes = builder.finish(None).to_vec();
        let header = Header::parse(&bytes).unwrap();
        let place = self.reserve(bytes.len() as u64)?;
        let first = prefix(self.plain.tail.get(), header.batch_bytes, self.plain.epoch.get());
        bytes[..first.len()].copy_from_slice(&first);
        self.apply(Entry::Batch(Stored { place, bytes }));
        Ok(())
    }

    fn reserve(&mut self, bytes: u64) -> Result<Place, NoRoom> {
        let Opened { room, upkeep, .. } = &mut self.opened;
        room.reserve(self.plain.tail, bytes).or_else(|_| {
            let _asked_again_below = upkeep.grow(bytes);
            room.reserve(self.plain.tail, bytes)
        })
    }

    fn append_on_full_disk(&mut self, bytes: usize) {
        self.disk.set_capacity(Some(0));
        if let Err(no_room) = self.append(1, bytes) {
            assert_eq!(no_room, NoRoom::Full);
        }
        self.disk.set_capacity(None);
        self.append(1, bytes).unwrap();
    }

    /// Closes what it held behind the rest, or only when it was woken again.
    fn rest(&mut self, late: bool) {
        let Opened { log, upkeep, .. } = &mut self.opened;
        let Some(left) = log.rest() else { return };
        if late {
            upkeep.grow(1).unwrap();
        }
        upkeep.lay_down(left).unwrap();
    }

    fn apply(&mut self, entry: Entry) {
        let log = &mut self.opened.log;
        match &entry {
            Entry::Batch(stored) => {
                let header = stored.header();
                log.apply(stored.place, stored.prefix(), stored.rest(), &header).unwrap();
            }
            Entry::Gap { span, epoch } => log.gap(span.clone(), *epoch),
            Entry::Start(start) => log.set_start(*start),
            Entry::Epoch(epoch) => log.start_epoch(*epoch),
        }
        self.plain.apply(entry);
    }

    /// Opens the log as a new process does, on what the disk holds now.
    fn come_back(&mut self, disk: CrashDisk, to_older: bool) {
        let at = if to_older { self.older } else { self.newest };
        self.newest = at;
        self.damages.opened(&at);
        let opened = match at {
            at if at == End::default() => {
                Log::create(seam(&disk), Path::new(DIRECTORY), options()).unwrap()
            }
            at => Log::open(seam(&disk), Path::new(DIRECTORY), options(), at).unwrap(),
        };
        (self.disk, self.opened) = (disk, opened);
        let log = &mut self.opened.log;
        for entry in &self.plain.entries {
            match entry {
                Entry::Batch(stored) => {
                    let (prefix, header) = (stored.prefix(), stored.header());
                    log.apply_replayed(stored.place, prefix, stored.rest(), &header).unwrap();
                }
                Entry::Gap { span, epoch } => log.gap(span.clone(), *epoch),
                Entry::Start(start) => log.set_start(*start),
                Entry::Epoch(epoch) => log.start_epoch(*epoch),
            }
        }
        self.check_everything();
    }

    /// No batch is refused that is whole; gaps beside one that is not may be.
    fn check_refused(&self, span: &OffsetSpan) {
        let start = self.plain.start.max(span.start);
        let is_in = |batch: &&Stored| start < batch.span().end && batch.span().start < span.end;
        let mut batches = self.plain.batches().filter(is_in).peekable();
        assert!(batches.peek().is_some() || self.damages.may_be_lost(span), "{span:?} is refused");
        for batch in batches {
            assert!(self.damages.may_refuse(batch), "{:?} is refused", batch.span());
        }
    }

    fn may_refuse(&self, offset: Offset) -> bool {
        self.plain.batch_from(offset).is_some_and(|batch| self.damages.may_refuse(batch))
    }

    fn check_time(&self, timestamp: i64) {
        let expected = self.plain.first_not_before(timestamp);
        match self.opened.reader.offset_for_time(timestamp) {
            Err(ReadError::Quarantined { span, .. }) => self.check_refused(&span),
            found if expected.is_some_and(|(first, _)| self.may_refuse(first)) => {
                let found = found.unwrap().unwrap_or((self.plain.tail, 0));
                assert!(expected.unwrap().0 <= found.0, "{found:?}, and not {expected:?}");
            }
            found => assert_eq!(found.unwrap(), expected),
        }
    }

    /// Reads at the cursor and compares with what the model says lies there.
    fn check_read(&self, cursor: &mut Cursor, limits: &ReadLimits) {
        let asked = cursor.offset();
        let next = self.plain.batch_from(asked);
        let first = next.map_or(asked, |batch| batch.span().start.max(asked));
        let read = match self.opened.reader.read(cursor, limits) {
            Err(ReadError::Quarantined { span, .. }) => {
                assert!(span.contains(&asked) || span.contains(&first), "{asked}: {span:?}");
                self.check_refused(&span);
                *cursor = Cursor::at(span.end);
                return;
            }
            read => read.unwrap(),
        };
        let is_gap = matches!(read, Read::Gap(_));
        assert!(is_gap || !self.damages.must_refuse(first), "{asked} is served: {read:?}");
        let expected = match next {
            _ if asked == self.plain.tail => Read::AtTail,
            None => Read::Gap(asked..self.plain.tail),
            Some(batch) if asked < batch.span().start => Read::Gap(asked..batch.span().start),
            Some(first) => match self.expected_slice(first, limits) {
                None => Read::NoRoom,
                Some((bytes, messages)) => {
                    let Read::Slice(slice) = &read else { panic!("no slice at {asked}: {read:?}") };
                    assert_eq!(slice.bytes, bytes);
                    assert_eq!(slice.messages, messages);
                    assert_eq!(slice.span.start, first.span().start);
                    assert_eq!(cursor.offset(), slice.span.end);
                    return;
                }
            },
        };
        assert_eq!(read, expected);
        let behind = if let Read::Gap(gap) = &expected { gap.end } else { asked };
        assert_eq!(cursor.offset(), behind);
    }

    /// The bytes and messages of `first` and what follows it in its segment within the limits.
    fn expected_slice(&self, first: &Stored, limits: &ReadLimits) -> Option<(Vec<u8>, u64)> {
        let fits = |bytes: usize, messages: u64| {
            bytes as u64 <= limits.bytes_max && messages <= limits.messages_max
        };
        let mut bytes = first.bytes.clone();
        let mut messages = u64::from(first.header().records);
        if limits.first == FirstBatch::IfItFits && !fits(bytes.len(), messages) {
            return None;
        }
        let mut next = first.span().end;
        let is_behind = |batch: &&Stored| first.span().end <= batch.span().start;
        for batch in self.plain.batches().filter(is_behind) {
            let more = messages + u64::from(batch.header().records);
            let follows = batch.span().start == next && batch.place.segment == first.place.segment;
            if !follows || !fits(bytes.len() + batch.bytes.len(), more) {
                break;
            }
            bytes.extend_from_slice(&batch.bytes);
            (next, messages) = (batch.span().end, more);
        }
        Some((bytes, messages))
    }
}

fn options() -> Options {
    Options {
        segment_bytes: 16 << 10,
        index_interval_bytes: 256,
        allocation_bytes_min: 1 << 10,
        allocation_bytes_max: 8 << 10,
        writer: WriterKind::Mapped,
        pages: PageBudget::new(16 << 20),
        alarm: Alarm::default(),
        maps: OpenMaps::new(2),
        parents: Parents::default(),
    }
}

fn seam(disk: &CrashDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

fn next(epoch: Epoch) -> Epoch {
    epoch.plus(1)
}
