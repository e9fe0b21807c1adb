//! Segments that a log wrote and sealed, and what a dump of them must say.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use weir_protocol::batch::{Builder, Header, View, prefix};
use weir_storage::disk::RealDisk;
use weir_storage::log::{
    Alarm, Log, NoRoom, OpenMaps, Opened, Options, PageBudget, Parents, Place, WriterKind,
};
use weir_storage::offset::{Epoch, Offset};

/// A log's sealed segments, in a directory that goes when this does.
pub(crate) struct Segments {
    pub(crate) sealed: Vec<Sealed>,
    _directory: TempDir,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Sealed {
    base: Offset,
    pub(crate) log: PathBuf,
    pub(crate) index: PathBuf,
    pub(crate) timeindex: PathBuf,
    /// What a dump says of its batches and records, and at the end of what it misses.
    pub(crate) lines: Vec<String>,
}

impl Segments {
    pub(crate) fn write() -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("topic/0");
        let mut opened = Log::create(Arc::new(RealDisk), &path, options()).unwrap();
        opened.log.start_epoch(Epoch::new(3));
        let mut sealed: Vec<Sealed> = Vec::new();
        let tail = |opened: &Opened| opened.log.end().offset;
        let mut before_gap = None;
        for number in 0..BATCHES {
            if number == BATCHES / 2 {
                before_gap = Some(tail(&opened));
                let span = tail(&opened)..tail(&opened).plus(GAP);
                opened.log.gap(span, Epoch::new(5));
            }
            let (place, bytes) = append(&mut opened, &batch(number));
            if place.position == 0 {
                sealed.push(Sealed::named(&path, place));
            }
            let segment = sealed.last_mut().unwrap();
            segment.lines.extend(lines(&bytes, place.position));
        }
        let count = opened.upkeep.seal_pending().unwrap();
        sealed.truncate(count);
        let before_gap = before_gap.unwrap();
        let with_gap = sealed.iter_mut().rfind(|segment| segment.base < before_gap);
        with_gap.unwrap().miss(before_gap);
        assert!(2 < count, "there are several sealed segments");
        Self { sealed, _directory: directory }
    }
}

impl Sealed {
    fn named(directory: &Path, place: Place) -> Self {
        let file = |kind: &str| directory.join(format!("{:020}.{kind}", place.segment));
        let (log, index, timeindex) = (file("log"), file("index"), file("timeindex"));
        Self { base: place.segment, log, index, timeindex, lines: Vec::new() }
    }

    /// Offsets from `first` on were never given out, which the tool remarks.
    fn miss(&mut self, first: Offset) {
        let log = self.log.display();
        self.lines.push(format!("Non-consecutive offsets in {log}"));
        let (last, next) = (first.get() - 1, first.plus(GAP).get());
        self.lines.push(format!("  {last} is followed by {next}"));
    }
}

fn append(opened: &mut Opened, batch: &[u8]) -> (Place, Vec<u8>) {
    let Opened { log, room, upkeep, .. } = opened;
    let (end, bytes) = (log.end(), batch.len() as u64);
    let place = match room.reserve(end.offset, bytes) {
        Err(NoRoom::Growing) => {
            upkeep.grow(bytes).unwrap();
            room.reserve(end.offset, bytes).unwrap()
        }
        reserved => reserved.unwrap(),
    };
    let first = prefix(end.offset.get(), batch.len(), end.epoch.get());
    let (_, rest) = batch.split_at(first.len());
    log.apply(place, &first, rest, &Header::parse(batch).unwrap()).unwrap();
    (place, [&first, rest].concat())
}

/// Batches of all sizes, with and without keys, values and headers; their times go up and down.
fn batch(number: u32) -> Vec<u8> {
    let mut builder = Builder::new();
    for record in 0..=number % 4 {
        let key = format!("key-{number}-{record}");
        let value = "v".repeat((number * 37 % 900 + record) as usize);
        let time = 1_700_000_000_000 + i64::from(number * 7919 % 1000 + number * 3 + record);
        let headers = [("trace", "abc"), ("trace", "def"), ("hop", "")];
        let headers = headers[..record as usize % 4].iter();
        builder
            .push(
                time,
                (record != 1).then_some(key.as_bytes()),
                (record != 2).then_some(value.as_bytes()),
                headers.map(|(key, value)| (key.as_bytes(), Some(value.as_bytes()))),
            )
            .unwrap();
    }
    builder.finish(None).to_vec()
}

/// What the tool prints of a batch that lies at `position`.
fn lines(bytes: &[u8], position: u64) -> Vec<String> {
    let view = View::parse(bytes).unwrap();
    let header = view.header();
    let mut lines = vec![format!(
        "baseOffset: {} lastOffset: {} count: {} baseSequence: -1 lastSequence: -1 producerId: -1 \
         producerEpoch: -1 partitionLeaderEpoch: {} isTransactional: false isControl: false \
         deleteHorizonMs: OptionalLong.empty position: {position} CreateTime: {} size: {} magic: 2 \
         compresscodec: none crc: {} isvalid: true",
        header.base_offset,
        header.last_offset(),
        header.records,
        header.leader_epoch,
        header.max_timestamp,
        header.batch_bytes,
        header.crc,
    )];
    for record in view.records().map(Result::unwrap) {
        let size = |bytes: Option<&[u8]>| bytes.map_or(-1, |bytes| bytes.len() as i64);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let headers: Vec<_> = record.headers().map(|(key, _)| text(key)).collect();
        let mut line = format!(
            "| offset: {} CreateTime: {} keySize: {} valueSize: {} sequence: -1 headerKeys: [{}]",
            record.offset,
            record.timestamp,
            size(record.key),
            size(record.value),
            headers.join(","),
        );
        if let Some(key) = record.key {
            line += &format!(" key: {}", text(key));
        }
        if let Some(value) = record.value {
            line += &format!(" payload: {}", text(value));
        }
        lines.push(line.trim_end().to_owned());
    }
    lines
}

fn options() -> Options {
    Options {
        segment_bytes: 64 << 10,
        index_interval_bytes: 4096,
        allocation_bytes_min: 16 << 10,
        allocation_bytes_max: 64 << 10,
        writer: WriterKind::Mapped,
        pages: PageBudget::new(16 << 20),
        alarm: Alarm::default(),
        maps: OpenMaps::new(2),
        parents: Parents::default(),
    }
}

const BATCHES: u32 = 250;
const GAP: u64 = 1000;
