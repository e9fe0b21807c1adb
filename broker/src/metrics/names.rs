//! Every metric: its name, what it says, its kind. Each stands here once and nowhere else.
//!
//! Names follow Prometheus: `weir_` before ours, the unit last, `_total` behind what only grows.
//! `process_` names are the ones every Prometheus client uses, so that common dashboards work.

/// Something that only grows.
pub(super) struct Counter {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
}

/// The same, one for each value of its labels.
pub(super) struct LabelledCounter {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) labels: &'static [&'static str],
}

/// Something that goes up and down.
pub(super) struct Gauge {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
}

/// The same, one for each value of its labels.
pub(super) struct LabelledGauge {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) labels: &'static [&'static str],
}

/// How often something had which size. Each bucket ends at twice the one before.
pub(super) struct Histogram {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) first_bucket: f64,
    pub(super) buckets: usize,
}

pub(super) const PRODUCED_BATCHES: Counter = Counter {
    name: "weir_produced_batches_total",
    help: "Record batches that were taken into a partition.",
};
pub(super) const PRODUCED_RECORDS: Counter = Counter {
    name: "weir_produced_records_total",
    help: "Records that were taken into a partition.",
};
pub(super) const PRODUCED_BYTES: Counter = Counter {
    name: "weir_produced_bytes_total",
    help: "Bytes of the record batches that were taken into a partition, headers included.",
};
pub(super) const PRODUCE_REFUSALS: LabelledCounter = LabelledCounter {
    name: "weir_produce_refusals_total",
    help: "Record batches that were refused, by the code the producer was given.",
    labels: &["code"],
};
pub(super) const IN_FLIGHT_BYTES: Gauge = Gauge {
    name: "weir_in_flight_bytes",
    help: "Memory of records that came in and are not applied yet; limits.in_flight_bytes_max.",
};

pub(super) const DELIVERED_BATCHES: Counter = Counter {
    name: "weir_delivered_batches_total",
    help: "Record batches that were sent to readers.",
};
pub(super) const DELIVERED_RECORDS: Counter =
    Counter { name: "weir_delivered_records_total", help: "Records that were sent to readers." };
pub(super) const DELIVERED_BYTES: Counter = Counter {
    name: "weir_delivered_bytes_total",
    help: "Bytes of the record batches that were sent to readers, headers included.",
};
pub(super) const SUBSCRIPTIONS: Gauge =
    Gauge { name: "weir_subscriptions", help: "Subscriptions that are open." };
pub(super) const REPLAYING_CONNECTIONS: Gauge = Gauge {
    name: "weir_replaying_connections",
    help: "Connections that replay, on threads that stand back behind those of all others.",
};
pub(super) const SSE_CONNECTIONS: Gauge = Gauge {
    name: "weir_sse_connections",
    help: "SSE readers that are connected; limits.sse_connections_max.",
};
pub(super) const WEBSOCKET_CONNECTIONS: Gauge = Gauge {
    name: "weir_websocket_connections",
    help: "WebSockets that are connected; limits.websocket_connections_max.",
};
pub(super) const LIVE_BEHIND: Counter = Counter {
    name: "weir_live_behind_total",
    help: "Times a live reader was further behind than its topic's ring reaches, and read the log; \
           limits.live_ring_bytes_max.",
};
pub(super) const LIVE_WALKED_BYTES: Counter = Counter {
    name: "weir_live_walked_bytes_total",
    help: "Bytes of logs that were walked for live readers; those who share a walk count once.",
};

pub(super) const COLD_READS: Counter = Counter {
    name: "weir_cold_reads_total",
    help: "Pieces of logs and places in time that reader threads brought in or looked for.",
};
pub(super) const COLD_READS_WAITING: Gauge = Gauge {
    name: "weir_cold_reads_waiting",
    help: "Cold reads that wait for a reader thread; log.reader_threads.",
};

pub(super) const JOURNAL_SYNCS: Counter =
    Counter { name: "weir_journal_syncs_total", help: "Times the journal was synced." };
pub(super) const JOURNAL_SYNCED_BYTES: Counter = Counter {
    name: "weir_journal_synced_bytes_total",
    help: "Bytes of the journal that were synced.",
};
pub(super) const JOURNAL_FRAMES: Counter =
    Counter { name: "weir_journal_frames_total", help: "Frames that were journaled." };
pub(super) const JOURNAL_SYNC_SECONDS: Histogram = Histogram {
    name: "weir_journal_sync_seconds",
    help: "How long a sync of the journal took.",
    first_bucket: 0.000_05,
    buckets: 16,
};
pub(super) const JOURNAL_GROUP_FRAMES: Histogram = Histogram {
    name: "weir_journal_group_frames",
    help: "Frames that shared one sync of the journal.",
    first_bucket: 1.0,
    buckets: 13,
};
pub(super) const JOURNAL_USED_BYTES: Gauge = Gauge {
    name: "weir_journal_used_bytes",
    help: "Bytes of the journal that no checkpoint has freed; journal.bytes_max.",
};
pub(super) const JOURNAL_TORN_TAIL_BYTES: Gauge = Gauge {
    name: "weir_journal_torn_tail_bytes",
    help: "Bytes of a torn tail that this start cut off the journal.",
};
pub(super) const CHECKPOINTS: Counter =
    Counter { name: "weir_checkpoints_total", help: "Checkpoints that were written." };
pub(super) const CHECKPOINT_SECONDS: Histogram = Histogram {
    name: "weir_checkpoint_seconds",
    help: "How long a checkpoint took, the syncs of its logs included.",
    first_bucket: 0.001,
    buckets: 16,
};

pub(super) const QUARANTINED_SEGMENTS: Gauge = Gauge {
    name: "weir_quarantined_segments",
    help: "Segments of logs that are damaged and not served, as a whole or in part; lost and \
           closed ones too. Anything but 0 needs a person: `weir topic describe` says where.",
};
pub(super) const DAMAGES_FOUND: Counter = Counter {
    name: "weir_damages_found_total",
    help: "Damaged segments of logs that this process found or was told of by an earlier one.",
};
pub(super) const SCRUBBED_BYTES: Counter = Counter {
    name: "weir_scrubbed_bytes_total",
    help: "Bytes of sealed segments that were read back to compare them with their digests.",
};
pub(super) const SCRUB_PASSES: Counter =
    Counter { name: "weir_scrub_passes_total", help: "Times every sealed segment was read back." };
pub(super) const SCRUB_LAST_PASS: Gauge = Gauge {
    name: "weir_scrub_last_pass_timestamp_seconds",
    help: "When every sealed segment had last been read back, since the Unix epoch; 0: not yet.",
};

pub(super) const TOPICS: Gauge =
    Gauge { name: "weir_topics", help: "Topics there are; topics.topics_max." };
pub(super) const PARTITIONS: Gauge =
    Gauge { name: "weir_partitions", help: "Partitions there are; topics.partitions_max." };

pub(super) const RETENTION_SWEEPS: Counter = Counter {
    name: "weir_retention_sweeps_total",
    help: "Times retention has looked at all partitions.",
};
pub(super) const RETENTION_HELD_BACK_MS: Gauge = Gauge {
    name: "weir_retention_held_back_ms",
    help: "How far the ages of records are behind the clock since it leapt; 0 when all is well.",
};
pub(super) const RETENTION_DELETED_SEGMENTS: Counter = Counter {
    name: "weir_retention_deleted_segments_total",
    help: "Segments whose records were all deleted, and whose files are gone.",
};
pub(super) const MESSAGE_IDS: Gauge = Gauge {
    name: "weir_message_ids",
    help: "Message ids that partitions remember; limits.message_ids_max.",
};
pub(super) const MESSAGE_IDS_FORGOTTEN_EARLY: Counter = Counter {
    name: "weir_message_ids_forgotten_early_total",
    help: "Message ids forgotten before their window was over, for limits.message_ids_max.",
};

pub(super) const RETENTION_DELETED_BYTES: Counter = Counter {
    name: "weir_retention_deleted_bytes_total",
    help: "Bytes of records in segments whose files are gone.",
};

pub(super) const QUEUE_READY: LabelledGauge = LabelledGauge {
    name: "weir_queue_ready",
    help: "Records of a queue that were looked through and can be handed out.",
    labels: &["queue"],
};
pub(super) const QUEUE_DELAYED: LabelledGauge = LabelledGauge {
    name: "weir_queue_delayed",
    help: "Records of a queue that wait for their time.",
    labels: &["queue"],
};
pub(super) const QUEUE_LEASED: LabelledGauge = LabelledGauge {
    name: "weir_queue_leased",
    help: "Records of a queue that workers hold; its leases_max bounds them.",
    labels: &["queue"],
};
pub(super) const QUEUE_STATE_BYTES: LabelledGauge = LabelledGauge {
    name: "weir_queue_state_bytes",
    help: "Memory of a queue's unresolved records, about; state_bytes_max bounds each partition's.",
    labels: &["queue"],
};
pub(super) const QUEUE_DYING: LabelledGauge = LabelledGauge {
    name: "weir_queue_dying",
    help: "Records of a queue that wait to be moved to its dead letter.",
    labels: &["queue"],
};
pub(super) const QUEUE_PARKED: LabelledGauge = LabelledGauge {
    name: "weir_queue_parked",
    help: "Records of a queue whose own segments may go, since they were put aside.",
    labels: &["queue"],
};
pub(super) const QUEUE_DAMAGED: LabelledGauge = LabelledGauge {
    name: "weir_queue_damaged",
    help: "Records of a queue in damaged segments: passed over, and not resolved.",
    labels: &["queue"],
};
pub(super) const QUEUE_REDRIVEN: LabelledCounter = LabelledCounter {
    name: "weir_queue_redriven_total",
    help: "Dead letters of a queue that went back into its topic.",
    labels: &["queue"],
};
pub(super) const QUEUE_MOVES_PUT_OFF: LabelledCounter = LabelledCounter {
    name: "weir_queue_moves_put_off_total",
    help: "Times that records of a queue could not be moved or put aside, to be tried again.",
    labels: &["queue"],
};
pub(super) const QUEUE_DELIVERIES: LabelledCounter = LabelledCounter {
    name: "weir_queue_deliveries_total",
    help: "Times that records of a queue were handed to a worker.",
    labels: &["queue"],
};
pub(super) const QUEUE_ACKS: LabelledCounter = LabelledCounter {
    name: "weir_queue_acks_total",
    help: "Records of a queue that workers acked.",
    labels: &["queue"],
};
pub(super) const QUEUE_FAILURES: LabelledCounter = LabelledCounter {
    name: "weir_queue_failures_total",
    help: "Times that a record of a queue failed: retried, rejected, or its worker silent or lost.",
    labels: &["queue"],
};
pub(super) const QUEUE_EXPIRED: LabelledCounter = LabelledCounter {
    name: "weir_queue_expired_total",
    help: "Records of a queue whose time to live was over before they were done.",
    labels: &["queue"],
};
pub(super) const QUEUE_DEAD: LabelledCounter = LabelledCounter {
    name: "weir_queue_dead_total",
    help: "Records of a queue that were given to the dead letter.",
    labels: &["queue"],
};
pub(super) const GROUPS: Gauge =
    Gauge { name: "weir_groups_with_members", help: "Consumer groups that have members." };
pub(super) const GROUP_MEMBERS: Gauge =
    Gauge { name: "weir_group_members", help: "Members of all consumer groups together." };
pub(super) const GROUP_GENERATIONS: Counter = Counter {
    name: "weir_group_generations_total",
    help: "Generations that consumer groups began: each is a rebalance.",
};

pub(super) const CONNECTIONS: LabelledGauge = LabelledGauge {
    name: "weir_connections",
    help: "Connections that are open, by listener; limits.connections_max bounds their sum.",
    labels: &["face"],
};
pub(super) const CONNECTIONS_ACCEPTED: LabelledCounter = LabelledCounter {
    name: "weir_connections_accepted_total",
    help: "Connections that were accepted, by listener.",
    labels: &["face"],
};
pub(super) const CONNECTIONS_REFUSED: LabelledCounter = LabelledCounter {
    name: "weir_connections_refused_total",
    help: "Connections that were closed at once as limits.connections_max was reached.",
    labels: &["face"],
};
pub(super) const ACCEPT_FAILURES: LabelledCounter = LabelledCounter {
    name: "weir_accept_failures_total",
    help: "Times the operating system had no descriptor or memory for one more connection.",
    labels: &["face"],
};
pub(super) const HTTP_REQUESTS: LabelledCounter = LabelledCounter {
    name: "weir_http_requests_total",
    help: "HTTP requests that were answered, by route and class of status.",
    labels: &["route", "status"],
};

pub(super) const DISK_FREE_BYTES: Gauge = Gauge {
    name: "weir_disk_free_bytes",
    help: "Bytes of the data directory's volume that are free.",
};
pub(super) const DISK_FILL: Gauge = Gauge {
    name: "weir_disk_fill",
    help: "0 while there is room, 1 below disk.low_bytes, 2 below disk.hard_bytes: publishes are \
           refused.",
};
pub(super) const WRITES_STOPPED: Gauge = Gauge {
    name: "weir_writes_stopped",
    help: "1 since a write or sync failed: no writes are taken before a restart, reads go on.",
};

pub(super) const BUILD: LabelledGauge = LabelledGauge {
    name: "weir_build_info",
    help: "Always 1; its label says which weir this is.",
    labels: &["version"],
};

pub(super) const PROCESS_CPU_SECONDS: Counter = Counter {
    name: "process_cpu_seconds_total",
    help: "CPU time the process used, in user space and in the kernel.",
};
pub(super) const PROCESS_VOLUNTARY_SWITCHES: Counter = Counter {
    name: "process_voluntary_context_switches_total",
    help: "Times a thread gave its CPU up to wait; threads that ended between two reads are \
           not in it.",
};
pub(super) const PROCESS_INVOLUNTARY_SWITCHES: Counter = Counter {
    name: "process_involuntary_context_switches_total",
    help: "Times a thread's CPU was taken from it; threads that ended between two reads are \
           not in it.",
};
pub(super) const PROCESS_RESIDENT_BYTES: Gauge = Gauge {
    name: "process_resident_memory_bytes",
    help: "Memory that is resident, mapped pages of logs included.",
};
pub(super) const PROCESS_RESIDENT_PEAK_BYTES: Gauge = Gauge {
    name: "process_resident_memory_peak_bytes",
    help: "The most memory that was ever resident, mapped pages of logs included.",
};
pub(super) const PROCESS_ANONYMOUS_BYTES: Gauge = Gauge {
    name: "process_anonymous_memory_bytes",
    help: "Resident memory that no file stands behind: heaps and stacks.",
};
pub(super) const PROCESS_VIRTUAL_BYTES: Gauge = Gauge {
    name: "process_virtual_memory_bytes",
    help: "Address space, the mappings of logs included.",
};
pub(super) const PROCESS_OPEN_DESCRIPTORS: Gauge =
    Gauge { name: "process_open_fds", help: "File descriptors that are open." };
pub(super) const PROCESS_DESCRIPTORS_MAX: Gauge =
    Gauge { name: "process_max_fds", help: "File descriptors that may be open." };
pub(super) const PROCESS_THREADS: Gauge =
    Gauge { name: "process_threads", help: "Threads there are." };
pub(super) const PROCESS_START_SECONDS: Gauge = Gauge {
    name: "process_start_time_seconds",
    help: "When the process was started, since the Unix epoch.",
};
