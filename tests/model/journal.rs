//! The journal against a list of frames: whatever is done to it, and wherever the power is cut,
//! what it replays is the beginning of what was staged, and has all that was synced.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use weir_storage::disk::{CrashDisk, Disk};
use weir_storage::journal::checkpoint::{Before, Checkpoint, Table};
use weir_storage::journal::{
    EntryRef, FrameHead, Journal, Kind, Maker, MakerStep, OnTornTail, Opened, Options, ReadPath,
    Replayed, Room, frame_bytes, open,
};
use weir_storage::offset::{Index, JournalPos, Term};

#[derive(Clone, Debug)]
enum Step {
    /// A frame of one shard, with an entry of each of these sizes.
    Stage {
        shard: u16,
        payloads: Vec<usize>,
    },
    Mark,
    Write,
    Sync,
    MakeSegments,
    Checkpoint,
    /// The process is killed and started again.
    Restart,
    /// The power is cut and comes back.
    Cut {
        seed: u64,
    },
    /// The power will go after so many more changes to the disk.
    CutSoon {
        operations: u64,
        seed: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let payload = prop_oneof![4 => 0..300_usize, 1 => 4_000..4_200_usize, 1 => 9_000..9_800_usize];
    let payloads = prop::collection::vec(payload, 1..4);
    prop_oneof![
        12 => (0..4_u16, payloads).prop_map(|(shard, payloads)| Step::Stage { shard, payloads }),
        2 => Just(Step::Mark),
        5 => Just(Step::Write),
        5 => Just(Step::Sync),
        3 => Just(Step::MakeSegments),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Restart),
        1 => any::<u64>().prop_map(|seed| Step::Cut { seed }),
        1 => (0..12_u64, any::<u64>())
            .prop_map(|(operations, seed)| Step::CutSoon { operations, seed }),
    ]
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(7), ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(96))]

    #[test]
    fn what_is_replayed_is_a_beginning_of_what_was_staged_with_all_that_was_synced(
        steps in prop::collection::vec(step(), 1..160),
    ) {
        let mut model = Model::new();
        for step in &steps {
            model.take(step);
        }
        model.cut(0);
    }
}

#[test]
fn the_model_finds_out_a_disk_that_lies_about_its_syncs() {
    let kept = (0..16).filter(|seed| {
        let mut model = Model::new();
        model.disk.lie_about_syncs();
        for _ in 0..20 {
            model.take(&Step::Stage { shard: 1, payloads: vec![900] });
            model.take(&Step::Write);
            model.take(&Step::Sync);
        }
        let left = model.disk.cut(*seed);
        open_journal(&left, 2).is_ok_and(|(opened, _)| opened.replay.count() == 20)
    });
    assert!(kept.count() < 16, "frames that were called synced are gone");
}

/// What was staged, and the journal that should know it.
struct Model {
    disk: CrashDisk,
    running: Option<Running>,
    frames: Vec<Replayed>,
    /// How many of the frames the journal called written, and synced.
    written: usize,
    synced: usize,
    checkpoints: u64,
    starts: u64,
    cut_seed: u64,
}

struct Running {
    journal: Journal,
    maker: Maker,
    room: Room,
}

impl Model {
    fn new() -> Self {
        let disk = CrashDisk::new();
        for directory in [JOURNAL, CHECKPOINT] {
            disk.create_dir(Path::new(directory)).unwrap();
        }
        disk.sync_dir(Path::new("/")).unwrap();
        let mut model = Self {
            disk,
            running: None,
            frames: Vec::new(),
            written: 0,
            synced: 0,
            checkpoints: 0,
            starts: 0,
            cut_seed: 0,
        };
        assert!(model.start(0));
        model
    }

    fn take(&mut self, step: &Step) {
        let done = match step {
            Step::Stage { shard, payloads } => self.stage(*shard, payloads),
            Step::Mark => {
                self.running().journal.stage_mark();
                true
            }
            Step::Write => self.write(),
            Step::Sync => self.sync(),
            Step::MakeSegments => self.make_segments(),
            Step::Checkpoint => self.checkpoint(),
            // All that was written is there, whether or not it was synced.
            Step::Restart => self.start(self.written),
            Step::Cut { seed } => {
                self.cut(*seed);
                true
            }
            Step::CutSoon { operations, seed } => {
                self.disk.switch_off_after(*operations);
                self.cut_seed = *seed;
                true
            }
        };
        if !done {
            assert!(is_off(&self.disk), "only a cut makes {step:?} fail");
            self.cut(self.cut_seed);
        }
    }

    fn cut(&mut self, seed: u64) {
        self.disk = self.disk.cut(seed);
        assert!(self.start(self.synced), "a disk with power starts");
    }

    /// Starts the journal and compares: `certain` frames must be there. False if the power went
    /// meanwhile.
    fn start(&mut self, certain: usize) -> bool {
        self.running = None;
        self.starts += 1;
        let (opened, replay_from) = match open_journal(&self.disk, self.starts) {
            Ok(opened) => opened,
            Err(error) => {
                assert!(is_off(&self.disk), "a disk with power opens: {error}");
                return false;
            }
        };
        let Opened { journal, maker, room, replay, recovery } = opened;
        let Ok(replayed) = replay.collect::<Result<Vec<_>, _>>() else { return false };
        let skipped = self.frames.partition_point(|frame| frame.end <= replay_from);
        let known = skipped + replayed.len();
        assert!(certain <= known, "{known} frames known of {certain} that were certain");
        assert!(known <= self.frames.len());
        for (found, staged) in replayed.iter().zip(&self.frames[skipped..]) {
            assert_eq!(found, staged);
        }
        assert_eq!(recovery.last_index, last_indexes(&self.frames[..known]));
        self.frames.truncate(known);
        (self.written, self.synced) = (known, known);
        self.running = Some(Running { journal, maker, room });
        true
    }

    fn stage(&mut self, shard: u16, payloads: &[usize]) -> bool {
        let bytes = frame_bytes(payloads.iter().map(|payload| payload + 4));
        // Two checkpoints free everything, since the journal is kept from the older one.
        let ways: [fn(&mut Self) -> bool; 3] = [Self::make_segments, Self::settle, Self::settle];
        let mut ways = ways.into_iter();
        while !self.running().room.reserve(bytes) {
            let way = ways.next().expect("two checkpoints make room");
            if !way(self) {
                return false;
            }
        }
        self.stage_reserved(shard, payloads);
        true
    }

    fn settle(&mut self) -> bool {
        self.write() && self.sync() && self.checkpoint() && self.make_segments()
    }

    fn stage_reserved(&mut self, shard: u16, payloads: &[usize]) {
        let number = self.frames.len();
        let last = last_indexes(&self.frames).get(&shard).copied().unwrap_or_default();
        let head =
            FrameHead { shard, term: Term::new(1), index: last.plus(1), timestamp: number as i64 };
        let stamp = (number as u32).to_le_bytes();
        let bodies: Vec<Bytes> =
            payloads.iter().map(|payload| vec![number as u8; *payload].into()).collect();
        let kinds = [Kind::Append, Kind::Producer, Kind::OffsetCommit];
        let entries: Vec<EntryRef<'_>> = kinds
            .iter()
            .zip(&bodies)
            .map(|(kind, body)| EntryRef { kind: *kind, head: &stamp, body })
            .collect();
        let running = self.running();
        let end = running.journal.stage(&head, &entries);
        let payload = |entry: &EntryRef<'_>| [entry.head, entry.body].concat().into();
        let entries = entries.iter().map(|entry| (entry.kind, payload(entry))).collect();
        let run = running.journal.run();
        self.frames.push(Replayed { head, run, end, entries });
    }

    fn write(&mut self) -> bool {
        let count = self.frames.len();
        let written = self.running().journal.write().is_ok();
        self.written = if written { count } else { self.written };
        written
    }

    fn sync(&mut self) -> bool {
        let written = self.written;
        let synced = self.running().journal.sync().is_ok();
        self.synced = if synced { written } else { self.synced };
        synced
    }

    fn make_segments(&mut self) -> bool {
        loop {
            match self.running().maker.step() {
                Ok(MakerStep::Worked) => {}
                made => return made.is_ok(),
            }
        }
    }

    /// Everything synced is as good as applied, flushed and snapshotted.
    fn checkpoint(&mut self) -> bool {
        self.checkpoints += 1;
        let number = self.checkpoints;
        let table = |(shard, index)| Table {
            shard,
            index,
            term: Term::new(1),
            bytes: Bytes::from_static(b"state"),
        };
        let tables = last_indexes(&self.frames[..self.synced]).into_iter().map(table).collect();
        let journal = &mut self.running.as_mut().unwrap().journal;
        let (journal_from, run) = (journal.durable_to(), journal.run());
        let (before, directory, logs) = (Before::Kept, OWNER, Vec::new());
        let checkpoint = Checkpoint { number, journal_from, run, before, directory, logs, tables };
        let directory = Path::new(CHECKPOINT);
        if checkpoint.write(&self.disk, directory).is_err() {
            return false;
        }
        let Ok(loaded) = Checkpoint::load(&self.disk, directory, &OWNER) else { return false };
        assert_eq!(loaded.newest.as_ref(), Some(&checkpoint));
        journal.recycle_below(loaded.older.map_or(JournalPos::ZERO, |older| older.journal_from));
        true
    }

    fn running(&mut self) -> &mut Running {
        self.running.as_mut().unwrap()
    }
}

/// Opens the journal as a start does, and says from where it replays.
fn open_journal(disk: &CrashDisk, start: u64) -> Result<(Opened, JournalPos), Box<dyn Error>> {
    let options = Options {
        segment_bytes: 64 << 10,
        bytes_max: 6 * (64 << 10),
        on_torn_tail: OnTornTail::Truncate,
        read: ReadPath::Direct,
    };
    let mut drawn = u128::from(start) << 64;
    let fresh_uuid = move || {
        drawn += 1;
        drawn.to_le_bytes()
    };
    let vouched = Checkpoint::load(disk, Path::new(CHECKPOINT), &OWNER)?.vouched(OWNER, None);
    let replay_from = vouched.replay_from;
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let opened = open(&disk, Path::new(JOURNAL), options, &vouched, fresh_uuid)?;
    Ok((opened, replay_from))
}

fn is_off(disk: &CrashDisk) -> bool {
    disk.list(Path::new("/")).is_err()
}

fn last_indexes(frames: &[Replayed]) -> BTreeMap<u16, Index> {
    frames.iter().map(|frame| (frame.head.shard, frame.head.index)).collect()
}

/// The data directory it all belongs to.
const OWNER: [u8; 16] = [0xAB; 16];
const JOURNAL: &str = "/journal";
const CHECKPOINT: &str = "/checkpoint";
