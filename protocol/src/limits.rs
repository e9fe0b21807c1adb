//! Every size a peer can see, in one place, asserted against each other at compile time.
//!
//! A limit here is a promise of the protocol: a peer may rely on reaching it, and whoever reads
//! from a peer may rely on never passing it. What an operator may set lower is a default of the
//! broker's configuration, not a number of this file.

use crate::batch::{HEADER_BYTES, RECORD_BYTES_MIN};

/// The largest record batch there is, header included, whatever a topic allows.
pub const BATCH_BYTES_MAX: usize = 8 << 20;

/// What a topic allows when nothing else is set (`batch_bytes_max`): Kafka's default for
/// `max.message.bytes`, so that a producer tuned for Kafka is never refused.
pub const BATCH_BYTES_MAX_DEFAULT: usize = 1_048_588;

/// Records in one batch. A compressed batch can claim any count in a few bytes; this bounds what
/// its readers must believe.
pub const RECORDS_PER_BATCH_MAX: u32 = 1 << 19;

/// What the records of one compressed batch may inflate to. Clients fill a batch by what its
/// records have before they are compressed, so that it is some megabytes at the most.
pub const INFLATED_BYTES_MAX: usize = 64 << 20;

/// Headers of one record, as our builder writes them. Readers accept what fits in the batch.
pub const HEADERS_PER_RECORD_MAX: usize = 4_096;

/// One frame of the native protocol: the largest batch and room for the request around it.
pub const FRAME_BYTES_MAX: usize = BATCH_BYTES_MAX + (64 << 10);

/// The same, until the peer has said who it is.
pub const FRAME_BYTES_MAX_BEFORE_HELLO: usize = 4 << 10;

/// The least a peer may announce as its largest frame, so that every answer but a large batch
/// fits whatever the peer is.
pub const FRAME_BYTES_MAX_LEAST: usize = 256 << 10;

/// A topic's name: Kafka's limit, so that every topic is reachable from every face.
pub const NAME_BYTES_MAX: usize = 249;

/// A queue's name: a topic's, with room for the ending of a topic of its own, as `.dead`.
pub const QUEUE_NAME_BYTES_MAX: usize = 240;

/// A consumer group's name.
pub const GROUP_NAME_BYTES_MAX: usize = 255;

/// What names a member of a group: the id that the broker gives it, and the one that its operator
/// gives it to keep over restarts.
pub const MEMBER_ID_BYTES_MAX: usize = 512;

/// What a consumer may write beside an offset it commits; Kafka's default.
pub const OFFSET_METADATA_BYTES_MAX: usize = 4_096;

/// Offsets in one commit, and partitions of one member.
pub const OFFSETS_PER_COMMIT_MAX: usize = 10_000;

/// Memberships of one connection.
pub const MEMBERSHIPS_MAX: usize = 256;

/// Receipts in one request that settles leases.
pub const RECEIPTS_PER_SETTLE_MAX: usize = 10_000;

/// Why a record was rejected, in words.
pub const REASON_BYTES_MAX: usize = 1_024;

/// Waits in a queue's list of them; the last repeats.
pub const BACKOFF_STEPS_MAX: usize = 32;

/// The name a client gives itself in `Hello`.
pub const CLIENT_NAME_BYTES_MAX: usize = 255;

/// The broker's name, and its version, in its answer to `Hello`.
pub const SERVER_NAME_BYTES_MAX: usize = 255;

/// The words of an error reply.
pub const ERROR_MESSAGE_BYTES_MAX: usize = 1_024;

/// Partitions of one topic.
pub const PARTITIONS_MAX: u32 = 10_000;

/// Subscriptions of one connection.
pub const SUBSCRIPTIONS_MAX: usize = 1_024;

/// The longest filter over subjects that a live reader may give.
pub const FILTER_BYTES_MAX: usize = 1_024;

/// The levels of such a filter.
pub const FILTER_LEVELS_MAX: usize = 32;

/// The filters that one live reader may give.
pub const FILTERS_MAX: usize = 128;

/// One message of a client's over a WebSocket. What is larger is published by `POST`.
pub const LIVE_MESSAGE_BYTES_MAX: usize = 256 << 10;

/// Subscriptions of one WebSocket.
pub const LIVE_SUBSCRIPTIONS_MAX: usize = 128;

/// Records that a reader over a WebSocket may grant at once.
pub const LIVE_CREDIT_MAX: u64 = 1_000_000;

/// Publishes of one WebSocket that wait for their answer.
pub const LIVE_PUBLISHES_MAX: usize = 16;

/// Batches of a producer that the broker finds again in each partition: as many may be under way
/// there when a connection is lost, and none of them is stored twice.
pub const PRODUCER_BATCHES_KEPT: usize = 64;

/// A record's message id, by which what is sent twice is found.
pub const MESSAGE_ID_BYTES_MAX: usize = 256;

/// The longest that a topic remembers message ids: a week.
pub const MESSAGE_ID_WINDOW_MS_MAX: u64 = 7 * 24 * 60 * 60 * 1000;

/// The most message ids that a partition remembers. Memory: about 80 bytes each.
pub const MESSAGE_ID_WINDOW_RECORDS_MAX: u32 = 1 << 20;

/// Message ids that a partition remembers where its topic says for how long, and not how many.
pub const MESSAGE_ID_WINDOW_RECORDS_DEFAULT: u32 = 100_000;

/// Requests of one connection that wait for their answer.
pub const IN_FLIGHT_MAX: usize = 4_096;

/// One frame of the Kafka protocol: what Kafka's own broker takes (`socket.request.max.bytes`).
pub const KAFKA_FRAME_BYTES_MAX: usize = 100 << 20;

/// Elements of all arrays of one message of the Kafka protocol together: what bounds its memory,
/// which may be some hundred bytes for an element of few bytes on the wire.
pub const KAFKA_ELEMENTS_MAX: usize = 1 << 20;

const _: () = {
    assert!(HEADER_BYTES < BATCH_BYTES_MAX_DEFAULT);
    assert!(BATCH_BYTES_MAX_DEFAULT <= BATCH_BYTES_MAX);
    assert!(BATCH_BYTES_MAX < FRAME_BYTES_MAX);
    assert!(BATCH_BYTES_MAX <= INFLATED_BYTES_MAX);
    assert!(FRAME_BYTES_MAX <= KAFKA_FRAME_BYTES_MAX);
    // Lengths travel as `i32` in a batch and as `u32` around it, and fit a 32-bit `usize`.
    assert!(FRAME_BYTES_MAX <= i32::MAX as usize);
    assert!(KAFKA_FRAME_BYTES_MAX <= i32::MAX as usize);
    assert!(FRAME_BYTES_MAX_BEFORE_HELLO <= FRAME_BYTES_MAX_LEAST);
    assert!(FRAME_BYTES_MAX_LEAST <= FRAME_BYTES_MAX);
    // `Hello` fits: a client's name and room for version, features and limits.
    assert!(CLIENT_NAME_BYTES_MAX + 256 <= FRAME_BYTES_MAX_BEFORE_HELLO);
    // So does its answer, of either kind.
    assert!(2 * SERVER_NAME_BYTES_MAX + 256 <= FRAME_BYTES_MAX_BEFORE_HELLO);
    assert!(ERROR_MESSAGE_BYTES_MAX + 256 <= FRAME_BYTES_MAX_BEFORE_HELLO);
    // The most records a batch may have fit in it, their offset deltas in three bytes each.
    assert!(RECORDS_PER_BATCH_MAX < 1 << 20);
    assert!(RECORDS_PER_BATCH_MAX as usize * (RECORD_BYTES_MIN + 2) < BATCH_BYTES_MAX);
    assert!(QUEUE_NAME_BYTES_MAX + ".parked".len() <= NAME_BYTES_MAX);
    // Names travel behind one byte of length.
    assert!(NAME_BYTES_MAX <= u8::MAX as usize);
    assert!(CLIENT_NAME_BYTES_MAX <= u8::MAX as usize);
};
