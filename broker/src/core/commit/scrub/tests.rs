use std::path::Path;
use std::sync::Arc;

use weir_protocol::batch::{self, Builder, Header, PREFIX_BYTES};
use weir_storage::disk::{CrashDisk, Disk, Open};
use weir_storage::log::{Log, Opened, Options};

use super::*;
use crate::core::commit::number::Place;
use crate::metrics::Metrics;

const HOUR: Duration = Duration::from_secs(3600);

fn key(number: u8) -> Key {
    (TopicId::from_bytes([number; 16]), 0)
}

/// Two logs of two sealed segments each, of so many bytes, and their scrubber.
struct Bench {
    disk: CrashDisk,
    metrics: Metrics,
    open_logs: OpenLogs,
    scrubber: Scrubber,
    now: Instant,
    bytes: u64,
}

impl Bench {
    fn new(value_bytes: usize, bytes_per_second: u64) -> Self {
        let (disk, metrics, open_logs) = (CrashDisk::new(), Metrics::new(), OpenLogs::default());
        let bytes = (1..=2).map(|number| log(&disk, &open_logs, number, value_bytes)).sum();
        let now = crate::clock::Clock::fake().0.now();
        let logs = open_logs.clone();
        let scrubber = Scrubber::new(logs, metrics.scrub.clone(), bytes_per_second, 7, now);
        Self { disk, metrics, open_logs, scrubber, now, bytes }
    }

    fn step(&mut self) -> Next {
        self.scrubber.step(self.now, 5_000)
    }

    /// Steps until a pass has ended, always when it is time; how long that took.
    fn pass(&mut self) -> Duration {
        let (before, began) = (self.metrics.scrub.passes.get(), self.now);
        loop {
            let read = self.metrics.scrub.bytes.get();
            let next = self.step();
            assert!(self.metrics.scrub.bytes.get() - read <= 1 << 20, "pieces are bounded");
            if before < self.metrics.scrub.passes.get() {
                return self.now - began;
            }
            if let Next::At(due) = next {
                self.now = due;
            }
        }
    }
}

/// A log of three batches, each in a segment of its own; the bytes of the two that are sealed.
fn log(disk: &CrashDisk, open_logs: &OpenLogs, number: u8, value_bytes: usize) -> u64 {
    let seam: Arc<dyn Disk> = Arc::new(disk.clone());
    let directory = format!("/{number}/0");
    let options = Options { segment_bytes: value_bytes as u64 + 1_000, ..Options::default() };
    let Opened { mut log, mut room, upkeep, .. } =
        Log::create(seam, Path::new(&directory), options).unwrap();
    let mut builder = Builder::new();
    builder.push(0, None, Some(&vec![number; value_bytes]), []).unwrap();
    let bytes = builder.finish(None);
    let header = Header::parse(&bytes).unwrap();
    for _ in 0..3 {
        let offset = log.end().offset;
        let place = loop {
            match room.reserve(offset, bytes.len() as u64) {
                Ok(place) => break place,
                Err(_) => upkeep.grow(bytes.len() as u64).unwrap(),
            }
        };
        let prefix = batch::prefix(offset.get(), bytes.len(), 0);
        log.apply(place, &prefix, &bytes[PREFIX_BYTES..], &header).unwrap();
    }
    upkeep.flush().unwrap();
    let (topic, partition) = key(number);
    open_logs.insert(topic, partition, Place::default(), upkeep);
    2 * bytes.len() as u64
}

#[test]
fn a_pass_reads_every_sealed_segment_once_at_the_rate_that_is_set() {
    for value_bytes in [50_000, 3_000_000] {
        let mut bench = Bench::new(value_bytes, 1 << 20);
        let took = bench.pass();
        assert_eq!(bench.metrics.scrub.bytes.get(), bench.bytes);
        let expected = Duration::from_secs_f64(bench.bytes as f64 / (1 << 20) as f64);
        assert!(took.abs_diff(expected) < Duration::from_millis(1), "{took:?}, not {expected:?}");
        assert_eq!(bench.metrics.scrub.last_pass_seconds.get(), 5);
    }
}

#[test]
fn the_next_pass_begins_an_hour_after_the_last_began() {
    let mut bench = Bench::new(50_000, 1 << 20);
    let began = bench.now;
    bench.pass();
    assert_eq!(bench.step(), Next::At(began + HOUR));
    assert_eq!(bench.metrics.scrub.bytes.get(), bench.bytes);
    bench.pass();
    assert_eq!(bench.metrics.scrub.bytes.get(), 2 * bench.bytes);
    assert!(began + HOUR <= bench.now && bench.now < began + HOUR + HOUR);
}

#[test]
fn a_late_step_makes_up_for_nothing() {
    let mut bench = Bench::new(3_000_000, 1 << 20);
    let pieces_at_once = |bench: &mut Bench| {
        let before = bench.metrics.scrub.bytes.get();
        while bench.step() == Next::Now {}
        bench.metrics.scrub.bytes.get() - before
    };
    assert_eq!(pieces_at_once(&mut bench), 1 << 20);
    bench.now += Duration::from_secs(600);
    assert_eq!(pieces_at_once(&mut bench), 1 << 20);
}

#[test]
fn at_no_rate_nothing_is_read() {
    let mut bench = Bench::new(50_000, 0);
    bench.now += HOUR;
    assert_eq!(bench.step(), Next::Never);
    assert_eq!(bench.metrics.scrub.bytes.get(), 0);
}

#[test]
fn a_pass_finds_damage_and_goes_on_behind_it() {
    let mut bench = Bench::new(50_000, 1 << 20);
    let path = Path::new("/2/0/00000000000000000001.log");
    let file = bench.disk.open(path, Open::Write).unwrap();
    file.write_at(&[std::io::IoSlice::new(b"rot")], 40_000).unwrap();
    bench.pass();
    assert_eq!(bench.metrics.scrub.bytes.get(), bench.bytes);
    let damaged: Vec<_> =
        bench.open_logs.all().into_iter().flat_map(|(_, upkeep)| upkeep.quarantined()).collect();
    assert_eq!(damaged.len(), 1);
    assert_eq!((&*damaged[0].path, damaged[0].span.start), (path, Offset::new(1)));
}

#[test]
fn a_log_that_goes_in_the_middle_of_a_pass_ends_it_nowhere() {
    let mut bench = Bench::new(3_000_000, 1 << 20);
    bench.step();
    for number in [1, 2] {
        bench.open_logs.remove(key(number).0);
    }
    bench.pass();
    assert!(bench.metrics.scrub.bytes.get() <= 3 << 20, "what was begun is read, and no more");
}
