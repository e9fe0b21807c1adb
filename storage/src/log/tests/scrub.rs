//! Scrubbing sealed segments while a log is open.

use super::quarantine::{Damaged, Held};
use super::*;

/// Reads every sealed segment in pieces of so many bytes; how many bytes that were.
fn scrub_all(bench: &Bench, piece: u64) -> u64 {
    let (mut from, mut bytes) = (Offset::ZERO, 0);
    while let Some(mut scrub) = bench.upkeep.scrub(from).unwrap() {
        from = scrub.end();
        loop {
            match scrub.step(piece).unwrap() {
                Scrubbed::Part(part) => bytes += part,
                Scrubbed::All(last) => {
                    bytes += last;
                    break;
                }
            }
        }
    }
    bytes
}

fn spans(bench: &Bench) -> Vec<(u64, u64)> {
    let told = bench.upkeep.quarantined();
    told.iter().map(|all| (all.span.start.get(), all.span.end.get())).collect()
}

#[test]
fn a_scrub_reads_all_that_is_sealed_and_finds_what_is_whole_so() {
    for piece in [180, 4096, 5000, 1 << 20] {
        let whole = Damaged::by(|_| {});
        let expected = 180_000;
        assert_eq!(scrub_all(&whole.bench, piece), expected);
        assert_eq!(spans(&whole.bench), []);
    }
}

#[test]
fn damage_that_comes_while_a_log_is_read_is_found_and_served_no_more() {
    for position in [0, 15, 20_000, 59_999] {
        let held = Held::new();
        let bench = Bench::over(held.disk.clone(), held.open().unwrap());
        let cursor = &mut Cursor::at(Offset::new(2));
        bench.next_slice(cursor, 1);
        held.flip(&file_name_of(2), position);
        scrub_all(&bench, 7000);
        assert_eq!(spans(&bench), [(2, 4)]);
        let limits = ReadLimits { bytes_max: 1, messages_max: 1, first: FirstBatch::Always };
        for cursor in [cursor, &mut Cursor::at(Offset::new(2))] {
            let refused = bench.reader.read(cursor, &limits);
            assert!(matches!(refused, Err(ReadError::Quarantined { .. })), "{refused:?}");
        }
        assert_eq!(bench.slice(4, 1).span.start, Offset::new(4));
        // Nobody reads it again; a checkpoint makes the log remember it.
        assert_eq!(scrub_all(&bench, 7000), 120_000);
        let at = bench.upkeep.flush().unwrap();
        assert_eq!(spans(&bench.reopen(at)), [(2, 4)]);
    }
}

#[test]
fn a_segment_that_is_gone_cut_or_unreadable_is_found() {
    type Damage = fn(&Held);
    let damages: [(Damage, &str); 3] = [
        (|held| held.remove(&file_name_of(2)), "missing"),
        (|held| held.set_len(&file_name_of(2), 50_000), "has 50000 bytes"),
        (
            |held| {
                let path = Path::new(DIRECTORY).join(file_name_of(2));
                held.disk.make_unreadable(&path, 40_000..40_001).unwrap();
            },
            "cannot be read",
        ),
    ];
    for (damage, why) in damages {
        let held = Held::new();
        let bench = Bench::over(held.disk.clone(), held.open().unwrap());
        damage(&held);
        scrub_all(&bench, 4096);
        assert_eq!(spans(&bench), [(2, 4)]);
        let flaw = bench.upkeep.quarantined()[0].flaw.to_string();
        assert!(flaw.contains(why), "{flaw}");
    }
}

#[test]
fn what_is_served_behind_a_withheld_part_is_scrubbed_too() {
    let damaged = Damaged::by(|held| held.remove(&file_name_of(6)));
    let Damaged { mut bench } = damaged;
    bench.append(&Batch::new(1, 1000, 0));
    bench.append(&Batch::new(1, 30_000, 0));
    let at = bench.upkeep.flush().unwrap();
    assert_eq!(scrub_all(&bench, 4096), 181_000);
    let file = bench.disk.open(&Path::new(DIRECTORY).join(file_name_of(6)), Open::Write).unwrap();
    file.write_at(&[std::io::IoSlice::new(&[9])], 60_500).unwrap();
    let bench = bench.reopen(at);
    assert_eq!(spans(&bench), [(6, 8)]);
    scrub_all(&bench, 4096);
    assert_eq!(spans(&bench), [(6, 9)]);
}

#[test]
fn a_file_that_is_put_back_is_found_whole() {
    let held = Held::new();
    held.rename(&file_name_of(2), "aside");
    let bench = Bench::over(held.disk.clone(), held.open().unwrap());
    let at = bench.upkeep.flush().unwrap();
    held.rename("aside", &file_name_of(2));
    let bench = bench.reopen(at);
    assert_eq!(spans(&bench), [(2, 4)]);
    scrub_all(&bench, 1 << 20);
    assert_eq!(spans(&bench), []);
}
