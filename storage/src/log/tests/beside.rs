//! Readers and helpers beside a writer, each on a thread of its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use weir_protocol::batch::verify_crc;

use super::*;

#[test]
fn readers_see_every_batch_whole_while_it_is_written_and_kept() {
    let mut bench = Bench::new(options());
    let batches = 3000_u64;
    let (reader, upkeep) = (bench.reader.clone(), bench.upkeep.clone());
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        for bytes_max in [1, 10_000] {
            let reader = reader.clone();
            scope.spawn(move || follow(&reader, batches * 2, bytes_max));
        }
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                upkeep.flush().unwrap();
                thread::yield_now();
            }
        });
        for n in 0..batches {
            bench.append(&Batch::new(2, 100 + n as usize * 7 % 2000, n as i64));
        }
        is_done.store(true, Ordering::Relaxed);
    });
    assert_eq!(bench.upkeep.flush().unwrap(), bench.log.end());
}

/// Reads up to `end` as the log grows; every offset comes once and in order.
fn follow(reader: &Reader, end: u64, bytes_max: u64) {
    let limits = ReadLimits { bytes_max, messages_max: u64::MAX, first: FirstBatch::Always };
    let mut cursor = Cursor::at(Offset::ZERO);
    while cursor.offset().get() < end {
        let asked = cursor.offset();
        match reader.read(&mut cursor, &limits).unwrap() {
            Read::AtTail => thread::yield_now(),
            Read::Slice(slice) => {
                assert_eq!(slice.span, asked..cursor.offset());
                let mut rest = &slice.bytes[..];
                while !rest.is_empty() {
                    let header = verify_crc(rest).unwrap();
                    rest = &rest[header.batch_bytes..];
                }
            }
            read => panic!("neither slice nor tail at {asked}: {read:?}"),
        }
    }
}
