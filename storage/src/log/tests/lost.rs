//! Pages that a log's maps lose: its file was cut from outside, or the disk fails.

use super::*;
use crate::errors::DiskError;

/// Cuts the active segment, and what is prepared behind it, to nothing.
fn cut(bench: &Bench) {
    for name in bench.disk.list(Path::new(DIRECTORY)).unwrap() {
        let path = Path::new(DIRECTORY).join(name);
        bench.disk.open(&path, Open::Write).unwrap().set_len(0).unwrap();
    }
}

#[test]
fn a_lost_page_is_an_error_to_who_reads_it_at_the_tail_and_stops_its_writer() {
    let mut bench = Bench::new(options());
    let batch = Batch::new(1, 300, 1);
    bench.append(&batch);
    let mut cursor = Cursor::at(bench.reader.tail());
    let limits =
        ReadLimits { bytes_max: 1 << 20, messages_max: u64::MAX, first: FirstBatch::Always };
    assert_eq!(
        bench.reader.read_in_memory(&mut cursor, &limits, None).unwrap(),
        Some(Read::AtTail)
    );
    bench.append(&batch);
    cut(&bench);
    let read = bench.reader.read_in_memory(&mut cursor, &limits, None);
    assert!(matches!(read, Err(ReadError::Disk(DiskError { doing: "read", .. }))), "{read:?}");
    // Far from the tail a thread brings it in, and hears of it without a signal.
    let brought_in = bench.reader.bring_in(&Cursor::at(Offset::ZERO), 1 << 20);
    assert!(matches!(brought_in, Err(ReadError::Disk(_))), "{brought_in:?}");

    let place = bench.reserve(300).unwrap();
    let End { offset, epoch, .. } = bench.log.end();
    let prefix = batch.prefix(offset, epoch);
    let applied = bench.log.apply(place, &prefix, &batch.rest, &batch.header);
    assert!(matches!(applied, Err(ApplyError::Disk(_))), "{applied:?}");
    assert_eq!(bench.reader.tail(), offset, "nothing of it is visible");
}
