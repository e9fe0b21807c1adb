//! The broker that tests run, in the test's own process, on a free port and a disk of its own; and
//! what tests of the real binary stand on: `server`, `load`, `history`.
//!
//! A [`TestBroker`] is stopped by [`TestBroker::stop`] as an operator would, or by
//! [`TestBroker::cut_power`]: then a new one starts on what its disk kept.

pub mod binary;
pub mod crashes;
pub mod dice;
pub mod gate;
pub mod history;
pub mod kafka;
pub mod load;
pub mod reading;
pub mod server;
pub mod tools;
pub mod wire;

use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::NamedTempFile;
use tokio::task::yield_now;
use tokio::time::timeout;
use weir_broker::clock::{Clock, Randomness};
use weir_broker::config::{Config, Overrides};
use weir_broker::hands::Hands;
use weir_broker::shutdown::Stopped;
use weir_broker::startup::{Broker, StartError, World};
use weir_protocol::native::TopicDescription;
use weir_storage::disk::{CrashDisk, Disk, RealDisk};

use self::gate::{Gate, GatedDisk};
use self::wire::PATIENCE;

/// A journal that is quick to make, as settings.
pub const SMALL_JOURNAL: &str =
    "[journal]\nsegment_bytes = 16777216\nbytes_max = 67108864\ncheckpoint_bytes = 8388608\n";

/// No marks at which the disk counts as full before it is, as settings.
pub const NO_MARKS: &str = "[disk]\nlow_bytes = 0\nhard_bytes = 0\n";

/// A broker under test.
#[derive(Debug)]
pub struct TestBroker {
    broker: Broker,
    place: Place,
}

/// Where a broker keeps its data.
#[derive(Clone, Debug)]
pub struct Place {
    disk: PlaceDisk,
    gate: Gate,
    directory: PathBuf,
    config: Option<Arc<NamedTempFile>>,
    clock: Clock,
}

#[derive(Clone, Debug)]
enum PlaceDisk {
    Real { _directory: Arc<tempfile::TempDir> },
    Crash(CrashDisk),
}

impl Place {
    /// A real directory of its own.
    pub fn real() -> Self {
        let kept = Arc::new(tempfile::tempdir().expect("a directory can be made"));
        let directory = kept.path().join("data");
        let disk = PlaceDisk::Real { _directory: kept };
        Self { disk, gate: Gate::default(), directory, config: None, clock: Clock::system() }
    }

    /// A disk whose power can be cut, with a journal that is quick to make, and full only when it
    /// has no room at all.
    pub fn crashing() -> Self {
        let disk = PlaceDisk::Crash(CrashDisk::new());
        let directory = PathBuf::from("/weir");
        let place =
            Self { disk, gate: Gate::default(), directory, config: None, clock: Clock::system() };
        place.configured(&format!("{SMALL_JOURNAL}{NO_MARKS}"))
    }

    /// The same with these settings, in TOML.
    #[must_use]
    pub fn configured(self, settings: &str) -> Self {
        let mut file = NamedTempFile::new().expect("a file can be made");
        file.write_all(settings.as_bytes()).expect("a file can be written");
        Self { config: Some(Arc::new(file)), ..self }
    }

    /// The same where brokers read the time from this clock.
    #[must_use]
    pub fn timed(self, clock: &Clock) -> Self {
        Self { clock: clock.clone(), ..self }
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The disk whose power can be cut.
    ///
    /// # Panics
    /// On a real disk.
    pub fn crash_disk(&self) -> &CrashDisk {
        match &self.disk {
            PlaceDisk::Crash(disk) => disk,
            PlaceDisk::Real { .. } => panic!("only a crashing disk does what a test tells it"),
        }
    }

    /// Fills the disk but for so many bytes.
    ///
    /// # Panics
    /// On a real disk.
    pub fn leave_room(&self, bytes: u64) {
        let disk = self.crash_disk();
        disk.set_capacity(Some(u64::MAX / 2));
        let volume = disk.volume(Path::new("/")).expect("a disk in memory answers");
        disk.set_capacity(Some(volume.total_bytes - volume.free_bytes + bytes));
    }

    /// Waits until a deleted topic has no files here; false where the power goes before.
    ///
    /// # Panics
    /// On a real disk, and if that takes too long.
    pub async fn until_removed(&self, topic: &TopicDescription) -> bool {
        let directory = self.directory.join("topics").join(topic.id.to_string());
        let waiting = async {
            loop {
                match self.crash_disk().list(&directory) {
                    Ok(_) => yield_now().await,
                    Err(error) => return error.kind() == ErrorKind::NotFound,
                }
            }
        };
        timeout(PATIENCE, waiting).await.expect("a deleted topic's files go")
    }

    /// The place as it is found when the power was cut and is back.
    ///
    /// # Panics
    /// On a real disk.
    #[must_use]
    pub fn cut_power(&self, seed: u64) -> Self {
        let disk = PlaceDisk::Crash(self.crash_disk().cut(seed));
        Self { disk, gate: Gate::default(), ..self.clone() }
    }

    /// Holds the commits of the broker that runs here.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Starts a broker here.
    pub async fn try_start(&self) -> Result<TestBroker, StartError> {
        let overrides = Overrides {
            config: self.config.as_ref().map(|file| file.path().to_owned()),
            data: Some(self.directory.clone()),
            native: Some("127.0.0.1:0".to_owned()),
            http: Some("127.0.0.1:0".to_owned()),
            kafka: Some("127.0.0.1:0".to_owned()),
            insecure: false,
        };
        let disk: Arc<dyn Disk> = match &self.disk {
            PlaceDisk::Real { .. } => Arc::new(RealDisk),
            PlaceDisk::Crash(disk) => Arc::new(disk.clone()),
        };
        let disk = Arc::new(GatedDisk { disk, gate: self.gate.clone() });
        let config = Config::load(overrides).expect("the test's configuration is valid");
        let (clock, randomness) = (self.clock.clone(), Randomness::system());
        let world = World { disk, clock, randomness, hands: Hands::threads() };
        let broker = Broker::start(config, world).await?;
        Ok(TestBroker { broker, place: self.clone() })
    }

    pub async fn start(&self) -> TestBroker {
        self.try_start().await.expect("the broker starts")
    }
}

impl TestBroker {
    /// A broker on a real disk.
    pub async fn start() -> Self {
        Place::real().start().await
    }

    /// Where the native protocol is spoken.
    pub fn native(&self) -> SocketAddr {
        self.broker.native()
    }

    /// Where HTTP is spoken, as a URL without a path.
    pub fn http(&self) -> String {
        format!("http://{}", self.broker.http())
    }

    /// Where the Kafka protocol is spoken.
    pub fn kafka(&self) -> SocketAddr {
        self.broker.kafka()
    }

    pub fn metrics(&self) -> String {
        self.broker.metrics()
    }

    /// A number of `/metrics`, by its name and labels as they stand there.
    ///
    /// # Panics
    /// If there is none.
    pub fn metric(&self, name: &str) -> f64 {
        let metrics = self.metrics();
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let value = line.unwrap_or_else(|| panic!("there is no metric {name}"));
        value.parse().expect("a metric is a number")
    }

    /// Waits until a number of `/metrics` is what it should be.
    ///
    /// # Panics
    /// If that takes too long.
    pub async fn metric_is(&self, name: &str, wanted: f64) {
        let waiting = async {
            while self.metric(name) != wanted {
                yield_now().await;
            }
        };
        let came = timeout(PATIENCE, waiting).await;
        came.unwrap_or_else(|_| panic!("{name} is {}, not {wanted}", self.metric(name)));
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Stops it as an operator would, and says how that went.
    pub async fn stop(self) -> (Place, Stopped) {
        let Self { broker, place } = self;
        let stopped = broker.stop().await;
        (place, stopped)
    }

    /// Cuts its power: what the disk keeps of unsynced bytes and names follows from `seed`.
    ///
    /// # Panics
    /// On a real disk.
    pub fn cut_power(self, seed: u64) -> Place {
        let place = self.place.cut_power(seed);
        // What ran before the cut touches nothing any more, and ends beside what comes behind it.
        self.place.crash_disk().switch_off_after(0);
        self.place.gate.open();
        tokio::spawn(self.broker.stop());
        place
    }
}
