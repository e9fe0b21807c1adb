//! The configuration as it is written: every key, what it decides, and its default.
//!
//! The shape of `weir.toml` and nothing else. A key that is not here is refused, so that a typing
//! error is no silent default; a number's range is `checked.rs`'s to know. `docs/configuration.md`
//! says the same to the operator, with the ranges, and a test holds it to this file.
//!
//! Sizes are bytes and times are milliseconds, as the last word of each key says; a "per broker"
//! number is shared by all its listeners.

use std::path::PathBuf;

use serde::Deserialize;
#[cfg(test)]
use serde::Serialize;
use weir_protocol::limits::{
    BATCH_BYTES_MAX_DEFAULT, IN_FLIGHT_MAX, KAFKA_FRAME_BYTES_MAX, SUBSCRIPTIONS_MAX,
};

/// All of `weir.toml`; an empty one is complete.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(Serialize))]
#[serde(default, deny_unknown_fields)]
pub(super) struct ConfigFile {
    /// The data directory; a relative path starts where the server is started. Set it to a
    /// directory of ext4 or xfs on a disk of its own: appends are mapped there.
    pub data: PathBuf,
    pub listen: ListenSection,
    pub http: HttpSection,
    pub journal: JournalSection,
    pub disk: DiskSection,
    pub log: LogSection,
    pub topics: TopicsSection,
    pub retention: RetentionSection,
    pub groups: GroupsSection,
    pub kafka: KafkaSection,
    pub limits: LimitsSection,
    pub log_output: LogOutputSection,
}

impl Default for ConfigFile {
    fn default() -> Self {
        Self {
            data: PathBuf::from("./weir-data"),
            listen: ListenSection::default(),
            http: HttpSection::default(),
            journal: JournalSection::default(),
            disk: DiskSection::default(),
            log: LogSection::default(),
            topics: TopicsSection::default(),
            retention: RetentionSection::default(),
            groups: GroupsSection::default(),
            kafka: KafkaSection::default(),
            limits: LimitsSection::default(),
            log_output: LogOutputSection::default(),
        }
    }
}

/// Where the broker is reached.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(Serialize))]
#[serde(default, deny_unknown_fields)]
pub(super) struct ListenSection {
    /// Address of the native protocol. Port 0 takes a free one; `listen.json` in the data
    /// directory says which.
    pub native: String,
    /// Address of HTTP: records, SSE, metrics, health. Port 0 as above.
    pub http: String,
    /// Address of the Kafka protocol. Port 0 as above.
    pub kafka: String,
    /// Lets the addresses be others than loopback while nothing asks who a client is. For a
    /// network where everyone who can connect may do everything.
    pub insecure: bool,
}

impl Default for ListenSection {
    fn default() -> Self {
        Self {
            native: String::from("127.0.0.1:7700"),
            http: String::from("127.0.0.1:7780"),
            kafka: String::from("127.0.0.1:9092"),
            insecure: false,
        }
    }
}

/// What pages may do that browsers load from elsewhere.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(Serialize))]
#[serde(default, deny_unknown_fields)]
pub(super) struct HttpSection {
    /// Origins, as browsers send them, of pages that may read what they ask the broker for. Set it
    /// where a page is not served under the broker's own address. No memory.
    pub allowed_origins: Vec<String>,
}

/// What makes records durable.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(Serialize))]
#[serde(default, deny_unknown_fields)]
pub(super) struct JournalSection {
    /// Disk the journal may take; a tenth of the disk if that is less. Producers wait when it is
    /// full. Raise it when `weir_journal_used_bytes` comes near it; it bounds the time a start
    /// takes after a crash. No memory.
    pub bytes_max: u64,
    /// Size of one of its files. The journal has four at least, so lower it on a disk
    /// below 3 GiB. No memory.
    pub segment_bytes: u64,
    /// What a start does when the journal ends in a frame that was not wholly written, as a power
    /// cut leaves it: cut it off and go on, or stop and let a person look. Damage, which is not a
    /// torn tail, always stops.
    pub on_torn_tail: OnTornTail,
    /// How much is written to the journal before a checkpoint lets that part of it be used again.
    /// Lower it for faster starts after a crash, raise it for fewer syncs of the logs; a quarter
    /// of the journal at most is used. No memory.
    pub checkpoint_bytes: u64,
}

impl Default for JournalSection {
    fn default() -> Self {
        Self {
            bytes_max: 1 << 30,
            segment_bytes: 64 << 20,
            on_torn_tail: OnTornTail::Truncate,
            checkpoint_bytes: 256 << 20,
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(test, derive(Serialize))]
#[serde(rename_all = "lowercase")]
pub(super) enum OnTornTail {
    Truncate,
    Refuse,
}

/// When the volume of the data directory counts as full.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(Serialize))]
#[serde(default, deny_unknown_fields)]
pub(super) struct DiskSection {
    /// Free bytes below which the broker warns; a tenth of the volume, 10 GiB at most, where it is
    /// not set. Raise it to be told sooner. No memory.
    pub low_bytes: Option<u64>,
    /// Free bytes below which publishes are refused, so that deletions and checkpoints have room;
    /// a fiftieth of the volume, 1 GiB at most, where it is not set. No memory.
    pub hard_bytes: Option<u64>,
}

/// What readers read: a log per partition.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(Serialize))]
#[serde(default, deny_unknown_fields)]
pub(super) struct LogSection {
    /// Size at which a partition begins a new file, and the step in which retention gives disk
    /// back. Lower it for many small topics. Address space, twice, for each active partition.
    pub segment_bytes: u64,
    /// Bytes of log between two entries of its indexes. Lower it for faster seeks. Memory: 20
    /// bytes for each entry of an active segment, 640 KiB for a full one of the default size.
    pub index_interval_bytes: u64,
    /// Pages made ready ahead of the writers, of all logs together; appends into them do not
    /// stop for the kernel. Raise it for more than 1 GB/s. Memory: all of it, as page cache.
    pub populate_bytes_max: u64,
    /// Segments that nobody writes which stay mapped because somebody read them, of all logs
    /// together. Raise it when many are read at once. Memory: their indexes, 64 MiB at most.
    pub maps_max: u64,
    /// How long a record of a `written` topic may stay in memory only: what a crash of the
    /// machine, not of the broker, may take. Lower it to lose less, raise it for fewer syncs.
    pub written_flush_ms_max: u64,
    /// Threads that bring in what readers far from the tail read, and wait for the disk in their
    /// place. Raise it for many replays at once on a disk that serves them side by side. Memory:
    /// a thread's stack each, and 4 MiB of page cache for each reader.
    pub reader_threads: u64,
    /// How fast sealed files are read back in the background to find damage that nobody has asked
    /// for; 0 reads none. Raise it to find damage sooner, lower it where the disk is busy. Memory:
    /// 2 MiB.
    pub scrub_bytes_per_second: u64,
}

impl Default for LogSection {
    fn default() -> Self {
        Self {
            segment_bytes: 128 << 20,
            index_interval_bytes: 4 << 10,
            populate_bytes_max: 64 << 20,
            maps_max: 1024,
            written_flush_ms_max: 1_000,
            reader_threads: 2,
            scrub_bytes_per_second: 8 << 20,
        }
    }
}

/// When records that have had their time are looked for.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(Serialize))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RetentionSection {
    /// How long from one look at all partitions to the next. Lower it where disk is short and
    /// records live for minutes. No memory.
    pub sweep_interval_ms: u64,
    /// How long the clock has to go on evenly behind a leap ahead, or the broker behind a stop that
    /// looks like one, before records grow old by it; 0 believes every clock at once.
    pub leap_hold_ms: u64,
}

impl Default for RetentionSection {
    fn default() -> Self {
        Self { sweep_interval_ms: 60_000, leap_hold_ms: 86_400_000 }
    }
}

/// Consumer groups: how patient the broker is with their members, and what they may take.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(Serialize))]
#[serde(default, deny_unknown_fields)]
pub(super) struct GroupsSection {
    /// The shortest session a member may ask for. Lower it to notice dead members sooner than
    /// their connections tell. No memory.
    pub session_timeout_ms_min: u64,
    /// The longest. No memory.
    pub session_timeout_ms_max: u64,
    /// How long a Kafka group that was empty waits for more members before it shares out, and
    /// again while they keep coming. Raise it where many start at once and share out costs much;
    /// 0 shares out with each. No memory.
    pub initial_rebalance_delay_ms: u64,
    /// How long a member of a native group whose connection ended may take to come back before its
    /// partitions go to others. No memory.
    pub reconnect_grace_ms: u64,
    /// How long committed offsets are kept once their group has no members, or none that reads
    /// their topic. Raise it for groups that rest for longer. Memory: about 150 bytes for each
    /// offset.
    pub offsets_retention_ms: u64,
    /// Members of one group. Memory: about 1 KiB each, and what it says of itself, up to 256 KiB.
    pub members_max: u64,
    /// Groups of one of the 16 shards that they are spread over. Memory: about 1 KiB each.
    pub shard_max: u64,
}

impl Default for GroupsSection {
    fn default() -> Self {
        Self {
            session_timeout_ms_min: 6_000,
            session_timeout_ms_max: 1_800_000,
            initial_rebalance_delay_ms: 500,
            reconnect_grace_ms: 2_000,
            offsets_retention_ms: 604_800_000,
            members_max: 1_000,
            shard_max: 10_000,
        }
    }
}

/// What a topic is where its creation does not say, and how many there may be.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(Serialize))]
#[serde(default, deny_unknown_fields)]
pub(super) struct TopicsSection {
    /// Partitions of a new topic. Raise it when one consumer of a group is too slow for a topic.
    pub partitions: u64,
    /// When a record of a new topic is acknowledged: `synced`, once a power cut cannot take it;
    /// `written`, once a crash of the broker cannot.
    pub durability: Durability,
    /// The largest record batch a new topic takes. Raise it for large records, with
    /// `limits.in_flight_bytes_max`. Memory: one for each batch on its way in.
    pub batch_bytes_max: u64,
    /// Age at which records of a new topic may be deleted, a segment at a time; kept for ever
    /// where it is not set.
    pub retention_ms: Option<u64>,
    /// Size above which a partition of a new topic loses its oldest segments; unbounded where it
    /// is not set.
    pub retention_bytes: Option<u64>,
    /// Topics of this broker. Memory: about 1 KiB each, beside their partitions.
    pub topics_max: u64,
    /// Partitions of this broker. Each takes a descriptor and two maps while it is written to, so
    /// that `vm.max_map_count` (65,530 where nobody raised it) and the limit of open files
    /// bound them. Memory: as `log.index_interval_bytes` says, each.
    pub partitions_max: u64,
    /// Work queues of this broker. Memory: about 1 KiB each for every partition of its topic that
    /// somebody works on, and what `state_bytes_max` of each allows.
    pub queues_max: u64,
}

impl Default for TopicsSection {
    fn default() -> Self {
        Self {
            partitions: 1,
            durability: Durability::Synced,
            batch_bytes_max: BATCH_BYTES_MAX_DEFAULT as u64,
            retention_ms: None,
            retention_bytes: None,
            topics_max: 10_000,
            partitions_max: 10_000,
            queues_max: 1_000,
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(test, derive(Serialize))]
#[serde(rename_all = "lowercase")]
pub(super) enum Durability {
    Synced,
    Written,
}

/// What the clients of Kafka are told and may do.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(Serialize))]
#[serde(default, deny_unknown_fields)]
pub(super) struct KafkaSection {
    /// Host and port that Kafka clients are told to connect to; where it is not set, the address
    /// each of them reached the broker by. Set it behind a port mapping or a proxy. No memory.
    pub advertised: Option<String>,
    /// Whether a topic is made when a Kafka client asks about one that does not exist. Set it to
    /// false where a misspelt name should be an error. No memory.
    pub auto_create_topics: bool,
    /// The largest request of a Kafka client. Raise it for producers that send to many partitions
    /// at once. Memory: one for each connection that sends one, as it arrives.
    pub request_bytes_max: u64,
    /// How long a connection may be silent before it is closed. Raise it for clients that do not
    /// connect again by themselves. No memory.
    pub idle_ms_max: u64,
}

impl Default for KafkaSection {
    fn default() -> Self {
        Self {
            advertised: None,
            auto_create_topics: true,
            request_bytes_max: KAFKA_FRAME_BYTES_MAX as u64,
            idle_ms_max: 600_000,
        }
    }
}

/// What clients may take of the broker.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(Serialize))]
#[serde(default, deny_unknown_fields)]
pub(super) struct LimitsSection {
    /// Memory, per broker, of records that came in and are not applied yet; producers wait when
    /// it is used up. Raise it when `weir_in_flight_bytes` stays near it and the disk does not.
    /// Memory: all of it.
    pub in_flight_bytes_max: u64,
    /// Connections per broker; one more is closed at once. Memory: about 16 KiB for each that
    /// is idle, `connection_window_bytes` and a batch for each that is busy.
    pub connections_max: u64,
    /// Requests of one native connection that wait for their answer. Memory: 64 bytes each,
    /// beside the records they carry.
    pub connection_in_flight_max: u64,
    /// Bytes on their way to one native connection. Raise it for fast consumers far away. Memory:
    /// none of the heap for records that come from a log, all of it for other answers.
    pub connection_window_bytes: u64,
    /// How long a connection may take to say who it is.
    pub hello_timeout_ms: u64,
    /// Subscriptions of one native connection. Memory: about 256 bytes each.
    pub subscriptions_max: u64,
    /// The largest body of an HTTP request. Memory: one for each request being read, out of
    /// `in_flight_bytes_max`.
    pub http_body_bytes_max: u64,
    /// SSE readers per broker, out of `connections_max`; 0 refuses them. Memory: about 16 KiB each.
    pub sse_connections_max: u64,
    /// Live readers from one address. Lower it where readers come from everywhere, so that nobody
    /// takes all seats; readers behind one proxy share an address. Memory: see
    /// `sse_connections_max`.
    pub live_connections_per_address_max: u64,
    /// How long a live stream may be silent before it says that it is alive. Lower it for proxies
    /// that cut silent connections off sooner. Memory: none.
    pub live_heartbeat_ms: u64,
    /// How long a live stream lasts at most, and half of it at least; then its reader connects
    /// again. Lower it where connections are to spread over new brokers soon. Memory: none.
    pub live_lifetime_ms: u64,
    /// WebSockets per broker, out of `connections_max`; 0 refuses them. Memory: about 8 KiB each,
    /// 128 KiB for one that is written to as fast as it takes, 256 KiB while it sends a large
    /// message.
    pub websocket_connections_max: u64,
    /// What the newest records of topics that live readers follow take, encoded once for all of
    /// them; each such topic has an equal share. A reader that is further behind reads the log.
    /// Raise it where readers are often behind and the CPU is busy. Memory: all of it.
    pub live_ring_bytes_max: u64,
    /// How long a batch waits for room in the journal or in its log before it is refused, as not
    /// stored. Raise it for disks that stall for long. Memory: within `in_flight_bytes_max`.
    pub room_wait_ms_max: u64,
    /// How long a producer may send nothing to a partition before that forgets it, and with it
    /// which of its batches it has. Raise it for producers that come back after days. Memory: 150
    /// bytes to 1 KiB for each producer and partition, at most 16,384 in each of 16 shards.
    pub producer_idle_ms_max: u64,
    /// Message ids that all partitions together remember, a sixteenth of it in each shard;
    /// beyond, a partition forgets its oldest before their window is over. Memory: about 80 bytes
    /// each.
    pub message_ids_max: u64,
    /// How long a broker that was told to stop waits for what its clients have under way.
    pub shutdown_drain_ms: u64,
}

impl Default for LimitsSection {
    fn default() -> Self {
        Self {
            in_flight_bytes_max: 256 << 20,
            connections_max: 8_000,
            connection_in_flight_max: IN_FLIGHT_MAX as u64,
            connection_window_bytes: 1 << 20,
            hello_timeout_ms: 5_000,
            subscriptions_max: SUBSCRIPTIONS_MAX as u64,
            http_body_bytes_max: 4 << 20,
            sse_connections_max: 4_000,
            live_connections_per_address_max: 1_000_000,
            live_heartbeat_ms: 15_000,
            live_lifetime_ms: 3_600_000,
            websocket_connections_max: 4_000,
            live_ring_bytes_max: 64 << 20,
            room_wait_ms_max: 10_000,
            producer_idle_ms_max: 24 * 3_600_000,
            message_ids_max: 16 << 20,
            shutdown_drain_ms: 10_000,
        }
    }
}

/// What the broker writes to its standard error; not a partition's log.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(Serialize))]
#[serde(default, deny_unknown_fields)]
pub(super) struct LogOutputSection {
    /// The least important line that is written. Lower it to `debug` to follow connections.
    pub level: Level,
}

impl Default for LogOutputSection {
    fn default() -> Self {
        Self { level: Level::Info }
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(test, derive(Serialize))]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}
