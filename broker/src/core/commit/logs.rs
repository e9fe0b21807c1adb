//! The logs that a thread owns, by slot, and the apply of what was committed.
//!
//! Apply does not fail on a mapped log: room was reserved before the offset was given out. It
//! decides nothing: the place, the offsets and the rolls stand in the entry.

use std::sync::Arc;

use weir_storage::log::{ApplyError, Log, Upkeep};
use weir_storage::offset::Offset;

use super::append::{Append, Slot};
use super::seam::{Entry, Proposal};
use crate::core::commit::chore::{Chore, KeeperInbox};
use crate::core::wake::{Tail, WakeList};

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
    slots: Vec<Option<Adopted>>,
    /// Slots written since the tails were last announced, some of them more than once.
    touched: Vec<Slot>,
    chores: KeeperInbox,
}

impl Logs {
    pub(crate) fn new(chores: KeeperInbox) -> Self {
        Self { slots: Vec::new(), touched: Vec::new(), chores }
    }

    pub(crate) fn adopt(&mut self, all: Vec<(Slot, Adopted)>) {
        for (slot, adopted) in all {
            let place = slot.0 as usize;
            if self.slots.len() <= place {
                self.slots.resize_with(place + 1, || None);
            }
            self.slots[place] = Some(adopted);
        }
    }

    /// Lets logs go; those of other threads are none of its own.
    pub(crate) fn release(&mut self, slots: &[Slot]) {
        for slot in slots {
            if let Some(place) = self.slots.get_mut(slot.0 as usize) {
                *place = None;
            }
        }
    }

    /// Applies all batches of a proposal.
    ///
    /// # Errors
    /// Where a log's disk fails: it is written by `pwrite`, or lost a page of its map.
    pub(crate) fn apply(&mut self, proposal: &Proposal) -> Result<(), ApplyError> {
        for entry in &proposal.entries {
            if let Entry::Append(append) = entry {
                self.append(append)?;
            }
        }
        Ok(())
    }

    fn append(&mut self, append: &Append) -> Result<(), ApplyError> {
        // A log that is gone was released behind its last entry; only a deleted topic's are.
        let Some(Some(adopted)) = self.slots.get_mut(append.slot.0 as usize) else {
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

    /// Tells the readers of all logs written since the last call.
    pub(crate) fn announce(&mut self, wakes: &mut WakeList) {
        for slot in self.touched.drain(..) {
            if let Some(Some(adopted)) = self.slots.get(slot.0 as usize) {
                adopted.tail.moved(wakes);
            }
        }
    }

    /// The upkeep of each log written since the last announcement.
    pub(crate) fn touched(&self) -> impl Iterator<Item = (Slot, &Upkeep)> {
        self.touched.iter().filter_map(|slot| {
            let adopted = self.slots.get(slot.0 as usize)?.as_ref()?;
            Some((*slot, &adopted.upkeep))
        })
    }
}
