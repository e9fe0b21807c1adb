//! Tests of the log at its four handles.

mod append;
mod beside;
mod damage;
mod keep;
mod lost;
mod maps;
mod measures;
mod quarantine;
mod rest;
mod scrub;
mod untaken;
mod written;

use std::path::Path;
use std::sync::Arc;

use weir_protocol::batch::{self, Attributes, HEADER_BYTES, Header, PREFIX_BYTES, Prefix};
use weir_protocol::checksum::crc32c;

use super::*;
use crate::disk::{self, CrashDisk, Disk, Open};
use crate::offset::{Epoch, Offset};

const DIRECTORY: &str = "/topics/t/0";

/// Small enough that everything happens within a few batches.
fn options() -> Options {
    Options {
        segment_bytes: 64 << 10,
        index_interval_bytes: 512,
        allocation_bytes_min: 4 << 10,
        allocation_bytes_max: 16 << 10,
        writer: WriterKind::Mapped,
        pages: PageBudget::new(1 << 20),
        alarm: Alarm::default(),
        maps: OpenMaps::new(8),
        parents: Parents::default(),
    }
}

/// A batch as it came through the door; what its records hold is nobody's business here.
#[derive(Clone, Debug)]
struct Batch {
    header: Header,
    rest: Vec<u8>,
}

impl Batch {
    fn new(records: u32, bytes: usize, timestamp: i64) -> Self {
        assert!(HEADER_BYTES < bytes);
        let mut header = Header {
            base_offset: 0,
            batch_bytes: bytes,
            leader_epoch: u32::MAX,
            crc: 0,
            attributes: Attributes::default(),
            last_offset_delta: records - 1,
            base_timestamp: timestamp,
            max_timestamp: timestamp,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            records,
        };
        let mut whole = header.to_bytes().to_vec();
        whole.extend((HEADER_BYTES..bytes).map(|at| at as u8 ^ timestamp as u8));
        header.crc = crc32c(&whole[21..]);
        whole[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
        Self { header, rest: whole[PREFIX_BYTES..].to_vec() }
    }

    fn prefix(&self, base: Offset, epoch: Epoch) -> Prefix {
        batch::prefix(base.get(), self.header.batch_bytes, epoch.get())
    }

    /// As it lies in a log.
    fn bytes(&self, base: Offset, epoch: Epoch) -> Vec<u8> {
        [&self.prefix(base, epoch)[..], &self.rest].concat()
    }
}

/// A log on a disk of its own, driven as the broker drives it.
struct Bench {
    disk: CrashDisk,
    log: Log,
    reader: Reader,
    room: Room,
    upkeep: Upkeep,
}

impl Bench {
    fn new(options: Options) -> Self {
        Self::on(CrashDisk::new(), options)
    }

    fn on(disk: CrashDisk, options: Options) -> Self {
        let seam: Arc<dyn Disk> = Arc::new(disk.clone());
        seam.create_dir(Path::new("/topics")).unwrap();
        seam.sync_dir(Path::new("/")).unwrap();
        Self::over(disk, Log::create(seam, Path::new(DIRECTORY), options).unwrap())
    }

    fn over(disk: CrashDisk, opened: Opened) -> Self {
        let Opened { log, reader, room, upkeep } = opened;
        Self { disk, log, reader, room, upkeep }
    }

    fn reserve(&mut self, bytes: u64) -> Result<Place, NoRoom> {
        let offset = self.log.end().offset;
        match self.room.reserve(offset, bytes) {
            Err(NoRoom::Growing | NoRoom::Full) => {
                let _outcome_is_what_reserve_says = self.upkeep.grow(bytes);
                self.room.reserve(offset, bytes)
            }
            reserved => reserved,
        }
    }

    /// Reserves, applies, keeps up; where the batch went.
    fn append(&mut self, batch: &Batch) -> Place {
        let place = self.append_unkept(batch);
        if self.room.wants_growth() {
            self.upkeep.grow(0).unwrap();
        }
        place
    }

    /// Reserves and applies, and no helper comes by unless there is no room.
    fn append_unkept(&mut self, batch: &Batch) -> Place {
        let place = self.reserve(batch.header.batch_bytes as u64).unwrap();
        let End { offset, epoch, .. } = self.log.end();
        let prefix = batch.prefix(offset, epoch);
        self.log.apply(place, &prefix, &batch.rest, &batch.header).unwrap();
        place
    }

    fn read(&self, offset: u64, bytes_max: u64) -> Read {
        let limits = ReadLimits { bytes_max, messages_max: u64::MAX, first: FirstBatch::Always };
        self.reader.read(&mut Cursor::at(Offset::new(offset)), &limits).unwrap()
    }

    fn slice(&self, offset: u64, bytes_max: u64) -> Slice {
        match self.read(offset, bytes_max) {
            Read::Slice(slice) => slice,
            read => panic!("no slice at {offset}: {read:?}"),
        }
    }
}

impl Bench {
    /// The names in the log's directory that end like this.
    fn files_named(&self, end: &str) -> Vec<String> {
        let names = self.disk.list(Path::new(DIRECTORY)).unwrap();
        let names = names.into_iter().map(|name| name.into_string().unwrap());
        names.filter(|name| name.ends_with(end)).collect()
    }

    /// All files of the log and their bytes.
    fn contents(&self) -> Vec<(String, Vec<u8>)> {
        let read = |name: String| {
            let path = Path::new(DIRECTORY).join(&name);
            let file = self.disk.open(&path, Open::Read).unwrap();
            let mut bytes = vec![0; file.len().unwrap() as usize];
            disk::read_exact_at(&*file, &mut bytes, 0).unwrap();
            (name, bytes)
        };
        self.files_named("").into_iter().map(read).collect()
    }
}

fn file_name_of(base: u64) -> String {
    file_name::segment(Offset::new(base))
}

impl Batch {
    /// A batch that a builder finished.
    fn from_bytes(bytes: &[u8]) -> Self {
        let header = Header::parse(bytes).unwrap();
        Self { header, rest: bytes[PREFIX_BYTES..].to_vec() }
    }
}

impl Bench {
    /// The log that a run left at `at`.
    fn opened(disk: CrashDisk, options: Options, at: End) -> Self {
        let seam: Arc<dyn Disk> = Arc::new(disk.clone());
        let opened = Log::open(seam, Path::new(DIRECTORY), options, at).unwrap();
        Self::over(disk, opened)
    }

    /// The process dies and another one starts.
    fn reopen(self, at: End) -> Self {
        let Self { disk, log, reader, room, upkeep } = self;
        drop((log, reader, room, upkeep));
        Self::opened(disk, options(), at)
    }

    fn next_slice(&self, cursor: &mut Cursor, bytes_max: u64) -> Slice {
        let limits = ReadLimits { bytes_max, messages_max: u64::MAX, first: FirstBatch::Always };
        match self.reader.read(cursor, &limits).unwrap() {
            Read::Slice(slice) => slice,
            read => panic!("no slice at {cursor:?}: {read:?}"),
        }
    }

    /// All bytes from `offset` to the tail.
    fn read_all(&self, offset: u64) -> Vec<u8> {
        let mut cursor = Cursor::at(Offset::new(offset));
        let mut bytes = Vec::new();
        while cursor.offset() < self.reader.tail() {
            bytes.extend_from_slice(&self.next_slice(&mut cursor, 5000).bytes);
        }
        bytes
    }
}
