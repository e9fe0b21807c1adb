//! The arithmetic of credit: how much may be sent, and when to grant more.
//!
//! Both ends count what they sent, received and are done with since the subscription (or, for a
//! producer, the connection) began: messages by the record counts of batch headers, bytes by the
//! batches' bytes. Nothing here knows a frame, a socket or a clock.
//!
//! ```text
//!   SenderCredit       seen ........ sent ........ limit = seen + credit
//!                        '-in flight-'-may be sent-'
//!   ReceiverCredit     announced .. seen .. arrived ...... granted
//!                        '-window------------------------'
//! ```
//!
//! A grant is *set*, never added: the same grant twice is one grant, and a lower one takes credit
//! back. A batch that no credit could hold goes alone, when nothing is in flight.
//!
//! Invariants: in each dimension `seen ≤ sent`, and `sent ≤ limit` unless a batch went alone or
//! credit was taken back; at the receiver `announced ≤ seen ≤ arrived`. A sender with credit and a
//! receiver that is done with all it got never both wait.
//!
//! For a subscription the broker holds the sender and the client the receiver; for a producer's
//! connection it is the other way round.

use bytes::{BufMut, BytesMut};
use thiserror::Error;

use super::body::Body;
use super::fault::Fault;

/// As one dimension of a credit: as much as anybody will ever send.
///
/// It leaves room for `seen + credit`, which must fit in a `u64`.
pub const CREDIT_UNBOUNDED: u64 = 1 << 62;

/// Messages and bytes, counted side by side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Amount {
    pub messages: u64,
    pub bytes: u64,
}

impl Amount {
    pub const ZERO: Self = Self { messages: 0, bytes: 0 };

    /// Bytes whose messages nobody counts: what a producer sends.
    pub const fn of_bytes(bytes: u64) -> Self {
        Self { messages: 0, bytes }
    }

    /// Room for so many bytes in any number of messages: what a producer is granted.
    pub const fn room_for_bytes(bytes: u64) -> Self {
        Self { messages: CREDIT_UNBOUNDED, bytes }
    }

    /// Holds if neither dimension is greater than `other`'s.
    pub fn fits(self, other: Self) -> bool {
        self.messages <= other.messages && self.bytes <= other.bytes
    }

    pub fn checked_add(self, other: Self) -> Option<Self> {
        Some(Self {
            messages: self.messages.checked_add(other.messages)?,
            bytes: self.bytes.checked_add(other.bytes)?,
        })
    }

    /// What is left of each dimension, 0 where `other`'s is greater.
    pub fn saturating_sub(self, other: Self) -> Self {
        Self {
            messages: self.messages.saturating_sub(other.messages),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }

    fn max(self, other: Self) -> Self {
        Self { messages: self.messages.max(other.messages), bytes: self.bytes.max(other.bytes) }
    }

    /// Holds if both dimensions have something.
    fn is_positive(self) -> bool {
        self.messages != 0 && self.bytes != 0
    }

    pub(crate) fn write(self, out: &mut BytesMut) {
        out.put_u64_le(self.messages);
        out.put_u64_le(self.bytes);
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        Ok(Self { messages: body.u64("messages")?, bytes: body.u64("bytes")? })
    }
}

/// Why a grant cannot be taken; the code is `CREDIT_OVERFLOW`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GrantError {
    #[error("a grant saw {seen:?}, more than the {sent:?} that were sent; count what has come")]
    SeenBeyondSent { seen: Amount, sent: Amount },
    #[error("a grant of {credit:?} beyond {seen:?} is too large to count; grant at most 2^62")]
    LimitOverflow { seen: Amount, credit: Amount },
}

/// The sender's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderCredit {
    seen: Amount,
    sent: Amount,
    limit: Amount,
}

impl SenderCredit {
    /// Nothing is sent yet and `credit` may be.
    pub fn new(credit: Amount) -> Self {
        Self { seen: Amount::ZERO, sent: Amount::ZERO, limit: credit }
    }

    /// Whether `next`, which is sent whole or not at all, may be sent now.
    pub fn allows(&self, next: Amount) -> bool {
        let Some(sent) = self.sent.checked_add(next) else { return false };
        sent.fits(self.limit) || (self.is_settled() && self.left().is_positive())
    }

    /// Counts `next` as sent.
    ///
    /// # Panics
    /// It was not allowed.
    pub fn spend(&mut self, next: Amount) {
        assert!(self.allows(next), "{next:?} was sent without credit: {self:?}");
        self.sent = self.sent.checked_add(next).expect("what is allowed does not overflow");
    }

    /// Counts `next` as sent, which an earlier grant allowed: it was on its way when its credit was
    /// taken back.
    pub fn spend_promised(&mut self, next: Amount) {
        self.sent = self.sent.checked_add(next).expect("what was allowed does not overflow");
    }

    /// Takes a grant. One that saw less than an earlier one is late, and changes nothing.
    ///
    /// # Errors
    /// The grant cannot be meant; the subscription or connection it belongs to ends.
    pub fn grant(&mut self, grant: Grant) -> Result<(), GrantError> {
        let Grant { seen, credit } = grant;
        if !seen.fits(self.sent) {
            return Err(GrantError::SeenBeyondSent { seen, sent: self.sent });
        }
        let limit = seen.checked_add(credit).ok_or(GrantError::LimitOverflow { seen, credit })?;
        if self.seen.fits(seen) {
            self.seen = seen;
            self.limit = limit;
        }
        Ok(())
    }

    /// Gives up what is left, until the next grant: the end of a drain.
    pub fn give_up(&mut self) {
        self.limit = self.sent;
    }

    /// Whether the receiver is done with all that was sent: the moment at which one batch may go
    /// that is larger than the credit.
    pub fn is_settled(&self) -> bool {
        self.sent == self.seen
    }

    /// All that was sent.
    pub fn sent(&self) -> Amount {
        self.sent
    }

    /// What fits in the credit now.
    pub fn left(&self) -> Amount {
        self.limit.saturating_sub(self.sent)
    }
}

/// What a receiver tells: it is done with `seen`, and takes `credit` beyond it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    pub seen: Amount,
    pub credit: Amount,
}

impl Grant {
    pub(crate) fn write(self, out: &mut BytesMut) {
        self.seen.write(out);
        self.credit.write(out);
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        Ok(Self { seen: Amount::read(body)?, credit: Amount::read(body)? })
    }
}

/// More came than was ever granted; the code is `CREDIT_EXCEEDED`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{amount:?} came on top of {arrived:?}, beyond the {granted:?} ever granted")]
pub struct CreditExceeded {
    pub amount: Amount,
    pub arrived: Amount,
    pub granted: Amount,
}

/// The receiver's end.
///
/// It grants a fixed window, so what has come and is not done with is at most the window, or one
/// batch if that is larger. A grant is due when half the window is used up since the last one; and
/// already when everything is done with, if what is left might not hold the largest batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiverCredit {
    window: Amount,
    largest: Amount,
    announced: Grant,
    seen: Amount,
    arrived: Amount,
    granted: Amount,
}

impl ReceiverCredit {
    /// The sender begins with `window`. `largest` is the largest batch there can be.
    pub fn new(window: Amount, largest: Amount) -> Self {
        Self {
            window,
            largest,
            announced: Grant { seen: Amount::ZERO, credit: window },
            seen: Amount::ZERO,
            arrived: Amount::ZERO,
            granted: window,
        }
    }

    /// Counts a batch, or several, that came.
    ///
    /// # Errors
    /// No grant allowed it. Nothing is counted; the connection is of no more use.
    pub fn arrive(&mut self, amount: Amount) -> Result<(), CreditExceeded> {
        let Self { arrived, granted, .. } = *self;
        let alone = self.announced.seen == arrived && granted.saturating_sub(arrived).is_positive();
        match arrived.checked_add(amount) {
            Some(arrived) if arrived.fits(granted) || alone => {
                self.arrived = arrived;
                Ok(())
            }
            _ => Err(CreditExceeded { amount, arrived, granted }),
        }
    }

    /// Counts what this side is done with.
    ///
    /// # Panics
    /// It never arrived.
    pub fn done(&mut self, amount: Amount) {
        let seen = self.seen.checked_add(amount).filter(|seen| seen.fits(self.arrived));
        self.seen = seen.expect("this side is done only with what arrived");
    }

    /// Grants another window from here on; [`Amount::ZERO`] takes all credit back.
    pub fn resize(&mut self, window: Amount) {
        self.window = window;
    }

    /// Whether to [`announce`](Self::announce) now.
    pub fn is_due(&self) -> bool {
        let used = self.seen.saturating_sub(self.announced.seen);
        let half = |used: u64, window: u64| used != 0 && window / 2 <= used;
        if self.window != self.announced.credit
            || half(used.messages, self.window.messages)
            || half(used.bytes, self.window.bytes)
        {
            return true;
        }
        let left = self.window.saturating_sub(used);
        used != Amount::ZERO && self.seen == self.arrived && !self.largest.fits(left)
    }

    /// The grant to send now.
    pub fn announce(&mut self) -> Grant {
        let grant = Grant { seen: self.seen, credit: self.window };
        let limit = self.seen.checked_add(self.window);
        let limit = limit.expect("a window is at most CREDIT_UNBOUNDED, and so is what is seen");
        self.granted = self.granted.max(limit);
        self.announced = grant;
        grant
    }
}
