//! The journal: what makes everything durable, in one sequence of frames and one sync.
//!
//! Knows shards by number and entries by kind; what they mean is their owners'. Starts no thread:
//! one owns [`Journal`] and commits, one owns [`Maker`] and keeps segments ready; [`Room`] is asked
//! from anywhere.
//!
//! ```text
//!   journal/00000000000000000001.journal     a segment: header page, frames
//!           00000000000000000002.journal
//!
//!   JournalPos   0 ........ 64 MiB ........ 128 MiB          counted over all segments ever
//!                ├ frames ──┤├ frames ──┤├ frames ─ end
//!                  sealed      sealed       active    ready, ready
//! ```
//!
//! Invariants: a frame is all there or not there; its place is part of its checksum; what a sync
//! returned for survives a power cut, and what does not is never taken for damage, nor damage for
//! it; room that was promised is there.

mod anew;
pub(crate) mod audit;
pub mod checkpoint;
mod code;
mod frame;
mod inventory;
mod maker;
mod options;
mod reader;
mod recovery;
mod replay;
mod room;
mod scan;
mod segment;
mod staged;
mod verify;
mod writer;
mod zeroing;

pub use anew::{Anew, headless, remove_given_up};
pub use code::{DamageCode, NoCode};
pub use frame::{EntryRef, FRAME_BYTES_MAX, FrameHead, Kind, frame_bytes};
pub use maker::{MakeError, Maker, MakerStep};
pub use options::{OnTornTail, Options, ReadPath};
pub use recovery::{OpenError, Opened, Recovery, Torn, Verified, Vouched, examine, open};
pub use replay::{ReadError, Replay, Replayed};
pub use room::Room;
pub use scan::{Layout, Scan, Scanned};
pub use verify::Damage;
pub use writer::{Journal, SyncError, WriteError};

#[cfg(test)]
mod tests;
