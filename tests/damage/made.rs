//! The image that is damaged: a data directory with everything in it, and what it serves.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::OnceCell;
use weir_protocol::native::{Durability, Settings, TopicDescription};
use weir_storage::disk::{Disk, Open, read_exact_at};
use weir_tests::reading::Stored;
use weir_tests::wire::{Wire, batch};
use weir_tests::{Place, TestBroker};

/// How much an image holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    /// Two segments of the journal, with checkpoints in both.
    Large,
    /// Several segments of a log: quick to copy and to read.
    Small,
}

impl Size {
    fn batches(self) -> usize {
        match self {
            Self::Large => 64,
            Self::Small => 20,
        }
    }

    fn checkpoint_bytes(self) -> usize {
        match self {
            Self::Large => 6 << 20,
            Self::Small => 2 << 20,
        }
    }

    /// How many batches make a checkpoint due.
    fn batches_per_checkpoint(self) -> usize {
        self.checkpoint_bytes() / BATCH_BYTES + 1
    }

    fn settings(self) -> String {
        let checkpoint_bytes = self.checkpoint_bytes();
        format!(
            "[journal]\nsegment_bytes = 16777216\nbytes_max = 67108864\n\
             checkpoint_bytes = {checkpoint_bytes}\n"
        )
    }
}

/// The topic whose one record is the last commit: nobody vouches for that.
const LAST: &str = "last";

/// Damaged again and again, each time from the same beginning.
pub(crate) struct Made {
    /// Only ever cut off again: each cut is another copy.
    pub(crate) image: Place,
    /// A copy to look things up in.
    pub(crate) pattern: Place,
    /// The journal's files as they were when less was in them.
    pub(crate) earlier: BTreeMap<PathBuf, Vec<u8>>,
    /// By topic and partition.
    pub(crate) expected: BTreeMap<(String, u32), Vec<Stored>>,
}

impl Made {
    /// The power was cut under load.
    pub(crate) async fn crashed() -> &'static Self {
        static CRASHED: OnceCell<Made> = OnceCell::const_new();
        CRASHED.get_or_init(|| Self::cut(Size::Large)).await
    }

    /// The same with less in it.
    pub(crate) async fn crashed_small() -> &'static Self {
        static CRASHED: OnceCell<Made> = OnceCell::const_new();
        CRASHED.get_or_init(|| Self::cut(Size::Small)).await
    }

    async fn cut(size: Size) -> Self {
        let (broker, earlier) = written(size).await;
        Self::over(broker.cut_power(1), earlier, size).await
    }

    /// It was stopped in order.
    pub(crate) async fn stopped() -> &'static Self {
        static STOPPED: OnceCell<Made> = OnceCell::const_new();
        let making = async {
            let (broker, earlier) = written(Size::Small).await;
            let (place, _) = broker.stop().await;
            Self::over(place.cut_power(1), earlier, Size::Small).await
        };
        STOPPED.get_or_init(|| making).await
    }

    async fn over(image: Place, earlier: BTreeMap<PathBuf, Vec<u8>>, size: Size) -> Self {
        let broker = image.cut_power(2).start().await;
        let mut expected = stored(&broker).await;
        broker.stop().await;
        expected.retain(|(topic, _), _| topic != LAST);
        let synced = expected.iter().filter(|((topic, _), _)| topic == "synced");
        let records: usize = synced.map(|(_, records)| records.len()).sum();
        assert_eq!(records, size.batches() + LATER, "all that was acknowledged as synced is there");
        Self { pattern: image.cut_power(2), image, earlier, expected }
    }

    pub(crate) fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(self.pattern.crash_disk().clone())
    }
}

/// Writes all kinds of files, and leaves the broker running.
async fn written(size: Size) -> (TestBroker, BTreeMap<PathBuf, Vec<u8>>) {
    let place = Place::crashing().configured(&size.settings());
    let batches = size.batches();
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let settings = |durability| Settings {
        durability: Some(durability),
        segment_bytes: Some(1 << 20),
        batch_bytes_max: Some(1 << 20),
        ..Settings::default()
    };
    let synced = wire.create_with("synced", 2, settings(Durability::Synced)).await;
    let written = wire.create_with("written", 1, settings(Durability::Written)).await;
    for number in 0..8 {
        wire.produce(&written, 0, batch(&[&value(200 + number)])).await.unwrap();
    }
    let mut earlier = BTreeMap::new();
    for number in 0..batches {
        if number == batches / 3 {
            earlier = files(&place, "journal");
        }
        append(&mut wire, &synced, number).await;
        // Each checkpoint stands before more is written: where it lies hangs on no machine's speed.
        let due = (number + 1) / size.batches_per_checkpoint();
        while broker.metric("weir_checkpoints_total") < due as f64 {
            tokio::task::yield_now().await;
        }
    }
    for number in batches..batches + LATER {
        append(&mut wire, &synced, number).await;
    }
    let last = wire.create(LAST, 1).await;
    wire.produce(&last, 0, batch(&[b"the last"])).await.unwrap();
    (broker, earlier)
}

async fn append(wire: &mut Wire, topic: &TopicDescription, number: usize) {
    let partition = u32::try_from(number % 2).unwrap();
    wire.produce(topic, partition, batch(&[&value(number)])).await.unwrap();
}

fn value(number: usize) -> Vec<u8> {
    (0..BATCH_BYTES).map(|at| (at / 7 + number * 31) as u8).collect()
}

/// All that a broker serves without a refusal.
async fn stored(broker: &TestBroker) -> BTreeMap<(String, u32), Vec<Stored>> {
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let mut all = BTreeMap::new();
    for topic in wire.topics().await {
        for partition in 0..topic.partitions.len() as u32 {
            let records = wire.stored(&topic, partition).await;
            all.insert((topic.name.to_string(), partition), records);
        }
    }
    all
}

/// The files of a folder, with their bytes.
pub(crate) fn files(place: &Place, folder: &str) -> BTreeMap<PathBuf, Vec<u8>> {
    let (disk, folder) = (place.crash_disk(), place.directory().join(folder));
    let names = disk.list(&folder).unwrap().into_iter();
    let read = names.map(|name| {
        let path = folder.join(name);
        let bytes = bytes(disk, &path);
        (path, bytes)
    });
    read.collect()
}

/// A file's bytes.
pub(crate) fn bytes(disk: &dyn Disk, path: &std::path::Path) -> Vec<u8> {
    let file = disk.open(path, Open::Read).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    read_exact_at(&*file, &mut bytes, 0).unwrap();
    bytes
}

/// Batches behind the last checkpoint.
const LATER: usize = 6;
const BATCH_BYTES: usize = 320_000;
