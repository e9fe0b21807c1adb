//! Records on their way to their target, and what became of them.

use bytes::Bytes;
use weir_protocol::batch::Header;
use weir_storage::offset::Offset;

use crate::core::commit::append::{AckAt, Waiter, Waiters};
use crate::core::partition::Handle;
use crate::core::partition::moves::MoveId;
use crate::core::partition::request::{Batch, Origin};
use crate::core::queue::Log;
use crate::core::wake::{Signal, Signals};

/// What became of letters.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// Those that are there, by their numbers, with their offsets.
    pub(super) there: Vec<(usize, Offset)>,
    /// Records that were deleted: there is nothing to move.
    pub(super) nothing: Vec<(Log, Offset)>,
    /// Why others could not be sent.
    pub(super) stuck: Option<String>,
}

impl Sent {
    /// Sends a batch of one record, which is heard of as `Done(number)`.
    pub(super) async fn send(
        &self,
        target: &Handle,
        batch: Bytes,
        origin: Origin,
        appended: &Signals,
        number: usize,
    ) {
        let (signals, token) = (appended.clone(), number as u64);
        let waiter = Waiter { signals, token, ack: AckAt::Applied, append_time: None };
        let batch = Batch {
            header: Header::parse(&batch).expect("the builder makes batches that parse"),
            bytes: batch,
            ids: None,
            origin: Some(Box::new(origin)),
            waiters: Waiters::One(waiter),
            permit: None,
            in_journal: false,
            taken_at: None,
        };
        target.append(batch).await;
    }

    /// The moves that are there, of these.
    pub(super) fn moved(&self, ids: &[MoveId]) -> Vec<(MoveId, Offset)> {
        self.there.iter().map(|(number, offset)| (ids[*number], *offset)).collect()
    }

    /// Waits until it is known of each what became of it.
    pub(super) async fn hear(&mut self, appended: &Signals, under_way: usize) {
        let (mut signals, mut missing) = (Vec::new(), under_way);
        while missing != 0 {
            appended.wait().await;
            appended.take(&mut signals);
            for signal in signals.drain(..) {
                let Signal::Done(done) = signal else { continue };
                let token = usize::try_from(done.token).expect("a token is a letter's place");
                missing -= 1;
                match done.outcome {
                    Ok(offset) => self.there.push((token, offset)),
                    Err(error) => self.stuck = Some(error.to_string()),
                }
            }
        }
    }
}
