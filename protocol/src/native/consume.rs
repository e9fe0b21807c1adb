//! Requests that find and read records, and what answers and follows them.
//!
//! A subscription reads one partition. Its number is the client's choice and means something on
//! its connection only. What may be sent on it is a matter of credit: see `credit`.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use super::body::Body;
use super::credit::{Amount, Grant};
use super::error_reply::ErrorReply;
use super::fault::Fault;
use crate::id::TopicId;

/// As `timestamp` of a [`FoundOffset`]: no record is there to have one.
pub const TIMESTAMP_NONE: i64 = -1;

/// Asks where in a partition a place is; answered by a [`FoundOffset`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListOffsets {
    pub topic: TopicId,
    pub partition: u32,
    pub at: OffsetAt,
}

/// A place whose offset is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetAt {
    /// The first offset that is kept.
    Earliest,
    /// The first offset not yet visible.
    Latest,
    /// The first record stamped at or after these milliseconds; the tail, if there is none.
    Time(i64),
}

impl ListOffsets {
    pub(crate) fn write(&self, out: &mut BytesMut) {
        let place = match self.at {
            OffsetAt::Earliest => Place { kind: EARLIEST, value: 0 },
            OffsetAt::Latest => Place { kind: LATEST, value: 0 },
            OffsetAt::Time(ms) => Place { kind: TIME, value: ms },
        };
        out.put_slice(self.topic.as_bytes());
        out.put_u32_le(self.partition);
        place.write(out);
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        let topic = TopicId::from_bytes(body.uuid("topic")?);
        let partition = body.u32("partition")?;
        let at = match Place::read(body)? {
            Place { kind: EARLIEST, value: 0 } => OffsetAt::Earliest,
            Place { kind: LATEST, value: 0 } => OffsetAt::Latest,
            Place { kind: TIME, value } => OffsetAt::Time(value),
            place => return Err(place.fault("at")),
        };
        Ok(Self { topic, partition, at })
    }
}

/// Where a place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundOffset {
    pub offset: u64,
    /// Of the record at `offset`, or [`TIMESTAMP_NONE`].
    pub timestamp: i64,
}

impl FoundOffset {
    pub(crate) fn write(self, out: &mut BytesMut) {
        out.put_u64_le(self.offset);
        out.put_i64_le(self.timestamp);
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        Ok(Self { offset: body.u64("offset")?, timestamp: body.i64("timestamp")? })
    }
}

/// Asks to be sent a partition's records; answered by [`Subscribed`], followed by [`Deliver`]s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscribe {
    pub subscription: u32,
    pub topic: TopicId,
    pub partition: u32,
    pub from: SubscribeFrom,
    /// What may be sent before the first [`Flow`].
    pub credit: Amount,
}

/// Where a subscription begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscribeFrom {
    /// At the first offset that is kept.
    Earliest,
    /// At the tail: only what becomes visible from now on.
    Latest,
    /// At this offset, which is neither below the partition's start nor above its tail.
    Offset(u64),
    /// At the first record stamped at or after these milliseconds; at the tail, if there is none.
    Time(i64),
}

impl Subscribe {
    pub(crate) fn write(&self, out: &mut BytesMut) {
        let place = match self.from {
            SubscribeFrom::Earliest => Place { kind: EARLIEST, value: 0 },
            SubscribeFrom::Latest => Place { kind: LATEST, value: 0 },
            SubscribeFrom::Offset(offset) => Place { kind: OFFSET, value: offset.cast_signed() },
            SubscribeFrom::Time(ms) => Place { kind: TIME, value: ms },
        };
        out.put_u32_le(self.subscription);
        out.put_slice(self.topic.as_bytes());
        out.put_u32_le(self.partition);
        place.write(out);
        self.credit.write(out);
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        let subscription = body.u32("subscription")?;
        let topic = TopicId::from_bytes(body.uuid("topic")?);
        let partition = body.u32("partition")?;
        let from = match Place::read(body)? {
            Place { kind: EARLIEST, value: 0 } => SubscribeFrom::Earliest,
            Place { kind: LATEST, value: 0 } => SubscribeFrom::Latest,
            Place { kind: OFFSET, value } => SubscribeFrom::Offset(value.cast_unsigned()),
            Place { kind: TIME, value } => SubscribeFrom::Time(value),
            place => return Err(place.fault("from")),
        };
        let credit = Amount::read(body)?;
        Ok(Self { subscription, topic, partition, from, credit })
    }
}

/// A subscription stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// The first offset that is kept.
    pub start: u64,
    /// The first offset not yet visible.
    pub tail: u64,
    /// The offset at which delivery begins.
    pub from: u64,
}

impl Subscribed {
    pub(crate) fn write(self, out: &mut BytesMut) {
        out.put_u64_le(self.start);
        out.put_u64_le(self.tail);
        out.put_u64_le(self.from);
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        Ok(Self { start: body.u64("start")?, tail: body.u64("tail")?, from: body.u64("from")? })
    }
}

/// Sets a subscription's credit; never answered, unless it asks for an echo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    pub subscription: u32,
    /// What the client is done with, and what may be sent beyond that.
    pub grant: Grant,
    /// Send what is there, then give up the credit that is left and say so.
    pub drain: bool,
    /// Answer with a [`FlowEcho`].
    pub echo: bool,
}

impl Flow {
    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_u32_le(self.subscription);
        self.grant.write(out);
        out.put_u8(u8::from(self.drain));
        out.put_u8(u8::from(self.echo));
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        Ok(Self {
            subscription: body.u32("subscription")?,
            grant: Grant::read(body)?,
            drain: body.flag("drain")?,
            echo: body.flag("echo")?,
        })
    }
}

/// How a subscription's credit stands at the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowEcho {
    pub subscription: u32,
    /// What was sent, since the subscription began.
    pub sent: Amount,
    /// What may be sent beyond `sent`.
    pub left: Amount,
    /// All that was there has been sent, and the credit that was left is given up.
    pub drained: bool,
}

impl FlowEcho {
    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_u32_le(self.subscription);
        self.sent.write(out);
        self.left.write(out);
        out.put_u8(u8::from(self.drained));
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        Ok(Self {
            subscription: body.u32("subscription")?,
            sent: Amount::read(body)?,
            left: Amount::read(body)?,
            drained: body.flag("drained")?,
        })
    }
}

/// Records of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deliver {
    pub subscription: u32,
    /// The first offset not yet visible, now: how far the reader is behind.
    pub tail: u64,
    /// Whole batches as they are stored, a view of the received bytes. The first may begin before
    /// the cursor: the client skips those records.
    pub batches: Bytes,
}

impl Deliver {
    pub(crate) fn write_head(subscription: u32, tail: u64, out: &mut BytesMut) {
        out.put_u32_le(subscription);
        out.put_u64_le(tail);
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        Ok(Self {
            subscription: body.u32("subscription")?,
            tail: body.u64("tail")?,
            batches: body.rest(),
        })
    }
}

/// Offsets that no record will ever have; the cursor goes on behind them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    pub subscription: u32,
    pub span: Range<u64>,
}

impl Gap {
    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_u32_le(self.subscription);
        out.put_u64_le(self.span.start);
        out.put_u64_le(self.span.end);
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        let subscription = body.u32("subscription")?;
        let start = body.u64("start")?;
        let end = body.u64("end")?;
        if end <= start {
            return Err(Fault::Value { field: "end", value: end });
        }
        Ok(Self { subscription, span: start..end })
    }
}

/// The broker gave up a subscription; nothing more comes of it, and its number is free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub subscription: u32,
    pub error: ErrorReply,
}

impl Ended {
    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_u32_le(self.subscription);
        self.error.write(out);
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        Ok(Self { subscription: body.u32("subscription")?, error: ErrorReply::read(body)? })
    }
}

/// A place in a partition on the wire: what kind, and eight bytes that are 0 where it has no value.
pub(super) struct Place {
    pub(super) kind: u8,
    pub(super) value: i64,
}

const EARLIEST: u8 = 0;
pub(super) const LATEST: u8 = 1;
pub(super) const OFFSET: u8 = 2;
const TIME: u8 = 3;

impl Place {
    pub(super) fn write(&self, out: &mut BytesMut) {
        out.put_u8(self.kind);
        out.put_i64_le(self.value);
    }

    pub(super) fn read(body: &mut Body) -> Result<Self, Fault> {
        Ok(Self { kind: body.u8("place")?, value: body.i64("place value")? })
    }

    pub(super) fn fault(&self, field: &'static str) -> Fault {
        Fault::Value { field, value: u64::from(self.kind) }
    }
}
