//! Data directories as earlier versions left them: each opens, and all of it is there.
//!
//! `tests/golden/directory/<version>.tar.gz` is a directory as that version's broker had it while
//! it ran: nothing was shut down, so a start has to read checkpoint, journal and logs. One is added
//! with each version that writes another format, by `WEIR_BLESS=1`; none is ever made again.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use weir_protocol::native::{Durability, Request, Response, Settings};
use weir_tests::reading::Stored;
use weir_tests::wire::{Wire, batch};
use weir_tests::{Place, TestBroker};

/// Each version that wrote another format than the one before, the oldest first.
const VERSIONS: [&str; 1] = ["0.1"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_directory_of_an_earlier_version_opens_with_all_that_was_in_it() {
    if std::env::var_os("WEIR_BLESS").is_some() {
        bless().await;
    }
    for version in VERSIONS {
        let place = Place::real().configured(JOURNAL);
        let packed = File::open(archive(version)).unwrap();
        tar::Archive::new(GzDecoder::new(packed)).unpack(place.directory()).unwrap();
        for _start in 0..2 {
            let broker = place.start().await;
            let (mut wire, _) = Wire::greeted(broker.native()).await;
            let topics = wire.topics().await;
            let names: Vec<_> = topics.iter().map(|topic| topic.name.as_str()).collect();
            assert_eq!(names, ["synced", "written"], "{version}");
            for topic in &topics {
                assert_eq!(topic.settings.segment_bytes, SEGMENT_BYTES, "{version}");
                for partition in 0..PARTITIONS {
                    let stored = wire.stored(topic, partition).await;
                    let is_all = stored == contents(partition);
                    assert!(is_all, "{version}: partition {partition} of {}", topic.name);
                }
            }
            broker.stop().await;
        }
    }
}

/// Makes this version's directory, where there is none.
async fn bless() {
    let newest = VERSIONS.last().unwrap();
    if archive(newest).exists() {
        return;
    }
    let broker = Place::real().configured(JOURNAL).start().await;
    fill(&broker).await;
    let mut image = tar::Builder::new(GzEncoder::new(
        File::create_new(archive(newest)).unwrap(),
        Compression::best(),
    ));
    image.append_dir_all(".", broker.place().directory()).unwrap();
    image.into_inner().unwrap().finish().unwrap();
    broker.stop().await;
}

async fn fill(broker: &TestBroker) {
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let gone = wire.create("gone", 1).await;
    wire.produce(&gone, 0, batch(&[b"deleted"])).await.unwrap();
    let delete = Request::DeleteTopic { name: gone.name.clone() };
    assert_eq!(wire.ask(delete).await, Ok(Response::Deleted));
    for (name, durability) in [("synced", Durability::Synced), ("written", Durability::Written)] {
        let settings = Settings {
            durability: Some(durability),
            segment_bytes: Some(SEGMENT_BYTES),
            batch_bytes_max: Some(200_000),
            ..Settings::default()
        };
        let topic = wire.create_with(name, PARTITIONS, settings).await;
        for partition in 0..PARTITIONS {
            for (_, value) in contents(partition) {
                wire.produce(&topic, partition, batch(&[&value])).await.unwrap();
            }
        }
    }
}

/// What is in a partition: two sealed segments and an active one.
fn contents(partition: u32) -> Vec<Stored> {
    let value = |number: u64| vec![number as u8; 100_000 + partition as usize];
    (0..24).map(|number| (number, value(number))).collect()
}

fn archive(version: &str) -> PathBuf {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/directory");
    fs::create_dir_all(&golden).unwrap();
    golden.join(format!("{version}.tar.gz"))
}

const PARTITIONS: u32 = 2;
const SEGMENT_BYTES: u64 = 1 << 20;
/// A journal that is checkpointed on the way.
const JOURNAL: &str =
    "[journal]\nsegment_bytes = 16777216\nbytes_max = 67108864\ncheckpoint_bytes = 1048576\n";
