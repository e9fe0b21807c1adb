//! Starting again: after a crash of the process, and after a power cut at any step.

use super::*;

const SEEDS: std::ops::Range<u64> = 0..24;

fn assert_prefix_above(replayed: &[u8], synced: u8, staged: u8) {
    assert!(usize::from(synced) <= replayed.len() && replayed.len() <= usize::from(staged));
    assert!(replayed.iter().copied().eq(0..replayed.len() as u8), "in order: {replayed:?}");
}

#[test]
fn a_power_cut_leaves_what_was_synced_and_a_beginning_of_the_rest() {
    let mut lengths = BTreeMap::new();
    for seed in SEEDS {
        let mut bed = Bed::new();
        let mut bench = bed.open();
        bench.step_until_idle();
        for byte in 0..10 {
            bench.stage(byte, 2_000);
        }
        bench.commit();
        for byte in 10..60 {
            bench.stage(byte, 2_500);
        }
        bench.journal.write().unwrap();
        bed.cut(seed);
        let replayed = bed.replayed();
        assert_prefix_above(&replayed, 10, 60);
        *lengths.entry(replayed.len()).or_insert(0) += 1;
        // What a start has shown stays, whatever happens then.
        bed.cut(seed + 1);
        assert_eq!(bed.replayed(), replayed);
    }
    assert!(2 < lengths.len(), "cuts at several places: {lengths:?}");
}

#[test]
fn a_crash_of_the_process_loses_nothing_that_was_written() {
    let mut bed = Bed::new();
    let mut bench = bed.open();
    bench.append(0);
    bench.stage(1, 100);
    bench.journal.write().unwrap();
    bench.stage(2, 100);
    drop(bench);
    assert_eq!(bed.replayed(), [0, 1]);
    // The start made it durable.
    bed.cut(3);
    assert_eq!(bed.replayed(), [0, 1]);
}

#[test]
fn a_start_that_is_cut_at_any_step_is_made_good_by_the_next() {
    for operations in 0..14 {
        for seed in 0..6 {
            let mut bed = Bed::new();
            let mut bench = bed.open();
            bench.step_until_idle();
            for byte in 0..5 {
                bench.stage(byte, 1_000);
            }
            bench.commit();
            for byte in 5..30 {
                bench.stage(byte, 4_000);
            }
            bench.journal.write().unwrap();
            bed.cut(seed);
            bed.disk.switch_off_after(operations);
            let shown = bed.try_open().ok().map(|opened| opened.recovery);
            bed.cut(seed + 100);
            let replayed = bed.replayed();
            assert_prefix_above(&replayed, 5, 30);
            if let Some(recovery) = shown {
                assert_eq!(recovery.last_index[&3].get(), replayed.len() as u64);
            }
        }
    }
}

#[test]
fn a_run_begins_in_the_next_segment_where_the_last_has_no_room_for_it() {
    for operations in 0..20 {
        let mut bed = Bed::new();
        let mut bench = bed.open();
        let room = SEGMENT_BYTES - 64 - bench.journal.end().get();
        // What is left has no room for the first frame of a run.
        let (large, rest) = (20_000, room - 2 * (20_000 + 72) - 72 - 80);
        for byte in 0..2 {
            bench.stage(byte, large);
        }
        bench.stage(2, rest as usize);
        bench.commit();
        drop(bench);
        bed.disk.switch_off_after(operations);
        drop(bed.try_open());
        bed.cut(operations);
        let mut bench = bed.open();
        assert_eq!(bench.replayed, [0, 1, 2]);
        assert!(SEGMENT_BYTES < bench.journal.end().get(), "in the second segment");
        bench.append(3);
        drop(bench);
        assert_eq!(bed.replayed(), [0, 1, 2, 3]);
    }
}

#[test]
fn a_recycled_segment_shows_nothing_of_its_earlier_life() {
    let mut bed = Bed::new();
    let mut bench = bed.open();
    // Frames of one size: those of the earlier life begin just where new ones would.
    for _ in 0..5 {
        for _ in 0..60 {
            bench.append(1);
            bench.stage(1, 3_000);
        }
        let end = bench.commit();
        bed.vouched = Vouched {
            kept_from: end,
            replay_from: end,
            run: 1,
            indexes: bench.indexes.clone(),
            clean_end: None,
            ..Vouched::default()
        };
        bench.journal.recycle_below(end);
        bench.step_until_idle();
    }
    bench.append(2);
    bench.stage(3, 3_000);
    bench.commit();
    assert!(bed.files().len() <= 8, "files are used again");
    drop(bench);
    bed.options.on_torn_tail = OnTornTail::Refuse;
    let bench = bed.open();
    assert_eq!(bench.replayed, [2, 3]);
    assert_eq!(bench.recovery.torn, None, "the earlier life is no torn tail");
}

#[test]
fn making_segments_may_be_cut_at_any_step() {
    for operations in 0..60 {
        let mut bed = Bed::new();
        let mut bench = bed.open();
        for byte in 0..60 {
            bench.stage(byte, 3_000);
        }
        let end = bench.commit();
        bed.vouched = Vouched {
            kept_from: end,
            replay_from: end,
            run: 1,
            indexes: bench.indexes.clone(),
            clean_end: None,
            ..Vouched::default()
        };
        bench.journal.recycle_below(end);
        bed.disk.switch_off_after(operations);
        while let Ok(MakerStep::Worked) = bench.maker.step() {}
        bed.cut(operations);
        let mut bench = bed.open();
        assert_eq!(bench.replayed, [0; 0]);
        for byte in 0..60 {
            bench.stage(byte, 3_000);
        }
        bench.commit();
        drop(bench);
        assert_eq!(bed.replayed(), (0..60).collect::<Vec<u8>>());
    }
}

#[test]
fn each_start_is_a_run_of_its_own() {
    let mut bed = Bed::new();
    for run in 1..=5 {
        let mut bench = bed.open();
        assert_eq!((bench.recovery.run, bench.journal.run()), (run, run));
        bench.append(run as u8);
    }
    assert_eq!(bed.replayed(), [1, 2, 3, 4, 5]);
    let end = bed.open().journal.end();
    let indexes = BTreeMap::from([(3, Index::new(5))]);
    bed.vouched = Vouched {
        kept_from: end,
        replay_from: end,
        run: 40,
        indexes,
        clean_end: Some(end),
        directory: [0; 16],
    };
    assert_eq!(bed.open().recovery.run, 41, "a checkpoint's run counts");
}

#[test]
fn what_a_cut_tail_left_behind_never_comes_back() {
    for seed in SEEDS {
        let mut bed = Bed::new();
        let mut bench = bed.open();
        bench.append(0);
        for byte in 1..20 {
            bench.stage(byte, 500);
        }
        bench.journal.write().unwrap();
        bed.cut(seed);
        let left = bed.replayed();
        // Frames of the same sizes in the same places as those that were cut.
        let mut bench = bed.open();
        bench.append(100);
        for byte in 101..110 {
            bench.stage(byte, 500);
        }
        bench.journal.write().unwrap();
        bed.cut(seed + 7);
        let replayed = bed.replayed();
        assert!(replayed.starts_with(&left));
        assert_eq!(replayed[left.len()], 100);
        let rest = &replayed[left.len()..];
        assert!(rest.iter().copied().eq(100..100 + rest.len() as u8));
    }
}

#[test]
fn a_clean_end_spares_the_search_behind_it() {
    let mut bed = Bed::new();
    let mut bench = bed.open();
    bench.step_until_idle();
    let end = bench.append(1);
    drop(bench);
    // A read of the ready segment, or of the rest of this one, would fail.
    bed.disk.make_unreadable(&bed.files()[1], 4096..SEGMENT_BYTES).unwrap();
    assert!(matches!(bed.try_open(), Err(OpenError::Disk(_))));
    bed.vouched.clean_end = Some(end);
    assert_eq!(bed.replayed(), [1]);
}
