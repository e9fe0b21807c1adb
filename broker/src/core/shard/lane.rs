//! A shard's way to one thread behind the seam: entries in, proposals out, a few at a time.
//!
//! While the thread is busy with [`OUTSTANDING_MAX`] proposals, what the shard decides gathers in
//! frames here; the busier the thread the larger the frames.
//!
//! Invariant: `applied ≤ sent < next`, and at most [`OUTSTANDING_MAX`] lie between the first two.
//! Frames leave in the order they were opened, so the index of each is known when it is opened.

use std::collections::VecDeque;
use std::iter::{empty, once};
use std::sync::Arc;

use tokio::sync::Notify;
use weir_storage::journal::{Room, frame_bytes};
use weir_storage::offset::{Index, Offset};

use super::echoes::Echoes;
use crate::core::commit::append::Waiters;
use crate::core::commit::permit::Permit;
use crate::core::commit::progress::Progress;
use crate::core::commit::seam::{self, Entry, OUTSTANDING_MAX, Proposal, WorkSender};
use crate::core::wake::{AppendError, WakeList};

/// Bytes of entries in a frame; one larger entry has a frame of its own.
const FRAME_BYTES_MAX: usize = 1 << 20;

/// Entries in a frame.
const FRAME_ENTRIES_MAX: usize = 1024;

/// The lane.
#[derive(Debug)]
pub(crate) struct Lane {
    shard: u16,
    inbox: WorkSender,
    /// Where its frames are promised room; `None` where they do not pass the journal.
    room: Option<Room>,
    progress: Progress,
    /// The last index handed over.
    sent: Index,
    frames: VecDeque<Frame>,
    echoes: Echoes,
}

#[derive(Debug, Default)]
struct Frame {
    entries: Vec<Entry>,
    bytes: usize,
}

impl Lane {
    /// A lane whose entries up to `applied` were applied before this start.
    pub(crate) fn new(
        shard: u16,
        inbox: WorkSender,
        room: Option<Room>,
        applied: Index,
        bell: &Arc<Notify>,
    ) -> Self {
        let progress = Progress::new(applied, Arc::clone(bell));
        let (frames, echoes) = Default::default();
        Self { shard, inbox, room, progress, sent: applied, frames, echoes }
    }

    /// Promises an entry of so many bytes room in the journal; what was promised is pushed, or
    /// given up.
    pub(crate) fn promise(&self, payload_bytes: usize) -> bool {
        self.room.as_ref().is_none_or(|room| room.reserve(alone(payload_bytes)))
    }

    /// The same for entries that are promised room together.
    pub(crate) fn promise_all(&self, payloads: impl Iterator<Item = usize>) -> bool {
        self.room.as_ref().is_none_or(|room| room.reserve(payloads.map(alone).sum()))
    }

    /// The same from the reserve, for what must go on when the journal is full.
    pub(crate) fn promise_from_reserve(&self, payload_bytes: usize) -> bool {
        self.room.as_ref().is_none_or(|room| room.reserve_from_reserve(alone(payload_bytes)))
    }

    /// Gives a promise up: its entry will not be pushed.
    pub(crate) fn give_up(&self, payload_bytes: usize) {
        if let Some(room) = &self.room {
            room.give_back(alone(payload_bytes));
        }
    }

    /// Gives up what was promised together.
    pub(crate) fn give_up_all(&self, payloads: impl Iterator<Item = usize>) {
        if let Some(room) = &self.room {
            room.give_back(payloads.map(alone).sum());
        }
    }

    /// Gives promises up for those of entries that need less room together.
    pub(crate) fn exchange(&self, promised: &[usize], payloads: &[usize]) {
        let Some(room) = &self.room else { return };
        // A promise has room for a mark behind its frame, and giving back gives one.
        let mark = frame_bytes(empty());
        let whole = |of: &[usize]| of.iter().map(|bytes| alone(*bytes) + mark).sum::<usize>();
        let surplus = whole(promised).checked_sub(whole(payloads) + mark);
        room.give_back(surplus.expect("what is promised has more room than what came of it"));
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Adds an entry, and says with which index it will be proposed.
    pub(crate) fn push(&mut self, entry: Entry) -> Index {
        self.push_together([entry])
    }

    /// Adds entries to one frame, so that they are applied all or none.
    pub(crate) fn push_together<const N: usize>(&mut self, entries: [Entry; N]) -> Index {
        let bytes: usize = entries.iter().map(Entry::payload_bytes).sum();
        let fits = self.frames.back().is_some_and(|frame| {
            let is_short = frame.entries.len() + N <= FRAME_ENTRIES_MAX;
            is_short && frame.bytes + bytes <= FRAME_BYTES_MAX
        });
        if !fits {
            self.frames.push_back(Frame::default());
        }
        let index = self.sent.plus(self.frames.len() as u64);
        let frame = self.frames.back_mut().expect("a frame was opened above");
        frame.bytes += bytes;
        frame.entries.extend(entries);
        index
    }

    /// Answers those who wait for what is not appended, once all that was pushed before is
    /// applied.
    pub(crate) fn echo(
        &mut self,
        waiters: Waiters,
        permit: Option<Permit>,
        outcome: Result<Offset, AppendError>,
    ) {
        let behind = self.sent.plus(self.frames.len() as u64);
        self.echoes.push(behind, waiters, permit, outcome);
    }

    /// Gives the answers that waited for what is applied now.
    pub(crate) fn tell_echoes(&mut self, wakes: &mut WakeList) {
        self.echoes.tell(self.progress.applied(), wakes);
    }

    pub(crate) fn has_echoes(&self) -> bool {
        !self.echoes.is_empty()
    }

    /// Proposes what may be proposed now.
    pub(crate) fn propose(&mut self, now_ms: i64) {
        while self.has_place() {
            let Some(frame) = self.frames.pop_front() else { return };
            self.sent = self.sent.plus(1);
            if let Some(room) = &self.room {
                frame.give_surplus_back(room);
            }
            let proposal = Proposal {
                shard: self.shard,
                index: self.sent,
                timestamp: now_ms,
                entries: frame.entries,
                progress: self.progress.clone(),
            };
            seam::propose(&self.inbox, proposal);
        }
    }

    /// Whether the shard may decide more: what it decided before is on its way, or the thread has
    /// stopped and there is nothing to decide but a refusal.
    pub(crate) fn is_open(&self) -> bool {
        self.progress.is_stopped() || (self.frames.len() <= 1 && self.has_place())
    }

    /// Whether the entry at `index` has been, or may still be, applied.
    pub(crate) fn will_apply(&self, index: Index) -> bool {
        index <= self.progress.applied() || (index <= self.sent && !self.progress.is_stopped())
    }

    /// Whether all that was pushed has been applied.
    pub(crate) fn is_idle(&self) -> bool {
        self.frames.is_empty() && self.sent == self.progress.applied()
    }

    /// Whether something gathered that may be proposed, or an answer that may be given.
    pub(crate) fn is_behind(&self) -> bool {
        let has_news = self.echoes.is_due(self.progress.applied());
        has_news || (!self.frames.is_empty() && self.has_place())
    }

    /// Frames that wait to be proposed.
    pub(crate) fn gathered(&self) -> usize {
        self.frames.len()
    }

    fn has_place(&self) -> bool {
        let under_way = self.sent.get() - self.progress.applied().get();
        under_way < OUTSTANDING_MAX && !self.progress.is_stopped()
    }

    /// Tells all who wait for what was not yet proposed that it never will be.
    pub(crate) fn refuse_rest(&mut self, error: AppendError, wakes: &mut WakeList) {
        for frame in self.frames.drain(..) {
            for mut entry in frame.entries {
                entry.refuse(error, wakes);
            }
        }
        self.tell_echoes(wakes);
        self.echoes.give_up(wakes);
    }
}

impl Frame {
    /// Each entry was promised a frame of its own; together they have one.
    fn give_surplus_back(&self, room: &Room) {
        let payloads = || self.entries.iter().map(Entry::payload_bytes);
        let Some(others) = payloads().count().checked_sub(2) else { return };
        // A promise has room for a mark behind its frame, and giving back gives one.
        let promised = payloads().map(alone).sum::<usize>() + others * frame_bytes(empty());
        room.give_back(promised - frame_bytes(payloads()));
    }
}

/// The bytes of an entry in a frame of its own.
fn alone(payload_bytes: usize) -> usize {
    frame_bytes(once(payload_bytes))
}
