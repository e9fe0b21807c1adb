//! What reader threads brought in for one feed, and the order for more.
//!
//! ```text
//!   now: read from      next: waits its turn      order: under way
//!   ├──── half read: what lies behind `next` or `now` is ordered ────►
//! ```
//!
//! A feed that meets what is not in memory orders a small piece first and larger ones while it
//! goes on, so that who reads ten records costs the disk little and a replay never waits for it.
//! A feed at the tail has nothing here, and pays nothing for it.
//!
//! Invariant: one order at most is under way, and each signals its feed once.

use std::sync::Arc;

use weir_storage::log::{BroughtIn, Cursor, ReadError, Reader, Warm};
use weir_storage::offset::Offset;

use super::cold::{ColdReads, Order};
use crate::core::wake::Signals;

/// One feed's pieces.
#[derive(Debug)]
pub(super) struct Ahead {
    cold_reads: ColdReads,
    now: Option<Warm>,
    next: Option<Warm>,
    order: Option<Arc<Order>>,
    /// Why there is no piece from this offset on.
    without: Option<(Offset, Result<BroughtIn, ReadError>)>,
    /// How large the next piece is to be.
    bytes: u64,
}

impl Ahead {
    pub(super) fn new(cold_reads: ColdReads) -> Self {
        let bytes = PIECE_BYTES_MIN;
        Self { cold_reads, now: None, next: None, order: None, without: None, bytes }
    }

    /// The piece that holds what is read at the cursor, if one does.
    pub(super) fn piece(&mut self, cursor: &Cursor) -> Option<&Warm> {
        while self.now.as_ref().is_some_and(|now| !now.holds(cursor)) {
            self.now = self.next.take();
        }
        self.now.as_ref()
    }

    /// What a thread found instead of a piece at this offset, once.
    pub(super) fn without(&mut self, offset: Offset) -> Option<Result<BroughtIn, ReadError>> {
        let (at, found) = self.without.take()?;
        (at == offset).then_some(found)
    }

    /// A signal came: true where an order is done, of which it may be.
    pub(super) fn arrived(&mut self) -> bool {
        let Some((offset, outcome)) =
            self.order.as_ref().and_then(|o| Some((o.offset(), o.take()?)))
        else {
            return false;
        };
        self.order = None;
        match outcome {
            Ok(BroughtIn::Warm(piece)) if self.now.is_none() => self.now = Some(piece),
            Ok(BroughtIn::Warm(piece)) => self.next = Some(piece),
            without => self.without = Some((offset, without)),
        }
        true
    }

    /// Orders what is at the cursor, unless something is under way.
    pub(super) fn order(&mut self, reader: &Reader, at: Cursor, signals: &Signals, token: u64) {
        if self.order.is_none() {
            self.order = Some(self.cold_reads.order(reader, at, self.bytes, signals, token));
            self.bytes = PIECE_BYTES_MAX.min(self.bytes * 2);
        }
    }

    /// Orders what lies behind a piece that is half read.
    pub(super) fn read_on(
        &mut self,
        reader: &Reader,
        cursor: &Cursor,
        signals: &Signals,
        token: u64,
    ) {
        if let Some(now) = &self.now
            && self.next.is_none()
            && self.without.is_none()
            && now.is_half_read(cursor)
        {
            let behind = now.behind();
            if behind.offset() < reader.tail() {
                self.order(reader, behind, signals, token);
            }
        }
    }
}

/// A first piece: as much as a subscription is sent in a turn.
const PIECE_BYTES_MIN: u64 = 256 << 10;

/// A piece of a replay: a few milliseconds of a disk, so that its thread soon serves another.
const PIECE_BYTES_MAX: u64 = 2 << 20;
