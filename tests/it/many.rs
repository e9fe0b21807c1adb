//! Many partitions: what they hold of the process while nobody writes them, and that they go on.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::timeout;
use weir_protocol::native::{Durability, Settings, TopicDescription};
use weir_storage::disk::{Disk, Open, RealDisk};
use weir_tests::wire::{Wire, batch};
use weir_tests::{Place, TestBroker};

/// Checkpoints as often as they may be.
const BUSY_JOURNAL: &str =
    "[journal]\nsegment_bytes = 16777216\nbytes_max = 67108864\ncheckpoint_bytes = 1048576\n";

const PARTITIONS: u32 = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_that_nobody_writes_hold_no_descriptor_and_no_map() {
    for durability in [Durability::Synced, Durability::Written] {
        let mut place = Place::real().configured(BUSY_JOURNAL);
        for run in 0..2_u64 {
            let broker = place.start().await;
            let logs = place.directory().join("topics");
            assert_eq!(held(&logs), (0, 0), "before anyone touches them");
            let (mut wire, _) = Wire::greeted(broker.native()).await;
            let settings = Settings { durability: Some(durability), ..Settings::default() };
            let there = wire.topics().await.into_iter().find(|topic| topic.name.as_str() == "many");
            let topic = match there {
                Some(topic) => topic,
                None => wire.create_with("many", PARTITIONS, settings).await,
            };
            write_each(&mut wire, &topic, run * 2).await;
            let all = PARTITIONS as usize;
            assert_eq!(held(&logs), (all, 2 * all), "a file and two maps for each");
            until_they_rest(&broker, &logs, &format!("busy-{run}")).await;
            write_each(&mut wire, &topic, run * 2 + 1).await;
            for partition in [0, 1, 150, 299] {
                let stored = wire.stored(&topic, partition).await;
                let value = partition.to_le_bytes().to_vec();
                let all: Vec<_> = (0..run * 2 + 2).map(|offset| (offset, value.clone())).collect();
                assert_eq!(stored, all, "{durability:?}, run {run}, partition {partition}");
            }
            place = broker.stop().await.0;
        }
    }
}

/// A record to each partition, which gets offset `offset`.
async fn write_each(wire: &mut Wire, topic: &TopicDescription, offset: u64) {
    let mut sent = Vec::new();
    for partition in 0..PARTITIONS {
        let value = batch(&[&partition.to_le_bytes()]);
        sent.push(wire.begin_produce(topic, partition, value).await);
    }
    assert_eq!(wire.produced_all(&sent).await, vec![offset; PARTITIONS as usize]);
}

/// Writes another topic, and so has checkpoints made, until the logs of the first one rest.
async fn until_they_rest(broker: &TestBroker, logs: &Path, other: &str) {
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let busy = wire.create(other, 1).await;
    let value = vec![7; 500_000];
    let resting = async {
        while held(logs) != (1, 2) {
            let before = broker.metric("weir_checkpoints_total");
            for _ in 0..3 {
                wire.produce(&busy, 0, batch(&[&value])).await.unwrap();
            }
            while broker.metric("weir_checkpoints_total") == before && held(logs) != (1, 2) {
                yield_now().await;
            }
        }
    };
    timeout(Duration::from_secs(60), resting).await.expect("what nobody writes goes to rest");
}

/// How many descriptors and maps this process has of the segments of a data directory's logs.
fn held(logs: &Path) -> (usize, usize) {
    let logs = logs.to_str().unwrap();
    let of_process = Path::new("/proc/self/fd");
    let names = RealDisk.list(of_process).unwrap();
    // One that is closed meanwhile is none.
    let targets = names.iter().filter_map(|name| of_process.join(name).read_link().ok());
    // A helper may have a directory or a manifest open for a moment.
    let is_segment = |target: &PathBuf| {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        target.starts_with(logs) && (name.ends_with(".log") || name.starts_with("prepared-"))
    };
    let descriptors = targets.filter(is_segment).count();
    let maps = text_of(Path::new("/proc/self/maps"));
    (descriptors, maps.lines().filter(|line| line.contains(logs)).count())
}

fn text_of(path: &Path) -> String {
    let file = RealDisk.open(path, Open::Read).unwrap();
    let (mut text, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        match file.read_at(&mut piece, text.len() as u64).unwrap() {
            0 => return String::from_utf8(text).unwrap(),
            count => text.extend_from_slice(&piece[..count]),
        }
    }
}
