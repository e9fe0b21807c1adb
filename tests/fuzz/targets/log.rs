//! A log whose files met with mishaps: opening it is refused, or what it serves is what was
//! applied, at its offset; what it does not serve it does not pass over in silence; and it takes
//! the next batch.
#![no_main]

use std::path::Path;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use weir_fuzz::{Damage, Files, disk, files};
use weir_protocol::batch::{Builder, Header, PREFIX_BYTES, batches, prefix};
use weir_storage::disk::{CrashDisk, Disk};
use weir_storage::log::{
    Cursor, End, FirstBatch, Log, NoRoom, Opened, Options, Read, ReadLimits, Reader,
};

fuzz_target!(|mishaps: Vec<Damage>| {
    let mut found = STORED.files.clone();
    mishaps.iter().for_each(|mishap| mishap.befall(&mut found));
    let disk = disk(&found, Path::new(DIRECTORY));
    let opened = Log::open_written(disk, Path::new(DIRECTORY), options(), STORED.checkpoint);
    let Ok(mut opened) = opened else { return };
    let served = served(&opened.reader);
    if mishaps.is_empty() {
        assert_eq!(served, STORED.batches.len() as u64);
    }
    let next = opened.log.end().offset;
    assert!(STORED.checkpoint.offset <= next, "nothing vouched for is taken back");
    append(&mut opened, 0);
    assert_eq!(opened.log.end().offset, next.plus(1));
});

/// How many batches are served; each is as it was applied.
fn served(reader: &Reader) -> u64 {
    let limits = ReadLimits { bytes_max: 4096, messages_max: u64::MAX, first: FirstBatch::Always };
    let (mut cursor, mut served) = (Cursor::at(reader.start()), 0);
    loop {
        match reader.read(&mut cursor, &limits) {
            Ok(Read::Slice(slice)) => {
                for batch in batches(&slice.bytes) {
                    let (header, bytes) = batch.expect("whole batches are served");
                    let applied = &STORED.batches[header.base_offset as usize];
                    let is_as_applied = bytes[PREFIX_BYTES..] == applied[PREFIX_BYTES..];
                    assert!(is_as_applied, "the batch at {} has changed", header.base_offset);
                    served += 1;
                }
            }
            Ok(Read::Gap(span)) => assert!(
                STORED.checkpoint.offset <= span.start,
                "what was vouched for is served or refused, never passed over: {span:?}"
            ),
            Ok(Read::AtTail | Read::NoRoom) => return served,
            // Said aloud: the reader goes on where it likes.
            Err(_) => cursor = Cursor::at(cursor.offset().plus(1)),
        }
    }
}

struct Stored {
    files: Files,
    batches: Vec<Vec<u8>>,
    checkpoint: End,
}

/// Two sealed segments and an active one; the last checkpoint in the middle of the active one.
static STORED: LazyLock<Stored> = LazyLock::new(|| {
    let disk: Arc<dyn Disk> = Arc::new(CrashDisk::new());
    let directory = Path::new(DIRECTORY);
    let created = Log::create(Arc::clone(&disk), directory, options());
    let mut opened = created.expect("a new log opens");
    let mut stored = Vec::new();
    let mut apply = |opened: &mut Opened, count| {
        (0..count).for_each(|_| stored.push(append(opened, stored.len() as u8)));
    };
    apply(&mut opened, 50);
    opened.upkeep.seal_pending().expect("the disk is well");
    let checkpoint = opened.upkeep.flush().expect("the disk is well");
    apply(&mut opened, 8);
    drop(opened);
    Stored { files: files(&*disk, directory), batches: stored, checkpoint }
});

/// Appends one batch of one record, which `fill` tells from others.
fn append(opened: &mut Opened, fill: u8) -> Vec<u8> {
    let Opened { log, room, upkeep, .. } = opened;
    let mut builder = Builder::new();
    builder.push(1, None, Some(&[fill; 3000]), []).expect("one record fits");
    let batch = builder.finish(None).to_vec();
    let header = Header::parse(&batch).expect("a builder's header");
    let (offset, bytes) = (log.end().offset, batch.len() as u64);
    let place = loop {
        match room.reserve(offset, bytes) {
            Ok(place) => break place,
            Err(NoRoom::Growing) => upkeep.grow(bytes).expect("the disk has room"),
            Err(other) => panic!("{other:?}"),
        }
    };
    let prefix = prefix(offset.get(), batch.len(), log.end().epoch.get());
    log.apply(place, &prefix, &batch[PREFIX_BYTES..], &header).expect("it was promised");
    batch
}

fn options() -> Options {
    Options { segment_bytes: 64 << 10, allocation_bytes_min: 16 << 10, ..Options::default() }
}

const DIRECTORY: &str = "/topic/0";
