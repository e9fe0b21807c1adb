//! Room for batches that are not committed yet, promised by the partition's shard.
//!
//! The shard runs ahead of the log: it decides where a batch will lie before anyone knows whether
//! it will be committed, and promises only what is allocated, so that applying it cannot fail. It
//! decides rolls too, so that the same entries make the same segments wherever they are applied.
//! Touches no disk and, but for a roll, takes no lock.

use std::sync::Arc;

use weir_protocol::limits::RECORDS_PER_BATCH_MAX;

use super::ahead::Current;
use super::errors::NoRoom;
use super::ground::Allocated;
use super::options::prepares_next_at;
use super::shared::Shared;
use crate::offset::Offset;

/// Where a batch lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The base offset, hence the name, of its segment.
    pub segment: Offset,
    /// The first of its bytes in there.
    pub position: u64,
}

/// The right to promise places in a log. There is one.
#[derive(Debug)]
pub struct Room {
    shared: Arc<Shared>,
    /// `None` until the first promise, as a log that is being replayed moves by itself; and from
    /// when it was found at rest until it is awake.
    front: Option<Front>,
}

/// Where the next batch would lie.
#[derive(Debug)]
struct Front {
    segment: Offset,
    position: u64,
    allocated: Allocated,
    /// How much the segment can take: it was begun with the measures of then.
    bytes_max: u64,
    /// How often the log had rested when this was found.
    rests: u32,
}

impl Room {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, front: None }
    }

    /// Promises a place to a batch of `bytes` whose first offset is `offset`. A promised place
    /// must be filled, in the order of the promises.
    ///
    /// # Errors
    /// [`NoRoom::Growing`]: grow the log by these bytes, then ask again. The others refuse the
    /// batch; `Full` and `Failing` for as long as growing fails.
    pub fn reserve(&mut self, offset: Offset, bytes: u64) -> Result<Place, NoRoom> {
        if self.shared.why_closed().is_some() {
            return Err(NoRoom::Closed);
        }
        let segment_bytes = self.shared.segment_bytes();
        if segment_bytes < bytes {
            return Err(NoRoom::TooLarge { bytes, segment_bytes });
        }
        self.find_front();
        let ahead = &self.shared.ahead;
        if self.front.is_none() && ahead.is_resting() {
            return Err(ahead.no_room());
        }
        match &mut self.front {
            Some(front) if front.takes(offset, bytes, segment_bytes) => {
                let (position, end) = (front.position, front.position + bytes);
                if front.allocated.bytes() < end {
                    return Err(ahead.no_room());
                }
                if !ahead.promise(front.rests, position, end) {
                    return Err(NoRoom::Growing);
                }
                front.position = end;
                Ok(Place { segment: front.segment, position })
            }
            _ => {
                let claimed = ahead.claim(offset, bytes)?;
                self.front = Some(Front::over(claimed));
                Ok(Place { segment: offset, position: 0 })
            }
        }
    }

    /// Promises nothing more in the segment that the log ends in: the next batch begins another.
    /// The owner's counterpart is [`Log::set_start`](super::Log::set_start) at the tail.
    pub fn leave(&mut self) {
        self.find_front();
        if let Some(front) = self.front.take() {
            self.shared.ahead.leave(front.segment);
        }
        // It may rest, and that since a moment ago.
        self.shared.ahead.leave_at_rest();
    }

    /// Whether a helper should grow the log now, before room runs out. A log that never had a
    /// batch wants nothing.
    pub fn wants_growth(&self) -> bool {
        let Some(front) = &self.front else { return false };
        let ahead = &self.shared.ahead;
        let limit = front.limit(self.shared.segment_bytes());
        let allocated = front.allocated.bytes();
        let is_low = allocated < limit && allocated - front.position < ahead.low_mark();
        is_low || (prepares_next_at(limit) <= front.position && !ahead.has_prepared())
    }

    fn find_front(&mut self) {
        let ahead = &self.shared.ahead;
        // Behind a rest the same bytes have another ground.
        self.front.take_if(|front| front.rests != ahead.rests());
        if self.front.is_none() {
            self.front = ahead.current().map(Front::over);
        }
    }
}

impl Front {
    fn over(current: Current) -> Self {
        let Current { base, ground, proposed, rests } = current;
        Self {
            segment: base,
            position: proposed,
            allocated: ground.allocation(),
            bytes_max: ground.bytes_max,
            rests,
        }
    }

    /// How long the segment gets.
    fn limit(&self, segment_bytes: u64) -> u64 {
        self.bytes_max.min(segment_bytes)
    }

    /// Whether such a batch belongs to this segment, or begins the next.
    fn takes(&self, offset: Offset, bytes: u64, segment_bytes: u64) -> bool {
        let fits = self.position + bytes <= self.limit(segment_bytes);
        fits && offset.since(self.segment) < OFFSETS_PER_SEGMENT_MAX
    }
}

/// Indexes hold offsets as `i32`, and a batch has at most so many records.
const OFFSETS_PER_SEGMENT_MAX: u64 = i32::MAX as u64 - RECORDS_PER_BATCH_MAX as u64;
