//! What is kept of queues over a restart: as entries in the journal, and as a section of the
//! shard's table in a checkpoint.
//!
//! ```text
//!   QueueAck     version u8 = 1 | queue 16 | partition u32 | log u8 | what u8 |
//!     1 resolve    count u32 | runs
//!     2 attempts   count u32 | of each: offset u64 | attempt
//!     3 hwm        u64
//!     4 seek       floor u64
//!     5 gone                                   (the queue: all of its partitions)
//!     6 cut        end u64
//!     7 parked     count u32 | of each: offset u64 | parked
//!   parked       copy u64 | flags u8 (1 visible_at, 2 expires, 4 key) | visible_at i64 |
//!                expires i64 | key u64, 0 where they are not there
//!   attempt      deliveries u32 | failures u32 | visible_at i64 | first_failed i64 |
//!                last_failed i64 | reason u16 bytes and UTF-8, 0xFFFF where it is not dying
//!   in a table   version u8 = 2 | count u32 | of each track:
//!                queue 16 | partition u32 | log u8 | hwm u64 | count u32 | pending runs |
//!                count u32 | of each attempt: offset u64 | attempt |
//!                count u32 | of each that is parked: offset u64 | parked
//!                (version 1, where nothing is parked: without the last two)
//! ```
//!
//! Little-endian; runs as in `runs.rs`. Counts are checked against the bytes that are there before
//! anything is made of them.

use std::ops::Range;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use roaring::RoaringTreemap;
use weir_protocol::id::QueueId;

use super::runs;
use super::table::{Place, Table};
use super::track::{Attempt, Parked, Track};
use crate::core::partition::parking::Known;
use crate::core::queue::request::Log;

/// A change of what is kept of a queue's way through a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) place: Place,
    pub(crate) what: What,
}

/// What changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// These offsets are resolved: rising runs that do not touch.
    Resolve(Vec<Range<u64>>),
    /// So far has it come with these.
    Attempts(Vec<(u64, Attempt)>),
    /// Records below may have been handed out.
    Hwm(u64),
    /// All below is resolved, nothing from there on is.
    Seek(u64),
    /// The queue is forgotten.
    Gone,
    /// The log has nothing at or behind this.
    Cut(u64),
    /// These have copies in the queue's parked log. Beside the Append of the copy, in one frame.
    Parked(Vec<(u64, Parked)>),
}

/// Bytes of an entry in front of what it says, with a count.
pub(super) const HEAD_BYTES: usize = 1 + 16 + 4 + 1 + 1 + 4;

/// Bytes of an attempt beside its reason.
pub(super) const ATTEMPT_BYTES: usize = 8 + 4 + 4 + 8 + 8 + 8 + 2;

/// Bytes of one that is parked.
pub(super) const PARKED_BYTES: usize = 8 + 8 + 1 + 8 + 8 + 8;

/// The longest reason; what is longer is cut.
pub(crate) const REASON_BYTES_MAX: usize = 1_024;

/// Items of one entry; more become several.
pub(super) const ITEMS_MAX: usize = 1 << 10;

const VERSION: u8 = 1;
const RESOLVE: u8 = 1;
const ATTEMPTS: u8 = 2;
const HWM: u8 = 3;
const SEEK: u8 = 4;
const GONE: u8 = 5;
const CUT: u8 = 6;
const PARKED: u8 = 7;
/// Of a table in which something is parked.
const WITH_PARKED: u8 = 2;
const NOT_DYING: u16 = 0xFFFF;

impl Entry {
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.encoded_bytes());
        out.put_u8(VERSION);
        put_place(&self.place, &mut out);
        match &self.what {
            What::Resolve(runs) => {
                out.put_u8(RESOLVE);
                put_count(runs.len(), &mut out);
                runs::put(runs.iter().cloned(), &mut out);
            }
            What::Attempts(attempts) => {
                out.put_u8(ATTEMPTS);
                put_count(attempts.len(), &mut out);
                for (offset, attempt) in attempts {
                    put_attempt(*offset, attempt, &mut out);
                }
            }
            What::Hwm(hwm) => put_word(HWM, *hwm, &mut out),
            What::Seek(floor) => put_word(SEEK, *floor, &mut out),
            What::Gone => out.put_u8(GONE),
            What::Cut(end) => put_word(CUT, *end, &mut out),
            What::Parked(parked) => {
                out.put_u8(PARKED);
                put_count(parked.len(), &mut out);
                parked.iter().for_each(|(offset, parked)| put_parked(*offset, parked, &mut out));
            }
        }
        out.freeze()
    }

    /// About how long it will be.
    fn encoded_bytes(&self) -> usize {
        HEAD_BYTES
            + match &self.what {
                What::Resolve(runs) => runs.len() * 4 + RESERVED_BYTES,
                What::Attempts(attempts) => attempts.len() * ATTEMPT_BYTES,
                What::Parked(parked) => parked.len() * PARKED_BYTES,
                What::Hwm(_) | What::Seek(_) | What::Gone | What::Cut(_) => RESERVED_BYTES,
            }
    }

    /// The change that the body of an entry says; `None` for one that no version writes.
    pub(crate) fn decode(mut body: &[u8]) -> Option<Self> {
        let rest = &mut body;
        if rest.try_get_u8().ok()? != VERSION {
            return None;
        }
        let place = place(rest)?;
        let what = match rest.try_get_u8().ok()? {
            RESOLVE => {
                let count = count(rest, 2)?;
                let mut all = Vec::with_capacity(count);
                runs::take(count, rest, |run| all.push(run))?;
                What::Resolve(all)
            }
            ATTEMPTS => {
                let count = count(rest, ATTEMPT_BYTES)?;
                What::Attempts((0..count).map(|_| attempt(rest)).collect::<Option<_>>()?)
            }
            HWM => What::Hwm(rest.try_get_u64_le().ok()?),
            SEEK => What::Seek(rest.try_get_u64_le().ok()?),
            GONE => What::Gone,
            CUT => What::Cut(rest.try_get_u64_le().ok()?),
            PARKED => {
                let count = count(rest, PARKED_BYTES)?;
                What::Parked((0..count).map(|_| parked(rest)).collect::<Option<_>>()?)
            }
            _ => return None,
        };
        rest.is_empty().then_some(Self { place, what })
    }
}

/// Room for a number or a short list.
const RESERVED_BYTES: usize = 24;

impl Table {
    /// The table as a section of the shard's: nothing, where there are no queues.
    pub(crate) fn encode(&self, out: &mut BytesMut) {
        if self.tracks.is_empty() {
            return;
        }
        let has_parked = self.tracks.values().any(|track| !track.parked.is_empty());
        out.put_u8(if has_parked { WITH_PARKED } else { VERSION });
        put_count(self.tracks.len(), out);
        for (place, track) in &self.tracks {
            put_place(place, out);
            out.put_u64_le(track.hwm);
            let counted = out.len();
            out.put_u32_le(0);
            let mut count = 0_usize;
            runs::put(track.runs().inspect(|_| count += 1), out);
            let count = u32::try_from(count).expect("what is in memory is counted in 32 bits");
            out[counted..counted + 4].copy_from_slice(&count.to_le_bytes());
            put_count(track.attempts.len(), out);
            for (offset, attempt) in &track.attempts {
                put_attempt(*offset, attempt, out);
            }
            if has_parked {
                put_count(track.parked.len(), out);
                track.parked.iter().for_each(|(offset, parked)| put_parked(*offset, parked, out));
            }
        }
    }

    /// The table of a whole section; `None` where it is none that this version writes.
    pub(crate) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let rest = &mut bytes;
        let version = rest.try_get_u8().ok()?;
        if !matches!(version, VERSION | WITH_PARKED) {
            return None;
        }
        let mut table = Self::default();
        for _ in 0..count(rest, TRACK_BYTES_MIN)? {
            let place = place(rest)?;
            let mut track = track(rest)?;
            if version == WITH_PARKED {
                for _ in 0..count(rest, PARKED_BYTES)? {
                    let (offset, parked) = parked(rest)?;
                    if track.is_resolved(offset) {
                        return None;
                    }
                    track.park(offset, parked);
                }
            }
            table.tracks.insert(place, track);
        }
        rest.is_empty().then_some(table)
    }
}

const TRACK_BYTES_MIN: usize = 16 + 4 + 1 + 8 + 4 + 4;

fn track(rest: &mut &[u8]) -> Option<Track> {
    let mut track = Track { hwm: rest.try_get_u64_le().ok()?, ..Track::default() };
    let mut pending = RoaringTreemap::new();
    let (mut unresolved, mut end) = (0, 0);
    let count_of_runs = count(rest, 2)?;
    runs::take(count_of_runs, rest, |run| {
        end = run.end;
        // A run that lies would otherwise fill the memory.
        if run.end <= track.hwm {
            unresolved += pending.insert_range(run);
        }
    })?;
    if track.hwm < end {
        return None;
    }
    (track.pending, track.unresolved) = (pending, unresolved);
    for _ in 0..count(rest, ATTEMPT_BYTES)? {
        let (offset, attempt) = attempt(rest)?;
        if !track.pending.contains(offset) {
            return None;
        }
        track.keep(offset, attempt);
    }
    Some(track)
}

fn put_place(place: &Place, out: &mut BytesMut) {
    out.put_slice(place.queue.as_bytes());
    out.put_u32_le(place.partition);
    out.put_u8(place.log.code());
}

fn put_word(what: u8, word: u64, out: &mut BytesMut) {
    out.put_u8(what);
    out.put_u64_le(word);
}

fn put_count(count: usize, out: &mut BytesMut) {
    out.put_u32_le(u32::try_from(count).expect("what is in memory is counted in 32 bits"));
}

fn put_attempt(offset: u64, attempt: &Attempt, out: &mut BytesMut) {
    out.put_u64_le(offset);
    out.put_u32_le(attempt.deliveries);
    out.put_u32_le(attempt.failures);
    out.put_i64_le(attempt.visible_at_ms);
    out.put_i64_le(attempt.first_failed_ms);
    out.put_i64_le(attempt.last_failed_ms);
    match &attempt.dying {
        None => out.put_u16_le(NOT_DYING),
        Some(reason) => {
            out.put_u16_le(u16::try_from(reason.len()).expect("reasons are cut to a length"));
            out.put_slice(reason.as_bytes());
        }
    }
}

fn put_parked(offset: u64, parked: &Parked, out: &mut BytesMut) {
    let Known { visible_at_ms, expires_ms, key } = parked.known;
    let flag = |is_there, flag: u8| if is_there { flag } else { 0 };
    out.put_u64_le(offset);
    out.put_u64_le(parked.copy);
    out.put_u8(
        flag(visible_at_ms.is_some(), HAS_VISIBLE_AT)
            | flag(expires_ms.is_some(), HAS_EXPIRES)
            | flag(key.is_some(), HAS_KEY),
    );
    out.put_i64_le(visible_at_ms.unwrap_or_default());
    out.put_i64_le(expires_ms.unwrap_or_default());
    out.put_u64_le(key.unwrap_or_default());
}

const HAS_VISIBLE_AT: u8 = 1;
const HAS_EXPIRES: u8 = 2;
const HAS_KEY: u8 = 4;

fn parked(rest: &mut &[u8]) -> Option<(u64, Parked)> {
    // As with attempts.
    let offset = rest.try_get_u64_le().ok().filter(|offset| *offset < u64::MAX)?;
    let copy = rest.try_get_u64_le().ok()?;
    let flags = rest.try_get_u8().ok()?;
    if flags & !(HAS_VISIBLE_AT | HAS_EXPIRES | HAS_KEY) != 0 {
        return None;
    }
    let has = |flag| flags & flag != 0;
    let known = Known {
        visible_at_ms: Some(rest.try_get_i64_le().ok()?).filter(|_| has(HAS_VISIBLE_AT)),
        expires_ms: Some(rest.try_get_i64_le().ok()?).filter(|_| has(HAS_EXPIRES)),
        key: Some(rest.try_get_u64_le().ok()?).filter(|_| has(HAS_KEY)),
    };
    Some((offset, Parked { copy, known }))
}

fn place(rest: &mut &[u8]) -> Option<Place> {
    let (queue, after) = rest.split_first_chunk()?;
    *rest = after;
    let queue = QueueId::from_bytes(*queue);
    let partition = rest.try_get_u32_le().ok()?;
    Some(Place { queue, partition, log: Log::of(rest.try_get_u8().ok()?)? })
}

/// A count of items that the rest has room for.
fn count(rest: &mut &[u8], item_bytes_min: usize) -> Option<usize> {
    let count = usize::try_from(rest.try_get_u32_le().ok()?).ok()?;
    (count <= rest.len() / item_bytes_min).then_some(count)
}

fn attempt(rest: &mut &[u8]) -> Option<(u64, Attempt)> {
    // One is added to it, and no log comes so far.
    let offset = rest.try_get_u64_le().ok().filter(|offset| *offset < u64::MAX)?;
    let attempt = Attempt {
        deliveries: rest.try_get_u32_le().ok()?,
        failures: rest.try_get_u32_le().ok()?,
        visible_at_ms: rest.try_get_i64_le().ok()?,
        first_failed_ms: rest.try_get_i64_le().ok()?,
        last_failed_ms: rest.try_get_i64_le().ok()?,
        dying: match rest.try_get_u16_le().ok()? {
            NOT_DYING => None,
            bytes => {
                let (reason, after) = rest.split_at_checked(usize::from(bytes))?;
                *rest = after;
                Some(std::str::from_utf8(reason).ok()?.into())
            }
        },
    };
    Some((offset, attempt))
}
