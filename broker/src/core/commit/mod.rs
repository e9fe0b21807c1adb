//! The seam between those who order entries and those who make them durable:
//! `propose(entries) → committed(index)`.
//!
//! ```text
//!   shard ── Proposal ──► commit thread:  stage → write → sync → apply → answer    (`synced`)
//!         └─ Proposal ──► log thread:                       apply → answer         (`written`)
//! ```
//!
//! One proposal is one frame of the journal and one index of its shard. On a single node an entry
//! is committed when the journal is synced; a replicated broker will put its consensus behind the
//! same seam. Marks, in this order always, per shard as indexes and per partition as offsets:
//! `flushed ≤ applied ≤ committed ≤ journaled ≤ proposed`.

pub(crate) mod append;
pub(crate) mod checkpoint;
pub(crate) mod chore;
pub(crate) mod deletion;
pub(crate) mod full_logs;
pub(crate) mod giving_up;
pub(crate) mod group_commit;
pub(crate) mod halt;
pub(crate) mod log_thread;
pub(crate) mod logs;
pub(crate) mod loss;
pub(crate) mod number;
pub(crate) mod permit;
pub(crate) mod progress;
pub(crate) mod replay;
pub(crate) mod room_bell;
pub(crate) mod scrub;
pub(crate) mod seam;
pub(crate) mod space;
pub(crate) mod trim;
pub(crate) mod watch;
pub(crate) mod watermark;
