//! All partitions of a topic as one stream of events, each partition in its order: read from the
//! log, by who is not at the ring or behind it.
//!
//! It reads when it is asked for more and holds no more than a slice of mapped memory for each
//! partition, and of a compressed one the batch whose records are being written; so a reader that
//! takes nothing costs next to nothing. At the tail it waits for the session's signals; nothing
//! polls. Partitions take turns, so none starves behind another's history.
//!
//! Invariants: `bookmark` is where the reader is behind the last event that was written; a
//! partition without a slice reads on at the subscription's offset, which is the bookmark's, or
//! above it where retention has overtaken the reader.

use weir_protocol::batch::Record;
use weir_protocol::code::Code;
use weir_protocol::id::TopicId;

use super::bookmark::{Bookmark, PARTITIONS_MAX, Place};
use super::events::Chunk;
use super::problem::Problem;
use crate::session::{
    Filters, FirstBatch, From, Item, Offset, Opened, ReadLimits, Refusal, Session, Signal,
    SkipReason as Reason, Skipped, Start, Step, Subscription, TopicFacts, Walk,
};

/// A reader of all partitions.
#[derive(Debug)]
pub(super) struct Merge {
    session: Session,
    bookmark: Bookmark,
    /// None while the reader goes by the ring.
    partitions: Vec<Partition>,
    /// How often they were followed anew.
    rounds: u64,
    /// The partition whose turn it is.
    turn: usize,
    /// Which records are sent; all, where nothing was said.
    wanted: Option<Filters>,
    /// Whether the bookmark is ahead of the one that the reader was told last.
    is_ahead: bool,
    /// Empty; memory for what wakes it.
    signals: Vec<Signal>,
}

/// How a reader came to where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    ByEvent,
    /// It does not know.
    Silently,
}

#[derive(Debug)]
struct Partition {
    subscription: Subscription,
    /// Its number, and how often it was followed before: signals for those come too late.
    token: u64,
    /// What was read and not all written.
    slice: Option<Opened>,
    /// Whether there may be more to read; else it was told to signal.
    is_ready: bool,
}

impl Merge {
    /// Begins at `from`, said for each partition.
    pub(super) async fn begin(
        session: Session,
        facts: &TopicFacts,
        from: &[From],
    ) -> Result<Self, Problem> {
        check_count(facts)?;
        let (mut places, mut partitions) = (Vec::new(), Vec::new());
        for (number, (facts_now, from)) in facts.partitions.iter().zip(from).enumerate() {
            let partition = Partition::follow(&session, facts.id, number as u64, *from).await?;
            let next = partition.subscription.offset().get();
            places.push(Place { epoch: facts_now.epoch.get(), next });
            partitions.push(partition);
        }
        let bookmark = Bookmark { topic: facts.id, places };
        Ok(Self::of(session, bookmark, partitions))
    }

    /// Goes on exactly behind the event that had `bookmark`. A partition that was added since is
    /// read from its beginning.
    pub(super) async fn resume(
        session: Session,
        facts: &TopicFacts,
        bookmark: &Bookmark,
    ) -> Result<Self, Problem> {
        check_count(facts)?;
        if bookmark.topic != facts.id {
            let detail = format!(
                "the bookmark is of another topic than {}, or of one that had its name before: \
                 begin by ?from=",
                facts.name
            );
            return Err(Problem::new(Code::InvalidBookmark, detail));
        }
        let (has, says) = (facts.partitions.len(), bookmark.places.len());
        if has < says {
            return Err(beyond(facts, &format!("it has {has} partitions, the bookmark {says}")));
        }
        let (mut places, mut partitions) = (Vec::new(), Vec::new());
        for (number, now) in facts.partitions.iter().enumerate() {
            let next = match bookmark.places.get(number) {
                Some(&was) => {
                    resumed_at(was, now.epoch.get(), now.tail.get()).ok_or_else(|| {
                        let (tail, next) = (now.tail, was.next);
                        let how =
                            format!("partition {number} ends at {tail}, the bookmark at {next}");
                        beyond(facts, &how)
                    })?
                }
                None => now.start.get(),
            };
            let partition = Partition::at_or_above(&session, facts.id, number as u64, next).await?;
            places.push(Place { epoch: now.epoch.get(), next });
            partitions.push(partition);
        }
        let bookmark = Bookmark { topic: facts.id, places };
        Ok(Self::of(session, bookmark, partitions))
    }

    fn of(session: Session, bookmark: Bookmark, partitions: Vec<Partition>) -> Self {
        let (rounds, turn, wanted, is_ahead, signals) = (0, 0, None, false, Vec::new());
        Self { session, bookmark, partitions, rounds, turn, wanted, is_ahead, signals }
    }

    /// Reads nothing for the time being: the reader goes by the ring.
    pub(super) fn rest(&mut self) {
        self.partitions.clear();
        self.turn = 0;
    }

    /// Goes on where the reader is.
    pub(super) async fn go_on(&mut self) -> Result<(), Refusal> {
        self.rounds += 1;
        self.partitions.clear();
        for (number, place) in self.bookmark.places.iter().enumerate() {
            let token = number as u64 + self.rounds * RESTED;
            let (session, topic) = (&self.session, self.bookmark.topic);
            let partition = Partition::at_or_above(session, topic, token, place.next).await?;
            self.partitions.push(partition);
        }
        Ok(())
    }

    /// Sends only records that these take, from now on.
    pub(super) fn want(&mut self, wanted: Option<Filters>) {
        self.wanted = wanted;
    }

    pub(super) fn bookmark(&self) -> &Bookmark {
        &self.bookmark
    }

    /// The reader was sent an event, or all below `to` of a partition is not for it.
    pub(super) fn is_at(&mut self, partition: usize, to: u64, reached: Reached) {
        self.bookmark.places[partition].next = to;
        self.is_ahead = reached == Reached::Silently;
    }

    /// Where the reader is; it is told.
    pub(super) fn said(&mut self) -> &Bookmark {
        self.is_ahead = false;
        &self.bookmark
    }

    /// Whether records were passed over since the reader was told where it is.
    pub(super) fn is_ahead(&self) -> bool {
        self.is_ahead
    }

    /// Whether there may be more to read at once.
    pub(super) fn is_ready(&self) -> bool {
        self.partitions.iter().any(|partition| partition.is_ready)
    }

    /// Waits until there may be more.
    pub(super) async fn wait(&mut self) {
        self.session.signals().wait().await;
        self.session.signals().take(&mut self.signals);
        for signal in self.signals.drain(..) {
            let Signal::Ready(token) = signal else { continue };
            let partition = self.partitions.get_mut((token % FOLLOWED_AGAIN) as usize);
            if let Some(partition) = partition
                && partition.token == token
            {
                partition.subscription.signalled();
                partition.is_ready = true;
            }
        }
    }

    /// Writes what there is, as far as `chunk` has room, and as far as a turn goes.
    pub(super) async fn fill(&mut self, chunk: &mut Chunk) -> Result<(), Refusal> {
        let count = self.partitions.len();
        let (mut idle, mut reads) = (0, 0);
        while idle < count && reads < READS_PER_TURN && !chunk.is_full() {
            let number = self.turn;
            self.turn = (number + 1) % count;
            if self.partitions[number].is_ready {
                self.advance(number, chunk).await?;
                (idle, reads) = (0, reads + 1);
            } else {
                idle += 1;
            }
        }
        Ok(())
    }

    /// One read of a partition, or the rest of the last one.
    async fn advance(&mut self, number: usize, chunk: &mut Chunk) -> Result<(), Refusal> {
        let partition = &mut self.partitions[number];
        if let Some(slice) = partition.slice.take() {
            self.write(number, slice, chunk);
            return Ok(());
        }
        let at = partition.subscription.offset().get();
        if self.bookmark.places[number].next < at {
            self.pass(number, at, Reason::Expired, chunk);
            return Ok(());
        }
        match partition.subscription.next(&READ_LIMITS) {
            Ok(Step::Slice(slice)) => self.write(number, Opened::new(slice), chunk),
            Ok(Step::Gap(span)) => self.pass(number, span.end.get(), Reason::Lost, chunk),
            Ok(Step::AtTail | Step::UnderWay | Step::NoRoom) => partition.is_ready = false,
            // Retention was faster than this reader.
            Err(refusal) if refusal.code == Code::OffsetOutOfRange => {
                let topic = self.bookmark.topic;
                let again = partition.token + FOLLOWED_AGAIN;
                *partition = Partition::follow(&self.session, topic, again, From::Earliest).await?;
            }
            Err(refusal) => return Err(refusal),
        }
        Ok(())
    }

    /// Writes the records of a slice; what finds no room stays.
    fn write(&mut self, number: usize, mut slice: Opened, chunk: &mut Chunk) {
        let partition = number as u32;
        let mut walk = Walk::new(&slice, self.bookmark.places[number].next);
        while let Some(item) = walk.next() {
            self.bookmark.places[number].next = walk.next_offset();
            match item {
                Item::Record(record) if !is_wanted(self.wanted.as_ref(), &record) => {
                    self.is_ahead = true;
                    continue;
                }
                Item::Record(record) => chunk.record(partition, &record, &self.bookmark),
                Item::Skipped(skipped) => chunk.gap(partition, skipped, &self.bookmark),
            }
            self.is_ahead = false;
            if chunk.is_full() {
                break;
            }
        }
        if chunk.is_full() || walk.is_paused() {
            self.bookmark.places[number].next = walk.next_offset();
            let compressed = walk.compressed_last();
            slice.close_before(compressed);
            self.partitions[number].slice = Some(slice);
            return;
        }
        self.bookmark.places[number].next = slice.slice().span.end.get();
    }

    /// Tells that the reader goes on at `to`, and why.
    fn pass(&mut self, number: usize, to: u64, reason: Reason, chunk: &mut Chunk) {
        let from = std::mem::replace(&mut self.bookmark.places[number].next, to);
        chunk.gap(number as u32, Skipped { from, to, reason }, &self.bookmark);
        self.is_ahead = false;
    }
}

fn is_wanted(wanted: Option<&Filters>, record: &Record<'_>) -> bool {
    wanted.is_none_or(|filters| filters.take(record.key))
}

impl Partition {
    /// Follows from an offset on, or from the first that is kept where that is above it.
    async fn at_or_above(
        session: &Session,
        topic: TopicId,
        token: u64,
        next: u64,
    ) -> Result<Self, Refusal> {
        let from = From::Offset(Offset::new(next));
        match Self::follow(session, topic, token, from).await {
            Err(refusal) if refusal.code == Code::OffsetOutOfRange => {
                Self::follow(session, topic, token, From::Earliest).await
            }
            followed => followed,
        }
    }

    async fn follow(
        session: &Session,
        topic: TopicId,
        token: u64,
        from: From,
    ) -> Result<Self, Refusal> {
        let start = Start { partition: (token % FOLLOWED_AGAIN) as u32, from, token };
        let subscription = session.subscribe(topic, start).await?;
        Ok(Self { subscription, token, slice: None, is_ready: true })
    }
}

/// Where a partition with this epoch and tail goes on for who was at `place`, if it can have
/// been.
fn resumed_at(place: Place, epoch: u32, tail: u64) -> Option<u64> {
    match place {
        Place { epoch: was, next } if was <= epoch && next <= tail => Some(next),
        // It was there before a stop that lost records; none of the lost offsets comes again.
        Place { epoch: was, .. } if was < epoch => Some(tail),
        _ => None,
    }
}

fn check_count(facts: &TopicFacts) -> Result<(), Problem> {
    let count = facts.partitions.len();
    if count <= PARTITIONS_MAX {
        return Ok(());
    }
    let detail = format!(
        "topic {} has {count} partitions, and live events cover {PARTITIONS_MAX} at most: read \
         its records, or use fewer partitions",
        facts.name
    );
    Err(Problem::new(Code::TooManyPartitions, detail))
}

fn beyond(facts: &TopicFacts, how: &str) -> Problem {
    let detail = format!(
        "the bookmark is beyond the end of topic {}: {how}; it is of another broker, or of this \
         one with other data: begin by ?from=",
        facts.name
    );
    Problem::new(Code::InvalidBookmark, detail)
}

/// Reads in one turn, where all that is read is passed over.
const READS_PER_TURN: usize = 8;

/// Stands in a token above the partition's number, once for each time it was followed again.
const FOLLOWED_AGAIN: u64 = 1 << 32;

/// Stands above that, once for each time the reader came from the ring.
const RESTED: u64 = 1 << 48;

/// What is read at once, unless a single batch is larger.
const READ_LIMITS: ReadLimits =
    ReadLimits { bytes_max: 256 << 10, messages_max: u64::MAX, first: FirstBatch::Always };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bookmark_beyond_the_end_is_good_only_if_a_crash_made_it_so() {
        for (epoch, next, resumed) in [
            (3, 20, Some(20)),
            (3, 5, Some(5)),
            (3, 1, Some(1)),
            (2, 10, Some(10)),
            (2, 21, Some(20)),
            (3, 21, None),
            (4, 10, None),
        ] {
            assert_eq!(resumed_at(Place { epoch, next }, 3, 20), resumed, "{epoch} {next}");
        }
    }
}
