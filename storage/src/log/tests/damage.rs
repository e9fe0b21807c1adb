//! What an earlier run wrote and the disk did not keep.

use std::io::IoSlice;

use super::*;

/// Three sealed segments of two batches and an active one, flushed; then byte `position` of the
/// file `name` is another.
fn flushed_and_damaged(name: &str, position: u64) -> (Bench, End) {
    let mut bench = Bench::new(options());
    for n in 0..8 {
        bench.append(&Batch::new(1, 30_000, n));
    }
    let at = bench.upkeep.flush().unwrap();
    let file = bench.disk.open(&Path::new(DIRECTORY).join(name), Open::Write).unwrap();
    let mut byte = [0];
    file.read_at(&mut byte, position).unwrap();
    file.write_at(&[IoSlice::new(&[byte[0] ^ 1])], position).unwrap();
    (bench.reopen(at), at)
}

fn error_at(bench: &Bench, offset: u64) -> String {
    let limits = ReadLimits { bytes_max: 1, messages_max: 1, first: FirstBatch::Always };
    bench.reader.read(&mut Cursor::at(Offset::new(offset)), &limits).unwrap_err().to_string()
}

#[test]
fn a_damaged_sealed_segment_is_not_served_and_the_others_are() {
    // Base offset, length, epoch, magic, checksum, count, body, of either batch.
    for position in [0, 8, 12, 16, 17, 57, 20_000, 30_000, 59_999] {
        let (bench, _) = flushed_and_damaged("00000000000000000002.log", position);
        for offset in [2, 3] {
            let error = error_at(&bench, offset);
            assert!(error.contains("offsets 2 to 4 are not served"), "{error}");
        }
        for offset in [0, 1, 4, 5, 6, 7] {
            assert_eq!(bench.slice(offset, 1).span.start, Offset::new(offset));
        }
    }
}

#[test]
fn a_damaged_active_segment_is_not_served_and_goes_on() {
    // Not the epoch, which nothing but the seal's digest covers.
    for position in [0, 8, 16, 17, 20_000, 30_000, 59_999] {
        let (mut bench, _) = flushed_and_damaged("00000000000000000006.log", position);
        for offset in [6, 7] {
            let error = error_at(&bench, offset);
            assert!(error.contains("offsets 6 to 8 are not served"), "{error}");
        }
        bench.append(&Batch::new(1, 1000, 0));
        bench.append(&Batch::new(1, 60_000, 0));
        bench.append(&Batch::new(1, 60_000, 0));
        assert_eq!(bench.slice(8, 1).span.start, Offset::new(8));
        let at = bench.upkeep.flush().unwrap();
        assert_eq!(bench.slice(9, 1).span.start, Offset::new(9));
        let bench = bench.reopen(at);
        let error = error_at(&bench, 6);
        assert!(error.contains("are not served"), "{error}");
    }
}

#[test]
fn lost_indexes_are_made_again() {
    for (name, position) in [
        ("00000000000000000002.index", 3),
        ("00000000000000000002.timeindex", 7),
        ("active-index", 30),
    ] {
        let (bench, at) = flushed_and_damaged(name, position);
        assert_eq!(bench.read_all(0).len(), 240_000);
        bench.disk.remove_file(&Path::new(DIRECTORY).join(name)).unwrap();
        let bench = bench.reopen(at);
        assert_eq!(bench.read_all(0).len(), 240_000);
        assert_eq!(bench.reader.offset_for_time(3).unwrap(), None);
    }
}

#[test]
fn a_missing_or_shortened_segment_is_not_served_and_the_others_are() {
    let (bench, at) = flushed_and_damaged("active-index", 0);
    let path = Path::new(DIRECTORY).join(file_name_of(2));
    bench.disk.open(&path, Open::Write).unwrap().set_len(59_999).unwrap();
    assert!(error_at(&bench, 3).contains("has 59999 bytes, its manifest says 60000"));
    bench.disk.remove_file(&path).unwrap();
    let bench = bench.reopen(at);
    assert!(error_at(&bench, 3).contains("the segment's file is missing"));
    assert_eq!(bench.slice(4, 1).span.start, Offset::new(4));
}

#[test]
fn a_log_without_what_its_checkpoint_promises_stays_closed_and_whole() {
    let refused = |change: &dyn Fn(&Bench)| {
        let (bench, at) = flushed_and_damaged("active-index", 0);
        change(&bench);
        let before = bench.contents();
        let disk: Arc<dyn Disk> = Arc::new(bench.disk.clone());
        let error = Log::open(disk, Path::new(DIRECTORY), options(), at).unwrap_err();
        assert_eq!(bench.contents(), before);
        error.to_string()
    };
    let path = |name: &str| Path::new(DIRECTORY).join(name);
    let active = path(&file_name_of(6));
    let open = |bench: &Bench, path: &Path| bench.disk.open(path, Open::Write).unwrap();
    let error = refused(&|bench| bench.disk.remove_file(&active).unwrap());
    assert!(error.contains("it is missing"), "{error}");
    let error = refused(&|bench| open(bench, &active).set_len(59_000).unwrap());
    assert!(error.contains("it has 59000 bytes of 60000 promised"), "{error}");
    let error = refused(&|bench| bench.disk.remove_file(&path("manifest")).unwrap());
    assert!(error.contains("it is missing"), "{error}");
    let flip = |bench: &Bench| {
        open(bench, &path("manifest")).write_at(&[IoSlice::new(&[0xff; 4])], 40).unwrap();
    };
    let error = refused(&flip);
    assert!(error.contains("its checksum is wrong"), "{error}");
}
