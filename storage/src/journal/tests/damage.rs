//! Bad input of each kind: in the torn tail it is cut, below what was durable it is refused and
//! nothing is changed.

use super::*;
use crate::journal::frame::{HEADER_BYTES, RUN_START_BYTES, Seal};
use crate::journal::segment::{FRAMES_AT, FoundHeader, read_header};

/// Where the first frame with an entry begins in the first file of a new journal.
const FIRST: u64 = FRAMES_AT + RUN_START_BYTES;
/// The bytes of a frame that [`Bench::append`] writes.
const FRAME: u64 = 64 + 8 + 104;

/// A byte of each field of a frame of [`Bench::append`].
const FIELDS: [(&str, u64); 16] = [
    ("magic", 1),
    ("length", 5),
    ("crc", 9),
    ("version", 12),
    ("flags", 13),
    ("shard", 14),
    ("run", 17),
    ("entries", 21),
    ("term", 25),
    ("index", 33),
    ("durable_to", 42),
    ("timestamp", 50),
    ("reserved", 60),
    ("entry length", 64),
    ("entry kind", 68),
    ("payload", 100),
];

/// A journal of four frames, each synced on its own.
fn bed_of_four() -> Bed {
    let bed = Bed::new();
    let mut bench = bed.open();
    for byte in 1..=4 {
        bench.append(byte);
    }
    bed
}

/// Opens, which must fail, and sees that no byte changed by it.
fn refused(bed: &Bed) -> OpenError {
    let images = |bed: &Bed| (0..bed.files().len()).map(|file| bed.bytes(file)).collect::<Vec<_>>();
    let before = images(bed);
    let error = bed.try_open().unwrap_err();
    assert!(before == images(bed), "a refused start changes nothing");
    error
}

fn damage(bed: &Bed) -> Damage {
    match refused(bed) {
        OpenError::Damaged { what, .. } => what,
        other => panic!("{other}"),
    }
}

/// Makes the checksum of the frame at `position` of a file right again.
fn reseal(bed: &Bed, index: usize, position: u64) {
    let file = bed.file(index);
    let FoundHeader::Valid(segment, _) = read_header(&*file, Path::new("")).unwrap() else {
        panic!("the segment has a header");
    };
    let mut header = [0; HEADER_BYTES];
    read_exact_at(&*file, &mut header, position).unwrap();
    let length = u32::from_le_bytes(header[4..8].try_into().unwrap()) as usize;
    let mut rest = vec![0; length - HEADER_BYTES];
    read_exact_at(&*file, &mut rest, position + HEADER_BYTES as u64).unwrap();
    let mut sum =
        Seal { segment: segment.uuid, position: segment.base.plus(position) }.begin(&header);
    sum.update(&rest);
    bed.put(index, position + 8, &sum.finish().to_le_bytes());
}

#[test]
fn a_bad_byte_in_the_torn_tail_is_cut_whatever_it_was() {
    for (field, at) in FIELDS {
        let bed = Bed::new();
        let mut bench = bed.open();
        for byte in 1..=3 {
            bench.append(byte);
        }
        bench.stage(4, 100);
        bench.stage(5, 100);
        bench.journal.write().unwrap();
        drop(bench);
        bed.flip_bit(0, FIRST + 3 * FRAME + at);
        let bench = bed.open();
        assert_eq!(bench.replayed, [1, 2, 3], "{field}");
        let torn = bench.recovery.torn.unwrap();
        assert_eq!(torn.frames, 1, "{field}");
        // A length that lies is all there is to go by.
        assert!(torn.bytes == 2 * FRAME || field == "length", "{field}");
        assert_eq!(bed.replayed(), [1, 2, 3], "{field}");
    }
}

#[test]
fn a_bad_byte_below_what_was_durable_is_refused_whatever_it_was() {
    for (field, at) in FIELDS {
        for frame in 0..3 {
            let bed = bed_of_four();
            bed.flip_bit(0, FIRST + frame * FRAME + at);
            assert_eq!(damage(&bed), Damage::BelowDurable, "{field} of frame {frame}");
        }
    }
}

#[test]
fn a_mark_guards_the_last_frame() {
    for (field, at) in FIELDS {
        let bed = Bed::new();
        let mut bench = bed.open();
        bench.append(1);
        bench.journal.stage_mark();
        bench.journal.write().unwrap();
        drop(bench);
        bed.flip_bit(0, FIRST + at);
        assert_eq!(damage(&bed), Damage::BelowDurable, "{field}");
    }
}

#[test]
fn a_bad_byte_below_the_checkpoint_or_the_clean_end_is_refused() {
    let end = JournalPos::new(FIRST + 4 * FRAME);
    let clean = Vouched { clean_end: Some(end), ..Vouched::default() };
    let indexes = BTreeMap::from([(3, Index::new(4))]);
    let checkpoint = Vouched { replay_from: end, indexes, run: 1, ..Vouched::default() };
    for vouched in [clean, checkpoint] {
        for (field, at) in FIELDS {
            let mut bed = bed_of_four();
            bed.vouched = vouched.clone();
            bed.flip_bit(0, FIRST + 3 * FRAME + at);
            assert_eq!(damage(&bed), Damage::BelowCheckpoint, "{field}");
        }
    }
}

#[test]
fn a_torn_tail_that_may_not_be_cut_is_refused() {
    let mut bed = bed_of_four();
    bed.options.on_torn_tail = OnTornTail::Refuse;
    bed.flip_bit(0, FIRST + 3 * FRAME + 100);
    let torn = Torn { bytes: FRAME, frames: 0, at: JournalPos::new(FIRST + 3 * FRAME) };
    assert!(matches!(refused(&bed), OpenError::TornRefused(found) if found == torn));
    bed.flip_bit(0, FIRST + 3 * FRAME + 100);
    assert_eq!(bed.replayed(), [1, 2, 3, 4], "a whole tail is no torn one");
}

#[test]
fn a_frame_that_claims_more_than_its_segment_is_no_frame() {
    for length in [u32::MAX - 7, SEGMENT_BYTES as u32, 8, 0, 177] {
        let bed = bed_of_four();
        bed.put(0, FIRST + 3 * FRAME + 4, &length.to_le_bytes());
        assert_eq!(bed.replayed(), [1, 2, 3]);
        let bed = bed_of_four();
        bed.put(0, FIRST + 2 * FRAME + 4, &length.to_le_bytes());
        assert_eq!(damage(&bed), Damage::BelowDurable);
    }
}

#[test]
fn an_unknown_kind_refuses_to_start() {
    let bed = bed_of_four();
    bed.put(0, FIRST + FRAME + 68, &[12]);
    reseal(&bed, 0, FIRST + FRAME);
    match refused(&bed) {
        OpenError::UnknownKind { kind, position, .. } => {
            assert_eq!((kind, position), (12, FIRST + FRAME));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_newer_frame_or_segment_format_refuses_to_start() {
    let bed = bed_of_four();
    bed.put(0, FIRST + FRAME + 12, &[2]);
    reseal(&bed, 0, FIRST + FRAME);
    assert!(matches!(refused(&bed), OpenError::NewerFormat { version: 2, .. }));

    let bed = bed_of_four();
    bed.put(0, 12, &[9]);
    let crc = weir_protocol::checksum::crc32c(&bed.bytes(0)[12..512]);
    bed.put(0, 8, &crc.to_le_bytes());
    assert!(matches!(refused(&bed), OpenError::NewerFormat { version: 9, .. }));
}

#[test]
fn entries_that_do_not_fit_their_frame_are_damage_even_with_a_right_checksum() {
    for (at, bytes) in [(64, [105, 0]), (64, [0, 255]), (20, [2, 0]), (20, [0, 0]), (69, [1, 0])] {
        let bed = bed_of_four();
        bed.put(0, FIRST + FRAME + at, &bytes);
        reseal(&bed, 0, FIRST + FRAME);
        match damage(&bed) {
            Damage::Malformed(_) => {}
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_missing_index_is_damage() {
    let bed = bed_of_four();
    bed.put(0, FIRST + FRAME + 32, &3_u64.to_le_bytes());
    reseal(&bed, 0, FIRST + FRAME);
    assert_eq!(damage(&bed), Damage::IndexMissing { shard: 3 });
}

#[test]
fn entries_missing_between_checkpoint_and_journal_are_damage() {
    let mut bed = bed_of_four();
    // The journal ends before what the tables reflect.
    bed.vouched.indexes = BTreeMap::from([(3, Index::new(5))]);
    assert_eq!(damage(&bed), Damage::IndexMissing { shard: 3 });
    // The journal goes on behind a hole.
    let start = JournalPos::new(FIRST + 3 * FRAME);
    let indexes = BTreeMap::from([(3, Index::new(2))]);
    bed.vouched =
        Vouched { kept_from: start, replay_from: start, indexes, run: 1, ..Vouched::default() };
    assert_eq!(damage(&bed), Damage::IndexMissing { shard: 3 });
    bed.vouched.indexes = BTreeMap::from([(3, Index::new(3))]);
    assert_eq!(bed.replayed(), [4]);
}

#[test]
fn the_start_of_a_run_must_name_the_end_of_the_one_before() {
    let bed = bed_of_four();
    drop(bed.open());
    let run_start = FIRST + 4 * FRAME;
    bed.put(0, run_start + 64 + 8 + 8, &(FIRST + 3 * FRAME).to_le_bytes());
    reseal(&bed, 0, run_start);
    assert_eq!(damage(&bed), Damage::RunStartMissing);
}

/// A journal of 40 frames over three segments, its maker's ready ones behind.
fn bed_of_segments() -> Bed {
    let bed = Bed::new();
    let mut bench = bed.open();
    bench.step_until_idle();
    for byte in 0..40 {
        bench.stage(byte, 3_000);
        bench.commit();
    }
    bench.step_until_idle();
    assert!(3 < bed.files().len());
    bed
}

#[test]
fn names_of_segment_files_do_not_matter() {
    let bed = bed_of_segments();
    let files = bed.files();
    let aside = Path::new("/journal/aside");
    bed.disk.rename(&files[0], aside).unwrap();
    bed.disk.rename(&files[1], &files[0]).unwrap();
    bed.disk.rename(aside, &files[1]).unwrap();
    assert_eq!(bed.replayed(), (0..40).collect::<Vec<u8>>());
}

#[test]
fn a_segments_bytes_in_the_place_of_another_are_found() {
    let bed = bed_of_segments();
    bed.put(1, 0, &bed.bytes(0));
    assert_eq!(damage(&bed), Damage::SegmentTwice);
    // Frames of another place under a right header.
    let bed = bed_of_segments();
    bed.put(1, FRAMES_AT, &bed.bytes(0)[FRAMES_AT as usize..]);
    assert_eq!(damage(&bed), Damage::BelowDurable);
}

#[test]
fn a_missing_segment_is_found_wherever_it_was() {
    for (file, what) in
        [(0, Damage::FirstSegmentMissing), (1, Damage::SegmentMissing), (2, Damage::SegmentMissing)]
    {
        let bed = bed_of_segments();
        bed.disk.remove_file(&bed.files()[file]).unwrap();
        assert_eq!(damage(&bed), what, "file {file}");
    }
}

#[test]
fn a_damaged_segment_header_is_found_wherever_it_is() {
    for at in [0, 9, 12, 20, 40, 50, 60] {
        let bed = bed_of_four();
        while 1 < bed.files().len() {
            bed.disk.remove_file(&bed.files()[1]).unwrap();
        }
        bed.flip_bit(0, at);
        assert_eq!(damage(&bed), Damage::SegmentHeader, "byte {at}");
        for (file, what) in [(0, Damage::FirstSegmentMissing), (1, Damage::SegmentMissing)] {
            let bed = bed_of_segments();
            bed.flip_bit(file, at);
            assert_eq!(damage(&bed), what, "byte {at} of file {file}");
        }
    }
}

#[test]
fn a_segment_file_of_the_wrong_length_is_damage() {
    let bed = bed_of_segments();
    bed.file(1).set_len(SEGMENT_BYTES / 2).unwrap();
    assert_eq!(damage(&bed), Damage::SegmentLength);
}

#[test]
fn a_disk_that_cannot_be_read_is_not_taken_for_a_torn_tail() {
    let bed = bed_of_four();
    let position = FIRST + 3 * FRAME;
    bed.disk.make_unreadable(&bed.files()[0], position..position + 1).unwrap();
    assert!(matches!(bed.try_open(), Err(OpenError::Disk(_))));
}

#[test]
fn other_files_in_the_directory_are_left_alone() {
    let bed = bed_of_four();
    bed.disk.open(Path::new("/journal/notes.txt"), Open::Create).unwrap();
    assert_eq!(bed.replayed(), [1, 2, 3, 4]);
    assert!(bed.files().contains(&PathBuf::from("/journal/notes.txt")));
}

#[test]
fn a_segment_of_another_data_directory_is_refused() {
    let mut bed = bed_of_four();
    bed.vouched.directory = [9; 16];
    match refused(&bed) {
        OpenError::OtherDirectory { directory, .. } => assert_eq!(directory, [0; 16]),
        other => panic!("{other}"),
    }
}
