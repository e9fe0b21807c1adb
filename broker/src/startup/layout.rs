//! What the configuration means on this disk.

use std::io;
use std::time::Duration;

use weir_protocol::batch::TimestampType;
use weir_storage::directory::DataDir;
use weir_storage::disk::FileSystem;
use weir_storage::journal::{self, ReadPath};
use weir_storage::log::{self, OpenMaps, PageBudget, WriterKind};

use crate::config;
use crate::core::catalog::actor::Policy;
use crate::core::catalog::settings::{Durability, Settings, WorkedOff};
use crate::core::commit::watermark::Marks;
use crate::core::group;

/// The measures of a data directory.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(super) journal: journal::Options,
    pub(super) checkpoint_bytes: u64,
    pub(super) log: log::Options,
    pub(super) written_flush_after: Duration,
    pub(super) reader_threads: u32,
    pub(super) scrub_bytes_per_second: u64,
    pub(super) room_wait: Duration,
    /// Of all shards.
    pub(super) message_ids_max: usize,
    pub(super) producer_idle: Duration,
    pub(super) marks: Marks,
    pub(super) policy: Policy,
    pub(super) groups: group::Policy,
}

impl Layout {
    pub(super) fn of(
        data: &DataDir,
        journal: config::Journal,
        log: &config::Log,
        topics: &config::Topics,
        limits: &config::Limits,
        groups: config::Groups,
        disk: config::Disk,
    ) -> io::Result<Self> {
        let volume = data.disk().volume(data.path())?;
        let journal = journal.fitted_to(volume.total_bytes);
        let writer = match volume.file_system {
            FileSystem::Ext4 | FileSystem::Xfs => WriterKind::Mapped,
            FileSystem::Other(_) => {
                tracing::warn!(
                    directory = %data.path().display(),
                    file_system = %volume.file_system,
                    "this is neither ext4 nor xfs: appends are written, not mapped, and slower; \
                     where room cannot be allocated, the journal's is made by writing zeros"
                );
                WriterKind::Pwrite
            }
        };
        let reads_past_cache = data.reads_past_cache().map_err(|error| error.source)?;
        if !reads_past_cache {
            tracing::warn!(
                directory = %data.path().display(),
                file_system = %volume.file_system,
                "this file system cannot be read past the page cache: behind a failed sync a start \
                 may take for stored what is in memory only; then restart the machine first"
            );
        }
        Ok(Self {
            journal: journal::Options {
                segment_bytes: journal.segment_bytes,
                bytes_max: journal.bytes_max,
                on_torn_tail: match journal.on_torn_tail {
                    config::OnTornTail::Truncate => journal::OnTornTail::Truncate,
                    config::OnTornTail::Refuse => journal::OnTornTail::Refuse,
                },
                read: if reads_past_cache { ReadPath::Direct } else { ReadPath::Cached },
            },
            checkpoint_bytes: journal.checkpoint_bytes,
            log: log::Options {
                segment_bytes: log.segment_bytes,
                index_interval_bytes: log.index_interval_bytes,
                pages: PageBudget::new(log.populate_bytes_max),
                maps: OpenMaps::new(log.maps_max as usize),
                writer,
                ..log::Options::default()
            },
            written_flush_after: log.written_flush_max,
            reader_threads: log.reader_threads,
            scrub_bytes_per_second: log.scrub_bytes_per_second,
            room_wait: limits.room_wait_max,
            message_ids_max: limits.message_ids_max,
            producer_idle: limits.producer_idle_max,
            marks: marks(disk.fitted_to(volume.total_bytes)),
            policy: policy(log, topics),
            groups: group_policy(groups),
        })
    }
}

fn group_policy(groups: config::Groups) -> group::Policy {
    group::Policy {
        groups_max: groups.shard_max,
        members_max: groups.members_max,
        session_timeout_min: groups.session_timeout_min,
        session_timeout_max: groups.session_timeout_max,
        initial_rebalance_delay: groups.initial_rebalance_delay,
        reconnect_grace: groups.reconnect_grace,
        offsets_retention: groups.offsets_retention,
    }
}

fn marks(disk: config::FittedDisk) -> Marks {
    Marks { low_bytes: disk.low_bytes, hard_bytes: disk.hard_bytes }
}

fn policy(log: &config::Log, topics: &config::Topics) -> Policy {
    let batch_bytes_max = u32::try_from(topics.batch_bytes_max);
    let settings = Settings {
        durability: match topics.durability {
            config::Durability::Synced => Durability::Synced,
            config::Durability::Written => Durability::Written,
        },
        retention_ms: topics.retention_ms,
        retention_bytes: topics.retention_bytes,
        segment_bytes: log.segment_bytes,
        batch_bytes_max: batch_bytes_max.expect("a batch is smaller than 4 GiB"),
        timestamp_type: TimestampType::CreateTime,
        message_id_window_ms: None,
        message_id_window_records: None,
        worked_off: WorkedOff::Keep,
    };
    Policy {
        settings,
        partitions: topics.partitions,
        topics_max: topics.topics_max as u64,
        partitions_max: u64::from(topics.partitions_max),
        queues_max: u64::from(topics.queues_max),
    }
}
