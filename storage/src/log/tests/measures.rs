//! A segment size that changes while the log is open.

use super::*;

#[test]
fn a_smaller_segment_size_ends_the_active_segment_with_the_next_batch() {
    let mut bench = Bench::new(options());
    let batch = Batch::new(1, 10_000, 0);
    let place = |segment, position| Place { segment: Offset::new(segment), position };
    assert_eq!([bench.append(&batch), bench.append(&batch)], [place(0, 0), place(0, 10_000)]);
    bench.upkeep.set_segment_bytes(20_000);
    let places: Vec<_> = (0..3).map(|_| bench.append(&batch)).collect();
    assert_eq!(places, [place(2, 0), place(2, 10_000), place(4, 0)]);
    let too_large = NoRoom::TooLarge { bytes: 20_001, segment_bytes: 20_000 };
    assert_eq!(bench.reserve(20_001), Err(too_large));
}

#[test]
fn a_larger_segment_size_counts_from_the_next_segment_that_is_begun() {
    let mut bench = Bench::new(options());
    let batch = Batch::new(1, 30_000, 0);
    let base = |bench: &mut Bench| bench.append(&batch).segment.get();
    assert_eq!([base(&mut bench), base(&mut bench)], [0, 0]);
    bench.upkeep.set_segment_bytes(120_000);
    // The next one was prepared before, for two of these.
    let bases: Vec<_> = (0..7).map(|_| base(&mut bench)).collect();
    assert_eq!(bases, [2, 2, 4, 4, 4, 4, 8]);
}

#[test]
fn a_batch_that_only_a_larger_segment_holds_begins_one() {
    let mut bench = Bench::new(options());
    for _ in 0..2 {
        bench.append(&Batch::new(1, 30_000, 0));
    }
    let too_small = file_name::prepared(2);
    assert_eq!(bench.files_named(&too_small).len(), 1);
    let large = Batch::new(1, 100_000, 0);
    let too_large = NoRoom::TooLarge { bytes: 100_000, segment_bytes: 64 << 10 };
    assert_eq!(bench.reserve(100_000), Err(too_large));
    bench.upkeep.set_segment_bytes(120_000);
    let place = bench.append(&large);
    assert_eq!(place, Place { segment: Offset::new(2), position: 0 });
    assert_eq!(bench.slice(2, 1).bytes.len(), 100_000);
    assert!(bench.files_named(&too_small).is_empty());
}

#[test]
fn a_log_that_wakes_goes_on_in_its_segment_by_the_size_of_now() {
    for (segment_bytes, expected) in [(20_000, 1), (120_000, 0)] {
        let mut bench = Bench::new(options());
        bench.append(&Batch::new(1, 30_000, 0));
        bench.rest();
        bench.upkeep.set_segment_bytes(segment_bytes);
        let bases: Vec<_> =
            (0..5).map(|_| bench.append(&Batch::new(1, 15_000, 0)).segment.get()).collect();
        assert_eq!(bases[0], expected);
        assert_eq!(bases[4], if expected == 0 { 0 } else { 5 });
        let end = bench.log.end();
        bench.upkeep.flush().unwrap();
        let whole = bench.read_all(0);
        assert_eq!(bench.reopen(end).read_all(0), whole);
    }
}
