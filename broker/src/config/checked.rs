//! The configuration as it is used: in range, free of contradictions, in the types of its owners.
//!
//! What each number is for stands in `file.rs`; what it may be stands here. Startup makes one
//! [`Config`], takes it apart and moves each part to its owner, so that nothing holds all of it.
//! There is no default but the file's: a part cannot be made without one.
//!
//! Invariant: a `Config` that exists keeps every range and rule of `docs/configuration.md`.

use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::Level;
use weir_protocol::limits;

use super::errors::ConfigError;
use super::file::{self, ConfigFile};
use super::groups::Groups;
use super::http::Http;
use super::kafka::Kafka;
use super::listen::Listen;
use super::live::LiveLimits;
use super::overrides::Overrides;

/// Everything an operator decided.
#[derive(Debug)]
pub struct Config {
    pub data: PathBuf,
    pub listen: Listen,
    pub http: Http,
    pub journal: Journal,
    pub disk: Disk,
    pub log: Log,
    pub topics: Topics,
    pub retention: Retention,
    pub groups: Groups,
    pub kafka: Kafka,
    pub limits: Limits,
    pub log_output: LogOutput,
}

impl Config {
    /// Reads the file the command line names, if it names one, and puts the command line over it.
    ///
    /// # Errors
    /// The first thing that is wrong. The operator corrects it and starts again.
    pub fn load(overrides: Overrides) -> Result<Self, ConfigError> {
        let file = match &overrides.config {
            Some(path) => read(path)?,
            None => ConfigFile::default(),
        };
        Self::check(file, overrides)
    }

    pub(super) fn check(mut file: ConfigFile, overrides: Overrides) -> Result<Self, ConfigError> {
        overrides.apply(&mut file);
        if file.data.as_os_str().is_empty() {
            return Err(ConfigError::NoDirectory);
        }
        Ok(Self {
            data: file.data,
            listen: Listen::check(&file.listen)?,
            http: Http::check(file.http)?,
            journal: Journal::check(&file.journal)?,
            disk: Disk::check(&file.disk)?,
            log: Log::check(&file.log)?,
            topics: Topics::check(&file.topics)?,
            retention: Retention::check(&file.retention)?,
            groups: Groups::check(&file.groups)?,
            kafka: Kafka::check(&file.kafka)?,
            limits: Limits::check(&file.limits)?,
            log_output: LogOutput::check(&file.log_output),
        })
    }

    /// Files and sockets that are open when every limit is reached; startup compares it with what
    /// the operating system allows.
    pub fn descriptors_max(&self) -> u64 {
        u64::from(self.topics.partitions_max)
            + u64::from(self.limits.connections_max)
            + DESCRIPTORS_SPARE
    }
}

/// What makes records durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Journal {
    pub bytes_max: u64,
    pub segment_bytes: u64,
    pub on_torn_tail: OnTornTail,
    pub checkpoint_bytes: u64,
}

impl Journal {
    fn check(file: &file::JournalSection) -> Result<Self, ConfigError> {
        let bytes_max = within("journal.bytes_max", file.bytes_max, 64 * MIB..=TIB)?;
        let segment_bytes = within("journal.segment_bytes", file.segment_bytes, SEGMENT_BYTES)?;
        let checkpoint_bytes =
            within("journal.checkpoint_bytes", file.checkpoint_bytes, MIB..=TIB)?;
        if bytes_max < segment_bytes * JOURNAL_SEGMENTS_MIN {
            return Err(ConfigError::Conflict {
                key: "journal.segment_bytes",
                value: segment_bytes,
                max: bytes_max / JOURNAL_SEGMENTS_MIN,
                reason: "a quarter of journal.bytes_max",
            });
        }
        let on_torn_tail = match file.on_torn_tail {
            file::OnTornTail::Truncate => OnTornTail::Truncate,
            file::OnTornTail::Refuse => OnTornTail::Refuse,
        };
        Ok(Self { bytes_max, segment_bytes, on_torn_tail, checkpoint_bytes })
    }

    /// The same on a disk of `disk_bytes`: the journal takes a tenth of it at most, but four
    /// segments at least, and is checkpointed often enough to hold what two checkpoints keep.
    #[must_use]
    pub fn fitted_to(self, disk_bytes: u64) -> Self {
        let room_bytes = (disk_bytes / 10).max(self.segment_bytes * JOURNAL_SEGMENTS_MIN);
        let bytes_max = self.bytes_max.min(room_bytes);
        let checkpoint_bytes = self.checkpoint_bytes.min(bytes_max / 4);
        Self { bytes_max, checkpoint_bytes, ..self }
    }
}

/// What a start does about a journal whose last frame was not wholly written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnTornTail {
    Truncate,
    Refuse,
}

/// When the volume counts as full, as far as the operator said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    low_bytes: Option<u64>,
    hard_bytes: Option<u64>,
}

/// When this volume counts as low and as full. Invariant: `hard_bytes ≤ low_bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FittedDisk {
    pub low_bytes: u64,
    pub hard_bytes: u64,
}

impl Disk {
    fn check(file: &file::DiskSection) -> Result<Self, ConfigError> {
        let low = |bytes| within("disk.low_bytes", bytes, 0..=1_024 * TIB);
        let hard = |bytes| within("disk.hard_bytes", bytes, 0..=1_024 * TIB);
        let low_bytes = file.low_bytes.map(low).transpose()?;
        let hard_bytes = file.hard_bytes.map(hard).transpose()?;
        match (low_bytes, hard_bytes) {
            (Some(low), Some(hard)) if low < hard => Err(ConfigError::Conflict {
                key: "disk.hard_bytes",
                value: hard,
                max: low,
                reason: "which is disk.low_bytes",
            }),
            _ => Ok(Self { low_bytes, hard_bytes }),
        }
    }

    /// The same on a volume of `disk_bytes`; a mark that was not set gives way to one that was.
    #[must_use]
    pub fn fitted_to(self, disk_bytes: u64) -> FittedDisk {
        let (low, hard) = ((disk_bytes / 10).min(10 * GIB), (disk_bytes / 50).min(GIB));
        let (low_bytes, hard_bytes) = match (self.low_bytes, self.hard_bytes) {
            (Some(low), Some(hard)) => (low, hard),
            (Some(low), None) => (low, hard.min(low)),
            (None, Some(hard)) => (low.max(hard), hard),
            (None, None) => (low, hard),
        };
        FittedDisk { low_bytes, hard_bytes }
    }
}

/// What readers read.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    pub segment_bytes: u64,
    pub index_interval_bytes: u32,
    pub populate_bytes_max: u64,
    pub maps_max: u64,
    pub written_flush_max: Duration,
    pub reader_threads: u32,
    /// 0 reads nothing.
    pub scrub_bytes_per_second: u64,
}

impl Log {
    fn check(file: &file::LogSection) -> Result<Self, ConfigError> {
        Ok(Self {
            segment_bytes: within("log.segment_bytes", file.segment_bytes, SEGMENT_BYTES)?,
            index_interval_bytes: within_u32(
                "log.index_interval_bytes",
                file.index_interval_bytes,
                512..=1 << 20,
            )?,
            populate_bytes_max: within(
                "log.populate_bytes_max",
                file.populate_bytes_max,
                MIB..=4 * GIB,
            )?,
            maps_max: within("log.maps_max", file.maps_max, 16..=30_000)?,
            written_flush_max: within_ms(
                "log.written_flush_ms_max",
                file.written_flush_ms_max,
                10..=60_000,
            )?,
            reader_threads: within_u32("log.reader_threads", file.reader_threads, 1..=64)?,
            scrub_bytes_per_second: within(
                "log.scrub_bytes_per_second",
                file.scrub_bytes_per_second,
                0..=64 * GIB,
            )?,
        })
    }
}

/// When records that have had their time are looked for.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    pub sweep_interval: Duration,
    pub leap_hold: Duration,
}

impl Retention {
    fn check(file: &file::RetentionSection) -> Result<Self, ConfigError> {
        let interval_ms = file.sweep_interval_ms;
        Ok(Self {
            sweep_interval: within_ms("retention.sweep_interval_ms", interval_ms, 10..=86_400_000)?,
            leap_hold: within_ms("retention.leap_hold_ms", file.leap_hold_ms, 0..=31_536_000_000)?,
        })
    }
}

/// What a topic is where its creation does not say, and how many there may be.
#[derive(Clone, Copy, Debug)]
pub struct Topics {
    pub partitions: u32,
    pub durability: Durability,
    pub batch_bytes_max: usize,
    /// `None` keeps records for ever.
    pub retention_ms: Option<u64>,
    /// `None` bounds no partition.
    pub retention_bytes: Option<u64>,
    pub topics_max: usize,
    pub partitions_max: u32,
    pub queues_max: u32,
}

impl Topics {
    fn check(file: &file::TopicsSection) -> Result<Self, ConfigError> {
        let partitions =
            within_u32("topics.partitions", file.partitions, 1..=limits::PARTITIONS_MAX)?;
        let partitions_max =
            within_u32("topics.partitions_max", file.partitions_max, 1..=1_000_000)?;
        if partitions_max < partitions {
            return Err(ConfigError::Conflict {
                key: "topics.partitions",
                value: partitions.into(),
                max: partitions_max.into(),
                reason: "which is topics.partitions_max",
            });
        }
        let retention_ms = |ms| within("topics.retention_ms", ms, 1_000..=CENTURY_MS);
        let retention_bytes = |bytes| within("topics.retention_bytes", bytes, MIB..=1_024 * TIB);
        Ok(Self {
            partitions,
            durability: match file.durability {
                file::Durability::Synced => Durability::Synced,
                file::Durability::Written => Durability::Written,
            },
            batch_bytes_max: within_usize(
                "topics.batch_bytes_max",
                file.batch_bytes_max,
                1_024..=limits::BATCH_BYTES_MAX,
            )?,
            retention_ms: file.retention_ms.map(retention_ms).transpose()?,
            retention_bytes: file.retention_bytes.map(retention_bytes).transpose()?,
            topics_max: within_usize("topics.topics_max", file.topics_max, 1..=1_000_000)?,
            partitions_max,
            queues_max: within_u32("topics.queues_max", file.queues_max, 0..=100_000)?,
        })
    }
}

/// When a record is acknowledged: once no power cut, or no crash of the broker, can take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    Synced,
    Written,
}

/// What clients may take of the broker.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub in_flight_bytes_max: usize,
    pub connections_max: u32,
    pub connection_in_flight_max: usize,
    pub connection_window_bytes: usize,
    pub hello_timeout: Duration,
    pub subscriptions_max: usize,
    pub http_body_bytes_max: usize,
    pub live: LiveLimits,
    pub room_wait_max: Duration,
    pub producer_idle_max: Duration,
    pub message_ids_max: usize,
    pub shutdown_drain: Duration,
}

impl Limits {
    fn check(file: &file::LimitsSection) -> Result<Self, ConfigError> {
        let count = |key, value, allowed| within_usize(key, value, allowed);
        let limits = Self {
            in_flight_bytes_max: count(
                "limits.in_flight_bytes_max",
                file.in_flight_bytes_max,
                IN_FLIGHT_BYTES_MIN..=64 << 30,
            )?,
            connections_max: within_u32(
                "limits.connections_max",
                file.connections_max,
                1..=1_000_000,
            )?,
            connection_in_flight_max: count(
                "limits.connection_in_flight_max",
                file.connection_in_flight_max,
                1..=limits::IN_FLIGHT_MAX,
            )?,
            connection_window_bytes: count(
                "limits.connection_window_bytes",
                file.connection_window_bytes,
                64 << 10..=1 << 30,
            )?,
            hello_timeout: within_ms(
                "limits.hello_timeout_ms",
                file.hello_timeout_ms,
                100..=60_000,
            )?,
            subscriptions_max: count(
                "limits.subscriptions_max",
                file.subscriptions_max,
                1..=limits::SUBSCRIPTIONS_MAX,
            )?,
            http_body_bytes_max: count(
                "limits.http_body_bytes_max",
                file.http_body_bytes_max,
                1 << 10..=64 << 20,
            )?,
            live: LiveLimits::check(file)?,
            room_wait_max: within_ms(
                "limits.room_wait_ms_max",
                file.room_wait_ms_max,
                100..=25_000,
            )?,
            producer_idle_max: within_ms(
                "limits.producer_idle_ms_max",
                file.producer_idle_ms_max,
                60_000..=2_592_000_000,
            )?,
            message_ids_max: count(
                "limits.message_ids_max",
                file.message_ids_max,
                16 << 10..=1 << 30,
            )?,
            shutdown_drain: within_ms(
                "limits.shutdown_drain_ms",
                file.shutdown_drain_ms,
                0..=600_000,
            )?,
        };
        if limits.in_flight_bytes_max < limits.http_body_bytes_max {
            return Err(ConfigError::Conflict {
                key: "limits.http_body_bytes_max",
                value: limits.http_body_bytes_max as u64,
                max: limits.in_flight_bytes_max as u64,
                reason: "which is limits.in_flight_bytes_max",
            });
        }
        Ok(limits)
    }
}

/// What is written to the standard error.
#[derive(Clone, Copy, Debug)]
pub struct LogOutput {
    pub level: Level,
}

impl LogOutput {
    fn check(file: &file::LogOutputSection) -> Self {
        let level = match file.level {
            file::Level::Error => Level::ERROR,
            file::Level::Warn => Level::WARN,
            file::Level::Info => Level::INFO,
            file::Level::Debug => Level::DEBUG,
            file::Level::Trace => Level::TRACE,
        };
        Self { level }
    }
}

#[expect(clippy::disallowed_methods, reason = "the operator's file, not the broker's data")]
fn read(path: &Path) -> Result<ConfigFile, ConfigError> {
    let text = fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    toml::from_str(&text).map_err(|source| ConfigError::Syntax { path: path.to_owned(), source })
}

fn within(key: &'static str, value: u64, allowed: RangeInclusive<u64>) -> Result<u64, ConfigError> {
    if allowed.contains(&value) {
        return Ok(value);
    }
    let (min, max) = allowed.into_inner();
    Err(ConfigError::Range { key, value, min, max })
}

pub(super) fn within_u32(
    key: &'static str,
    value: u64,
    allowed: RangeInclusive<u32>,
) -> Result<u32, ConfigError> {
    let (min, max) = allowed.into_inner();
    let value = within(key, value, min.into()..=max.into())?;
    Ok(u32::try_from(value).expect("the range ends within a u32"))
}

pub(super) fn within_usize(
    key: &'static str,
    value: u64,
    allowed: RangeInclusive<usize>,
) -> Result<usize, ConfigError> {
    let (min, max) = allowed.into_inner();
    let value = within(key, value, min as u64..=max as u64)?;
    Ok(usize::try_from(value).expect("the range ends within a usize"))
}

pub(super) fn within_ms(
    key: &'static str,
    value: u64,
    allowed: RangeInclusive<u64>,
) -> Result<Duration, ConfigError> {
    within(key, value, allowed).map(Duration::from_millis)
}

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;
pub(super) const CENTURY_MS: u64 = 100 * 365 * 86_400_000;

/// A segment holds the largest frame of the journal or batch of a log several times, and its
/// positions fit the 31 bits of Kafka's index.
const SEGMENT_BYTES: RangeInclusive<u64> = 16 * MIB..=GIB;

/// Two checkpoints keep two of them, one is written, one is made ready.
const JOURNAL_SEGMENTS_MIN: u64 = 4;

const IN_FLIGHT_BYTES_MIN: usize = 16 << 20;

/// Descriptors beside partitions and connections: the journal's files, segments read cold,
/// listeners, the runtime's own.
const DESCRIPTORS_SPARE: u64 = 1_000;

const _: () = {
    // The largest frame finds room in an empty budget, journal segment and log segment.
    assert!(limits::FRAME_BYTES_MAX < IN_FLIGHT_BYTES_MIN);
    assert!((limits::FRAME_BYTES_MAX as u64) < *SEGMENT_BYTES.start());
    assert!(*SEGMENT_BYTES.end() <= i32::MAX as u64);
};
