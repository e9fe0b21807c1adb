//! Where partitions begin: what somebody asks for, on its way into the journal.

use super::entries::{Change, START_BYTES};
use super::state::{Asker, Shard};
use crate::core::commit::seam::Entry;
use crate::core::commit::trim::{TrimError, TrimWaiter, tell};
use crate::core::partition::admission::Path;
use crate::core::partition::request::Seat;
use crate::core::partition::trim::Before;
use crate::core::wake::AppendError;

impl Shard {
    /// Decides where a partition begins from now on.
    pub(super) fn trim(&mut self, seat: Seat, before: Before, waiter: Option<TrimWaiter>) {
        if self.is_stopped() {
            return tell(waiter, Err(AppendError::WritesStopped.into()));
        }
        let Some(partition) = self.seats.get_mut(seat) else {
            return tell(waiter, Err(AppendError::TopicGone.into()));
        };
        let end = partition.upkeep.end();
        let start = match before.start(&end, partition.next) {
            Ok(Some(start)) => start,
            Ok(None) => return tell(waiter, Ok(end.start)),
            Err(error) => return tell(waiter, Err(error)),
        };
        // From the reserve only where there is no other room: records that go make some.
        if !self.journal.promise(START_BYTES) && !self.journal.promise_from_reserve(START_BYTES) {
            return tell(waiter, Err(TrimError::JournalFull));
        }
        let (topic, number) = (partition.topic, partition.number);
        let change = Change::Start { topic, partition: number, start };
        match partition.path {
            // It goes through the journal with the batches around it, to the thread that has both.
            Path::Journal => {
                let (_, body) = change.encode();
                let trim = partition.begin_at(start, body, waiter);
                let index = self.journal.push(Entry::Trim(Box::new(trim)));
                self.changes.push_back((index, change, Asker::Nobody));
            }
            Path::Log(_) => self.change(change, Asker::Trims(waiter)),
        }
    }
}
