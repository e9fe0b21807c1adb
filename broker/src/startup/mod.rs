//! A start, in order: data directory, recovery, threads and tasks, partitions, listeners.
//!
//! ```text
//!   lock the directory ─► bind ─► recover ─► threads, tasks ─► open the partitions ─► serve
//! ```
//!
//! Nothing is served before all that was committed is there again. This folder and `shutdown.rs`
//! are the only places that wire parts together.

mod addresses;
mod embedded;
pub(crate) mod engine;
mod layout;
mod threads;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{Semaphore, watch};
use weir_storage::directory::{self, DataDir, NewIdentity};
use weir_storage::disk::Disk;

use self::addresses::Addresses;
use self::engine::{Engine, EngineError};
use self::layout::Layout;
use crate::admin;
use crate::auth::Gate;
use crate::clock::{Clock, Randomness};
use crate::config::{self, Config, Limits, Listen};
use crate::core::catalog::actor::Policy;
use crate::core::live::{Beats, Rings};
use crate::core::mover::Mover;
use crate::core::retention::{self, Retention, Sweep};
use crate::hands::Hands;
use crate::listen::accept::{Acceptor, BindError, Seats};
use crate::listen::{http, kafka, native};
use crate::metrics::{Face, Metrics};
use crate::session::{BrokerFacts, Door, Quota, Workers};
use crate::shutdown::{Running, Stopped};
use crate::tracks::Tracks;

pub use self::embedded::{Embedded, Entrance};
pub use crate::listen::native::Pipe;

/// A broker that runs.
#[derive(Debug)]
pub struct Broker {
    addresses: Addresses,
    metrics: Arc<Metrics>,
    running: Running,
}

/// What a broker gets from the world around it.
#[derive(Clone, Debug)]
pub struct World {
    pub disk: Arc<dyn Disk>,
    pub clock: Clock,
    pub randomness: Randomness,
    pub hands: Hands,
}

/// Why a broker did not start. Nothing was lost.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Directory(#[from] directory::OpenError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("{0}")]
    Bind(String),
    #[error("cannot {doing}: {source}")]
    System { doing: &'static str, source: std::io::Error },
}

impl Broker {
    /// Starts a broker. On return it serves.
    ///
    /// # Errors
    /// See [`StartError`]; each says what to do.
    pub async fn start(config: Config, world: World) -> Result<Self, StartError> {
        let Config { data, listen, journal, log, topics, retention, .. } = config;
        let (limits, groups, disk) = (config.limits, config.groups, config.disk);
        let metrics = Arc::new(Metrics::new());
        let data = Arc::new(open_directory(data, &world).await?);
        let layout = layout_of(&data, journal, &log, &topics, &limits, groups, disk)?;
        let seats = Seats::new(limits.connections_max);
        let tracks = Tracks::two(metrics.deliver.clone())
            .map_err(|source| StartError::System { doing: "start threads for replays", source })?;
        let bound = Bound::bind(&listen, &seats, &metrics, tracks).await?;
        let policy = layout.policy.clone();
        let engine = Engine::start(Arc::clone(&data), layout, &world, &metrics).await?;
        let (stop, stopped) = watch::channel(false);
        let retention = retain(&engine, &world, &metrics, &retention, &stopped);
        let door = door(&engine, policy, retention, &data, &limits, &world, &metrics);
        tokio::spawn(door.mover.clone().run(stopped.clone()));
        let addresses = bound.addresses();
        let faces = Faces { http: config.http, kafka: config.kafka };
        addresses.tell_kafka_clients_way(&faces.kafka);
        bound.serve(&limits, faces, door, &metrics, world.randomness, stopped);
        addresses.write_down(&data, &world.hands).await?;
        let running = Running { engine, stop, seats, drain: limits.shutdown_drain };
        Ok(Self { addresses, metrics, running })
    }

    /// Where the native protocol is spoken.
    pub fn native(&self) -> SocketAddr {
        self.addresses.native
    }

    /// Where HTTP is spoken.
    pub fn http(&self) -> SocketAddr {
        self.addresses.http
    }

    /// Where the Kafka protocol is spoken.
    pub fn kafka(&self) -> SocketAddr {
        self.addresses.kafka
    }

    /// The page `/metrics`.
    pub fn metrics(&self) -> String {
        self.metrics.render()
    }

    /// Stops the broker. On return nothing of it runs and its files are closed.
    pub async fn stop(self) -> Stopped {
        self.running.stop().await
    }
}

fn layout_of(
    data: &DataDir,
    journal: config::Journal,
    log: &config::Log,
    topics: &config::Topics,
    limits: &Limits,
    groups: config::Groups,
    disk: config::Disk,
) -> Result<Layout, StartError> {
    Layout::of(data, journal, log, topics, limits, groups, disk)
        .map_err(|source| StartError::System { doing: "ask for the disk's room", source })
}

/// What the operator decided about faces that have more to decide than an address.
#[derive(Debug)]
struct Faces {
    http: config::Http,
    kafka: config::Kafka,
}

impl From<BindError> for StartError {
    fn from(error: BindError) -> Self {
        Self::Bind(error.to_string())
    }
}

async fn open_directory(path: std::path::PathBuf, world: &World) -> Result<DataDir, StartError> {
    let World { disk, randomness, hands, .. } = world.clone();
    let fresh = NewIdentity {
        cluster: randomness.uuid(),
        node: randomness.uuid(),
        directory: randomness.uuid(),
    };
    let path = std::path::absolute(path)
        .map_err(|source| StartError::System { doing: "find the data directory", source })?;
    let opened = hands.errand(move || DataDir::open(disk, &path, fresh)).await;
    Ok(opened.ok_or(EngineError::ShuttingDown)??)
}

/// Starts looking at all partitions for what has had its time.
fn retain(
    engine: &Engine,
    world: &World,
    metrics: &Metrics,
    retention: &config::Retention,
    stopped: &watch::Receiver<bool>,
) -> Retention {
    let sweep = Sweep::new(retention::Parts {
        topics: engine.topics.clone(),
        queues: engine.queues.clone(),
        work: engine.work.clone(),
        catalog: engine.catalog.clone(),
        keeper: engine.inboxes.keeper.clone(),
        clock: world.clock.clone(),
        metrics: metrics.retention.clone(),
        recorded: engine.clock_record,
        leap_hold: retention.leap_hold,
        sparing: engine.fill.sparing(),
    });
    let handle = sweep.handle();
    tokio::spawn(sweep.run(retention.sweep_interval, stopped.clone()));
    handle
}

/// What moves records that die in queues.
fn mover(engine: &Engine, world: &World) -> Mover {
    Mover {
        work: engine.work.clone(),
        queues: engine.queues.clone(),
        topics: engine.topics.clone(),
        catalog: engine.catalog.downgrade(),
        cold_reads: engine.threads.cold_reads.clone(),
        clock: world.clock.clone(),
        metrics: engine.queue_metrics.clone(),
        redriving: Arc::new(Semaphore::new(1)),
    }
}

fn door(
    engine: &Engine,
    policy: Policy,
    retention: Retention,
    data: &DataDir,
    limits: &Limits,
    world: &World,
    metrics: &Metrics,
) -> Arc<Door> {
    let identity = data.identity();
    Arc::new(Door {
        gate: Gate::open(),
        topics: engine.topics.clone(),
        queues: engine.queues.clone(),
        work: engine.work.clone(),
        workers: Workers::default(),
        mover: mover(engine, world),
        policy,
        catalog: engine.catalog.clone(),
        groups: engine.groups.clone(),
        retention,
        quota: Quota::new(limits.in_flight_bytes_max as u64, metrics.produce.clone()),
        clock: world.clock.clone(),
        halt: engine.halt.clone(),
        fill: engine.fill.clone(),
        facts: BrokerFacts {
            cluster: identity.cluster,
            node: identity.node,
            version: env!("CARGO_PKG_VERSION"),
        },
        produce_metrics: metrics.produce.clone(),
        deliver_metrics: metrics.deliver.clone(),
        cold_reads: engine.threads.cold_reads.clone(),
        beats: Beats::new(limits.live.heartbeat / 2),
        rings: Rings::new(
            limits.live.ring_bytes_max,
            engine.threads.cold_reads.clone(),
            metrics.deliver.clone(),
        ),
    })
}

/// The addresses that were taken, before anything that a taken one would undo, and who will serve.
struct Bound {
    native: Acceptor,
    http: Acceptor,
    kafka: Acceptor,
    tracks: Tracks,
}

impl Bound {
    async fn bind(
        listen: &Listen,
        seats: &Seats,
        metrics: &Metrics,
        tracks: Tracks,
    ) -> Result<Self, BindError> {
        let (of_native, of_http) = (metrics.native.clone(), metrics.http_connections.clone());
        let native = Acceptor::bind(Face::Native, listen.native, seats.clone(), of_native).await?;
        let http = Acceptor::bind(Face::Http, listen.http, seats.clone(), of_http).await?;
        let of_kafka = metrics.kafka.clone();
        let kafka = Acceptor::bind(Face::Kafka, listen.kafka, seats.clone(), of_kafka).await?;
        Ok(Self { native, http, kafka, tracks })
    }

    fn addresses(&self) -> Addresses {
        let Self { native, http, kafka, .. } = self;
        Addresses { native: native.bound(), http: http.bound(), kafka: kafka.bound() }
    }

    /// Serves on them until the broker stops.
    fn serve(
        self,
        limits: &Limits,
        faces: Faces,
        door: Arc<Door>,
        metrics: &Arc<Metrics>,
        randomness: Randomness,
        stopped: watch::Receiver<bool>,
    ) {
        let Self { native, http, kafka, tracks } = self;
        let admin = http::Guests {
            routes: admin::routes(Arc::clone(&door), Arc::clone(metrics), stopped.clone()),
            openapi: admin::openapi(),
        };
        let (stop, of_http) = (stopped.clone(), &faces.http);
        let web =
            http::Http::new(Arc::clone(&door), of_http, limits, metrics, randomness, admin, stop);
        tokio::spawn(http.run(stopped.clone(), move |stream, _| web.clone().serve(stream)));
        let face = kafka::Kafka::new(
            Arc::clone(&door),
            faces.kafka,
            limits,
            tracks.clone(),
            stopped.clone(),
        );
        let face = Arc::new(face);
        tokio::spawn(kafka.run(stopped.clone(), move |stream, _| Arc::clone(&face).serve(stream)));
        let face = Arc::new(native::Native::new(door, limits, tracks, stopped.clone()));
        tokio::spawn(native.run(stopped, move |stream, _| Arc::clone(&face).serve(stream)));
    }
}
