//! The message ids that a partition remembers, and which of its records were sent before.
//!
//! ```text
//!   recent   (offset, time, id)  ◄── forgotten from here, by time and by count
//!            ...
//!            (offset, time, id)  ◄── a batch that is given its offset adds its new ids here
//!   duplicates   [start, end) [start, end)   records in the log whose id was known before
//! ```
//!
//! A record that comes alone and is known is never stored again. One that is part of a batch of
//! several, which its producer may have numbered, stays in the log; its offset is a duplicate's,
//! and whoever hands records out one by one passes over it ([`MessageIds::duplicates`]).
//!
//! Pure: time is an argument, and never goes back: an id is remembered for as long as its window
//! says from when it was taken, or longer where the clock was set back.
//!
//! Bounded by the window's count, and duplicates by [`DUPLICATES_MAX`] spans: beyond, the oldest
//! are forgotten, and a reader that is so far behind may see them again.
//!
//! Invariant: offsets in `recent` rise and its times do not fall; `by_id` has the newest offset of
//! each id in it and nothing else; the spans of duplicates neither touch nor overlap.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Buf, BufMut, BytesMut};
use weir_protocol::limits::MESSAGE_ID_WINDOW_RECORDS_MAX;
use weir_storage::offset::{Offset, OffsetSpan};

use super::identified::{Fate, Identified};
use super::message_id::{Ids, MessageId, Window};

/// Spans of duplicates that a partition remembers. Memory: about 40 bytes each.
pub(crate) const DUPLICATES_MAX: usize = 1 << 16;

/// The ids and duplicates of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MessageIds {
    recent: VecDeque<Known>,
    by_id: BTreeMap<MessageId, Offset>,
    /// Ends by starts.
    duplicates: BTreeMap<Offset, Offset>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    offset: Offset,
    at_ms: i64,
    id: MessageId,
}

impl MessageIds {
    /// How many ids are remembered.
    pub(crate) fn len(&self) -> usize {
        self.recent.len()
    }

    /// Whether there is anything to keep in a checkpoint.
    pub(crate) fn is_empty(&self) -> bool {
        self.recent.is_empty() && self.duplicates.is_empty()
    }

    /// The offset of the record that had an id first.
    pub(crate) fn find(&self, id: MessageId) -> Option<Offset> {
        self.by_id.get(&id).copied()
    }

    /// Forgets what is older than the window. Nobody else need know yet: the next entry says it.
    pub(crate) fn expire(&mut self, window: Window, now_ms: i64) {
        let is_over = |known: &mut Known| {
            now_ms.checked_sub(known.at_ms).is_some_and(|age| window.ms.cast_signed() <= age)
        };
        while let Some(known) = self.recent.pop_front_if(is_over) {
            self.lost(&known);
        }
    }

    /// Decides what becomes of the ids of a batch that is given its offset, and applies it.
    pub(crate) fn append(&mut self, base: Offset, ids: &Ids, now_ms: i64) -> Identified {
        self.expire(ids.window, now_ms);
        let last_ms = self.recent.back().map_or(now_ms, |last| last.at_ms);
        let at_ms = now_ms.max(last_ms);
        let mut fates = Vec::with_capacity(ids.of_records.len());
        for &(place, id) in &ids.of_records {
            let is_known = self.find(id).is_some();
            let fate = if is_known { Fate::Duplicate(place, id) } else { Fate::New(place, id) };
            self.take(base, at_ms, fate);
            fates.push(fate);
        }
        while (ids.window.records as usize) < self.recent.len() {
            let Some(known) = self.recent.pop_front() else { break };
            self.lost(&known);
        }
        let kept_from = self.recent.front().map_or(base, |known| known.offset);
        Identified { base, at_ms, kept_from, ids: fates }
    }

    /// Takes in what was decided. What it has already it passes over.
    pub(crate) fn apply(&mut self, identified: &Identified) {
        let Identified { base, at_ms, kept_from, ref ids } = *identified;
        if self.end().is_some_and(|end| base < end) {
            return;
        }
        for fate in ids {
            self.take(base, at_ms, *fate);
        }
        while let Some(known) = self.recent.pop_front_if(|known| known.offset < kept_from) {
            self.lost(&known);
        }
    }

    /// The spans of duplicates within a span, in their order.
    pub(crate) fn duplicates(&self, span: OffsetSpan) -> impl Iterator<Item = OffsetSpan> {
        let before = self.duplicates.range(..span.start).next_back();
        let before = before.filter(|(_, end)| span.start < **end);
        let all = before.into_iter().chain(self.duplicates.range(span.start..));
        let within = all.take_while(move |(start, _)| **start < span.end);
        within.map(move |(start, end)| (*start).max(span.start)..(*end).min(span.end))
    }

    /// The topic has no window any more: no id is found from now on.
    pub(crate) fn forget_ids(&mut self) {
        if !self.recent.is_empty() {
            self.recent = VecDeque::new();
            self.by_id.clear();
        }
    }

    /// The log begins at an offset: what lies below is no duplicate of anything.
    pub(crate) fn begin_at(&mut self, start: Offset) {
        while let Some(first) = self.duplicates.first_entry().filter(|first| *first.key() < start) {
            let end = first.remove();
            if start < end {
                self.duplicates.insert(start, end);
            }
        }
    }

    /// Forgets what lies at or above an offset.
    pub(crate) fn cut(&mut self, end: Offset) {
        while let Some(known) = self.recent.pop_back_if(|known| end <= known.offset) {
            self.lost(&known);
        }
        self.duplicates.split_off(&end);
        if let Some(mut last) = self.duplicates.last_entry()
            && end < *last.get()
        {
            *last.get_mut() = end;
        }
    }

    pub(crate) fn encode(&self, bytes: &mut BytesMut) {
        let count = |count: usize| u32::try_from(count).expect("ids and duplicates are limited");
        bytes.put_u32_le(count(self.recent.len()));
        for Known { offset, at_ms, id } in &self.recent {
            bytes.put_u64_le(offset.get());
            bytes.put_i64_le(*at_ms);
            bytes.put_u128_le(id.bits());
        }
        bytes.put_u32_le(count(self.duplicates.len()));
        for span in self.duplicates(Offset::ZERO..Offset::new(u64::MAX)) {
            bytes.put_u64_le(span.start.get());
            bytes.put_u64_le(span.end.get());
        }
    }

    /// Those that `encode` wrote.
    pub(crate) fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let mut ids = Self::default();
        let count = bytes.try_get_u32_le().ok()?;
        (count <= MESSAGE_ID_WINDOW_RECORDS_MAX).then_some(())?;
        for _ in 0..count {
            let offset = Offset::new(bytes.try_get_u64_le().ok()?);
            let at_ms = bytes.try_get_i64_le().ok()?;
            let id = MessageId::from_bits(bytes.try_get_u128_le().ok()?);
            let follows =
                ids.recent.back().is_none_or(|last| last.offset < offset && last.at_ms <= at_ms);
            follows.then(|| ids.remember(Known { offset, at_ms, id }))?;
        }
        let mut behind = None;
        for _ in 0..bytes.try_get_u32_le().ok()? {
            let start = Offset::new(bytes.try_get_u64_le().ok()?);
            let end = Offset::new(bytes.try_get_u64_le().ok()?);
            let is_next = behind.is_none_or(|behind| behind < start) && start < end;
            is_next.then(|| ids.duplicates.insert(start, end))?;
            behind = Some(end);
        }
        (ids.duplicates.len() <= DUPLICATES_MAX).then_some(ids)
    }

    fn take(&mut self, base: Offset, at_ms: i64, fate: Fate) {
        match fate {
            Fate::New(place, id) => {
                let offset = base.plus(u64::from(place));
                self.remember(Known { offset, at_ms, id });
            }
            Fate::Duplicate(place, _) => self.duplicate(base.plus(u64::from(place))),
        }
    }

    fn remember(&mut self, known: Known) {
        self.by_id.insert(known.id, known.offset);
        self.recent.push_back(known);
    }

    /// Above all duplicates so far.
    fn duplicate(&mut self, offset: Offset) {
        let end = offset.plus(1);
        match self.duplicates.last_entry() {
            Some(mut last) if *last.get() == offset => *last.get_mut() = end,
            _ => {
                self.duplicates.insert(offset, end);
                if DUPLICATES_MAX < self.duplicates.len() {
                    self.duplicates.pop_first();
                }
            }
        }
    }

    /// An id left `recent`; it may have come again since.
    fn lost(&mut self, known: &Known) {
        if self.by_id.get(&known.id) == Some(&known.offset) {
            self.by_id.remove(&known.id);
        }
    }

    /// Behind the last record that it knows of.
    fn end(&self) -> Option<Offset> {
        let last = self.recent.back().map(|known| known.offset.plus(1));
        last.max(self.duplicates.last_key_value().map(|(_, end)| *end))
    }
}

#[cfg(test)]
mod tests;
