use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::disk::{CrashDisk, File};

const DIRECTORY: &str = "/checkpoint";

fn disk() -> CrashDisk {
    let disk = CrashDisk::new();
    disk.create_dir(Path::new(DIRECTORY)).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk
}

fn checkpoint(number: u64) -> Checkpoint {
    let log = LogMark {
        topic: TopicId::from_bytes([number as u8; 16]),
        partition: 3,
        segment: Offset::new(100),
        position: 4_000,
        offset: Offset::new(140 + number),
        epoch: Epoch::new(2),
        start: Offset::new(7),
        index: Index::new(90 + number),
    };
    let (index, term) = (Index::new(90 + number), Term::new(1));
    let table = |shard, bytes| Table { shard, index, term, bytes };
    Checkpoint {
        number,
        journal_from: JournalPos::new(5_000 * number),
        run: 6,
        before: Before::Kept,
        directory: OWNER,
        logs: vec![log; 3],
        tables: vec![table(0, Bytes::from_static(b"catalogue")), table(16, Bytes::new())],
    }
}

/// The data directory they belong to.
const OWNER: [u8; 16] = [0xAB; 16];

fn write(disk: &CrashDisk, number: u64) {
    checkpoint(number).write(disk, Path::new(DIRECTORY)).unwrap();
}

fn load(disk: &CrashDisk) -> Result<Loaded, LoadError> {
    Checkpoint::load(disk, Path::new(DIRECTORY), &OWNER)
}

fn file(disk: &CrashDisk, number: u64) -> Arc<dyn File> {
    disk.open(&Path::new(DIRECTORY).join(file_name(number)), Open::Write).unwrap()
}

#[test]
fn a_new_directory_has_none() {
    let loaded = load(&disk()).unwrap();
    assert_eq!(loaded, Loaded { newest: None, older: None, damaged: Vec::new() });
    let vouched = loaded.vouched(OWNER, Some(JournalPos::new(9)));
    let clean_end = Some(JournalPos::new(9));
    assert_eq!(vouched, Vouched { clean_end, directory: OWNER, ..Vouched::default() });
}

#[test]
fn the_newest_two_are_kept_and_survive_a_power_cut() {
    for seed in 0..8 {
        let disk = disk();
        for number in 1..=4 {
            write(&disk, number);
        }
        let names = disk.list(Path::new(DIRECTORY)).unwrap();
        assert_eq!(names, ["00000000000000000003", "00000000000000000004"]);
        let loaded = load(&disk.cut(seed)).unwrap();
        assert_eq!(loaded.newest, Some(checkpoint(4)));
        assert_eq!(loaded.older, Some(checkpoint(3)));
        let vouched = loaded.vouched(OWNER, None);
        assert_eq!(vouched.kept_from, JournalPos::new(15_000));
        assert_eq!(vouched.replay_from, JournalPos::new(20_000));
        assert_eq!(vouched.index(16), Index::new(94));
    }
}

#[test]
fn a_power_cut_at_any_step_leaves_the_last_two_that_were_written() {
    for operations in 0..12 {
        for seed in 0..4 {
            let disk = disk();
            write(&disk, 1);
            write(&disk, 2);
            disk.switch_off_after(operations);
            let written = checkpoint(3).write(&disk, Path::new(DIRECTORY));
            let disk = disk.cut(seed);
            let loaded = load(&disk).unwrap();
            let newest = loaded.newest.unwrap();
            assert!(newest == checkpoint(3) || (newest == checkpoint(2) && written.is_err()));
            assert_eq!(loaded.damaged, Vec::<PathBuf>::new());
            // What the crash left is in nobody's way.
            write(&disk, 4);
        }
    }
}

#[test]
fn a_damaged_newest_falls_back_to_the_older_and_is_named() {
    let disk = disk();
    write(&disk, 1);
    write(&disk, 2);
    let damaged = file(&disk, 2);
    damaged.write_at(&[IoSlice::new(b"x")], 60).unwrap();
    let loaded = load(&disk).unwrap();
    assert_eq!(loaded.newest, Some(checkpoint(1)));
    assert_eq!(loaded.older, None);
    assert_eq!(loaded.damaged, [Path::new(DIRECTORY).join(file_name(2))]);
    assert_eq!(loaded.vouched(OWNER, None).kept_from, JournalPos::new(5_000));
    file(&disk, 1).set_len(100).unwrap();
    let error = load(&disk).unwrap_err();
    assert!(matches!(error, LoadError::Damaged { .. }), "{error}");
}

#[test]
fn a_checkpoint_under_another_ones_name_is_damaged() {
    let disk = disk();
    write(&disk, 1);
    let name = |number| Path::new(DIRECTORY).join(file_name(number));
    disk.rename(&name(1), &name(2)).unwrap();
    assert!(matches!(load(&disk), Err(LoadError::Damaged { .. })));
}

#[test]
fn a_newer_format_is_refused() {
    let disk = disk();
    write(&disk, 1);
    let bytes = read_whole(&disk, &Path::new(DIRECTORY).join(file_name(1))).unwrap();
    let mut bytes = bytes.to_vec();
    bytes[12] = 2;
    let crc = weir_protocol::checksum::crc32c(&bytes[12..]);
    bytes[8..12].copy_from_slice(&crc.to_le_bytes());
    file(&disk, 1).write_at(&[IoSlice::new(&bytes)], 0).unwrap();
    assert!(matches!(load(&disk), Err(LoadError::NewerFormat { version: 2, .. })));
}

proptest! {
    #[test]
    fn a_checkpoint_reads_back_as_it_was(
        number: u64,
        from: u64,
        run: u32,
        tables in prop::collection::vec(any::<(u16, Vec<u8>)>(), 0..4),
    ) {
        let table = |(shard, bytes): (u16, Vec<u8>)| {
            Table { shard, index: Index::new(from), term: Term::new(1), bytes: bytes.into() }
        };
        let journal_from = JournalPos::new(from);
        let tables = tables.into_iter().map(table).collect();
        let logs = checkpoint(number % 7).logs;
        let (before, directory) = (Before::Kept, OWNER);
        let checkpoint = Checkpoint { number, journal_from, run, before, directory, logs, tables };
        let bytes: Bytes = checkpoint.encode().concat().into();
        prop_assert_eq!(Checkpoint::decode(&bytes), Ok(checkpoint));
    }

    #[test]
    fn a_flipped_bit_is_found(at: prop::sample::Index, bit in 0..8_u8) {
        let mut bytes = checkpoint(5).encode().concat();
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        prop_assert_eq!(Checkpoint::decode(&bytes.into()), Err(Unreadable::Damaged));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        let mut whole = MAGIC_AND_SUM.to_vec();
        whole.extend(&bytes);
        let crc = weir_protocol::checksum::crc32c(&bytes);
        whole[8..12].copy_from_slice(&crc.to_le_bytes());
        let _ = Checkpoint::decode(&whole.into());
    }
}

const MAGIC_AND_SUM: &[u8; 12] = b"weirchkp\0\0\0\0";

#[test]
fn a_checkpoint_that_gave_up_what_was_before_it_stands_alone() {
    let disk = disk();
    write(&disk, 1);
    let alone = Checkpoint { before: Before::GivenUp, ..checkpoint(2) };
    alone.write(&disk, Path::new(DIRECTORY)).unwrap();
    let loaded = load(&disk).unwrap();
    assert_eq!(loaded.vouched(OWNER, None).kept_from, JournalPos::new(10_000));
    write(&disk, 3);
    let loaded = load(&disk).unwrap();
    assert_eq!(loaded.vouched(OWNER, None).kept_from, JournalPos::new(10_000));
}

#[test]
fn a_checkpoint_of_another_directory_is_refused() {
    let disk = disk();
    write(&disk, 1);
    let foreign = Checkpoint { directory: [1; 16], ..checkpoint(2) };
    foreign.write(&disk, Path::new(DIRECTORY)).unwrap();
    let error = load(&disk).unwrap_err();
    assert!(matches!(error, LoadError::OtherDirectory { .. }), "{error}");
}
