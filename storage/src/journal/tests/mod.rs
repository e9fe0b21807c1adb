//! A journal on a disk in memory, and the few moves that its tests are made of.

mod damage;
mod recovery;
mod writing;

use std::path::PathBuf;

use super::*;
use crate::disk::{CrashDisk, Disk, File, Open, read_exact_at};
use crate::offset::{Index, JournalPos, Term};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;

const SEGMENT_BYTES: u64 = 64 << 10;
const DIRECTORY: &str = "/journal";

/// A disk with a journal's directory.
struct Bed {
    disk: CrashDisk,
    options: Options,
    vouched: Vouched,
}

impl Bed {
    fn new() -> Self {
        let disk = CrashDisk::new();
        disk.create_dir(Path::new(DIRECTORY)).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        let options = Options {
            segment_bytes: SEGMENT_BYTES,
            bytes_max: 8 * SEGMENT_BYTES,
            on_torn_tail: OnTornTail::Truncate,
            read: ReadPath::Direct,
        };
        Self { disk, options, vouched: Vouched::default() }
    }

    fn try_open(&self) -> Result<Opened, OpenError> {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        // Every opening draws other uuids, as it must: the disk counts its writes.
        let mut draw = self.disk.counts().writes << 20;
        let fresh_uuid = move || {
            draw += 1;
            u128::from(draw).to_le_bytes()
        };
        open(&disk, Path::new(DIRECTORY), self.options, &self.vouched, fresh_uuid)
    }

    fn open(&self) -> Bench {
        Bench::new(self.try_open().unwrap())
    }

    /// The power is cut and comes back.
    fn cut(&mut self, seed: u64) {
        self.disk = self.disk.cut(seed);
    }

    /// Opens, and returns the first byte of each entry that is replayed.
    fn replayed(&self) -> Vec<u8> {
        self.open().replayed
    }

    fn files(&self) -> Vec<PathBuf> {
        let names = self.disk.list(Path::new(DIRECTORY)).unwrap();
        names.into_iter().map(|name| Path::new(DIRECTORY).join(name)).collect()
    }

    fn file(&self, index: usize) -> Arc<dyn File> {
        self.disk.open(&self.files()[index], Open::Write).unwrap()
    }

    fn bytes(&self, index: usize) -> Vec<u8> {
        let file = self.file(index);
        let mut bytes = vec![0; file.len().unwrap() as usize];
        read_exact_at(&*file, &mut bytes, 0).unwrap();
        bytes
    }

    fn flip_bit(&self, index: usize, position: u64) {
        let file = self.file(index);
        let mut byte = [0];
        read_exact_at(&*file, &mut byte, position).unwrap();
        self.put(index, position, &[byte[0] ^ 0x10]);
    }

    /// Overwrites bytes, durably.
    fn put(&self, index: usize, position: u64, bytes: &[u8]) {
        let file = self.file(index);
        file.write_at(&[IoSlice::new(bytes)], position).unwrap();
        file.sync_data().unwrap();
    }
}

/// An open journal with its maker beside it.
struct Bench {
    journal: Journal,
    maker: Maker,
    room: Room,
    recovery: Recovery,
    replayed: Vec<u8>,
    indexes: BTreeMap<u16, Index>,
}

impl Bench {
    fn new(opened: Opened) -> Self {
        let Opened { journal, maker, room, replay, recovery } = opened;
        let entries = replay.flat_map(|frame| frame.unwrap().entries);
        let replayed = entries.map(|(_, payload)| payload[0]).collect();
        let indexes = recovery.last_index.clone();
        Self { journal, maker, room, recovery, replayed, indexes }
    }

    /// Stages a frame of shard 3 with one entry whose bytes are all `byte`.
    fn stage(&mut self, byte: u8, bytes: usize) -> JournalPos {
        self.stage_in(3, byte, bytes)
    }

    fn stage_in(&mut self, shard: u16, byte: u8, bytes: usize) -> JournalPos {
        let frame = frame_bytes(std::iter::once(bytes));
        while !self.room.reserve(frame) {
            assert_eq!(self.maker.step().unwrap(), MakerStep::Worked, "room can be made");
        }
        let index = self.indexes.entry(shard).or_default();
        *index = index.plus(1);
        let head = FrameHead { shard, term: Term::new(1), index: *index, timestamp: 7 };
        let body = Bytes::from(vec![byte; bytes - 1]);
        let entry = EntryRef { kind: Kind::Append, head: &[byte], body: &body };
        self.journal.stage(&head, &[entry])
    }

    fn commit(&mut self) -> JournalPos {
        self.journal.write().unwrap();
        self.journal.sync().unwrap()
    }

    /// Stages, writes and syncs one frame of 100 bytes of payload.
    fn append(&mut self, byte: u8) -> JournalPos {
        self.stage(byte, 100);
        self.commit()
    }

    fn step_until_idle(&mut self) {
        while self.maker.step().unwrap() == MakerStep::Worked {}
    }
}
