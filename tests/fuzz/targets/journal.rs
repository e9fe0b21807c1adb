//! A journal whose files met with mishaps: opening it is refused, or gives frames exactly as they
//! were staged, from the first on, and gives the same ones the next time.
#![no_main]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use weir_fuzz::{Damage, Files, disk, files};
use weir_storage::disk::{CrashDisk, Disk};
use weir_storage::journal::{
    self, EntryRef, FrameHead, Kind, OnTornTail, Opened, Options, ReadPath, Vouched,
};
use weir_storage::offset::{Index, Term};

fuzz_target!(|mishaps: Vec<Damage>| {
    let mut found = JOURNAL.files.clone();
    mishaps.iter().for_each(|mishap| mishap.befall(&mut found));
    let disk = disk(&found, Path::new(DIRECTORY));
    let Ok(first) = open(&disk, 1) else { return };
    let frames = replayed(first);
    assert!(JOURNAL.bodies.starts_with(&frames), "only what was staged comes back, in its order");
    if mishaps.is_empty() {
        assert_eq!(frames, JOURNAL.bodies);
    }
    let second = open(&disk, 2).expect("a journal that was opened opens again");
    assert_eq!(replayed(second), frames);
});

struct Journal {
    files: Files,
    bodies: Vec<Bytes>,
}

static JOURNAL: LazyLock<Journal> = LazyLock::new(|| {
    let disk: Arc<dyn Disk> = Arc::new(CrashDisk::new());
    let directory = Path::new(DIRECTORY);
    disk.create_dir(directory).expect("it is a new disk");
    let Opened { mut journal, mut maker, room, .. } = open(&disk, 0).expect("a new journal opens");
    let mut bodies = Vec::new();
    for number in 0..40_u8 {
        let body = Bytes::from(vec![number; 1 + usize::from(number) * 128]);
        while !room.reserve(journal::frame_bytes([body.len()].into_iter())) {
            maker.step().expect("the disk is well");
        }
        let index = Index::new(u64::from(number) + 1);
        let head = FrameHead { shard: 1, term: Term::new(1), index, timestamp: 0 };
        journal.stage(&head, &[EntryRef { kind: Kind::Append, head: &[], body: &body }]);
        journal.write().expect("the disk is well");
        if number % 3 == 0 {
            journal.sync().expect("the disk is well");
        }
        bodies.push(body);
    }
    journal.sync().expect("the disk is well");
    drop((journal, maker));
    Journal { files: files(&*disk, directory), bodies }
});

fn open(disk: &Arc<dyn Disk>, draw: u64) -> Result<Opened, journal::OpenError> {
    let options = Options {
        segment_bytes: SEGMENT_BYTES,
        bytes_max: 8 * SEGMENT_BYTES,
        on_torn_tail: OnTornTail::Truncate,
        read: ReadPath::Direct,
    };
    let mut drawn = u128::from(draw) << 64;
    let fresh_uuid = move || {
        drawn += 1;
        drawn.to_le_bytes()
    };
    let vouched = Vouched { indexes: BTreeMap::new(), ..Vouched::default() };
    journal::open(disk, Path::new(DIRECTORY), options, &vouched, fresh_uuid)
}

fn replayed(opened: Opened) -> Vec<Bytes> {
    let entries = |frame: journal::Replayed| frame.entries.into_iter().map(|(_, body)| body);
    opened.replay.map(|frame| frame.expect("it was verified")).flat_map(entries).collect()
}

const DIRECTORY: &str = "/journal";
const SEGMENT_BYTES: u64 = 64 << 10;
