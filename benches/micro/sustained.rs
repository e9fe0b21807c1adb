//! Ten gibibytes through a journal and a log, beside the plain writes and syncs of as many bytes.
//!
//! weir writes each byte twice: into the journal, synced before it is acknowledged, and into the
//! log, which a checkpoint brings to the disk so that the journal can be used again. So the goal is
//! 45 % of a file that is written once. One batch, one sync: nothing gathers. What the broker's
//! helper threads do runs here on threads of its own too. The ways take turns, a gibibyte each;
//! behind a turn, and outside of the clock, what it wrote is deleted, so that three gibibytes of
//! disk do.
//!
//! ```text
//!   raw, new ground    pwrite, fdatasync at the end of a file that grows
//!   raw, old ground    the same over blocks that were written before, as the journal's are
//!   weir               frame, write, sync, apply; a checkpoint for each 256 MiB and at the end
//! ```
//!
//! `WEIR_SUSTAINED_GIB` and `WEIR_SUSTAINED_KIB` are how much in all and in a batch (10, 64).

#![allow(clippy::unwrap_used, reason = "a bench ends where something fails")]

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use weir_protocol::batch::{Builder, Header, PREFIX_BYTES, prefix};
use weir_storage::disk::{Disk, RealDisk};
use weir_storage::journal::{
    EntryRef, FrameHead, Journal, Kind, Maker, MakerStep, OnTornTail, Opened, Options, ReadPath,
    Room, Vouched, frame_bytes, open,
};
use weir_storage::log::{self, Log, NoRoom, Upkeep};
use weir_storage::offset::{Index, JournalPos, Term};

const MIB: u64 = 1 << 20;
const CHECKPOINT_BYTES: u64 = 256 * MIB;
const JOURNAL_SEGMENT_BYTES: u64 = 64 * MIB;

fn main() {
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let asked = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
    };
    let (turns, turn_bytes) =
        if is_bench { (asked("WEIR_SUSTAINED_GIB", 10), 1024 * MIB) } else { (1, 4 * MIB) };
    let piece = vec![7; (asked("WEIR_SUSTAINED_KIB", 64) << 10) as usize];
    let batch = batch(piece.len());
    let directory = tempfile::tempdir().unwrap();
    let mut new = Raw::new(&directory.path().join("new"), u64::MAX);
    let mut old = Raw::new(&directory.path().join("old"), 512 * MIB);
    old.write(&piece, 512 * MIB);
    let mut weir = Weir::new(directory.path());
    let mut took = [Duration::ZERO; 3];
    for _ in 0..turns {
        took[0] += new.write(&piece, turn_bytes);
        new.empty();
        took[1] += old.write(&piece, turn_bytes);
        took[2] += weir.write(&batch, turn_bytes);
        took[2] += weir.flush();
        weir.empty();
    }
    let all = (turns * turn_bytes) as f64 / 1e6;
    let [new, old, weir] = took.map(|took| all / took.as_secs_f64());
    println!(
        "{} MiB in batches of {} KiB, each synced",
        turns * turn_bytes / MIB,
        piece.len() >> 10
    );
    println!("raw, new ground  {new:6.0} MB/s");
    println!("raw, old ground  {old:6.0} MB/s");
    let of = |raw: f64| 100.0 * weir / raw;
    println!("weir             {weir:6.0} MB/s  {:.0} % and {:.0} % of raw", of(new), of(old));
}

/// The plain thing: a file, begun anew behind so many bytes.
struct Raw {
    file: File,
    file_bytes: u64,
    position: u64,
}

impl Raw {
    fn new(path: &Path, file_bytes: u64) -> Self {
        let file = OpenOptions::new().write(true).create_new(true).open(path).unwrap();
        Self { file, file_bytes, position: 0 }
    }

    fn write(&mut self, batch: &[u8], bytes: u64) -> Duration {
        let start = Instant::now();
        for _ in 0..bytes / batch.len() as u64 {
            if self.file_bytes < self.position + batch.len() as u64 {
                self.position = 0;
            }
            self.file.write_all_at(batch, self.position).unwrap();
            self.file.sync_data().unwrap();
            self.position += batch.len() as u64;
        }
        start.elapsed()
    }

    fn empty(&mut self) {
        self.file.set_len(0).unwrap();
        self.file.sync_all().unwrap();
        self.position = 0;
    }
}

/// A journal, a log, and the threads that help them.
struct Weir {
    journal: Journal,
    room: Room,
    log: log::Opened,
    index: Index,
    space: Beside<Space>,
    keeper: Beside<Upkeep>,
    /// How far the journal was when the checkpoint under way began.
    checkpointing: Option<JournalPos>,
    checkpointed: JournalPos,
}

/// What the space thread is asked for.
enum Space {
    Journal,
    Log(Upkeep, u64),
}

impl Weir {
    fn new(directory: &Path) -> Self {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let journal_dir = directory.join("journal");
        std::fs::create_dir(&journal_dir).unwrap();
        let options = Options {
            segment_bytes: JOURNAL_SEGMENT_BYTES,
            bytes_max: 16 * JOURNAL_SEGMENT_BYTES,
            on_torn_tail: OnTornTail::Truncate,
            read: ReadPath::Cached,
        };
        let mut drawn = 0_u128;
        let fresh_uuid = move || {
            drawn += 1;
            drawn.to_le_bytes()
        };
        let opened = open(&disk, &journal_dir, options, &Vouched::default(), fresh_uuid).unwrap();
        let Opened { journal, maker, room, .. } = opened;
        let log = Log::create(disk, &directory.join("log/0"), log::Options::default()).unwrap();
        let checkpointed = journal.durable_to();
        Self {
            journal,
            room,
            log,
            index: Index::ZERO,
            space: space(maker),
            keeper: Beside::new(|upkeep: Upkeep| _ = upkeep.flush().unwrap()),
            checkpointing: None,
            checkpointed,
        }
    }

    fn write(&mut self, batch: &Bytes, bytes: u64) -> Duration {
        let header = Header::parse(batch).unwrap();
        let start = Instant::now();
        for _ in 0..bytes / batch.len() as u64 {
            self.append(batch, &header);
        }
        start.elapsed()
    }

    fn append(&mut self, batch: &Bytes, header: &Header) {
        let offset = self.log.log.end().offset;
        let prefix = prefix(offset.get(), batch.len(), 1);
        let frame = frame_bytes([HEAD.len() + prefix.len() + batch.len()].into_iter());
        while !self.room.reserve(frame) {
            self.space.ask(Space::Journal);
            self.settle_checkpoint();
            thread::yield_now();
        }
        let place = loop {
            match self.log.room.reserve(offset, batch.len() as u64) {
                Ok(place) => break place,
                Err(NoRoom::Growing) => {
                    self.space.ask(Space::Log(self.log.upkeep.clone(), batch.len() as u64));
                    self.space.wait();
                }
                Err(other) => panic!("{other:?}"),
            }
        };
        self.index = self.index.plus(1);
        let head = FrameHead { shard: 1, term: Term::new(1), index: self.index, timestamp: 0 };
        let rest = batch.slice(PREFIX_BYTES..);
        let entry_head: Vec<u8> = [&HEAD[..], &prefix[..]].concat();
        let entry = EntryRef { kind: Kind::Append, head: &entry_head, body: &rest };
        self.journal.stage(&head, &[entry]);
        self.journal.write().unwrap();
        self.journal.sync().unwrap();
        self.log.log.apply(place, &prefix, &rest, header).unwrap();
        if self.log.room.wants_growth() && self.space.is_idle() {
            self.space.ask(Space::Log(self.log.upkeep.clone(), 0));
        }
        if self.journal.wants_making() && self.space.is_idle() {
            self.space.ask(Space::Journal);
        }
        self.settle_checkpoint();
    }

    /// Brings the rest to the disk: nothing of a turn is left for the next one's.
    fn flush(&mut self) -> Duration {
        let start = Instant::now();
        self.keeper.wait();
        self.log.upkeep.flush().unwrap();
        start.elapsed()
    }

    /// Deletes the log's segments, as retention does behind a checkpoint.
    fn empty(&mut self) {
        let log::Opened { log, room, upkeep, .. } = &mut self.log;
        room.leave();
        log.set_start(log.end().offset);
        upkeep.flush().unwrap();
        upkeep.delete_below_start(&log.end()).unwrap();
    }

    /// Recycles what a checkpoint made free, and begins the next where it is due.
    fn settle_checkpoint(&mut self) {
        if !self.keeper.is_idle() {
            return;
        }
        if let Some(below) = self.checkpointing.take() {
            self.journal.recycle_below(below);
            self.checkpointed = below;
        }
        let end = self.journal.durable_to();
        if CHECKPOINT_BYTES <= end.since(self.checkpointed) {
            self.checkpointing = Some(end);
            self.keeper.ask(self.log.upkeep.clone());
        }
    }
}

fn space(mut maker: Maker) -> Beside<Space> {
    Beside::new(move |work| match work {
        Space::Journal => while maker.step().unwrap() != MakerStep::Idle {},
        Space::Log(upkeep, bytes) => upkeep.grow(bytes).unwrap(),
    })
}

/// A thread that does one thing at a time and says when it is done.
struct Beside<T> {
    asked: Option<SyncSender<T>>,
    done: Receiver<()>,
    under_way: usize,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Beside<T> {
    fn new(mut work: impl FnMut(T) + Send + 'static) -> Self {
        let (asked, inbox) = mpsc::sync_channel(ORDERS_MAX);
        let (outbox, done) = mpsc::sync_channel(ORDERS_MAX);
        let thread = thread::spawn(move || {
            for order in inbox {
                work(order);
                outbox.send(()).unwrap();
            }
        });
        Self { asked: Some(asked), done, under_way: 0, thread: Some(thread) }
    }

    fn ask(&mut self, order: T) {
        if let Some(asked) = &self.asked {
            asked.send(order).unwrap();
            self.under_way += 1;
        }
    }

    fn is_idle(&mut self) -> bool {
        while self.done.try_recv().is_ok() {
            self.under_way -= 1;
        }
        self.under_way == 0
    }

    fn wait(&mut self) {
        while 0 < self.under_way {
            self.done.recv().unwrap();
            self.under_way -= 1;
        }
    }
}

impl<T> Drop for Beside<T> {
    fn drop(&mut self) {
        self.asked = None;
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// One record in a batch of so many bytes, or a few less.
fn batch(bytes: usize) -> Bytes {
    let mut builder = Builder::new();
    builder.push(1, None, Some(&vec![7; bytes - 128]), []).unwrap();
    builder.finish(None)
}

/// As large as what stands before a batch in its entry.
const HEAD: [u8; 40] = [0; 40];
/// Orders that may wait for a helper.
const ORDERS_MAX: usize = 16;
