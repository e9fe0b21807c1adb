//! A connection's subscriptions: each with its credit, those that have more in a queue.
//!
//! ```text
//!   waiting ── the tail moved, credit came, ──► ready ── a slice was sent ──► ready, at the end
//!      ▲       it was brought into memory         └── at the tail, no credit, not in memory ──┐
//!      └──────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Invariant: a subscription that could send stands in `ready`, once. Nothing is sent without
//! credit.

use std::collections::{BTreeMap, VecDeque};

use weir_protocol::code::Code;
use weir_protocol::native::{
    Amount, Ended, ErrorReply, Flow, FlowEcho, Gap, Response, SenderCredit,
};

use super::outbox::Outbox;
use crate::session::{FirstBatch, ReadLimits, Refusal, Step, Subscription};

/// Bytes sent of one subscription before the next has its turn; a larger batch goes whole.
const TURN_BYTES: u64 = 128 << 10;

/// Who was sent so much without reaching its tail replays: no reader at a tail, and no small catch
/// up, which moving to other threads would cost more than it takes.
const REPLAY_BYTES: u64 = 2 << 20;

/// The subscriptions.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    all: BTreeMap<u32, Delivery>,
    ready: VecDeque<u32>,
    /// How many replay.
    replays: usize,
    /// How many there were, so that no two have the same token.
    begun: u32,
    /// Bytes of batches for which the client's largest frame has room.
    frame_bytes_max: u64,
}

/// One subscription's delivery.
#[derive(Debug)]
struct Delivery {
    subscription: Subscription,
    /// What it is signalled by. A number may be used again while a signal for its last use is on
    /// the way.
    token: u64,
    credit: SenderCredit,
    drains: bool,
    is_ready: bool,
    /// Bytes it was sent since it was at its tail.
    behind_bytes: u64,
}

/// What a turn came to.
enum Turn {
    /// There may be more to send.
    More,
    /// Nothing until a signal or credit comes.
    Wait,
}

impl Subscriptions {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn contains(&self, number: u32) -> bool {
        self.all.contains_key(&number)
    }

    /// The client takes so many bytes of batches in a frame.
    pub(super) fn takes(&mut self, frame_bytes_max: u64) {
        self.frame_bytes_max = frame_bytes_max;
    }

    /// The token of the subscription that is inserted next.
    pub(super) fn next_token(&self, number: u32) -> u64 {
        u64::from(self.begun & (u32::MAX >> 1)) << 32 | u64::from(number)
    }

    pub(super) fn insert(&mut self, number: u32, subscription: Subscription, credit: Amount) {
        let (token, credit) = (self.next_token(number), SenderCredit::new(credit));
        self.begun = self.begun.wrapping_add(1);
        let delivery = Delivery {
            subscription,
            token,
            credit,
            drains: false,
            is_ready: false,
            behind_bytes: 0,
        };
        self.all.insert(number, delivery);
        self.wake(number);
    }

    /// Ends a subscription; false where there was none.
    pub(super) fn remove(&mut self, number: u32) -> bool {
        self.ready.retain(|ready| *ready != number);
        let removed = self.all.remove(&number);
        self.replays -= usize::from(removed.as_ref().is_some_and(Delivery::replays));
        removed.is_some()
    }

    /// A subscription's tail moved, or what it reads was brought in.
    pub(super) fn signalled(&mut self, token: u64) {
        let number = u32::try_from(token & u64::from(u32::MAX)).expect("32 bits were kept");
        if let Some(delivery) = self.all.get_mut(&number)
            && delivery.token == token
        {
            delivery.subscription.signalled();
            self.wake(number);
        }
    }

    /// Sets a subscription's credit. One for a subscription that ended meanwhile is too late, and
    /// nothing to complain about.
    pub(super) fn flow(&mut self, flow: &Flow, outbox: &mut Outbox) {
        let number = flow.subscription;
        let Some(delivery) = self.all.get_mut(&number) else { return };
        if let Err(error) = delivery.credit.grant(flow.grant) {
            let error = ErrorReply::new(Code::CreditOverflow, error.to_string());
            return self.end(number, error, outbox);
        }
        delivery.drains |= flow.drain;
        if flow.echo {
            outbox.push(0, &Response::Flow(delivery.echo(number, false)));
        }
        self.wake(number);
    }

    /// Sends of those that are ready, in turns, until `window_bytes` wait in the outbox.
    pub(super) fn deliver(&mut self, outbox: &mut Outbox, window_bytes: usize) {
        while outbox.len() < window_bytes {
            let Some(number) = self.ready.pop_front() else { return };
            let Some(delivery) = self.all.get_mut(&number) else { continue };
            delivery.is_ready = false;
            let replayed = delivery.replays();
            let turn = delivery.turn(number, self.frame_bytes_max, outbox);
            self.replays += usize::from(delivery.replays());
            self.replays -= usize::from(replayed);
            match turn {
                Ok(Turn::More) => self.wake(number),
                Ok(Turn::Wait) => {}
                Err(Refusal { code, message }) => {
                    self.end(number, ErrorReply::new(code, message), outbox);
                }
            }
        }
    }

    /// Whether one of them is far from its tail, and sent much.
    pub(super) fn replays(&self) -> bool {
        self.replays != 0
    }

    /// Ends all of them, for one reason.
    pub(super) fn end_all(&mut self, error: &ErrorReply, outbox: &mut Outbox) {
        while let Some((&number, _)) = self.all.first_key_value() {
            self.end(number, error.clone(), outbox);
        }
    }

    fn wake(&mut self, number: u32) {
        if let Some(delivery) = self.all.get_mut(&number)
            && !delivery.is_ready
        {
            delivery.is_ready = true;
            self.ready.push_back(number);
        }
    }

    fn end(&mut self, number: u32, error: ErrorReply, outbox: &mut Outbox) {
        self.remove(number);
        outbox.push(0, &Response::Ended(Ended { subscription: number, error }));
    }
}

impl Delivery {
    fn replays(&self) -> bool {
        REPLAY_BYTES <= self.behind_bytes
    }

    /// Sends one slice, if there is one and credit for it.
    fn turn(
        &mut self,
        number: u32,
        frame_bytes_max: u64,
        outbox: &mut Outbox,
    ) -> Result<Turn, Refusal> {
        match self.next(frame_bytes_max)? {
            Some(Step::Slice(slice)) => {
                let bytes = slice.bytes.len() as u64;
                if frame_bytes_max < bytes {
                    return Err(too_large(bytes, frame_bytes_max));
                }
                self.credit.spend(Amount { messages: slice.messages, bytes });
                self.behind_bytes += bytes;
                outbox.deliver(number, self.subscription.tail().get(), slice.bytes);
                Ok(Turn::More)
            }
            Some(Step::Gap(span)) => {
                let span = span.start.get()..span.end.get();
                outbox.push(0, &Response::Gap(Gap { subscription: number, span }));
                Ok(Turn::More)
            }
            Some(Step::UnderWay) => Ok(Turn::Wait),
            step @ (Some(Step::AtTail | Step::NoRoom) | None) => {
                if matches!(step, Some(Step::AtTail)) {
                    self.behind_bytes = 0;
                }
                if std::mem::take(&mut self.drains) {
                    self.credit.give_up();
                    outbox.push(0, &Response::Flow(self.echo(number, true)));
                }
                Ok(Turn::Wait)
            }
        }
    }

    /// What comes next within the credit; `None` without any.
    fn next(&mut self, frame_bytes_max: u64) -> Result<Option<Step>, Refusal> {
        let left = self.credit.left();
        if left.messages == 0 || left.bytes == 0 {
            return Ok(None);
        }
        let limits = |bytes_max: u64| ReadLimits {
            bytes_max: bytes_max.min(frame_bytes_max),
            messages_max: left.messages,
            first: FirstBatch::IfItFits,
        };
        for limits in [limits(left.bytes.min(TURN_BYTES)), limits(left.bytes)] {
            match self.subscription.next(&limits)? {
                Step::NoRoom => {}
                step => return Ok(Some(step)),
            }
        }
        if !self.credit.is_settled() {
            return Ok(None);
        }
        // Nothing is under way: one batch may go that is larger than the credit.
        let alone = ReadLimits { bytes_max: 0, messages_max: 0, first: FirstBatch::Always };
        Ok(Some(self.subscription.next(&alone)?))
    }

    fn echo(&self, subscription: u32, drained: bool) -> FlowEcho {
        let (sent, left) = (self.credit.sent(), self.credit.left());
        FlowEcho { subscription, sent, left, drained }
    }
}

fn too_large(bytes: u64, frame_bytes_max: u64) -> Refusal {
    let why = format!(
        "the next batch has {bytes} bytes, this client takes {frame_bytes_max} in a frame: \
         subscribe with a larger frame_bytes_max"
    );
    Refusal::new(Code::BatchTooLarge, why)
}
