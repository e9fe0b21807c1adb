//! One partition's log: what readers read.
//!
//! A log is a run of *segments*, files of record batches and nothing else, the last of which is
//! *active*: mapped once for its one writer and once for all readers. What is applied here was
//! committed elsewhere, so a log never truncates and its indexes never roll back. It knows
//! batches by their headers; it knows no topic, no journal, no thread and no clock.
//!
//! ```text
//!   topics/<topic>/<partition>/
//!     00000000000000000000.log  .index  .timeindex     sealed: cut to size, listed in `manifest`
//!     00000000000000004711.log                         active: grows beneath its maps
//!     prepared-2                                       the next one, while it has no name
//!     manifest                                         sealed segments, epochs
//!     active-index                                     indexes of the active one, so far
//!     untaken-1                                        batches that came while it was closed
//!
//!   Room ─ reserve ─► Place        shard: where the next batch will lie, room in hand
//!   Log  ─ apply ───► tail         owner thread: copies, indexes, publishes; cannot wait
//!   Reader ─ read ──► Slice        any thread: bytes that own the mapping; far from the tail,
//!                                  behind a thread that brings them in
//!   Upkeep ─ grow, seal, flush, delete      helper threads: everything that touches the disk
//! ```
//!
//! A log that nobody writes *rests*: it holds no descriptor and no map until it is touched.
//!
//! Invariant: `flushed ≤ tail ≤ proposed` and `start ≤ tail`, in offsets. Bytes below the active
//! segment's watermark, and sealed ones, never change. `docs/format.md` has the bytes.

#[allow(clippy::module_inception, reason = "the log's file is about `Log`")]
mod log;
mod open;
mod opening;
mod reader;
mod room;
mod upkeep;
mod written;

pub(crate) mod audit;

mod errors;
mod open_maps;
mod options;
mod page_budget;
mod parents;

mod active_index;
mod ahead;
mod alarm;
mod epochs;
mod extent;
mod file_name;
mod ground;
mod indexes;
mod inventory;
mod last_segment;
mod live;
mod manifest;
mod offset_index;
mod published;
mod quarantine;
mod readable;
mod sealed;
mod segments;
mod shared;
mod time_index;
mod times;
mod trust;
mod untaken;
mod vetting;
mod walk;
mod warm;
mod whole_file;
mod writer;

#[cfg(test)]
mod tests;

pub use alarm::Alarm;
pub use audit::end_above;
pub use epochs::EpochStart;
pub use errors::{ApplyError, FlushError, GrowError, NoRoom, OpenError, ReadError, ReplayError};
pub use extent::{Extent, Extents};
pub use log::Log;
pub use open::Opened;
pub use open_maps::OpenMaps;
pub use options::{Options, WriterKind};
pub use page_budget::PageBudget;
pub use parents::Parents;
pub use published::End;
pub use quarantine::Quarantined;
pub use reader::{Cursor, FirstBatch, Read, ReadLimits, Reader, Slice};
pub use room::{Place, Room};
pub use upkeep::{Deleted, Left, Scrub, Scrubbed, Upkeep};
pub use walk::Flaw;
pub use warm::{BroughtIn, Warm};
