//! Disks that fill up, and have room again.

use std::fmt::Display;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use tokio::task::yield_now;
use weir_protocol::code::Code;
use weir_protocol::name::TopicName;
use weir_protocol::native::{Durability, Request, Response, Settings, TopicDescription};
use weir_tests::crashes::{rounds, small};
use weir_tests::history::{Crash, History, Partition};
use weir_tests::load::{Outcome, Producer, read_all};
use weir_tests::server::Server;
use weir_tests::wire::Wire;

use crate::machine::{FileSystem, Mounted, is_available, run};

/// The long form: `WEIR_FULL_CYCLES=100`, on each file system.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_refuses_and_serves_and_goes_on_when_it_has_room() {
    if !is_available() {
        return;
    }
    let cycles = rounds("WEIR_FULL_CYCLES", 3);
    for kind in FileSystem::ALL {
        let home = tempfile::tempdir().unwrap();
        let image = home.path().join("disk");
        kind.format(&image, DISK_BYTES);
        let mounted = Mounted::mount(&image, kind);
        let launch = small(&mounted.directory());
        let mut full = Full::begin(launch.start().await, &mounted).await;
        for cycle in 0..cycles {
            full.cycle(cycle, &format_args!("{kind:?}, cycle {cycle}")).await;
        }
        let Full { server, history, refused, filled, .. } = full;
        assert_eq!(server.kill().await.signal(), Some(9), "{kind:?}: it died of a full disk");
        let server = launch.start().await;
        read_all(server.native(), &history, Crash::Process).await;
        history.assert_holds(&format_args!("{kind:?}, behind a kill"));
        println!("{cycles} cycles on {kind:?}: {filled} acknowledged, {refused} refused");
        assert!(server.stop().await.status.success());
    }
}

/// A broker on a small disk.
struct Full<'a> {
    server: Server,
    mounted: &'a Mounted,
    history: History,
    wire: Wire,
    /// Small records that are kept over all cycles.
    kept: Vec<Partition>,
    free_at_first: u64,
    refused: u64,
    /// Records that were acknowledged, read and deleted again.
    filled: u64,
}

impl<'a> Full<'a> {
    async fn begin(server: Server, mounted: &'a Mounted) -> Self {
        let history = History::default();
        let (wire, _) = Wire::greeted(server.native()).await;
        let kept = Vec::new();
        let (free_at_first, refused, filled) = (0, 0, 0);
        let mut full =
            Self { server, mounted, history, wire, kept, free_at_first, refused, filled };
        full.free_at_first = full.free_bytes();
        for durability in [Durability::Synced, Durability::Written] {
            let topic = full.make(durability.name(), durability).await;
            full.kept.push(Partition { topic: topic.id, number: 0 });
        }
        full
    }

    /// Fills the disk by records, from an empty one or what a file of somebody else leaves, and has
    /// that file removed.
    async fn cycle(&mut self, cycle: u64, context: &dyn Display) {
        let durability = [Durability::Synced, Durability::Written][cycle as usize / 2 % 2];
        let foreign = self.mounted.path().join("foreign");
        let free = self.free_bytes();
        let taken = if cycle % 10 == 9 { FOREIGN_BYTES } else { free - ROOM_BYTES };
        let length = taken.to_string();
        run(Command::new("fallocate").arg("--length").arg(length).arg(&foreign));
        let filling = self.make(&format!("filling-{cycle}"), durability).await;
        let filled = self.fill(&filling, context).await;
        self.assert_serves(context).await;
        fs::remove_file(&foreign).unwrap();
        for partition in self.kept.clone() {
            self.take_again(partition, context).await;
        }
        self.delete(&filling).await;
        self.until_free(self.free_at_first - KEPT_BYTES, context).await;
        self.filled += filled;
        println!("{context}: {filled} records of {VALUE_BYTES} B filled it, {durability:?}");
    }

    /// Produces until it is refused; how many records that took.
    async fn fill(&mut self, topic: &TopicDescription, context: &dyn Display) -> u64 {
        let partition = Partition { topic: topic.id, number: 0 };
        let mut producer = self.producer().await;
        let mut taken = 0;
        loop {
            match producer.produce(partition, &[VALUE_BYTES]).await {
                Some(Outcome::Acknowledged { .. }) => taken += 1,
                Some(Outcome::Refused { code, .. }) => {
                    assert!(is_room_code(code), "{context}: {code}");
                    self.refused += 1;
                    if code == Code::DiskFull {
                        return taken;
                    }
                }
                other => panic!("{context}: {other:?}"),
            }
        }
    }

    /// All that was acknowledged is read; all faces still answer.
    async fn assert_serves(&mut self, context: &dyn Display) {
        read_all(self.server.native(), &self.history, Crash::Process).await;
        self.history.assert_holds(context);
        self.wire.ping().await;
    }

    /// Produces small records until one is taken: the first who come may ask for the room.
    async fn take_again(&mut self, partition: Partition, context: &dyn Display) {
        let mut producer = self.producer().await;
        let began = Instant::now();
        loop {
            match producer.produce(partition, &[500]).await {
                Some(Outcome::Acknowledged { .. }) => return,
                Some(Outcome::Refused { code, .. }) if is_room_code(code) => self.refused += 1,
                other => panic!("{context}: {other:?}"),
            }
            self.assert_within_patience(began, context);
        }
    }

    async fn producer(&self) -> Producer {
        Producer::connect(self.server.native(), &self.history).await.expect("the broker lives")
    }

    async fn make(&mut self, name: &str, durability: Durability) -> TopicDescription {
        let settings = Settings { durability: Some(durability), ..Settings::default() };
        let topic = self.wire.create_with(name, 1, settings).await;
        self.history.begin(Partition { topic: topic.id, number: 0 }, durability);
        topic
    }

    async fn delete(&mut self, topic: &TopicDescription) {
        self.history.forget(Partition { topic: topic.id, number: 0 });
        let delete = Request::DeleteTopic { name: TopicName::clone(&topic.name) };
        assert_eq!(self.wire.ask(delete).await, Ok(Response::Deleted));
    }

    fn free_bytes(&self) -> u64 {
        let volume = rustix::fs::statvfs(self.mounted.path()).unwrap();
        volume.f_bavail * volume.f_frsize
    }

    /// Waits until the files of what was deleted are gone.
    async fn until_free(&self, bytes: u64, context: &dyn Display) {
        let began = Instant::now();
        while self.free_bytes() < bytes {
            self.assert_within_patience(began, context);
            yield_now().await;
        }
    }

    fn assert_within_patience(&self, began: Instant, context: &dyn Display) {
        if PATIENCE < began.elapsed() {
            let (free, said) = (self.free_bytes(), self.server.said());
            panic!("{context}: {free} bytes are free, and nothing comes of it\n{said}");
        }
    }
}

/// Whether a refusal says that there is no room now.
fn is_room_code(code: Code) -> bool {
    matches!(code, Code::DiskFull | Code::JournalFull)
}

/// The least that mkfs.xfs formats is 300 MiB; journal and kept topics take about a third.
const DISK_BYTES: u64 = 320 << 20;
/// What the file of somebody else leaves, or takes.
const ROOM_BYTES: u64 = 40 << 20;
const FOREIGN_BYTES: u64 = 20 << 20;

/// What may grow over all cycles: the journal, and the logs that are kept.
const KEPT_BYTES: u64 = 100 << 20;
const VALUE_BYTES: usize = 100_000;
const PATIENCE: Duration = Duration::from_secs(20);
