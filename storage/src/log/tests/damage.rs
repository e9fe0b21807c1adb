//! What an earlier run wrote and the disk did not keep: bits of it, in every file there is.

use super::quarantine::{Damaged, Held, open_file, read_file};
use super::*;

/// Every kind of field that a batch's header has, its records, and both ends of a file.
const OF_EVERY_CLASS: [(&str, u64); 18] = [
    ("base offset", 7),
    ("length", 11),
    ("epoch", 15),
    ("magic", 16),
    ("checksum", 20),
    ("attributes", 22),
    ("last offset delta", 26),
    ("base timestamp", 34),
    ("largest timestamp", 42),
    ("producer id", 50),
    ("producer epoch", 52),
    ("base sequence", 56),
    ("record count", 60),
    ("records", 20_000),
    ("first byte", 0),
    ("the second batch", 30_007),
    // Nothing follows it that would contradict it.
    ("the last batch's epoch", 30_015),
    ("last byte", 59_999),
];

#[test]
fn a_flipped_bit_of_a_sealed_segment_takes_that_segment_and_no_other() {
    for (class, position) in OF_EVERY_CLASS {
        let damaged = Damaged::by(|held| held.flip(&file_name_of(2), position));
        assert_eq!(damaged.quarantined_when_read(), [2, 3], "{class}");
        damaged.is_told_of("00000000000000000002.log", 2..4);
        damaged.goes_on_and_stays([2, 3]);
    }
}

#[test]
fn a_flipped_bit_of_the_active_segment_takes_what_an_earlier_run_wrote_of_it() {
    for (class, position) in OF_EVERY_CLASS {
        let damaged = Damaged::by(|held| held.flip(&file_name_of(6), position));
        assert_eq!(damaged.quarantined_when_read(), [6, 7], "{class}");
        damaged.is_told_of("00000000000000000006.log", 6..8);
        damaged.goes_on_and_stays([6, 7]);
    }
}

#[test]
fn a_flipped_bit_of_an_index_takes_nothing() {
    let held = Held::new();
    for name in ["00000000000000000002.index", "00000000000000000002.timeindex", "active-index"] {
        for position in (0..read_file(&held.disk, name).len() as u64).step_by(3) {
            let damaged = Damaged::by(|held| held.flip(name, position));
            assert!(damaged.quarantined_when_read().is_empty(), "byte {position} of {name}");
            let found = damaged.bench.reader.offset_for_time(3).unwrap();
            assert_eq!(found, None, "whose records nobody can walk");
        }
    }
}

#[test]
fn a_lost_index_is_made_again() {
    for name in ["00000000000000000002.index", "00000000000000000002.timeindex", "active-index"] {
        let damaged = Damaged::by(|held| held.remove(name));
        assert!(damaged.quarantined_when_read().is_empty(), "{name}");
        let damaged = Damaged::by(|held| open_file(&held.disk, name).set_len(3).unwrap());
        assert!(damaged.quarantined_when_read().is_empty(), "{name}");
    }
}

#[test]
fn a_flipped_bit_of_the_manifest_takes_what_lies_below_the_active_segment() {
    let bytes = read_file(&Held::new().disk, "manifest");
    // Each field of the head, and some of what follows; its own test flips every one.
    for position in (0..24).chain((24..bytes.len() as u64).step_by(23)) {
        let damaged = Damaged::by(|held| held.flip("manifest", position));
        assert_eq!(damaged.quarantined_when_read(), [0, 1, 2, 3, 4, 5], "byte {position}");
        damaged.is_told_of("manifest", 0..6);
        let mut aside = read_file(&damaged.bench.disk, "manifest.damaged-1");
        aside[position as usize] ^= 1;
        assert_eq!(aside, bytes, "what was damaged is kept as it was");
        assert_eq!(damaged.bench.files_named(".log").len(), 4, "and nothing is deleted");
    }
    let damaged = Damaged::by(|held| held.flip("manifest", 30));
    damaged.goes_on_and_stays([0, 1, 2, 3, 4, 5]);
}
