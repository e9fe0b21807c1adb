//! What a scout reads out of batches: which offsets have a record for this queue, and the records
//! that have a time of their own or a key to keep in order.
//!
//! ```text
//!   weir-deliver-at   Unix milliseconds or RFC 3339    not before
//!   weir-delay        milliseconds, or 90s 5m 12h 3d   not before its timestamp and this
//!   weir-ttl          milliseconds, or 90s 5m 12h 3d   not from its timestamp and this on
//!   weir-for-queue    a queue's name                   no other queue hands it out
//! ```
//!
//! A value that is none of these is as good as none: the record is handed out at once, so that
//! whoever reads it sees what is wrong with it.

use std::ops::Range;

use bytes::Bytes;
use weir_protocol::batch::{self, Header, Plain, Record, View, ViewError};
use weir_protocol::limits::INFLATED_BYTES_MAX;
use weir_protocol::name::QueueName;

use super::look::LookOut;
use super::scouted::{Scouted, Times};
use super::settings::{DELAY_MS_MAX, Order};

/// A walk from one offset on.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    queue: &'a QueueName,
    order: Order,
    ttl_ms: Option<u64>,
    found: Scouted,
}

impl<'a> Walk<'a> {
    pub(super) fn new(queue: &'a QueueName, order: &LookOut) -> Self {
        let LookOut { round, from, order, ttl_ms, .. } = *order;
        let found = Scouted { round, span: from..from, ..Scouted::default() };
        Self { queue, order, ttl_ms, found }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.span.is_empty()
    }

    pub(super) fn finish(self) -> Scouted {
        self.found
    }

    /// Offsets up to `end` have no record, as far as they were not seen yet.
    pub(super) fn hole(&mut self, end: u64) {
        let start = self.found.span.end;
        if start < end {
            match self.found.holes.last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ => self.found.holes.push(start..end),
            }
            self.found.span.end = end;
        }
    }

    /// Nothing can be read up to `end`.
    pub(super) fn damage(&mut self, end: u64) {
        let start = self.found.span.end;
        let end = end.max(start + 1);
        self.found.damaged.push(start..end);
        self.found.span.end = end;
    }

    /// Whole batches, behind what was seen; the first may begin below.
    pub(super) fn slice(&mut self, bytes: &Bytes) {
        for batch in batch::batches(bytes) {
            // What a log hands out are whole batches; a run that ends is read on from there.
            let Ok((header, batch)) = batch else { return };
            let end = header.base_offset + u64::from(header.last_offset_delta) + 1;
            self.hole(header.base_offset);
            if end <= self.found.span.end {
                continue;
            }
            if self.batch(&bytes.slice_ref(batch), &header).is_none() {
                self.found.unreadable.push(self.found.span.end..end);
                self.found.span.end = end;
            }
            // What is missing behind the last record was compacted away.
            self.hole(end);
        }
    }

    /// The records of a batch; `None` where it lies from there on.
    fn batch(&mut self, bytes: &Bytes, header: &Header) -> Option<()> {
        if header.attributes.is_control() {
            return Some(());
        }
        let plain;
        let view = match View::parse(bytes) {
            Err(ViewError::Compressed { .. }) => {
                plain = Plain::parse(bytes, INFLATED_BYTES_MAX).ok()?;
                plain.view()
            }
            view => view.ok()?,
        };
        for record in view.records() {
            let record = record.ok()?;
            if self.found.span.end <= record.offset {
                self.hole(record.offset);
                self.record(&record);
            }
        }
        Some(())
    }

    fn record(&mut self, record: &Record<'_>) {
        let offset = record.offset;
        let own = self.headers(record);
        if own.is_for_another {
            return self.hole(offset + 1);
        }
        self.found.span.end = offset + 1;
        if own.times != Times::default() {
            self.found.times.push((offset, own.times));
        }
        if let (Order::Key, Some(key)) = (self.order, record.key) {
            self.found.keys.push((offset, hash(key)));
        }
    }

    fn headers(&self, record: &Record<'_>) -> Own {
        let after = |ms: Option<u64>| {
            let ms = i64::try_from(ms?.min(DELAY_MS_MAX)).ok()?;
            Some(record.timestamp.saturating_add(ms))
        };
        let mut own = Own::default();
        own.times.expires_ms = after(self.ttl_ms);
        for (key, value) in record.headers() {
            if !key.starts_with(b"weir-") {
                continue;
            }
            let Some(value) = value.and_then(|value| std::str::from_utf8(value).ok()) else {
                continue;
            };
            match key {
                DELIVER_AT => own.times.visible_at_ms = moment_ms(value),
                DELAY => own.times.visible_at_ms = after(span_ms(value)),
                TTL => own.times.expires_ms = after(span_ms(value)).or(own.times.expires_ms),
                FOR_QUEUE => own.is_for_another = value != self.queue.as_str(),
                _ => {}
            }
        }
        own
    }
}

/// What a record's headers say.
#[derive(Debug, Default)]
struct Own {
    times: Times,
    is_for_another: bool,
}

const DELIVER_AT: &[u8] = b"weir-deliver-at";
const DELAY: &[u8] = b"weir-delay";
const TTL: &[u8] = b"weir-ttl";
const FOR_QUEUE: &[u8] = b"weir-for-queue";

/// A moment as headers say it, Unix milliseconds.
fn moment_ms(text: &str) -> Option<i64> {
    let by_number = text.parse().ok();
    by_number.or_else(|| Some(text.parse::<jiff::Timestamp>().ok()?.as_millisecond()))
}

/// A span of time as headers say it, in milliseconds.
fn span_ms(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 5] =
        [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    let unit = UNITS.iter().find_map(|(unit, ms)| Some((text.strip_suffix(unit)?, *ms)));
    let (number, ms) = unit.unwrap_or((text, 1));
    number.parse::<u64>().ok()?.checked_mul(ms)
}

/// FNV-1a with a last stir, so that keys that differ little part well.
fn hash(key: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = key.iter().fold(0xcbf2_9ce4_8422_2325, step);
    hash ^ hash >> 29
}

/// Offsets that nobody has to look at again.
pub(super) fn skipped(round: u64, span: Range<u64>) -> Scouted {
    Scouted { round, holes: vec![span.clone()], span, ..Scouted::default() }
}
