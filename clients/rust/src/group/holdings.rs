//! What is a member's now: each partition with how far it is worked off, and its reader.
//!
//! Each partition has a reader of its own, so that one that stays the member's goes on as it is,
//! with what was sent ahead, whatever comes or goes beside it. The window is shared out evenly, and
//! anew as partitions come and go.
//!
//! Invariant: readers take turns, batch by batch; a partition that is paused has none.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::task::{Context, Poll, ready};

use weir_protocol::id::TopicId;
use weir_protocol::name::TopicName;

use crate::consumer::{Consumer, Place};
use crate::errors::ConsumeError;

/// A partition of one of several topics.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    pub topic: TopicName,
    pub partition: u32,
}

impl TopicPartition {
    pub fn new(topic: TopicName, partition: u32) -> Self {
        Self { topic, partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

/// The same by the topic's id, as the broker tells of it.
pub(super) type Key = (TopicId, u32);

#[derive(Default)]
pub(super) struct Holdings {
    all: BTreeMap<Key, Holding>,
    paused: BTreeSet<Key>,
    /// Whose reader is asked first.
    turn: Option<Key>,
    /// Readers that were ever begun.
    begun: u64,
}

#[derive(Default)]
struct Holding {
    progress: Progress,
    reader: Reader,
}

#[derive(Default)]
enum Reader {
    #[default]
    None,
    /// It is being begun, as the how-manieth of all.
    Begins(u64),
    Stands(Box<Consumer>),
}

/// How far the member is in a partition.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// What is read next; `None` where the group has committed nothing and nothing was read.
    pub(super) next: Option<u64>,
    /// Up to where everything is worked off.
    done: Option<u64>,
    committed: Option<u64>,
}

/// What one reader gives next.
pub(super) type Taken<T> = Option<Result<T, ConsumeError>>;

impl Holdings {
    /// This is the member's from now on; false where it was before, and goes on.
    pub(super) fn add(&mut self, key: Key, committed: Option<u64>) -> bool {
        let is_new = !self.all.contains_key(&key);
        if is_new {
            let progress = Progress { next: committed, done: None, committed };
            self.all.insert(key, Holding { progress, reader: Reader::None });
        }
        is_new
    }

    pub(super) fn remove(&mut self, key: Key) {
        self.all.remove(&key);
    }

    /// Gives all up, and says what that was.
    pub(super) fn take_all(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.all).into_keys().collect()
    }

    pub(super) fn contains(&self, key: Key) -> bool {
        self.all.contains_key(&key)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = Key> {
        self.all.keys().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// What is to be read and has no reader, each with where it goes on. Somebody begins them, and
    /// tells of each under its number.
    pub(super) fn begin(&mut self) -> Vec<(Key, u64, Option<u64>)> {
        let mut begin = Vec::new();
        for (key, holding) in &mut self.all {
            if matches!(holding.reader, Reader::None) && !self.paused.contains(key) {
                self.begun += 1;
                holding.reader = Reader::Begins(self.begun);
                begin.push((*key, self.begun, holding.progress.next));
            }
        }
        begin
    }

    /// A reader stands, or does not, and is begun anew; where its partition was let go or goes on
    /// elsewhere meanwhile, it is dropped.
    pub(super) fn begun(&mut self, key: Key, number: u64, reader: Option<Consumer>) {
        if let Some(holding) = self.all.get_mut(&key)
            && matches!(holding.reader, Reader::Begins(begins) if begins == number)
        {
            let stands = |reader| Reader::Stands(Box::new(reader));
            holding.reader = reader.map_or(Reader::None, stands);
        }
    }

    /// Lets each partition have its share of a window.
    pub(super) fn share_window(&self, bytes: u64) {
        for reader in self.all.values().filter_map(Holding::standing) {
            reader.resize_window(bytes);
        }
    }

    pub(super) fn pause(&mut self, key: Key) {
        self.paused.insert(key);
        if let Some(holding) = self.all.get_mut(&key) {
            holding.stop();
        }
    }

    pub(super) fn resume(&mut self, key: Key) {
        self.paused.remove(&key);
    }

    /// Goes on at another offset.
    pub(super) fn seek(&mut self, key: Key, offset: u64) {
        if let Some(Holding { progress, reader }) = self.all.get_mut(&key) {
            *reader = Reader::None;
            (progress.next, progress.done) = (Some(offset), Some(offset));
        }
    }

    /// Everything below `next` is worked off.
    pub(super) fn worked_off(&mut self, key: Key, next: u64) {
        if let Some(Holding { progress, .. }) = self.all.get_mut(&key) {
            (progress.next, progress.done) = (Some(next), Some(next));
        }
    }

    /// What is worked off and not committed.
    pub(super) fn due(&self) -> Vec<(Key, u64)> {
        let due = self.all.iter().filter_map(|(key, Holding { progress, .. })| {
            let done = progress.done.filter(|_| progress.done != progress.committed)?;
            Some((*key, done))
        });
        due.collect()
    }

    pub(super) fn committed(&mut self, key: Key, offset: u64) {
        if let Some(Holding { progress, .. }) = self.all.get_mut(&key) {
            progress.committed = Some(offset);
        }
    }

    /// What the first reader that has something gives; one that ends is begun anew.
    pub(super) fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        take: impl Fn(&mut Consumer, &mut Context<'_>) -> Poll<Taken<T>>,
    ) -> Poll<(Key, Taken<T>)> {
        if let Some(key) = self.turn.filter(|key| self.is_in_batch(*key))
            && let Poll::Ready(taken) = self.poll_of(key, context, &take)
        {
            return Poll::Ready((key, taken));
        }
        for key in self.in_turn() {
            if let Poll::Ready(taken) = self.poll_of(key, context, &take) {
                return Poll::Ready((key, taken));
            }
        }
        Poll::Pending
    }

    fn poll_of<T>(
        &mut self,
        key: Key,
        context: &mut Context<'_>,
        take: impl Fn(&mut Consumer, &mut Context<'_>) -> Poll<Taken<T>>,
    ) -> Poll<Taken<T>> {
        let Some(holding) = self.all.get_mut(&key) else { return Poll::Pending };
        let Reader::Stands(reader) = &mut holding.reader else { return Poll::Pending };
        let taken = ready!(take(reader, context));
        let (topic, partition) = key;
        let next = (topic, partition.saturating_add(1));
        self.turn = Some(if reader.is_in_batch() { key } else { next });
        if taken.is_none() {
            holding.stop();
        }
        Poll::Ready(taken)
    }

    fn is_in_batch(&self, key: Key) -> bool {
        let reader = self.all.get(&key).and_then(Holding::standing);
        reader.is_some_and(Consumer::is_in_batch)
    }

    /// All, once around from the one whose turn it is.
    fn in_turn(&self) -> Vec<Key> {
        let (before, from): (Vec<Key>, Vec<Key>) =
            self.keys().partition(|key| self.turn.is_some_and(|turn| *key < turn));
        from.into_iter().chain(before).collect()
    }

    /// Where each partition is that is read now.
    pub(super) fn places(&self) -> impl Iterator<Item = (Key, Place)> {
        self.all.iter().flat_map(|(key, holding)| {
            let places = holding.standing().into_iter().flat_map(Consumer::places);
            places.map(|place| (*key, place))
        })
    }
}

impl Holding {
    /// Stops reading, to begin again at the same place.
    fn stop(&mut self) {
        if let Some(place) = self.standing().and_then(|reader| reader.places().pop()) {
            self.progress.next = Some(place.cursor);
        }
        self.reader = Reader::None;
    }

    fn standing(&self) -> Option<&Consumer> {
        match &self.reader {
            Reader::Stands(reader) => Some(reader),
            Reader::None | Reader::Begins(_) => None,
        }
    }
}
