//! The broker that tests run, in the test's own process, on a free port and a disk of its own.
//!
//! A [`TestBroker`] is stopped by [`TestBroker::stop`] as an operator would, or by
//! [`TestBroker::cut_power`]: then a new one starts on what its disk kept.

pub mod wire;

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::NamedTempFile;
use weir_broker::clock::{Clock, Randomness};
use weir_broker::config::{Config, Overrides};
use weir_broker::shutdown::Stopped;
use weir_broker::startup::{Broker, StartError, World};
use weir_storage::disk::{CrashDisk, Disk, RealDisk};

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
    directory: PathBuf,
    config: Option<Arc<NamedTempFile>>,
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
        Self { disk: PlaceDisk::Real { _directory: kept }, directory, config: None }
    }

    /// A disk whose power can be cut, with a journal that is quick to make.
    pub fn crashing() -> Self {
        let disk = PlaceDisk::Crash(CrashDisk::new());
        let place = Self { disk, directory: PathBuf::from("/weir"), config: None };
        place.configured("[journal]\nsegment_bytes = 16777216\nbytes_max = 67108864\n")
    }

    /// The same with these settings, in TOML.
    #[must_use]
    pub fn configured(self, settings: &str) -> Self {
        let mut file = NamedTempFile::new().expect("a file can be made");
        file.write_all(settings.as_bytes()).expect("a file can be written");
        Self { config: Some(Arc::new(file)), ..self }
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

    /// Starts a broker here.
    pub async fn try_start(&self) -> Result<TestBroker, StartError> {
        let overrides = Overrides {
            config: self.config.as_ref().map(|file| file.path().to_owned()),
            data: Some(self.directory.clone()),
            native: Some("127.0.0.1:0".to_owned()),
            http: Some("127.0.0.1:0".to_owned()),
            insecure: false,
        };
        let disk: Arc<dyn Disk> = match &self.disk {
            PlaceDisk::Real { .. } => Arc::new(RealDisk),
            PlaceDisk::Crash(disk) => Arc::new(disk.clone()),
        };
        let config = Config::load(overrides).expect("the test's configuration is valid");
        let world = World { disk, clock: Clock::system(), randomness: Randomness::system() };
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

    pub fn metrics(&self) -> String {
        self.broker.metrics()
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
        let PlaceDisk::Crash(disk) = &self.place.disk else {
            panic!("only a crashing disk loses its power");
        };
        Place { disk: PlaceDisk::Crash(disk.cut(seed)), ..self.place.clone() }
    }
}
