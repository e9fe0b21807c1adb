//! The logs that a thread owns, by slot, and the apply of what was committed.
//!
//! Apply does not fail on a mapped log: room was reserved before the offset was given out. It
//! decides nothing: the place, the offsets and the rolls stand in the entry.

use std::sync::Arc;

use weir_storage::log::{ApplyError, Left, Log, Upkeep};
use weir_storage::offset::Offset;

use super::append::{Append, Slot};
use super::chore::{Chore, KeeperInbox};
use super::number::Numbered;
use super::seam::{Entry, Proposal};
use super::trim::Trim;
use crate::core::wake::{AppendError, Tail, WakeList};

/// A log and those who want to hear of it.
#[derive(Debug)]
pub(crate) struct Adopted {
    pub(crate) log: Log,
    pub(crate) upkeep: Upkeep,
    pub(crate) tail: Arc<Tail>,
}

/// The logs of one thread.
#[derive(Debug)]
pub(crate) struct Logs {
    slots: Numbered<Adopted>,
    /// Slots written since the tails were last announced, some of them more than once.
    touched: Vec<Slot>,
    chores: KeeperInbox,
}

impl Logs {
    pub(crate) fn new(chores: KeeperInbox) -> Self {
        Self { slots: Numbered::default(), touched: Vec::new(), chores }
    }

    pub(crate) fn adopt(&mut self, all: Vec<(Slot, Adopted)>) {
        for (slot, adopted) in all {
            self.slots.insert(slot.0, adopted);
        }
    }

    /// Lets logs go; those of other threads are none of its own.
    pub(crate) fn release(&mut self, slots: &[Slot]) {
        slots.iter().for_each(|slot| drop(self.slots.remove(slot.0)));
    }

    /// Puts logs to rest: those of these that are this thread's, flushed, and not being written.
    pub(crate) fn rest(&mut self, slots: &[Slot]) -> Vec<(Slot, Left)> {
        let left = slots.iter().filter_map(|slot| {
            let adopted = self.slots.get_mut(slot.0)?;
            Some((*slot, adopted.log.rest()?))
        });
        left.collect()
    }

    /// Applies all of a proposal that is for logs. Those of a log that is gone are refused.
    ///
    /// # Errors
    /// Where a log's disk fails: it is written by `pwrite`, or lost a page of its map.
    pub(crate) fn apply(
        &mut self,
        proposal: &mut Proposal,
        wakes: &mut WakeList,
    ) -> Result<(), ApplyError> {
        for entry in &mut proposal.entries {
            match entry {
                Entry::Append(append) => self.append(append, wakes)?,
                Entry::Trim(trim) => self.trim(trim),
                Entry::Table { .. } => {}
            }
        }
        Ok(())
    }

    fn append(&mut self, append: &mut Append, wakes: &mut WakeList) -> Result<(), ApplyError> {
        // Only a deleted topic's log is gone, and nobody will ever read what comes late.
        let Some(adopted) = self.slots.get_mut(append.slot.0) else {
            append.refuse(AppendError::TopicGone, wakes);
            return Ok(());
        };
        adopted.log.apply(append.place, append.prefix(), &append.rest, &append.header)?;
        let begins_a_segment = append.place.position == 0;
        if begins_a_segment && append.place.segment != Offset::ZERO {
            // The one before waits to be sealed; where the keeper is busy, by a checkpoint.
            self.chores.try_ask(Chore::Seal(adopted.upkeep.clone()));
        }
        if self.touched.last() != Some(&append.slot) {
            self.touched.push(append.slot);
        }
        Ok(())
    }

    fn trim(&mut self, trim: &mut Trim) {
        let Some(adopted) = self.slots.get_mut(trim.slot.0) else {
            return trim.refuse(AppendError::TopicGone);
        };
        adopted.log.set_start(trim.start);
        if adopted.upkeep.has_deletable() {
            // Files go behind a checkpoint.
            self.chores.want_checkpoint();
        }
    }

    /// Tells the readers of all logs written since the last call.
    pub(crate) fn announce(&mut self, wakes: &mut WakeList) {
        for slot in self.touched.drain(..) {
            if let Some(adopted) = self.slots.get(slot.0) {
                adopted.tail.moved(wakes);
            }
        }
    }

    /// The upkeep of each log written since the last announcement.
    pub(crate) fn touched(&self) -> impl Iterator<Item = (Slot, &Upkeep)> {
        self.touched.iter().filter_map(|slot| {
            let adopted = self.slots.get(slot.0)?;
            Some((*slot, &adopted.upkeep))
        })
    }
}

#[cfg(test)]
mod tests {
    use weir_protocol::batch::{Builder, Header, PREFIX_BYTES};
    use weir_storage::log::Place;
    use weir_storage::offset::{Index, Offset};

    use super::*;
    use crate::core::commit::append::{APPEND_HEAD_BYTES, AckAt, Waiter, Waiters};
    use crate::core::commit::chore::keeper_inbox;
    use crate::core::commit::progress::Progress;
    use crate::core::wake::{Done, Signal, Signals};

    #[test]
    fn a_batch_that_comes_behind_its_log_is_refused_and_not_acknowledged() {
        let mut builder = Builder::new();
        builder.push(0, None, Some(b"late"), []).unwrap();
        let batch = builder.finish(None);
        let signals = Signals::default();
        let waiter =
            Waiter { signals: signals.clone(), token: 7, ack: AckAt::Applied, append_time: None };
        let append = Append {
            slot: Slot::default(),
            place: Place { segment: Offset::ZERO, position: 0 },
            header: Header::parse(&batch).unwrap(),
            head: [0; APPEND_HEAD_BYTES],
            rest: batch.slice(PREFIX_BYTES..),
            waiters: Waiters::One(waiter),
            _permit: None,
        };
        let mut proposal = Proposal {
            shard: 1,
            index: Index::new(1),
            timestamp: 0,
            entries: vec![Entry::Append(Box::new(append))],
            progress: Progress::new(Index::ZERO, Default::default()),
        };
        let mut wakes = WakeList::default();
        let mut logs = Logs::new(keeper_inbox().0);
        logs.apply(&mut proposal, &mut wakes).unwrap();
        proposal.answer(AckAt::Applied, &mut wakes);
        let mut told = Vec::new();
        signals.take(&mut told);
        let gone = Done { token: 7, outcome: Err(AppendError::TopicGone), append_time: None };
        assert_eq!(told, [Signal::Done(gone)]);
    }
}
